"""Finished trainings in a file of JSON lines, by a key of all that determines them."""

from __future__ import annotations

import functools
import json
import math
import os
import types
import warnings
import weakref
from pathlib import Path

import numpy as np
from sklearn.frozen import FrozenEstimator

from sksubsel._digest import digest_of, stable
from sksubsel._version import __version__
from sksubsel.benchmark.turns import InTurns
from sksubsel.subselnet import SubSelNet
from sksubsel.zoo.store import architecture_key, recipe_settings

__all__ = [
    "DamagedRecordWarning",
    "append",
    "data_key",
    "place",
    "read",
    "recipe_key",
    "recipe_of",
    "record_key",
    "run_key",
    "selector_key",
    "validation_key",
    "zoo_of",
]

_NOT_CONTENT = ("verbose", "n_jobs", "memory", "device")
_DESIGN = 2  # raised when a net's design comes to choose otherwise from the same parameters
_TURNS = 2  # raised when trainings on subsets in turns come to differ
_NOT_RECIPE = ("verbose", "device", "random_state", "architecture", "classes")


_DATA_KEYS: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()  # by zoo, whose data stay


class DamagedRecordWarning(UserWarning):
    """A line of a file of records could not be read; its training is done again."""


def read(path) -> list[dict]:
    """Records in the order written; of an empty or missing file none.

    Raises
    ------
    ValueError
        If the path is a folder.
    """
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"records must be a file; {path} is a folder")
    if not path.exists():
        return []
    found, damaged = [], []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        try:
            record = json.loads(line)
            record["key"], record["run"], record["method"]
        except (ValueError, KeyError, TypeError):  # a run killed in the middle of a line
            damaged.append(number)
            continue
        found.append({k: math.nan if value is None else value for k, value in record.items()})
    if damaged:
        warnings.warn(
            f"{path}: lines {damaged} are damaged; their trainings are done again",
            DamagedRecordWarning,
            stacklevel=3,
        )
    return found


def place(path) -> Path:
    """Where a file of records is, whatever the working directory of who writes; its folder made."""
    path = Path(path).absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def append(path, record: dict) -> None:
    """Add one line, whole whatever else is writing to the file; NaN becomes null."""
    plain = {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in record.items()}
    line = (json.dumps(plain, allow_nan=False) + "\n").encode()
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        size = os.lseek(handle, 0, os.SEEK_END)
        if size and os.pread(handle, 1, size - 1) != b"\n":  # after a line cut short
            line = b"\n" + line
        os.write(handle, line)
    finally:
        os.close(handle)


def data_key(zoo) -> str:
    """Digest of a zoo's instances and labels."""
    if zoo not in _DATA_KEYS:
        _DATA_KEYS[zoo] = digest_of((zoo.X_, zoo.y_))
    return _DATA_KEYS[zoo]


def recipe_key(zoo, X_test, y_test) -> str:
    """Digest of the version, the data and the recipe."""
    recipe = recipe_of(zoo.estimator_)
    return digest_of((__version__, data_key(zoo), X_test, y_test, recipe))


def recipe_of(estimator) -> list:
    """What stands for a recipe in a digest: pairs (name, value) of the parameters that matter."""
    settings = recipe_settings(estimator, _NOT_RECIPE)
    return [(name, _plain(value)) for name, value in settings]


def validation_key(validation) -> str:
    """Digest of a pair (X, y); of None, an empty one."""
    return "" if validation is None else digest_of(tuple(validation))


def run_key(zoo, archs, X_test, y_test, validation=None) -> str:
    """Digest of what is the same for all rows of a table: also the zoo and the architectures."""
    keys = [architecture_key(arch) for arch in archs]
    # those to train, whether or not they were: with no SubSelNet to run a zoo has none trained
    chosen = np.union1d(zoo.trained_, np.array(list(zoo.errors_), dtype=np.int64))
    same = recipe_key(zoo, X_test, y_test), _zoo(zoo, chosen), keys
    return digest_of(same if validation is None else (*same, validation_key(validation)))


