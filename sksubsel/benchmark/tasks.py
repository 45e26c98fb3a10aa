"""One task of a comparison: select, train, judge, and record each training as it is finished."""

from __future__ import annotations

import datetime
import functools
import os
import platform
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.base import clone
from sklearn.metrics import accuracy_score, balanced_accuracy_score, r2_score
from threadpoolctl import threadpool_limits
from torch import nn

from sksubsel._net import fit_net, seeded, torch_threads
from sksubsel.base import BaseSelector
from sksubsel.baselines import SubsetCallback
from sksubsel.benchmark import records
from sksubsel.benchmark.meter import Meter
from sksubsel.benchmark.turns import InTurns, net_of
from sksubsel.samplers.kernels import check_rows
from sksubsel.subselnet import SubSelNet

__all__ = [
    "Chosen",
    "Selections",
    "Task",
    "Training",
    "epochs_of",
    "kind_of",
    "lost_task",
    "run_task",
]

_MAX_JUDGED = 5_000  # rows that the accuracy on those trained on is taken of


class Training(NamedTuple):
    """One training to be made."""

    key: str
    method: str
    given: int | float | None  # the budget
    budget: int | None  # as a count; None: all instances
    arch: Any
    seed: int
    soft: bool
    selector: str = ""  # its digest; of soft targets, " " and that of who gives them

    def name(self) -> dict:
        """What it is called in the table, and whose the name is at present."""
        return {
            "method": self.method, "budget": self.given, "arch": self.arch.hash,
            "seed": self.seed, "selector": self.selector,
        }  # fmt: skip


class Task(NamedTuple):
    """Trainings of one selector that go together."""

    selector: Any  # or what one has `Chosen` for all of them
    source: SubSelNet | None  # gives soft targets
    setup_times: dict  # of each budget, None: whatever the budget
    trainings: list[Training]


class Chosen(NamedTuple):
    """What a selector chose for one training, and what that took."""

    rows: np.ndarray | None = None  # (B,), or (K, B) in turns
    weights: np.ndarray | None = None
    callback: SubsetCallback | None = None
    meter: Meter | None = None
    shared: bool = False

    def recipe(self, zoo, budget) -> dict:
        """Parameters of the zoo's recipe that a selection during the training changes."""
        if self.callback is None:
            return {}
        n_epochs = epochs_of(self.callback, zoo.estimator_, budget, len(zoo.y_))
        own = zoo.estimator_.get_params().get("callbacks") or []
        return {"callbacks": [*own, self.callback], "max_epochs": n_epochs}


def epochs_of(callback, estimator, budget, n_samples) -> int:
    """Epochs of a training with a SubsetCallback: as many as others have on so many rows."""
    uses_budget = getattr(callback.strategy, "uses_budget", True)
    return estimator._n_epochs(budget if uses_budget else n_samples)


def kind_of(selector) -> str | None:
    """What sort of selector it is; None if it is none."""
    if selector is None:
        return "full"
    kinds: dict[str, Any] = {
        "net": (SubSelNet, InTurns), "rows": BaseSelector, "callback": SubsetCallback
    }  # fmt: skip
    for kind, cls in kinds.items():
        if isinstance(selector, cls):
            return kind
    return "function" if callable(selector) and not isinstance(selector, type) else None


def run_task(run, task, zoo, judging, path, n_threads, on_error, alone=False) -> list[dict]:
    """Make the trainings of a task, in their order; each is recorded when it is finished.

    `judging` has the instances and labels of "test" and "validation", the latter None or a pair,
    and its digest, "validated_on". `alone` says that nothing else runs on the machine.

    Trainings with the same budget and seed share what an architecture has no part in. Where
    `on_error` is "warn", one that fails gives ``{"error": ..., "method": ..., ...}``.
    """
    found, setup = [], Selections(task.selector, zoo)
    device = str(getattr(zoo.estimator_, "device", "cpu"))
    with torch_threads(n_threads, alone=False), threadpool_limits(n_threads):
        _start(device)
        for training in task.trainings:
            try:
                chosen = setup.choose(training, device)
                record = _train(training, chosen, task, zoo, judging, device)
            except Exception as error:
                if on_error == "raise":
                    raise
                found.append({"error": f"{type(error).__name__}: {error}", **training.name()})
                continue
            if not alone:  # side by side, the others' energy is counted too
                record["energy"] = float("nan")
            record = {"key": training.key, "run": run, **training.name(), **record}
            if path is not None:
                records.append(path, record)
            found.append(record)
    return found


@functools.cache
def _start(device):
    """What the first training of a process takes beyond others, a second or more: nobody's time."""
    with seeded(0):  # whose weights are drawn, too
        module = nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(1, 1))
    inputs, targets = torch.zeros(2, 1, 1, 1), torch.zeros(2, 1)
    fit_net(
        module, inputs, targets, loss=lambda output, X, y, weight: (output - y).square().mean(),
        max_epochs=1, batch_size=2, lr=1e-3, schedule="onecycle", device=device, seed=0,
    )  # fmt: skip


def lost_task(run, task, *_, error) -> list[dict]:
    """What `run_task` gives where each training fails, of a task that workers died of."""
    text = f"{type(error).__name__}: {error}"
    return [{"error": text, **training.name()} for training in task.trainings]


