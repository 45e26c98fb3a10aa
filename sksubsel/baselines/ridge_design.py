"""Selection by design for plain (X, y): no zoo, no architecture."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from sksubsel._validation import check_finite
from sksubsel.base import BaseSelector
from sksubsel.baselines.recording import seed_estimator
from sksubsel.features import InstanceFeatures
from sksubsel.samplers.design import MIN_LAM, DesignIndex
from sksubsel.samplers.out_of_fold import out_of_fold
from sksubsel.samplers.quotas import allocate, head, make_strata

__all__ = ["RidgeDesign"]


class RidgeDesign(BaseSelector):
    """The rows from which a model's out-of-fold predictions can best be learned.

    Greedily chooses rows so that a kernel ridge regression fitted on their labels reproduces, on
    all rows, what a model predicts for them when it has not seen them. Rows that are redundant, or
    whose labels contradict their surroundings, teach the regression nothing and are left out.

    Parameters
    ----------
    budget : int or float, default=0.1
        How many instances to select: an int is a count, a float in (0, 1] a fraction.
    estimator : classifier, regressor or None, default=None
        Predicts the target out of fold, from the features. None: a network with one hidden layer
        of 128. A better model gives a better target: on 20,000 images of Fashion-MNIST, networks
        trained on the rows gained .7 points more than with logistic regression here.
    cv : int, default=3
        Folds, shuffled.
    features : transformer or None, default=None
        From X to (N, F). None: :class:`~sksubsel.features.InstanceFeatures`.
    stratify : {"proportional", "equal"} or None, default="proportional"
        Quota of each class (of ten quantile bins for continuous labels). With "equal" a design
        reproduces what would be predicted if classes were equally frequent.
    n_components : int, default=1024
        Principal components that are kept of twice as many random features of the kernel.
    bandwidth : float, default=0.3
        Squared width of the kernel, in median squared distances.
    lam : float, default=1.0
        Penalty of the ridge regression, at least 1e-4.
    temperature : float, default=0.5
        Predicted probabilities are sharpened, ``p ** (1 / temperature)``. Not for continuous
        labels.
    n_sweeps : int, default=4
        Sweeps of exchange after the greedy choice: a fifth of the rows, those that would be missed
        least, are given up and as many chosen again. 0: greedy alone.
    block_weight : float, default=0.5
        Of the predictions' logarithms in the kernel, beside the features. Not for continuous
        labels.
    max_rows : int, default=65536
        More rows than that are drawn from, within the classes; and a fold's model is fitted on
        so many at most, drawn from all.
    random_state : int, RandomState instance or None, default=None
        Of the folds, the random features, and an estimator that has none of its own.

    Attributes
    ----------
    sample_indices_ : int64 ndarray of shape (B,)
        Rows selected, ascending.
    ranking_ : int64 ndarray of shape (B,)
        The same in the order in which greedy chooses among them; classes keep pace in it.
    gains_ : float64 ndarray of shape (B,)
        How much each row of the ranking lowers the regression's error, after those before it; not
        monotone, and negative where nothing useful was left.
    errors_ : float64 ndarray of shape (B,)
        Mean squared error of the regression, over all rows, after each row of the ranking; beyond
        128 classes, of the regression of the row's own block of classes.
    scores_ : float64 ndarray of shape (N,)
        Minus the place in the ranking; NaN for rows that are not ranked.
    sample_weight_ : float64 ndarray of shape (B,)
        Ones.
    target_ : float32 ndarray of shape (N, C) or (N, 1)
        What had to be reproduced; continuous labels are standardised.

    Notes
    -----
    Time O(n d (d + F) + d^3) to prepare and O(B (n d + d^2)) to choose, n = min(N, max_rows), d
    components; memory ``12 n d`` bytes beside the features. Beyond 128 classes see
    :class:`~sksubsel.samplers.design.DesignIndex`.

    For another budget `select` gives the head of the ranking; a fit with that budget makes a design
    of that size, which is somewhat better.

    Use it where the labels can be predicted from the features at all, above all at small budgets
    and with wrong labels. Where they cannot, its target is noise and class-balanced
    :class:`Random` is as good. For rows to train one of many networks on,
    ``SubSelNet(diversity="design")`` has the networks' own predictions as target.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sksubsel.baselines import RidgeDesign
    >>> X, y = load_digits(return_X_y=True)
    >>> RidgeDesign(50, n_components=256, random_state=0).fit(X, y).sample_indices_.shape
    (50,)
    """

    _parameter_constraints: dict = {
        **BaseSelector._parameter_constraints,
        "estimator": [HasMethods(["fit", "predict"]), None],
        "cv": [Interval(Integral, 2, None, closed="left")],
        "features": [HasMethods(["fit", "transform"]), None],
        "stratify": [StrOptions({"proportional", "equal"}), None],
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "bandwidth": [Interval(Real, 0, None, closed="neither")],
        "lam": [Interval(Real, MIN_LAM, None, closed="left")],
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "n_sweeps": [Interval(Integral, 0, None, closed="left")],
        "block_weight": [Interval(Real, 0, None, closed="left")],
        "max_rows": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        budget: int | float = 0.1,
        *,
        estimator: Any = None,
        cv: int = 3,
        features: Any = None,
        stratify: str | None = "proportional",
        n_components: int = 1024,
        bandwidth: float = 0.3,
        lam: float = 1.0,
        temperature: float = 0.5,
        n_sweeps: int = 4,
        block_weight: float = 0.5,
        max_rows: int = 65536,
        random_state: int | np.random.RandomState | None = None,
    ):
        self.budget = budget
        self.estimator = estimator
        self.cv = cv
        self.features = features
        self.stratify = stratify
        self.n_components = n_components
        self.bandwidth = bandwidth
        self.lam = lam
        self.temperature = temperature
        self.n_sweeps = n_sweeps
        self.block_weight = block_weight
        self.max_rows = max_rows
        self.random_state = random_state

    def _requires_y(self):
        return True

    def _share(self, X, y):
        if self.task_ == "regression":  # a target changed to y's units and back is not the same
            return {}
        return {"target": self._out_of_fold(*self._features_and_seed(X, y))}

    def _features_and_seed(self, X, y):
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        transformer = InstanceFeatures(random_state=seed)
        if self.features is not None:
            transformer = clone(self.features)
        return np.asarray(transformer.fit_transform(X), dtype=np.float32), y, seed

    def _rank(self, X, y, budget, target=None):
        """Order the rows; `target` (N, C) takes the place of out-of-fold predictions."""
        if target is not None:  # before the features, which may cost a training
            target = self._check_target(target, y)
        features, y, seed = self._features_and_seed(X, y)
        classes = self.task_ == "classification"
        if not classes:
            centre, scale = y.mean(), y.std() or 1.0
            y = (y - centre) / scale
        if target is None:
            self.target_ = self._out_of_fold(features, y, seed)
        else:
            self.target_ = target if classes else (target - centre) / scale
        self._strata = make_strata(y, self.task_)
        index = DesignIndex(
            features,
            y,
            self._strata,
            proba=self.target_ if classes else None,
            block_weight=self.block_weight,
            n_components=self.n_components,
            bandwidth=self.bandwidth,
            lam=self.lam,
            temperature=self.temperature,
            n_sweeps=self.n_sweeps,
            max_rows=self.max_rows,
            random_state=seed,
        )
        design = index.select(self.target_, budget, stratify=self.stratify)
        self.gains_, self.errors_ = design.gains, design.errors
        scores = np.full(len(X), np.nan)
        scores[design.rows] = -np.arange(float(budget))
        return design.rows, scores

    def _select(self, budget):
        if self.stratify is None or budget >= len(self.ranking_):
            return super()._select(budget)
        # the head of each class, so that the quotas are exact at every budget
        quotas = allocate(np.bincount(self._strata), budget, self.stratify)
        return np.sort(self.ranking_[head(self._strata[self.ranking_], quotas, budget)])

    def _out_of_fold(self, features, y, seed):
        """Predictions for each row by a model that has not seen it: float32 (N, C) or (N, 1)."""
        estimator = self.estimator
        if estimator is not None:
            estimator = seed_estimator(clone(estimator), seed, keep=True)
        n_classes = len(self.classes_) if self.task_ == "classification" else None
        return out_of_fold(
            features,
            y,
            n_classes,
            seed=seed,
            cv=self.cv,
            estimator=estimator,
            max_rows=self.max_rows,
        )

    def _check_target(self, target, y):
        target = np.asarray(target, dtype=np.float32)
        if target.ndim == 1 and self.task_ == "regression":
            target = target[:, None]
        n_outputs = len(self.classes_) if self.task_ == "classification" else 1
        if target.shape != (len(y), n_outputs):
            raise ValueError(
                f"target must have shape (N={len(y)}, C={n_outputs}); got {target.shape}"
            )
        check_finite(target, "target")
        return target
