"""What a strategy of adaptive selection is, what it is shown and what it answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator

from sksubsel.samplers.quotas import allocate

if TYPE_CHECKING:
    from collections.abc import Callable

    from sksubsel.baselines.adaptive.gradients import LastLayerGradients

__all__ = ["Selection", "Strategy", "View", "class_quotas", "interleave"]


class Selection(NamedTuple):
    """Rows chosen, what each counts in the loss, and why.

    Attributes
    ----------
    rows : int64 ndarray of shape (B,)
        Distinct, in the order chosen.
    weights : float64 ndarray of shape (B,)
        Factor of each row's loss.
    gains : float64 ndarray of shape (B,)
        What each row added by the strategy's own measure.

    Examples
    --------
    >>> import numpy as np
    >>> from sksubsel.baselines.adaptive import Selection
    >>> rows = np.array([4, 1])
    >>> Selection(rows, weights=np.ones(2), gains=np.array([0.9, 0.3])).rows
    array([4, 1])
    """

    rows: np.ndarray
    weights: np.ndarray
    gains: np.ndarray


class View:
    """What a strategy may look at. What costs a pass over the data comes when it is asked for.

    Parameters
    ----------
    n_samples : int
    y : int64 ndarray of shape (N,), callable that gives it, or None
        Classes; None where targets are continuous.
    epoch, max_epochs : int
        The epoch that is about to begin, from 1, and how many there will be.
    losses : ndarray of shape (N,) or None
        Loss of each instance when it was last trained on, NaN before; only for strategies with
        `records_losses`.
    gradients : callable or None
        ``gradients() -> LastLayerGradients``.
    inputs : callable or None
        ``inputs() -> ndarray of shape (N, F)``.
    validation : callable or None
        ``validation() -> LastLayerGradients`` of other rows, whose labels are trusted.

    Examples
    --------
    >>> import numpy as np
    >>> from sksubsel.baselines.adaptive import View
    >>> view = View(3, np.array([0, 1, 1]), epoch=2, max_epochs=5, inputs=lambda: np.eye(3))
    >>> view.y, view.inputs().shape
    (array([0, 1, 1]), (3, 3))
    """

    def __init__(
        self,
        n_samples: int,
        y: np.ndarray | Callable[[], np.ndarray | None] | None = None,
        *,
        epoch: int = 1,
        max_epochs: int = 1,
        losses: np.ndarray | None = None,
        gradients: Callable[[], LastLayerGradients] | None = None,
        inputs: Callable[[], np.ndarray] | None = None,
        validation: Callable[[], LastLayerGradients] | None = None,
    ):
        self.n_samples, self._y = n_samples, y
        self.epoch, self.max_epochs = epoch, max_epochs
        self.losses = losses
        self._gradients: Any = gradients
        self._inputs: Any = inputs
        self._validation = validation

    @property
    def y(self) -> np.ndarray | None:
        """Classes: int64 (N,), or None where targets are continuous."""
        return self._y() if callable(self._y) else self._y

    def gradients(self, kind: str = "last_layer") -> LastLayerGradients:
        """Last-layer gradients, those of its bias alone where `kind` is "bias"."""
        gradients = self._gradients()
        return gradients.bias_only() if kind == "bias" else gradients

    def validation(self, kind: str = "last_layer") -> LastLayerGradients | None:
        """The same of validation rows, or None where the training rows have to validate."""
        if self._validation is None:
            return None
        gradients = self._validation()
        return gradients.bias_only() if kind == "bias" else gradients

    def inputs(self) -> np.ndarray:
        """Instances as vectors: (N, F)."""
        return self._inputs()


class Strategy(BaseEstimator, ABC):
    """A rule by which a training run chooses what to train on next.

    A child implements `select`. What it learns in a run it keeps in attributes that end in an
    underscore and are reset by `start`. Parameters are scikit-learn's: `get_params`, `clone`,
    and nested names such as ``strategy__lam`` work.

    Attributes
    ----------
    every : int
        How often to select again by default, in epochs; 0: once.
    warm_start : int
        Epochs on all data before the first selection by default.
    records_losses : bool
        Whether the loss of each instance trained on is to be recorded.
    uses_budget : bool
        Whether it keeps to the budget, and does not choose its own number of rows.
    knows_rows : bool
        Whether it was given rows by their numbers, so that the training must not hold out any.

    Examples
    --------
    >>> import numpy as np
    >>> from sksubsel.baselines.adaptive import Selection, Strategy, View
    >>> class LargestLoss(Strategy):
    ...     every, records_losses = 1, True
    ...
    ...     def select(self, view, budget, rng):
    ...         losses = np.nan_to_num(view.losses, nan=np.inf)  # those never trained on first
    ...         rows = np.argsort(-losses, kind="stable")[:budget]
    ...         return Selection(rows, np.ones(budget), losses[rows])
    >>> view = View(4, losses=np.array([0.5, np.nan, 2.0, 0.1]))
    >>> LargestLoss().select(view, 2, None).rows
    array([1, 2])
    """

    _parameter_constraints: dict = {}
    every = 20
    warm_start = 0
    records_losses = False
    uses_budget = True
    knows_rows = False

    def start(self, n_samples: int, rng: np.random.RandomState) -> None:
        """Forget earlier runs and check the parameters; called before the first selection."""
        self._validate_params()

    @abstractmethod
    def select(self, view: View, budget: int, rng: np.random.RandomState) -> Selection:
        """Choose rows.

        Parameters
        ----------
        view : View
        budget : int
            B.
        rng : RandomState

        Returns
        -------
        Selection
        """


def class_quotas(y, n_samples, budget, stratify) -> list[tuple[np.ndarray, int]]:
    """Rows of each class (ascending) and how many to choose of them, where that is any.

    One class of all rows where `stratify` or `y` is None.
    """
    if stratify is None or y is None:
        return [(np.arange(n_samples), budget)]
    counts = np.bincount(y)
    members = np.split(np.argsort(y, kind="stable"), np.cumsum(counts)[:-1])
    quotas = allocate(counts, budget, stratify)
    return [(rows, int(quota)) for rows, quota in zip(members, quotas) if quota]


def interleave(parts):
    """Join the selections of classes so that each head of it holds all classes in proportion.

    Within a class the order stays.
    """
    place = np.concatenate([(np.arange(len(p.rows)) + 0.5) / len(p.rows) for p in parts])
    order = np.argsort(place, kind="stable")
    return Selection(*(np.concatenate(columns)[order] for columns in zip(*parts)))
