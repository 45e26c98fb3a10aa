"""Lazy greedy, facility location on one kernel, and the distances that kernels are made of."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod

import numpy as np
from scipy import sparse

__all__ = [
    "ColumnwiseObjective",
    "FacilityLocationObjective",
    "add_distances",
    "chunks",
    "lazy",
    "lazy_greedy",
]

_CHUNK_CELLS = 1 << 22
_BUFFER_CELLS = 1 << 17  # stays in a core's cache while a few numpy calls pass over it
_FIRST_BATCH = 8
_N_LEADERS = 4096


class ColumnwiseObjective(ABC):
    """Submodular ``f(S) = sum_r w_r g_r(matrix[S, r])``: rows are candidates, columns add up.

    A child says in `_marginal` what each value of a row adds to its column, given that column's
    state, and in `_advance` the state after it was added.

    Each gain is summed in an order that does not depend on the rows asked for with it, and its
    terms never grow as rows are added: neither do the gains, to the last bit.

    Parameters
    ----------
    matrix : floating ndarray or CSR matrix of shape (n, r)
    weights : array-like of shape (r,)
        At least 0.
    state : array-like of shape (r,)
        Of the columns while nothing is selected.
    """

    def __init__(self, matrix, weights, state):
        self.matrix = matrix
        self.weights = np.asarray(weights, dtype=matrix.dtype)
        self.state = np.array(state, dtype=matrix.dtype)
        self.n_candidates, n_columns = matrix.shape
        self._is_sparse = sparse.issparse(matrix)
        if self._is_sparse:
            cells_per_row = max(1, matrix.nnz // self.n_candidates)
            self._step = max(1, _CHUNK_CELLS // (4 * cells_per_row))
        else:
            self._step = max(1, _BUFFER_CELLS // n_columns)

    @abstractmethod
    def _marginal(self, values, state):
        """Turn values of the matrix into what they would add, in place: shapes (..., r), (r,)."""

    @abstractmethod
    def _advance(self, values, state):
        """State of columns once a row with these values is selected: shape (r,)."""

    def gains(self, candidates):
        """f(S + i) - f(S) of each candidate i: float64 (m,). Time O(m r), or O(non-zeros)."""
        gains = np.empty(len(candidates))
        evaluate = self._sparse_gains if self._is_sparse else self._dense_gains
        buffer = None
        if not self._is_sparse:
            shape = min(self._step, len(candidates)), self.matrix.shape[1]
            buffer = np.empty(shape, dtype=self.matrix.dtype)
        for start in range(0, len(candidates), self._step):
            part = slice(start, start + self._step)
            gains[part] = evaluate(candidates[part], buffer)
        return gains

    def bounds(self, candidates):
        """At least the gains of candidates, where that costs less: float64 (m,)."""
        return self.gains(candidates)

    def add(self, candidate):
        """Select a candidate."""
        if self._is_sparse:
            cells = slice(self.matrix.indptr[candidate], self.matrix.indptr[candidate + 1])
            columns = self.matrix.indices[cells]
            self.state[columns] = self._advance(self.matrix.data[cells], self.state[columns])
        else:
            self.state = self._advance(self.matrix[candidate], self.state)

    def fork(self):
        """A copy with a state of its own, which shares the matrix."""
        other = copy.copy(self)
        other.state = self.state.copy()
        return other

    def _dense_gains(self, candidates, buffer):
        values = buffer[: len(candidates)]
        # mode="clip" writes to `out` directly; candidates are in range
        np.take(self.matrix, candidates, axis=0, out=values, mode="clip")
        self._marginal(values, self.state)
        # not as one product, whose order of summation depends on the number of rows
        return [row @ self.weights for row in values]

    def _sparse_gains(self, candidates, _):
        starts = self.matrix.indptr[candidates].astype(np.int64)
        lengths = self.matrix.indptr[candidates + 1] - starts
        owners = np.repeat(np.arange(len(candidates)), lengths)
        firsts = np.cumsum(lengths) - lengths
        cells = np.arange(len(owners)) + (starts - firsts)[owners]
        columns = self.matrix.indices[cells]
        values = self.matrix.data[cells]
        self._marginal(values, self.state[columns])
        values *= self.weights[columns]
        return np.bincount(owners, weights=values, minlength=len(candidates))


class FacilityLocationObjective(ColumnwiseObjective):
    """``f(S) = sum_j w_j max(0, max_{i in S} kernel[i, j])``; the state is that maximum."""

    def __init__(self, kernel, weights):
        super().__init__(kernel, weights, np.zeros(kernel.shape[1]))

    def bounds(self, candidates):
        if self._is_sparse or len(candidates) < self.n_candidates / 2:
            return self.gains(candidates)
        # What each adds to nothing, in one product; more than its rounding errors on top.
        alone = (self.matrix @ self.weights)[candidates].astype(np.float64)
        return alone * (1 + 1e-3)

    def _marginal(self, values, state):
        np.subtract(values, state, out=values)
        np.maximum(values, 0, out=values)

    def _advance(self, values, state):
        return np.maximum(values, state)


def lazy(objective, n_wanted, allowed, at_least=-np.inf):
    """Positions and gains of the greedy maximiser of a submodular function, lazily.

    A gain never grows as rows are added, so one from an earlier step bounds it from above: only
    rows whose bound could win are evaluated, and a row whose fresh gain is the largest bound of
    all is the greedy choice (Minoux, 1978). Ties go to the lower index. The 4,096 largest bounds
    are looked at until one outside could win, so that a step costs no pass over all rows.

    Parameters
    ----------
    objective : object
        With ``gains(candidates)``, ``add(candidate)`` and perhaps ``bounds(candidates)``; what
        is selected in it already counts.
    n_wanted : int
        At most the number of allowed rows.
    allowed : ndarray of shape (n,), bool
        Rows that may be chosen.
    at_least : float, default=-inf
        Stops early at the first gain below it.

    Returns
    -------
    positions : ndarray of shape (m,), int64
        In the order chosen.
    gains : ndarray of shape (m,), float64
        Never increasing.

    Notes
    -----
    Time: n bounds at first and b (tens) gains for each choice; memory O(n) beside the objective.
    """
    bounds = np.full(len(allowed), -np.inf)
    candidates = np.flatnonzero(allowed)
    bounds[candidates] = getattr(objective, "bounds", objective.gains)(candidates)
    evaluated = np.full(len(bounds), -1)  # number of rows selected at that time
    leaders, ceiling, first_outside = _leaders(bounds)
    positions: list[int] = []
    gains: list[float] = []
    while len(positions) < n_wanted:
        batch = _FIRST_BATCH
        while True:
            values = bounds[leaders]
            best = int(leaders[values.argmax()])
            if (bounds[best], -best) < (ceiling, -first_outside):
                leaders, ceiling, first_outside = _leaders(bounds)
                continue
            if evaluated[best] == len(positions):
                break
            size = min(batch, len(leaders))
            stale = leaders[np.argpartition(values, len(leaders) - size)[len(leaders) - size :]]
            stale = stale[(evaluated[stale] != len(positions)) & (stale != best)]
            stale = np.append(stale[bounds[stale] > -np.inf], best)
            bounds[stale] = np.minimum(bounds[stale], objective.gains(stale))
            evaluated[stale] = len(positions)
            batch += batch // 2
        if bounds[best] < at_least:
            break
        positions.append(best)
        gains.append(float(bounds[best]))
        bounds[best] = -np.inf  # and stays so
        objective.add(best)
    return np.array(positions, dtype=np.int64), np.array(gains, dtype=np.float64)


def _leaders(bounds):
    """Rows of the largest bounds, ascending, the most that any other has, and the first such."""
    n_rows = len(bounds)
    if n_rows <= _N_LEADERS:
        return np.arange(n_rows), -np.inf, n_rows
    ceiling = np.partition(bounds, n_rows - _N_LEADERS)[n_rows - _N_LEADERS]
    above = np.flatnonzero(bounds > ceiling)
    level = np.flatnonzero(bounds == ceiling)
    n_level = _N_LEADERS - len(above)
    first_outside = int(level[n_level]) if n_level < len(level) else n_rows
    return np.sort(np.append(above, level[:n_level])), ceiling, first_outside


def lazy_greedy(kernel, weights, n_wanted, allowed, taken, at_least):
    """Positions and gains of the greedy maximiser of ``sum_j w_j max_{i in S} kernel[i, j]``.

    :func:`lazy` on :class:`FacilityLocationObjective`.

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
    and a buffer of half a megabyte (or one row) beside the kernel.
    """
    objective = FacilityLocationObjective(kernel, weights)
    for row in np.flatnonzero(taken):
        objective.add(row)
    return lazy(objective, n_wanted, allowed, at_least)


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
