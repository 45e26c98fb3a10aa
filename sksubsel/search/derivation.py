"""The genotype that a mixture of operations stands for."""

from __future__ import annotations

import numpy as np

from sksubsel.spaces import Genotype
from sksubsel.spaces._darts_genotype import NODES, OPS

__all__ = ["derive_genotype"]


def derive_genotype(normal, reduce) -> Genotype:
    """Keep the two strongest edges of each node, each with its strongest operation.

    An edge is as strong as its strongest operation, "none" left out. Ties go to the earlier edge
    and operation.

    Parameters
    ----------
    normal, reduce : array-like of shape (14, 8)
        Weights of the operations on each edge (the softmax of the parameters, since "none" has its
        share), rows and columns as in `sksubsel.networks.darts_supernet`.

    Returns
    -------
    Genotype
        The two edges of a node in order of their sources.
    """
    cells = [_strongest(np.asarray(weights)[:, 1:]) for weights in (normal, reduce)]
    return Genotype(cells[0], list(NODES), cells[1], list(NODES))


def _strongest(weights):
    """Pairs (operation, source) of one cell, from weights (14, 7)."""
    found, start = [], 0
    for node in NODES:
        edges = weights[start : start + node]  # (node, 7): row = source
        best = np.argsort(-edges.max(axis=1), kind="stable")[:2]
        found += [(OPS[int(edges[source].argmax())], int(source)) for source in np.sort(best)]
        start += node
    return found
