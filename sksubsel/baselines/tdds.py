"""Temporal dual-depth scoring."""

from __future__ import annotations

from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from sklearn.utils._param_validation import Interval

from sksubsel.baselines.score_base import BaseScoreSelector, document

if TYPE_CHECKING:
    import numpy as np

__all__ = ["TDDS"]


@document
class TDDS(BaseScoreSelector):
    """Instances whose predictions change least evenly, late epochs counting most.

    Zhang et al., *Spanning Training Progress: Temporal Dual-Depth Scoring (TDDS) for Enhanced
    Dataset Pruning*, CVPR 2024; see :func:`~sksubsel.baselines.scores.tdds`. The defaults are ten
    epochs in windows of five, the shortest of the authors' settings, for the smallest subsets.

    Parameters
    ----------
    budget : int or float, default=0.1
        How many instances to select: an int is a count, a float in (0, 1] a fraction.
    window : int, default=5
        Epochs of a window, at least 3.
    decay : float, default=0.9
        Weight of the last window, in (0, 1].
    {parameters}

    Attributes
    ----------
    {attributes}

    Notes
    -----
    Hard rows first and no strata: at budgets of a tenth and less far worse than a random choice,
    and attracted by wrong labels. Good for dropping the easy tenth or quarter of clean data; for
    less, put the same score under CCS or D2Pruning. Where all labels are equal, ties go to the
    lower index.

    Time: one training of a small network, O(T N C + N log N) besides; memory O(T N C) in `fit`.

    Examples
    --------
    >>> from sksubsel.baselines import TDDS
    >>> proba = [
    ...     [[0.5, 0.5], [0.6, 0.4], [0.4, 0.6], [0.5, 0.5]],
    ...     [[0.7, 0.3], [0.3, 0.7], [0.3, 0.7], [0.6, 0.4]],
    ...     [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.9, 0.1]],
    ... ]  # of four rows, after each of three epochs
    >>> X, y = [[0], [1], [2], [3]], [0, 1, 0, 0]
    >>> TDDS(2, window=3).fit(X, y, proba=proba).sample_indices_
    array([1, 2])
    """

    _parameter_constraints: dict = {
        **BaseScoreSelector._parameter_constraints,
        "window": [Interval(Integral, 3, None, closed="left")],
        "decay": [Interval(Real, 0, 1, closed="right")],
    }

    def __init__(
        self,
        budget: int | float = 0.1,
        *,
        window: int = 5,
        decay: float = 0.9,
        stratify: str | None = None,
        estimator: Any = None,
        max_epochs: int | None = None,
        n_repeats: int = 1,
        random_state: int | np.random.RandomState | None = None,
    ):
        self.budget = budget
        self.window = window
        self.decay = decay
        self.stratify = stratify
        self.estimator = estimator
        self.max_epochs = max_epochs
        self.n_repeats = n_repeats
        self.random_state = random_state

    def _scorer(self):
        return "tdds", {"window": self.window, "decay": self.decay}
