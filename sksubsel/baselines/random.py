"""Random selection: the baseline that is hard to beat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sklearn.utils import check_random_state
from sklearn.utils._param_validation import StrOptions

from sksubsel.base import BaseSelector
from sksubsel.samplers.quotas import make_strata
from sksubsel.samplers.transductive import top

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Random"]


class Random(BaseSelector):
    """Instances drawn uniformly without replacement, overall or within each class.

    Parameters
    ----------
    budget : int or float, default=0.1
        How many instances to select: an int is a count, a float in (0, 1] a fraction.
    stratify : {"proportional", "equal"} or None, default=None
        None draws from all instances alike; "proportional" gives each class its share of the
        data; "equal" the same number each, as far as they have as many: class-balanced random.
        What cannot be shared goes to the first classes, whatever the seed.
        Continuous targets are cut into ten quantile bins.
    random_state : int, RandomState instance or None, default=None
        Seed of the draw.

    Attributes
    ----------
    sample_indices_ : int64 ndarray of shape (B,)
        Rows selected, ascending.
    ranking_ : int64 ndarray of shape (N,)
        All rows in the order drawn. With `stratify`, the first ones of each class fill its
        quota, so that selections need not be a head of the ranking.
    scores_ : float64 ndarray of shape (N,)
        The uniform random numbers that rows were ordered by.
    sample_weight_ : float64 ndarray of shape (B,)
        Ones.

    Notes
    -----
    Time O(N log N), memory O(N). Use it always, in the same training recipe as what is compared
    with it; with few instances for each class, or imbalanced ones, prefer `stratify="equal"`.

    Examples
    --------
    >>> import numpy as np
    >>> from sksubsel.baselines import Random
    >>> y = np.repeat([0, 1], [90, 10])
    >>> rows = Random(10, stratify="equal", random_state=0).fit(y[:, None], y).sample_indices_
    >>> np.bincount(y[rows])
    array([5, 5])
    """

    _parameter_constraints: dict = {
        **BaseSelector._parameter_constraints,
        "stratify": [StrOptions({"proportional", "equal"}), None],
        "random_state": ["random_state"],
    }
    _accept_sparse = True  # only the number of rows matters

    def __init__(
        self,
        budget: int | float = 0.1,
        *,
        stratify: str | None = None,
        random_state: int | np.random.RandomState | None = None,
    ):
        self.budget = budget
        self.stratify = stratify
        self.random_state = random_state

    def _requires_y(self):
        return self.stratify is not None

    def _rank(self, X, y, budget):
        scores = check_random_state(self.random_state).random_sample(X.shape[0])
        self._strata = None if self.stratify is None else make_strata(y, self.task_)
        return (-scores).argsort(kind="stable"), scores

    def _select(self, budget):
        if self._strata is None:
            return super()._select(budget)
        return top(self.scores_, budget, strata=self._strata, stratify=self.stratify)
