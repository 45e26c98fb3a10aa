"""A training that reports its score now and then, so that a poor one can be ended early."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import numpy as np
from sklearn.metrics import r2_score
from threadpoolctl import threadpool_limits

from sksubsel._net import torch_threads
from sksubsel.benchmark.tasks import Chosen
from sksubsel.search.trials import Trainer
from sksubsel.zoo.batches import float_tensor

__all__ = ["Shared", "TrialTask", "is_rung", "run_trial"]


class Shared(NamedTuple):
    """What all trials of a search need."""

    trainer: Trainer
    X_val: np.ndarray
    y_val: np.ndarray
    chosen: dict[str, Chosen]  # by an architecture's hash
    budget: int | None
    seed: int
    grace_period: int
    factor: int | None  # None: no trial is ended early


class TrialTask(NamedTuple):
    """What one trial trains."""

    number: int
    key: str
    arch: Any
    params: dict
    known: list  # reports of the same training, if it was made before

    def __repr__(self):
        return f"trial {self.number}"


def is_rung(epoch, grace_period, factor) -> bool:
    """Whether trials are compared after this epoch: a `grace_period` times a power of `factor`."""
    if factor is None or epoch % grace_period:
        return False
    multiple = epoch // grace_period
    while multiple % factor == 0:
        multiple //= factor
    return multiple == 1


def run_trial(shared, task, report) -> None:
    """Make a trial, or tell again what is known of it.

    Parameters
    ----------
    shared : Shared
    task : TrialTask
    report : callable
        Takes a dict with ``epoch``, ``score`` on the validation instances, ``training_time`` and
        ``scoring_time`` in seconds so far, and ``ended``, whether it was the last epoch. It does
        not return where the trial is ended early. Of a training that fails, ``error`` and
        ``diverged``, whether its loss became NaN, come in place of the score.
    """
    told = 0  # the last epoch reported

    def tell(found):
        nonlocal told
        if found["ended"] or found["epoch"] > told:
            told = max(told, found["epoch"])
            report(found)

    for found in task.known:
        tell(found)
    if task.known and task.known[-1]["ended"]:
        return
    # one that was ended early by other trials' scores is made anew, and goes on where it was
    with torch_threads(1, alone=False), threadpool_limits(1):
        try:
            _train(shared, task, tell)
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
            diverged = isinstance(error, FloatingPointError)
            tell({"epoch": told + 1, "error": problem, "diverged": diverged, "ended": True})


def _score(model, X, y):
    """Accuracy or R^2; FloatingPointError where the last steps have made the network useless."""
    outputs = model.predict_proba(X) if hasattr(model, "classes_") else model.predict(X)
    if not np.isfinite(outputs).all():
        raise FloatingPointError("what the network says became NaN or infinite")
    if hasattr(model, "classes_"):
        return float((model.classes_[outputs.argmax(axis=1)] == y).mean())
    return float(r2_score(y, outputs))


def _train(shared, task, report):
    trainer = shared.trainer.changed(task.params)
    chosen = shared.chosen[task.arch.hash]
    rows = chosen.rows
    n_rows = len(trainer.X_) if rows is None else rows.shape[-1]
    n_batches = -(-n_rows // trainer.estimator_.batch_size)
    start, scoring, waiting = time.perf_counter(), 0.0, 0.0

    def score(estimator, epoch, ended):
        nonlocal scoring, waiting
        begin = time.perf_counter()
        score = _score(estimator(), shared.X_val, shared.y_val)
        now = time.perf_counter()
        scoring += now - begin
        report(
            {
                "epoch": epoch,
                "score": score,
                "training_time": now - start - scoring - waiting,
                "scoring_time": scoring,
                "ended": ended,
            }
        )
        waiting += time.perf_counter() - now

    def after_epoch(model, module, epoch):
        if is_rung(epoch, shared.grace_period, shared.factor) and epoch < n_epochs:
            X = trainer.X_ if rows is None else trainer.X_[np.unique(rows)]
            score(
                lambda: model._as_if_ended(module, float_tensor(X), n_batches * epoch), epoch, False
            )

    recipe = chosen.recipe(trainer, shared.budget)
    n_epochs = recipe.get("max_epochs", trainer.estimator_._n_epochs(n_rows))
    model = trainer.train(
        task.arch, rows, None, shared.seed, sample_weight=chosen.weights,
        on_epoch=after_epoch, **recipe,
    )  # fmt: skip
    score(lambda: model, len(model.history_), True)
