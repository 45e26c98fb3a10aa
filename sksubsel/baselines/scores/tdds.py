"""TDDS: how much the speed of learning a row varies, late windows first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sksubsel.baselines.scores._rows import row_by_row

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["tdds"]

_EPSILON = 1e-8  # of the authors, inside the logarithms


def tdds(proba: ArrayLike, y: Any = None, *, window: int = 5, decay: float = 0.9) -> np.ndarray:
    """Temporal dual-depth score; large is informative, as a rule hard.

    Zhang et al., *Spanning Training Progress: Temporal Dual-Depth Scoring (TDDS) for Enhanced
    Dataset Pruning*, CVPR 2024. Inner depth: between epochs t and t + 1 a row moves by
    ``D_t = sum_c |p_{t+1,c} log(p_{t+1,c} / p_{t,c})|``, the terms of the Kullback-Leibler
    divergence without their signs, as the authors compute it. In a window of J epochs its J - 1
    moves deviate from their mean by ``R_k = ||D - mean D||_2``. Outer depth: the windows k = 0, 1,
    ..., T - J are averaged with exponential decay, the last one heaviest,
    ``sum_k R_k decay (1 - decay)^(T - J - k)``. Labels play no part.

    The authors choose T and J by the share kept: (T, J) = (10, 5) to (90, 10), shorter for smaller
    subsets. Fewer than three epochs have no deviations: all rows score 0. Time O(T N C), memory
    O(N) beyond a chunk.

    Parameters
    ----------
    proba : array-like of shape (T, N, C) or (N, C)
        Probabilities after each epoch.
    y : ignored
    window : int, default=5
        J, at least 3; T where there are fewer epochs.
    decay : float, default=0.9
        In (0, 1]: the weight of the last window.

    Returns
    -------
    ndarray of shape (N,), float64

    Raises
    ------
    ValueError
        If `window` or `decay` is out of its range.

    Examples
    --------
    >>> proba = [[[0.5, 0.5], [0.9, 0.1]], [[0.8, 0.2], [0.9, 0.1]], [[0.8, 0.2], [0.9, 0.1]]]
    >>> tdds(proba, window=3).round(3)  # the second row never moves
    array([0.356, 0.   ])
    """
    if window < 3:
        raise ValueError(f"window must be an int in [3, inf); got {window}")
    if not 0 < decay <= 1:
        raise ValueError(f"decay must be in (0, 1]; got {decay}")

    def score(p, labels, _):
        logs = np.log(p + _EPSILON)
        moves = np.abs(p[1:] * (logs[1:] - logs[:-1])).sum(2)  # (T - 1, n)
        n_moves = min(window - 1, len(moves))
        out = np.zeros(p.shape[1])
        if n_moves < 2:
            return out
        n_windows = len(moves) - n_moves + 1
        for k in range(n_windows):
            part = moves[k : k + n_moves]
            out += decay * (1 - decay) ** (n_windows - 1 - k) * np.linalg.norm(
                part - part.mean(0), axis=0
            )  # fmt: skip
        return out

    return row_by_row(score, proba)
