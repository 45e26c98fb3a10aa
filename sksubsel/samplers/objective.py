"""What the samplers minimise: predicted loss minus the entropy of the sampling distribution.

The paper's Eq. 2-3 for a distribution P over subsets of B instances with losses l:
``E_{S~P}[sum_{i in S} l_i] - lam H(P)``. Everything here is per drawn instance (divided by B), so
that `lam` is in nats of loss and means the same at any N and B. For B draws with replacement from
one distribution p over the instances, ``H(P) = B H(p)`` and the objective becomes

    ``f(p) = sum_i p_i l_i - lam H(p)``,   least at   ``p_i proportional to exp(-l_i / lam)``.

See docs/exact_sampler.md for the proofs.
"""

from __future__ import annotations

import numpy as np

__all__ = [
    "cross_entropy",
    "entropy",
    "expected_loss",
    "objective",
    "objective_gradient",
    "plackett_luce_log_prob",
    "squared_error",
]

_MIN_PROBA = 1e-12  # the largest cross-entropy is 27.6


def cross_entropy(proba, y) -> np.ndarray:
    """Loss ``l_i = -log p_i[y_i]`` of predicted probabilities, clipped at 1e-12.

    Time and memory O(A N), whatever C: only the labels' columns are read.

    Parameters
    ----------
    proba : array-like of shape (..., N, C)
        Any float dtype.
    y : array-like of shape (N,), int
        Columns of the labels.

    Returns
    -------
    ndarray of shape (..., N), float64
        NaN where `proba` is.

    Raises
    ------
    ValueError
        If shapes disagree or a label has no column.
    """
    proba, y = np.asarray(proba), np.asarray(y)
    _check_outputs(proba, y, "proba")
    if y.dtype.kind not in "iu":
        raise ValueError(f"y must hold integer class codes; got dtype {y.dtype}")
    if len(y) and not (y.min() >= 0 and y.max() < proba.shape[-1]):
        raise ValueError(
            f"y must be in [0, C={proba.shape[-1]}); got values from {y.min()} to {y.max()}"
        )
    chosen = proba[..., np.arange(len(y)), y].astype(np.float64)  # (..., N)
    return -np.log(np.clip(chosen, _MIN_PROBA, 1.0))


def squared_error(pred, y) -> np.ndarray:
    """Loss ``l_i = (pred_i - y_i)^2`` for continuous labels. Time and memory O(A N).

    Parameters
    ----------
    pred : array-like of shape (..., N, 1)
    y : array-like of shape (N,)

    Returns
    -------
    ndarray of shape (..., N), float64

    Raises
    ------
    ValueError
        If shapes disagree.
    """
    pred, y = np.asarray(pred), np.asarray(y)
    _check_outputs(pred, y, "pred")
    if pred.shape[-1] != 1:
        raise ValueError(f"pred must have shape (..., N, 1); got {pred.shape}")
    return np.square(pred[..., 0].astype(np.float64) - y)


def expected_loss(log_weights, losses) -> float:
    """``sum_i p_i l_i`` with ``p = softmax(log_weights)``: the loss of one draw. Time O(N)."""
    return float(np.exp(_log_softmax(np.asarray(log_weights, np.float64))) @ np.asarray(losses))


def entropy(log_weights) -> float:
    """``H(p) = -sum_i p_i log p_i`` in nats, with ``p = softmax(log_weights)``. Time O(N)."""
    log_p = _log_softmax(np.asarray(log_weights, np.float64))
    return float(-np.exp(log_p) @ log_p)


