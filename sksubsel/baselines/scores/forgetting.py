"""Forgetting events: how often an instance that was right goes wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sksubsel.baselines.scores._rows import row_by_row

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["forgetting"]


def forgetting(proba: ArrayLike, y: ArrayLike) -> np.ndarray:
    """Number of epochs at which a row turns from right to wrong; T if it never was right.

    0 is easy, large is hard. Toneva et al., *An Empirical Study of Example Forgetting during Deep
    Neural Network Learning*, ICLR 2019: rows that are never learned count as forgotten infinitely
    often. Here they score T, which no other row reaches (there are at most T // 2 events), so
    that they come first as well and scores stay finite. Events are counted between the epochs
    given, whereas the original counts them as the row's own batches pass. Of tied probabilities
    the first class is the predicted one. Time O(T N C), memory O(N) beyond a chunk.

    Parameters
    ----------
    proba : array-like of shape (T, N, C) or (N, C)
        Probabilities after each epoch.
    y : array-like of shape (N,), int
        Columns of the labels.

    Returns
    -------
    ndarray of shape (N,), float64
        Whole numbers.

    Examples
    --------
    >>> right, wrong = [0.9, 0.1], [0.1, 0.9]
    >>> epochs = [[right, right, wrong], [right, wrong, wrong], [right, right, wrong]]
    >>> forgetting(epochs, [0, 0, 0])
    array([0., 1., 3.])
    """

    def score(p, labels, _):
        correct = p.argmax(2) == labels  # (T, n)
        events = np.count_nonzero(correct[:-1] & ~correct[1:], axis=0)
        return np.where(correct.any(0), events, len(p))

    return row_by_row(score, proba, y)
