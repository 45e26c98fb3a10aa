"""The transductive solvers (paper, Eq. 9) and the draws that need no loop over instances.

``losses -> log-weights`` (:func:`solve_exact`, :func:`solve_gradient`), then ``log-weights ->
rows`` (:func:`top`, :func:`gumbel_top`, and :func:`~sksubsel.samplers.poisson.conditional_poisson`,
the exact optimum over distributions on subsets).
"""

from __future__ import annotations

import numpy as np

from sksubsel._validation import check_finite
from sksubsel.samplers.objective import objective_gradient
from sksubsel.samplers.quotas import as_quotas, head

__all__ = ["gumbel_top", "solve_exact", "solve_gradient", "top"]

_STEP_AT_ZERO = 1e3  # nats between neighbouring losses at lam = 0; Gumbel noise spans about 40


def solve_exact(losses, lam: float) -> np.ndarray:
    """Optimal log-weights ``-l / lam`` for this architecture's predicted losses.

    The unique minimiser of ``sum_i p_i l_i - lam H(p)`` (Eq. 9 per draw) is their softmax, and of
    ``E[sum_{i in S} l_i] - lam H(P)`` over all distributions on B-subsets the conditional Poisson
    distribution with these weights. Time and memory O(N) (O(N log N) at ``lam=0``).

    Parameters
    ----------
    losses : array-like of shape (N,)
    lam : float
        In [0, inf]. Infinity gives equal weights. 0 is the limit, in which all weight is on the
        smallest losses: the losses' ranks 1,000 nats apart, so that any draw returns the B
        smallest, with equal losses drawn alike (and by index in :func:`top`).

    Returns
    -------
    ndarray of shape (N,), float64
        Not normalised; largest is 0.

    Raises
    ------
    ValueError
        If a loss is NaN or infinite, or `lam` is negative or NaN.
    """
    losses = _check_losses(losses)
    if not lam >= 0:
        raise ValueError(f"lam must be in [0, inf]; got {lam}")
    excess = losses - losses.min()
    if lam > 0:
        with np.errstate(over="ignore"):
            log_weights = -excess / lam
        if np.isfinite(log_weights[excess.argmax()]):
            return log_weights + 0.0  # not -0.0
        # lam is so small that its quotients overflow: the limit is exact
    return -_STEP_AT_ZERO * np.unique(excess, return_inverse=True)[1].reshape(-1)


def solve_gradient(
    losses,
    lam: float,
    beta: float = 0.0,
    budget: int | None = None,
    *,
    n_steps: int = 100,
    lr: float = 0.1,
    tol: float = 0.01,
    max_rounds: int = 10,
) -> np.ndarray:
    """Log-scores by Adam on Eq. 9, from 0, as the paper solves it.

    Minimises :func:`~sksubsel.samplers.objective.objective`: per draw and, as Adam is, free of
    scale, so that `lam` means the same at any N and B. The regulariser `beta` acts on the shift
    of pi alone, the one direction that the sampling distribution does not depend on. So its part
    of the problem is solved in closed form (``sum_i exp(pi_i) = B``, for any positive `beta`)
    and Adam is left the rest: run through Adam, a penalty that starts at ``beta (N/B - 1)^2``
    fills the second moments of every coordinate and stops the losses from being fitted.

    A round is `n_steps` steps with a rate that falls linearly in its second half. The paper's one
    round is enough while losses differ by less than about ten times `lam`; where they differ by
    more, it is repeated from where it ended, with fresh moments, until the optimality condition
    ``l + lam log p = const`` holds up to `tol` (nearly always by the third round).
    Deterministic. Time O(n_steps N) a round, memory O(N).

    Parameters
    ----------
    losses : array-like of shape (N,)
    lam : float
        In (0, inf].
    beta : float, default=0.0
        0 leaves the shift free; the largest log-score is then 0.
    budget : int or None, default=None
        B, needed if `beta` is positive.
    n_steps : int, default=100
        Steps of a round.
    lr : float, default=0.1
    tol : float, default=0.01
        Mean absolute deviation of ``l / lam + log p`` under p at which to stop.
    max_rounds : int, default=10

    Returns
    -------
    ndarray of shape (N,), float64
        pi, whose softmax is within total variation 0.01 of ``softmax(-l / lam)``.

    Raises
    ------
    ValueError
        If a loss is NaN or infinite, or a parameter is out of its range.
    """
    losses = _check_losses(losses)
    if not lam > 0:
        raise ValueError(f"lam must be in (0, inf] for the gradient solver; got {lam}")
    if not 0 <= beta < np.inf:
        raise ValueError(f"beta must be in [0, inf); got {beta}")
    if beta > 0 and (budget is None or not 1 <= budget <= len(losses)):
        raise ValueError(
            f"budget must be an int in [1, N={len(losses)}] where beta is positive; got {budget}"
        )
    with np.errstate(over="ignore"):
        energies = (losses - losses.min()) / lam
    if not np.isfinite(energies).all():
        raise ValueError(f"lam must be large enough for losses / lam to be finite; got {lam}")
    pi = np.zeros(len(losses))
    for _ in range(max_rounds):
        _adam_round(pi, energies, n_steps, lr)
        p = np.exp(pi - pi.max())
        p /= p.sum()
        slope = energies + pi  # constant at the optimum
        if p @ np.abs(slope - p @ slope) <= tol:
            break
    pi -= pi.max()
    if beta > 0 and budget is not None:
        pi += np.log(budget) - np.log(np.exp(pi).sum())
    return pi


