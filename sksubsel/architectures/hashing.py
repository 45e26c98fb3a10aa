"""Fingerprints of labelled graphs that do not depend on the numbering of nodes."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike


def graph_hash(adjacency: ArrayLike, labels: Sequence) -> str:
    """Isomorphism-invariant MD5 fingerprint of a labelled directed graph.

    Every node starts from its (out-degree, in-degree, label). V times over, a node's digest becomes
    that of its in-neighbours' sorted digests, its out-neighbours' sorted digests and its own; the
    fingerprint is the digest of all nodes' sorted digests.

    Parameters
    ----------
    adjacency : array-like of shape (V, V)
        Nonzero at (u, v) where an edge leads from u to v.
    labels : sequence of length V
        Node labels; what counts is how they are printed. NumPy scalars become Python's.

    Returns
    -------
    str
        32 hexadecimal digits. Isomorphic graphs always agree; for cells of NAS-Bench-101 graphs
        that differ always differ, in general they may agree where colour refinement cannot tell
        them apart.

    Raises
    ------
    ValueError
        If `adjacency` is not square or `labels` has another length.

    Notes
    -----
    Time O(V (V + E)). The rule is the one that names NAS-Bench-101's cells [1]_.

    References
    ----------
    .. [1] Ying et al., "NAS-Bench-101: Towards Reproducible Neural Architecture Search", ICML 2019.

    Examples
    --------
    >>> from sksubsel.architectures import graph_hash
    >>> one = graph_hash([[0, 1, 1], [0, 0, 0], [0, 0, 0]], ["in", "a", "b"])
    >>> one == graph_hash([[0, 0, 0], [1, 0, 1], [0, 0, 0]], ["b", "in", "a"])  # other numbers
    True
    >>> one == graph_hash([[0, 1, 1], [0, 0, 0], [0, 0, 0]], ["in", "a", "a"])
    False
    """
    matrix = np.asarray(adjacency) != 0
    labels = [label.item() if isinstance(label, np.generic) else label for label in labels]
    if matrix.ndim != 2 or matrix.shape != (len(labels), len(labels)):
        raise ValueError(
            f"adjacency must have shape (V, V) with V={len(labels)} labels; got {matrix.shape}"
        )
    successors = [np.flatnonzero(row).tolist() for row in matrix]
    predecessors = [np.flatnonzero(column).tolist() for column in matrix.T]
    digests = [
        _md5(str((len(successors[v]), len(predecessors[v]), label)))
        for v, label in enumerate(labels)
    ]
    for _ in labels:
        digests = [
            _md5(
                "".join(sorted(digests[u] for u in predecessors[v]))
                + "|"
                + "".join(sorted(digests[u] for u in successors[v]))
                + "|"
                + digests[v]
            )
            for v in range(len(labels))
        ]
    return _md5(str(sorted(digests)))


def _md5(text: str) -> str:
    # Not for security: works where MD5 is otherwise switched off.
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
