"""Checks shared by every estimator; an error names the parameter, its range and what was given."""

from __future__ import annotations

import numbers
import sys
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import type_of_target

_Method = TypeVar("_Method", bound=Callable)


def fit_context(*, prefer_skip_nested_validation: bool) -> Callable[[_Method], _Method]:
    """scikit-learn's `_fit_context`; to type checkers a method keeps its signature."""
    return _fit_context(prefer_skip_nested_validation=prefer_skip_nested_validation)


def available_where(check: Callable) -> Callable[[_Method], _Method]:
    """scikit-learn's `available_if`; to type checkers a method keeps its signature."""
    return available_if(check)


def check_budget(budget, n_samples: int) -> int:
    """Number of instances that ``budget`` asks for.

    Parameters
    ----------
    budget : int or float
        An int is a count in [1, n_samples], a float a fraction in (0, 1].
    n_samples : int
        Number of instances to choose from, N.

    Returns
    -------
    int
        B, at least 1 and at most N. A fraction is rounded to the nearest count.

    Raises
    ------
    TypeError
        If `budget` is not a number.
    ValueError
        If `budget` is outside its range.
    """
    rule = f"budget must be an int in [1, n_samples={n_samples}] or a float in (0, 1]"
    if isinstance(budget, (bool, np.bool_)) or not isinstance(budget, numbers.Real):
        raise TypeError(f"{rule}; got {budget!r}")
    if isinstance(budget, numbers.Integral):
        if not 1 <= budget <= n_samples:
            raise ValueError(f"{rule}; got {budget}")
        return int(budget)
    if not 0.0 < budget <= 1.0:
        raise ValueError(f"{rule}; got {budget}")
    return max(1, round(float(budget) * n_samples))


def check_device(device) -> str:
    """Name of a torch device that exists on this machine.

    Raises
    ------
    ValueError
        If `device` is no device name, or one that torch cannot use on this machine.
    """
    import torch

    try:
        parsed = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"device must be a torch device such as 'cpu', 'cuda' or 'cuda:0'; got {device!r}"
        ) from error
    if parsed.type == "cuda":
        if not torch.cuda.is_available():
            raise ValueError(
                f"device={device!r} was asked for, but torch sees no CUDA device here; "
                "use device='cpu' or install a CUDA build of torch"
            )
        if parsed.index is not None and parsed.index >= torch.cuda.device_count():
            raise ValueError(
                f"device={device!r} was asked for, but there are only "
                f"{torch.cuda.device_count()} CUDA device(s)"
            )
    elif parsed.type != "cpu":
        try:
            torch.zeros(1, device=parsed).cpu()  # "meta" has no values
        except Exception as error:  # another kind for each kind of device
            raise ValueError(
                f"device={device!r} was asked for, but torch cannot compute there on this machine; "
                "use device='cpu' or install a build of torch for it"
            ) from error
    return str(parsed)


def check_finite(array: np.ndarray, name: str, kind: str = "") -> None:
    """Raise ValueError if `array` holds NaN or infinity, naming the first place.

    `kind` says in the message what it is finite as.

    A float sum is a cheap first pass: it is finite whenever every entry is (no copy is made).
    """
    if array.dtype.kind != "f" or array.size == 0:
        return
    with np.errstate(over="ignore", invalid="ignore"):
        total = array.sum(dtype=np.float64)
    if np.isfinite(total):
        return
    flat = array.reshape(len(array), -1)
    for start in range(0, len(flat), 4096):
        bad = ~np.isfinite(flat[start : start + 4096])
        if bad.any():
            row, column = np.argwhere(bad)[0]
            value = flat[start + row, column]
            raise ValueError(
                f"{name} must be finite{kind}; got {value} in row {start + row} (of {len(array)})"
            )


def check_labels(y: np.ndarray, name: str = "y") -> None:
    """Raise ValueError if labels are missing, infinite, or of kinds that have no order.

    Of an object array that takes a look at each label.
    """
    check_finite(y, name)
    if y.dtype.kind in "mM" and np.isnat(y).any():
        raise ValueError(
            f"{name} must have a label in each row; got NaT in row {int(np.isnat(y).argmax())}"
        )
    if y.dtype.kind != "O" or y.size == 0:
        return
    missing = np.frompyfunc(_is_missing, 1, 1)(y).astype(bool)
    if missing.any():
        row = int(missing.argmax())
        raise ValueError(f"{name} must have a label in each row; got {y[row]} in row {row}")
    one_of_each = list({type(label): label for label in y}.values())
    try:
        sorted(one_of_each)
    except TypeError:
        raise ValueError(
            f"{name} must hold labels of one kind, or such as have an order; got {one_of_each}"
        ) from None


def plain_labels(y: np.ndarray, name: str = "y") -> np.ndarray:
    """Labels that pass `check_labels`; an object array of numbers becomes one of their dtype."""
    check_labels(y, name)
    if y.dtype.kind != "O" or not all(isinstance(label, numbers.Real) for label in y):
        return y
    y = np.array(y.tolist())
    check_finite(y, name)
    return y


def _is_missing(label) -> bool:
    if label is None:
        return True
    try:
        return bool(label != label)  # NaN, NaT
    except (TypeError, ValueError):  # pandas.NA is neither
        return True


