"""Forgetting events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sksubsel.baselines.score_base import BaseScoreSelector, document

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Forgetting"]


@document
class Forgetting(BaseScoreSelector):
    """Instances that are most often forgotten, those never learned first.

    The number of epochs after which a row that had been right is wrong (Toneva et al., *An
    Empirical Study of Example Forgetting during Deep Neural Network Learning*, ICLR 2019). Rows
    that never were right score T, above all others.

    Parameters
    ----------
    budget : int or float, default=0.1
        How many instances to select: an int is a count, a float in (0, 1] a fraction.
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

    Counts are small whole numbers: with few epochs most rows tie at 0, and ties go to the lower
    index. The authors train 200 epochs.

    Time: one training of a small network, O(T N C + N log N) besides; memory O(T N C) in `fit`.

    Examples
    --------
    >>> from sksubsel.baselines import Forgetting
    >>> first, second = [[0.9, 0.1], [0.6, 0.4]], [[0.9, 0.1], [0.4, 0.6]]
    >>> proba = [first, second, first]  # of two rows, after each of three epochs
    >>> Forgetting(1).fit([[0], [1]], [0, 0], proba=proba).sample_indices_
    array([1])
    """

    def __init__(
        self,
        budget: int | float = 0.1,
        *,
        stratify: str | None = None,
        estimator: Any = None,
        max_epochs: int | None = None,
        n_repeats: int = 1,
        random_state: int | np.random.RandomState | None = None,
    ):
        self.budget = budget
        self.stratify = stratify
        self.estimator = estimator
        self.max_epochs = max_epochs
        self.n_repeats = n_repeats
        self.random_state = random_state

    def _scorer(self):
        return "forgetting", {}
