"""Selectors beside one another: the same architectures, budgets, seeds and training recipe."""

from __future__ import annotations

import itertools
import time
import warnings
from collections.abc import Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from joblib import delayed

from sksubsel._parallel import Progress, on_cluster, run_tasks, threads_of_each
from sksubsel._validation import warn_caller
from sksubsel.architectures import as_architectures
from sksubsel.benchmark import records
from sksubsel.benchmark.checks import FULL_DATA, check_run, check_selectors, check_validation
from sksubsel.benchmark.tasks import Task, Training, kind_of, lost_task, run_task
from sksubsel.benchmark.turns import net_of
from sksubsel.metrics import relative_accuracy_reduction, speedup
from sksubsel.selector import SubsetSelector
from sksubsel.zoo.zoo import TrainingFailedWarning

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from numpy.typing import ArrayLike

    from sksubsel.zoo import ModelZoo

__all__ = ["SOFT", "as_table", "compare", "named_by", "read_table", "row_name"]

SOFT = " + soft targets"
"""What a method's name ends with where it trains on them."""

_STALLED, _STALLED_SECONDS = 10, 60  # times what others take, and at least so much longer

_COLUMNS = [
    "method", "budget", "n_selected", "n_steps", "arch", "seed", "accuracy", "balanced_accuracy",
    "train_accuracy", "validation_accuracy", "rar",
    "speedup", "setup_time", "selection_time", "shared", "training_time", "gb_minutes", "energy",
    "machine", "date",
]  # fmt: skip


