"""Lists of architectures as padded arrays, and orders of their nodes, all architectures at once."""

from __future__ import annotations

from itertools import chain

import numpy as np

UNKNOWN = 0  # code of an operation that is not in the vocabulary
PADDING = -1  # code where an architecture has no node


def to_padded(archs, vocabulary) -> tuple[np.ndarray, np.ndarray, set]:
    """Operation codes and adjacency matrices of architectures, padded to the largest.

    Parameters
    ----------
    archs : list of Architecture
    vocabulary : sequence of str
        The k-th operation has the code k + 1; operations not in it have the code 0.

    Returns
    -------
    ops : ndarray of shape (A, V), int64
        -1 behind an architecture's last node.
    adjacency : ndarray of shape (A, V, V), bool
    unknown : set of str
        The operations that are not in the vocabulary.
    """
    code = {op: k + 1 for k, op in enumerate(vocabulary)}
    sizes = np.array([len(arch.ops) for arch in archs])
    flat_ops = list(chain.from_iterable(arch.ops for arch in archs))
    mask = np.arange(sizes.max()) < sizes[:, None]
    ops = np.full(mask.shape, PADDING, dtype=np.int64)
    ops[mask] = [code.get(op, UNKNOWN) for op in flat_ops]
    adjacency = np.zeros((*mask.shape, mask.shape[1]), dtype=bool)
    n_edges = np.array([len(arch.edges) for arch in archs])
    edges = np.array(list(chain.from_iterable(arch.edges for arch in archs)), dtype=np.int64)
    edges = edges.reshape(-1, 2)
    adjacency[np.repeat(np.arange(len(archs)), n_edges), edges[:, 0], edges[:, 1]] = True
    return ops, adjacency, set(flat_ops) - set(code)


def bfs_orders(mask: np.ndarray, adjacency: np.ndarray) -> np.ndarray:
    """Nodes in breadth-first order from each architecture's input, children in node order.

    Parameters
    ----------
    mask : ndarray of shape (A, V), bool
        Which places are nodes; every one is reachable from the input, the node nothing leads to.
    adjacency : ndarray of shape (A, V, V), bool

    Returns
    -------
    ndarray of shape (A, V), int64
        ``order[a, k]`` is the k-th node reached, -1 behind the last. Time O(A V^2).
    """
    n_archs, n_nodes = mask.shape
    rows = np.arange(n_archs)
    order = np.full((n_archs, n_nodes), PADDING, dtype=np.int64)
    order[:, 0] = np.argmax(mask & ~adjacency.any(axis=1), axis=1)
    visited = np.zeros_like(mask)
    visited[rows, order[:, 0]] = True
    tail = np.ones(n_archs, dtype=np.int64)
    for step in range(n_nodes - 1):
        live = order[:, step] >= 0
        found = adjacency[rows, order[:, step]] & ~visited & live[:, None]  # (A, V)
        place = tail[:, None] + np.cumsum(found, axis=1) - 1
        arch, node = np.nonzero(found)
        order[arch, place[arch, node]] = node
        visited |= found
        tail += found.sum(axis=1)
    return order


def sort_topologically(ops: np.ndarray, adjacency: np.ndarray):
    """The same padded graphs with every edge leading from a lower to a higher place.

    Graphs that have this form already keep their order. Time O(A V^3).
    """
    bad = np.tril(adjacency).any(axis=(1, 2))
    if not bad.any():
        return ops, adjacency
    ops, adjacency = ops.copy(), adjacency.copy()
    sub_ops, sub_adjacency = ops[bad], adjacency[bad]
    level = np.zeros(sub_ops.shape, dtype=np.int64)  # length of the longest path to a node
    for _ in range(sub_ops.shape[1]):
        reached = np.where(sub_adjacency, level[:, :, None] + 1, 0).max(axis=1)
        level = np.maximum(level, reached)
    level[sub_ops == PADDING] = sub_ops.shape[1] + 1
    order = np.argsort(level, axis=1, kind="stable")
    ops[bad] = np.take_along_axis(sub_ops, order, axis=1)
    moved = np.take_along_axis(sub_adjacency, order[:, :, None], axis=1)
    adjacency[bad] = np.take_along_axis(moved, order[:, None, :], axis=2)
    return ops, adjacency
