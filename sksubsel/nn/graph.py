"""Batches of labelled DAGs, packed into one graph for message passing.

The only file of the package's inside that touches DGL. One class, two backends: DGL's own
message passing, and the same neighbour sum in plain torch where DGL is absent or has no build for
the device.
"""

from __future__ import annotations

from functools import cached_property, lru_cache

import numpy as np
import torch
from torch import Tensor


@lru_cache(maxsize=1)
def dgl_available() -> bool:
    """Whether DGL can be imported here (PyPI has no wheel of it for Python 3.12 and later)."""
    try:
        import dgl  # noqa: F401
    except Exception:  # a DGL built for another torch fails with more than ImportError
        return False
    return True


@lru_cache(maxsize=8)
def _dgl_supports(device_type: str) -> bool:
    if not dgl_available():
        return False
    if device_type == "cpu":
        return True
    import dgl

    try:
        dgl.graph(([0], [0])).to(device_type)
    except Exception:  # DGL's CPU build raises its own DGLError
        return False
    return True


class PackedGraphs:
    """A DAGs as one graph of all their M nodes and E edges, graph after graph.

    Nothing grows with the square of a graph's size but `pairs`, which can be limited.

    Parameters
    ----------
    ops : Tensor of shape (M,), int64
        Operation code of each node.
    edges : Tensor of shape (E, 2), int64
        Node numbers in 0..M-1, the edges of one graph after those of the one before.
    sizes, n_edges : Tensors of shape (A,), int64
        Nodes and edges of each graph.
    attributes : Tensor of shape (M, F), float32, or None
        What else is known of each node; None is F = 0.
    backend : {"auto", "dgl", "torch"}, default="auto"
        "auto" takes DGL where it works for the tensors' device.
    """

    def __init__(self, ops, edges, sizes, n_edges, attributes=None, backend="auto"):
        if backend == "auto":
            backend = "dgl" if _dgl_supports(ops.device.type) else "torch"
        if backend not in ("dgl", "torch"):
            raise ValueError(f"backend must be 'auto', 'dgl' or 'torch'; got {backend!r}")
        self.ops, self.edges, self.sizes, self.n_edges = ops, edges, sizes, n_edges
        self.attributes = ops.new_zeros((len(ops), 0)).float() if attributes is None else attributes
        self.backend = backend
        self.starts = torch.cumsum(sizes, 0) - sizes
        self.edge_starts = torch.cumsum(n_edges, 0) - n_edges

    @classmethod
    def of(cls, packed, attributes=None, device="cpu") -> PackedGraphs:
        """Graphs of flat arrays (`architectures.arrays.Packed`) and attributes (M, F)."""
        arrays = [*packed] if attributes is None else [*packed, attributes]
        return cls(*(torch.from_numpy(array).to(device) for array in arrays))

    @classmethod
    def without_edges(cls, sizes: np.ndarray, device="cpu") -> PackedGraphs:
        """Graphs of which only the numbers of nodes (A,) are known yet."""
        none = np.zeros((0, 2), dtype=np.int64)
        return cls.of((np.zeros(sizes.sum(), dtype=np.int64), none, sizes, 0 * sizes), None, device)

    def __len__(self):
        return len(self.sizes)

    def take(self, index: Tensor) -> PackedGraphs:
        """Some of the graphs, in that order; time and memory grow with their nodes and edges."""
        sizes, n_edges = self.sizes[index], self.n_edges[index]
        nodes = _ranges(self.starts[index], sizes)
        chosen = _ranges(self.edge_starts[index], n_edges)
        moved = torch.cumsum(sizes, 0) - sizes - self.starts[index]
        edges = self.edges[chosen] + torch.repeat_interleave(moved, n_edges)[:, None]
        attributes = self.attributes[nodes]
        return PackedGraphs(self.ops[nodes], edges, sizes, n_edges, attributes, self.backend)

    def neighbor_sum(self, h: Tensor) -> Tensor:
        """Sum of the neighbours' vectors: (M, D) -> (M, D). Time and memory O(E D)."""
        if self.backend == "torch":
            source, target = self._messages
            return torch.zeros_like(h).index_add_(0, target, h[source])
        import dgl.function as fn

        with self._graph.local_scope():
            self._graph.ndata["h"] = h
            self._graph.update_all(fn.copy_u("h", "m"), fn.sum("m", "sum"))
            return self._graph.ndata["sum"]

    @cached_property
    def degrees(self) -> Tensor:
        """Number of neighbours of each node, (M,), of the attributes' dtype."""
        count = torch.bincount(self._messages[1], minlength=len(self.ops))
        return count.to(self.attributes.dtype)

    @cached_property
    def _messages(self):
        """Where messages come from and go to, (2 E,) each: along both directions of an edge."""
        # paper, Eq. 4: neighbours of u
        return torch.cat([self.edges, self.edges.flip(1)]).unbind(1)

    @cached_property
    def _graph(self):
        import dgl

        return dgl.graph(self._messages, num_nodes=len(self.ops))

    def n_pairs(self) -> Tensor:
        """Number of pairs of nodes of each graph, (A,)."""
        return self.sizes * (self.sizes - 1) // 2

    def pairs(self, limit: int | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Pairs of nodes (u, v), u before v, of one graph, and whether u leads to v.

        Parameters
        ----------
        limit : int or None
            Draw so many of them (with replacement) where there are more.

        Returns
        -------
        tail, head : Tensors of shape (P,), int64
            Pairs of a graph follow one another, column by column of its matrix.
        is_edge : Tensor of shape (P,), bool
        """
        total = int(self.n_pairs().sum())
        if limit is None or total <= limit:
            return self._all_pairs
        return self._pairs(torch.randint(total, (limit,), device=self.sizes.device))

    @cached_property
    def _all_pairs(self):
        total = int(self.n_pairs().sum())
        return self._pairs(torch.arange(total, device=self.sizes.device))

    def _pairs(self, number):
        """`pairs` of these numbers (P,), counted through all graphs."""
        counts = self.n_pairs()
        ends = torch.cumsum(counts, 0)
        first = ends - counts
        graphs = torch.arange(len(self), device=counts.device)
        owner = torch.repeat_interleave(graphs, self.n_edges)
        u, v = (self.edges - self.starts[owner, None]).unbind(1)
        # behind the edges' numbers, sorted, one that no pair has
        edges = torch.cat([(first[owner] + v * (v - 1) // 2 + u).sort()[0], ends[-1:]])
        is_edge = edges[torch.searchsorted(edges, number)] == number
        owner = torch.searchsorted(ends, number, right=True)
        number = number - first[owner]
        # the column v of the k-th pair of a triangle: v (v - 1) / 2 <= k
        v = ((1 + torch.sqrt(1 + 8 * number.double())) / 2).long()
        v = v - (v * (v - 1) // 2 > number).long()
        u = number - v * (v - 1) // 2
        return self.starts[owner] + u, self.starts[owner] + v, is_edge


def parts(costs: Tensor, limit: int) -> tuple[Tensor, ...]:
    """Numbers of consecutive graphs whose costs (A,) add up to about the limit."""
    group = torch.div(torch.cumsum(costs, 0) - 1, limit, rounding_mode="floor")
    _, counts = torch.unique_consecutive(group, return_counts=True)
    return torch.arange(len(costs), device=costs.device).split(counts.tolist())


def _ranges(starts: Tensor, counts: Tensor) -> Tensor:
    """The numbers ``start, ..., start + count - 1`` of each pair, one after another."""
    ends = torch.cumsum(counts, 0)
    total = int(ends[-1]) if len(ends) else 0
    number = torch.arange(total, device=counts.device)
    return number + torch.repeat_interleave(starts - (ends - counts), counts)
