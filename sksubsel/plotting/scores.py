"""What scores the selected instances have, beside the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from sksubsel._validation import is_continuous
from sksubsel.plotting._style import as_text, colour_of, finish_axes, import_pyplot, tint
from sksubsel.samplers.kernels import check_rows

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from typing_extensions import Self

__all__ = ["ScoreDistributionDisplay"]

_GROUPS = ("rest", "selected")
_QUANTILES = {"low": 0.05, "q1": 0.25, "median": 0.5, "q3": 0.75, "high": 0.95}
_WIDTH = 0.34  # of a box; classes are 1 apart
_TURNED = 12  # classes from which on their names are turned


class ScoreDistributionDisplay:
    """Distribution of the instances' scores by class, the selected ones beside the rest.

    Boxes hold the middle half of the scores, with the median; whiskers reach from the 5th to the
    95th percentile.

    Make it with `from_scores` or `from_selector`.

    Parameters
    ----------
    summary : DataFrame
        One row for each class and group ("rest", "selected") with at least one instance: "class",
        "group", "count", and the quantiles "low", "q1", "median", "q3" and "high".
    score_name : str, default="Score"

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    boxes_ : dict of str to dict
        By group, the artists that ``Axes.bxp`` made.

    Examples
    --------
    >>> from sksubsel.plotting import ScoreDistributionDisplay
    >>> display = ScoreDistributionDisplay.from_scores(
    ...     [0.1, 0.2, 0.9, 0.8, 0.3, 0.7], ["a", "a", "a", "b", "b", "b"], rows=[2, 3]
    ... )
    >>> display.summary["count"].tolist()  # the rest and the selected of "a", then of "b"
    [2, 1, 2, 1]
    >>> display.plot().figure_.savefig("scores.png")  # doctest: +SKIP
    """

    def __init__(self, summary: pd.DataFrame, *, score_name: str = "Score"):
        self.summary = summary
        self.score_name = score_name

    @classmethod
    def from_scores(
        cls, scores: ArrayLike, y: ArrayLike | None, rows: ArrayLike, *, score_name: str = "Score"
    ) -> Self:
        """Summarise scores.

        Parameters
        ----------
        scores : array-like of shape (N,)
            NaN for instances that have none; these are left out.
        y : array-like of shape (N,) or None
            Class labels; None puts all instances together.
        rows : int array of shape (B,), or bool of shape (N,)
            The selected instances.
        score_name : str, default="Score"
            What the axis is called.

        Returns
        -------
        ScoreDistributionDisplay

        Raises
        ------
        ValueError
            If lengths differ, `y` is continuous, `rows` are out of range, a score is infinite, or
            there is no score.
        """
        scores = np.asarray(scores, dtype=float)
        if scores.ndim != 1:
            raise ValueError(f"scores must have shape (N,); got {scores.shape}")
        y = np.full(len(scores), "all") if y is None else np.asarray(y)
        if y.shape != scores.shape:
            raise ValueError(
                "y must have one label for each score; got y of shape "
                f"{y.shape} and scores of shape {scores.shape}"
            )
        if is_continuous(y):
            raise ValueError(
                "y must hold class labels; got continuous targets (pass their bins, such as "
                "pandas.qcut(y, 4, labels=False), or None)"
            )
        selected = np.zeros(len(scores), dtype=bool)
        selected[check_rows(rows, len(scores), "rows")] = True
        known = ~np.isnan(scores)
        if not known.any():
            raise ValueError("scores must hold at least one number; got NaN alone")
        if np.isinf(scores).any():
            raise ValueError(f"scores must be finite or NaN; got {scores[np.isinf(scores)][0]}")
        table = pd.DataFrame(
            {
                "class": y[known],
                "group": np.where(selected[known], "selected", "rest"),
                "score": scores[known],
            }
        )
        groups = table.groupby(["class", "group"], sort=True)["score"]
        summary = groups.quantile(list(_QUANTILES.values())).unstack()
        summary.columns = list(_QUANTILES)
        summary.insert(0, "count", groups.size())
        return cls(summary.reset_index(), score_name=score_name)

    @classmethod
    def from_selector(
        cls, selector: Any, y: ArrayLike | None, *, score_name: str | None = None
    ) -> Self:
        """The scores of a fitted baseline, and what it selected by them.

        Parameters
        ----------
        selector : BaseSelector
            Fitted, with ``scores_`` and ``sample_indices_``.
        y : array-like of shape (N,) or None
            Class labels of the instances that it was fitted on.
        score_name : str, default=None
            None names the selector's class.

        Returns
        -------
        ScoreDistributionDisplay

        Raises
        ------
        NotFittedError
            If the selector is not fitted.
        TypeError
            If it has no scores of its own.
        ValueError
            As `from_scores`.
        """
        if hasattr(selector, "fit"):
            check_is_fitted(selector)
        if not (hasattr(selector, "scores_") and hasattr(selector, "sample_indices_")):
            raise TypeError(
                "selector must have scores_ and sample_indices_, as those of sksubsel.baselines "
                f"have; got {type(selector).__name__} (from_scores takes any scores and rows)"
            )
        name = f"Score of {type(selector).__name__}" if score_name is None else score_name
        return cls.from_scores(selector.scores_, y, selector.sample_indices_, score_name=name)

    def plot(self, ax: Any = None, *, legend: bool = True) -> Self:
        """Draw the boxes.

        The selected ones are filled; the rest are hollow and stand to the left.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a figure, the wider the more classes there are.
        legend : bool, default=True

        Returns
        -------
        self

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        plt = import_pyplot()
        classes = self.summary["class"].unique().tolist()
        if ax is None:
            width = float(np.clip(1.2 + 0.45 * len(classes), 3.5, 14))
            _, ax = plt.subplots(figsize=(width, 3.6), layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        self.boxes_ = {}
        for k, group in enumerate(_GROUPS):
            part = self.summary[self.summary["group"] == group]
            if part.empty:
                continue
            self.boxes_[group] = ax.bxp(
                _stats(part),
                positions=[classes.index(c) + (k - 0.5) * (_WIDTH + 0.06) for c in part["class"]],
                widths=_WIDTH, showfliers=False, patch_artist=True, manage_ticks=False,
                **_colours(group),
            )  # fmt: skip
        ax.set_xlim(-0.6, len(classes) - 0.4)
        turned = {"rotation": 90} if len(classes) >= _TURNED else {}
        ax.set_xticks(range(len(classes)), [as_text(c) for c in classes], **turned)
        ax.set(xlabel="Class", ylabel=self.score_name)
        finish_axes(ax, False)
        ax.grid(visible=False, axis="x")
        if legend:
            handles = [boxes["boxes"][0] for boxes in self.boxes_.values()]
            n_by_group = self.summary.groupby("group")["count"].sum()
            names = [f"{group} ({n_by_group[group]:,})" for group in self.boxes_]
            ax.legend(
                handles, names, frameon=False, fontsize="small", ncols=2, borderaxespad=0.1,
                loc="lower left", bbox_to_anchor=(0, 1), handlelength=1.4,
            )  # fmt: skip
        return self


def _stats(part):
    """Rows of the summary as `Axes.bxp` takes them."""
    names = {"low": "whislo", "q1": "q1", "median": "med", "q3": "q3", "high": "whishi"}
    return part.rename(columns=names)[list(names.values())].to_dict("records")


def _colours(group):
    colour = "#404040" if group == "rest" else colour_of(0)
    line = {"color": colour, "linewidth": 1.0}
    face = "white" if group == "rest" else tint(colour, 0.6)
    return {
        "boxprops": {"facecolor": face, "edgecolor": colour, "linewidth": 1.0},
        "medianprops": {"color": "black", "linewidth": 1.6},
        "whiskerprops": line,
        "capprops": line,
    }
