"""Feature-based functions: every feature occurs, none too often."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from sklearn.utils._param_validation import StrOptions

from sksubsel.baselines._geometry import instance_features
from sksubsel.baselines.submodular._selector import SubmodularSelector
from sksubsel.samplers.facility import ColumnwiseObjective

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["FeatureBased"]


class FeatureBased(SubmodularSelector):
    """Rows whose features add up evenly: what is frequent already counts less and less.

    Greedily maximises ``f(S) = sum_u phi(sum_{i in S} x_iu)`` over the features u, phi concave: a
    monotone submodular function [1]_ that never compares two rows.

    Parameters
    ----------
    budget : int or float, default=0.1
        How many instances to select: an int is a count, a float in (0, 1] a fraction.
    stratify : {"proportional", "equal"} or None, default=None
        None needs no labels. Otherwise each class is covered on its own with its quota of rows:
        its share of the data, or the same number each as far as they have as many. Continuous
        targets are cut into ten quantile bins.
    concave : {"sqrt", "log"}, default="sqrt"
        phi: the square root, or ``log(1 + x)``, which saturates sooner and depends on the scale
        of the features.
    optimizer : {"lazy", "naive", "stochastic", "partition"}, default="lazy"
        As in :class:`FacilityLocation`.
    epsilon : float in (0, 1), default=0.01
        With ``optimizer="stochastic"``, what may be lost, in expectation.
    n_partitions : int or None, default=None
        With ``optimizer="partition"``. None: as few as fit, at least 2.
    initial_subset : array-like of int, default=None
        Rows that one has already: they count as selected before, are not selected again and do
        not count towards `budget`.
    random_state : int, RandomState instance or None, default=None
        Seed of "stochastic", "partition"; the rest is deterministic.

    Attributes
    ----------
    sample_indices_ : int64 ndarray of shape (B,)
        Rows selected, ascending.
    ranking_ : int64 ndarray of shape (K,)
        Rows in the order chosen (of all classes, by their gains): those selected, and with
        `stratify` at most one more of each class.
    gains_ : float64 ndarray of shape (K,)
        What each row of `ranking_` added to f; never increasing for "lazy" and "naive".
    scores_ : float64 ndarray of shape (N,)
        The same by row; NaN for rows that were not chosen.
    sample_weight_ : float64 ndarray of shape (B,)
        Ones.

    Notes
    -----
    X must be at least 0, dense or sparse, such as counts, tf-idf, or a network's activations
    after a ReLU; images are flattened. Time O(N F + B b F), b (tens to thousands: such functions
    are flat) being the gains evaluated for one choice, or the non-zeros in place of F; memory
    O(N), as X is not copied (except to make it floating, and by class).

    Use it where features mean something one by one, and for millions of rows, as nothing grows
    with pairs of them. Features that are shifted or centred say nothing to it.

    References
    ----------
    .. [1] K. Wei, Y. Liu, K. Kirchhoff, J. Bilmes, "Unsupervised submodular subset selection for
       speech data", ICASSP 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from sksubsel.baselines.submodular import FeatureBased
    >>> X = np.array([[4, 0, 0], [4, 0, 0], [0, 3, 0], [0, 0, 1]])
    >>> FeatureBased(3).fit(X).ranking_
    array([0, 2, 3])
    """

    _parameter_constraints: dict = {
        **{
            name: constraint
            for name, constraint in SubmodularSelector._parameter_constraints.items()
            if name != "memory_limit"
        },
        "concave": [StrOptions({"sqrt", "log"})],
    }
    _accept_sparse = True
    memory_limit = None  # nothing here outgrows X

    def __init__(
        self,
        budget: int | float = 0.1,
        *,
        stratify: str | None = None,
        concave: str = "sqrt",
        optimizer: str = "lazy",
        epsilon: float = 0.01,
        n_partitions: int | None = None,
        initial_subset: ArrayLike | None = None,
        random_state: int | np.random.RandomState | None = None,
    ):
        self.budget = budget
        self.stratify = stratify
        self.concave = concave
        self.optimizer = optimizer
        self.epsilon = epsilon
        self.n_partitions = n_partitions
        self.initial_subset = initial_subset
        self.random_state = random_state

    def _rank(self, X, y, budget):  # type: ignore[override]  # the rows' weights play no part
        if sparse.issparse(X):
            if X.dtype.kind != "f":
                X = X.astype(np.float64)
            if not X.has_canonical_format:
                X = X.copy()
                X.sum_duplicates()
        else:
            X = instance_features(X)
        if X.min() < 0:
            raise ValueError(
                f"Negative values in data: X must be at least 0 for FeatureBased; got {X.min()}"
            )
        return super()._rank(X, y, budget)

    def _open(self, X, rows, n_wanted):
        return X if rows is None else X[rows]

    def _objective(self, data, candidates, references, weights):
        matrix = data if candidates is None else data[candidates]
        return OBJECTIVES[self.concave](matrix)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        return tags


class SqrtObjective(ColumnwiseObjective):
    """Sums of square roots; the state is the sum of the selected rows' values."""

    def __init__(self, matrix):
        super().__init__(matrix, np.ones(matrix.shape[1]), np.zeros(matrix.shape[1]))

    def _marginal(self, values, state):
        # sqrt(s + x) - sqrt(s), without the cancellation
        roots = np.sqrt(values + state)
        roots += np.sqrt(state)
        np.divide(values, roots, out=values, where=roots > 0)

    def _advance(self, values, state):
        return state + values


class LogObjective(SqrtObjective):
    """Sums of log(1 + x)."""

    def _marginal(self, values, state):
        # log(1 + s + x) - log(1 + s), likewise
        np.divide(values, state + 1, out=values)
        np.log1p(values, out=values)


OBJECTIVES = {"sqrt": SqrtObjective, "log": LogObjective}
