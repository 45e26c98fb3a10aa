"""The plain samplers: one end of the scores, their middle, or a draw in proportion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sksubsel.baselines.sampling._checks import check_scores, largest_of, members_and_quotas
from sksubsel.samplers.transductive import gumbel_top
from sksubsel.samplers.transductive import top as _top

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["bottom", "gumbel", "moderate", "top"]


def top(
    scores: ArrayLike,
    budget: int,
    *,
    rng: Any = None,
    strata: ArrayLike | None = None,
    stratify: str | None = None,
) -> np.ndarray:
    """Rows of the largest scores, ties to the lower index.

    Of hard instances at small budgets this is far worse than a random choice: they are outliers,
    or mislabelled, and near each other. Time O(N), with quotas O(N log N); memory O(N).

    Parameters
    ----------
    scores : array-like of shape (N,)
        Finite.
    budget : int
        B in [1, N].
    rng : ignored
    strata : array-like of shape (N,), int, or None, default=None
        Codes of the classes, from 0.
    stratify : {"proportional", "equal"} or None, default=None
        Quotas of the classes, see :func:`~sksubsel.samplers.quotas.allocate`.

    Returns
    -------
    ndarray of shape (B,), int64
        Ascending, distinct.

    Examples
    --------
    >>> top([3.0, 1.0, 2.0, 3.0], 2)
    array([0, 3])
    >>> top([3.0, 1.0, 2.0, 3.0], 2, strata=[0, 1, 1, 0], stratify="equal")
    array([0, 2])
    """
    return _top(check_scores(scores, budget), budget, strata, stratify)


def bottom(
    scores: ArrayLike,
    budget: int,
    *,
    rng: Any = None,
    strata: ArrayLike | None = None,
    stratify: str | None = None,
) -> np.ndarray:
    """Rows of the smallest scores, ties to the lower index.

    Parameters
    ----------
    scores : array-like of shape (N,)
        Finite.
    budget : int
        B in [1, N].
    rng : ignored
    strata, stratify : array-like of shape (N,) or None, str or None, default=None
        As in :func:`top`.

    Returns
    -------
    ndarray of shape (B,), int64
        Ascending, distinct.

    Examples
    --------
    >>> bottom([3.0, 1.0, 2.0, 3.0], 2)
    array([1, 2])
    """
    return _top(-check_scores(scores, budget), budget, strata, stratify)


def gumbel(
    scores: ArrayLike,
    budget: int,
    *,
    rng: int | np.random.Generator | None = None,
    strata: ArrayLike | None = None,
    stratify: str | None = None,
    temperature: float = 1.0,
) -> np.ndarray:
    """A draw without replacement, next rows in proportion to ``exp(score / temperature)``.

    By Gumbel-top-B: see :func:`~sksubsel.samplers.transductive.gumbel_top`. Noise is drawn for
    all rows, so that with one seed a larger budget contains a smaller one. Time O(N), memory O(N).

    Parameters
    ----------
    scores, budget, strata, stratify
        As in :func:`top`.
    rng : Generator, int or None, default=None
    temperature : float, default=1.0
        In (0, inf): small ones approach :func:`top`, large ones a uniform draw.

    Returns
    -------
    ndarray of shape (B,), int64
        Ascending, distinct.

    Examples
    --------
    >>> gumbel([3.0, 1.0, 2.0, 3.0], 2, temperature=1e-3, rng=0)  # nearly the top
    array([0, 3])
    """
    if not 0 < temperature < np.inf:
        raise ValueError(f"temperature must be a float in (0, inf); got {temperature}")
    return gumbel_top(check_scores(scores, budget) / temperature, budget, rng, strata, stratify)


def moderate(
    scores: ArrayLike,
    budget: int,
    *,
    rng: Any = None,
    strata: ArrayLike | None = None,
    stratify: str | None = None,
) -> np.ndarray:
    """Rows with scores closest to the median, ties to the lower index.

    Xia et al., *Moderate Coreset: A Universal Method of Data Selection for Real-World
    Data-Efficient Deep Learning*, ICLR 2023, where the score is the distance to the class's
    centre. With quotas the median is that of each class. Time O(N log N), memory O(N).

    Parameters
    ----------
    scores, budget, rng, strata, stratify
        As in :func:`top`.

    Returns
    -------
    ndarray of shape (B,), int64
        Ascending, distinct.

    Examples
    --------
    >>> moderate([0.0, 5.0, 4.0, 6.0, 100.0], 3)
    array([1, 2, 3])
    """
    scores = check_scores(scores, budget)
    chosen = [
        largest_of(-np.abs(scores[rows] - np.median(scores[rows])), rows, quota)
        for rows, quota in zip(*members_and_quotas(len(scores), budget, strata, stratify))
        if quota
    ]
    return np.sort(np.concatenate(chosen))
