"""Finished trainings in a file of JSON lines, by a key of all that determines them."""

from __future__ import annotations

import json
import os
import warnings
from importlib.metadata import version
from pathlib import Path

from sksubsel.subselnet import SubSelNet
from sksubsel.zoo.store import architecture_key, content_key

__all__ = ["DamagedRecordWarning", "append", "read", "record_key", "run_key", "selector_key"]

_NOT_CONTENT = ("verbose", "n_jobs", "memory", "device")
_NOT_RECIPE = ("verbose", "device", "callbacks", "random_state", "architecture", "classes")


class DamagedRecordWarning(UserWarning):
    """A line of a file of records could not be read; its training is done again."""


def read(path) -> dict:
    """Records by key; of an empty or missing file none.

    Raises
    ------
    ValueError
        If the path is a folder.
    """
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"records must be a file; {path} is a folder")
    if not path.exists():
        return {}
    records, damaged = {}, []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        try:
            record = json.loads(line)
            records[record["key"]] = record
        except (ValueError, KeyError, TypeError):  # a run killed in the middle of a line
            damaged.append(number)
    if damaged:
        warnings.warn(
            f"{path}: lines {damaged} are damaged; their trainings are done again",
            DamagedRecordWarning,
            stacklevel=3,
        )
    return records


def append(path, record: dict) -> None:
    """Add one line, whole whatever else is writing to the file."""
    line = (json.dumps(record) + "\n").encode()
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        size = os.lseek(handle, 0, os.SEEK_END)
        if size and os.pread(handle, 1, size - 1) != b"\n":  # after a line cut short
            line = b"\n" + line
        os.write(handle, line)
    finally:
        os.close(handle)


def run_key(zoo, X_test, y_test) -> str:
    """Digest of the data and the recipe, which all records of a run share."""
    params = zoo.estimator_.get_params(deep=False)
    recipe = sorted((name, value) for name, value in params.items() if name not in _NOT_RECIPE)
    return content_key(version("sksubsel"), zoo.X_, zoo.y_, X_test, y_test, recipe)


def selector_key(selector) -> str:
    """Digest of what determines a selector's choices, but for the data, budget and seed.

    Fitted SubSelNets count by their parameters and their zoo, not by the numbers learned, which
    another machine rounds differently.
    """
    kind = f"{type(selector).__module__}.{type(selector).__qualname__}"
    if isinstance(selector, SubSelNet):
        zoo = selector.zoo_
        of_zoo = (
            [architecture_key(arch) for arch in zoo.architectures_],
            zoo.trained_,
            zoo.n_seeds,
            run_key(zoo, None, None),
        )
        return content_key(kind, _content(selector, "zoo"), of_zoo, selector.selector_.seed_)
    if hasattr(selector, "get_params"):
        return content_key(kind, _content(selector, "budget", "random_state", "keep_rows"))
    return content_key(selector)


def record_key(run, selector, arch, budget, seed, soft) -> str:
    """Digest of one training; `soft` is that of who gives soft targets, or None."""
    return content_key(run, selector, architecture_key(arch), budget, seed, soft)


def _content(estimator, *left_out):
    """Parameters that matter, sorted; estimators among them by their class and parameters."""
    content = []
    for name, value in sorted(estimator.get_params(deep=False).items()):
        if name in _NOT_CONTENT or name in left_out:
            continue
        if hasattr(value, "get_params") and not isinstance(value, type):
            value = (f"{type(value).__module__}.{type(value).__qualname__}", _content(value))
        content.append((name, value))
    return content
