"""Training curves: a measure by epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd
from sklearn.utils.validation import check_is_fitted

from sksubsel.plotting._style import (
    as_text,
    colour_of,
    dashes_of,
    finish_axes,
    log_scale_if_wide,
    marker_of,
    new_axes,
)

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["TrainingDisplay"]

_LABELS = {"loss": "Loss", "accuracy": "Accuracy", "acc": "Accuracy"}
_N_MARKERS = 8  # along a curve
_NO_HISTORY = (
    "estimator must keep what its epochs recorded in history_, as ArchitectureClassifier, "
    "ArchitectureEncoder, ModelApproximator, SubsetSelector, DARTSSearch and skorch's nets do{}; "
    "got {}"
)


class TrainingDisplay:
    """Training curves of one fitted estimator or several: a measure by epoch.

    Make it with `from_estimator` or `from_estimators`.

    Parameters
    ----------
    curves : DataFrame
        Columns "label", "part", "epoch" and "value", in the order of plotting. Parts are "train",
        "valid" (the same training, on what was held out) and "final" (of a
        :class:`~sksubsel.ModelApproximator` that found its number of epochs on architectures held
        out, the training on all of them).
    measure : str, default="loss"
        What the values are.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : dict of (str, str) to matplotlib Line2D
        By label and part.

    Examples
    --------
    >>> from sksubsel import ArchitectureEncoder
    >>> from sksubsel.plotting import TrainingDisplay
    >>> from sksubsel.spaces import NASBench101
    >>> cells = NASBench101().sample(20, random_state=0)
    >>> encoder = ArchitectureEncoder(max_epochs=5, random_state=0).fit(cells)
    >>> display = TrainingDisplay.from_estimator(encoder)
    >>> display.curves["epoch"].tolist()
    [1, 2, 3, 4, 5]
    >>> display.plot().figure_.savefig("training.png")  # doctest: +SKIP
    """

    def __init__(self, curves: pd.DataFrame, *, measure: str = "loss"):
        self.curves = curves
        self.measure = measure

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, measure: str = "loss", label: str | None = None
    ) -> Self:
        """The curves of one estimator.

        Parameters
        ----------
        estimator : fitted estimator
            With a ``history_``: a list of one dict an epoch, as ArchitectureClassifier,
            ArchitectureEncoder, ModelApproximator, SubsetSelector (of its scorer), DARTSSearch
            and skorch's nets have. Of a SubSelNet, one of its parts.
        measure : str, default="loss"
            ``train_<measure>`` and ``valid_<measure>`` are drawn where they were recorded:
            "loss"; "accuracy" of a classifier with ``early_stopping``; or what a callback
            recorded, such as "acc".
        label : str, default=None
            Name of the curves; None: the estimator's class.

        Returns
        -------
        TrainingDisplay

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If it keeps no history.
        ValueError
            If it was trained for no epoch, or did not record the measure.
        """
        label = type(estimator).__name__ if label is None else label
        return cls.from_estimators({label: estimator}, measure=measure)

    @classmethod
    def from_estimators(cls, estimators: Mapping[str, Any], *, measure: str = "loss") -> Self:
        """The curves of several estimators.

        Parameters
        ----------
        estimators : dict of str to fitted estimator
            By the names of their curves; see `from_estimator`.
        measure : str, default="loss"

        Returns
        -------
        TrainingDisplay

        Raises
        ------
        NotFittedError, TypeError, ValueError
            As `from_estimator`; and if `estimators` is no dict or empty.
        """
        if not isinstance(estimators, Mapping):
            raise TypeError(
                f"estimators must be a dict of names to fitted estimators; got {estimators!r}"
            )
        if not estimators:
            raise ValueError("estimators must hold at least one estimator; got an empty dict")
        rows = []
        for label, estimator in estimators.items():
            rows += [(label, *row) for row in _curves_of(label, estimator, measure)]
        columns = ["label", "part", "epoch", "value"]
        return cls(pd.DataFrame(rows, columns=columns), measure=measure)

    def plot(self, ax: Any = None, *, legend: bool = True) -> Self:
        """Draw the curves.

        Estimators are told apart by colour and marker, parts by dashes; the parts of a single
        estimator by all of these. Losses over a wide range are on a logarithmic scale.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a figure.
        legend : bool, default=True

        Returns
        -------
        self

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        if ax is None:
            ax = new_axes(legend)
        from matplotlib import ticker

        self.ax_, self.figure_ = ax, ax.figure
        labels = self.curves["label"].unique().tolist()
        parts = [p for p in ("train", "valid", "final") if p in set(self.curves["part"])]
        self.lines_ = {}
        for (label, part), curve in self.curves.groupby(["label", "part"], sort=False):
            k = labels.index(label) if len(labels) > 1 else parts.index(part)
            (self.lines_[label, part],) = ax.plot(
                curve["epoch"].to_numpy(),
                curve["value"].to_numpy(),
                label=as_text(_name(label, part, labels, parts)),
                markevery=max(1, -(-len(curve) // _N_MARKERS)),
                **_style(k, parts.index(part)),
            )
        ax.set(xlabel="Epoch", ylabel=_LABELS.get(self.measure, self.measure))
        ax.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
        if self.measure == "loss":
            log_scale_if_wide(ax.yaxis, self.curves["value"].to_numpy())
        finish_axes(ax, legend, handles=self._handles(labels, parts) if legend else None)
        return self

    def _handles(self, labels, parts):
        """One for each estimator and one for each part, rather than for each pair."""
        if len(labels) == 1 or len(parts) == 1:
            return list(self.lines_.values())
        from matplotlib.lines import Line2D

        names = [
            Line2D([], [], label=as_text(name), **_style(k, 0)) for k, name in enumerate(labels)
        ]
        kinds = [
            Line2D([], [], label=part, color="0.35", linestyle=dashes_of(k), linewidth=1.4)
            for k, part in enumerate(parts)
        ]
        return [*names, *kinds]


def _curves_of(label, estimator, measure):
    """(part, epoch, value) of all that an estimator recorded of a measure."""
    trainings = _trainings(label, estimator)
    found = [
        (part, epoch, float(row[key]))
        for parts, history in trainings
        for key, part in ((f"{given}_{measure}", drawn) for given, drawn in parts.items())
        for epoch, row in enumerate(history, start=1)
        if key in row
    ]
    if found:
        return found
    keys = {key for _, history in trainings for row in history for key in row}
    if not keys:
        raise ValueError(f"{label} was trained for no epoch: its history_ is empty")
    measures = {
        key.split("_", 1)[1]
        for key in keys
        if key.startswith(("train_", "valid_")) and not key.endswith(("_best", "_count"))
    }
    raise ValueError(
        f"measure must be one that {label} recorded, {sorted(measures)}; got {measure!r}"
    )


def _trainings(label, estimator):
    """Histories, and what their parts are called in the drawing."""
    history = getattr(estimator, "history_", None)
    if history is None:
        if hasattr(estimator, "fit") and not isinstance(estimator, type):
            check_is_fitted(estimator)
        hint = " (of a SubSelNet pass encoder_, approximator_ or selector_)"
        raise TypeError(_NO_HISTORY.format(hint, type(estimator).__name__))
    if not all(isinstance(row, Mapping) for row in history):
        raise TypeError(_NO_HISTORY.format("", f"a history_ of {type(history).__name__}"))
    parts = {"train": "train", "valid": "valid"}
    search = getattr(estimator, "validation_history_", [])
    if search:
        return [(parts, search), ({"train": "final"}, history)]
    return [(parts, history)]


def _style(k, part):
    return {
        "color": colour_of(k),
        "marker": marker_of(k),
        "linestyle": dashes_of(part),
        "markersize": 5,
        "markeredgecolor": "white",
        "markeredgewidth": 0.5,
        "linewidth": 1.4,
    }


def _name(label, part, labels, parts):
    if len(labels) == 1:
        return part
    return label if len(parts) == 1 else f"{label}, {part}"
