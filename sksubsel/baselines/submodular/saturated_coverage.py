"""Saturated coverage: every instance has several selected ones that are like it, up to a limit."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils._param_validation import Interval

from sksubsel.baselines.submodular._kernel_selector import CoverSelector, part_weights
from sksubsel.samplers.facility import ColumnwiseObjective

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["SaturatedCoverage"]


class SaturatedCoverage(CoverSelector):
    """Rows whose likeness to each instance adds up, until that instance is covered.

    Greedily maximises ``f(S) = sum_j w_j min(sum_{i in S} k(i, j), alpha sum_i k(i, j))``, a
    monotone submodular function [1]_: an instance asks for no more than the share `alpha` of the
    likeness that all rows have to it.

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
    alpha : float in (0, 1], default=0.25
        Share of its whole likeness that satisfies an instance: somewhat above the fraction to
        select. At that or below, all are soon satisfied and the other rows add nothing (the
        first ones are taken); one makes f a sum of single rows' values.
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
        As in :class:`FacilityLocation`.
    epsilon : float in (0, 1), default=0.01
        With ``optimizer="stochastic"``, what may be lost, in expectation.
    n_partitions : int or None, default=None
        With ``optimizer="partition"``. None: as few as fit, at least 2.
    initial_subset : array-like of int, default=None
        Rows that one has already: they count as selected before, are not selected again and do
        not count towards `budget`.
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
    sample_weight_ : float64 ndarray of shape (B,)
        Ones.
    mode_ : {"dense", "sparse"}
        How the kernel was kept.

    Notes
    -----
    Time and memory as for :class:`FacilityLocation`: O(n^2 F) for a dense kernel of n rows,
    O(B b n) for the greedy choice, ``4 n^2`` bytes. With ``optimizer="partition"`` the sum over
    all rows is estimated from those of the part.

    Use it where one representative is too few for a dense region; it is robust to single odd
    rows, which can ask for little. Where each instance should have one good representative,
    facility location is closer to the aim.

    References
    ----------
    .. [1] H. Lin, J. Bilmes, "A class of submodular functions for document summarization", ACL
       2011, Eq. 3.

    Examples
    --------
    >>> import numpy as np
    >>> from sksubsel.baselines.submodular import SaturatedCoverage
    >>> X = np.array([[0.0], [1.0], [2.0], [9.0], [10.0]])
    >>> SaturatedCoverage(3, gamma=0.1, alpha=0.4).fit(X).sample_indices_
    array([0, 1, 3])
    """

    _parameter_constraints: dict = {
        **CoverSelector._parameter_constraints,
        "alpha": [Interval(Real, 0, 1, closed="right")],
    }

    def __init__(
        self,
        budget: int | float = 0.1,
        *,
        stratify: str | None = None,
        features: Any = None,
        kernel: str = "rbf",
        gamma: float | None = None,
        alpha: float = 0.25,
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
        self.alpha = alpha
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
        kernel = self._kernel(data, candidates, references)
        totals = np.asarray(kernel.sum(axis=0, dtype=np.float64)).ravel()
        limits = self.alpha * totals * (len(data) / kernel.shape[0])
        return SaturatedCoverageObjective(
            kernel, part_weights(weights, len(data), references), limits
        )


class SaturatedCoverageObjective(ColumnwiseObjective):
    """The function above; the state is what each column still asks for."""

    def _marginal(self, values, state):
        np.minimum(values, state, out=values)

    def _advance(self, values, state):
        return np.maximum(state - values, 0)