class Selections:
    """Selections for the trainings of one task, the last of them kept for the next training."""

    def __init__(self, selector, zoo):
        self.selector, self.zoo = selector, zoo
        self.kind = "chosen" if isinstance(selector, Chosen) else kind_of(selector)
        self._of: tuple | None = None
        self._last: Any = None
        self._shared: dict = {}

    def choose(self, training, device) -> Chosen:
        """What is selected for a training."""
        if self.kind == "full":
            return Chosen()
        if self.kind == "chosen":
            return self.selector
        alike = self.kind in ("rows", "callback")
        architecture = None if alike else training.arch.hash
        of = (training.budget, training.seed, architecture)
        if of != self._of:  # else the same rows, trained on in another way
            self._of, self._last = of, getattr(self, f"_by_{self.kind}")(training, device)
        return self._last

    def _by_callback(self, training, device):
        callback = clone(self.selector)
        callback.set_params(budget=training.budget, random_state=training.seed, keep_rows=False)
        return Chosen(callback=callback)

    def _by_function(self, training, device):
        with Meter(device) as meter:
            rows = self.selector(training.arch, training.budget, training.seed)
        return Chosen(check_rows(rows, len(self.zoo.y_), "a selector's rows"), meter=meter)

    def _by_net(self, training, device):
        self.selector.prepare(training.budget)  # what a pickle leaves out
        net = net_of(self.selector)
        assert net is not None  # as the kind says
        # a process's first embedding imports DGL: nobody's time
        net.approximator_.transform(net.encoder_.transform([training.arch]))
        with Meter(device) as meter:
            rows = self.selector.select(training.arch, training.budget, training.seed)
        return Chosen(rows, meter=meter)

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
        weights = selector.sample_weight_
        weights = None if (weights == weights[0]).all() else weights
        return Chosen(selector.sample_indices_, weights, meter=meter + before, shared=True)


def _train(training, chosen, task, zoo, judging, device):
    """One training, as a record without its name."""
    rows, targets, recipe = chosen.rows, None, chosen.recipe(zoo, training.budget)
    with Meter(device) as meter:
        if training.soft:
            trained_on = np.arange(len(zoo.y_)) if rows is None else rows
            targets = task.source.soft_targets(training.arch, trained_on)
        model = zoo.train(
            training.arch,
            rows,
            targets,
            training.seed,
            sample_weight=chosen.weights,
            **recipe,
        )
    n_selected = len(zoo.y_) if rows is None else rows.shape[-1]
    selection_time = 0.0 if chosen.meter is None else chosen.meter.seconds
    training_time = meter.seconds
    if chosen.callback is not None:
        n_selected = round(float(np.mean([epoch["n_train"] for epoch in model.history_])))
        meanwhile = float(sum(row["seconds"] for row in chosen.callback.history_))
        selection_time += meanwhile
        training_time -= meanwhile
    X_test, y_test = judging["test"]
    predicted = model.predict(X_test)
    if zoo.task_ == "classification":
        accuracy = float(accuracy_score(y_test, predicted))
        balanced = float(balanced_accuracy_score(y_test, predicted))
    else:
        accuracy = balanced = float(r2_score(y_test, predicted))
    setup_time = task.setup_times.get(training.budget, 0.0)
    net = net_of(task.selector)
    if training.soft and task.source is not net:
        # a net of its own has been counted with the zoo, which both learn from
        own = net is not None and task.source.zoo_ is net.zoo_
        setup_time += sum(
            seconds for part, seconds in task.source.fit_times_.items() if not own or part != "zoo"
        )
    total = meter if chosen.meter is None else meter + chosen.meter
    threads = f"{torch.get_num_threads()} of {os.cpu_count()} cores"
    return {
        "n_selected": n_selected,
        "n_steps": _n_steps(model),
        "accuracy": accuracy,
        "balanced_accuracy": balanced,
        "train_accuracy": _train_accuracy(model, zoo, rows),
        "validation_accuracy": _validation_accuracy(model, judging["validation"]),
        "validated_on": judging["validated_on"],
        "setup_time": setup_time,
        "selection_time": selection_time,
        "shared": chosen.shared,
        "training_time": training_time,
        "gb_minutes": total.gb_minutes,
        "energy": total.energy,
        "machine": f"{platform.machine()}, {_processor()}, {threads}, {_device_name(device)}",
        "date": str(datetime.date.today()),
    }


def _n_steps(model) -> int | float:
    """Optimiser steps of a training; NaN of an estimator of one's own, which does not tell."""
    return getattr(getattr(model, "net_", None), "n_steps_", float("nan"))


def _train_accuracy(model, zoo, rows):
    """On the rows trained on, or 5,000 of them; of an adaptive method on all."""
    rows = np.arange(len(zoo.y_)) if rows is None else np.unique(rows)
    rows = rows[:: -(-len(rows) // _MAX_JUDGED)]
    y = zoo.y_[rows] if zoo.classes_ is None else zoo.classes_[zoo.y_[rows]]
    return float(model.score(zoo.X_[rows], y))


def _validation_accuracy(model, validation):
    return float("nan") if validation is None else float(model.score(*validation))


def _device_name(device):
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device


def _processor():
    """Its name, with family and model where Linux tells: a cloud names generations alike."""
    try:
        with open("/proc/cpuinfo") as file:
            lines = file.read().partition("\n\n")[0].splitlines()
    except OSError:
        lines = []
    told = {
        name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }
    name = told.get("model name") or platform.processor() or "unknown processor"
    if {"cpu family", "model"} <= set(told):
        name += f" (family {told['cpu family']}, model {told['model']})"
    return name
