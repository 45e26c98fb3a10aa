"""GraNd of the last layer: the length of an instance's gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sksubsel.baselines.scores._rows import row_by_row
from sksubsel.baselines.scores.el2n import error_norm

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["grand"]


def grand(proba: ArrayLike, y: ArrayLike, feature_norm: ArrayLike) -> np.ndarray:
    """Norm of the last layer's gradient, ``||p - onehot(y)|| ||[h, 1]||``; large is hard.

    The cross-entropy's gradient with respect to weights and bias of a last linear layer is the
    outer product of the error ``p - onehot(y)`` and its input ``[h, 1]``, so that its Frobenius
    norm is the product of theirs: exact, without any backward pass. Paul, Ganguli and Dziugaite,
    *Deep Learning on a Data Diet*, NeurIPS 2021, Definition 2.1, with the last layer for all
    parameters, as in the paper (Jain et al., NeurIPS 2023, D.2). Time O(T N C), memory O(N)
    beyond a chunk.

    Parameters
    ----------
    proba : array-like of shape (..., N, C)
        Probabilities of one model, or of several epochs or runs, over which scores are averaged.
    y : array-like of shape (N,), int
        Columns of the labels.
    feature_norm : array-like of shape (..., N)
        ``||[h, 1]||`` of the same models: the norm of the last layer's input, a one appended.

    Returns
    -------
    ndarray of shape (N,), float64

    Examples
    --------
    >>> grand([[0.5, 0.5], [0.5, 0.5]], [0, 1], [1.0, 2.0]).round(3)
    array([0.707, 1.414])
    """
    proba, feature_norm = np.asarray(proba), np.asarray(feature_norm)
    if feature_norm.shape != proba.shape[:-1]:
        raise ValueError(
            f"feature_norm must have shape {proba.shape[:-1]}, that of proba less its last axis; "
            f"got {feature_norm.shape}"
        )
    return row_by_row(
        lambda p, labels, norm: (error_norm(p, labels) * norm).mean(0), proba, y, feature_norm
    )
