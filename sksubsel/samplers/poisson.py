"""Conditional Poisson sampling: the exact optimum over all distributions on B-subsets.

``P(S) proportional to prod_{i in S} w_i`` over the subsets of size B, with ``log w_i = -l_i/lam``.
It is the law of independent coin flips with probabilities ``p_i = c w_i / (1 + c w_i)`` given that
B of them succeed, whatever c is (Hajek, Ann. Math. Statist. 35, 1964; Chen, Dempster and Liu,
Biometrika 81, 1994: the maximum-entropy distribution on B-subsets). Here c is set so that
``sum_i p_i = B``, where success is most likely, and everything stays in logarithms: weights may
span any range.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from sksubsel.samplers.quotas import as_quotas
from sksubsel.samplers.transductive import check_log_weights, check_strata

__all__ = ["conditional_poisson", "inclusion_probabilities", "log_normalizer"]

_FLIPS_AT_ONCE = 1 << 20
_CELLS_AT_ONCE = 1 << 20


def conditional_poisson(
    log_weights, budget: int, rng=None, strata=None, stratify: str | None = None, quotas=None
) -> np.ndarray:
    """An exact draw of B rows with ``P(S) proportional to exp(sum_{i in S} log_weights_i)``.

    By rejection: flip all coins until B of them succeed. The number of successes has mean B and
    variance ``V = sum_i p_i (1 - p_i) <= min(B, N - B)``, so that about ``sqrt(2 pi V)`` trials
    are needed (194 at N=60,000 and B=6,000): expected time O(N sqrt(min(B, N - B))), memory O(N).

    Parameters
    ----------
    log_weights : array-like of shape (N,)
        Finite.
    budget : int
        B in [1, N].
    rng : Generator, int or None, default=None
    strata : array-like of shape (N,), int or None, default=None
        Codes of the classes, from 0.
    stratify : {"proportional", "equal"} or None, default=None
        With quotas, see :func:`~sksubsel.samplers.quotas.allocate`, each class is drawn from
        apart: the optimum among distributions that keep to the quotas.
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
    rng = np.random.default_rng(rng)
    if groups is None or stratify is None:
        return _draw(log_weights, int(budget), rng)
    counts = np.bincount(groups)
    quotas = as_quotas(quotas, counts, budget, stratify)
    members = np.split(np.argsort(groups, kind="stable"), np.cumsum(counts)[:-1])
    parts = [
        rows[_draw(log_weights[rows], int(quota), rng)]
        for rows, quota in zip(members, quotas)
        if quota
    ]
    return np.sort(np.concatenate(parts)).astype(np.int64)


def inclusion_probabilities(log_weights, budget: int) -> np.ndarray:
    """Exact probability of each row to be in a conditional Poisson draw, (N,); the sum is B.

    ``P(i in S) = P(X_i = 1 | sum_j X_j = B)``, by inverting the characteristic function of the
    number of successes at M equally spaced frequencies, M = 40 + 10 sqrt(V) being wide enough for
    the distribution; only the frequencies where the function has not vanished are used, about 60
    for large V. Time O(N min(M, 60)), memory O(N). Absolute error about 1e-14, and
    up to 1e-10 where log-weights are tens of thousands apart.

    Parameters
    ----------
    log_weights : array-like of shape (N,)
        Finite.
    budget : int
        B in [1, N].

    Returns
    -------
    ndarray of shape (N,), float64
    """
    log_weights = check_log_weights(log_weights, budget)
    if budget == len(log_weights):
        return np.ones(len(log_weights))
    p, q, _ = _flips(log_weights, budget)
    hits, total = np.zeros(len(p)), 0.0
    for turn, weight in _frequencies(p, q, budget):
        total += weight.real.sum()
        hits += ((turn * weight) @ (1 / (q[None, :] + np.outer(turn, p)))).real
    # X_i = 1 replaces i's factor q + p z of the function by p z
    return np.clip(p * hits / total, 0.0, 1.0)


def log_normalizer(log_weights, budget: int) -> float:
    """``log sum_{|S|=B} exp(sum_{i in S} log_weights_i)``, the elementary symmetric polynomial.

    With ``log_weights = -l / lam`` the least value of ``E[sum_{i in S} l_i] - lam H(P)`` over all
    distributions P on B-subsets is -lam times this. Time and memory as in
    :func:`inclusion_probabilities`.

    Parameters
    ----------
    log_weights : array-like of shape (N,)
        Finite.
    budget : int
        B in [1, N].
    """
    log_weights = check_log_weights(log_weights, budget)
    if budget == len(log_weights):
        return float(log_weights.sum())
    p, q, log_c = _flips(log_weights, budget)
    n_points = _n_points(p, q)
    success = sum(weight.real.sum() for _, weight in _frequencies(p, q, budget)) / n_points
    # P(B successes) = e_B(w) c^B prod_i (1 - p_i)
    return float(np.log(success) + np.logaddexp(0, log_weights + log_c).sum() - budget * log_c)


def _draw(log_weights, budget, rng):
    """Ascending positions of one draw, 1 <= B <= N."""
    n_samples = len(log_weights)
    if budget == n_samples:
        return np.arange(n_samples)
    p, q, _ = _flips(log_weights, budget)
    expected_trials = int(np.sqrt(2 * np.pi * (p @ q))) + 1
    n_trials = max(1, min(expected_trials, _FLIPS_AT_ONCE // n_samples))
    while True:  # ends: p was set so that B is the likeliest number of successes
        flips = rng.random((n_trials, n_samples)) < p
        accepted = np.flatnonzero(np.count_nonzero(flips, axis=1) == budget)
        if len(accepted):
            return np.flatnonzero(flips[accepted[0]])


def _flips(log_weights, budget):
    """Probabilities p and 1 - p of coins with sum B < N, and log c."""
    centre = np.log(budget) - np.log(len(log_weights) - budget)  # all weights equal

    def excess(log_c):
        return expit(log_weights + log_c).sum() - budget

    low, high = centre - log_weights.max() - 1e-6, centre - log_weights.min() + 1e-6
    log_c = brentq(excess, low, high, xtol=1e-9, rtol=1e-14) if high > low else low
    logits = log_weights + log_c
    return expit(logits), expit(-logits), log_c


def _n_points(p, q):
    """Odd number of frequencies: pi, where a factor may be 0, is then none of them.

    Successes farther than M from their mean, which would be confused with others, have a
    probability under 1e-17 (Bernstein).
    """
    return 2 * int(20 + 5 * np.sqrt(p @ q)) + 1


def _frequencies(p, q, budget):
    """Chunks of ``z_m = exp(i t_m)`` and ``prod_j (q_j + p_j z_m) z_m^-B``, t_m in [0, pi).

    Negative frequencies are the conjugates of positive ones: these count twice instead.
    """
    n_points = _n_points(p, q)
    angles = 2 * np.pi / n_points * np.arange(n_points // 2 + 1)
    # |q + p z|^2 = 1 - 2 p q (1 - cos t) <= exp(-2 p q (1 - cos t))
    angles = angles[(p @ q) * (1 - np.cos(angles)) < 45]
    step = max(1, _CELLS_AT_ONCE // len(p))
    for start in range(0, len(angles), step):
        part = angles[start : start + step]
        turn = np.exp(1j * part)
        log_factor = np.log(q[None, :] + np.outer(turn, p))  # (m, N)
        weight = np.exp(log_factor.sum(axis=1) - 1j * part * budget)
        yield turn, np.where(part == 0, 1, 2) * weight
