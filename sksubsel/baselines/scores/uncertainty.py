"""Uncertainty of a prediction, whatever the label: large near the decision boundary."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import xlogy

from sksubsel.baselines.scores._rows import row_by_row

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["entropy", "least_confidence", "margin"]


def entropy(proba: ArrayLike) -> np.ndarray:
    """Entropy of the predicted distribution, in nats: 0 (certain) to log C (hard).

    ``-sum_c p_c log p_c`` (Settles, *Active Learning Literature Survey*, 2009). Time O(T N C),
    memory O(N) beyond a chunk.

    Parameters
    ----------
    proba : array-like of shape (..., N, C)
        Probabilities of one model, or of several epochs or runs, over which scores are averaged.

    Returns
    -------
    ndarray of shape (N,), float64

    Examples
    --------
    >>> entropy([[1.0, 0.0], [0.5, 0.5]]).round(3)
    array([0.   , 0.693])
    """
    # adding 0 turns the -0 of a certain prediction into 0
    return row_by_row(lambda p, y, _: -xlogy(p, p).sum(2).mean(0) + 0.0, proba)


def margin(proba: ArrayLike) -> np.ndarray:
    """One less the gap between the two largest probabilities: 0 (certain) to 1 (hard).

    ``1 - (p_(1) - p_(2))``, the margin of Scheffer et al. (2001) turned round, so that uncertain
    rows score high as with the other measures. Of one class alone it is 0. Time O(T N C), memory
    O(N) beyond a chunk.

    Parameters
    ----------
    proba : array-like of shape (..., N, C)
        Averaged over as in :func:`entropy`.

    Returns
    -------
    ndarray of shape (N,), float64

    Examples
    --------
    >>> margin([[0.7, 0.2, 0.1], [0.4, 0.4, 0.2]]).round(3)
    array([0.5, 1. ])
    """

    def score(p, y, _):
        if p.shape[2] == 1:
            return np.zeros(p.shape[1])
        two = np.partition(p, p.shape[2] - 2, axis=2)[:, :, -2:]
        return (1 - (two[:, :, 1] - two[:, :, 0])).mean(0)

    return row_by_row(score, proba)


def least_confidence(proba: ArrayLike) -> np.ndarray:
    """One less the largest probability: 0 (certain) to 1 - 1/C (hard).

    ``1 - max_c p_c`` (Lewis and Gale, 1994). Time O(T N C), memory O(N) beyond a chunk.

    Parameters
    ----------
    proba : array-like of shape (..., N, C)
        Averaged over as in :func:`entropy`.

    Returns
    -------
    ndarray of shape (N,), float64

    Examples
    --------
    >>> least_confidence([[0.75, 0.25], [0.5, 0.5]])
    array([0.25, 0.5 ])
    """
    return row_by_row(lambda p, y, _: 1 - p.max(2).mean(0), proba)
