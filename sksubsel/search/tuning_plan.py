"""The trials of a tuning: what is proposed, and what has come of it."""

from __future__ import annotations

import math

import joblib
import pandas as pd
from sklearn.base import clone

from sksubsel._validation import warn_caller
from sksubsel.benchmark import records
from sksubsel.search.param_space import check_param_names
from sksubsel.search.scored_training import TrialTask
from sksubsel.zoo import TrainingFailedWarning

__all__ = ["Plan"]


class Plan:
    """What is proposed, and what has come of it.

    Parameters
    ----------
    space : callable
        Of an Optuna trial.
    allowed : set of str
        Names of parameters.
    estimator : ArchitectureClassifier or ArchitectureRegressor
    archs : list of Architecture
    store : path or None
    on_error : {"raise", "warn"}

    Attributes
    ----------
    error : str or None
        Why the search ends.
    n_finished : int
    """

    def __init__(self, space, allowed, estimator, archs, store, on_error):
        self.space, self.allowed, self.estimator = space, allowed, estimator
        self.archs, self.on_error = archs, on_error
        self.store = None if store is None else records.place(store)
        self.error, self.n_finished = None, 0
        self._tasks: list[TrialTask] = []
        self._reports: list[list[dict]] = []
        self._done: dict = {}
        if self.store is not None:
            found = records.read(self.store)
            self._done = {
                record["key"]: record["reports"] for record in found if "reports" in record
            }

    def begin(self, shared, selector_key, selection_times, progress):
        """Take up what all trials share, and what each architecture's selection took."""
        self._shared, self._selector_key, self._progress = shared, selector_key, progress
        self._selection_times = selection_times
        self._recipe = records.recipe_key(shared.trainer, shared.X_val, shared.y_val)

    def propose(self, trial) -> tuple:
        """Architecture, parameters and estimator with them that an Optuna trial suggests.

        Raises
        ------
        ValueError
            If the parameters are not the estimator's, or out of their range.
        """
        place = 0
        if len(self.archs) > 1:
            place = trial.suggest_categorical("architecture", list(range(len(self.archs))))
        params = self.space(trial)
        check_param_names(params, self.allowed)
        estimator = clone(self.estimator).set_params(**params)
        estimator._validate_params()
        return self.archs[place], dict(params), estimator

    def task(self, trial) -> TrialTask:
        """What the next trial trains."""
        arch, params, estimator = self.propose(trial)
        shared = self._shared
        recipe = joblib.hash((self._recipe, records.recipe_of(estimator)))
        rungs = ("tune", shared.grace_period, shared.factor)
        key = records.record_key(
            recipe, self._selector_key, arch, shared.budget, shared.seed, rungs
        )
        number = len(self._tasks)
        self._tasks.append(TrialTask(number, key, arch, params, self._done.get(key, [])))
        self._reports.append([])
        return self._tasks[-1]

    def restart(self, number):
        """A trial's worker died, and it is made again."""
        self._reports[number] = []

    def report(self, number, found):
        """Take up what a trial has told."""
        self._reports[number].append(found)
        if self.on_error == "raise" and _failed([found]):
            self.error = f"trial {number} with {self._tasks[number].params}: {found['error']}"

    def lose(self, number, error):
        """A trial's worker died again and again."""
        problem = f"WorkerDiedError: {error}"
        epoch = self._reports[number][-1]["epoch"] if self._reports[number] else 1
        found = {"epoch": epoch, "error": problem, "diverged": False, "ended": True}
        self.report(number, found)
        self.finish(number)

    def finish(self, number):
        """Record a trial that is finished or was ended."""
        task, reports = self._tasks[number], self._reports[number]
        self.n_finished += 1
        self._progress.step()
        known = self._done.get(task.key, [])
        if _failed(reports) or len(known) >= len(reports):
            return
        self._done[task.key] = reports
        if self.store is not None:
            record = {
                "key": task.key,
                "run": self._recipe,
                "method": "tune",
                "arch": task.arch.hash,
                "budget": self._shared.budget,
                "seed": self._shared.seed,
                "params": {name: _plain(value) for name, value in task.params.items()},
                "reports": reports,
            }
            records.append(self.store, record)

    def results(self) -> pd.DataFrame:
        """See `TuneResult`.

        Warns
        -----
        TrainingFailedWarning
            If trainings failed otherwise than by a loss that became NaN.
        """
        table = pd.DataFrame([self._row(*trial) for trial in zip(self._tasks, self._reports)])
        params = [name for name in table if name.startswith("param_")]
        others = [name for name in table if name not in params]
        failures = [reports[-1] for reports in self._reports if _failed(reports)]
        if failures:
            warn_caller(
                f"{len(failures)} trainings failed and have no score. The first: "
                f"{failures[0]['error']}",
                TrainingFailedWarning,
            )
        return table[[*others[:3], *params, *others[3:]]]

    def _row(self, task, reports):
        shared, last = self._shared, reports[-1]
        chosen, n_all = shared.chosen[task.arch.hash], len(shared.trainer.X_)
        budget = n_all if shared.budget is None else shared.budget
        times: dict = next((found for found in reversed(reports) if "score" in found), {})
        return {
            "architecture": task.arch,
            "hash": task.arch.hash,
            "params": task.params,
            **{f"param_{name}": value for name, value in task.params.items()},
            "score": last.get("score", math.nan),
            "n_epochs": last["epoch"],
            "stopped_early": not last["ended"],
            "budget": budget,
            "n_selected": budget if chosen.rows is None else chosen.rows.shape[-1],
            "selection_time": self._selection_times[task.arch.hash],
            "training_time": times.get("training_time", math.nan),
            "scoring_time": times.get("scoring_time", math.nan),
            "error": last.get("error"),
        }


def _failed(reports):
    """Whether a training failed, otherwise than by a loss that became NaN."""
    return "error" in reports[-1] and not reports[-1]["diverged"]


def _plain(value):
    """What JSON can say of a parameter."""
    return value if isinstance(value, (str, int, float, bool, type(None))) else repr(value)
