"""AUM: the area under the margin of the label."""

from __future__ import annotations

import numpy as np

from sksubsel.baselines.scores._rows import row_by_row

__all__ = ["aum"]

_MIN_PROBA = 1e-12


def aum(proba, y) -> np.ndarray:
    """Mean margin of the label's logit over the largest other one; **low** is hard.

    ``mean_t (z_t[y] - max_{c != y} z_t[c])`` (Pleiss et al., *Identifying Mislabeled Data using
    the Area Under the Margin Ranking*, NeurIPS 2020, Eq. 2). Logits are log-probabilities up to a
    constant of each row, which cancels: probabilities, clipped at 1e-12, give the same margins
    (some later code takes differences of probabilities instead). Negative means that another class
    was preferred on average: hard, or mislabelled. Of one class alone it is 0. Time O(T N C),
    memory O(N) beyond a chunk.

    Parameters
    ----------
    proba : array-like of shape (T, N, C) or (N, C)
        Probabilities after each epoch.
    y : array-like of shape (N,), int
        Columns of the labels.

    Returns
    -------
    ndarray of shape (N,), float64

    Examples
    --------
    >>> aum([[[0.8, 0.1, 0.1], [0.2, 0.4, 0.4]], [[0.5, 0.5, 0.0], [0.2, 0.4, 0.4]]], [0, 0])
    array([ 1.03972077, -0.69314718])
    """

    def score(p, labels, _):
        if p.shape[2] == 1:
            return np.zeros(p.shape[1])
        logits = np.log(np.maximum(p, _MIN_PROBA, out=p), out=p)
        rows = np.arange(len(labels))
        own = logits[:, rows, labels].copy()  # (T, n)
        logits[:, rows, labels] = -np.inf
        return (own - logits.max(2)).mean(0)

    return row_by_row(score, proba, y)
