"""EL2N: the length of the error vector early in training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sksubsel.baselines.score_base import BaseScoreSelector, document

if TYPE_CHECKING:
    import numpy as np

__all__ = ["EL2N"]


@document
class EL2N(BaseScoreSelector):
    """Instances with the longest error vectors early in training.

    ``||p - onehot(y)||_2`` after a few epochs (Paul, Ganguli and Dziugaite, *Deep Learning on a
    Data Diet*, NeurIPS 2021). Five epochs as in the paper's comparison (D.2); Paul et al. average
    over ten runs (`n_repeats`) at epoch 10 to 20 of 200.

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

    Time: one training of a small network, O(N log N) besides; memory O(N C).

    Examples
    --------
    >>> from sksubsel.baselines.el2n import EL2N
    >>> proba = [[0.9, 0.1], [0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]
    >>> EL2N(2).fit([[0], [1], [2], [3]], [0, 1, 1, 0], proba=proba).sample_indices_
    array([1, 3])
    """

    def __init__(
        self,
        budget: int | float = 0.1,
        *,
        stratify: str | None = None,
        estimator: Any = None,
        max_epochs: int | None = 5,
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
        return "el2n", {}
