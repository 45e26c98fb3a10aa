"""Architectures in the order of how well they train on subsets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sksubsel._parallel import Progress
from sksubsel._validation import check_budget, check_instances, check_positive
from sksubsel.benchmark.checks import check_seeds, check_validation
from sksubsel.benchmark.summary import agreement_of
from sksubsel.search.trials import Trainer, Trial, Trials, check_selector, distinct_architectures

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import ArrayLike

__all__ = ["rank"]


def rank(
    archs: Iterable[Any],
    selector: Any,
    X: ArrayLike,
    y: ArrayLike,
    *,
    validation: tuple[Any, Any],
    budget: int | float = 0.1,
    estimator: Any = None,
    seeds: Sequence[int] = (0,),
    true_accuracies: ArrayLike | None = None,
    k: int = 3,
    records_file: str | Path | None = None,
    on_error: str = "raise",
    n_jobs: int | None = None,
    verbose: int = 0,
) -> pd.DataFrame:
    """Recommend an architecture: train each on a subset of its own, and order them.

    Parameters
    ----------
    archs : list of architectures
        Distinct.
    selector : selector or None
        What chooses the rows that an architecture is trained on: a fitted
        :class:`~sksubsel.SubSelNet` or :class:`~sksubsel.benchmark.InTurns` with one, an unfitted
        selector of (X, y), a :class:`~sksubsel.baselines.SubsetCallback`, ``callable(architecture,
        budget, seed) -> rows``, or None for all instances.
    X : array of shape (N, F) or (N, channels, height, width)
        Instances to select from; of a SubSelNet those that it was fitted on.
    y : array of shape (N,)
    validation : (X, y)
        Instances to score on.
    budget : int or float, default=0.1
        Rows for each architecture, a count or a fraction; of no account without a selector.
    estimator : ArchitectureClassifier, ArchitectureRegressor or None, default=None
        Recipe of the trainings; None: one with default settings, by the labels.
    seeds : sequence of int, default=(0,)
        Of selections and trainings; accuracies are means over them.
    true_accuracies : array of shape (A,) or None, default=None
        What the architectures, in the order of `archs`, are known to reach on all data.
    k : int, default=3
        How many best architectures are compared with the best by `true_accuracies`.
    records_file : path or None, default=None
        File of JSON lines to which each finished training is added, and from which a run that was
        interrupted goes on.
    on_error : {"raise", "warn"}, default="raise"
        Whether a training that fails ends it, or is warned of and left out of the means; an
        architecture of which all fail comes last.
    n_jobs : int or None, default=None
        Trainings side by side, through joblib; each is on one thread.
    verbose : int, default=0
        1 shows progress with the remaining time.

    Returns
    -------
    DataFrame
        One row per architecture, best first: ``architecture``; ``hash``; ``place``, where it is in
        `archs`; ``accuracy`` on the validation instances (of regression R^2); ``accuracy_se``, its
        standard error over seeds, NaN for one; ``n_selected``; ``selection_time`` and
        ``training_time``, means in seconds. A selection by (X, y) is shared, and counted in full.
        With `true_accuracies` also ``true_accuracy``, and in the frame's ``attrs`` "kendall_tau"
        of all accuracies with the true ones, "jaccard" of the `k` best of both (NaN with no more
        than `k` architectures) and "regret", how much less accurate in truth the first one is
        than the best.

    Raises
    ------
    ValueError
        If something is wrong with an argument, before anything is trained.

    References
    ----------
    Jain, Nandy, Aggarwal, Tendulkar, Iyer, De. Efficient Data Subset Selection to Generalize
    Training Across Models: Transductive and Inductive Networks. NeurIPS 2023, appendix E.4.

    Examples
    --------
    >>> from sksubsel import ArchitectureClassifier
    >>> from sksubsel.baselines import Random
    >>> from sksubsel.datasets import load_digits_images
    >>> from sksubsel.search import rank
    >>> from sksubsel.spaces import MLP
    >>> X, y = load_digits_images(return_X_y=True)
    >>> archs = MLP(depths=(1, 2), widths=(8, 64)).sample(3, random_state=0)
    >>> table = rank(
    ...     archs, Random(stratify="equal"), X[:500], y[:500], validation=(X[500:], y[500:]),
    ...     budget=0.2, estimator=ArchitectureClassifier(max_epochs=3),
    ... )
    >>> table.n_selected.tolist(), table.architecture[0] == archs[table.place[0]]
    ([100.0, 100.0, 100.0], True)
    """
    archs = distinct_architectures(archs)
    seeds = check_seeds(seeds)
    check_positive(k=k)
    if on_error not in ("raise", "warn"):
        raise ValueError(f'on_error must be "raise" or "warn"; got {on_error!r}')
    if true_accuracies is not None:
        true_accuracies = np.asarray(true_accuracies, dtype=np.float64)
        if true_accuracies.shape != (len(archs),) or not np.isfinite(true_accuracies).all():
            raise ValueError(
                f"true_accuracies must be {len(archs)} finite numbers, one for each of archs; got "
                f"{true_accuracies}"
            )
    X, codes, task, classes = check_instances(X, y)
    trainer = Trainer(estimator, None, X, codes, classes, task)
    judging = check_validation(validation, trainer)
    if judging is None:
        raise ValueError("validation must be a pair (X, y), by which to rank; got None")
    X_val, y_val = judging
    selector = check_selector(selector, trainer)
    count = None if selector is None else check_budget(budget, len(X))
    with Progress("rank", "trainings", len(archs) * len(seeds), verbose) as progress:
        trials = Trials(
            trainer, X_val, y_val, selector, path=records_file, name="rank", on_error=on_error,
            n_jobs=n_jobs, progress=progress,
        )  # fmt: skip
        found = trials.run([Trial(arch, count, seed) for arch in archs for seed in seeds])
    names = ["accuracy", "n_selected", "selection_time", "training_time"]
    means = pd.DataFrame(found)[names].groupby(np.arange(len(found)) // len(seeds))
    table = means.mean()
    table.insert(1, "accuracy_se", means.accuracy.sem())
    table.insert(0, "place", np.arange(len(archs)))
    table.insert(0, "hash", [arch.hash for arch in archs])
    table.insert(0, "architecture", archs)
    agreement = {}
    if true_accuracies is not None:
        table["true_accuracy"] = true_accuracies
        known = table.dropna(subset="accuracy")
        if len(known):
            agreement = agreement_of(known.accuracy, known.true_accuracy, k)
            agreement["regret"] += true_accuracies.max() - known.true_accuracy.max()
    table = table.sort_values("accuracy", ascending=False, kind="stable", ignore_index=True)
    table.attrs.update({name: float(value) for name, value in agreement.items()})
    return table
