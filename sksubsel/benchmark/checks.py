"""What `compare` is asked, looked at before anything is trained."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from numbers import Integral

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sksubsel._validation import check_budget, check_finite, check_X
from sksubsel.baselines.adaptive import TurnsStrategy
from sksubsel.benchmark.records import data_key, zoo_of
from sksubsel.benchmark.tasks import epochs_of, kind_of
from sksubsel.benchmark.turns import InTurns, check_turns, net_of
from sksubsel.zoo import ModelZoo

__all__ = [
    "FULL_DATA",
    "check_budgets",
    "check_callback",
    "check_judging",
    "check_run",
    "check_seeds",
    "check_selectors",
    "check_validation",
]

FULL_DATA = "full data"
"""The method's name of trainings on all instances."""


def check_run(zoo, archs, X_test, y_test, budgets, seeds, on_error):
    """X_test, y_test, budgets as given with their counts, and seeds, all as plain Python numbers.

    Raises
    ------
    ValueError
        If one of them is out of range, or does not go with the zoo.
    """
    if not isinstance(zoo, ModelZoo):
        raise ValueError(f"zoo must be a fitted ModelZoo; got {zoo!r}")
    zoo._check_is_fitted()
    if on_error not in ("raise", "warn"):
        raise ValueError(f"on_error must be 'raise' or 'warn'; got {on_error!r}")
    if len(archs) == 0:
        raise ValueError("archs must hold at least one architecture; got none")
    X_test, y_test = check_judging(X_test, y_test, zoo, "X_test", "y_test")
    return X_test, y_test, check_budgets(budgets, len(zoo.y_)), check_seeds(seeds)


def check_budgets(budgets, n_samples) -> dict:
    """Counts by budget, as plain Python numbers.

    Raises
    ------
    ValueError
        If one of them is out of range, or two are of the same count.
    """
    if np.ndim(budgets) != 1:
        raise ValueError(f"budgets must be a list of numbers; got {budgets!r}")
    counts: dict = {}
    for budget in budgets:
        budget = budget.item() if hasattr(budget, "item") else budget
        count = check_budget(budget, n_samples)
        if count in counts.values():
            raise ValueError(f"budgets must be distinct; got {budget} for {count} instances twice")
        counts[budget] = count
    return counts


def check_seeds(seeds) -> list[int]:
    """Seeds as plain ints.

    Raises
    ------
    ValueError
        Unless they are one or more distinct ints of at least 0.
    """
    if np.ndim(seeds) != 1:
        raise ValueError(f"seeds must be a list of ints; got {seeds!r}")
    seeds = list(seeds)
    good = [isinstance(seed, Integral) and not isinstance(seed, bool) for seed in seeds]
    if not seeds or not all(good) or min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds must be one or more distinct ints of at least 0; got {seeds}")
    return [int(seed) for seed in seeds]


def check_validation(validation, zoo):
    """None, or (X, y) as arrays.

    Raises
    ------
    ValueError
        If it is not such a pair, or does not go with the zoo.
    """
    if validation is None:
        return None
    if not isinstance(validation, tuple | list) or len(validation) != 2:
        raise ValueError(f"validation must be a pair (X, y) or None; got {type(validation)}")
    X, y = validation
    return check_judging(X, y, zoo, "validation X", "validation y")


def check_callback(callback, estimator, counts, n_samples) -> None:
    """Raise what `SubsetCallback.check` does, also where one of its trainings is a warm start."""
    most = max(counts, default=n_samples)  # the more rows, the fewer epochs
    callback.check(epochs_of(callback, estimator, most, n_samples))


