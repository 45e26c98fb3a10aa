"""Selectors beside one another: the same architectures, budgets, seeds and training recipe."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.base import clone

from sksubsel._validation import check_budget, check_X
from sksubsel.architectures import as_architectures
from sksubsel.metrics import relative_accuracy_reduction, speedup
from sksubsel.subselnet import SubSelNet

_FULL = "full data"


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
    n_jobs=None,
    verbose=0,
) -> pd.DataFrame:
    """Train architectures on what each selector chooses, and on all data.

    Every training has the recipe of the zoo's estimator; a seed is that of the sampling as well as
    of the training.

    Parameters
    ----------
    selectors : dict of str to SubSelNet or BaseSelector
        A fitted SubSelNet, or an unfitted selector of (X, y), by the name it has in the table.
    archs : list of architectures
        Best of ones that no selector has seen.
    zoo : ModelZoo
        Fitted; gives the training data and the recipe.
    X_test, y_test : arrays
    budgets : sequence of int or float
    seeds : sequence of int
    soft_targets : collection of str
        Names of SubSelNets that also appear with training on the probabilities that they predict
        for the selected rows. That changes the training, not the selection.
    n_jobs : int or None
        Trainings side by side; times are then those of workers that share the machine.
    verbose : int
        joblib's progress.

    Returns
    -------
    DataFrame
        One row per training: ``method, budget, n_selected, arch, seed, accuracy, rar,
        selection_time, training_time, speedup`` (seconds; the speed-up counts the selection).

    Raises
    ------
    ValueError
        If a budget is out of range, or `soft_targets` names no SubSelNet.
    """
    archs = as_architectures(archs)
    X_test, y_test = check_X(X_test, "X_test"), np.asarray(y_test)
    for budget in budgets:
        check_budget(budget, len(zoo.y_))
    for name in soft_targets:
        if not isinstance(selectors.get(name), SubSelNet):
            raise ValueError(f"soft_targets must name SubSelNets among the selectors; got {name!r}")
    jobs = [(_FULL, None, False, None, arch, seed) for arch in archs for seed in seeds]
    jobs += [
        (name, selector, soft, budget, arch, seed)
        for name, selector in selectors.items()
        for soft in ((False, True) if name in soft_targets else (False,))
        for budget in budgets
        for arch in archs
        for seed in seeds
    ]
    rows = Parallel(n_jobs=n_jobs, verbose=verbose)(
        delayed(_run)(*job, zoo, X_test, y_test) for job in jobs
    )
    table = pd.DataFrame(rows)
    full = table[table.method == _FULL].groupby("arch")[["accuracy", "training_time"]].mean()
    full = full.loc[table.arch].reset_index(drop=True)
    table["rar"] = relative_accuracy_reduction(table.accuracy.to_numpy(), full.accuracy.to_numpy())
    table["speedup"] = speedup(
        full.training_time.to_numpy(),
        table.training_time.to_numpy(),
        table.selection_time.to_numpy(),
    )
    return table


def summarize(table: pd.DataFrame) -> pd.DataFrame:
    """Means over architectures and seeds of a table of `compare`, one row per method and budget.

    ``accuracy_se`` is the standard error over seeds of that mean, the architectures being given.
    """
    keys = ["budget", "method"]
    groups = table.groupby(keys, sort=False)
    out = groups[["accuracy", "rar", "selection_time", "training_time", "speedup"]].mean()
    variance = table.groupby([*keys, "arch"], sort=False).accuracy.var().groupby(keys).mean()
    out.insert(1, "accuracy_se", np.sqrt(variance / groups.size()).reindex(out.index))
    return out.reset_index()


def _run(name, selector, soft, budget, arch, seed, zoo, X_test, y_test):
    """One training, as a row of the table."""
    n_samples = len(zoo.y_)
    rows, targets, selection_time = None, None, 0.0
    if selector is not None:
        start = time.perf_counter()
        if isinstance(selector, SubSelNet):
            rows = selector.select(arch, budget, random_state=seed)
            targets = selector.soft_targets(arch, rows) if soft else None
        else:
            selector = clone(selector).set_params(budget=budget)
            if "random_state" in selector.get_params():
                selector.set_params(random_state=seed)
            rows = selector.fit(zoo.X_, zoo.y_).sample_indices_
        selection_time = time.perf_counter() - start
    start = time.perf_counter()
    model = zoo.train(arch, rows=rows, soft_targets=targets, random_state=seed)
    training_time = time.perf_counter() - start
    return {
        "method": name + (" + soft targets" if soft else ""),
        "budget": 1.0 if budget is None else budget,
        "n_selected": n_samples if rows is None else len(rows),
        "arch": arch.hash,
        "seed": seed,
        "accuracy": float(model.score(X_test, y_test)),
        "selection_time": selection_time,
        "training_time": training_time,
    }
