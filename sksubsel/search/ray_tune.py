"""Trials proposed by Optuna's TPE, and run and ended early by Ray Tune; imported when needed."""

from __future__ import annotations

import logging
import math
import os
import signal
import tempfile
import threading
import warnings
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import optuna
import ray
from ray import tune
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler
from ray.tune.search.optuna import OptunaSearch

from sksubsel._clusters import MAX_RETRIES
from sksubsel.search.scored_training import run_trial

__all__ = ["check", "run"]

# a training that failed is told to be worse than any other, so that TPE looks elsewhere
_WORST = {"classification": 0.0, "regression": -1e6}
_N_CHECKED = 20  # proposals
_LONGEST = 1_000_000  # epochs; ASHA compares after all its rungs below
_ENVIRONMENT = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # nobody reads these files
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # paths of the user's own code stay right
    "RAY_AIR_NEW_OUTPUT": "0",  # the old output can be silent
}


def check(plan) -> None:
    """Ask the space some times, so that what is wrong with it is said before any work.

    Once would not do where parameters depend on others: each time is another branch.
    """
    with _quiet():
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        for _ in range(_N_CHECKED):
            plan.propose(study.ask())


def run(plan, shared, *, n_trials, n_startup_trials, n_jobs, resources) -> None:
    """Make the trials of a plan.

    Parameters
    ----------
    plan : Plan
    shared : Shared
    n_trials, n_startup_trials, n_jobs : int
        See `tune`.
    resources : dict or None

    Raises
    ------
    RuntimeError
        If a trial failed that ends the search.
    KeyboardInterrupt
        After Ctrl-C, when the workers are let go.
    """
    if resources is None:
        on_gpu = shared.trainer.device.startswith("cuda")
        resources = {"cpu": 1, "gpu": 1} if on_gpu else {"cpu": 1}
    with ExitStack() as stack:
        stack.enter_context(_quiet())
        stack.enter_context(_as_before())
        stack.enter_context(_cluster(n_jobs, resources))
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        if n_jobs == -1:
            n_cpus = ray.cluster_resources().get("CPU", 1)
            n_jobs = max(1, int(n_cpus / (resources.get("cpu") or 1)))
        with warnings.catch_warnings():  # of constant_liar, in older versions
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = optuna.samplers.TPESampler(
                n_startup_trials=n_startup_trials, constant_liar=n_jobs > 1, seed=shared.seed
            )
        watch = _Watch(plan)
        tuner = tune.Tuner(
            tune.with_resources(_trainable, resources),
            param_space={"shared": ray.put(shared)},  # sent once
            tune_config=tune.TuneConfig(
                search_alg=OptunaSearch(
                    _Proposals(plan), metric="score", mode="max", sampler=sampler
                ),
                scheduler=_scheduler(shared),
                num_samples=n_trials,
                max_concurrent_trials=n_jobs,
                reuse_actors=True,
                trial_dirname_creator=lambda trial: trial.trial_id,
            ),
            run_config=tune.RunConfig(
                name="tune",
                storage_path=folder,
                verbose=0,
                callbacks=[watch],
                stop=watch,
                failure_config=tune.FailureConfig(max_failures=MAX_RETRIES),
            ),
        )
        tuner.fit()
    if plan.error is not None:
        raise RuntimeError(plan.error)
    if plan.n_finished < n_trials:  # Tune has caught the signal and come to a clean end
        raise KeyboardInterrupt


def _trainable(config):
    """What a worker does."""
    shared = ray.get(config["shared"])
    worst = _WORST[shared.trainer.task_]
    run_trial(shared, config["task"], lambda found: tune.report({"score": worst, **found}))


def _scheduler(shared):
    if shared.factor is None:
        return FIFOScheduler()
    return ASHAScheduler(
        time_attr="epoch", metric="score", mode="max", grace_period=shared.grace_period,
        # each trial ends by itself, after epochs that may be among its parameters
        max_t=max(_LONGEST, shared.grace_period), stop_last_trials=False,
        reduction_factor=shared.factor,
    )  # fmt: skip


class _Proposals:
    """What OptunaSearch asks for each trial. It is never restored, so that a copy holds nothing."""

    def __init__(self, plan):
        self.plan = plan

    def __call__(self, trial):
        return {"task": self.plan.task(trial)}

    def __getstate__(self):
        return {}


class _Watch(tune.Callback, tune.Stopper):
    """Hands on what trials tell, and ends the search when one fails that does."""

    _REPORTED = ("epoch", "score", "training_time", "scoring_time", "ended", "error", "diverged")

    def __init__(self, plan):
        self.plan = plan

    def on_trial_result(self, iteration, trials, trial, result, **info):
        found = {name: result[name] for name in self._REPORTED if name in result}
        if "error" in found:
            del found["score"]  # which stands for none
        self.plan.report(_number(trial), found)

    def on_trial_complete(self, iteration, trials, trial, **info):
        self.plan.finish(_number(trial))

    def on_trial_recover(self, iteration, trials, trial, **info):
        self.plan.restart(_number(trial))

    def on_trial_error(self, iteration, trials, trial, **info):
        self.plan.lose(_number(trial), trial.get_error())

    def __call__(self, trial_id, result):
        return False

    def stop_all(self):
        return self.plan.error is not None

    def __getstate__(self):
        return {}


def _number(trial):
    return trial.config["task"].number


@contextmanager
def _cluster(n_jobs, resources):
    """The Ray that is connected; else one of this machine, or of RAY_ADDRESS, for the time."""
    if ray.is_initialized():
        _check_resources(resources)
        yield
        return
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if not os.environ.get("RAY_ADDRESS"):
        n_cpus = os.cpu_count() or 1
        if n_jobs != -1:
            n_cpus = math.ceil(n_jobs * max(1, resources.get("cpu") or 1))
        options |= {"num_cpus": n_cpus, "include_dashboard": False}
    ray.init(**options)
    try:
        _check_resources(resources)
        yield
    finally:
        ray.shutdown()


def _check_resources(resources):
    """Raise ValueError if no trial could ever begin: Ray would wait for them without a word."""
    there = ray.cluster_resources()
    for name, asked in resources.items():
        most = there.get({"cpu": "CPU", "gpu": "GPU"}.get(name, name), 0)
        if asked is not None and asked > most:
            raise ValueError(
                f"resources must be on the Ray cluster; got {name}={asked}, and it has {most:g}"
            )


@contextmanager
def _quiet():
    """Say of Ray and Optuna nothing but errors of ours."""
    logger = logging.getLogger("ray.tune")
    levels = logger.level, optuna.logging.get_verbosity()
    logger.setLevel(logging.CRITICAL)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(levels[0])
        optuna.logging.set_verbosity(levels[1])


@contextmanager
def _as_before():
    """Put back what Tune leaves changed: signal handlers, numpy's global generator; and our own."""
    environment = {name: os.environ.get(name) for name in _ENVIRONMENT}
    in_main = threading.current_thread() is threading.main_thread()
    handled = [getattr(signal, name, None) for name in ("SIGINT", "SIGUSR1")] if in_main else []
    handlers = {number: signal.getsignal(number) for number in handled if number is not None}
    state = np.random.get_state()
    os.environ.update(_ENVIRONMENT)
    try:
        yield
    finally:
        np.random.set_state(state)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for name, value in environment.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
