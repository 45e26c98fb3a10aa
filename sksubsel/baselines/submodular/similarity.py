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
_CHUNK_CELLS = 1 << 22
_GRAM_ROWS = 1024
_LARGEST_FLOAT32 = 2e4  # of -gamma d, whose error in float32 then is about .005
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
        None: one over twice the median d of distinct rows, over at most 1,000 spread evenly.

    Notes
    -----
    Keeps one float32 copy of the features, around their median, which changes no distance but keeps
    digits; a float64 copy where some rows lie so far from the others that float32 would lose them.
    """

    def __init__(self, features, kernel, gamma=None):
        self.kernel, self.gamma = kernel, gamma
        self._rows = _unit_rows(features) if kernel == "cosine" else _centred(features)
        if kernel == "rbf" and gamma is None:
            self.gamma = _median_gamma(self._rows)
        # scaled, so that a product less half of both norms is -gamma d, or -d / 4
        scale = self.gamma if kernel == "rbf" else 0.25
        if scale * _squared_norms(self._rows).max() > _LARGEST_FLOAT32:
            self._rows = _centred(features, np.float64)
        self._rows *= self._rows.dtype.type(np.sqrt(2 * scale))
        self._half_norms = _squared_norms(self._rows) / 2

    def __len__(self):
        return len(self._rows)

    def dense(self, candidates, references):
        """Likeness of candidates (n,) and references (r,): float32 (n, r). Time O(n r F).

        Symmetric to the last bit where both are the same, so that gains which are equal stay so.
        """
        kernel = np.empty((len(candidates), len(references)), dtype=np.float32)
        symmetric = np.array_equal(candidates, references)
        right = self._part(references)
        left = right if symmetric else self._part(candidates)
        size = _GRAM_ROWS if symmetric else max(1, _CHUNK_CELLS // max(1, len(references)))
        for start in range(0, len(kernel), size):
            own = slice(start, start + size)
            rest = slice(start, None) if symmetric else slice(None)
            block = kernel[own, rest]
            exact = block if self._rows.dtype == np.float32 else np.empty(block.shape)
            np.matmul(left[own], right[rest].T, out=exact)
            self._finish(exact, candidates[own], references[rest])
            if exact is not block:
                block[:] = exact
            if symmetric:
                _mirror(kernel, own)
        # A row is as like itself as can be, whatever the rounding.
        _, at, where = np.intersect1d(candidates, references, return_indices=True)
        kernel[at, where] = 1
        return kernel

    def row(self, candidate):
        """Likeness of one row and all: float32 (n,). Time O(n F)."""
        similarity = self._rows @ self._rows[candidate]
        self._finish(similarity[None], np.array([candidate]), slice(None))
        similarity[candidate] = 1
        return similarity.astype(np.float32, copy=False)

    def pairs(self, candidate):
        """Parts of k(i, c) + k(c, i) for one row c: pairs (rows i, values), to be added up."""
        return [(slice(None), 2 * self.row(candidate))]

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
        np.maximum(distances, 0, out=distances)
        distances *= np.float32(-0.5)
        similarity = self._of_exponents(distances).ravel()
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
        half_norms = self._half_norms[selected]
        owners = np.empty(len(self), dtype=np.int64)
        for part in chunks(len(self), len(selected)):
            scores = self._rows[part] @ right
            scores -= half_norms
            owners[part] = scores.argmax(axis=1)
        owners[selected] = np.arange(len(selected))
        return owners

    def _part(self, rows):
        """The rows themselves where they are all of them, in their order."""
        if np.array_equal(rows, np.arange(len(self))):
            return self._rows
        return self._rows[rows]

    def _finish(self, products, candidates, references):
        """Likeness from inner products (n, r), in place, a few rows at a time."""
        norms = self._half_norms[references]
        step = max(1, _BLOCK_CELLS // max(1, len(norms)))
        for start in range(0, len(products), step):
            block = products[start : start + step]
            block -= self._half_norms[candidates[start : start + step], None] + norms
            self._of_exponents(block)

    def _of_exponents(self, exponents):
        """Likeness from -gamma d, or -d / 4, in place."""
        if self.kernel == "rbf":
            np.minimum(exponents, 0, out=exponents)
            return np.exp(exponents, out=exponents)
        exponents += 1
        return np.maximum(exponents, 0, out=exponents)


def _median_gamma(rows):
    """One over twice the median squared distance of distinct rows, of some of them."""
    rows = _some(rows)
    products = np.zeros((len(rows), len(rows)))
    for part in _columns(rows):
        block = rows[:, part].astype(np.float64)
        products += block @ block.T
    norms, pairs = products.diagonal(), np.triu_indices(len(rows), 1)
    scale = (norms[:, None] + norms)[pairs]
    distances = scale - 2 * products[pairs]
    real = distances[distances > 1e-12 * scale]  # equal rows say nothing of the scale
    return 0.5 / float(np.median(real)) if len(real) else 1.0


class PrecomputedSimilarity:
    """The same for a kernel that is given: floating ndarray or CSR matrix of shape (n, n)."""

    def __init__(self, kernel, symmetric=False):
        self.matrix = kernel
        self._transposed = kernel if symmetric else None

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

    def pairs(self, candidate):
        if not sparse.issparse(self.matrix):
            return [(slice(None), self.matrix[candidate] + self.matrix[:, candidate])]
        if self._transposed is None:
            self._transposed = self.matrix.T.tocsr()
        return [_cells(self.matrix, candidate), _cells(self._transposed, candidate)]

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


def _cells(matrix, row):
    """Columns in which a row of a CSR matrix is not zero, and the values there."""
    part = slice(matrix.indptr[row], matrix.indptr[row + 1])
    return matrix.indices[part], matrix.data[part]


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


def _mirror(kernel, own):
    """Copy what is above the diagonal of a block of rows to below it.

    On some processors BLAS adds up in another order below the diagonal.
    """
    block = kernel[own, own]
    below = np.tril_indices(len(block), -1)
    block[below] = block.T[below]
    for start in range(own.stop, len(kernel), _GRAM_ROWS):
        other = slice(start, start + _GRAM_ROWS)
        kernel[other, own] = kernel[own, other].T


def _some(rows):
    """At most 1,000 rows, spread evenly."""
    return rows[:: -(-len(rows) // _MEDIAN_ROWS)]


def _columns(rows):
    """Slices of columns that hold a few megabytes."""
    step = max(1, _BLOCK_CELLS // len(rows))
    return [slice(start, start + step) for start in range(0, rows.shape[1], step)]


def _squared_norms(rows):
    return np.einsum("nf,nf->n", rows, rows)


def _centred(features, dtype=np.float32):
    """Rows around their median: a mean may be far from all of them where a few are outliers."""
    rows, some = np.empty(features.shape, dtype=dtype), _some(features)
    parts = [np.median(some[:, part], axis=0) for part in _columns(some)]
    middle = np.concatenate(parts).astype(features.dtype)
    for part in chunks(*features.shape):
        rows[part] = features[part] - middle
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
