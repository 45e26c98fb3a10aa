"""What selectors by a score of the instances share: training, scoring, sampling."""

from __future__ import annotations

import inspect
from abc import abstractmethod
from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from sksubsel._validation import check_finite
from sksubsel.base import BaseSelector
from sksubsel.baselines import sampling
from sksubsel.baselines.dynamics import TrainingDynamics
from sksubsel.baselines.recording import Run, default_estimator, n_epochs_of
from sksubsel.baselines.scores.rules import RULES
from sksubsel.features import InstanceFeatures
from sksubsel.samplers.quotas import make_strata

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from typing_extensions import Self

__all__ = ["SAMPLERS", "BaseScoreSelector", "document"]

SAMPLERS = {
    "beta": sampling.beta,
    "bottom": sampling.top,  # of the scores turned round
    "ccs": sampling.ccs,
    "d2": sampling.d2,
    "gumbel": sampling.gumbel,
    "moderate": sampling.moderate,
    "top": sampling.top,
}
"""Samplers by name."""

_PARAMETERS = """stratify : {"proportional", "equal"} or None, default=None
    Quotas of the classes: each its share of the data, or the same number each as far as they
    have as many. None lets the scores decide, which at small budgets may lose classes.
estimator : classifier or None, default=None
    What is trained where no `dynamics` are given to `fit`, see
    :class:`~sksubsel.baselines.dynamics.TrainingDynamics`. None: a small network.
max_epochs : int or None, default={max_epochs}
    Epochs that count: a training made here stops after so many, and of `dynamics` given the
    first so many are used. None: the estimator's own number (10 by default), and all given.
n_repeats : int, default=1
    Trainings from different seeds, over which scores are averaged.
random_state : int, RandomState instance or None, default=None
    Seed of the training and of the sampler."""

_ATTRIBUTES = """sample_indices_ : int64 ndarray of shape (B,)
    Rows selected, ascending.
ranking_ : int64 ndarray of shape (N,)
    All rows by descending `scores_`, ties by index. Selections are its head only where the
    sampler takes the top without quotas.
scores_ : float64 ndarray of shape (N,)
    Difficulty of each row, larger is harder; turned round where easy rows come first.
sample_weight_ : float64 ndarray of shape (B,)
    Ones."""


def document(cls):
    """Complete the docstring of a class with what all selectors by a score share."""
    max_epochs = inspect.signature(cls.__init__).parameters["max_epochs"].default
    doc = inspect.cleandoc(cls.__doc__ or "").replace("{parameters}", _PARAMETERS)
    doc = doc.replace("{max_epochs}", repr(max_epochs)).replace("{attributes}", _ATTRIBUTES)
    cls.__doc__ = doc + "\n"
    return cls


