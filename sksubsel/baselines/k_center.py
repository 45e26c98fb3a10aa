"""k-center greedy: no row far from a selected one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import StrOptions

from sksubsel.baselines._geometry import GeometricSelector
from sksubsel.samplers.facility import chunks

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["KCenterGreedy"]

_MEDIAN_ROWS = 1000
_ROUNDING = 2**13  # squared distances below so many units of the norms' rounding are inexact


class KCenterGreedy(GeometricSelector):
    """Farthest-first rows: each next one is the farthest from those selected so far.

    The largest distance of any row to its nearest selected one, the radius of the cover, is at
    most twice the smallest that any B rows have [1]_. As a core-set for networks: [2]_.

    Parameters
    ----------
    budget : int or float, default=0.1
        How many instances to select: an int is a count, a float in (0, 1] a fraction.
    stratify : {"proportional", "equal"} or None, default=None
        None covers all rows alike and needs no labels. Otherwise each class is covered on its
        own with its quota of rows: its share of the data, or the same number each as far as they
        have as many. Continuous targets are cut into ten quantile bins.
    features : transformer or None, default=None
        From X to (N, F); a clone is fitted. None flattens X.
    first : {"mean", "random"}, default="mean"
        The first row (of each class): the one nearest to the mean, or a random one. Not used
        where `initial_subset` has rows (of the class).
    initial_subset : array-like of int, default=None
        Rows that one has already: they count as covering, are not selected again and do not
        count towards `budget`.
    random_state : int, RandomState instance or None, default=None
        Seed of the first row with ``first="random"``.

    Attributes
    ----------
    sample_indices_ : int64 ndarray of shape (B,)
        Rows selected, ascending.
    ranking_ : int64 ndarray of shape (K,)
        Rows in the order chosen: those selected, and with `stratify` at most one more of each
        class.
    scores_ : float64 ndarray of shape (N,)
        Distance of each row, when it was chosen, from the nearest one chosen before it (in its
        class): the radius of the cover up to then, never increasing along `ranking_`. Infinite
        for a first row, NaN for rows that were not chosen.
    radius_ : float
        Largest distance of any row from the nearest row selected in `fit` or in
        `initial_subset` (of its class; infinite where a class has none).
    sample_weight_ : float64 ndarray of shape (B,)
        Ones.

    Notes
    -----
    Time O(B N F) (O(B N F / C) with `stratify` and C classes of equal size), memory O(N) beside
    a centred copy of the features (of the largest class). Squared distances come from inner
    products; those below the rounding error of these count as zero. Deterministic unless
    ``first="random"``.

    Use it where rare kinds of instances must not be missed and the data are clean, as in active
    learning on a network's features. It seeks outliers: on noisy data, and for small budgets, it
    is much worse than random.

    References
    ----------
    .. [1] T. Gonzalez, "Clustering to minimize the maximum intercluster distance", Theoretical
       Computer Science 38, 1985.
    .. [2] O. Sener, S. Savarese, "Active learning for convolutional neural networks: a core-set
       approach", ICLR 2018, Algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> from sksubsel.baselines import KCenterGreedy
    >>> X = np.array([[0.0], [1.0], [2.0], [6.0], [10.0]])
    >>> selector = KCenterGreedy(3).fit(X)
    >>> selector.ranking_, selector.radius_  # the mean is 3.8
    (array([2, 4, 3]), 2.0)
    """

    _parameter_constraints: dict = {
        **GeometricSelector._parameter_constraints,
        "first": [StrOptions({"mean", "random"})],
        "initial_subset": ["array-like", None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        budget: int | float = 0.1,
        *,
        stratify: str | None = None,
        features: Any = None,
        first: str = "mean",
        initial_subset: ArrayLike | None = None,
        random_state: int | np.random.RandomState | None = None,
    ):
        self.budget = budget
        self.stratify = stratify
        self.features = features
        self.first = first
        self.initial_subset = initial_subset
        self.random_state = random_state

    def _rank(self, X, y, budget):
        self._initial = check_rows(self.initial_subset, len(X))
        if budget > len(X) - len(self._initial):
            raise ValueError(
                f"budget must be at most {len(X) - len(self._initial)}, the number of instances "
                f"that are not in initial_subset; got {budget}"
            )
        self._rng = check_random_state(self.random_state)
        self._final_radii: list[float] = []
        ranking, scores = super()._rank(X, y, budget)
        self.radius_ = max(
            float(scores[order[n]]) if n < len(order) else radius
            for order, n, radius in zip(self._orders, self._quotas(budget), self._final_radii)
        )
        del self._rng, self._final_radii  # nothing that a fitted selector needs
        return ranking, scores

    def _candidates(self, members):
        return np.array([np.isin(rows, self._initial, invert=True).sum() for rows in members])

    def _order(self, features, n_wanted, rows):
        X = features - near_centre(features)
        norms = np.einsum("nf,nf->n", X, X)
        rounding = _ROUNDING * np.finfo(X.dtype).eps
        nearest = np.full(len(X), np.inf, dtype=X.dtype)  # squared; -1 for rows not to be chosen

        def cover(chosen):
            squared = X @ X[chosen]
            squared *= -2
            scale = norms + norms[chosen]
            squared += scale
            inexact = np.flatnonzero(squared <= rounding * scale)
            for part in chunks(len(inexact), X.shape[1]):
                differences = X[inexact[part]] - X[chosen]
                squared[inexact[part]] = np.einsum("nf,nf->n", differences, differences)
            np.minimum(nearest, squared, out=nearest)
            nearest[chosen] = -1

        for chosen in np.flatnonzero(np.isin(rows, self._initial)):
            cover(chosen)
        positions = np.empty(n_wanted, dtype=np.int64)
        squared_radii = np.empty(n_wanted, dtype=X.dtype)
        for t in range(n_wanted):
            chosen = nearest.argmax()
            if np.isinf(nearest[chosen]):
                chosen = self._first_row(X, norms)
            positions[t], squared_radii[t] = chosen, nearest[chosen]
            cover(chosen)
        self._final_radii.append(float(np.sqrt(max(nearest.max(), 0))))
        return positions, np.sqrt(squared_radii)

    def _first_row(self, X, norms):
        if self.first == "random":
            return self._rng.randint(len(X))
        mean = X.mean(axis=0, dtype=np.float64).astype(X.dtype)
        return (norms - 2 * (X @ mean)).argmin()


def near_centre(X):
    """A point amid the rows: floating ndarray (F,) of the dtype of X.

    Squared distances from inner products lose the digits that all rows share, so these are
    subtracted. Each coordinate is the median of at most 1,000 rows, which a few outliers do not
    move, rounded to a power of two near the spread of the half amid them: whole numbers, such as
    pixels and dummy variables, stay whole, and so equal distances equal.
    """
    some = X[:: -(-len(X) // _MEDIAN_ROWS)]
    low, middle, high = np.quantile(some, [0.25, 0.5, 0.75], axis=0, method="inverted_cdf")
    spread = high.astype(np.float64) - low
    step = np.exp2(np.floor(np.log2(np.where(spread > 0, spread, 1))))
    return np.where(spread > 0, np.round(middle / step) * step, middle).astype(X.dtype)


def check_rows(rows, n_samples, name="initial_subset"):
    """Distinct row numbers as int64 ascending, empty for None.

    Raises
    ------
    ValueError
        If they are not distinct integers in [0, n_samples).
    """
    if rows is None:
        return np.empty(0, dtype=np.int64)
    given = np.asarray(rows)
    if given.size == 0:
        return np.empty(0, dtype=np.int64)
    unique = np.unique(given)
    if given.ndim != 1 or given.dtype.kind not in "iu" or len(unique) < len(given):
        raise ValueError(f"{name} must be distinct row numbers of shape (M,); got {rows!r}")
    if unique[0] < 0 or unique[-1] >= n_samples:
        worst = unique[0] if unique[0] < 0 else unique[-1]
        raise ValueError(f"{name} must be rows in [0, n_samples={n_samples}); got {worst}")
    return unique.astype(np.int64)
