"""DUAL pruning."""

from __future__ import annotations

from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from sklearn.utils._param_validation import Interval, StrOptions

from sksubsel.baselines.score_base import BaseScoreSelector, document

if TYPE_CHECKING:
    import numpy as np

__all__ = ["DUAL"]


@document
class DUAL(BaseScoreSelector):
    """Instances that are hard and still undecided early in training, drawn by Beta sampling.

    Cho et al., *Lightweight Dataset Pruning without Full Training via Example Difficulty and
    Prediction Uncertainty*, 2025; see :func:`~sksubsel.baselines.scores.dual` and
    :func:`~sksubsel.baselines.sampling.beta`. Defaults are theirs for CIFAR-10: the first 30
    epochs, windows of 10.

    Parameters
    ----------
    budget : int or float, default=0.1
        How many instances to select: an int is a count, a float in (0, 1] a fraction.
    window : int, default=10
        Epochs of a window, at least 2.
    sampler : {"beta", "top"}, default="beta"
        Draw in proportion to score times a Beta density that moves to easy rows as the budget
        shrinks; or take the largest scores.
    concentration : float, default=15.0
        C of the Beta density.
    exponent : float, default=5.5
        c_D of the Beta density: 4 for CIFAR-100.
    {parameters}

    Attributes
    ----------
    {attributes}

    Notes
    -----
    With "beta" made for small budgets, where it leaves out the hardest rows by itself; "top" is
    for keeping more than half.

    Time: one training of a small network, O(T N C + N log N) besides; memory O(T N C) in `fit`.

    Examples
    --------
    >>> from sksubsel.baselines import DUAL
    >>> proba = [
    ...     [[0.5, 0.5], [0.6, 0.4], [0.4, 0.6], [0.5, 0.5]],
    ...     [[0.7, 0.3], [0.3, 0.7], [0.3, 0.7], [0.6, 0.4]],
    ...     [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.9, 0.1]],
    ... ]  # of four rows, after each of three epochs
    >>> X, y = [[0], [1], [2], [3]], [0, 1, 0, 0]
    >>> DUAL(2, window=2, sampler="top").fit(X, y, proba=proba).sample_indices_
    array([1, 2])
    """

    _parameter_constraints: dict = {
        **BaseScoreSelector._parameter_constraints,
        "window": [Interval(Integral, 2, None, closed="left")],
        "sampler": [StrOptions({"beta", "top"})],
        "concentration": [Interval(Real, 0, None, closed="neither")],
        "exponent": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        budget: int | float = 0.1,
        *,
        window: int = 10,
        sampler: str = "beta",
        concentration: float = 15.0,
        exponent: float = 5.5,
        stratify: str | None = None,
        estimator: Any = None,
        max_epochs: int | None = 30,
        n_repeats: int = 1,
        random_state: int | np.random.RandomState | None = None,
    ):
        self.budget = budget
        self.window = window
        self.sampler = sampler
        self.concentration = concentration
        self.exponent = exponent
        self.stratify = stratify
        self.estimator = estimator
        self.max_epochs = max_epochs
        self.n_repeats = n_repeats
        self.random_state = random_state

    def _scorer(self):
        return "dual", {"window": self.window}

    def _sampler(self):
        if self.sampler == "top":
            return "top", {}
        return "beta", {"concentration": self.concentration, "exponent": self.exponent}
