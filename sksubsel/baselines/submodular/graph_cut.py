"""Graph cut: rows like all instances and unlike each other."""

from __future__ import annotations

import copy
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils._param_validation import Interval

from sksubsel.baselines.submodular._kernel_selector import CoverSelector, part_weights
from sksubsel.baselines.submodular.similarity import PrecomputedSimilarity
from sksubsel.samplers.facility import chunks

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["GraphCut"]


class GraphCut(CoverSelector):
    """Rows like all instances together, and unlike each other.

    Greedily maximises ``f(S) = sum_j w_j sum_{i in S} k(i, j) - lam sum_{i, i' in S} k(i, i')``
    (each pair counts in both orders, i' = i once), submodular for k >= 0 [1]_.

    Parameters
    ----------
    budget : int or float, default=0.1
        How many instances to select: an int is a count, a float in (0, 1] a fraction.
    stratify : {"proportional", "equal"} or None, default=None
        None needs no labels. Otherwise each class is covered on its own with its quota of rows:
        its share of the data, or the same number each as far as they have as many. Continuous
        targets are cut into ten quantile bins.
    features : transformer or None, default=None
        From X to (N, F); a clone is fitted. None flattens X.
    kernel : {"rbf", "cosine", "precomputed"}, default="rbf"
        Likeness k: ``exp(-gamma d^2)`` of the Euclidean distance d, ``(1 + cos) / 2``, or X
        itself, where ``X[i, j]`` >= 0 is how well i stands for j.
    gamma : float or None, default=None
        Of the rbf kernel. None: one over twice the median squared distance (of the class).
    lam : float, default=0.5
        Weight of redundancy, at least 0. Up to 0.5, with weights of at least one, f is monotone
        and greedy within 1 - 1/e of the best; above, gains may be negative, there is no bound,
        and `budget` rows are selected all the same.
    mode : {"auto", "dense", "per_class", "sparse"}, default="auto"
        "dense" takes the likeness of all pairs, of the n rows taken together (all, or those
        of a class), but keeps none of them. "per_class" does so within classes, with no likeness
        between them, though the budget is shared without quotas. "sparse" keeps that of each row
        and its nearest ones, ``n (40 n_neighbors + 8 F)`` bytes at the most. "auto" is dense up
        to 20,000 rows covered together, if that is within `memory_limit`, and sparse otherwise.
    n_neighbors : int, default=32
        Rows that each is linked with in a sparse kernel, besides those which it is among the
        nearest of.
    neighbors : {"auto", "exact", "approximate"}, default="auto"
        How they are found: among all pairs, or with Faiss (``pip install
        "sksubsel[neighbors]"``). "auto" takes Faiss above 20,000 rows if it is installed.
    optimizer : {"lazy", "naive", "stochastic", "partition"}, default="lazy"
        As in :class:`FacilityLocation`.
    epsilon : float in (0, 1), default=0.01
        With ``optimizer="stochastic"``, what may be lost, in expectation.
    n_partitions : int or None, default=None
        With ``optimizer="partition"``. None: as few as fit, at least 2.
    initial_subset : array-like of int, default=None
        Rows that one has already: they count as selected before, are not selected again and do
        not count towards `budget`.
    memory_limit : float or None, default=2e9
        Bytes that a sparse kernel or a copy of the features may take, checked before it is made.
        None: no limit.
    random_state : int, RandomState instance or None, default=None
        Seed of "stochastic", "partition" and approximate neighbours; the rest is deterministic.

    Attributes
    ----------
    sample_indices_ : int64 ndarray of shape (B,)
        Rows selected, ascending.
    ranking_ : int64 ndarray of shape (K,)
        Rows in the order chosen (of all classes, by their gains): those selected, and with
        `stratify` at most one more of each class.
    gains_ : float64 ndarray of shape (K,)
        What each row of `ranking_` added to f; never increasing for "lazy" and "naive". For
        "partition", as estimated from the rows that the second round covers.
    scores_ : float64 ndarray of shape (N,)
        The same by row; NaN for rows that were not chosen.
    sample_weight_ : float64 ndarray of shape (B,)
        Ones.
    mode_ : {"dense", "sparse"}
        How the kernel was kept.

    Notes
    -----
    Time O(n^2 F) for the sums over n rows and O(B n F) for the greedy choice; memory O(n F), or
    that of the sparse kernel. All gains are kept up to date, so that "lazy" saves little.

    Use it as a cheap measure of what is typical and not redundant. The first sum takes rows from
    the densest regions; for even cover use facility location.

    References
    ----------
    .. [1] R. Iyer, N. Khargoankar, J. Bilmes, H. Asnani, "Submodular combinatorial information
       measures with applications in machine learning", ALT 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from sksubsel.baselines.submodular import GraphCut
    >>> X = np.array([[0.0], [1.0], [2.0], [9.0], [10.0]])
    >>> GraphCut(2, gamma=0.1).fit(X).ranking_
    array([1, 3])
    """

    _parameter_constraints: dict = {
        **CoverSelector._parameter_constraints,
        "lam": [Interval(Real, 0, None, closed="left")],
    }
    _stores_kernel = False

    def __init__(
        self,
        budget: int | float = 0.1,
        *,
        stratify: str | None = None,
        features: Any = None,
        kernel: str = "rbf",
        gamma: float | None = None,
        lam: float = 0.5,
        mode: str = "auto",
        n_neighbors: int = 32,
        neighbors: str = "auto",
        optimizer: str = "lazy",
        epsilon: float = 0.01,
        n_partitions: int | None = None,
        initial_subset: ArrayLike | None = None,
        memory_limit: float | None = 2e9,
        random_state: int | np.random.RandomState | None = None,
    ):
        self.budget = budget
        self.stratify = stratify
        self.features = features
        self.kernel = kernel
        self.gamma = gamma
        self.lam = lam
        self.mode = mode
        self.n_neighbors = n_neighbors
        self.neighbors = neighbors
        self.optimizer = optimizer
        self.epsilon = epsilon
        self.n_partitions = n_partitions
        self.initial_subset = initial_subset
        self.memory_limit = memory_limit
        self.random_state = random_state

    def _objective(self, data, candidates, references, weights):
        weights = part_weights(weights, len(data), references)
        if self.mode_ == "sparse" and self.kernel != "precomputed":
            graph = self._kernel(data, None, None)
            return GraphCutObjective(
                graph @ weights, self.lam, PrecomputedSimilarity(graph, symmetric=True)
            )
        rows = np.arange(len(data)) if candidates is None else candidates
        covered = np.arange(len(data)) if references is None else references
        sums = np.empty(len(rows))
        for part in chunks(len(rows), len(covered)):
            sums[part] = data.dense(rows[part], covered) @ weights
        return GraphCutObjective(sums, self.lam, data, candidates)


class GraphCutObjective:
    """The function above, all of whose gains are kept.

    Parameters
    ----------
    sums : float64 ndarray of shape (n,)
        Weighted likeness of each candidate to the references.
    lam : float
    similarity : object
        With ``pairs(i)`` and ``diagonal()``.
    candidates : int64 ndarray of shape (n,) or None
        Rows of the similarity. None: all.
    """

    def __init__(self, sums, lam, similarity, candidates=None):
        self._lam, self._similarity, self._candidates = lam, similarity, candidates
        diagonal = similarity.diagonal()
        self._gains = sums - lam * (diagonal if candidates is None else diagonal[candidates])

    def gains(self, candidates):
        return self._gains[candidates]

    def add(self, candidate):
        if self._candidates is None:
            for rows, values in self._similarity.pairs(candidate):
                self._gains[rows] -= self._lam * values.astype(np.float64)
            return
        likeness = np.zeros(len(self._similarity))
        for rows, values in self._similarity.pairs(self._candidates[candidate]):
            likeness[rows] += values
        self._gains -= self._lam * likeness[self._candidates]

    def fork(self):
        other = copy.copy(self)
        other._gains = self._gains.copy()
        return other
