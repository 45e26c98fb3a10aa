"""What a table of `compare` says: means, errors, paired tests, speed-up at a given loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.stats import ttest_1samp

from sksubsel.benchmark.checks import FULL_DATA
from sksubsel.metrics import jaccard, kendall_tau

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "LEGEND",
    "REFERENCE",
    "agreement_of",
    "format_table",
    "legend_of",
    "rank_agreement",
    "speedup_at",
    "summarize",
]

_MEANS = ["accuracy", "train_accuracy", "validation_accuracy", "rar", "setup_time",
          "selection_time", "training_time", "speedup", "gb_minutes", "energy"]  # fmt: skip
REFERENCE = "class-balanced random"
"""What gains are over unless another method is named."""

_LEGEND = """\
n         seeds
accuracy  mean over architectures and seeds, +- standard error over seeds, where there are two
gain      points of accuracy over {reference} in the seeds of both,
          +- standard error over seeds of the paired differences; * p < .05 in a t-test of them,
          each by itself: among many methods some stars are chance
RAR       relative accuracy reduction: the share of the accuracy on all data that is lost
speed-up  time of training on all data over selection and training; GB min: memory over that time.
          A selector of (X, y) is counted for each architecture, as if there were one; what a
          SubSelNet prepares for all of them (zoo, fits, shared designs) is in none of these"""
LEGEND = _LEGEND.format(reference=f"{REFERENCE} (or --reference)")
"""What the columns of `format_table` are."""


def legend_of(reference: str) -> str:
    """The legend of a table whose gains are over that method."""
    return _LEGEND.format(reference=reference)


def summarize(table: pd.DataFrame, *, reference: str | None = REFERENCE) -> pd.DataFrame:
    """Means over architectures and seeds of a table of `compare`, one row per method and budget.

    Parameters
    ----------
    table : DataFrame
    reference : str or None, default="class-balanced random"
        The method that the others are compared with. None, or one that is not in the table: none.

    Returns
    -------
    DataFrame
        ``budget, method``, ``n_archs`` and ``n_seeds`` that the means are of, and the means;
        ``accuracy_se``, the standard error over seeds of that mean, the architectures being
        given; ``gain``, points of accuracy (in per cent) over the
        reference, ``gain_se`` over the seeds in common of the mean over the architectures in
        common, and ``p_value`` of a paired t-test over these seeds (NaN with fewer than two, and
        for the reference itself).

    Examples
    --------
    >>> import pandas as pd
    >>> from sksubsel.benchmark import summarize
    >>> table = pd.DataFrame(
    ...     {
    ...         "budget": 0.1,
    ...         "method": ["class-balanced random", "class-balanced random", "Herding", "Herding"],
    ...         "arch": "a",
    ...         "seed": [0, 1, 0, 1],
    ...         "accuracy": [0.70, 0.72, 0.73, 0.74],
    ...     }
    ... )
    >>> summarize(table)[["method", "accuracy", "gain", "gain_se"]].round(3)
                      method  accuracy  gain  gain_se
    0  class-balanced random     0.710   NaN      NaN
    1                Herding     0.735   2.5      0.5
    """
    keys = ["budget", "method"]
    groups = table.groupby(keys, sort=False)
    out = groups[[name for name in _MEANS if name in table]].mean()
    out.insert(0, "n_archs", groups.arch.nunique())
    out.insert(1, "n_seeds", groups.seed.nunique())
    accuracy = table.pivot_table("accuracy", [*keys, "arch"], "seed")
    # a subset may be shared by the architectures, so that only seeds are independent
    by_seed = [accuracy.loc[key].dropna(axis=1).mean(axis=0) for key in out.index]
    out.insert(3, "accuracy_se", [means.sem() for means in by_seed])
    for name in ("gain", "gain_se", "p_value"):
        out[name] = np.nan
    for budget, method in out.index:
        if method == reference or (budget, reference) not in out.index:
            continue
        differences = accuracy.loc[(budget, method)] - accuracy.loc[(budget, reference)]
        gains = 100 * differences.dropna(how="all").dropna(axis=1).mean(axis=0).to_numpy()
        values = [gains.mean() if len(gains) else np.nan, np.nan, np.nan]
        if len(gains) > 1:
            values[1] = gains.std(ddof=1) / np.sqrt(len(gains))
            values[2] = ttest_1samp(gains, 0).pvalue if values[1] > 0 else np.nan
        out.loc[(budget, method), ["gain", "gain_se", "p_value"]] = values
    return _by_budget(out.reset_index(), table)


def speedup_at(
    table: pd.DataFrame, rar: Sequence[float] = (0.1, 0.2), *, by: str = "time"
) -> pd.DataFrame:
    """Largest speed-up of each method at which no more than so much accuracy is lost.

    As in the paper's Tables 1 and 8: along the curve of (mean RAR, mean speed-up) over the
    budgets, between two neighbouring budgets by linear interpolation of log speed-up.

    Parameters
    ----------
    table : DataFrame
        Of `compare`. Budgets are in the order of ``n_selected``, or of themselves without it.
    rar : sequence of float, default=(0.1, 0.2)
        Relative accuracy reductions.
    by : {"time", "amortized", "steps"}, default="time"
        What is saved. "time": the selection counted, also one that serves every architecture
        (``shared``), as if there were one. "amortized": such a selection left out, as among very
        many architectures, so that those of a table and what a SubSelNet prepares, which
        ``setup_time`` has, are treated alike. "steps": optimiser steps, which are the same on every
        machine, busy or not, and know of no selection.

    Returns
    -------
    DataFrame of shape (methods, len(rar))
        NaN where no budget of the table loses so little, or where steps were not counted. Budgets
        are not extrapolated: where all lose less, it is the largest speed-up there is.

    Raises
    ------
    ValueError
        If `by` is none of these, or the table lacks the columns that it needs.

    Examples
    --------
    >>> import pandas as pd
    >>> from sksubsel.benchmark import speedup_at
    >>> table = pd.DataFrame(
    ...     {"method": "Herding", "budget": [0.01, 0.1], "rar": [0.3, 0.1], "speedup": [40.0, 10.0]}
    ... )
    >>> speedup_at(table, (0.1, 0.2))
              0.1   0.2
    method
    Herding  10.0  20.0
    """
    needed = {
        "time": ["speedup"],
        "amortized": ["arch", "shared", "selection_time", "training_time"],
        "steps": ["arch", "n_steps"],
    }
    if by not in needed:
        raise ValueError(f"by must be one of {list(needed)}; got {by!r}")
    missing = [name for name in ["method", "budget", "rar", *needed[by]] if name not in table]
    if missing:
        raise ValueError(
            f"table must have the columns {missing} where by={by!r}; compare and read_table give "
            "them"
        )
    if by != "time":
        if by == "steps":
            spent = table.n_steps
        else:
            spent = table.training_time + table.selection_time.mask(table.shared.eq(True), 0.0)
        full = spent[table.method == FULL_DATA].groupby(table.arch).mean()
        table = table.assign(speedup=table.arch.map(full) / spent)
    groups = table[table.method != FULL_DATA].groupby(["method", "budget"], sort=False)
    curves = _by_budget(groups[["rar", "speedup"]].mean().reset_index(), table)
    out = {}
    for method, curve in curves.groupby("method", sort=False):
        curve = curve.dropna(subset=["rar", "speedup"])
        x, y = curve.rar.to_numpy(), np.log(curve.speedup.to_numpy())
        best = []
        for threshold in rar:
            values = list(y[x <= threshold])
            for k in np.flatnonzero(np.diff(x <= threshold)):  # between k and k + 1
                share = (threshold - x[k]) / (x[k + 1] - x[k])
                values.append(y[k] + share * (y[k + 1] - y[k]))
            best.append(np.exp(max(values)) if values else np.nan)
        out[method] = best
    return pd.DataFrame.from_dict(out, orient="index", columns=list(rar)).rename_axis("method")


def rank_agreement(table: pd.DataFrame, *, k: int = 3) -> pd.DataFrame:
    """How well training on subsets ranks the architectures (paper, appendix E.4).

    Parameters
    ----------
    table : DataFrame
        Of `compare`, with at least two architectures.
    k : int, default=3
        How many best architectures are to be found.

    Returns
    -------
    DataFrame
        One row per method and budget: ``kendall_tau`` between the architectures' mean accuracies
        over seeds on the subset and on all data, ``jaccard`` of the `k` best of both (NaN with no
        more than `k` architectures), ``regret``, how much less accurate on all data the one that is
        best on subsets is than the best of all.

    Examples
    --------
    >>> import pandas as pd
    >>> from sksubsel.benchmark import FULL_DATA, rank_agreement
    >>> table = pd.DataFrame(
    ...     {
    ...         "budget": [0.1] * 3 + [1.0] * 3,
    ...         "method": ["Herding"] * 3 + [FULL_DATA] * 3,
    ...         "arch": ["a", "b", "c"] * 2,
    ...         "seed": 0,
    ...         "accuracy": [0.5, 0.7, 0.6, 0.8, 0.9, 0.95],
    ...     }
    ... )
    >>> rank_agreement(table, k=1).round(3)
       budget   method  kendall_tau  jaccard  regret
    0     0.1  Herding        0.333      0.0    0.05
    """
    means = table.pivot_table("accuracy", ["budget", "method"], "arch", sort=False)
    full = means.xs(1.0, level="budget").loc[FULL_DATA]
    names = ["budget", "method", "kendall_tau", "jaccard", "regret"]
    rows = []
    for (budget, method), found in means.iterrows():
        if method == FULL_DATA:
            continue
        found = found.dropna()
        agreement = agreement_of(found, full[found.index], k)
        # the best of all may be one that this method has no training of
        agreement["regret"] += full.max() - full[found.index].max()
        rows.append({"budget": budget, "method": method, **agreement})
    ranks = pd.DataFrame(rows, columns=names)  # of a table without subsets as well
    return _by_budget(ranks, table)


def agreement_of(found, known, k) -> dict:
    """How well accuracies that were `found` rank architectures of `known` accuracies.

    Parameters
    ----------
    found, known : array-like of shape (A,)
    k : int

    Returns
    -------
    dict
        ``kendall_tau``, ``jaccard`` and ``regret``, see `rank_agreement`.
    """
    found, known = np.asarray(found), np.asarray(known)
    return {
        "kendall_tau": kendall_tau(found, known) if len(found) > 1 else np.nan,
        "jaccard": jaccard(found, known, k=k) if len(found) > k else np.nan,
        "regret": known.max() - known[found.argmax()],
    }


def _by_budget(frame, table):
    """Rows of smaller budgets first, as a table of `compare` knows them by ``n_selected``.

    Counts may be beside fractions. A method may know no budget, and select nearly all or none at
    each, so that it is the middle one that says how many rows a budget is.
    """
    size = frame["budget"]
    if "n_selected" in table:
        size = size.map(table.groupby("budget").n_selected.median()).fillna(size)
    order = ["_size", "budget"]  # by themselves where no method selects more for more
    frame = frame.assign(_size=size).sort_values(order, kind="stable", ignore_index=True)
    return frame.drop(columns="_size")


def format_table(summary: pd.DataFrame) -> str:
    """A summary of `compare` as aligned text; * marks p < .05.

    Parameters
    ----------
    summary : DataFrame
        What `summarize` returns.

    Returns
    -------
    str

    Examples
    --------
    >>> import pandas as pd
    >>> from sksubsel.benchmark import format_table
    >>> summary = pd.DataFrame(
    ...     {
    ...         "budget": [0.1], "method": ["Herding"], "n_seeds": [3], "accuracy": [0.735],
    ...         "accuracy_se": [0.005], "gain": [2.5], "gain_se": [0.5], "p_value": [0.13],
    ...         "rar": [0.2], "selection_time": [0.1], "training_time": [2.0], "speedup": [9.5],
    ...         "gb_minutes": [0.01],
    ...     }
    ... )
    >>> print(format_table(summary))
    budget  method    n        accuracy            gain     RAR  select/s  train/s speed-up  GB min
       10%  Herding   3  0.7350+-0.0050  +2.50 +- 0.50    0.200     0.100     2.00      9.5    0.01
    """
    wide = max(len("method"), *(len(method) for method in summary.method))
    lines = [
        f"{'budget':>6}  {'method':<{wide}} {'n':>3} {'accuracy':>15} {'gain':>15} {'RAR':>7} "
        f"{'select/s':>9} {'train/s':>8} {'speed-up':>8} {'GB min':>7}"
    ]
    for row in summary.itertuples():
        budget = f"{row.budget:.0%}" if row.budget <= 1.0 else f"{row.budget:.0f}"
        accuracy = f"{row.accuracy:.4f}{_error(row.accuracy_se, '+-', 4)}"
        gain = ""
        if not np.isnan(row.gain):
            star = "*" if row.p_value < 0.05 else " "
            gain = f"{row.gain:+.2f}{_error(row.gain_se, ' +- ', 2)}{star}"
        lines.append(
            f"{budget:>6}  {row.method:<{wide}} {row.n_seeds:>3} {accuracy:>15} {gain:>15} "
            f"{round(row.rar, 3) + 0.0:>7.3f} {row.selection_time:>9.3f} "
            f"{row.training_time:>8.2f} {row.speedup:>8.1f} {row.gb_minutes:>7.2f}"
        )
    return "\n".join(lines)


def _error(value, sign, digits):
    """An error behind its sign, blanks of that width where there is none, as of one seed."""
    return " " * (len(sign) + digits + 2) if np.isnan(value) else f"{sign}{value:.{digits}f}"
