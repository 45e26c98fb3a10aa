"""Likeness of rows: dense, by nearest neighbours, or one row at a time, and what it costs."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from sksubsel.baselines.submodular.neighbors import nearest_rows
from sksubsel.samplers.facility import chunks

__all__ = [
    "FeatureSimilarity",
    "PrecomputedSimilarity",
    "check_memory",
    "dense_bytes",
    "sparse_bytes",
]

_MEDIAN_ROWS = 1000
_BLOCK_CELLS = 1 << 17
# Index and distance of each neighbour, the graph, its transpose and their union: 30 measured.
_BYTES_PER_NEIGHBOR = 40


class FeatureSimilarity:
    """Likeness k(i, j) in [0, 1] of rows by their squared distance d: 1 for equal rows.

    Parameters
    ----------
    features : floating ndarray of shape (n, F)
    kernel : {"rbf", "cosine"}
        ``exp(-gamma d)``, or ``(1 + cos) / 2``, which is ``1 - d / 4`` of rows scaled to norm 1.
        Rows of zeros are like each other and orthogonal to all others.
    gamma : float or None
        None: one over twice the median d, over at most 1,000 rows spread evenly.

    Notes
    -----
    Keeps one float32 copy of the features, centred, which changes no distance but keeps digits.
    """

    def __init__(self, features, kernel, gamma=None):
        self.kernel = kernel
        self._rows = _unit_rows(features) if kernel == "cosine" else _centred(features)
        self._norms = np.einsum("nf,nf->n", self._rows, self._rows)
        self.gamma = gamma
        if kernel == "rbf" and gamma is None:
            self.gamma = self._median_gamma()

    def __len__(self):
        return len(self._rows)

    def dense(self, candidates, references):
        """Likeness of candidates (n,) and references (r,): float32 (n, r). Time O(n r F)."""
        kernel = np.empty((len(candidates), len(references)), dtype=np.float32)
        # Symmetric to the last bit, so that gains which are equal stay so: the same factors on
        # both sides, and the sum of the norms by itself.
        is_rbf = self.kernel == "rbf"
        scale = self.gamma if is_rbf else 0.25
        factors = self._rows * np.float32(np.sqrt(2 * scale))
        if np.array_equal(candidates, references):
            _gram(factors[candidates], kernel)
        else:
            np.matmul(factors[candidates], factors[references].T, out=kernel)
        norms = np.float32(scale) * self._norms
        step = max(1, _BLOCK_CELLS // max(1, len(references)))
        for start in range(0, len(kernel), step):
            block = kernel[start : start + step]
            block -= norms[candidates[start : start + step], None] + norms[references]
            if is_rbf:
                np.minimum(block, 0, out=block)
                np.exp(block, out=block)
            else:
                block += 1
                np.maximum(block, 0, out=block)
        # A row is as like itself as can be, whatever the rounding.
        _, at, where = np.intersect1d(candidates, references, return_indices=True)
        kernel[at, where] = 1
        return kernel

    def row(self, candidate):
        """Likeness of one row and all: float32 (n,). Time O(n F)."""
        distances = self._rows @ (-2 * self._rows[candidate])
        distances += self._norms
        distances += self._norms[candidate]
        similarity = self._from_distances(distances)
        similarity[candidate] = 1
        return similarity

    def cells(self, candidate):
        """Columns in which a row is not zero, and the likeness there."""
        return slice(None), self.row(candidate)

    def diagonal(self):
        """Likeness of each row and itself: float32 (n,)."""
        return np.ones(len(self), dtype=np.float32)

    def nearest(self, n_neighbors, method, seed):
        """Likeness of each row, itself and its nearest rows, made symmetric: CSR (n, n) float32.

        Zero where neither of two rows is among the `n_neighbors` nearest of the other.
        """
        n_rows = len(self)
        n_neighbors = min(n_neighbors + 1, n_rows)  # the row itself is one of them
        distances, neighbors = nearest_rows(self._rows, n_neighbors, method, seed)
        similarity = self._from_distances(distances).ravel()
        indptr = np.arange(n_rows + 1) * n_neighbors
        found = neighbors.ravel() >= 0  # an approximate search may find fewer
        if not found.all():
            indptr = np.append(0, np.cumsum(found))[indptr]
            similarity, neighbors = similarity[found], neighbors.ravel()[found]
        index_type = np.int32 if 2 * len(similarity) < 2**31 else np.int64
        parts = similarity, neighbors.ravel().astype(index_type), indptr.astype(index_type)
        del distances, neighbors, similarity
        graph = sparse.csr_matrix(parts, shape=(n_rows, n_rows))
        graph = graph.maximum(graph.T.tocsr())
        graph = graph.maximum(sparse.identity(n_rows, dtype=np.float32, format="csr")).tocsr()
        graph.sort_indices()
        return graph

    def nearest_selected(self, selected):
        """Position in `selected` (B,) of the row most like each row: int64 (n,); ties: the first.

        Time O(n B F), memory O(n + B F) and a chunk.
        """
        right = np.ascontiguousarray(self._rows[selected].T)
        half_norms = self._norms[selected] / 2
        owners = np.empty(len(self), dtype=np.int64)
        for part in chunks(len(self), len(selected)):
            scores = self._rows[part] @ right
            scores -= half_norms
            owners[part] = scores.argmax(axis=1)
        owners[selected] = np.arange(len(selected))
        return owners

    def _from_distances(self, distances):
        """Likeness from squared distances, in place."""
        np.maximum(distances, 0, out=distances)
        if self.kernel == "rbf":
            distances *= np.float32(-self.gamma)
            return np.exp(distances, out=distances)
        distances *= np.float32(-0.25)
        distances += 1
        return np.maximum(distances, 0, out=distances)

    def _median_gamma(self):
        step = -(-len(self) // _MEDIAN_ROWS)
        rows, norms = self._rows[::step], self._norms[::step]
        distances = (norms[:, None] + norms - 2 * (rows @ rows.T))[np.triu_indices(len(rows), 1)]
        real = distances[distances > 1e-6 * norms.max()]  # equal rows say nothing of the scale
        return 0.5 / float(np.median(real)) if len(real) else 1.0


class PrecomputedSimilarity:
    """The same for a kernel that is given: floating ndarray or CSR matrix of shape (n, n)."""

    def __init__(self, kernel):
        self.matrix = kernel

    def __len__(self):
        return self.matrix.shape[0]

    def dense(self, candidates, references):
        """Part of the kernel, dense or CSR as it is; not a copy where it is all of it."""
        everything = np.arange(len(self))
        if np.array_equal(candidates, everything) and np.array_equal(references, everything):
            return self.matrix
        if sparse.issparse(self.matrix):
            return self.matrix[candidates][:, references]
        return self.matrix[np.ix_(candidates, references)]

    def row(self, candidate):
        if sparse.issparse(self.matrix):
            return self.matrix[[candidate]].toarray()[0]
        return self.matrix[candidate]

    def cells(self, candidate):
        if not sparse.issparse(self.matrix):
            return slice(None), self.matrix[candidate]
        part = slice(self.matrix.indptr[candidate], self.matrix.indptr[candidate + 1])
        return self.matrix.indices[part], self.matrix.data[part]

    def diagonal(self):
        return self.matrix.diagonal()

    def nearest_selected(self, selected):
        """Position in `selected` of the row most like each row; -1 where none has a likeness."""
        best = np.zeros(len(self), dtype=self.matrix.dtype)
        owners = np.full(len(self), -1, dtype=np.int64)
        for position, row in enumerate(selected):
            similarity = self.row(row)
            better = similarity > best
            owners[better] = position
            best[better] = similarity[better]
        owners[selected] = np.arange(len(selected))
        return owners


def dense_bytes(n_candidates, n_references):
    """Memory of a dense float32 kernel."""
    return 4 * n_candidates * n_references


def sparse_bytes(n_rows, n_neighbors, n_features):
    """Memory at the most while the graph of nearest neighbours is made."""
    n_neighbors = min(n_neighbors + 1, n_rows)
    # The features once more in the index of an approximate search.
    return n_rows * (n_neighbors * _BYTES_PER_NEIGHBOR + 8 * n_features)


def check_memory(needed, limit, what, remedy):
    """Raise MemoryError if `needed` bytes exceed `limit`, before anything is allocated."""
    if limit is not None and needed > limit:
        raise MemoryError(
            f"{what} needs about {needed / 1e9:.3g} GB, above memory_limit={limit / 1e9:.3g} GB "
            f"(given in bytes: {limit:.10g}); {remedy}, or raise memory_limit"
        )


def _gram(rows, out, size=1024):
    """``rows @ rows.T``, symmetric to the last bit: the upper half is computed, and copied.

    On some processors BLAS adds up in another order below the diagonal. Time O(n^2 F / 2).
    """
    for start in range(0, len(rows), size):
        own = slice(start, start + size)
        np.matmul(rows[own], rows[start:].T, out=out[own, start:])
        block = out[own, own]
        below = np.tril_indices(len(block), -1)
        block[below] = block.T[below]
        for other in range(start + size, len(rows), size):
            out[other : other + size, own] = out[own, other : other + size].T


def _centred(features):
    rows = np.empty(features.shape, dtype=np.float32)
    mean = features.mean(axis=0, dtype=np.float64).astype(features.dtype)
    for part in chunks(*features.shape):
        rows[part] = features[part] - mean
    return rows


def _unit_rows(features):
    rows = np.empty(features.shape, dtype=np.float32)
    is_zero = np.zeros(len(features), dtype=bool)
    for part in chunks(*features.shape):
        block = features[part].astype(np.float64)
        scale = np.abs(block).max(axis=1, keepdims=True)  # squares of tiny values must not vanish
        is_zero[part] = scale[:, 0] == 0
        block /= np.where(scale == 0, 1, scale)
        norms = np.linalg.norm(block, axis=1, keepdims=True)
        rows[part] = block / np.where(norms == 0, 1, norms)
    if is_zero.any():  # a direction of their own
        rows = np.column_stack([rows, is_zero.astype(np.float32)])
    return rows
