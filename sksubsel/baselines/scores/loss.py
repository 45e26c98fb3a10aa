"""Cross-entropy of the label."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sksubsel.baselines.scores._rows import row_by_row
from sksubsel.samplers.objective import cross_entropy

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["loss"]


def loss(proba: ArrayLike, y: ArrayLike) -> np.ndarray:
    """Cross-entropy ``-log p[y]``, probabilities clipped at 1e-12: 0 (easy) to 27.6 (hard).

    Time O(T N C), memory O(N) beyond a chunk.

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
    >>> loss([[1.0, 0.0], [0.5, 0.5]], [0, 0]).round(3) + 0
    array([0.   , 0.693])
    """
    return row_by_row(lambda p, labels, _: cross_entropy(p, labels).mean(0) + 0.0, proba, y)