def compare(
    selectors: Mapping[str, Any],
    archs: Iterable[Any],
    zoo: ModelZoo,
    X_test: ArrayLike,
    y_test: ArrayLike,
    *,
    validation: tuple[Any, Any] | None = None,
    budgets: Sequence[int | float] = (0.05, 0.1),
    seeds: Sequence[int] = (0, 1, 2),
    soft_targets: Collection[str] = (),
    records_file: str | Path | None = None,
    on_error: str = "raise",
    n_jobs: int | None = None,
    verbose: int = 0,
) -> pd.DataFrame:
    """Train architectures on what each selector chooses, and on all data.

    Every training has the recipe of the zoo's estimator, whose `max_epochs` and `min_steps` say
    how many steps a subset gets; a seed is that of the sampling as well as of the training.

    Parameters
    ----------
    selectors : dict
        By the name that each has in the table, one of

        - a fitted :class:`~sksubsel.SubSelNet`, or :class:`InTurns` with one, or a list of either,
          one for each seed;
        - an unfitted selector of (X, y), such as ``Random()``, fitted for each budget and seed,
          which take the place of its own; its `sample_weight_` are used;
        - a :class:`~sksubsel.baselines.SubsetCallback`, which selects while a network trains; it
          gets as many epochs as a subset of the same size;
        - ``callable(architecture, budget, seed) -> rows``, the budget being a count.
    archs : list of architectures
        Best of ones that no selector has seen.
    zoo : ModelZoo
        Fitted; gives the training data and the recipe.
    X_test, y_test : arrays
    validation : (X, y) or None, default=None
        Further instances on which to report the accuracy. With a `records_file`, trainings that
        were judged on others, or on none, are done again.
    budgets : sequence of int or float
    seeds : sequence of int
    soft_targets : collection of str, or dict of str to SubSelNet
        Names of selectors that also appear with training on predicted probabilities of the
        selected rows in place of labels: those of the selector itself, which must be a SubSelNet
        (or InTurns with one), or of the fitted SubSelNet that the dict gives for any selector.
        That changes the training, not the selection, but of what selects by the training's
        gradients or losses.
    records_file : path or None, default=None
        File to which each finished training is added as a line of JSON. A run with the same file
        does not do again what is in it. Trainings are known by all that determines them: data,
        recipe, parameters of the selector and of its zoo, architecture, budget, seed, version (a
        function by its code, not by that of what it calls); times are those of the machine where
        they were measured.
    on_error : {"raise", "warn"}, default="raise"
        Whether a training that fails ends the comparison, or is left out and reported at the end.
    n_jobs : int or None, default=None
        Trainings side by side, through joblib. The cores are shared out among the workers, whose
        times are those on their share. On a Dask or Ray cluster (``docs/scaling_out.md``) a
        training is recorded when those of the same selector and seed, or of a network's own
        selection of the same architecture too, are finished.
    verbose : int, default=0
        1 shows progress with the remaining time.

    Returns
    -------
    DataFrame
        One row per training: ``method``; ``budget`` as given; ``n_selected``, rows of an epoch;
        ``n_steps``, optimiser steps (NaN of an estimator of one's own, and in records from before
        they were counted); ``arch``, its hash; ``seed, accuracy, balanced_accuracy``;
        ``train_accuracy``, on the rows trained on, of which at most 5,000 are asked (of an adaptive
        method on all rows, of subsets in turns on theirs); ``validation_accuracy``, NaN without
        `validation`; ``rar``, the relative accuracy reduction, against the architecture's mean
        accuracy on all data;
        ``speedup``, its mean training time on all data over ``selection_time + training_time``;
        ``setup_time``, spent once for all architectures (the zoo's trainings, the fits and what the
        budget needs, also where a net has it already; not counted in the speed-up); ``shared``,
        whether the selection, which is counted in full in each row, is the same for all
        architectures; ``gb_minutes`` and ``energy`` of selection and training, see :class:`Meter`;
        ``machine``, with threads and device; ``date``. Times are in seconds, energy in joules.

    Raises
    ------
    ValueError
        If something is wrong with an argument, before anything is trained.
    RuntimeError
        If a training on all data failed and ``on_error="warn"``.

    Warns
    -----
    UserWarning
        If the records come from several machines or other shares of one, whose times are then
        compared; if a training took ten times as long as others of its method, budget and
        architecture, and a minute longer, as where a machine stood still; if an architecture is
        one that a SubSelNet has learned from.
    TrainingFailedWarning
        If trainings failed and ``on_error="warn"``.

    Notes
    -----
    A selector of (X, y) is fitted once for all architectures. What it can share among budgets (a
    recorded training, a target) is computed once and its time counted for each. `n_selected` of an
    adaptive method is the mean over its epochs.

    Examples
    --------
    >>> from sksubsel import ArchitectureClassifier, ModelZoo
    >>> from sksubsel.baselines import Herding, Random
    >>> from sksubsel.benchmark import compare
    >>> from sksubsel.datasets import load_digits_images
    >>> from sksubsel.spaces import MLP
    >>> X, y = load_digits_images(return_X_y=True)
    >>> *seen, unseen = MLP(depths=(1, 2), widths=(8, 16)).sample(3, random_state=0)
    >>> recipe = ArchitectureClassifier(max_epochs=2)
    >>> zoo = ModelZoo(recipe, random_state=0).fit(seen, X[:300], y[:300])
    >>> table = compare(
    ...     {"random": Random(), "herding": Herding()}, [unseen], zoo, X[300:], y[300:],
    ...     budgets=(0.1,), seeds=(0,),
    ... )
    >>> table[["budget", "method", "n_selected"]]
       budget     method  n_selected
    0     1.0  full data         300
    1     0.1     random          30
    2     0.1    herding          30
    """
    archs = as_architectures(archs)
    X_test, y_test, counts, seeds = check_run(zoo, archs, X_test, y_test, budgets, seeds, on_error)
    validation = check_validation(validation, zoo)
    soft_targets = check_selectors(selectors, seeds, soft_targets, zoo, archs, counts)
    recipe = records.recipe_key(zoo, X_test, y_test)
    run = records.run_key(zoo, archs, X_test, y_test, validation)
    validated_on = records.validation_key(validation)
    kept = []
    if records_file is not None:
        records_file = records.place(records_file)
        kept = records.read(records_file)
    done = _judged_alike(kept, validated_on)
    last = {row_name(record): record["key"] for record in kept}
    per_seed = {name for name, given in selectors.items() if isinstance(given, Sequence)}
    per_seed |= {
        name + SOFT
        for name, given in soft_targets.items()
        if name in per_seed or isinstance(given, Sequence)
    }
    newest = {
        named_by(record, per_seed): record["selector"] for record in kept if "selector" in record
    }
    tasks, wanted = [], []
    for task in _tasks(recipe, selectors, archs, counts, seeds, soft_targets):
        wanted += task.trainings
        missing = {one.key: one for one in task.trainings if one.key not in done}
        if missing:
            tasks.append(task._replace(trainings=list(missing.values())))
    n_threads, far = threads_of_each(n_jobs), on_cluster(n_jobs)
    judging = {
        "test": (X_test, y_test), "validation": validation, "validated_on": validated_on
    }  # fmt: skip
    shared = [zoo, judging, *(one for task in tasks for one in (task.selector, task.source))]
    on_lost = lost_task if on_error == "warn" else None
    n_missing = sum(len(task.trainings) for task in tasks)
    progress = Progress("compare", "trainings", n_missing, verbose)
    if records_file is not None:
        progress.say(f"{len(wanted) - n_missing} of {len(wanted)} trainings are in {records_file}")
    jobs = (
        delayed(run_task)(
            run, task, zoo, judging, None if far else records_file, n_threads, on_error,
            not far and n_threads is None,
        )
        for task in _prepare(tasks, progress.say, on_error)
    )  # fmt: skip
    failed = []
    with progress, closing(run_tasks(jobs, n_jobs, shared, on_lost)) as results:
        for found in results:
            failed += [record for record in found if "error" in record]
            for record in found:
                if "error" not in record:
                    if far and records_file is not None:  # workers may not see the file
                        records.append(records_file, record)
                    done[record["key"]] = record
                    last[row_name(record)] = record["key"]
                    newest[named_by(record, per_seed)] = record["selector"]
            progress.step(len(found))
    if failed:
        first = failed[0]
        if any(record["method"] == FULL_DATA for record in failed):
            raise RuntimeError(f"training on all data, the reference, failed: {first['error']}")
        warnings.warn(
            f"{len(failed)} trainings failed and are left out, of the methods "
            f"{sorted({record['method'] for record in failed})}. The first, of "
            f"{first['method']!r}: {first['error']}",
            TrainingFailedWarning,
            stacklevel=2,
        )
    rows = [{**done[one.key], "run": run, **one.name()} for one in wanted if one.key in done]
    if records_file is not None:  # what was known by another name is now known by this one, too
        for row in rows:
            # the newest record says which selector has the name at present
            known = newest.get(named_by(row, per_seed)) == row["selector"]
            if last.get(row_name(row)) != row["key"] or not known:
                records.append(records_file, row)
                newest[named_by(row, per_seed)] = row["selector"]
    return _table(rows)