def check_probabilities(proba: np.ndarray, name: str) -> None:
    """Raise ValueError unless the last axis of a finite array is of probabilities.

    Sums are allowed to be off by 0.05: those of many classes in float16 are by some thousandths.
    """
    if proba.size == 0:
        return
    if proba.min() < 0:
        raise ValueError(f"{name} must be probabilities, at least 0; got {proba.min():.4g}")
    totals = proba.sum(axis=-1, dtype=np.float32)
    if np.abs(totals - 1).max() > 0.05:
        raise ValueError(
            f"{name} must be probabilities, which sum to 1 over the classes; got sums from "
            f"{totals.min():.4g} to {totals.max():.4g}"
        )


def check_trained(zoo) -> None:
    """Raise ValueError unless a zoo holds a trained architecture."""
    if len(zoo.trained_) == 0:
        raise ValueError("zoo must hold at least one trained architecture; got none")


def check_X(X, name: str = "X") -> np.ndarray:
    """Instances as an array of shape (N, F) or (N, channels, height, width), not copied if numeric.

    Raises
    ------
    ValueError
        If the array is empty, has fewer than two axes, is not numeric, or holds NaN or infinity.
    """
    X = np.asarray(X)
    if X.ndim < 2:
        raise ValueError(
            f"{name} must have shape (N, F) or (N, channels, height, width); got {X.shape}"
        )
    if X.dtype.kind not in "fiub":
        try:
            X = X.astype(np.float32)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{name} must be numeric; got dtype {X.dtype}") from error
    if X.size == 0:
        raise ValueError(f"{name} must not be empty; got shape {X.shape}")
    check_finite(X, name)
    return X


def check_instances(X, y, *, min_class_count: int = 2) -> tuple[np.ndarray, np.ndarray, str, Any]:
    """Instances and labels, checked together.

    Parameters
    ----------
    X : array-like of shape (N, F) or (N, channels, height, width)
    y : array-like of shape (N,)
        Class labels of any dtype, or continuous targets (floats that are not all whole).
    min_class_count : int, default=2
        Least number of instances of each class.

    Returns
    -------
    X : ndarray
    y : ndarray of shape (N,)
        int64 codes of the classes, or float32 targets.
    task : {"classification", "regression"}
    classes : ndarray of shape (C,) or None
        The labels that the codes stand for; None for regression.

    Raises
    ------
    ValueError
        If lengths differ, values are not finite, y is of one class, or a class is too small.
    """
    X = check_X(X)
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise ValueError(f"y must have shape (N,); got {y.shape}")
    if len(X) != len(y):
        raise ValueError(
            f"X and y must have the same number of instances; got X of shape {X.shape} "
            f"and y of shape {y.shape}"
        )
    y = plain_labels(y)
    if is_continuous(y):
        return X, float_targets(y), "regression", None
    classes, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    if len(classes) < 2:
        raise ValueError(f"y must hold at least two classes; got only {classes.tolist()}")
    if counts.min() < min_class_count:
        rare = classes.tolist()[counts.argmin()]
        raise ValueError(
            f"each class needs at least {min_class_count} instances; "
            f"class {rare!r} has {counts.min()}"
        )
    return X, codes.astype(np.int64), "classification", classes


def is_continuous(y: np.ndarray) -> bool:
    """Whether targets are floats that are not all whole."""
    with np.errstate(invalid="ignore"):  # scikit-learn casts floats beyond int64
        return type_of_target(y, input_name="y") == "continuous"


def float_targets(y, name: str = "y") -> np.ndarray:
    """Continuous targets as float32; ValueError where one is beyond it."""
    with np.errstate(over="ignore"):  # said by an error that names the row
        y = y.astype(np.float32)
    check_finite(y, name, " as float32")
    return y


def is_count(value) -> bool:
    """Whether `value` is a positive int."""
    return not isinstance(value, bool) and isinstance(value, numbers.Integral) and value > 0


def check_positive(**counts) -> None:
    """Raise ValueError unless all are positive ints; the message names the first that is not."""
    for name, value in counts.items():
        if not is_count(value):
            raise ValueError(f"{name} must be a positive int; got {value!r}")


def check_images(in_shape, network, least, reason) -> tuple[int, int, int]:
    """Channels, height and width of images that are large enough.

    Raises
    ------
    ValueError
        If `in_shape` is no image's, or has fewer than `least` pixels a side; `network` and
        `reason` go into the message.
    """
    in_shape = tuple(in_shape)
    if len(in_shape) != 3 or min(in_shape) < 1:
        raise ValueError(
            f"a {network} network takes images, in_shape=(channels, height, width); got "
            f"in_shape={in_shape} (pass build= for instances of another form, or add the channel "
            "axis of grey images: X[:, None])"
        )
    if min(in_shape[1:]) < least:
        raise ValueError(
            f"images must have at least {least} pixels a side{reason}; got in_shape={in_shape}"
        )
    return in_shape


def warn_caller(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn of what the line outside of this package and scikit-learn's wrappers has done."""
    level, frame = 1, sys._getframe()
    while frame.f_back and frame.f_globals.get("__name__", "").split(".")[0] in _OWN:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


_OWN = ("sksubsel", "sklearn")


def label_codes(y, classes):
    """Places of labels (n,) among sorted classes, int64 (n,), and labels that are none of them."""
    try:
        codes = np.searchsorted(classes, y).clip(max=len(classes) - 1)
    except TypeError:  # of another kind, which has no order with the classes
        return np.zeros(len(y), dtype=np.int64), np.unique(y)
    # as objects: NumPy 1 compares no numbers with strings
    known = classes[codes].astype(object) == y.astype(object)
    return codes, np.unique(y[~known])
