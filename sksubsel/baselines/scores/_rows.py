"""What all scores share: checks, and a bounded part of the rows at a time."""

from __future__ import annotations

import numpy as np

from sksubsel.samplers.facility import chunks

__all__ = ["row_by_row"]

_SUM_TOLERANCE = 1e-2  # float16 probabilities of a thousand classes are as far off as that


def row_by_row(function, proba, y=None, other=None):
    """Apply a function to some rows at a time and put its values together.

    Beyond its input and output it holds a few arrays of about 4 million numbers (32 MB each),
    however large `proba` is, which may be memory-mapped.

    Parameters
    ----------
    function : callable
        ``function(proba, y, other) -> (n,)`` of proba (T, n, C) float64 with all leading axes in
        one, y (n,) and other (T, n) float64 or None.
    proba : array-like of shape (..., N, C)
    y : array-like of shape (N,), int, or None
        Columns of the labels.
    other : array-like of shape (..., N) or None

    Returns
    -------
    ndarray of shape (N,), float64

    Raises
    ------
    ValueError
        If shapes disagree, a row of `proba` is no distribution, or a label has no column.
    """
    proba = np.asarray(proba)
    if proba.ndim < 2 or 0 in proba.shape:
        raise ValueError(f"proba must have shape (..., N, C), none of them 0; got {proba.shape}")
    *_, n_samples, n_classes = proba.shape
    proba = proba.reshape(-1, n_samples, n_classes)
    if y is not None:
        y = np.asarray(y)
        if y.shape != (n_samples,) or y.dtype.kind not in "iu":
            raise ValueError(
                f"y must hold integer columns of proba, in shape ({n_samples},); got shape "
                f"{y.shape} and dtype {y.dtype}"
            )
        if y.min() < 0 or y.max() >= n_classes:
            raise ValueError(
                f"y must be in [0, C={n_classes}); got values from {y.min()} to {y.max()}"
            )
    if other is not None:
        other = np.asarray(other).reshape(-1, n_samples)
    out = np.empty(n_samples)
    for part in chunks(n_samples, len(proba) * n_classes):
        block = proba[:, part].astype(np.float64)
        # written so that NaN fails, too
        if not (block.min() >= 0 and np.abs(block.sum(2) - 1).max() <= _SUM_TOLERANCE):
            raise ValueError(
                "proba must hold probabilities: at least 0, with rows that sum to one (apply a "
                f"softmax to logits); got values from {block.min()} to {block.max()}"
            )
        out[part] = function(
            block,
            None if y is None else y[part],
            None if other is None else other[:, part].astype(np.float64),
        )
    return out