def read_table(records_file: str | Path, *, run: str | None = None) -> pd.DataFrame:
    """The table of all that a file of records holds, under the names it was recorded by.

    Parameters
    ----------
    records_file : path
    run : str or None
        Of records of several data or recipes, those with this value of ``run``.

    Returns
    -------
    DataFrame
        As :func:`compare` gives. Of two records of the same name, budget, architecture and seed
        the later counts.

    Raises
    ------
    ValueError
        If there are records of several runs and `run` is None, or trainings on all data are
        missing.

    Examples
    --------
    >>> from sksubsel.benchmark import read_table
    >>> table = read_table("records.jsonl")  # doctest: +SKIP
    """
    found = records.read(records_file)
    runs = list(dict.fromkeys(record["run"] for record in found))
    if run is None and len(runs) > 1:
        raise ValueError(f"run must name one of the runs in {records_file}: {runs}; got None")
    return as_table([one for one in found if run in (None, one["run"])], records_file)


def as_table(found, records_file) -> pd.DataFrame:
    """The table of records of one run; see `read_table`."""
    rows = list({row_name(record): record for record in found}.values())
    full = {row["arch"] for row in rows if row["method"] == FULL_DATA}
    missing = {row["arch"] for row in rows} - full
    if missing or not rows:
        raise ValueError(
            f"{records_file} must hold trainings on all data of every architecture; got none of "
            f"{sorted(missing) or 'any'}"
        )
    return _table(rows)


def row_name(record) -> tuple:
    """What tells a record's row from others, but for the selector that had its method's name."""
    return tuple(record[name] for name in ("run", "method", "budget", "arch", "seed"))


def named_by(record, per_seed) -> tuple:
    """What one selector has: the name of a method, of those in `per_seed` with one of the seeds."""
    seed = record["seed"] if record["method"] in per_seed else None
    return record["run"], record["method"], seed


def _judged_alike(kept, validated_on):
    """Records by key, but for those which lack what is asked about the validation instances."""
    if not validated_on:  # what others say of theirs is not to be read as of these
        unknown = {"validation_accuracy": np.nan, "validated_on": validated_on}
        return {one["key"]: {**one, **unknown} for one in kept}
    return {one["key"]: one for one in kept if one.get("validated_on") == validated_on}


