"""Accuracy lost against time saved: the figure by which selection methods are compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sksubsel.plotting._style import (
    as_text,
    curve_style,
    finish_axes,
    log_scale_if_wide,
    new_axes,
)

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["TradeoffDisplay"]

_LABELS = {
    "rar": "Relative accuracy reduction\n(lower is better)",
    "speedup": "Speed-up over training on all instances",
    "accuracy": "Accuracy",
    "gb_minutes": "Memory over time (GB min)",
    "budget": "Budget",
}
_PERCENT = {"rar", "accuracy", "budget"}
_LOG = {"speedup", "gb_minutes"}


class TradeoffDisplay:
    """Trade-off between two measures, one curve for each method and one point for each budget.

    Make it with `from_frame`.

    Parameters
    ----------
    points : DataFrame
        Columns "method", "budget", "x", "y", "x_error", "y_error", in the order of plotting.
    x, y : str
        What the axes show; names in `from_frame`'s table.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    curves_ : dict of str to matplotlib ErrorbarContainer
        By method.

    Examples
    --------
    >>> import pandas as pd
    >>> from sksubsel.plotting import TradeoffDisplay
    >>> table = pd.DataFrame({
    ...     "method": ["random", "random", "inductive", "inductive"],
    ...     "budget": [0.05, 0.1, 0.05, 0.1],
    ...     "speedup": [19.0, 9.5, 18.0, 9.2],
    ...     "rar": [0.12, 0.08, 0.10, 0.07],
    ... })
    >>> display = TradeoffDisplay.from_frame(table)
    >>> display.plot().figure_.savefig("tradeoff.png")  # doctest: +SKIP
    """

    def __init__(self, points: pd.DataFrame, *, x: str = "speedup", y: str = "rar"):
        self.points = points
        self.x = x
        self.y = y

    @classmethod
    def from_frame(
        cls,
        table: pd.DataFrame,
        x: str = "speedup",
        y: str = "rar",
        *,
        method: str = "method",
        budget: str = "budget",
    ) -> Self:
        """Summarise a table of runs: mean and standard error for each method and budget.

        Errors are of the runs, where the table has a column ``seed`` of the seeds' means (of those
        that have all of the column ``arch``): architectures that share a seed may share a subset,
        and are the same in all seeds.

        Parameters
        ----------
        table : DataFrame
            One row a run (a method, budget, architecture and seed).
        x, y : str, default="speedup", "rar"
            Columns on the axes. A row with a missing value in either is left out.
        method : str, default="method"
            Column that tells the curves apart; they keep its order of first appearance.
        budget : str, default="budget"
            Column of which each value makes one point of a curve. They are joined in the order of
            a column ``n_selected``, where there is one, since counts may be beside fractions.

        Returns
        -------
        TradeoffDisplay

        Raises
        ------
        ValueError
            If a column is missing or there is no complete row.
        """
        missing = [name for name in (method, budget, x, y) if name not in table.columns]
        if missing:
            raise ValueError(f"table must have the columns {missing}; got {list(table.columns)}")
        runs = pd.DataFrame(
            {
                "method": table[method].to_numpy(),
                "budget": table[budget].to_numpy(),
                "size": table["n_selected" if "n_selected" in table else budget].to_numpy(),
                "x": table[x].to_numpy(dtype=float),
                "y": table[y].to_numpy(dtype=float),
                "seed": table["seed"].to_numpy() if "seed" in table else np.arange(len(table)),
                "arch": table["arch"].to_numpy() if "arch" in table else 0,
            }
        ).dropna(subset=["budget", "x", "y"])
        if runs.empty:
            raise ValueError(f"table must have at least one row with {x!r} and {y!r}; got none")
        groups = runs.groupby(["method", "budget"], sort=False)
        seeds = runs.groupby(["method", "budget", "seed"], sort=False)
        n_archs = seeds.arch.nunique()
        # one that lacks architectures differs from the others by these, not by chance
        whole = n_archs == n_archs.groupby(["method", "budget"], sort=False).transform("max")
        by_seed = seeds[["x", "y"]].mean()[whole].groupby(["method", "budget"], sort=False)
        errors = by_seed.sem().add_suffix("_error")
        points = groups[["x", "y"]].mean().join(errors)
        points["size"] = groups["size"].min()
        points = points.reset_index()
        # A single run has no standard error; it gets a point without a bar.
        points[["x_error", "y_error"]] = points[["x_error", "y_error"]].fillna(0.0)
        order = {name: k for k, name in enumerate(runs["method"].unique())}
        points = points.sort_values(
            ["method", "size"], key=lambda c: c.map(order) if c.name == "method" else c
        )
        return cls(points.drop(columns="size").reset_index(drop=True), x=x, y=y)

    def plot(self, ax: Any = None, *, legend: bool = True) -> Self:
        """Draw the curves.

        Bars are standard errors (see `from_frame`); curves are told apart by colour, marker and
        dashes.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a figure.
        legend : bool, default=True
            Name the methods in a legend.

        Returns
        -------
        self

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        if ax is None:
            ax = new_axes(legend, self.points["method"].nunique())
        self.ax_, self.figure_ = ax, ax.figure
        self.curves_ = {}
        for k, (name, curve) in enumerate(self.points.groupby("method", sort=False)):
            self.curves_[name] = ax.errorbar(
                curve["x"].to_numpy(),
                curve["y"].to_numpy(),
                xerr=_bars(curve["x_error"]),
                yerr=_bars(curve["y_error"]),
                label=as_text(name),
                markersize=5.5,
                markeredgecolor="white",
                markeredgewidth=0.5,
                linewidth=1.4,
                elinewidth=0.9,
                capsize=2,
                **curve_style(k),
            )
        _finish_axis(ax.xaxis, self.x, self.points["x"])
        _finish_axis(ax.yaxis, self.y, self.points["y"])
        finish_axes(ax, legend)
        return self


def _finish_axis(axis, name, values):
    """Label an axis by the measure on it; a wide range goes on a logarithmic scale."""
    from matplotlib import ticker

    axis.set_label_text(_LABELS.get(name, name))
    if name in _LOG and log_scale_if_wide(axis, values):
        return
    if name in _PERCENT and np.abs(values).max() <= 1:
        if values.max() > 10 * values.min():
            log_scale_if_wide(axis, values)
        axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{100 * value:.4g}%"))


def _bars(errors):
    """Lengths of error bars, or None where there are none to draw."""
    return errors.to_numpy() if (errors > 0).any() else None