def check_selectors(selectors, seeds, soft_targets, zoo, archs, counts) -> dict:
    """Who gives each method's soft targets.

    Raises
    ------
    ValueError
        If a selector is none, is not of the zoo's data, or has a wrong parameter.
    """
    if not isinstance(selectors, Mapping):
        raise ValueError(f"selectors must be a dict of them by name; got {type(selectors)}")
    for name, selector in selectors.items():
        if name == FULL_DATA:
            raise ValueError(f"selectors must not be named {FULL_DATA!r}, which is the reference")
        for one in _each(selector, seeds, f"selectors[{name!r}]"):
            if one is None or kind_of(one) is None:
                raise ValueError(
                    f"selectors[{name!r}] must be a fitted SubSelNet, InTurns, a selector of "
                    f"(X, y), a SubsetCallback or a callable; got {one!r}"
                )
            if isinstance(one, InTurns):
                check_turns(one, zoo.estimator_)
            net = net_of(one)
            if net is not None:
                _check_net(net, f"selectors[{name!r}]", zoo)
                _warn_of_seen(net, name, archs)
            elif kind_of(one) == "rows":
                one._validate_params()
            elif isinstance(getattr(one, "strategy", None), TurnsStrategy):
                raise ValueError(
                    f"selectors[{name!r}] has subsets of one size, made before the budget is "
                    "known; InTurns(net) makes them for each budget"
                )
            elif kind_of(one) == "callback":
                check_callback(one, zoo.estimator_, counts.values(), len(zoo.y_))
    if isinstance(soft_targets, str) or not isinstance(soft_targets, Collection):
        raise ValueError(
            "soft_targets must be a list of names, or a dict of fitted SubSelNets by name; got "
            f"{soft_targets!r}"
        )
    given = dict(soft_targets) if isinstance(soft_targets, Mapping) else {}
    sources = {name: given.get(name, selectors.get(name)) for name in soft_targets}
    if sources and zoo.task_ == "regression":
        raise ValueError("soft_targets must be empty for regression; got " + str(list(sources)))
    for name, source in sources.items():
        if name not in selectors:
            raise ValueError(f"soft_targets must name selectors, {list(selectors)}; got {name!r}")
        for one in _each(source, seeds, f"soft_targets[{name!r}]"):
            if net_of(one) is None:
                raise ValueError(
                    f"soft_targets of {name!r} must come from a SubSelNet: of a selector that is "
                    f"none give one, {{{name!r}: net}}; got {one!r}"
                )
            _check_net(net_of(one), f"soft_targets[{name!r}]", zoo)
    return {
        name: [net_of(one) for one in source] if isinstance(source, Sequence) else net_of(source)
        for name, source in sources.items()
    }


def _each(given, seeds, where):
    if not isinstance(given, Sequence) or isinstance(given, str):
        return [given]
    if len(given) != len(seeds):
        raise ValueError(
            f"{where} must be one selector, or one for each of the {len(seeds)} seeds; got "
            f"{len(given)}"
        )
    return given


def _check_net(net, where, zoo):
    try:
        check_is_fitted(net)
    except ValueError as error:
        raise ValueError(f"{where} must be fitted; got one that is not") from error
    if data_key(zoo_of(net, where)) != data_key(zoo):
        raise ValueError(f"{where} must be fitted on the instances and labels of zoo; got others")


def _warn_of_seen(net, name, archs):
    trained = {net.zoo_.architectures_[i].hash for i in net.zoo_.trained_}
    n_seen = sum(arch.hash in trained for arch in archs)
    if n_seen:
        warnings.warn(
            f"selectors[{name!r}] has learned from {n_seen} of the {len(archs)} architectures "
            "that are compared on",
            stacklevel=4,
        )


def check_judging(X, y, zoo, name_X, name_y) -> tuple[np.ndarray, np.ndarray]:
    """Instances and labels to score on, as arrays.

    Parameters
    ----------
    X, y : array-like
    zoo : ModelZoo, or whatever else has its `X_` and `classes_`
    name_X, name_y : str
        What error messages call them.

    Raises
    ------
    ValueError
        If they do not go with each other or with the instances trained on.
    """
    X, y = check_X(X, name_X), np.asarray(y)
    if y.ndim != 1 or len(X) != len(y) or X.shape[1:] != zoo.X_.shape[1:]:
        raise ValueError(
            f"{name_X} must have the instance shape {zoo.X_.shape[1:]} of those trained on and "
            f"{name_y} its length; got {X.shape} and {y.shape}"
        )
    if zoo.classes_ is not None:
        unknown = np.setdiff1d(y, zoo.classes_)
        if len(unknown):
            raise ValueError(
                f"{name_y} must be of the classes trained on, {zoo.classes_}; got {unknown}"
            )
    elif y.dtype.kind not in "fiub":
        raise ValueError(f"{name_y} must be numeric for a regression; got dtype {y.dtype}")
    check_finite(y, name_y)
    return X, y
