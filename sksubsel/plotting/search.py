"""Trials of a search, and the best score so far, against the time that they took."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sksubsel.plotting._style import curve_style, finish_axes, new_axes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Self

__all__ = ["SearchDisplay"]

_COLUMNS = ["hash", "score", "n_selected", "selection_time", "training_time"]
_AGAINST = {"time": "Time of the search (s)", "trials": "Trials"}


class SearchDisplay:
    """Score of each trial, and the best one so far, of one search or several side by side.

    Trials that were ended early are hollow; of these, and of ones that failed, none is the best.
    Make it with `from_results`.

    Parameters
    ----------
    trials : DataFrame
        Columns "search", "cost" (seconds or trials up to the end of this one), "score", "ended"
        (bool, ended early) and "best" (the best score so far, NaN before there is one).
    against : {"time", "trials"}, default="time"
        What "cost" is.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    curves_ : dict of str to matplotlib Line2D
        The best score so far, by search.
    points_ : dict of str to matplotlib PathCollection
        Trials, by search.

    Examples
    --------
    >>> import pandas as pd
    >>> from sksubsel.plotting import SearchDisplay
    >>> results = pd.DataFrame({
    ...     "hash": ["a", "b", "c"],
    ...     "score": [0.7, 0.6, 0.8],
    ...     "n_selected": [100, 100, 100],
    ...     "selection_time": [1.0, 1.0, 1.0],
    ...     "training_time": [4.0, 5.0, 4.0],
    ... })
    >>> display = SearchDisplay.from_results(results)
    >>> display.trials[["cost", "best"]].to_numpy().tolist()
    [[5.0, 0.7], [11.0, 0.7], [16.0, 0.8]]
    >>> display.plot().figure_.savefig("search.png")  # doctest: +SKIP
    """

    def __init__(self, trials: pd.DataFrame, *, against: str = "time"):
        self.trials = trials
        self.against = against

    @classmethod
    def from_results(
        cls, results: pd.DataFrame | Mapping[str, pd.DataFrame], *, against: str = "time"
    ) -> Self:
        """Trials of a search, or of searches by name.

        Parameters
        ----------
        results : DataFrame or dict of str to DataFrame
            ``results_`` of a `RandomSearch`, `EvolutionSearch` or `HalvingSearch`, or `results` of
            what `tune` returns. (The epochs of a `DARTSSearch` are for `TrainingDisplay`.)
        against : {"time", "trials"}, default="time"
            Seconds of selection, training and scoring, one trial after another (rows selected
            for several trials of an architecture count once, and a training that a search took
            over from an earlier trial none); or the number of trials.

        Returns
        -------
        SearchDisplay

        Raises
        ------
        ValueError
            If there is no search or no trial, a column is missing, or `against` is none of these.
        """
        if against not in _AGAINST:
            raise ValueError(f"against must be one of {sorted(_AGAINST)}; got {against!r}")
        searches = results if isinstance(results, dict) else {"": results}
        if not searches:
            raise ValueError("results must hold at least one search; got none")
        tables = [_trials(name, table, against) for name, table in searches.items()]
        return cls(pd.concat(tables, ignore_index=True), against=against)

    def plot(self, ax: Any = None, *, legend: bool = True) -> Self:
        """Draw trials as points and the best score so far as steps.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a figure.
        legend : bool, default=True
            Name the searches, where there are several.

        Returns
        -------
        self

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        names = self.trials["search"].unique().tolist()
        legend = legend and len(names) > 1
        if ax is None:
            ax = new_axes(legend)
        self.ax_, self.figure_ = ax, ax.figure
        self.curves_, self.points_, handles = {}, {}, []
        for k, (name, own) in enumerate(self.trials.groupby("search", sort=False)):
            style = curve_style(k)
            handles += ax.plot([], [], label=name, linewidth=1.4, **style)  # with its marker
            marker = style.pop("marker")
            (self.curves_[name],) = ax.plot(
                own["cost"], own["best"], drawstyle="steps-post", linewidth=1.4, **style
            )
            self.points_[name] = ax.scatter(
                own["cost"], own["score"], s=22, marker=marker, linewidths=1.0,
                edgecolors=style["color"],
                facecolors=np.where(own["ended"], "none", style["color"]).tolist(),
            )  # fmt: skip
        ax.set_xlabel(_AGAINST[self.against])
        ax.set_ylabel("Score on validation instances")
        finish_axes(ax, legend, handles)
        return self


def _trials(name, table, against):
    """What is drawn of one search."""
    missing = [column for column in _COLUMNS if column not in table.columns]
    if missing:
        raise ValueError(f"results must have the columns {missing}; got {list(table.columns)}")
    if len(table) == 0:
        raise ValueError(f"results must hold at least one trial; got none of search {name!r}")
    again = table.duplicated(["hash", "n_selected"])  # these rows had been selected before
    seconds = table["training_time"].fillna(0) + table["selection_time"].where(~again, 0).fillna(0)
    if "scoring_time" in table:
        seconds = seconds + table["scoring_time"].fillna(0)
    if "max_epochs" in table:  # not of `tune`, whose trials differ in parameters
        seconds[table.duplicated(["hash", "n_selected", "max_epochs"])] = 0
    ended = np.zeros(len(table), dtype=bool)
    if "stopped_early" in table:
        ended = table["stopped_early"].to_numpy(dtype=bool)
    score = table["score"].to_numpy(dtype=float)
    best = np.fmax.accumulate(np.where(ended, np.nan, score))
    cost = seconds.cumsum().to_numpy() if against == "time" else np.arange(1, len(table) + 1)
    return pd.DataFrame(
        {"search": name, "cost": cost, "score": score, "ended": ended, "best": best}
    )
