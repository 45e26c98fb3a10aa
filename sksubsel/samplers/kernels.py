"""What the kernels of coverage and design are computed on, and their random features."""

from __future__ import annotations

import numpy as np
from sklearn.utils import check_random_state

from sksubsel._blas import for_chunks
from sksubsel._validation import check_finite
from sksubsel.samplers.ridge import row_chunks

__all__ = ["FourierFeatures", "check_candidates", "check_rows", "log_block", "unit_block"]

_MIN_PROBA = 1e-6  # differences among the smallest probabilities say nothing about likeness
_MEDIAN_ROWS = 1000


def unit_block(block):
    """Centred and scaled to mean squared row norm 1, float32."""
    block = block - block.mean(axis=0, dtype=np.float64).astype(np.float32)
    rms = np.sqrt(np.mean(np.einsum("nf,nf->n", block, block, dtype=np.float64)))
    return block / np.float32(rms) if rms > 0 else block


def log_block(proba, n_samples: int, weight: float):
    """`weight` times the unit block of log-probabilities (N, C), clipped at 1e-6, float32.

    Raises
    ------
    ValueError
        If the shape is not (N, C) or a value is not finite.
    """
    proba = np.asarray(proba)
    if proba.ndim != 2 or len(proba) != n_samples:
        raise ValueError(f"proba must have shape (N={n_samples}, C); got {proba.shape}")
    check_finite(proba, "proba")
    log_proba = np.log(np.clip(proba.astype(np.float32), _MIN_PROBA, None))
    return unit_block(log_proba) * np.float32(weight)


def check_rows(rows, n_samples: int, name: str):
    """Rows ascending and without repetition, int64; a mask of shape (N,) is accepted.

    Raises
    ------
    ValueError
        If they are no rows, or out of range.
    """
    rows = np.asarray(rows)
    if rows.dtype.kind == "b" and rows.shape == (n_samples,):
        return np.flatnonzero(rows)
    if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "iu"):
        raise ValueError(
            f"{name} must be rows, int of shape (n,), or a mask of shape ({n_samples},); got "
            f"dtype {rows.dtype} and shape {rows.shape}"
        )
    rows = np.unique(rows.astype(np.int64))
    if rows.size and not 0 <= rows[0] <= rows[-1] < n_samples:
        raise ValueError(f"{name} must be in [0, N={n_samples}); got {rows[0]} to {rows[-1]}")
    return rows


def check_candidates(n_samples: int, candidates, selected, budget):
    """Mask of the rows that may be chosen, and the rows chosen before; `budget` is checked.

    Raises
    ------
    ValueError
        If `budget` is no int in [1, number of candidates], or rows are none.
    """
    allowed = np.ones(n_samples, dtype=bool)
    if candidates is not None:
        allowed[:] = False
        allowed[check_rows(candidates, n_samples, "candidates")] = True
    selected = check_rows([] if selected is None else selected, n_samples, "selected")
    allowed[selected] = False
    n_allowed = np.count_nonzero(allowed)
    if not isinstance(budget, (int, np.integer)) or not 1 <= budget <= n_allowed:
        raise ValueError(
            f"budget must be an int in [1, {n_allowed}], the number of candidates; got {budget!r}"
        )
    return allowed, selected


class FourierFeatures:
    """Random Fourier features of a Gaussian kernel (Rahimi and Recht, 2007): rows of norm 1.

    ``phi(x) = [cos(w_1 x), .., sin(w_1 x), ..] / sqrt(d / 2)``, whose inner products are near
    ``exp(-|x - x'|^2 / (2 width))``, the more so the larger d.

    Parameters
    ----------
    inputs : ndarray of shape (N, F), float32
    n_components : int
        d; an odd one is rounded up.
    bandwidth : float
        `width` in units of the median squared distance of two rows.
    random_state : int or RandomState
    """

    def __init__(self, inputs, n_components: int, bandwidth: float, random_state):
        rng = check_random_state(random_state)
        some = inputs[rng.permutation(len(inputs))[:_MEDIAN_ROWS]].astype(np.float64)
        squares = np.einsum("nf,nf->n", some, some)
        distances = squares[:, None] + squares - 2 * some @ some.T
        distances = distances[np.triu_indices(len(some), 1)]
        median = np.median(distances) if len(distances) else 0.0
        # rows of which most are equal still need some width
        width = bandwidth * (median if median > 1e-9 else distances.mean() if len(distances) else 0)
        n_waves = -(-n_components // 2)
        waves = rng.standard_normal((inputs.shape[1], n_waves))
        self.waves = (waves / np.sqrt(width or 1.0)).astype(np.float32)

    @property
    def n_components(self):
        return 2 * self.waves.shape[1]

    def __call__(self, inputs):
        """Features (n, d), float32. Time O(n d F), memory 4 n d bytes and a few chunks."""
        n_waves = self.waves.shape[1]
        phi = np.empty((len(inputs), 2 * n_waves), dtype=np.float32)

        def of_chunk(part):
            phases = inputs[part] @ self.waves
            np.cos(phases, out=phi[part, :n_waves])
            np.sin(phases, out=phi[part, n_waves:])
            phi[part] *= np.float32(1 / np.sqrt(n_waves))

        for_chunks(of_chunk, row_chunks(phi))
        return phi
