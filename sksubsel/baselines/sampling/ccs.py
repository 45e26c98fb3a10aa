"""Coverage-centric sampling: drop the hardest rows, then take evenly from all scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sksubsel.baselines.sampling._checks import check_scores, members_and_quotas
from sksubsel.samplers.transductive import top

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["ccs"]


def ccs(
    scores: ArrayLike,
    budget: int,
    *,
    rng: int | np.random.Generator | None = None,
    strata: ArrayLike | None = None,
    stratify: str | None = None,
    cutoff: float = 0.3,
    n_strata: int = 50,
) -> np.ndarray:
    """Rows drawn evenly from strata of the scores, without those of the largest scores.

    Zheng et al., *Coverage-centric Coreset Selection for High Pruning Rates*, ICLR 2023,
    Algorithm 1. The ``floor(cutoff N)`` rows of largest score go first (mislabelled and odd
    ones; fewer where the budget needs them; of ties the higher index). What is left is cut into
    `n_strata` bins of equal width from the least to the largest score, and the budget is spread
    over them as evenly as they can fill it: small bins are taken whole. What cannot be shared
    evenly goes to the easiest bins that have rows left. Within a bin rows are drawn uniformly.
    Budgets of one seed are nested but where the cut or the sharing of a remainder differ.

    Best at small budgets, of a tenth and less. The authors tune the cut-off to the share kept
    (CIFAR-10: 0 at half, .1 at 20-30 %, .3 at 10 %). Time O(N log N), memory O(N).

    Parameters
    ----------
    scores : array-like of shape (N,)
        Difficulty: large is hard.
    budget : int
        B in [1, N].
    rng : Generator, int or None, default=None
        Random numbers are drawn for all N rows in order, whatever the other parameters are.
    strata : array-like of shape (N,), int, or None, default=None
        Codes of the classes, from 0.
    stratify : {"proportional", "equal"} or None, default=None
        Quotas of the classes; cut-off and bins are then those of each class.
    cutoff : float, default=0.3
        Share of the hardest rows left out, in [0, 1): beta in the paper.
    n_strata : int, default=50
        Bins of the scores: k in the paper.

    Returns
    -------
    ndarray of shape (B,), int64
        Ascending, distinct.

    Raises
    ------
    ValueError
        If `cutoff` or `n_strata` is out of its range.

    Examples
    --------
    >>> ccs([0.0, 0.1, 0.2, 0.3, 5.0, 9.0], 2, cutoff=0.2, n_strata=2, rng=0).tolist()[1]
    4
    """
    scores = check_scores(scores, budget)
    if not 0 <= cutoff < 1:
        raise ValueError(f"cutoff must be a float in [0, 1); got {cutoff}")
    if n_strata < 1:
        raise ValueError(f"n_strata must be an int in [1, inf); got {n_strata}")
    keys = np.random.default_rng(rng).random(len(scores))
    chosen = []
    for rows, quota in zip(*members_and_quotas(len(scores), budget, strata, stratify)):
        if quota == 0:
            continue
        n_cut = min(int(cutoff * len(rows)), len(rows) - quota)
        rows = np.sort(rows[np.argsort(scores[rows], kind="stable")[: len(rows) - n_cut]])
        bins = _equal_width(scores[rows], n_strata)
        chosen.append(rows[top(keys[rows], int(quota), bins, "equal")])
    return np.sort(np.concatenate(chosen))


def _equal_width(scores, n_bins):
    """Bin of each score, 0..n_bins - 1, of equal widths from the least to the largest."""
    low, high = scores.min(), scores.max()
    if low == high:
        return np.zeros(len(scores), dtype=np.int64)
    with np.errstate(over="ignore"):
        # halves, so that the range of the largest floats does not overflow
        place = (scores / 2 - low / 2) / (high / 2 - low / 2)
    return np.minimum((place * n_bins).astype(np.int64), n_bins - 1)