class BaseScoreSelector(BaseSelector):
    """What selectors by a score share: a child names its score and its sampler.

    A child implements `_scorer`, and may override `_sampler`, `_easy_first` and
    `_default_estimator`.
    """

    _parameter_constraints: dict = {
        **BaseSelector._parameter_constraints,
        "stratify": [StrOptions({"proportional", "equal"}), None],
        "estimator": [HasMethods(["fit", "predict_proba"]), None],
        "max_epochs": [Interval(Integral, 1, None, closed="left"), None],
        "n_repeats": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def fit(  # type: ignore[override]  # what `fit_params` stands for
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        dynamics: TrainingDynamics | None = None,
        proba: ArrayLike | None = None,
        features: ArrayLike | None = None,
    ) -> Self:
        """Score the instances and select `budget` of them.

        Parameters
        ----------
        X : array-like of shape (N, F) or (N, channels, height, width)
        y : array-like of shape (N,)
            Class labels of any dtype.
        dynamics : TrainingDynamics, default=None
            A training recorded on the same instances. None trains `estimator` here.
        proba : array-like of shape (T, N, C) or (N, C), default=None
            Probabilities after T epochs, in place of `dynamics`.
        features : array-like of shape (N, H), default=None
            What neighbours are sought by, for D2. None: those of the dynamics if they were
            recorded at the last epoch that counts, else
            :class:`~sksubsel.features.InstanceFeatures` of X.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If `y` is missing or continuous, dynamics are of other instances or labels, the
            score needs more epochs than there are (forgetting and dual 2, tdds 3), or a
            parameter is out of its range.
        """
        return super().fit(X, y, dynamics=dynamics, proba=proba, features=features)

    @abstractmethod
    def _scorer(self):
        """Name in RULES or ``callable(proba, y)``, and its keywords."""

    def _sampler(self):
        """Name in SAMPLERS or callable, and its keywords."""
        return "top", {}

    def _easy_first(self):
        """Whether scores are turned round before they are sampled."""
        return self._sampler()[0] == "bottom"

    def _default_estimator(self):
        return None

    def _requires_y(self):
        return True

    def _share(self, X, y):
        self._check_task()
        return {"dynamics": self._find_dynamics(X, y, None, None, self._sampler()[0] == "d2")}

    def _check_task(self):
        if self.task_ != "classification":
            raise ValueError(
                f"{type(self).__name__} needs class labels; y holds continuous targets"
            )
        self._rehearse()

    def _rank(self, X, y, budget, *, dynamics=None, proba=None, features=None):
        self._check_task()
        sampler, params = self._sampler()
        if features is not None:
            features = np.asarray(features)
            if features.ndim != 2 or len(features) != len(y):
                raise ValueError(f"features must have shape (N={len(y)}, H); got {features.shape}")
            check_finite(features, "features")
        self._sampler_seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        keep_features = sampler == "d2" and features is None
        dynamics = self._find_dynamics(X, y, dynamics, proba, keep_features)
        difficulty = np.mean([self._difficulty(run, dynamics.y_) for run in dynamics.runs_], axis=0)
        self._sampler_data = {}
        if sampler == "beta":
            self._sampler_data["confidence"] = dynamics.confidence_
        elif sampler == "d2":
            features = dynamics.features_ if features is None else features
            if features is None:
                features = InstanceFeatures().fit_transform(X)
            n_neighbors = params.get("n_neighbors", 10)
            self._sampler_data["graph"] = sampling.neighbor_graph(features, n_neighbors)
        self._strata = None if self.stratify is None else make_strata(y)
        scores = -difficulty if self._easy_first() else difficulty
        return np.argsort(-scores, kind="stable"), scores

    def _select(self, budget):
        sampler, params = self._sampler()
        rows = SAMPLERS.get(sampler, sampler)(
            self.scores_,
            budget,
            rng=np.random.default_rng(self._sampler_seed),
            strata=self._strata,
            stratify=self.stratify,
            **params,
            **self._sampler_data,
        )
        return _check_rows(rows, budget, self.n_samples_) if callable(sampler) else rows

    def _difficulty(self, run, y):
        """Larger is harder: float64 (N,), from one run and the columns y (N,) of the labels."""
        score, params = self._scorer()
        if callable(score):
            scores = np.asarray(score(run.proba, y, **params), dtype=np.float64)
        else:
            scores = RULES[score](run, y, **params)
        if scores.shape != y.shape:
            raise ValueError(f"score_func must return shape {y.shape}; got {scores.shape}")
        check_finite(scores, "scores")
        return scores

    def _find_dynamics(self, X, y, dynamics, proba, keep_features):
        """Dynamics up to `max_epochs`: those given, or of a training made here."""
        if dynamics is not None and proba is not None:
            raise ValueError("at most one of dynamics and proba may be given; got both")
        labels = self.classes_[y]
        if dynamics is None and proba is None:
            estimator = self._default_estimator() if self.estimator is None else self.estimator
            score = self._scorer()[0]
            if not callable(score) and len(self.classes_) > 1:  # before work is lost
                judged = default_estimator() if estimator is None else estimator
                RULES[score].check_epochs(n_epochs_of(judged, self.max_epochs, len(y)))
            whole = callable(score) or RULES[score].whole or self._sampler()[0] == "beta"
            return TrainingDynamics(
                estimator,
                max_epochs=self.max_epochs,
                epochs="all" if whole else "last",
                n_repeats=self.n_repeats,
                record_features=keep_features,
                random_state=self.random_state,
            ).fit(X, labels)
        if proba is not None:
            dynamics = TrainingDynamics.from_arrays(proba, labels)
        elif not isinstance(dynamics, TrainingDynamics):
            raise TypeError(f"dynamics must be a TrainingDynamics; got {type(dynamics).__name__}")
        dynamics = dynamics.first(self.max_epochs)
        if dynamics.n_samples_ != len(y):
            raise ValueError(
                f"dynamics must be of the same {len(y)} instances as X; got those of "
                f"{dynamics.n_samples_}"
            )
        if not np.array_equal(dynamics.classes_[dynamics.y_], labels):
            raise ValueError("dynamics must be of the same labels as y, in the same order")
        return dynamics

    def _rehearse(self):
        """Score and sample four made-up instances, so that bad parameters cost no training.

        Callables are left out: they may need more than that.
        """
        y = np.array([0, 0, 1, 1])
        proba = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.7, 0.3]])
        run = Run(np.stack([proba, proba[:, ::-1], proba, proba]), np.ones((4, 4)))
        score, params = self._scorer()
        scores = np.arange(4.0)
        if not callable(score):
            _check_keywords(RULES[score].function, params, "score_params")
            scores = self._difficulty(run, y)
        sampler, params = self._sampler()
        if not callable(sampler):
            _check_keywords(SAMPLERS[sampler], params, "sampler_params")
            data = {"beta": {"confidence": proba[:, 0]}, "d2": {"features": proba}}
            SAMPLERS[sampler](scores, 2, rng=0, **params, **data.get(sampler, {}))


def _check_rows(rows, budget, n_samples):
    """What a user's sampler gave, ascending: int64 (B,)."""
    rows = np.sort(np.asarray(rows, dtype=np.int64))
    if (
        rows.shape != (budget,)
        or (np.diff(rows) <= 0).any()
        or rows[0] < 0
        or rows[-1] >= n_samples
    ):
        raise ValueError(
            f"sampler must return {budget} distinct rows in [0, {n_samples}); got "
            f"{len(np.unique(rows))} distinct ones in shape {rows.shape}"
        )
    return rows


def _check_keywords(function, params, name):
    """Raise where a dict of keywords holds one that the function does not take from users."""
    known = {
        key
        for key, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.default is not parameter.empty
    } - {"rng", "strata", "stratify", "features", "graph"}
    if unknown := sorted(set(params) - known):
        raise ValueError(
            f"{name} of {function.__name__} must be among {sorted(known)}; got {unknown}"
        )
