"""Uncertainty of a trained model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sklearn.utils._param_validation import StrOptions

from sksubsel.baselines.score_base import BaseScoreSelector, document

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Uncertainty"]


@document
class Uncertainty(BaseScoreSelector):
    """Instances that a trained model is least certain of.

    The model is trained on all instances; the measure is of its probabilities after the last
    epoch and does not look at the label (Lewis and Gale, 1994; Settles, *Active Learning
    Literature Survey*, 2009).

    Parameters
    ----------
    budget : int or float, default=0.1
        How many instances to select: an int is a count, a float in (0, 1] a fraction.
    measure : {"entropy", "least_confidence", "margin"}, default="entropy"
        Entropy of the probabilities; one less the largest; one less the gap of the largest two.
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
    >>> from sksubsel.baselines.uncertainty import Uncertainty
    >>> proba = [[0.9, 0.1], [0.5, 0.5], [0.2, 0.8], [0.6, 0.4]]
    >>> Uncertainty(2).fit([[0], [1], [2], [3]], [0, 1, 1, 0], proba=proba).sample_indices_
    array([1, 3])
    """

    _parameter_constraints: dict = {
        **BaseScoreSelector._parameter_constraints,
        "measure": [StrOptions({"entropy", "least_confidence", "margin"})],
    }

    def __init__(
        self,
        budget: int | float = 0.1,
        *,
        measure: str = "entropy",
        stratify: str | None = None,
        estimator: Any = None,
        max_epochs: int | None = None,
        n_repeats: int = 1,
        random_state: int | np.random.RandomState | None = None,
    ):
        self.budget = budget
        self.measure = measure
        self.stratify = stratify
        self.estimator = estimator
        self.max_epochs = max_epochs
        self.n_repeats = n_repeats
        self.random_state = random_state

    def _scorer(self):
        return self.measure, {}
