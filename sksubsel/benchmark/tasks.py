"""One task of a comparison: select, train, judge, and record each training as it is finished."""

from __future__ import annotations

import datetime
import os
import platform
import time
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.metrics import balanced_accuracy_score
from threadpoolctl import threadpool_limits

from sksubsel._net import torch_threads
from sksubsel.base import BaseSelector
from sksubsel.baselines import SubsetCallback
from sksubsel.benchmark import records
from sksubsel.benchmark.meter import Meter
from sksubsel.samplers.kernels import check_rows
from sksubsel.subselnet import SubSelNet

__all__ = ["Training", "kind_of", "run_task"]


class Training(NamedTuple):
    """One training to be made."""

    key: str
    method: str
    given: int | float  # the budget
    budget: int | None  # as a count; None: all instances
    arch: Any
    seed: int
    soft: bool

    def name(self) -> dict:
        """What it is called in the table."""
        return {"method": self.method, "budget": self.given}


class _Chosen(NamedTuple):
    """What a selector chose for one training, and what that took."""

    rows: np.ndarray | None = None
    weights: np.ndarray | None = None
    callback: SubsetCallback | None = None
    setup_time: float = 0.0
    meter: Meter | None = None
    shared: bool = False


def kind_of(selector) -> str | None:
    """What sort of selector it is; None if it is none."""
    if selector is None:
        return "full"
    for kind, cls in (("net", SubSelNet), ("rows", BaseSelector), ("callback", SubsetCallback)):
        if isinstance(selector, cls):
            return kind
    return "function" if callable(selector) else None


def run_task(run, selector, source, trainings, zoo, X_test, y_test, path, n_threads) -> list[dict]:
    """Make the trainings of one selector, in their order; each is recorded when it is finished.

    `source` gives soft targets. Trainings with the same budget and seed share what an architecture
    has no part in.
    """
    found, setup = [], _Setup(selector, zoo)
    device = zoo.estimator_.device if hasattr(zoo.estimator_, "device") else "cpu"
    with torch_threads(n_threads), threadpool_limits(n_threads):
        for training in trainings:
            chosen = setup.choose(training, device)
            record = _train(training, chosen, source, zoo, X_test, y_test, device)
            record = {"key": training.key, "run": run, **training.name(), **record}
            if n_threads is not None:  # side by side, the others' energy is counted too
                record["energy"] = float("nan")
            if path is not None:
                records.append(path, record)
            found.append(record)
    return found


class _Setup:
    """Selections for the trainings of one task, the last of them kept for the next training."""

    def __init__(self, selector, zoo):
        self.selector, self.zoo, self.kind = selector, zoo, kind_of(selector)
        self._of, self._last, self._shared = None, None, {}

    def choose(self, training, device) -> _Chosen:
        """What is selected for a training."""
        if self.kind == "full":
            return _Chosen(meter=Meter(device))
        architecture = training.arch.hash if self.kind in ("net", "function") else None
        of = (training.budget, training.seed, architecture)
        if of != self._of:  # else the same rows, trained on in another way
            self._of, self._last = of, getattr(self, f"_by_{self.kind}")(training, device)
        return self._last

    def _by_callback(self, training, device):
        callback = clone(self.selector)
        callback.set_params(budget=training.budget, random_state=training.seed, keep_rows=False)
        return _Chosen(callback=callback, meter=Meter(device))

    def _by_function(self, training, device):
        with Meter(device) as meter:
            rows = self.selector(training.arch, training.budget, training.seed)
        return _Chosen(check_rows(rows, len(self.zoo.y_), "a selector's rows"), meter=meter)

    def _by_net(self, training, device):
        start = time.perf_counter()
        self.selector.prepare(training.budget)
        setup = sum(self.selector.fit_times_.values()) + time.perf_counter() - start
        with Meter(device) as meter:
            rows = self.selector.select(training.arch, training.budget, training.seed)
        return _Chosen(rows, setup_time=setup, meter=meter)

    def _by_rows(self, training, device):
        X, y = self.zoo.X_, self.zoo.y_
        selector = clone(self.selector).set_params(budget=training.budget)
        if "random_state" in selector.get_params():
            selector.set_params(random_state=training.seed)
        if training.seed not in self._shared:
            with Meter(device) as before:
                params = selector._shared_fit_params(X, y)
            self._shared = {training.seed: (params, before)}
        params, before = self._shared[training.seed]
        with Meter(device) as meter:
            selector.fit(X, y, **params)
        for name in ("seconds", "gb_minutes", "energy"):
            setattr(meter, name, getattr(before, name) + getattr(meter, name))
        weights = selector.sample_weight_
        weights = None if (weights == weights[0]).all() else weights
        return _Chosen(selector.sample_indices_, weights, meter=meter, shared=True)


def _train(training, chosen, source, zoo, X_test, y_test, device):
    """One training, as a record."""
    rows, targets, recipe = chosen.rows, None, {}
    if chosen.callback is not None:
        own = zoo.estimator_.get_params().get("callbacks") or []
        recipe = {
            "callbacks": [*own, chosen.callback],
            "max_epochs": _n_epochs(zoo, training.budget),
        }
    selection = chosen.meter
    with Meter(device) as meter:
        if training.soft:
            targets = source.soft_targets(training.arch, rows)
        model = zoo.train(
            training.arch,
            rows,
            targets,
            training.seed,
            sample_weight=chosen.weights,
            **recipe,
        )
    n_selected = len(zoo.y_) if rows is None else len(rows)
    selection_time = 0.0 if rows is None else selection.seconds
    if chosen.callback is not None:
        history = chosen.callback.history_
        n_selected = round(float(np.mean([row["n_selected"] for row in history])))
        selection_time = float(sum(row["seconds"] for row in history))
        meter.seconds -= selection_time
    predicted = model.predict(X_test)
    accuracy = balanced = float(model.score(X_test, y_test))
    if zoo.task_ == "classification":
        balanced = float(balanced_accuracy_score(y_test, predicted))
    costs = {
        name: getattr(meter, name) + (0.0 if rows is None else getattr(selection, name))
        for name in ("gb_minutes", "energy")
    }
    return {
        "n_selected": n_selected,
        "arch": training.arch.hash,
        "seed": training.seed,
        "accuracy": accuracy,
        "balanced_accuracy": balanced,
        "setup_time": chosen.setup_time,
        "selection_time": selection_time,
        "shared": chosen.shared,
        "training_time": meter.seconds,
        **costs,
        "machine": f"{platform.machine()}, {_processor()}, {os.cpu_count()} cores",
        "date": str(datetime.date.today()),
    }


def _n_epochs(zoo, budget):
    """Epochs of a training on so many rows by the zoo's recipe: adaptive ones get as many steps."""
    recipe = zoo.estimator_.get_params()
    n_batches = -(-budget // recipe["batch_size"])
    return max(recipe["max_epochs"], -(-recipe["min_steps"] // n_batches))


def _processor():
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.split(":")[1].strip() for line in file if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or "unknown processor"
