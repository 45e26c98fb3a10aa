"""Batches of labelled DAGs, packed into one graph for message passing.

The only file of the package's inside that touches DGL. One class, two backends: DGL's own
message passing, and the same neighbour sum in plain torch where DGL is absent or has no build for
the device.
"""

from __future__ import annotations

from functools import lru_cache

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
    """A graphs of at most V nodes as one graph of all their M valid nodes.

    Parameters
    ----------
    ops : Tensor of shape (A, V), int64
        Operation code of each node, -1 where a graph has fewer than V nodes.
    adjacency : Tensor of shape (A, V, V), bool or uint8
        ``adjacency[a, u, v]`` is true for an edge u -> v.
    backend : {"auto", "dgl", "torch"}, default="auto"
        "auto" takes DGL where it works for the tensors' device.

    Attributes
    ----------
    mask : Tensor of shape (A, V), bool
        Which entries are nodes.
    ops : Tensor of shape (M,), int64
        Operation codes of the nodes, graph after graph.
    """

    def __init__(self, ops: Tensor, adjacency: Tensor, backend: str = "auto"):
        if backend == "auto":
            backend = "dgl" if _dgl_supports(ops.device.type) else "torch"
        if backend not in ("dgl", "torch"):
            raise ValueError(f"backend must be 'auto', 'dgl' or 'torch'; got {backend!r}")
        self.mask = ops >= 0
        self.ops = ops[self.mask]
        number = torch.cumsum(self.mask.flatten(), 0).view_as(self.mask) - 1  # (A, V) -> 0..M-1
        graph, tail, head = adjacency.nonzero(as_tuple=True)
        tail, head = number[graph, tail], number[graph, head]
        # messages flow along both directions of an edge (paper, Eq. 4: neighbours of u)
        self.source = torch.cat([tail, head])
        self.target = torch.cat([head, tail])
        self._graph = None
        if backend == "dgl":
            import dgl

            self._graph = dgl.graph((self.source, self.target), num_nodes=len(self.ops))

    def neighbor_sum(self, h: Tensor) -> Tensor:
        """Sum of the neighbours' vectors: (M, D) -> (M, D). Time and memory O(E D)."""
        if self._graph is None:
            return torch.zeros_like(h).index_add_(0, self.target, h[self.source])
        import dgl.function as fn

        with self._graph.local_scope():
            self._graph.ndata["h"] = h
            self._graph.update_all(fn.copy_u("h", "m"), fn.sum("m", "sum"))
            return self._graph.ndata["sum"]

    def unpack(self, h: Tensor, fill: float = 0.0) -> Tensor:
        """Node vectors (M, D) back in their places: (A, V, D), `fill` where there is no node."""
        out = h.new_full((*self.mask.shape, h.shape[-1]), fill)
        out[self.mask] = h
        return out
