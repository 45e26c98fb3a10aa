"""How many instances each class may take, so that small budgets stay balanced."""

from __future__ import annotations

import numpy as np

__all__ = [
    "allocate",
    "as_quotas",
    "head",
    "make_strata",
    "most_of_each",
    "places",
    "rows_of_each",
]


def make_strata(y, task: str = "classification", n_bins: int = 10) -> np.ndarray:
    """Group of each instance: its class, or the quantile bin of its continuous target.

    Time O(N log N), memory O(N).

    Parameters
    ----------
    y : array-like of shape (N,)
        Class labels of any dtype, or continuous targets.
    task : {"classification", "regression"}, default="classification"
    n_bins : int, default=10
        Bins of about equal size for continuous targets. Equal targets share a bin, so there may
        be fewer bins.

    Returns
    -------
    ndarray of shape (N,), int64
        Codes 0..S-1, each used at least once, in the order of the labels.

    Raises
    ------
    ValueError
        If `y` is not one-dimensional, empty or holds NaN, or if `task` or `n_bins` is unknown.
    """
    y = np.asarray(y)
    if y.ndim != 1 or len(y) == 0:
        raise ValueError(f"y must have shape (N,) with N >= 1; got {y.shape}")
    if y.dtype.kind == "f" and np.isnan(y).any():
        raise ValueError("y must not hold NaN")
    if task == "regression":
        if n_bins < 1:
            raise ValueError(f"n_bins must be an int in [1, inf); got {n_bins}")
        edges = np.quantile(y, np.linspace(0, 1, n_bins + 1)[1:-1])
        y = np.searchsorted(edges, y, side="right")
    elif task != "classification":
        raise ValueError(f"task must be 'classification' or 'regression'; got {task!r}")
    return np.unique(y, return_inverse=True)[1].reshape(-1).astype(np.int64)


def allocate(counts, budget: int, stratify: str = "proportional") -> np.ndarray:
    """Quotas of S groups, by largest remainder.

    "proportional" gives group c the share ``B n_c / N``, rounded down; what is left goes to the
    largest remainders. "equal" gives each group ``B / S``, and what a small group cannot fill is
    shared alike among those that still can. Ties go to the group of lower index. Time and memory
    O(S log S).

    Parameters
    ----------
    counts : array-like of shape (S,), int
        Number of instances of each group, N in all. Empty groups get nothing.
    budget : int
        B in [0, N].
    stratify : {"proportional", "equal"}, default="proportional"

    Returns
    -------
    ndarray of shape (S,), int64
        Between 0 and `counts`, with sum exactly B.

    Raises
    ------
    ValueError
        If `counts` are not non-negative integers, `budget` is outside [0, N], or `stratify` is
        unknown.

    Examples
    --------
    >>> allocate([90, 10], 20)
    array([18,  2])
    >>> allocate([90, 5], 20, "equal")
    array([15,  5])
    """
    counts = np.asarray(counts)
    if counts.ndim != 1 or counts.dtype.kind not in "iu" or (counts < 0).any():
        raise ValueError(f"counts must be non-negative integers of shape (S,); got {counts!r}")
    counts = counts.astype(np.int64)
    total = int(counts.sum())
    if not 0 <= budget <= total:
        raise ValueError(f"budget must be an int in [0, {total}]; got {budget}")
    budget = int(budget)
    if stratify == "proportional":
        # in integers, so that equal remainders are equal
        quotas, remainders = np.divmod(budget * counts, max(total, 1))
    elif stratify == "equal":
        quotas = np.minimum(counts, _water_level(counts, budget))
        remainders = (counts > quotas).astype(np.int64)
    else:
        raise ValueError(f"stratify must be 'proportional' or 'equal'; got {stratify!r}")
    first = np.argsort(-remainders, kind="stable")[: budget - int(quotas.sum())]
    quotas[first] += 1
    return quotas


def as_quotas(quotas, counts, budget: int, stratify: str = "proportional") -> np.ndarray:
    """Quotas of S groups that are given, checked; for None, those that `allocate` gives.

    Raises
    ------
    ValueError
        If they are not integers between 0 and `counts` with sum `budget`; and as `allocate`.
    """
    if quotas is None:
        return allocate(counts, budget, stratify)
    quotas = np.asarray(quotas)
    if quotas.shape != counts.shape or quotas.dtype.kind not in "iu":
        raise ValueError(f"quotas must be integers of shape ({len(counts)},); got {quotas!r}")
    if (quotas < 0).any() or (quotas > counts).any() or quotas.sum() != budget:
        raise ValueError(
            f"quotas must be between 0 and the groups' counts {counts}, with sum {budget}; got "
            f"{quotas}"
        )
    return quotas.astype(np.int64)


def rows_of_each(strata) -> list[np.ndarray]:
    """Rows of each group 0..S-1 of codes (N,), ascending: S int64 arrays. Time O(N log N)."""
    return np.split(np.argsort(strata, kind="stable"), np.cumsum(np.bincount(strata))[:-1])


def places(groups) -> np.ndarray:
    """Place of each item among those of its group, from 0, in the order given: int64 (N,).

    Time O(N log N), memory O(N).

    Examples
    --------
    >>> places([2, 0, 2, 2, 0])
    array([0, 0, 1, 2, 1])
    """
    groups = np.asarray(groups)
    order = np.argsort(groups, kind="stable")
    counts = np.bincount(groups)
    out = np.empty(len(groups), dtype=np.int64)
    out[order] = np.arange(len(groups)) - np.repeat(np.cumsum(counts) - counts, counts)
    return out


def head(groups, quotas, budget: int) -> np.ndarray:
    """Positions of `budget` items of an order, each group up to its quota; then others fill up.

    Parameters
    ----------
    groups : int ndarray of shape (N,)
        Of the items, best first.
    quotas : int ndarray of shape (S,)
        With sum `budget`; a group may have fewer items.
    budget : int

    Returns
    -------
    int64 ndarray of shape (B,)
    """
    return np.argsort(places(groups) >= quotas[groups], kind="stable")[:budget]


def most_of_each(counts, budget: int, stratify: str = "proportional") -> np.ndarray:
    """The most items that a budget of at most B can ask of each group: int64 (S,).

    By largest remainder a smaller budget can give a group one item more than a larger one.
    """
    return np.minimum(allocate(counts, budget, stratify) + 1, counts)


def _water_level(counts, budget):
    """Largest integer L with sum_c min(n_c, L) <= B."""
    n_groups = len(counts)
    ascending = np.sort(counts)
    filled = np.cumsum(ascending) - ascending  # by the smaller groups, if all of these are full
    levels = (budget - filled) // np.arange(n_groups, 0, -1)  # if group c is the first not full
    not_full = np.flatnonzero(levels < ascending)
    return int(levels[not_full[0]]) if len(not_full) else (int(ascending[-1]) if n_groups else 0)
