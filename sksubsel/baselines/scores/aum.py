"""AUM: the area under the margin of the label."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sksubsel.baselines.scores._rows import row_by_row

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["aum"]

_MIN_PROBA = 1e-12


def aum(proba: ArrayLike, y: ArrayLike, *, of: str = "logits") -> np.ndarray:
    """Mean margin of the label's logit over the largest other one; **low** is hard.

    ``mean_t (z_t[y] - max_{c != y} z_t[c])`` (Pleiss et al., *Identifying Mislabeled Data using
    the Area Under the Margin Ranking*, NeurIPS 2020, Eq. 2). Logits are log-probabilities up to a
    constant of each row, which cancels: probabilities, clipped at 1e-12, give the same margins.
    With ``of="probabilities"`` the z are the probabilities themselves and the score lies in
    [-1, 1], as the authors of coverage-centric selection take it
    (:class:`~sksubsel.baselines.CCS` does, too): it hardly tells sure rows apart, which lie far
    from each other by their logits. Negative means that another class
    was preferred on average: hard, or mislabelled. Of one class alone it is 0. Time O(T N C),
    memory O(N) beyond a chunk.

    Parameters
    ----------
    proba : array-like of shape (T, N, C) or (N, C)
        Probabilities after each epoch.
    y : array-like of shape (N,), int
        Columns of the labels.
    of : {"logits", "probabilities"}, default="logits"
        What the margin is a difference of.

    Returns
    -------
    ndarray of shape (N,), float64

    Raises
    ------
    ValueError
        If `of` is neither.

    Examples
    --------
    >>> aum([[[0.8, 0.1, 0.1], [0.2, 0.4, 0.4]], [[0.5, 0.5, 0.0], [0.2, 0.4, 0.4]]], [0, 0])
    array([ 1.03972077, -0.69314718])
    >>> aum([[0.8, 0.1, 0.1], [0.2, 0.4, 0.4]], [0, 0], of="probabilities")
    array([ 0.7, -0.2])
    """
    if of not in ("logits", "probabilities"):
        raise ValueError(f'of must be "logits" or "probabilities"; got {of!r}')

    def score(p, labels, _):
        if p.shape[2] == 1:
            return np.zeros(p.shape[1])
        if of == "logits":
            np.log(np.maximum(p, _MIN_PROBA, out=p), out=p)
        rows = np.arange(len(labels))
        own = p[:, rows, labels].copy()  # (T, n)
        p[:, rows, labels] = -np.inf
        return (own - p.max(2)).mean(0)

    return row_by_row(score, proba, y)
