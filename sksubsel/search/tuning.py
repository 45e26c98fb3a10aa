"""Hyper-parameters of trainings tuned on subsets: TPE proposes, ASHA ends the poor ones early."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from sklearn.utils import check_random_state

from sksubsel._parallel import Progress
from sksubsel._validation import check_budget, check_instances, check_positive, is_count
from sksubsel.architectures import Architecture, as_architecture
from sksubsel.benchmark import records
from sksubsel.benchmark.checks import check_validation
from sksubsel.benchmark.tasks import Selections, Training
from sksubsel.search.param_space import as_param_space
from sksubsel.search.scored_training import Shared
from sksubsel.search.trials import Trainer, check_selector, distinct_architectures
from sksubsel.search.tuning_plan import Plan

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike

__all__ = ["TuneResult", "tune"]

_NOT_TUNED = ("architecture", "classes", "random_state", "device", "verbose")


@dataclass(frozen=True)
class TuneResult:
    """What `tune` found.

    Parameters
    ----------
    results : DataFrame
        One row per trial, in the order in which they were proposed: ``architecture``, its
        ``hash``, ``params`` (a dict), a column ``param_...`` for each of them, ``score`` (of the
        last epoch on the validation instances: accuracy, of regression R^2; NaN if it failed),
        ``n_epochs`` trained, ``stopped_early`` (by ASHA), ``budget`` (rows asked for),
        ``n_selected``, ``selection_time`` (of the architecture's rows, selected once for all its
        trials), ``training_time``, ``scoring_time`` in seconds, and ``error``, why it failed.
    best_params : dict
        For ``set_params`` of the estimator.
    best_architecture : Architecture
    best_score : float
        Of the best trial that was trained to its end, so that it is optimistic.
    best_estimator : ArchitectureClassifier, ArchitectureRegressor or None
        Trained with the best parameters on all instances passed to `tune`; None without `refit`.
    n_train, n_validation : int
        Instances to select from, and to score on.
    """

    results: pd.DataFrame
    best_params: dict
    best_architecture: Architecture
    best_score: float
    best_estimator: Any
    n_train: int
    n_validation: int


def tune(
    archs: Any,
    selector: Any,
    X: ArrayLike,
    y: ArrayLike,
    *,
    validation: float | tuple[Any, Any] = 0.2,
    budget: int | float = 0.1,
    estimator: Any = None,
    param_space: Any = None,
    n_trials: int = 20,
    n_startup_trials: int = 10,
    grace_period: int = 1,
    factor: int | None = 3,
    refit: bool = True,
    store: str | Path | None = None,
    on_error: str = "raise",
    resources: dict | None = None,
    n_jobs: int | None = None,
    random_state: int | np.random.RandomState | None = None,
    verbose: int = 0,
) -> TuneResult:
    """Tune hyper-parameters with Ray Tune, each trial trained on what a selector chooses.

    TPE, Optuna's, proposes parameters; ASHA, Ray's, ends trials whose score after some epochs is
    not among the better ones. The best parameters are then used to train on all data.

    Parameters
    ----------
    archs : architecture or list of architectures
        Of several, distinct ones, the architecture is tuned like the parameters.
    selector : selector or None
        What chooses the rows to train on, once for each architecture and before the first trial:
        a fitted :class:`~sksubsel.SubSelNet` or :class:`~sksubsel.benchmark.InTurns` with one, an
        unfitted selector of (X, y), ``callable(architecture, budget, seed) -> rows``, or None for
        all instances. A :class:`~sksubsel.baselines.SubsetCallback` selects during each training.
    X : array of shape (N, F) or (N, channels, height, width)
        Instances to select from and, unless others are given, to score on.
    y : array of shape (N,)
    validation : float or (X, y), default=0.2
        Instances to score on: others, or the share of X that is held out. For a SubSelNet others,
        since it selects among all that it was fitted on.
    budget : int or float, default=0.1
        Rows to select, a count or a fraction of those there are; of no account without a selector.
    estimator : ArchitectureClassifier, ArchitectureRegressor or None, default=None
        Recipe of the trainings, of which `param_space` changes parameters; None: one with default
        settings, by the labels.
    param_space : callable, dict or None, default=None
        ``param_space(trial)`` returns a dict of the estimator's parameters, proposed by the
        ``suggest_`` methods of an Optuna trial (the names given to these must not be
        "architecture"). A dict has for each parameter a list of choices or one of
        ``optuna.distributions``. None: :func:`~sksubsel.search.optimizer_space`, the paper's,
        which a function may call to add to it.
    n_trials : int, default=20
    n_startup_trials : int, default=10
        Trials drawn at random before TPE begins.
    grace_period : int, default=1
        Epochs that each trial has.
    factor : int or None, default=3
        eta of ASHA: after `grace_period` epochs, `factor` times as many, ``factor**2`` times and so
        on, a trial goes on if its score is in the best ``1 / factor`` of those that came so
        far before it. None ends no trial early. Scores are taken after these epochs and the last.
    refit : bool, default=True
        Train with the best parameters on all instances of X in the end.
    store : path or None, default=None
        File of JSON lines to which each finished trial is added. A search that was interrupted,
        by Ctrl-C or otherwise, is run again with the same file and an int `random_state`, and
        finds there what was finished. Trials are known by all that determines them, so one file
        serves any searches, and nothing in it is executed.
    on_error : {"raise", "warn"}, default="raise"
        Whether a training that fails ends the search, or has no score and is warned of. One whose
        loss becomes NaN, as too large a learning rate makes it, has no score either way.
    resources : dict or None, default=None
        Of each trial, for Ray, such as ``{"cpu": 1, "gpu": 0.5}``. None: a CPU, and a GPU if the
        estimator's device is one. Each trial is on one thread of the CPU.
    n_jobs : int or None, default=None
        Trials side by side; None is 1, -1 as many as the cluster has CPUs. On the Ray cluster that
        is connected, or else on one that is started on this machine, and shut down in the end.
    random_state : int, RandomState instance or None, default=None
        Of the proposals, the validation split, the selections and the trainings. With
        ``n_jobs=1`` the same int gives the same trials. With more, what is proposed and ended
        early depends on which trial is finished first; the same parameters still have the same
        scores.
    verbose : int, default=0
        1 shows progress with the remaining time.

    Returns
    -------
    TuneResult

    Raises
    ------
    ImportError
        If Ray Tune or Optuna is not installed: ``pip install "sksubsel[search]"``.
    ValueError
        If something is wrong with an argument, before anything is trained.
    RuntimeError
        If a training fails and ``on_error="raise"``, or if all did.

    Notes
    -----
    Ray's own experiment state is not used for resuming: it is pickled, is of one version of Ray,
    and continues proposals from the last snapshot. Here the proposals are made again, which costs
    next to nothing, and the scores of finished trials are told again from `store`.

    References
    ----------
    Bergstra, Bardenet, Bengio, Kegl. Algorithms for Hyper-Parameter Optimization. NeurIPS 2011.

    Li, Jamieson, Rostamizadeh, Gonina, Ben-Tzur, Hardt, Recht, Talwalkar. A System for Massively
    Parallel Hyperparameter Tuning. MLSys 2020.

    Jain, Nandy, Aggarwal, Tendulkar, Iyer, De. Efficient Data Subset Selection to Generalize
    Training Across Models: Transductive and Inductive Networks. NeurIPS 2023, section 5.3.

    Examples
    --------
    >>> from sksubsel.baselines import Random
    >>> from sksubsel.search import tune
    >>> from sksubsel.spaces import MLP
    >>> arch = MLP().sample(1, random_state=0)[0]
    >>> found = tune(arch, Random(stratify="equal"), X, y, random_state=0)  # doctest: +SKIP
    >>> found.best_params, found.best_estimator.predict(X_test)  # doctest: +SKIP
    """
    runner = _runner()
    archs = _architectures(archs)
    n_jobs = _check(
        n_jobs, factor, on_error, resources, store, n_trials=n_trials,
        n_startup_trials=n_startup_trials, grace_period=grace_period,
    )  # fmt: skip
    X, codes, task, classes = check_instances(X, y)
    seed = int(check_random_state(random_state).randint(2**31 - 1))
    everything = Trainer(estimator, None, X, codes, classes, task)
    trainer, X_val, y_val = _to_score_on(validation, everything, seed)
    selector = check_selector(selector, trainer)
    count = None if selector is None else check_budget(budget, len(trainer.X_))
    allowed = set(trainer.estimator_.get_params(deep=False)) - set(_NOT_TUNED)
    space = as_param_space(param_space, allowed)
    plan = Plan(space, allowed, trainer.estimator_, archs, store, on_error)
    runner.check(plan)
    with Progress("tune", "trials", n_trials, verbose) as progress:
        progress.say(f"selecting for {len(archs)} architectures")
        selections = Selections(selector, trainer)
        chosen = {
            arch.hash: selections.choose(
                Training("", "tune", count, count, arch, seed, False), trainer.device
            )
            for arch in archs
        }
        times = {
            key: 0.0 if one.meter is None else one.meter.seconds for key, one in chosen.items()
        }
        chosen = {key: one._replace(meter=None) for key, one in chosen.items()}  # it can't be sent
        shared = Shared(trainer, X_val, y_val, chosen, count, seed, grace_period, factor)
        plan.begin(shared, records.selector_key(selector), times, progress)
        runner.run(
            plan, shared, n_trials=n_trials, n_startup_trials=n_startup_trials, n_jobs=n_jobs,
            resources=resources,
        )  # fmt: skip
        results = plan.results()
        best = _best(results)
        progress.say(f"best score {best.score:.4f}, with {best.params}")
        refitted = None
        if refit:
            progress.say(f"training with these on all {len(X)} instances")
            refitted = everything.train(best.architecture, random_state=seed, **best.params)
    return TuneResult(
        results, best.params, best.architecture, float(best.score), refitted,
        len(trainer.X_), len(X_val),
    )  # fmt: skip


def _runner():
    """What runs trials; it is imported when it is needed, since Ray and Optuna are extras."""
    try:
        from sksubsel.search import ray_tune
    except ImportError as error:
        raise ImportError(
            'tune needs Ray Tune and Optuna, which are extras: pip install "sksubsel[search]"'
        ) from error
    return ray_tune


def _architectures(archs):
    try:
        return [as_architecture(archs)]
    except TypeError:  # no single one
        return distinct_architectures(archs)


def _check(n_jobs, factor, on_error, resources, store, **counts):
    """`n_jobs` as an int; raises ValueError if one of them is out of range."""
    check_positive(**counts)
    if factor is not None and (not is_count(factor) or factor < 2):
        raise ValueError(f"factor must be an int of at least 2, or None; got {factor!r}")
    if on_error not in ("raise", "warn"):
        raise ValueError(f'on_error must be "raise" or "warn"; got {on_error!r}')
    if resources is not None and not isinstance(resources, dict):
        raise ValueError(
            f'resources must be a dict such as {{"cpu": 1}}, or None; got {resources!r}'
        )
    if store is not None and not isinstance(store, (str, Path)):
        raise ValueError(f"store must be the path of a file, or None; got {store!r}")
    n_jobs = 1 if n_jobs is None else n_jobs
    if n_jobs != -1 and not is_count(n_jobs):
        raise ValueError(f"n_jobs must be a positive int, -1 or None; got {n_jobs!r}")
    return n_jobs


def _to_score_on(validation, everything, seed):
    """Trainer of the instances to select from, and instances with labels to score on."""
    if isinstance(validation, Real) and not isinstance(validation, bool):
        if not 0 < validation < 1:
            raise ValueError(f"validation must be in (0, 1), or a pair (X, y); got {validation}")
        return everything.hold_out(validation, seed)
    if validation is None:
        raise ValueError("validation must be a float in (0, 1), or a pair (X, y); got None")
    return everything, *check_validation(validation, everything)


def _best(results):
    """Row of the best trial that was trained to its end."""
    scores = results.score.where(~results.stopped_early)
    if scores.isna().all():
        raise RuntimeError(
            f"no training succeeded; the first that failed: {results.error.dropna().iloc[0]}"
        )
    return results.loc[scores.idxmax()]