def objective(scores, losses, lam: float, beta: float = 0.0, budget: int | None = None) -> float:
    """Value of Eq. 2-3 per drawn instance, with the budget regulariser.

    ``f(pi) = sum_i p_i l_i - lam (H(p) - log N) + beta (sum_i exp(pi_i) / B - 1)^2`` with
    ``p = softmax(pi)``. The entropy is relative to the uniform distribution's, so that the value
    is that of the mean loss at ``pi = const`` for any N. Time and memory O(N).

    The log-scores pi are real; ``exp(pi_i)`` are the scores that the regulariser is about, the
    expected number of times that i is among B draws if they sum to B. The first two terms do not
    change when a constant is added to pi, and the regulariser can always be made 0 by doing so:
    it fixes the scale of the scores and leaves the sampling distribution alone. (On scores in
    [0, 1] that are themselves put through a softmax it would not: their entropy spans a tenth
    of a nat at N = 20,000, and the regulariser decides everything.)

    Parameters
    ----------
    scores : array-like of shape (N,)
        Log-scores pi.
    losses : array-like of shape (N,)
    lam, beta : float
    budget : int or None, default=None
        B; needed if `beta` is positive.
    """
    pi = np.asarray(scores, dtype=np.float64)
    value = expected_loss(pi, losses) - lam * (entropy(pi) - np.log(len(pi)))
    if beta:
        value += beta * (np.exp(pi).sum() / _need(budget) - 1) ** 2
    return float(value)


def objective_gradient(
    scores, losses, lam: float, beta: float = 0.0, budget: int | None = None
) -> np.ndarray:
    """Gradient of :func:`objective` in the log-scores, (N,) float64. Time and memory O(N).

    ``df/dpi_i = p_i (a_i - sum_j p_j a_j) + 2 beta (sum_j exp(pi_j) / B - 1) exp(pi_i) / B`` with
    ``a = l + lam log p``.
    """
    pi = np.asarray(scores, dtype=np.float64)
    log_p = _log_softmax(pi)
    p = np.exp(log_p)
    a = losses + lam * log_p
    gradient = p * (a - p @ a)
    if beta:
        exp_pi = np.exp(pi) / _need(budget)
        gradient += 2 * beta * (exp_pi.sum() - 1) * exp_pi
    return gradient


def plackett_luce_log_prob(log_weights, ordered_rows) -> float:
    """Log-probability of an ordered sample drawn without replacement (paper, Eq. 8).

    ``sum_b [pi_{i_b} - log sum_{j not in i_1..i_{b-1}} exp(pi_j)]``: each next instance in
    proportion to its weight among those left. Time O(N), memory O(N).

    Parameters
    ----------
    log_weights : array-like of shape (N,)
        pi.
    ordered_rows : array-like of shape (B,), int
        Distinct rows in the order drawn.

    Raises
    ------
    ValueError
        If a row is repeated or out of range.
    """
    pi = np.asarray(log_weights, dtype=np.float64)
    rows = np.asarray(ordered_rows)
    if rows.ndim != 1 or rows.dtype.kind not in "iu" or len(np.unique(rows)) != len(rows):
        raise ValueError(f"ordered_rows must be distinct integers of shape (B,); got {rows!r}")
    if len(rows) and not (rows.min() >= 0 and rows.max() < len(pi)):
        raise ValueError(f"ordered_rows must be in [0, N={len(pi)}); got {rows!r}")
    left = np.ones(len(pi), dtype=bool)
    left[rows] = False
    rest = np.logaddexp.reduce(pi[left]) if left.any() else -np.inf
    # what is left before each draw, from the last draw to the first
    totals = np.logaddexp.accumulate(np.concatenate([[rest], pi[rows[::-1]]]))[1:]
    return float(pi[rows].sum() - totals.sum())


def _log_softmax(pi):
    shifted = pi - pi.max()
    return shifted - np.log(np.exp(shifted).sum())


def _need(budget):
    if budget is None or budget < 1:
        raise ValueError(f"budget must be at least 1 where beta is positive; got {budget}")
    return budget


def _check_outputs(outputs, y, name):
    if outputs.ndim < 2 or y.ndim != 1 or outputs.shape[-2] != len(y):
        raise ValueError(
            f"{name} must have shape (..., N, C) and y (N,); got {outputs.shape} and {y.shape}"
        )
