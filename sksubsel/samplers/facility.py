"""Lazy greedy facility location on one dense kernel, and the distances it is made of."""

from __future__ import annotations

import numpy as np

__all__ = ["add_distances", "chunks", "lazy_greedy"]

_CHUNK_CELLS = 1 << 22
_FIRST_BATCH = 16


def lazy_greedy(kernel, weights, n_wanted, allowed, taken, at_least):
    """Positions and gains of the greedy maximiser of ``sum_j w_j max_{i in S} kernel[i, j]``.

    A gain never grows as rows are added, so one from an earlier round bounds it from above: only
    rows whose bound could win are evaluated, and a row whose fresh gain is the largest bound of
    all is the greedy choice (Minoux, 1978). Ties go to the lower index.

    Parameters
    ----------
    kernel : ndarray of shape (n, r), float32
        Likeness of candidates and references.
    weights : ndarray of shape (r,), float32
    n_wanted : int
        At most the number of allowed rows.
    allowed, taken : ndarray of shape (n,), bool
        Rows that may be chosen, and rows chosen before, which cover already.
    at_least : float
        Stops early at the first gain below it.

    Returns
    -------
    positions : ndarray of shape (m,), int64
        In the order chosen.
    gains : ndarray of shape (m,), float64
        Never increasing.

    Notes
    -----
    Time O(n r + m (n + b r)), b (tens) being the gains re-evaluated for one choice; memory O(n)
    and a chunk of 16 MB beside the kernel.
    """
    covered = kernel[taken].max(axis=0) if taken.any() else np.zeros_like(weights)
    bounds = kernel @ weights  # what a row adds to nothing
    bounds[~allowed] = -np.inf
    fresh = np.full(len(bounds), not taken.any())
    positions, gains = [], []
    while len(positions) < n_wanted:
        best = int(bounds.argmax())
        batch = _FIRST_BATCH
        while not fresh[best]:
            size = min(batch, len(bounds))
            stale = np.argpartition(bounds, len(bounds) - size)[len(bounds) - size :]
            stale = np.append(stale[~fresh[stale] & (stale != best)], best)
            bounds[stale] = np.minimum(bounds[stale], _gains(kernel, covered, weights, stale))
            fresh[stale] = True
            batch *= 2
            best = int(bounds.argmax())
        if bounds[best] < at_least:
            break
        positions.append(best)
        gains.append(float(bounds[best]))
        bounds[best] = -np.inf  # and stays so
        np.maximum(covered, kernel[best], out=covered)
        fresh[:] = False
    return np.array(positions, dtype=np.int64), np.array(gains)


def _gains(kernel, covered, weights, positions):
    """How much each of the rows adds to what is covered, float32; copies a chunk at a time."""
    gains = np.empty(len(positions), dtype=np.float32)
    for part in chunks(len(positions), kernel.shape[1]):
        more = kernel[positions[part]]
        more -= covered
        np.maximum(more, 0, out=more)
        gains[part] = more @ weights
    return gains


def add_distances(out, rows, columns):
    """Squared Euclidean distances of rows (n, F) and columns (r, F), added to `out` in place.

    float32 (n, r); None makes a new array. Time O(n r F), memory O(n r).
    """
    if out is None:
        out = np.zeros((len(rows), len(columns)), dtype=np.float32)
    column_norms = np.einsum("rf,rf->r", columns, columns)
    for part in chunks(*out.shape):
        block = rows[part]
        distances = block @ (-2 * columns.T)
        distances += np.einsum("nf,nf->n", block, block)[:, None]
        distances += column_norms
        out[part] += np.maximum(distances, 0, out=distances)
    return out


def chunks(n_rows, n_columns):
    """Slices of rows that hold about 4 million cells each."""
    step = max(1, _CHUNK_CELLS // max(n_columns, 1))
    return [slice(start, start + step) for start in range(0, n_rows, step)]
