"""What a selection is judged by: accuracy lost, time and memory saved, agreement, amortised cost.

The measures of Jain et al., *Efficient Data Subset Selection to Generalize Training Across
Models: Transductive and Inductive Networks*, NeurIPS 2023 ("the paper" below), as functions of
arrays. Arguments of several measurements broadcast against each other.
"""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = [
    "amortized_cost",
    "gb_minutes",
    "jaccard",
    "kendall_tau",
    "relative_accuracy_reduction",
    "speedup",
]


def relative_accuracy_reduction(
    subset_accuracy: ArrayLike, full_accuracy: ArrayLike
) -> float | np.ndarray:
    """Relative accuracy reduction, RAR = 1 - acc(S) / acc(full); lower is better.

    Negative where training on the subset did better than on everything. Source: the paper,
    section 5.1.

    Parameters
    ----------
    subset_accuracy : array-like
        Test accuracy after training on the subset, in [0, 1].
    full_accuracy : array-like
        Test accuracy after training on all instances, in (0, 1].

    Returns
    -------
    float or float64 ndarray of the broadcast shape

    Raises
    ------
    ValueError
        If an accuracy is out of range or NaN.

    Examples
    --------
    >>> relative_accuracy_reduction([0.72, 0.9], 0.9).round(3)
    array([0.2, 0. ])
    """
    subset = _check_range(subset_accuracy, "subset_accuracy", low=0.0, high=1.0)
    full = _check_range(full_accuracy, "full_accuracy", low=0.0, high=1.0, open_low=True)
    return _scalar(1.0 - subset / full)


def speedup(
    full_time: ArrayLike, training_time: ArrayLike, selection_time: ArrayLike = 0.0
) -> float | np.ndarray:
    """Speed-up = T_full / (T_selection + T_training); higher is better.

    The time for the selection counts: leave it out only for a method that has none. Source: the
    paper, section 5.1.

    Parameters
    ----------
    full_time : array-like
        Time to train on all instances, > 0.
    training_time : array-like
        Time to train on the subset, > 0, in the same unit.
    selection_time : array-like, default=0.0
        Time to select it, >= 0.

    Returns
    -------
    float or float64 ndarray of the broadcast shape

    Raises
    ------
    ValueError
        If a time is out of range or NaN.

    Examples
    --------
    >>> speedup(100.0, 8.0, 2.0)
    10.0
    """
    full = _check_range(full_time, "full_time", low=0.0, open_low=True)
    training = _check_range(training_time, "training_time", low=0.0, open_low=True)
    selection = _check_range(selection_time, "selection_time", low=0.0)
    return _scalar(full / (selection + training))


def gb_minutes(memory: ArrayLike, times: ArrayLike) -> float | np.ndarray:
    """Memory held over time, in GB-min: the integral of memory by the trapezoidal rule.

    Source: the paper, section 5.1.

    Parameters
    ----------
    memory : array-like of shape (..., T)
        Bytes in use at each time, >= 0.
    times : array-like of shape (T,)
        Times of the measurements in seconds, not decreasing.

    Returns
    -------
    float or float64 ndarray of shape (...)
        In units of 10^9 bytes x 60 s. A single measurement holds nothing: 0.

    Raises
    ------
    ValueError
        If shapes do not fit, memory is negative or times go back.

    Examples
    --------
    >>> gb_minutes([1e9, 3e9], [0, 60])
    2.0
    """
    memory = _check_range(memory, "memory", low=0.0)
    times = _check_range(times, "times")
    if times.ndim != 1 or memory.ndim < 1 or memory.shape[-1] != len(times):
        raise ValueError(
            "memory must have shape (..., T) and times shape (T,); "
            f"got {memory.shape} and {times.shape}"
        )
    steps = np.diff(times)
    if (steps < 0).any():
        at = int(np.argmax(steps < 0))
        raise ValueError(f"times must not decrease; got {times[at + 1]} after {times[at]}")
    means = 0.5 * (memory[..., 1:] + memory[..., :-1])
    return _scalar(means @ steps / (1e9 * 60.0))


def kendall_tau(first: ArrayLike, second: ArrayLike) -> float:
    """Kendall's rank correlation of two scorings of the same items, tau-b.

    1 for the same order, -1 for the reverse; ties are corrected for, so that architectures of
    equal accuracy cost nothing. Source: the paper, appendix E.4; Kendall, *The treatment of ties
    in ranking problems*, Biometrika 1945.

    Parameters
    ----------
    first, second : array-like of shape (A,)
        For example the accuracies of A architectures trained on subsets and on everything.

    Returns
    -------
    float
        In [-1, 1]; NaN if all values of one side are equal, since then there is no order.

    Raises
    ------
    ValueError
        If shapes differ, there are fewer than two items, or values are not finite.

    Notes
    -----
    Time O(A log A).

    Examples
    --------
    >>> round(kendall_tau([1, 2, 3], [1, 3, 2]), 3)
    0.333
    """
    first, second = _check_paired(first, second, least=2)
    if (first == first[0]).all() or (second == second[0]).all():
        return float("nan")
    from scipy.stats import kendalltau

    return float(kendalltau(first, second).statistic)


