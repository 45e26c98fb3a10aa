"""Selection via proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sklearn.utils._param_validation import StrOptions

from sksubsel.baselines.score_base import BaseScoreSelector, document

if TYPE_CHECKING:
    import numpy as np

__all__ = ["SelectionViaProxy"]


@document
class SelectionViaProxy(BaseScoreSelector):
    """Instances that a small proxy of the target model finds hard.

    Coleman et al., *Selection via Proxy: Efficient Data Selection for Deep Learning*, ICLR 2020:
    a network much smaller than the one to be trained, or trained for fewer epochs, ranks
    instances nearly as well. Pass it as `estimator`. For their third method, greedy k-centers,
    use KCenterGreedy on ``TrainingDynamics(proxy, record_features=True).fit(X, y).features_``.

    Parameters
    ----------
    budget : int or float, default=0.1
        How many instances to select: an int is a count, a float in (0, 1] a fraction.
    measure : {"entropy", "forgetting", "least_confidence", "margin"}, default="entropy"
        What the proxy is asked: an uncertainty after the last epoch, or how often it forgot.
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
    >>> from sksubsel.baselines import SelectionViaProxy
    >>> proba = [[0.9, 0.1], [0.9, 0.1], [0.3, 0.7], [0.6, 0.4]]
    >>> SelectionViaProxy(2).fit([[0], [1], [2], [3]], [0, 1, 1, 0], proba=proba).sample_indices_
    array([2, 3])
    """

    _parameter_constraints: dict = {
        **BaseScoreSelector._parameter_constraints,
        "measure": [StrOptions({"entropy", "forgetting", "least_confidence", "margin"})],
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
