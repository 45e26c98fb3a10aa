"""What selectors by the gradients of one trained model share: the model, its gradients, weights."""

from __future__ import annotations

import functools
import warnings
from abc import abstractmethod
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils._param_validation import HasMethods, StrOptions

from sksubsel._interrupts import interrupts_raised
from sksubsel._validation import check_finite, check_labels
from sksubsel.base import BaseSelector
from sksubsel.baselines.adaptive.gradients import GradientRecorder, LastLayerGradients
from sksubsel.baselines.adaptive.strategy import View
from sksubsel.baselines.dynamics import _columns
from sksubsel.baselines.recording import seed_estimator
from sksubsel.samplers.quotas import allocate, head
from sksubsel.zoo.classifier import ArchitectureClassifier

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from typing_extensions import Self

__all__ = ["GradientSelector"]

_BATCH = 1024
_TINY = 1e-12  # probabilities are no smaller, where logits are made of them


class GradientSelector(BaseSelector):
    """A selector that asks a strategy of adaptive selection once, about one trained model.

    A child has the parameters `budget`, `gradient`, `estimator` and `random_state` and says in
    `_strategy` what to ask, and in `_quotas` how the rows are shared among the classes.
    """

    _parameter_constraints: dict = {
        **BaseSelector._parameter_constraints,
        "gradient": [StrOptions({"last_layer", "bias"})],
        "estimator": [HasMethods(["fit", "predict_proba"]), None],
        "random_state": ["random_state"],
    }

    def fit(  # type: ignore[override]  # what `fit_params` stands for
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        proba: ArrayLike | None = None,
        features: ArrayLike | None = None,
    ) -> Self:
        """Select instances by the gradients of a model trained on them.

        Parameters
        ----------
        X : array-like of shape (N, F) or (N, channels, height, width)
        y : array-like of shape (N,)
            Class labels of any dtype.
        proba : array-like of shape (N, C), default=None
            Probabilities of the classes, in sorted order, from a model trained elsewhere;
            `estimator` is not used. Where y lacks some of its classes, labels have to be ints in
            [0, C), the columns.
        features : array-like of shape (N, H), default=None
            What the last layer of that model sees. None: X, flattened and standardised.

        Returns
        -------
        self
        """
        return super().fit(X, y, proba=proba, features=features)

    @property
    def _quotas(self):
        return None

    @abstractmethod
    def _strategy(self):
        """The strategy to ask."""

    def _requires_y(self):
        return True

    def _rank(self, X, y, budget, proba=None, features=None, X_val=None, y_val=None):
        if self.task_ != "classification":
            raise ValueError(
                f"y must hold class labels for {type(self).__name__}, whose gradients are those "
                "of cross-entropy; got continuous targets"
            )
        validation = None
        if X_val is not None or y_val is not None:
            if proba is not None or features is not None:
                raise ValueError(
                    "X_val and y_val need the model that is trained here; they can't be combined "
                    "with proba or features"
                )
            validation = self._check_validation(X_val, y_val)
        if features is not None:  # before a training
            features = _check_features(features, len(X))
        rng = check_random_state(self.random_state)

        @functools.cache
        def gradients():  # when asked for: what the strategy refuses costs no training
            return self._gradients(X, y, proba, features, rng, validation)

        strategy = self._strategy()
        strategy.start(len(X), rng)
        view = View(
            len(X),
            y,
            gradients=lambda: gradients()[0],
            validation=None if validation is None else lambda: gradients()[1],
        )
        rows, weights, gains = strategy.select(view, budget, rng)
        self.gains_ = gains
        self._codes = y
        self._weight_of = np.zeros(len(X))
        self._weight_of[rows] = weights
        scores = np.full(len(X), np.nan)
        scores[rows] = self._scores_in_order(gains)
        return rows, scores

    def _scores_in_order(self, gains):
        """Scores of the rows in the order chosen, descending."""
        return np.arange(len(gains), 0, -1, dtype=np.float64)

    def _weigh(self, rows):
        return self._weight_of[rows]

    def _select(self, budget):
        if self._quotas is None or budget >= len(self.ranking_):
            return super()._select(budget)
        codes = self._codes[self.ranking_]
        quotas = allocate(np.bincount(self._codes), budget, self._quotas)
        return np.sort(self.ranking_[head(codes, quotas, budget)])

    def _check_validation(self, X_val, y_val):
        """Validation rows as those of fit, their labels as codes into `classes_`."""
        if X_val is None or y_val is None:
            raise ValueError(
                f"X_val and y_val must be given together; got {X_val=!r:.60}, {y_val=!r:.60}"
            )
        if np.shape(X_val)[1:] != self.shape_in_:
            raise ValueError(
                f"X_val must have instances of shape {self.shape_in_}, as X; got shape "
                f"{np.shape(X_val)}"
            )
        X_val = self._check_instances(X_val, reset=False)
        y_val = column_or_1d(y_val)
        if len(y_val) != len(X_val):
            raise ValueError(
                f"y_val must have a label for each of the {len(X_val)} rows of X_val; "
                f"got {len(y_val)}"
            )
        check_labels(y_val, "y_val")
        unknown = np.setdiff1d(y_val, self.classes_)
        if len(unknown):
            raise ValueError(f"y_val must hold classes of y, {self.classes_}; got {unknown}")
        return X_val, np.searchsorted(self.classes_, y_val)

    def _gradients(self, X, y, proba, features, rng, validation):
        """Gradients of the rows, and of validation rows where there are any."""
        seed = int(rng.randint(2**31 - 1))  # drawn in any case: the rest is the same with `proba`
        standardise = _Standardise(X)
        model = None
        if proba is None and len(self.classes_) > 1:
            model = self._fit_estimator(X, y, seed, standardise)
        gradients = self._gradients_of(model, X, y, proba, features, standardise)
        if validation is not None:
            X_val, y_val = validation
            validation = self._gradients_of(model, X_val, y_val, None, None, standardise)
        return gradients, validation

    def _gradients_of(self, model, X, y, proba, features, standardise):
        if proba is None and isinstance(model, ArchitectureClassifier):
            if features is None:
                return _network_gradients(model, X, y)
            proba = model.predict_proba(X)
        elif proba is None and model is None:
            proba = np.ones((len(X), 1))  # one class: nothing is left to learn
        elif proba is None:
            proba = model.predict_proba(standardise(X) if self.estimator is None else _flat(X))
        proba = np.asarray(proba, dtype=np.float32)
        if proba.ndim != 2 or len(proba) != len(X):
            raise ValueError(f"proba must have shape (N, C) with N={len(X)}; got {proba.shape}")
        columns = _columns(self.classes_, proba.shape[1])[1]
        check_finite(proba, "proba")
        if proba.min() < 0 or abs(proba.sum(axis=1) - 1).max() > 1e-3:
            raise ValueError("proba must be at least 0 with rows that sum to 1")
        if features is None:
            features = _check_features(standardise(X), len(X))
        residual = proba.copy()
        residual[np.arange(len(y)), columns[y]] -= 1
        return LastLayerGradients(residual, features, np.log(np.maximum(proba, _TINY)))

    def _fit_estimator(self, X, y, seed, standardise):
        if self.estimator is None:
            model = LogisticRegression(max_iter=50)
            with warnings.catch_warnings():
                # an unfinished fit serves as well: in a finished one, few gradients are left
                warnings.simplefilter("ignore", ConvergenceWarning)
                return model.fit(standardise(X), y)
        model = seed_estimator(clone(self.estimator), seed, keep=True)
        X = X if isinstance(model, ArchitectureClassifier) else _flat(X)
        with interrupts_raised():
            return model.fit(X, self.classes_[y])  # labels, which `class_weight` may name


def _check_features(features, n_samples):
    features = np.asarray(features)
    if features.ndim != 2 or len(features) != n_samples:
        raise ValueError(
            f"features must have shape (N, H) with N={n_samples}; got {features.shape}"
        )
    check_finite(features, "features")
    return features


class _Standardise:
    """Rows as vectors, in units of the standard deviations of some of them."""

    def __init__(self, X):
        self.X, self.scaler = X, None

    def __call__(self, X):
        if self.scaler is None:  # a network does without
            self.scaler = StandardScaler().fit(_flat(self.X))
        return self.scaler.transform(_flat(X))


def _flat(X):
    return X.reshape(len(X), -1)


def _network_gradients(model, X, y):
    device = next(model.module_.parameters()).device
    with GradientRecorder(model.module_) as recorder:
        for start in range(0, len(X), _BATCH):
            part = slice(start, start + _BATCH)
            inputs = torch.from_numpy(np.array(X[part], dtype=np.float32)).to(device)
            targets = torch.from_numpy(y[part]).to(device)
            recorder.add(
                lambda inputs=inputs: model.module_(inputs),
                lambda output, targets=targets: F.cross_entropy(output, targets, reduction="sum"),
            )
    return recorder.gradients()
