"""D2 pruning: scores passed along a nearest-neighbour graph, then a greedy choice."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.neighbors import NearestNeighbors

from sksubsel._validation import check_finite
from sksubsel.baselines.sampling._checks import check_scores, members_and_quotas

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["d2", "neighbor_graph"]


def neighbor_graph(features: ArrayLike, n_neighbors: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Nearest neighbours of each row, itself left out, and scaled squared distances.

    Distances are divided by the mean squared distance of all edges, so that kernels do not depend
    on the units of the features. Exact; time O(N^2 F) in blocks beyond 15 features, memory
    O(N (F + n_neighbors)), never N x N.

    Parameters
    ----------
    features : array-like of shape (N, F)
    n_neighbors : int, default=10
        K; N - 1 where there are fewer rows.

    Returns
    -------
    neighbors : ndarray of shape (N, K), int64
    distances : ndarray of shape (N, K), float64
        Squared, with mean 1; zeros if all rows are equal.

    Raises
    ------
    ValueError
        If `features` are not a finite matrix or `n_neighbors` is not positive.

    Examples
    --------
    >>> from sksubsel.baselines.sampling import neighbor_graph
    >>> neighbors, distances = neighbor_graph([[0.0], [1.0], [3.0]], n_neighbors=1)
    >>> neighbors.ravel(), distances.ravel()
    (array([1, 0, 1]), array([0.5, 0.5, 2. ]))
    """
    features = np.asarray(features)
    if features.ndim != 2 or 0 in features.shape:
        raise ValueError(f"features must have shape (N, F), N and F >= 1; got {features.shape}")
    check_finite(features, "features")
    if n_neighbors < 1:
        raise ValueError(f"n_neighbors must be an int in [1, inf); got {n_neighbors}")
    n_neighbors = min(n_neighbors, len(features) - 1)
    if n_neighbors == 0:
        return np.empty((1, 0), dtype=np.int64), np.empty((1, 0))
    distances, neighbors = NearestNeighbors(n_neighbors=n_neighbors).fit(features).kneighbors()
    distances = distances.astype(np.float64) ** 2
    return neighbors.astype(np.int64), distances / (distances.mean() or 1.0)


def d2(
    scores: ArrayLike,
    budget: int,
    *,
    features: ArrayLike | None = None,
    graph: tuple[np.ndarray, np.ndarray] | None = None,
    rng: Any = None,
    strata: ArrayLike | None = None,
    stratify: str | None = None,
    n_neighbors: int = 10,
    gamma_forward: float = 1.0,
    gamma_reverse: float = 1.0,
) -> np.ndarray:
    """Greedy choice of rows that are hard, dense in hard neighbours, and not near each other.

    Maharana, Yadav and Bansal, *D2 Pruning: Message Passing for Balancing Diversity and
    Difficulty in Data Pruning*, ICLR 2024. Forward: each row adds its neighbours' scores,
    ``s_i + sum_j exp(-gamma_forward d_ij^2) s_j``. Then the row i of the largest value is chosen
    and takes it back from its neighbours, ``s_j -= exp(-gamma_reverse d_ij^2) s_i``; and so on.
    Neighbours are those of :func:`neighbor_graph`, of each row its own. Scores below zero are
    first shifted up to it, and a value that has fallen to zero or less is no longer taken back
    from others: values never grow, which allows a heap. Deterministic; ties go to the lower
    index.

    Time O(N K + (N + B K) log N) beside the graph, with a Python step for each row chosen: some
    seconds for B = 100,000. Memory O(N K).

    Parameters
    ----------
    scores : array-like of shape (N,)
        Difficulty: large is hard.
    budget : int
        B in [1, N].
    features : array-like of shape (N, F), default=None
        What neighbours are sought by; the authors take a trained network's last features.
    graph : tuple of two arrays of shape (N, K), default=None
        Neighbours and squared distances from :func:`neighbor_graph`, in place of `features`.
    rng : ignored
    strata : array-like of shape (N,), int, or None, default=None
        Codes of the classes, from 0.
    stratify : {"proportional", "equal"} or None, default=None
        Quotas of the classes: full ones are passed over. The graph crosses classes.
    n_neighbors : int, default=10
        K of the graph made from `features`; the authors try 1 to 15.
    gamma_forward, gamma_reverse : float, default=1.0
        Inverse widths of the kernels ``exp(-gamma d^2)``, at least 0, where all neighbours count
        in full. Small reverse ones spread the choice widely, large ones leave it to the scores.

    Returns
    -------
    ndarray of shape (B,), int64
        Ascending, distinct.

    Raises
    ------
    ValueError
        If neither or both of `features` and `graph` are given, shapes disagree, or a parameter
        is out of its range.

    Examples
    --------
    >>> from sksubsel.baselines.sampling import d2
    >>> d2([1.0, 0.9, 0.5], 2, features=[[0.0], [0.1], [9.0]], n_neighbors=1)
    array([0, 2])
    """
    scores = check_scores(scores, budget)
    for name, value in {"gamma_forward": gamma_forward, "gamma_reverse": gamma_reverse}.items():
        if not 0 <= value < np.inf:
            raise ValueError(f"{name} must be a float in [0, inf); got {value}")
    if (features is None) == (graph is None):
        raise ValueError("exactly one of features and graph must be given")
    if graph is None:
        assert features is not None
        graph = neighbor_graph(features, n_neighbors)
    neighbors, distances = graph
    if neighbors.shape != distances.shape or len(neighbors) != len(scores):
        raise ValueError(
            f"graph must be two arrays of shape (N={len(scores)}, K); got {neighbors.shape} and "
            f"{distances.shape}"
        )
    rows, quotas = members_and_quotas(len(scores), budget, strata, stratify)
    group = np.empty(len(scores), dtype=np.int64)
    for code, part in enumerate(rows):
        group[part] = code
    lifted = scores - min(scores.min(), 0.0)
    values = lifted + (np.exp(-gamma_forward * distances) * lifted[neighbors]).sum(1)
    order = _greedy(values, neighbors, np.exp(-gamma_reverse * distances), group, quotas, budget)
    return np.sort(order)


def _greedy(values, neighbors, weights, group, quotas, budget):
    """Rows in the order chosen, int64 (B,); changes `values` and uses up `quotas`."""
    # values only fall: an entry that is out of date bounds its row from above
    heap = list(zip((-values).tolist(), range(len(values))))
    heapq.heapify(heap)
    free = np.ones(len(values), dtype=bool)
    chosen = np.empty(budget, dtype=np.int64)
    quotas = quotas.copy()
    n_chosen = 0
    while n_chosen < budget:
        bound, row = heapq.heappop(heap)
        if quotas[group[row]] == 0:
            continue
        if -bound != values[row]:
            heapq.heappush(heap, (-float(values[row]), row))
            continue
        chosen[n_chosen] = row
        n_chosen += 1
        free[row] = False
        quotas[group[row]] -= 1
        if values[row] > 0:
            near = free[neighbors[row]]
            values[neighbors[row][near]] -= weights[row][near] * values[row]
    return chosen
