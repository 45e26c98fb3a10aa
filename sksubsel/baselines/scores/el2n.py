"""EL2N: the length of the error vector."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sksubsel.baselines.scores._rows import row_by_row

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["el2n", "error_norm"]


def el2n(proba: ArrayLike, y: ArrayLike) -> np.ndarray:
    """Norm of the error ``||p - onehot(y)||_2``: 0 (easy) to sqrt(2) (hard, or mislabelled).

    Paul, Ganguli and Dziugaite, *Deep Learning on a Data Diet*, NeurIPS 2021, Definition 3.2:
    early in training, averaged over about ten initialisations. Time O(T N C), memory O(N) beyond
    a chunk.

    Parameters
    ----------
    proba : array-like of shape (..., N, C)
        Probabilities of one model, or of several epochs or runs, over which scores are averaged.
    y : array-like of shape (N,), int
        Columns of the labels.

    Returns
    -------
    ndarray of shape (N,), float64

    Examples
    --------
    >>> el2n([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]], [0, 0, 0]).round(3)
    array([0.   , 0.707, 1.414])
    """
    return row_by_row(lambda p, labels, _: error_norm(p, labels).mean(0), proba, y)


def error_norm(p, y):
    """``||p - onehot(y)||_2``, float64 (T, n), of p (T, n, C), which is overwritten."""
    p[:, np.arange(len(y)), y] -= 1
    return np.sqrt(np.einsum("tnc,tnc->tn", p, p))
