"""DUAL: difficulty times uncertainty, early in training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sksubsel.baselines.scores._rows import row_by_row

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["confidence", "dual"]


def dual(proba: ArrayLike, y: ArrayLike, *, window: int = 10) -> np.ndarray:
    """Difficulty times uncertainty of the label's probability; large is informative.

    Cho et al., *Lightweight Dataset Pruning without Full Training via Example Difficulty and
    Prediction Uncertainty*, 2025: with the mean m_k and the standard deviation s_k (divisor J - 1)
    of the label's probability in the window of J epochs from k, the score is
    ``mean_k (1 - m_k) s_k``. Rows that are always right have no difficulty, rows that are always
    wrong no uncertainty: both score low, so that mislabelled rows seldom come first. The authors
    take T = 30 epochs of 200 and J = 10, and draw with :func:`~.sampling.beta`. One epoch has no
    deviation: all rows score 0. Time O(T N C), memory O(N) beyond a chunk.

    Parameters
    ----------
    proba : array-like of shape (T, N, C) or (N, C)
        Probabilities after each epoch.
    y : array-like of shape (N,), int
        Columns of the labels.
    window : int, default=10
        J, at least 2; T where there are fewer epochs.

    Returns
    -------
    ndarray of shape (N,), float64

    Raises
    ------
    ValueError
        If `window` is out of its range.

    Examples
    --------
    >>> proba = [[[0.5, 0.5], [0.9, 0.1]], [[0.8, 0.2], [0.9, 0.1]]]  # two epochs, two rows
    >>> dual(proba, [0, 0]).round(3)
    array([0.074, 0.   ])
    """
    if window < 2:
        raise ValueError(f"window must be an int in [2, inf); got {window}")

    def score(p, labels, _):
        own = p[:, np.arange(len(labels)), labels]  # (T, n)
        size = min(window, len(own))
        if size < 2:
            return np.zeros(len(labels))
        windows = np.lib.stride_tricks.sliding_window_view(own, size, axis=0)  # (K, n, J)
        return ((1 - windows.mean(2)) * windows.std(2, ddof=1)).mean(0)

    return row_by_row(score, proba, y)


def confidence(proba: ArrayLike, y: ArrayLike) -> np.ndarray:
    """Mean probability of the label: 0 (hard) to 1 (easy).

    Time O(T N C), memory O(N) beyond a chunk.

    Parameters
    ----------
    proba : array-like of shape (..., N, C)
    y : array-like of shape (N,), int

    Returns
    -------
    ndarray of shape (N,), float64

    Examples
    --------
    >>> confidence([[[0.5, 0.5], [0.9, 0.1]], [[0.7, 0.3], [0.9, 0.1]]], [0, 0]).round(3)
    array([0.6, 0.9])
    """
    return row_by_row(lambda p, own, _: p[:, np.arange(len(own)), own].mean(0), proba, y)