def _adam_round(pi, energies, n_steps, lr):
    """Adam on sum_i p_i e_i - H(p) with p = softmax(pi); changes pi in place."""
    mean, square = np.zeros_like(pi), np.zeros_like(pi)
    for step in range(1, n_steps + 1):
        gradient = objective_gradient(pi, energies, 1.0)
        mean += 0.1 * (gradient - mean)
        square += 0.001 * (gradient**2 - square)
        # No epsilon: gradients are of order 1/N, and 1e-8 would slow the fit down as N grows.
        scale = np.sqrt(square / (1 - 0.999**step))
        direction = np.divide(mean / (1 - 0.9**step), scale, out=np.zeros_like(pi), where=scale > 0)
        pi -= lr * min(1.0, 2 * (1 - step / (n_steps + 1))) * direction


def top(
    log_weights, budget: int, strata=None, stratify: str | None = None, quotas=None
) -> np.ndarray:
    """Rows of the B largest weights, ties by index; within each class's quota if asked.

    Time O(N) without quotas and O(N log N) with them, memory O(N).

    Parameters
    ----------
    log_weights : array-like of shape (N,)
        Finite.
    budget : int
        B in [1, N].
    strata : array-like of shape (N,), int or None, default=None
        Codes of the classes, from 0; codes without instances are allowed.
    stratify : {"proportional", "equal"} or None, default=None
        Quotas of the classes, see :func:`~sksubsel.samplers.quotas.allocate`.
    quotas : array-like of shape (S,), int, or None, default=None
        In place of those that `stratify` gives; not used without it.

    Returns
    -------
    ndarray of shape (B,), int64
        Ascending, distinct.

    Raises
    ------
    ValueError
        If a log-weight is NaN or infinite, `budget` is out of range, `stratify` is given
        without `strata`, or `quotas` do not fit.
    """
    log_weights = check_log_weights(log_weights, budget)
    groups = check_strata(strata, stratify, len(log_weights))
    return _largest(log_weights, budget, groups, stratify, quotas)


def gumbel_top(
    log_weights, budget: int, rng=None, strata=None, stratify: str | None = None, quotas=None
) -> np.ndarray:
    """A draw without replacement, each next row in proportion to its weight among those left.

    The paper's sequential softmax (Eq. 8, Plackett-Luce), by the B largest of
    ``log_weights + Gumbel noise`` (Gumbel-top-B). Near the exact optimum of
    :func:`~sksubsel.samplers.poisson.conditional_poisson` where no weight is a large part of the
    whole and B is small against N; quicker. Time O(N) without quotas and O(N log N) with them,
    memory O(N).

    Parameters
    ----------
    log_weights, budget, strata, stratify, quotas
        As in :func:`top`. With quotas, each class is drawn from apart.
    rng : Generator, int or None, default=None
        Noise is drawn for all N rows in order, whatever `budget` and `strata` are.

    Returns
    -------
    ndarray of shape (B,), int64
        Ascending, distinct.

    Raises
    ------
    ValueError
        As in :func:`top`.
    """
    log_weights = check_log_weights(log_weights, budget)
    groups = check_strata(strata, stratify, len(log_weights))
    noise = np.random.default_rng(rng).gumbel(size=len(log_weights))
    return _largest(log_weights + noise, budget, groups, stratify, quotas)


def check_log_weights(log_weights, budget) -> np.ndarray:
    """Finite float64 log-weights (N,), checked together with the budget."""
    log_weights = np.asarray(log_weights, dtype=np.float64)
    if log_weights.ndim != 1 or len(log_weights) == 0:
        raise ValueError(f"log_weights must have shape (N,), N >= 1; got {log_weights.shape}")
    check_finite(log_weights, "log_weights")
    if not isinstance(budget, (int, np.integer)) or not 1 <= budget <= len(log_weights):
        raise ValueError(f"budget must be an int in [1, N={len(log_weights)}]; got {budget!r}")
    return log_weights


def check_strata(strata, stratify, n_samples) -> np.ndarray | None:
    """Class codes (N,) if quotas are asked for, else None."""
    if stratify is None:
        return None
    if strata is None:
        raise ValueError(f"strata must be given with stratify={stratify!r}")
    strata = np.asarray(strata)
    if strata.shape != (n_samples,) or strata.dtype.kind not in "iu" or strata.min() < 0:
        raise ValueError(
            f"strata must be non-negative integer codes of shape ({n_samples},); got shape "
            f"{strata.shape} and dtype {strata.dtype}"
        )
    return strata


def _check_losses(losses):
    losses = np.asarray(losses, dtype=np.float64)
    if losses.ndim != 1 or len(losses) == 0:
        raise ValueError(f"losses must have shape (N,), N >= 1; got {losses.shape}")
    check_finite(losses, "losses")
    return losses


def _largest(keys, budget, strata, stratify, quotas):
    """Ascending rows of the largest keys, overall or within quotas; ties by index."""
    n_samples = len(keys)
    if strata is None:
        threshold = np.partition(keys, n_samples - budget)[n_samples - budget]
        chosen = keys > threshold
        ties = np.flatnonzero(keys == threshold)
        chosen[ties[: budget - np.count_nonzero(chosen)]] = True
        return np.flatnonzero(chosen).astype(np.int64)
    quotas = as_quotas(quotas, np.bincount(strata), budget, stratify)
    order = np.argsort(-keys, kind="stable")
    return np.sort(order[head(strata[order], quotas, budget)]).astype(np.int64)
