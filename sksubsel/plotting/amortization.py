"""Cost per architecture against architectures served: when a selector's preparation pays off."""

from __future__ import annotations

import math
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sksubsel.metrics import amortized_cost
from sksubsel.plotting._style import (
    as_text,
    curve_style,
    finish_axes,
    log_scale_if_wide,
    new_axes,
)

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["AmortizationDisplay"]

_FULL = "full data"  # how the benchmark's table calls training on all instances
_TIMES = ["setup_time", "selection_time", "training_time"]
_COLUMNS = ["method", "budget", "shared", *_TIMES]


class AmortizationDisplay:
    """Amortised cost against the number of architectures served, one curve for each method.

    What a method spends once (its preparation, and a selection that all architectures share) is
    spread over the architectures it has served; a dashed line shows what training each of them on
    all data costs. Source: Jain et al., NeurIPS 2023, section 5.2 and Table 6.

    Make it with `from_frame`.

    Parameters
    ----------
    times : DataFrame
        Columns "method", "once" (seconds before the first training) and "each" (seconds for each
        architecture), in the order of plotting.
    full_time : float
        Seconds for training an architecture on all data.
    budget : int or float, default=None
        Budget of the methods.
    n_archs : int, default=100
        Architectures to show on the horizontal axis.

    Attributes
    ----------
    break_even_ : dict of str to int or None
        By method: the least number of architectures for which the method costs less than training
        each of them on all data, which may be beyond `n_archs`; None if it never does. Also there
        before plotting.
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    curves_ : dict of str to matplotlib Line2D
        By method.
    full_line_ : matplotlib Line2D
        Training on all data.

    Examples
    --------
    >>> import pandas as pd
    >>> from sksubsel.plotting import AmortizationDisplay
    >>> table = pd.DataFrame({
    ...     "method": ["full data", "random", "inductive"],
    ...     "budget": [1.0, 0.1, 0.1],
    ...     "setup_time": [0.0, 0.0, 60.0],
    ...     "selection_time": [0.0, 0.0, 0.5],
    ...     "shared": [False, True, False],
    ...     "training_time": [10.0, 1.0, 1.0],
    ... })
    >>> display = AmortizationDisplay.from_frame(table)
    >>> display.break_even_
    {'random': 1, 'inductive': 8}
    >>> display.plot().figure_.savefig("amortization.png")  # doctest: +SKIP
    """

    def __init__(
        self,
        times: pd.DataFrame,
        *,
        full_time: float,
        budget: int | float | None = None,
        n_archs: int = 100,
    ):
        self.times = times
        self.full_time = full_time
        self.budget = budget
        self.n_archs = n_archs

    @classmethod
    def from_frame(
        cls, table: pd.DataFrame, *, budget: int | float | None = None, n_archs: int | None = None
    ) -> Self:
        """Mean times of each method in a table of `benchmark.compare`, at one budget.

        Parameters
        ----------
        table : DataFrame
            One row a training (a method, budget, architecture and seed), with the columns
            "method", "budget", "setup_time" (seconds spent once, before the first architecture),
            "selection_time" (seconds for this architecture), "shared" (bool, the same in all rows
            of a method: the selection serves all architectures, so that its time is spent once)
            and "training_time". Rows of the method "full data" are trainings on everything, of
            which only the training time counts. A row that lacks a time is left out.
        budget : int or float, default=None
            Which budget to show; may be left out where all methods have the same one.
        n_archs : int, default=None
            Show the cost of 1 to this many architectures, each taking the mean time of those in
            the table. None shows 100.

        Returns
        -------
        AmortizationDisplay
            The methods keep the table's order of first appearance.

        Raises
        ------
        ValueError
            If a column is missing, the budget is not in the table or has to be chosen, there is
            no training on all data, a method has no complete row, a time is negative or infinite,
            "shared" is not one bool for each method, or `n_archs` is not a positive int.
        """
        missing = [name for name in _COLUMNS if name not in table.columns]
        if missing:
            raise ValueError(f"table must have the columns {missing}; got {list(table.columns)}")
        n_archs = 100 if n_archs is None else n_archs
        if isinstance(n_archs, bool) or not isinstance(n_archs, Integral) or n_archs < 1:
            raise ValueError(f"n_archs must be an int of at least 1; got {n_archs!r}")
        full = table["method"] == _FULL
        full_times = _complete_times(table[full], ["training_time"])
        if full_times.empty:
            raise ValueError(
                f"table must have a row of method {_FULL!r} with a training_time; "
                f"got the methods {table['method'].unique().tolist()}"
            )
        runs = table[~full]
        budget = _choose_budget(budget, runs["budget"])
        times = pd.DataFrame(
            [
                (name, *_mean_times(name, rows))
                for name, rows in runs[runs["budget"] == budget].groupby(
                    "method", sort=False, observed=True
                )
            ],
            columns=["method", "once", "each"],
        )
        full_time = float(full_times["training_time"].mean())
        return cls(times, full_time=full_time, budget=budget, n_archs=int(n_archs))

    @property
    def break_even_(self) -> dict[str, int | None]:
        """Least number of architectures that a method serves for less than all data cost."""
        once, each = self.times["once"].tolist(), self.times["each"].tolist()
        saved = [self.full_time - cost for cost in each]  # by each architecture
        return {
            name: math.floor(spent / gain) + 1 if gain > 0 else None
            for name, spent, gain in zip(self.times["method"], once, saved)
        }

    def plot(self, ax: Any = None, *, legend: bool = True) -> Self:
        """Draw the curves and the line of training on all data.

        Curves are told apart by colour, marker and dashes. Axes over a wide range are logarithmic.

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
            ax = new_axes(legend, len(self.times))
        self.ax_, self.figure_ = ax, ax.figure
        each = np.repeat(self.times["each"].to_numpy(dtype=float)[:, None], self.n_archs, axis=1)
        costs = amortized_cost(self.times["once"].to_numpy(dtype=float), each)
        served = np.arange(1, self.n_archs + 1)
        self.curves_ = {}
        for k, (name, cost) in enumerate(zip(self.times["method"], costs)):
            (self.curves_[name],) = ax.plot(
                served,
                cost,
                label=as_text(name),
                markersize=5.5,
                markeredgecolor="white",
                markeredgewidth=0.5,
                # Evenly along the curve, and not at the same places as on the curve before.
                markevery=(0.03 * (k % 4), 0.12),
                linewidth=1.4,
                **curve_style(k),
            )
        self.full_line_ = ax.axhline(
            self.full_time, label=_FULL, color="0.35", linestyle="--", linewidth=1.2, zorder=1.9
        )
        log_scale_if_wide(ax.xaxis, served)
        log_scale_if_wide(ax.yaxis, np.append(costs, self.full_time))
        ax.set_xlabel("Architectures served")
        ax.set_ylabel("Cost per architecture (s)")
        finish_axes(ax, legend)
        return self


def _choose_budget(budget, column):
    """The budget to show; ValueError naming those in the table if it is not one of them."""
    budgets = sorted(column.unique().tolist())
    if budget is None and len(budgets) == 1:
        return budgets[0]
    if budget not in budgets:
        raise ValueError(
            f"budget must be one of those in table besides {_FULL!r}, {budgets}; got {budget!r}"
        )
    return budget


def _mean_times(name, rows):
    """Seconds that a method spends once, and on each architecture."""
    shared = rows["shared"].unique().tolist()
    if shared not in ([True], [False]):
        raise ValueError(f"shared must be one bool for all rows of method {name!r}; got {shared}")
    complete = _complete_times(rows, _TIMES)
    if complete.empty:
        raise ValueError(f"table must have a row of method {name!r} with all of {_TIMES}; got none")
    setup, selection, training = complete.mean().tolist()
    return (setup + selection, training) if shared[0] else (setup, selection + training)


def _complete_times(rows, columns):
    """Rows that lack no time; ValueError naming the first time that is none."""
    times = rows[columns].astype(float).dropna()
    for name, column in times.items():
        bad = column[(column < 0) | np.isinf(column)]
        if len(bad):
            raise ValueError(
                f"{name} must be in [0, inf); got {bad.iloc[0]} for method "
                f"{rows['method'].iloc[0]!r}"
            )
    return times
