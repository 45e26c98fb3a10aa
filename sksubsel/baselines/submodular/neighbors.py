"""Nearest rows: exactly by blocks, or approximately with Faiss."""

from __future__ import annotations

import importlib.util

import numpy as np

__all__ = ["EXACT_ROWS", "nearest_rows"]

EXACT_ROWS = 20_000
_CHUNK_CELLS = 1 << 23
_N_PROBES = 16


def nearest_rows(rows, n_neighbors, method="auto", seed=0):
    """Squared distances and positions of the nearest rows of each row, itself among them.

    Parameters
    ----------
    rows : floating ndarray of shape (n, F)
        Searched as float32 by "approximate".
    n_neighbors : int
        At most n.
    method : {"auto", "exact", "approximate"}
        "exact" looks at all pairs, O(n^2 F) time. "approximate" needs Faiss: about 4 sqrt(n)
        cells by k-means, of which the nearest 16 are searched, O(n^1.5 F) time. "auto" is exact
        up to 20,000 rows and where Faiss is not installed.
    seed : int
        Of k-means.

    Returns
    -------
    distances : float32 ndarray of shape (n, n_neighbors)
    neighbors : int64 ndarray of shape (n, n_neighbors)
        -1 where fewer were found.

    Raises
    ------
    ImportError
        If `method` is "approximate" and Faiss is not installed.
    """
    has_faiss = importlib.util.find_spec("faiss") is not None
    if method == "approximate" and not has_faiss:
        raise ImportError(
            'neighbors="approximate" needs Faiss: pip install "sksubsel[neighbors]", or use '
            'neighbors="exact"'
        )
    if method == "exact" or (method == "auto" and (len(rows) <= EXACT_ROWS or not has_faiss)):
        return _exact(rows, n_neighbors)
    return _approximate(rows, n_neighbors, seed)


def _exact(rows, n_neighbors):
    import torch

    n_rows = len(rows)
    all_rows = torch.from_numpy(rows)
    norms = (all_rows * all_rows).sum(dim=1)
    distances = np.empty((n_rows, n_neighbors), dtype=np.float32)
    neighbors = np.empty((n_rows, n_neighbors), dtype=np.int64)
    step = max(1, _CHUNK_CELLS // n_rows)
    for start in range(0, n_rows, step):
        part = slice(start, start + step)
        squared = torch.addmm(norms, all_rows[part], all_rows.T, alpha=-2)
        squared += norms[part, None]
        values, positions = squared.topk(n_neighbors, dim=1, largest=False, sorted=False)
        distances[part], neighbors[part] = values.numpy(), positions.numpy()
    return distances, neighbors


def _approximate(rows, n_neighbors, seed):
    import faiss

    rows = rows.astype(np.float32, copy=False)
    n_rows, n_features = rows.shape
    # k-means wants some tens of rows for each cell
    n_cells = int(max(1, min(4 * np.sqrt(n_rows), n_rows / 40)))
    cells = faiss.IndexFlatL2(n_features)
    index = faiss.IndexIVFFlat(cells, n_features, n_cells)
    index.cp.seed = seed
    index.cp.niter = 10
    index.cp.min_points_per_centroid = 1  # no warnings
    index.cp.max_points_per_centroid = 64
    index.train(rows)
    index.add(rows)
    index.nprobe = min(n_cells, _N_PROBES)
    return index.search(rows, n_neighbors)