def jaccard(first: ArrayLike, second: ArrayLike, *, k: int | None = None) -> float | np.ndarray:
    """Jaccard coefficient, ``|intersection| / |union|``, of two selections or of two top-k sets.

    Source: the paper, appendix E.4 (top-k architectures) and E.5 (selected instances).

    Parameters
    ----------
    first, second : array-like of shape (..., B) and (..., B')
        Indices without repeats, any order; leading axes broadcast, so that
        ``jaccard(rows[:, None], rows)`` compares all pairs of (A, B) selections. With `k`:
        scores of shape (A,), of which the k highest make the sets (ties go to the lower index).
    k : int, default=None
        Compare the top-k of two scorings.

    Returns
    -------
    float or float64 ndarray of the broadcast leading shape, in [0, 1]

    Raises
    ------
    TypeError
        If indices are not integers.
    ValueError
        If a selection is empty or repeats an index, or `k` is out of range.

    Notes
    -----
    Time O(B log B) for each pair.

    Examples
    --------
    >>> jaccard([1, 2, 3], [2, 3, 4])
    0.5
    >>> jaccard([0.9, 0.8, 0.1], [0.7, 0.2, 0.4], k=2)
    0.3333333333333333
    """
    if k is not None:
        first, second = _check_paired(first, second, least=1)
        if isinstance(k, bool) or not isinstance(k, Integral) or not 1 <= k <= len(first):
            raise ValueError(f"k must be an int in [1, {len(first)}]; got {k!r}")
        first, second = (np.argsort(-scores, kind="stable")[:k] for scores in (first, second))
    first, second = _check_selection(first, "first"), _check_selection(second, "second")
    leading = np.broadcast_shapes(first.shape[:-1], second.shape[:-1])
    both = np.concatenate(
        [np.broadcast_to(rows, leading + rows.shape[-1:]) for rows in (first, second)], axis=-1
    )
    both.sort(axis=-1)
    common = (both[..., 1:] == both[..., :-1]).sum(axis=-1)  # an index occurs at most twice
    return _scalar(common / (both.shape[-1] - common))


def amortized_cost(setup_time: ArrayLike, times: ArrayLike) -> np.ndarray:
    """Total time since the start of the pipeline for each architecture served so far.

    The k-th value is (setup_time + times[0] + ... + times[k-1]) / k. Source: the paper,
    section 5.2 (Amortization Analysis).

    Parameters
    ----------
    setup_time : array-like of shape (...)
        Time spent once, before the first architecture: the zoo and the three parts; >= 0.
    times : array-like of shape (..., A)
        Time for selecting and training for each architecture, in order of service; >= 0.

    Returns
    -------
    float64 ndarray of shape (..., A)

    Raises
    ------
    ValueError
        If a time is negative or NaN, or `times` is empty.

    Examples
    --------
    >>> amortized_cost(12.0, [1.0, 1.0, 1.0])
    array([13.,  7.,  5.])
    """
    setup = _check_range(setup_time, "setup_time", low=0.0)
    times = _check_range(times, "times", low=0.0)
    if times.ndim < 1:
        raise ValueError("times must have shape (..., A); got a single number")
    served = np.arange(1, times.shape[-1] + 1)
    return (setup[..., None] + np.cumsum(times, axis=-1)) / served


def _scalar(result):
    """A float for a single value, else the array."""
    return float(result) if np.ndim(result) == 0 else result


def _check_range(values, name, *, low=-np.inf, high=np.inf, open_low=False) -> np.ndarray:
    """Values as float64; ValueError naming the first that is not finite or out of range."""
    values = np.asarray(values, dtype=np.float64)
    if values.size == 0:
        raise ValueError(f"{name} must not be empty")
    good = np.isfinite(values) & (values <= high) & (values > low if open_low else values >= low)
    if not good.all():
        left = "(" if open_low or low == -np.inf else "["
        right = ")" if high == np.inf else "]"
        first = values[~good].flat[0]
        raise ValueError(f"{name} must be in {left}{low:g}, {high:g}{right}; got {first}")
    return values


def _check_paired(first, second, *, least) -> tuple[np.ndarray, np.ndarray]:
    first, second = _check_range(first, "first"), _check_range(second, "second")
    if first.ndim != 1 or first.shape != second.shape or len(first) < least:
        raise ValueError(
            f"first and second must both have shape (A,) with A >= {least}; "
            f"got {first.shape} and {second.shape}"
        )
    return first, second


def _check_selection(rows, name) -> np.ndarray:
    rows = np.asarray(rows)
    if rows.ndim < 1 or rows.shape[-1] == 0:
        raise ValueError(f"{name} must have shape (..., B) with B >= 1; got {rows.shape}")
    if rows.dtype.kind not in "iu":
        raise TypeError(f"{name} must hold integer indices; got dtype {rows.dtype}")
    ordered = np.sort(rows, axis=-1)
    repeated = ordered[..., 1:][ordered[..., 1:] == ordered[..., :-1]]
    if repeated.size:
        raise ValueError(f"{name} must not repeat an index; got {repeated[0]} twice")
    return rows
