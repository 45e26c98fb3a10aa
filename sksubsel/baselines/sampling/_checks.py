"""Checks and quotas that the samplers share."""

from __future__ import annotations

import numpy as np

from sksubsel._validation import check_finite
from sksubsel.samplers.quotas import allocate
from sksubsel.samplers.transductive import check_strata

__all__ = ["check_scores", "check_strata", "largest_of", "members_and_quotas"]


def check_scores(scores, budget) -> np.ndarray:
    """Finite float64 scores (N,), checked together with the budget."""
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim != 1 or len(scores) == 0:
        raise ValueError(f"scores must have shape (N,), N >= 1; got {scores.shape}")
    check_finite(scores, "scores")
    if not isinstance(budget, (int, np.integer)) or not 1 <= budget <= len(scores):
        raise ValueError(f"budget must be an int in [1, N={len(scores)}]; got {budget!r}")
    return scores


def members_and_quotas(n_samples, budget, strata, stratify):
    """Rows of each class, ascending, and how many to take of each; one class without strata."""
    groups = check_strata(strata, stratify, n_samples)
    if groups is None:
        return [np.arange(n_samples)], np.array([budget])
    counts = np.bincount(groups)
    order = np.argsort(groups, kind="stable")
    return np.split(order, np.cumsum(counts)[:-1]), allocate(counts, budget, stratify)


def largest_of(keys, rows, n_wanted):
    """Those of `rows` with the largest keys, ties to the earlier: keys (n,), rows (n,)."""
    return rows[np.argsort(-keys, kind="stable")[:n_wanted]]
