"""Facility location: every instance has a selected one that is like it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sksubsel.baselines.submodular._kernel_selector import CoverSelector, part_weights
from sksubsel.samplers.facility import FacilityLocationObjective

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["FacilityLocation"]


class FacilityLocation(CoverSelector):
    """Rows that represent all others: each counts by the selected row most like it.

    Greedily maximises ``f(S) = sum_j w_j max_{i in S} k(i, j)``, a monotone submodular function:
    within 1 - 1/e of the best B rows [1]_, found lazily [2]_.

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
    mode : {"auto", "dense", "per_class", "sparse"}, default="auto"
        "dense" keeps the likeness of all pairs: ``4 n^2`` bytes for the n rows covered together,
        all or those of the largest class. "per_class" does so within classes, with no likeness
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
        "lazy" and "naive" give the same rows; "stochastic" looks for each among a random sample;
        "partition" first in random parts, each with a dense kernel of its own, then among what
        these chose [3]_, for data whose kernel does not fit.
    epsilon : float in (0, 1), default=0.01
        With ``optimizer="stochastic"``, what may be lost, in expectation.
    n_partitions : int or None, default=None
        With ``optimizer="partition"``. None: as few as fit, at least 2.
    initial_subset : array-like of int, default=None
        Rows that one has already: they count as covering, are not selected again and do not
        count towards `budget`.
    weighted : bool, default=False
        Give each selected row, in `sample_weight_`, the number (with `sample_weight`, the
        weight) of the instances that it represents, instead of one.
    memory_limit : float or None, default=2e9
        Bytes that a kernel may take, checked before it is made. None: no limit.
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
    assignment_ : int64 ndarray of shape (N,)
        The row, selected or in `initial_subset`, that represents each instance: the one most
        like it, of its class where classes are covered apart. Found among all of them whatever
        `mode`. -1 where there is none.
    sample_weight_ : float64 ndarray of shape (B,)
        Ones, or with `weighted` the sizes of the selected rows' clusters.
    mode_ : {"dense", "sparse"}
        How the kernel was kept.

    Notes
    -----
    Time O(n^2 F) for a dense kernel of n rows and O(B b n) for the greedy choice, b (tens) being
    the gains evaluated for one; sparse, O(n^1.5 F) with Faiss and a few dozen operations a gain.
    Memory as under `mode`. `assignment_` takes O(N B F), over C with C classes.

    Use it to cover the data evenly where labels are clean, and `weighted` where the subset
    should stand for the whole. It takes what is typical, so that it is no better than random at
    large budgets, and with noisy labels worse.

    References
    ----------
    .. [1] G. Nemhauser, L. Wolsey, M. Fisher, "An analysis of approximations for maximizing
       submodular set functions - I", Mathematical Programming 14, 1978.
    .. [2] M. Minoux, "Accelerated greedy algorithms for maximizing submodular set functions",
       Optimization Techniques, 1978.
    .. [3] B. Mirzasoleiman, A. Karbasi, R. Sarkar, A. Krause, "Distributed submodular
       maximization: identifying representative elements in massive data", NeurIPS 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from sksubsel.baselines.submodular import FacilityLocation
    >>> X = np.array([[0.0], [1.0], [2.0], [9.0], [10.0]])
    >>> selector = FacilityLocation(2, gamma=0.1, weighted=True).fit(X)
    >>> selector.sample_indices_, selector.assignment_, selector.sample_weight_
    (array([1, 3]), array([1, 1, 1, 3, 3]), array([3., 2.]))
    """

    _parameter_constraints: dict = {
        **CoverSelector._parameter_constraints,
        "weighted": ["boolean"],
    }

    def __init__(
        self,
        budget: int | float = 0.1,
        *,
        stratify: str | None = None,
        features: Any = None,
        kernel: str = "rbf",
        gamma: float | None = None,
        mode: str = "auto",
        n_neighbors: int = 32,
        neighbors: str = "auto",
        optimizer: str = "lazy",
        epsilon: float = 0.01,
        n_partitions: int | None = None,
        initial_subset: ArrayLike | None = None,
        weighted: bool = False,
        memory_limit: float | None = 2e9,
        random_state: int | np.random.RandomState | None = None,
    ):
        self.budget = budget
        self.stratify = stratify
        self.features = features
        self.kernel = kernel
        self.gamma = gamma
        self.mode = mode
        self.n_neighbors = n_neighbors
        self.neighbors = neighbors
        self.optimizer = optimizer
        self.epsilon = epsilon
        self.n_partitions = n_partitions
        self.initial_subset = initial_subset
        self.weighted = weighted
        self.memory_limit = memory_limit
        self.random_state = random_state

    def _objective(self, data, candidates, references, weights):
        kernel = self._kernel(data, candidates, references)
        return FacilityLocationObjective(kernel, part_weights(weights, len(data), references))

    def _represent(self, X, members, selected, initial, sample_weight):
        self.assignment_ = np.full(X.shape[0], -1, dtype=np.int64)
        present = np.union1d(selected, initial)
        for rows in members:
            positions = np.flatnonzero(np.isin(rows, present))
            if len(positions):
                data = self._open(X, None if len(rows) == X.shape[0] else rows, 0)
                owners = data.nearest_selected(positions)
                found = owners >= 0
                self.assignment_[rows[found]] = rows[positions[owners[found]]]
        covered = self.assignment_ >= 0
        self._cluster_sizes = np.bincount(
            self.assignment_[covered],
            weights=None if sample_weight is None else sample_weight[covered],
            minlength=X.shape[0],
        )

    def _weigh(self, rows):
        sizes = self._cluster_sizes[rows].astype(np.float64)
        del self._cluster_sizes
        return sizes if self.weighted else super()._weigh(rows)