def _tasks(recipe, selectors, archs, counts, seeds, soft_targets):
    """Tasks of all trainings: one a seed for selectors of (X, y), else one an architecture too."""
    digests: dict = {}
    for name, given in {FULL_DATA: None, **selectors}.items():
        budgets = {1.0: None}.items() if given is None else counts.items()
        for place, seed in enumerate(seeds):
            selector, source = (
                one[place] if isinstance(one, Sequence) else one
                for one in (given, soft_targets.get(name))
            )
            for one in (selector, source):
                if id(one) not in digests:
                    digests[id(one)] = records.selector_key(one)
            kinds = (None, source) if source is not None else (None,)
            no_budget = kind_of(selector) == "callback" and not getattr(
                selector.strategy, "uses_budget", True
            )
            for group in [archs] if kind_of(selector) == "rows" else [[arch] for arch in archs]:
                trainings = []
                for (budget, count), arch, soft in itertools.product(budgets, group, kinds):
                    own = digests[id(selector)]
                    giver = None if soft is None else digests[id(soft)]
                    key = records.record_key(
                        recipe, own, arch, None if no_budget else count, seed, giver
                    )
                    method = name
                    if giver is not None:
                        method, own = name + SOFT, f"{own} {giver}"
                    trainings.append(
                        Training(key, method, budget, count, arch, seed, soft is not None, own)
                    )
                yield Task(selector, source, {}, trainings)


def _prepare(tasks, say, on_error):
    """The tasks, each when it is asked for, its net prepared for its budgets, with the seconds.

    They are those of the net's fits and of preparing the budget, which is done once. Where
    `on_error` is "warn", what fails here fails again in the trainings, and is reported of them.
    """
    seconds: dict = {}
    for task in tasks:
        if net_of(task.selector) is None:
            yield task
            continue
        setup_times = {}
        for training in task.trainings:
            budget, key = training.budget, (id(task.selector), training.budget)
            if key not in seconds:
                start, done = time.perf_counter(), "prepared"
                try:
                    with _as_fitted(net_of(task.selector)):
                        task.selector.prepare(budget)
                except Exception:
                    if on_error == "raise":
                        raise
                    done = "could not be prepared"
                taken = time.perf_counter() - start
                seconds[key] = sum(task.selector.fit_times_.values()) + taken
                what = f"{training.method}, seed {training.seed}, {done} for {budget} rows"
                say(f"{what}, {taken:.0f} s")
            setup_times[budget] = seconds[key]
        yield task._replace(setup_times=setup_times)


def _as_fitted(net):
    """Have a net make anew the designs that it has kept since its fit, so that they are counted."""
    part = net.selector_
    return part._as_fitted() if isinstance(part, SubsetSelector) else nullcontext()


def _table(rows):
    """Records as a table, with what follows from the trainings on all data."""
    table = pd.DataFrame(rows)
    if table.machine.nunique() > 1:
        warn_caller(
            f"the records are of {table.machine.nunique()} machines, shares of their cores or "
            "devices, whose times are compared in `speedup`; see the column `machine`"
        )
    usual = table.groupby(["method", "budget", "arch"]).training_time.transform("median")
    longer = table.training_time - usual
    stalled = table[(table.training_time > _STALLED * usual) & (longer > _STALLED_SECONDS)]
    if len(stalled):
        longest = stalled.loc[stalled.training_time.idxmax()]
        warn_caller(
            f"{len(stalled)} trainings took over {_STALLED} times as long as the others of their "
            f"method, budget and architecture, as if the machine had stood still, and count in "
            f"`speedup`: {longest.method!r}, seed {longest.seed}, {longest.training_time:.0f} s"
        )
    full = table[table.method == FULL_DATA].groupby("arch")[["accuracy", "training_time"]].mean()
    full = full.loc[table.arch].reset_index(drop=True)
    # R^2 of a regression may be negative, and has no relative reduction then
    good = (full.accuracy > 0).to_numpy() & (table.accuracy >= 0).to_numpy()
    table["rar"] = np.nan
    if good.any():
        table.loc[good, "rar"] = relative_accuracy_reduction(
            table.accuracy.to_numpy()[good], full.accuracy.to_numpy()[good]
        )
    table["speedup"] = speedup(
        full.training_time.to_numpy(),
        table.training_time.to_numpy(),
        table.selection_time.to_numpy(),
    )
    return table.reindex(columns=_COLUMNS)
