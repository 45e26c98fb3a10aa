"""Selectors beside one another: the same architectures, budgets, seeds and training recipe."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from contextlib import closing

import numpy as np
import pandas as pd
from joblib import delayed, effective_n_jobs

from sksubsel._parallel import Progress, run_tasks
from sksubsel._validation import check_budget, check_X
from sksubsel.architectures import as_architectures
from sksubsel.baselines import SubsetCallback
from sksubsel.benchmark import records
from sksubsel.benchmark.tasks import Training, kind_of, run_task
from sksubsel.metrics import relative_accuracy_reduction, speedup
from sksubsel.subselnet import SubSelNet

__all__ = ["FULL_DATA", "compare", "read_table"]

FULL_DATA = "full data"
"""The method's name of trainings on all instances."""

_COLUMNS = [
    "method", "budget", "n_selected", "arch", "seed", "accuracy", "balanced_accuracy", "rar",
    "speedup", "setup_time", "selection_time", "shared", "training_time", "gb_minutes", "energy",
    "machine", "date",
]  # fmt: skip


def compare(
    selectors,
    archs,
    zoo,
    X_test,
    y_test,
    *,
    budgets=(0.05, 0.1),
    seeds=(0, 1, 2),
    soft_targets=(),
    records_file=None,
    n_jobs=None,
    verbose=0,
) -> pd.DataFrame:
    """Train architectures on what each selector chooses, and on all data.

    Every training has the recipe of the zoo's estimator, whose `max_epochs` and `min_steps` say
    how many steps a subset gets; a seed is that of the sampling as well as of the training.

    Parameters
    ----------
    selectors : dict
        By the name that each has in the table, one of

        - a fitted :class:`~sksubsel.SubSelNet`, or a list of them, one for each seed;
        - an unfitted selector of (X, y), such as ``Random()``, fitted for each budget and seed;
          its `sample_weight_` are used;
        - a :class:`~sksubsel.baselines.SubsetCallback`, which selects while a network trains; it
          gets as many epochs as a subset of the same size;
        - ``callable(architecture, budget, seed) -> rows``, the budget being a count.
    archs : list of architectures
        Best of ones that no selector has seen.
    zoo : ModelZoo
        Fitted; gives the training data and the recipe.
    X_test, y_test : arrays
    budgets : sequence of int or float
    seeds : sequence of int
    soft_targets : collection of str, or dict of str to SubSelNet
        Names of selectors that also appear with training on predicted probabilities of the
        selected rows in place of labels: those of the selector itself, which must be a SubSelNet,
        or of the fitted SubSelNet that the dict gives for any selector of rows. That changes the
        training, not the selection.
    records_file : path or None, default=None
        File to which each finished training is added as a line of JSON. A run with the same file
        does not do again what is in it. Trainings are known by all that determines them: data,
        recipe, parameters of the selector and of its zoo, architecture, budget, seed, version;
        times are those of the machine where they were measured.
    n_jobs : int or None, default=None
        Trainings side by side, through joblib. The cores are shared out among the workers, whose
        times are those on their share.
    verbose : int, default=0
        1 shows progress with the remaining time.

    Returns
    -------
    DataFrame
        One row per training: ``method``; ``budget`` as given; ``n_selected``; ``arch``, its hash;
        ``seed, accuracy, balanced_accuracy``; ``rar``, the relative accuracy reduction, against the
        architecture's mean accuracy on all data; ``speedup``, its mean training time on all data
        over ``selection_time + training_time``; ``setup_time``, spent once for all architectures
        (the zoo's trainings, the fit and what the budget needs; not counted in the speed-up);
        ``shared``, whether the selection, which is counted in full in each row, is the same for
        all architectures; ``gb_minutes`` and ``energy`` of selection and training, see
        :class:`Meter`; ``machine, date``. Times are in seconds, energy in joules.

    Raises
    ------
    ValueError
        If something is wrong with an argument, before anything is trained.

    Warns
    -----
    UserWarning
        If the records come from several machines, whose times are then compared.

    Notes
    -----
    A selector of (X, y) is fitted once for all architectures. What it can share among budgets (a
    recorded training, a target) is computed once in a task and its time counted for each.
    """
    archs = as_architectures(archs)
    X_test, y_test = check_X(X_test, "X_test"), np.asarray(y_test)
    seeds = list(seeds)
    counts = {budget: check_budget(budget, len(zoo.y_)) for budget in budgets}
    soft_targets = _check(selectors, seeds, soft_targets, zoo)
    run = records.run_key(zoo, X_test, y_test)
    done = {} if records_file is None else records.read(records_file)
    tasks, wanted = [], []
    for *task, trainings in _tasks(run, selectors, archs, counts, seeds, soft_targets):
        wanted += trainings
        missing = [training for training in trainings if training.key not in done]
        if missing:
            tasks.append((*task, missing))
    n_workers = min(effective_n_jobs(n_jobs), max(1, len(tasks)))
    n_threads = None if n_workers == 1 else max(1, (os.cpu_count() or 1) // n_workers)
    jobs = (
        delayed(run_task)(run, *task, zoo, X_test, y_test, records_file, n_threads)
        for task in tasks
    )
    n_missing = sum(len(missing) for *_, missing in tasks)
    progress = Progress("compare", "trainings", n_missing, verbose)
    if records_file is not None:
        progress.say(f"{len(wanted) - n_missing} of {len(wanted)} trainings are in {records_file}")
    with closing(run_tasks(jobs, n_jobs)) as results:
        for found in results:
            done.update((record["key"], record) for record in found)
            progress.step(len(found))
    return _table([{**done[one.key], **one.name()} for one in wanted])


def read_table(records_file, *, run=None) -> pd.DataFrame:
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
    """
    found = list(records.read(records_file).values())
    runs = sorted({record["run"] for record in found})
    if run is None and len(runs) > 1:
        raise ValueError(f"run must name one of the runs in {records_file}: {runs}; got None")
    found = [record for record in found if run in (None, record["run"])]
    names = "method", "budget", "arch", "seed"
    unique = {tuple(record[name] for name in names): record for record in found}
    full = {record["arch"] for record in found if record["method"] == FULL_DATA}
    missing = {record["arch"] for record in found} - full
    if missing or not found:
        raise ValueError(
            f"{records_file} must hold trainings on all data of every architecture; got none of "
            f"{sorted(missing) or 'any'}"
        )
    return _table(list(unique.values()))


def _check(selectors, seeds, soft_targets, zoo):
    """Who gives each method's soft targets; ValueError for selectors that cannot be compared."""
    if not seeds:
        raise ValueError("seeds must name at least one seed; got none")
    for name, selector in selectors.items():
        if name == FULL_DATA:
            raise ValueError(f"selectors must not be named {FULL_DATA!r}, which is the reference")
        each = selector if isinstance(selector, Sequence) else [selector]
        if isinstance(selector, Sequence) and len(selector) != len(seeds):
            raise ValueError(
                f"selectors[{name!r}] must be one selector, or one for each of the {len(seeds)} "
                f"seeds; got {len(selector)}"
            )
        for one in each:
            if one is None or kind_of(one) is None or isinstance(one, type):
                raise ValueError(
                    f"selectors[{name!r}] must be a fitted SubSelNet, a selector of (X, y), a "
                    f"SubsetCallback or a callable; got {one!r}"
                )
            if isinstance(one, SubSelNet) and getattr(one, "n_samples_", None) != len(zoo.y_):
                raise ValueError(
                    f"selectors[{name!r}] must be fitted on the {len(zoo.y_)} instances of zoo; "
                    f"got {getattr(one, 'n_samples_', 'one that is not fitted')}"
                )
    given = dict(soft_targets) if isinstance(soft_targets, Mapping) else {}
    sources = {name: given.get(name, selectors.get(name)) for name in soft_targets}
    for name, source in sources.items():
        one = source[0] if isinstance(source, Sequence) and source else source
        if not isinstance(one, SubSelNet) or getattr(one, "n_samples_", None) != len(zoo.y_):
            raise ValueError(
                "soft_targets must name SubSelNets among the selectors, or give a fitted one; got "
                f"{name!r}"
            )
        if name not in selectors or isinstance(selectors[name], SubsetCallback):
            raise ValueError(f"soft_targets must name selectors of rows; got {name!r}")
    return sources


def _tasks(run, selectors, archs, counts, seeds, soft_targets):
    """Selectors, who gives soft targets, and trainings, by task.

    That is one a seed for selectors of (X, y), for the others one an architecture and seed.
    """
    for name, given in {FULL_DATA: None, **selectors}.items():
        digests = {}
        for place, seed in enumerate(seeds):
            selector = given[place] if isinstance(given, Sequence) else given
            source = soft_targets.get(name)
            source = source[place] if isinstance(source, Sequence) else source
            for one in (selector, source):
                if id(one) not in digests:
                    digests[id(one)] = records.selector_key(one)
            digest = digests[id(selector)]
            groups = [archs] if kind_of(selector) == "rows" else [[arch] for arch in archs]
            for group in groups:
                trainings = []
                for budget, count in {1.0: None}.items() if given is None else counts.items():
                    for arch in group:
                        for soft in (False, True) if name in soft_targets else (False,):
                            of_soft = digests[id(source)] if soft else None
                            key = records.record_key(run, digest, arch, count, seed, of_soft)
                            method = name + (" + soft targets" if soft else "")
                            trainings.append(Training(key, method, budget, count, arch, seed, soft))
                yield selector, source, trainings


def _table(rows):
    """Records as a table, with what follows from the trainings on all data."""
    table = pd.DataFrame(rows)
    if table.machine.nunique() > 1:
        warnings.warn(
            f"the records are of {table.machine.nunique()} machines, whose times are compared in "
            "`speedup`; see the column `machine`",
            stacklevel=3,
        )
    full = table[table.method == FULL_DATA].groupby("arch")[["accuracy", "training_time"]].mean()
    full = full.loc[table.arch].reset_index(drop=True)
    # R^2 of a regression may be negative, and has no relative reduction
    good = (full.accuracy > 0).to_numpy() & (table.accuracy >= 0).to_numpy()
    table["rar"] = np.nan
    table.loc[good, "rar"] = relative_accuracy_reduction(
        table.accuracy.to_numpy()[good], full.accuracy.to_numpy()[good]
    )
    table["speedup"] = speedup(
        full.training_time.to_numpy(),
        table.training_time.to_numpy(),
        table.selection_time.to_numpy(),
    )
    return table[_COLUMNS]