def selector_key(selector) -> str:
    """Digest of what determines a selector's choices, but for the data, budget and seed.

    A fitted SubSelNet counts by its parameters, seeds and zoo, not by the numbers learned, which
    another machine rounds differently, but for whether a second judge counts in its designs; a
    function by its code, its defaults and what it closes over, not by what it calls.

    Raises
    ------
    ValueError
        If there is something in it that can be told from nothing else.
    """
    if isinstance(selector, SubSelNet):
        parts = selector.encoder_, selector.approximator_, selector.selector_
        known = ([_plain(part) for part in parts], _zoo(zoo_of(selector, "a SubSelNet")))
        by_design = getattr(selector.selector_, "diversity", None) == "design"
        design = (_DESIGN, *selector.selector_._second_opinion) if by_design else ()
        mean = ("mean",) if selector.on_novel == "mean" else ()
        return digest_of((*known, *design, *mean))
    if hasattr(selector, "get_params") and not isinstance(selector, type):
        left_out = ("budget", "random_state", "keep_rows")
        turns = (_TURNS,) if isinstance(selector, InTurns) else ()
        return digest_of((_kind(selector), _params(selector, *left_out), *turns))
    return digest_of(_plain(selector))


def zoo_of(net, where):
    """The zoo of a fitted SubSelNet.

    Raises
    ------
    ValueError
        If it was saved without it.
    """
    if not hasattr(net, "zoo_"):
        raise ValueError(
            f"{where} must have its zoo, which says what it was fitted on; got one that was saved "
            "without it (net.save(folder, include_zoo=True) writes it too)"
        )
    return net.zoo_


def record_key(recipe, selector, arch, budget, seed, soft) -> str:
    """Digest of one training; `soft` is that of who gives soft targets, or None."""
    return digest_of((recipe, selector, architecture_key(arch), budget, seed, soft))


def _zoo(zoo, trained=None):
    archs = [architecture_key(arch) for arch in zoo.architectures_]
    trained = zoo.trained_ if trained is None else trained
    known = archs, trained, zoo.n_seeds, zoo._seed, recipe_key(zoo, None, None)
    appended = getattr(zoo, "_appended", None)
    return known if appended is None else (*known, appended)


def _params(estimator, *left_out):
    """Parameters that matter, sorted."""
    settings = recipe_settings(estimator, (*_NOT_CONTENT, *left_out))
    return [(name, _plain(value)) for name, value in settings]


def _plain(value):
    """What stands for a value in a digest."""
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, SubSelNet) and hasattr(value, "encoder_"):
        return selector_key(value)
    if isinstance(value, FrozenEstimator) and not isinstance(value.estimator, SubSelNet):
        # its parameters do not say what it has learned
        return _kind(value), _of_content(value.estimator)
    if hasattr(value, "get_params") and not isinstance(value, type):
        return _kind(value), _params(value)
    if isinstance(value, functools.partial):
        return _plain([value.func, value.args, sorted(value.keywords.items())])
    if isinstance(value, types.MethodType):
        return _plain([value.__self__, value.__func__])
    if isinstance(value, types.FunctionType):  # pickled it would be its name alone
        closure = [cell.cell_contents for cell in value.__closure__ or ()]
        keywords = sorted((value.__kwdefaults__ or {}).items())
        return [_code(value.__code__), _plain([value.__defaults__, closure, keywords])]
    return _of_content(value)


def _of_content(value):
    try:
        return digest_of(value)
    except TypeError as error:
        raise ValueError(
            f"selectors must be picklable, to be told from one another; got {value!r}: {error}"
        ) from error


def _code(code):
    inside = [
        _code(c) if isinstance(c, types.CodeType) else repr(stable(c)) for c in code.co_consts
    ]
    return code.co_code, code.co_names, inside


def _kind(value):
    return f"{type(value).__module__}.{type(value).__qualname__}"
