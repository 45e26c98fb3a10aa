"""Lists of architectures as flat arrays, and orders of their nodes, all architectures at once."""

from __future__ import annotations

from itertools import chain
from typing import NamedTuple

import numpy as np

UNKNOWN = 0  # code of an operation that is not in the vocabulary


class Packed(NamedTuple):
    """A architectures as one graph of all their M nodes and E edges, architecture after another.

    Memory grows with nodes and edges, so that one large graph costs the others nothing.
    """

    ops: np.ndarray
    """Operation codes (M,), int64."""
    edges: np.ndarray
    """Pairs of node numbers in 0..M-1, (E, 2), int64."""
    sizes: np.ndarray
    """Number of nodes of each architecture, (A,), int64."""
    n_edges: np.ndarray
    """Number of edges of each architecture, (A,), int64."""

    @property
    def starts(self) -> np.ndarray:
        """Number of each architecture's first node, (A,)."""
        return np.cumsum(self.sizes) - self.sizes

    @property
    def owners(self) -> np.ndarray:
        """Architecture that each node belongs to, (M,), ascending."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)


def pack(archs, vocabulary) -> tuple[Packed, set]:
    """Architectures as flat arrays, and the operations that the vocabulary lacks.

    Parameters
    ----------
    archs : list of Architecture
    vocabulary : sequence of str
        The k-th operation has the code k + 1; operations not in it have the code 0.

    Returns
    -------
    Packed
    set of str
    """
    code = {op: k + 1 for k, op in enumerate(vocabulary)}
    flat_ops = list(chain.from_iterable(arch.ops for arch in archs))
    sizes = np.array([len(arch.ops) for arch in archs], dtype=np.int64)
    n_edges = np.array([len(arch.edges) for arch in archs], dtype=np.int64)
    edges = np.array(list(chain.from_iterable(arch.edges for arch in archs)), dtype=np.int64)
    starts = np.cumsum(sizes) - sizes
    packed = Packed(
        np.array([code.get(op, UNKNOWN) for op in flat_ops], dtype=np.int64),
        edges.reshape(-1, 2) + np.repeat(starts, n_edges)[:, None],
        sizes,
        n_edges,
    )
    return packed, set(flat_ops) - set(code)


def bfs_places(packed: Packed) -> np.ndarray:
    """Place of every node in its architecture's breadth-first order, children in node order.

    Parameters
    ----------
    packed : Packed
        Every node is reachable from the input, the one node that nothing leads to.

    Returns
    -------
    ndarray of shape (M,), int64

    Notes
    -----
    All architectures advance together, level by level: time O((M + E) log M + A levels).
    """
    owners = packed.owners
    children = _Children(packed)
    place = np.full(len(packed.ops), -1, dtype=np.int64)
    level = np.flatnonzero(np.bincount(packed.edges[:, 1], minlength=len(place)) == 0)
    place[level] = 0
    tail = np.ones(len(packed.sizes), dtype=np.int64)
    while len(level):
        # parents stand in the order of their places, so a child's first mention is what counts
        found = children.of(level)
        found = found[place[found] < 0]
        _, first = np.unique(found, return_index=True)
        level = found[np.sort(first)]
        owner = owners[level]  # ascending
        place[level] = tail[owner] + np.arange(len(level)) - np.searchsorted(owner, owner)
        np.maximum.at(tail, owner, place[level] + 1)
    return place


def sort_topologically(packed: Packed) -> tuple[Packed, np.ndarray]:
    """The same architectures with every edge leading from a lower to a higher number.

    Architectures that have this form already keep their order.

    Returns
    -------
    Packed
    order : ndarray of shape (M,), int64
        Which node of the given ones each node was.
    """
    n_nodes = len(packed.ops)
    owners = packed.owners
    backward = packed.edges[:, 0] > packed.edges[:, 1]
    if not backward.any():
        return packed, np.arange(n_nodes)
    bad = np.zeros(len(packed.sizes), dtype=bool)
    bad[owners[packed.edges[backward, 0]]] = True
    bad = bad[owners]
    # length of the longest path to a node; in the other architectures, its number
    key = np.arange(n_nodes)
    n_in = np.bincount(packed.edges[:, 1], minlength=n_nodes)
    children = _Children(packed)
    level, depth = np.flatnonzero(bad & (n_in == 0)), 0
    while len(level):
        key[level] = depth
        depth += 1
        found, times = np.unique(children.of(level), return_counts=True)
        n_in[found] -= times
        level = found[n_in[found] == 0]
    order = np.lexsort((key, owners))  # stable: nodes of one level keep their order
    number = np.empty_like(order)
    number[order] = np.arange(n_nodes)
    return packed._replace(ops=packed.ops[order], edges=number[packed.edges]), order


def matrices(packed: Packed) -> list[np.ndarray]:
    """Adjacency matrix (V, V), uint8, of each architecture."""
    found = []
    local = packed.edges - np.repeat(packed.starts, packed.n_edges)[:, None]
    for size, edges in zip(packed.sizes, np.split(local, np.cumsum(packed.n_edges)[:-1])):
        matrix = np.zeros((size, size), dtype=np.uint8)
        matrix[edges[:, 0], edges[:, 1]] = 1
        found.append(matrix)
    return found


class _Children:
    """Where each node's edges lead, to be asked for many nodes at once."""

    def __init__(self, packed: Packed):
        order = np.lexsort((packed.edges[:, 1], packed.edges[:, 0]))
        self.targets = packed.edges[order, 1]
        self.counts = np.bincount(packed.edges[:, 0], minlength=len(packed.ops))
        self.first = np.cumsum(self.counts) - self.counts

    def of(self, nodes) -> np.ndarray:
        """Children of the nodes, in their order, those of one node ascending."""
        return self.targets[ranges(self.first[nodes], self.counts[nodes])]


def ranges(starts, counts) -> np.ndarray:
    """The numbers ``start, ..., start + count - 1`` of each pair, one after another."""
    ends = np.cumsum(counts)
    offsets = np.asarray(starts) - (ends - counts)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(offsets, counts)
