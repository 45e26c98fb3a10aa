"""Rows of a data set split into parts at random."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def split_rows(
    y: Any,
    fractions: ArrayLike = (0.7, 0.1, 0.2),
    *,
    stratify: bool = False,
    random_state: int | np.random.Generator | None = None,
) -> list[np.ndarray]:
    """Rows for training, validation and test: the paper's 70:10:20 by default.

    Parameters
    ----------
    y : array-like of shape (N,), or int
        Labels, or N where nothing is stratified.
    fractions : sequence of float, default=(0.7, 0.1, 0.2)
        Of the rows, in each part; they add up to one.
    stratify : bool, default=False
        Split each class by itself, so that every part has the classes' shares.
    random_state : int, numpy.random.Generator or None, default=None

    Returns
    -------
    list of int64 ndarrays
        As many as `fractions`, without a row in common, each in random order.

    Raises
    ------
    ValueError
        If the fractions are negative or do not add up to one.

    Examples
    --------
    >>> from sksubsel.datasets import split_rows
    >>> [len(rows) for rows in split_rows(1000, random_state=0)]
    [700, 100, 200]
    """
    fractions = np.asarray(fractions, dtype=float)
    if fractions.ndim != 1 or not np.isclose(fractions.sum(), 1) or fractions.min() < 0:
        raise ValueError(f"fractions must be at least 0 and add up to 1; got {fractions.tolist()}")
    rng = np.random.default_rng(random_state)
    ends = np.cumsum(fractions)[:-1]
    if not stratify:
        n_rows = int(y) if isinstance(y, Integral) else len(y)
        return np.split(rng.permutation(n_rows), np.round(ends * n_rows).astype(int))
    if isinstance(y, Integral):
        raise ValueError(f"y must hold the labels to stratify by; got {y}")
    _, codes, counts = np.unique(np.asarray(y), return_inverse=True, return_counts=True)
    order = rng.permutation(len(codes))
    grouped = order[np.argsort(codes[order], kind="stable")]  # by class, in random order
    within = np.arange(len(codes)) - np.repeat(np.cumsum(counts) - counts, counts)
    class_ends = np.round(ends[:, None] * counts).astype(int)  # (parts - 1, C)
    part = np.empty(len(codes), dtype=int)
    part[grouped] = (within >= class_ends[:, codes[grouped]]).sum(axis=0)
    return [order[part[order] == k] for k in range(len(fractions))]
