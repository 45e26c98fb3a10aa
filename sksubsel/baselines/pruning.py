"""Pruning, as the paper compares with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sklearn.utils._param_validation import StrOptions

from sksubsel.baselines.recording import default_estimator
from sksubsel.baselines.score_base import BaseScoreSelector, document

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Pruning"]


@document
class Pruning(BaseScoreSelector):
    """Instances that a partly trained master model is least certain of.

    As the paper (Jain et al., NeurIPS 2023, D.2, after Sorscher et al., NeurIPS 2022) runs it: a
    master model is trained for five epochs at a learning rate of 0.025, and the instances of
    highest uncertainty are kept. The paper's master is a ResNet-18, to be passed as `estimator`;
    here it is a small network, by SGD with momentum. The paper does not name its measure.

    Parameters
    ----------
    budget : int or float, default=0.1
        How many instances to select: an int is a count, a float in (0, 1] a fraction.
    measure : {"entropy", "least_confidence", "margin"}, default="entropy"
        See Uncertainty.
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
    >>> from sksubsel.baselines import Pruning
    >>> proba = [[0.9, 0.1], [0.9, 0.1], [0.3, 0.7], [0.6, 0.4]]
    >>> Pruning(2).fit([[0], [1], [2], [3]], [0, 1, 1, 0], proba=proba).sample_indices_
    array([2, 3])
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
        max_epochs: int | None = 5,
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

    def _default_estimator(self):
        return default_estimator().set_params(optimizer="sgd", lr=0.025)
