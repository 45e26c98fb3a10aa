"""Beta sampling: a draw that leans to easy rows as the budget shrinks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import beta as beta_distribution

from sksubsel._validation import check_finite
from sksubsel.baselines.sampling._checks import check_scores
from sksubsel.samplers.transductive import gumbel_top

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["beta"]

_EDGE = 1e-6  # densities are unbounded at 0 and 1
_N_ANCHORS = 10


def beta(
    scores: ArrayLike,
    budget: int,
    *,
    confidence: ArrayLike,
    rng: int | np.random.Generator | None = None,
    strata: ArrayLike | None = None,
    stratify: str | None = None,
    concentration: float = 15.0,
    exponent: float = 5.5,
) -> np.ndarray:
    """A draw without replacement in proportion to score times a Beta density of confidence.

    Cho et al., *Lightweight Dataset Pruning without Full Training via Example Difficulty and
    Prediction Uncertainty*, 2025, with the constants of their code. With r = 1 - B / N the share
    left out and m the mean confidence of the ten rows of largest score, the density is that of
    Beta(a, b) with ``b = concentration (1 - m) (1 - r^exponent)``, ``a = concentration + 1 - b``:
    near full budgets it sits where the scores are largest, and moves to confident rows, which are
    easy, as the budget shrinks. Rows of score 0 come last. Time O(N), memory O(N).

    Parameters
    ----------
    scores : array-like of shape (N,)
        At least 0.
    budget : int
        B in [1, N].
    confidence : array-like of shape (N,)
        Mean probability of the label over the epochs, in [0, 1]; clipped by 1e-6.
    rng : Generator, int or None, default=None
        Noise is drawn for all N rows in order.
    strata : array-like of shape (N,), int, or None, default=None
        Codes of the classes, from 0.
    stratify : {"proportional", "equal"} or None, default=None
        Quotas of the classes, each drawn from apart with the same density.
    concentration : float, default=15.0
        C in the paper.
    exponent : float, default=5.5
        c_D in the paper, larger for easier data: 5.5 for CIFAR-10, 4 for CIFAR-100.

    Returns
    -------
    ndarray of shape (B,), int64
        Ascending, distinct.

    Raises
    ------
    ValueError
        If a score is negative, `confidence` leaves [0, 1] or has another shape, or a parameter
        is not positive.

    Examples
    --------
    >>> from sksubsel.baselines.sampling import beta
    >>> rows = beta([0.1, 0.4, 0.3, 0.2], 2, confidence=[0.9, 0.2, 0.5, 0.8], rng=0)
    >>> rows.shape
    (2,)
    """
    log_weights = _log_weights(
        check_scores(scores, budget), budget, confidence, concentration, exponent
    )
    return gumbel_top(log_weights, budget, rng, strata, stratify)


def _log_weights(scores, budget, confidence, concentration, exponent):
    """Log of score times density, finite: float64 (N,)."""
    confidence = np.asarray(confidence, dtype=np.float64)
    if confidence.shape != scores.shape:
        raise ValueError(f"confidence must have shape {scores.shape}; got {confidence.shape}")
    check_finite(confidence, "confidence")
    if confidence.min() < 0 or confidence.max() > 1 + _EDGE:
        raise ValueError(
            f"confidence must be in [0, 1]; got values from {confidence.min()} to "
            f"{confidence.max()}"
        )
    if scores.min() < 0:
        raise ValueError(f"scores must be at least 0 for beta sampling; got {scores.min()}")
    for name, value in {"concentration": concentration, "exponent": exponent}.items():
        if not 0 < value < np.inf:
            raise ValueError(f"{name} must be a float in (0, inf); got {value}")
    anchors = np.argsort(-scores, kind="stable")[:_N_ANCHORS]
    left_out = 1 - budget / len(scores)
    b = concentration * (1 - confidence[anchors].mean()) * (1 - left_out**exponent)
    b = min(max(b, _EDGE), concentration)
    density = beta_distribution.logpdf(confidence.clip(_EDGE, 1 - _EDGE), concentration + 1 - b, b)
    tiny = np.finfo(np.float64).tiny  # keeps rows of score 0 last, yet finite
    return np.log(np.maximum(scores, tiny)) + density
