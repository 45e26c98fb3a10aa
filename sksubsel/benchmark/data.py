"""Data of a comparison: split, made smaller, noisy or long-tailed as asked."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sksubsel._validation import is_count
from sksubsel.datasets import (
    ImageTransform,
    load_caltech256,
    load_cifar10,
    load_cifar100,
    load_digits_images,
    load_fashion_mnist,
    load_imagenet,
    load_tiny_imagenet,
    split_rows,
)
from sksubsel.datasets.files import read_files

__all__ = ["LOADERS", "Data", "check_size", "load_data"]


class Data(NamedTuple):
    """Instances to select from, those to judge by, (X, y) of others held out, and a transform."""

    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    validation: tuple | None
    transform: ImageTransform | None = None


def load_data(
    name, fractions, judge, pool, label_noise, imbalance, seed, size=None,
    path=None, labels=None, target=None, transform=False,
) -> Data:  # fmt: skip
    """Instances as ``[data]`` of :func:`read_config` describes them."""
    check_size(name if path is None else None, size)
    if path is None:
        bunch = LOADERS[name](**({} if size is None else {"size": size}))
    else:
        bunch = _own(path, labels, target, size)
    own = bunch.get("transform") if transform else None
    if transform and own is None:
        raise ValueError(f"[data] transform is of image data sets that have one; {name} has none")
    if own is not None and own.crop_padding and pool > 1:
        raise ValueError(f"[data] pool must be 1 where the transform crops; got {pool}")
    # of image files only the rows that are used are ever decoded
    X, y = bunch["data"], bunch["target"]
    three = isinstance(fractions, (list, tuple)) and len(fractions) == 3
    if not three or not np.isclose(sum(fractions), 1) or min(fractions) < 0:
        raise ValueError(f"[data] fractions must be three that add up to 1; got {fractions}")
    if not 0 <= label_noise < 1:
        raise ValueError(f"[data] label_noise must be in [0, 1); got {label_noise}")
    if imbalance < 1:
        raise ValueError(f"[data] imbalance must be at least 1; got {imbalance}")
    rng = np.random.default_rng(seed)
    train, validation, rest = split_rows(len(y), fractions, random_state=rng)
    X_held_out, y_held_out = X[validation], y[validation]
    held_out: tuple | None = None
    if judge == "validation":
        X_test, y_test = X_held_out, y_held_out
    elif "test_data" in bunch:
        X_test, y_test = np.asarray(bunch["test_data"]), bunch["test_target"]
    else:
        X_test, y_test = X[rest], y[rest]
    if judge == "test" and len(validation):
        held_out = _pool(X_held_out, pool), y_held_out
    X, y = X[train], y[train].copy()
    if imbalance > 1:
        keep = _long_tail(y, imbalance, rng)
        X, y = X[keep], y[keep]
    if label_noise > 0:
        wrong = rng.permutation(len(y))[: round(label_noise * len(y))]
        n_classes = y.max() + 1
        y[wrong] = (y[wrong] + rng.integers(1, n_classes, len(wrong))) % n_classes
    return Data(_pool(X, pool), y, _pool(X_test, pool), y_test, held_out, own)


def _own(path, labels, target, size):
    """A user's files, labels as codes."""
    called = {"data": "[data] path", "labels": "[data] labels", "target": "[data] target"}
    X, y = read_files(path, labels, target, 32 if size is None else size, called)
    if y.dtype.kind == "f":
        raise ValueError(f"[data] path must have labels that are classes; got {y.dtype} in {path}")
    return {"data": X, "target": np.unique(y, return_inverse=True)[1]}


def _long_tail(y, imbalance, rng):
    """Rows of which class c has a share falling geometrically to 1 / imbalance."""
    counts = np.bincount(y)
    share = imbalance ** (-np.arange(len(counts)) / max(1, len(counts) - 1))
    rows = [
        rng.permutation(np.flatnonzero(y == c))[: max(1, round(share[c] * counts[c]))]
        for c in range(len(counts))
    ]
    return np.sort(np.concatenate(rows))


def _pool(X, side):
    if side == 1:
        return X
    if X.ndim != 4:
        raise ValueError(f"[data] pool is of images alone; got instances of shape {X.shape[1:]}")
    n, channels, height, width = X.shape
    if height % side or width % side:
        raise ValueError(f"[data] pool must divide the {height} x {width} pixels; got {side}")
    shape = (n, channels, height // side, side, width // side, side)
    return np.ascontiguousarray(X.reshape(shape).mean(axis=(3, 5)))


LOADERS = {
    "digits": load_digits_images,
    "fashion_mnist": load_fashion_mnist,
    "cifar10": load_cifar10,
    "cifar100": load_cifar100,
    "tiny_imagenet": load_tiny_imagenet,
    "caltech256": load_caltech256,
    "imagenet": load_imagenet,
}
_SIZED = ("tiny_imagenet", "caltech256", "imagenet")


def check_size(name, size):
    """Raise ValueError unless the data set's images can be had in that size; None: own files."""
    if size is None:
        return
    if name is not None and name not in _SIZED:
        raise ValueError(
            f"[data] size is of image files alone, {', '.join(_SIZED)}; got {size!r} for {name}"
        )
    if not is_count(size):
        raise ValueError(f"[data] size must be a positive int; got {size!r}")
