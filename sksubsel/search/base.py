"""What searches for an architecture share: data, trials, the best one and its answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, MetaEstimatorMixin
from sklearn.utils import check_random_state, get_tags
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from sksubsel._parallel import Progress
from sksubsel._validation import available_where, check_budget, check_instances, fit_context
from sksubsel.benchmark.checks import check_judging
from sksubsel.search.trials import Trainer, Trial, Trials, check_selector
from sksubsel.spaces import SearchSpace
from sksubsel.zoo import ArchitectureClassifier

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from typing_extensions import Self

__all__ = ["BaseSearch", "BestEstimator", "check_size"]

COUNT = Interval(Integral, 1, None, closed="left")

SHARED_PARAMETERS = """space : SearchSpace
        Where architectures come from, such as ``NASBench101(stem_channels=8)``; it also builds
        their networks.
    estimator : ArchitectureClassifier, ArchitectureRegressor or None, default=None
        Recipe of every training; None: one with default settings, by the labels. Where it has
        neither `build` nor `network_params`, networks are those of `space`.
    selector : selector or None, default=None
        What chooses the rows that an architecture is trained on: a fitted
        :class:`~sksubsel.SubSelNet` or :class:`~sksubsel.benchmark.InTurns` with one (in a
        :class:`sklearn.frozen.FrozenEstimator` where the search is cloned), an unfitted selector of
        (X, y), a :class:`~sksubsel.baselines.SubsetCallback`, ``callable(architecture, budget,
        seed) -> rows``, or None for all instances."""

SHARED_SETTINGS = """validation_fraction : float, default=0.2
        Share of the instances held out to score on, where `fit` is given no others.
    refit : bool, default=True
        Train the best architecture on all instances in the end.
    store : path or None, default=None
        File of JSON lines to which each finished trial is added. A search that was interrupted,
        by Ctrl-C or otherwise, comes to the same result when it is run again with the same file
        and an int `random_state`. Trials are known by all that determines them, so one file
        serves any searches.
    on_error : {"raise", "warn"}, default="raise"
        Whether a training that fails ends the search, or has no score and is warned of.
    n_jobs : int or None, default=None
        Trainings side by side, through joblib. Each is on one thread, and the trials are the same
        whatever the number.
    random_state : int, RandomState instance or None, default=None
        Of the architectures tried, the validation split, the selections and the trainings. An
        architecture's own seed comes from this and from the architecture.
    verbose : int, default=0
        1 shows progress with the remaining time."""

SHARED_ATTRIBUTES = """results_ : DataFrame
        One row per trial, in their order: ``architecture``, its ``hash``, ``score`` (accuracy, of
        regression R^2, on the validation instances; NaN if it failed), ``budget`` (rows asked
        for), ``n_selected``, ``max_epochs``, ``selection_time`` and ``training_time`` in seconds,
        and what the search adds. Selections by (X, y) are shared, and counted in full.
    best_architecture_ : Architecture
    best_score_ : float
        Of the trial, so that it is optimistic.
    best_estimator_ : ArchitectureClassifier or ArchitectureRegressor
        Trained on all instances passed to `fit` as X; only with `refit`.
    n_train_, n_validation_ : int
        Instances to select from, and to score on."""


def _refitted(self):
    if not self.refit:
        raise AttributeError("refit=False: there is no best_estimator_ to ask")
    return True


def _refitted_proba(self):
    found = getattr(self, "best_estimator_", self.estimator)
    return _refitted(self) and (found is None or hasattr(found, "predict_proba"))


class BestEstimator(MetaEstimatorMixin, BaseEstimator):
    """Answers with `best_estimator_`."""

    @available_where(_refitted)
    def predict(self, X: ArrayLike) -> np.ndarray:
        """Predictions of the best architecture, trained on all instances, (N,)."""
        check_is_fitted(self, "best_estimator_")
        return self.best_estimator_.predict(X)

    @available_where(_refitted_proba)
    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """Class probabilities of the best architecture, trained on all instances, (N, C)."""
        check_is_fitted(self, "best_estimator_")
        return self.best_estimator_.predict_proba(X)

    @available_where(_refitted)
    def score(self, X: ArrayLike, y: ArrayLike) -> float:
        """Accuracy (R^2 for regression) of the best architecture, trained on all instances."""
        check_is_fitted(self, "best_estimator_")
        return self.best_estimator_.score(X, y)

    @property
    def classes_(self) -> np.ndarray:
        """Labels, sorted; of a classification with `refit` only."""
        if not hasattr(self, "best_estimator_"):
            raise AttributeError(f"this {type(self).__name__} has no best_estimator_")
        return self.best_estimator_.classes_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        recipe = get_tags(ArchitectureClassifier() if self.estimator is None else self.estimator)
        tags.estimator_type = recipe.estimator_type
        tags.classifier_tags, tags.regressor_tags = recipe.classifier_tags, recipe.regressor_tags
        tags.input_tags.three_d_array = True
        tags.target_tags.required = True
        return tags


class BaseSearch(BestEstimator, ABC):
    """A search whose trials are trainings on subsets; a child says which ones, in `_search`."""

    _parameter_constraints: dict = {
        "space": [SearchSpace],
        "estimator": [HasMethods(["fit", "predict"]), None],
        "selector": "no_validation",  # check_selector says it better
        "budget": "no_validation",
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "refit": ["boolean"],
        "store": [str, Path, None],
        "on_error": [StrOptions({"raise", "warn"})],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        X_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
    ) -> Self:
        """Search.

        Parameters
        ----------
        X : array of shape (N, F) or (N, channels, height, width)
        y : array of shape (N,)
            Class labels of any dtype, or continuous targets.
        X_val, y_val : arrays or None, default=None
            Instances to score on. None: a part of X, of which then the rest is selected from.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If something is wrong with the data or a parameter, before anything is trained.
        RuntimeError
            If no training that the best could be one of succeeded, and ``on_error="warn"``.
        """
        X, codes, task, classes = check_instances(X, y)
        rng = check_random_state(self.random_state)
        seed = int(rng.randint(2**31 - 1))
        build = self.space.build
        everything = Trainer(self.estimator, build, X, codes, classes, task)
        if (X_val is None) != (y_val is None):
            raise ValueError("X_val and y_val must be given together")
        if X_val is None:
            trainer, X_val, y_val = everything.hold_out(self.validation_fraction, seed)
        else:
            trainer = everything
            X_val, y_val = check_judging(X_val, y_val, everything, "X_val", "y_val")
        selector = check_selector(self.selector, trainer)
        self.n_train_, self.n_validation_ = len(trainer.X_), len(X_val)
        budget = None if selector is None else check_budget(self.budget, self.n_train_)
        plan = self._plan(trainer, selector, budget)
        progress = Progress(type(self).__name__, "trials", self._n_trials(plan), self.verbose)
        self._trials = Trials(
            trainer, X_val, y_val, selector, path=self.store, progress=progress,
            on_error=self.on_error, n_jobs=self.n_jobs, name=type(self).__name__,
        )  # fmt: skip
        self._seed = seed
        self._rows: list[dict] = []
        try:
            with progress:
                self._search(plan, rng)
            self.results_ = pd.DataFrame(self._rows)
        finally:
            del self._trials, self._rows  # they hold the data
        self._take_best(progress)
        if self.refit:
            progress.say(f"training it on all {len(X)} instances")
            self.best_estimator_ = everything.train(self.best_architecture_, random_state=seed)
        return self

    def _plan(self, trainer, selector, budget):
        """What `_search` goes by, checked before anything is trained."""
        return budget

    @abstractmethod
    def _n_trials(self, plan) -> int:
        """How many trials there will be."""

    @abstractmethod
    def _search(self, plan, rng):
        """Make the trials, by `_try`."""

    def _try(self, archs, budget, params=(), **columns) -> np.ndarray:
        """Scores of architectures, float64 (A,); `columns` of length A go into `results_`."""
        trials = [Trial(arch, budget, self._seed, params) for arch in archs]
        found = self._trials.run(trials)
        estimator = self._trials.trainer.estimator_
        max_epochs = dict(params).get("max_epochs", estimator.get_params()["max_epochs"])
        for k, (arch, record) in enumerate(zip(archs, found)):
            self._rows.append(
                {
                    "architecture": arch,
                    "hash": arch.hash,
                    "score": record["accuracy"],
                    "budget": self.n_train_ if budget is None else budget,
                    "n_selected": record["n_selected"],
                    "max_epochs": max_epochs,
                    "selection_time": record["selection_time"],
                    "training_time": record["training_time"],
                    **{name: values[k] for name, values in columns.items()},
                }
            )
        return np.array([record["accuracy"] for record in found])

    def _last(self, results):
        """Rows of `results_` that the best is one of."""
        return results

    def _take_best(self, progress):
        candidates = self._last(self.results_)
        scores = candidates.score.to_numpy()
        if np.isnan(scores).all():
            raise RuntimeError(
                "no training that the best could be one of succeeded; the warning says why the "
                "first failed"
            )
        best = candidates.iloc[int(np.nanargmax(scores))]
        self.best_architecture_, self.best_score_ = best.architecture, float(best.score)
        progress.say(f"best score {self.best_score_:.4f}, of {self.best_architecture_.hash}")


def check_size(space, name, n_archs) -> None:
    """Raise ValueError unless there are so many distinct architectures."""
    if n_archs > len(space):
        raise ValueError(f"{name} must be at most the {len(space)} of the space; got {n_archs}")
