"""Trials: an architecture trained on a subset and scored on validation instances, once each."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import Any, NamedTuple

import numpy as np
from joblib import delayed
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from sksubsel._parallel import on_cluster, run_tasks
from sksubsel._validation import check_device, warn_caller
from sksubsel.architectures import as_architectures
from sksubsel.benchmark import records
from sksubsel.benchmark.tasks import Selections, Task, Training, kind_of, lost_task, run_task
from sksubsel.benchmark.turns import InTurns, check_turns, net_of
from sksubsel.zoo import ArchitectureClassifier, ArchitectureRegressor, TrainingFailedWarning
from sksubsel.zoo.batches import validation_split
from sksubsel.zoo.training import train_on_rows

__all__ = ["Trainer", "Trial", "Trials", "check_selector", "distinct_architectures"]


class Trainer:
    """Training data and a recipe: what `run_task` asks of a zoo, with no architecture trained.

    Parameters
    ----------
    estimator : ArchitectureClassifier, ArchitectureRegressor or None
        Prototype of each training; None: one with default settings, by the labels.
    build : callable or None
        Builds the networks where the estimator says nothing of them.
    X : ndarray of shape (N, ...)
    y : ndarray of shape (N,), codes or targets
    classes : ndarray of shape (C,) or None
    task : {"classification", "regression"}

    Raises
    ------
    ValueError
        If the estimator is not made for such labels, or its device is not there.
    """

    def __init__(self, estimator, build, X, y, classes, task):
        self.X_, self.y_, self.classes_, self.task_ = X, y, classes, task
        if estimator is None:
            is_one = task == "classification"
            self.estimator_ = ArchitectureClassifier() if is_one else ArchitectureRegressor()
        else:
            self.estimator_ = clone(estimator)
        right = is_classifier if task == "classification" else is_regressor
        params = self.estimator_.get_params(deep=False)
        if not right(self.estimator_) or "architecture" not in params:
            raise ValueError(
                "estimator must be an ArchitectureClassifier, for regression an "
                f"ArchitectureRegressor, as y holds {task} labels; got {estimator!r}"
            )
        if classes is not None:
            self.estimator_.set_params(classes=classes)
        if params["build"] is None and params["network_params"] is None:
            self.estimator_.set_params(build=build)
        self.device = check_device(params["device"])

    def labels(self, codes):
        """Labels that codes stand for; targets as they are."""
        return codes if self.classes_ is None else self.classes_[codes]

    def train(
        self, arch, rows=None, soft_targets=None, random_state=0, *, sample_weight=None,
        on_epoch=None, **params,
    ):  # fmt: skip
        """Train one architecture, as `ModelZoo.train`; `on_epoch` as in `train_on_rows`."""
        return train_on_rows(
            self.estimator_, arch, self.X_, self.y_, self.classes_, rows, random_state,
            soft_targets=soft_targets, sample_weight=sample_weight, on_epoch=on_epoch, **params,
        )  # fmt: skip

    def hold_out(self, fraction, seed) -> tuple[Trainer, np.ndarray, np.ndarray]:
        """One of a part of the instances, and the others with their labels, to score on."""
        X, codes = self.X_, self.y_
        strata = None if self.classes_ is None else codes
        rows, held_out = map(np.sort, validation_split(len(X), fraction, strata, seed))
        part = Trainer(self.estimator_, None, X[rows], codes[rows], self.classes_, self.task_)
        return part, X[held_out], self.labels(codes[held_out])

    def changed(self, params: Mapping) -> Trainer:
        """One with some parameters of the recipe changed."""
        estimator = clone(self.estimator_).set_params(**params)
        return Trainer(estimator, None, self.X_, self.y_, self.classes_, self.task_)


class Trial(NamedTuple):
    """What is to be trained."""

    arch: Any
    budget: int | None  # rows; None: all
    seed: int
    params: tuple = ()  # (name, value) of the recipe's parameters that differ


class Trials:
    """Makes trials, side by side, and remembers them.

    A trial is known by all that determines it, so that one which was made before, or is in the
    file, is not made again. Each is trained on one thread: with another number of workers the
    floating-point sums, and so the scores, are the same.

    Parameters
    ----------
    trainer : Trainer
    X_val, y_val : arrays
        Instances and labels to score on.
    selector : see `check_selector`
    path : path or None
        File of JSON lines, one added for each trial when it is finished.
    progress : Progress
    on_error : {"raise", "warn"}
    n_jobs : int or None
    name : str
        Of the search, in the file.
    """

    def __init__(self, trainer, X_val, y_val, selector, *, path, progress, on_error, n_jobs, name):
        self.trainer, self.selector = trainer, selector
        self.path = None if path is None else records.place(path)
        self.progress, self.on_error, self.n_jobs, self.name = progress, on_error, n_jobs, name
        self._judging: dict[str, Any] = {
            "test": (X_val, y_val),
            "validation": None,
            "validated_on": "",
        }
        self._selector_key = records.selector_key(selector)
        self._trainers: dict = {}
        self._shared: dict = {}
        self._done: dict = {}
        if self.path is not None:
            self._done = {record["key"]: record for record in records.read(self.path)}

    def run(self, trials) -> list[dict]:
        """Records of trials, in their order; a failed one has NaN as "accuracy" and an "error".

        Raises
        ------
        Exception
            Of the first training that fails, if ``on_error="raise"``.

        Warns
        -----
        TrainingFailedWarning
            If trainings failed and ``on_error="warn"``.
        """
        keys = [self._key(trial) for trial in trials]
        missing = {
            key: trial for key, trial in zip(keys, trials) if key not in self._done
        }  # equal ones count once
        self.progress.n_tasks -= len(trials) - len(missing)  # they take no time
        jobs = [self._job(key, trial) for key, trial in missing.items()]
        errors = []
        shared = [self._judging, self.selector, *(one for one, _ in self._trainers.values())]
        on_lost = _lost if self.on_error == "warn" else None
        with closing(run_tasks(jobs, self.n_jobs, shared, on_lost)) as results:
            for key, found in results:
                record = found[0]
                if "error" in record:
                    errors.append(record["error"])
                    unknown = ("accuracy", "n_selected", "selection_time", "training_time")
                    record = {**record, **dict.fromkeys(unknown, float("nan"))}
                elif self._records_here:
                    records.append(self.path, record)
                self._done[key] = record
                self.progress.step()
        if errors:
            warn_caller(
                f"{len(errors)} trainings failed and have no score. The first: {errors[0]}",
                TrainingFailedWarning,
            )
        return [self._done[key] for key in keys]

    def _key(self, trial):
        _, recipe = self._trainer(trial.params)
        return records.record_key(
            recipe, self._selector_key, trial.arch, trial.budget, trial.seed, None
        )

    def _trainer(self, params):
        """The trainer of a recipe, and a digest of it with all data."""
        if params not in self._trainers:
            trainer = self.trainer.changed(dict(params)) if params else self.trainer
            self._trainers[params] = trainer, records.recipe_key(trainer, *self._judging["test"])
        return self._trainers[params]

    def _job(self, key, trial):
        trainer, recipe = self._trainer(trial.params)
        training = Training(
            key, self.name, trial.budget, trial.budget, trial.arch, trial.seed, False,
            self._selector_key,
        )  # fmt: skip
        selector = self.selector
        if kind_of(selector) == "rows":  # the same rows for all architectures
            selector = self._shared_rows(training)
        task = Task(selector, None, {}, [training])
        path = None if self._records_here else self.path
        return delayed(_run)(recipe, task, trainer, self._judging, path, self.on_error)

    @property
    def _records_here(self):
        """Whether records are written here, as the workers may not see the file."""
        return self.path is not None and on_cluster(self.n_jobs)

    def _shared_rows(self, training):
        of = training.budget, training.seed
        if of not in self._shared:
            selections = Selections(self.selector, self.trainer)
            self._shared[of] = selections.choose(training, self.trainer.device)
        return self._shared[of]


def _run(recipe, task, trainer, judging, path, on_error):
    return task.trainings[0].key, run_task(recipe, task, trainer, judging, path, 1, on_error)


def _lost(recipe, task, *_, error):
    return task.trainings[0].key, lost_task(recipe, task, error=error)


def distinct_architectures(archs) -> list:
    """Architectures from a list of what describes them.

    Raises
    ------
    TypeError
        If one is none.
    ValueError
        If there is none, or one twice.
    """
    archs = as_architectures(archs)
    hashes = [arch.hash for arch in archs]
    if not archs or len(set(hashes)) < len(archs):
        raise ValueError(f"archs must be one or more distinct architectures; got {hashes}")
    return archs


def check_selector(selector, trainer):
    """The selector of a search, taken out of a FrozenEstimator.

    Parameters
    ----------
    selector : fitted SubSelNet, InTurns, selector of (X, y), SubsetCallback, callable or None
    trainer : Trainer
        Has the training instances, labels as codes or targets, and the recipe.

    Raises
    ------
    ValueError
        If it is none of these, or a SubSelNet that is not fitted, or on other instances; if a
        parameter of it is wrong.
    """
    if isinstance(selector, FrozenEstimator):
        selector = selector.estimator
    if kind_of(selector) is None:
        raise ValueError(
            "selector must be a fitted SubSelNet, InTurns with one, a selector of (X, y), a "
            f"SubsetCallback, a callable or None for all instances; got {selector!r}"
        )
    if isinstance(selector, InTurns):
        check_turns(selector, trainer.estimator_)
    net = net_of(selector)
    if net is not None:
        try:
            check_is_fitted(net)
        except ValueError as error:
            raise ValueError(
                "selector must be a fitted SubSelNet; got one that is not (where it is cloned, "
                "as by GridSearchCV, wrap it in sklearn.frozen.FrozenEstimator)"
            ) from error
        zoo, X, y = records.zoo_of(net, "selector"), trainer.X_, trainer.y_
        if zoo.X_ is not X and not (np.array_equal(zoo.X_, X) and np.array_equal(zoo.y_, y)):
            raise ValueError(
                f"selector must be fitted on the {len(X)} instances that are trained on, since it "
                f"selects among its own {len(zoo.y_)}; got others. Pass the instances that it was "
                "fitted on, and others to validate with"
            )
    elif kind_of(selector) == "callback":
        selector.check()
    elif hasattr(selector, "_parameter_constraints"):
        selector._validate_params()
    return selector
