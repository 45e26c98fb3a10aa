"""Log-determinant: rows as different from each other as can be."""

from __future__ import annotations

import copy
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils._param_validation import Interval

from sksubsel.baselines.submodular._kernel_selector import KernelSelector
from sksubsel.baselines.submodular.similarity import check_memory

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["LogDeterminant"]


class LogDeterminant(KernelSelector):
    """Rows as diverse as can be: the most informative ones of a Gaussian process.

    Greedily maximises ``f(S) = log det(I + K_S / noise)``, twice the information that noisy
    values at the rows S carry about a Gaussian process of covariance k [1]_, a monotone
    submodular function; as ``noise`` goes to zero, the greedy maximum a posteriori of a
    determinantal point process, by its incremental Cholesky factors [2]_.

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
        itself, symmetric and positive semi-definite.
    gamma : float or None, default=None
        Of the rbf kernel. None: one over twice the median squared distance (of the class).
    noise : float, default=0.1
        Above 0. The larger, the sooner a region has enough of its rows.
    optimizer : {"lazy", "naive", "stochastic", "partition"}, default="lazy"
        As in :class:`FacilityLocation`; parts take turns with the memory of one.
    epsilon : float in (0, 1), default=0.01
        With ``optimizer="stochastic"``, what may be lost, in expectation.
    n_partitions : int or None, default=None
        With ``optimizer="partition"``. None: as few as fit, at least 2.
    initial_subset : array-like of int, default=None
        Rows that one has already: they count as selected before, are not selected again and do
        not count towards `budget`.
    memory_limit : float or None, default=2e9
        Bytes that the factors, ``8 n B``, and a copy of the features may take, checked before
        they are made. None: no limit.
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
    Time O(n B^2 + n B F) and memory ``8 n B`` bytes beside a copy of the features, n rows taken
    together; with `stratify` and C classes both are for one class at a time, less by C^3 and
    C^2 in all. There is never a kernel of all pairs. All gains are kept up to date, so that
    "lazy" saves little.

    Use it for small, diverse subsets of clean data. It seeks the edges of the data, and what is
    far from all else first: not for noisy data, and not where the subset must be representative.

    References
    ----------
    .. [1] A. Krause, A. Singh, C. Guestrin, "Near-optimal sensor placements in Gaussian
       processes", JMLR 9, 2008.
    .. [2] L. Chen, G. Zhang, H. Zhou, "Fast greedy MAP inference for determinantal point process
       to improve recommendation diversity", NeurIPS 2018, Algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> from sksubsel.baselines.submodular import LogDeterminant
    >>> X = np.array([[0.0], [0.1], [5.0], [10.0], [10.1]])
    >>> LogDeterminant(3, gamma=0.1).fit(X).ranking_
    array([0, 4, 2])
    """

    _parameter_constraints: dict = {
        **KernelSelector._parameter_constraints,
        "noise": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        budget: int | float = 0.1,
        *,
        stratify: str | None = None,
        features: Any = None,
        kernel: str = "rbf",
        gamma: float | None = None,
        noise: float = 0.1,
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
        self.noise = noise
        self.optimizer = optimizer
        self.epsilon = epsilon
        self.n_partitions = n_partitions
        self.initial_subset = initial_subset
        self.memory_limit = memory_limit
        self.random_state = random_state

    def _rank(self, X, y, budget):  # type: ignore[override]
        return super()._rank(X, y, budget)  # the rows' weights would say nothing here

    def _check_kernel(self, X):
        least = X.diagonal().min()
        if least < 0:
            raise ValueError(
                'X must be positive semi-definite with kernel="precomputed"; got '
                f"{least} on its diagonal"
            )

    def _check_size(self, X, sizes, wanted):
        given = 0 if self.initial_subset is None else np.shape(self.initial_subset)[0]
        for n_rows, n_wanted in zip(sizes.tolist(), wanted.tolist()):
            n_selected, n_factors = n_wanted + min(given, n_rows), 1
            if self.optimizer == "partition":
                n_partitions, _ = self._partitions(n_rows, max(n_wanted, 1))
                n_part = -(-n_rows // n_partitions)
                n_rows = min(n_rows, n_partitions * min(n_wanted, n_part) + given)
                n_factors = 2  # those of the union, and of a part's solution on it
            copied = 0 if self.kernel == "precomputed" else 4 * n_rows * X.shape[1]
            check_memory(
                n_factors * 8 * n_rows * n_selected + copied,
                self.memory_limit,
                f"LogDeterminant: factors of {n_rows} rows for {n_selected} selected ones",
                "use a smaller budget, or stratify",
            )

    def _open(self, X, rows, n_wanted):
        n_rows = X.shape[0] if rows is None else len(rows)
        given = 0 if self.initial_subset is None else np.shape(self.initial_subset)[0]
        return super()._open(X, rows, n_wanted), min(n_rows, n_wanted + given)

    def _objective(self, data, candidates, references, weights):
        similarity, capacity = data
        return LogDeterminantObjective(similarity, self.noise, capacity, candidates)


class LogDeterminantObjective:
    """The function above by a Cholesky factorisation that grows a row at a time.

    With c_i the coordinates of candidate i in the factor of what is selected, the Schur
    complement ``d_i = 1 + k(i, i) / noise - |c_i|^2`` is the determinant's factor for adding i.

    Parameters
    ----------
    similarity : object
        With ``row(i)`` and ``diagonal()``.
    noise : float
    capacity : int
        Most rows that will be selected.
    candidates : int64 ndarray of shape (n,) or None
        Rows of the similarity. None: all.
    """

    def __init__(self, similarity, noise, capacity, candidates=None):
        self._similarity, self._noise = similarity, noise
        self._candidates = np.arange(len(similarity)) if candidates is None else candidates
        diagonal = similarity.diagonal()[self._candidates].astype(np.float64)
        self._schur = 1 + diagonal / noise
        self._factors = np.empty((min(capacity, len(diagonal)), len(diagonal)))
        self._n_selected = 0

    def gains(self, candidates):
        return np.log(self._schur[candidates])

    def add(self, candidate):
        row = self._similarity.row(self._candidates[candidate])[self._candidates]
        row = row.astype(np.float64) / self._noise
        row[candidate] += 1
        known = self._factors[: self._n_selected]
        row -= known[:, candidate] @ known
        row /= np.sqrt(self._schur[candidate])
        self._factors[self._n_selected] = row
        self._n_selected += 1
        # At least one in exact arithmetic: the identity that was added.
        self._schur = np.maximum(self._schur - row**2, 1)

    def fork(self):
        other = copy.copy(self)
        other._factors = np.empty_like(self._factors)
        other._factors[: self._n_selected] = self._factors[: self._n_selected]
        return other
