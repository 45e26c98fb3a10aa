"""Architectures as what the graph VAE takes, and what it gives as matrices and operations."""

from __future__ import annotations

import numpy as np

from sksubsel._validation import warn_caller
from sksubsel.architectures.arrays import Packed, matrices, pack, sort_topologically
from sksubsel.architectures.attributes import AttributeCoder
from sksubsel.nn.graph import PackedGraphs


class UnknownOperationWarning(UserWarning):
    """An architecture has operations or attributes that the encoder was not fitted on."""


class GraphCodec:
    """Codes of the operations and attributes that occur in some architectures.

    Attributes
    ----------
    vocabulary : tuple of str
        Operations, sorted; the k-th has the code k + 1, any other one 0.
    attributes : AttributeCoder
    """

    def fit(self, archs) -> GraphCodec:
        """Find the operations and attributes."""
        self.vocabulary = tuple(sorted({op for arch in archs for op in arch.ops}))
        self.attributes = AttributeCoder().fit(archs)
        return self

    @property
    def n_attributes(self) -> int:
        """F, length of the vector of a node's attributes."""
        return self.attributes.n_columns

    def pack(self, archs) -> tuple[Packed, np.ndarray]:
        """Flat arrays, and the nodes' attributes (M, F) float32.

        Warns
        -----
        UnknownOperationWarning
        """
        packed, unknown = pack(archs, self.vocabulary)
        attributes, strange = self.attributes.transform(archs)
        if unknown:
            _warn(f"operations {sorted(unknown)}", f"; known are {list(self.vocabulary)}")
        if strange:
            _warn(f"attributes {sorted(strange)}", "")
        return packed, attributes

    def strange(self, archs) -> np.ndarray:
        """Which architectures have operations or attributes that were not seen, bool (A,)."""
        operations = [not set(self.vocabulary).issuperset(arch.ops) for arch in archs]
        return np.array(operations) | self.attributes.strange(archs)

    def graphs(self, archs, device) -> PackedGraphs:
        """Graphs with their nodes in a topological order, on a device."""
        packed, attributes = self.pack(archs)
        packed, order = sort_topologically(packed)
        return PackedGraphs.of(packed, attributes[order], device)

    def named(self, graphs, codes, is_edge) -> list[tuple[np.ndarray, list[str]]]:
        """Matrix (V, V) and operations of each graph, as `GraphVAE.most_probable` gives them."""
        tail, head, _ = (part.cpu().numpy() for part in graphs.pairs())
        sizes = graphs.sizes.cpu().numpy()
        edges = np.stack([tail, head], axis=1)[is_edge]
        owner = np.repeat(np.arange(len(sizes)), sizes)
        n_edges = np.bincount(owner[edges[:, 0]], minlength=len(sizes))
        names = np.split(np.array(self.vocabulary)[codes - 1], np.cumsum(sizes)[:-1])
        found = matrices(Packed(codes, edges, sizes, n_edges))
        return [(matrix, ops.tolist()) for matrix, ops in zip(found, names)]


def _warn(what, known):
    warn_caller(
        f"{what} were not seen in fit and are encoded as unknown{known}", UnknownOperationWarning
    )
