"""Synthetic instances and zoos of any size: what trained networks would say, without training."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.preprocessing import FunctionTransformer

from sksubsel import ModelZoo


def problem(n_samples, n_features, n_classes, seed=0):
    """Instances (N, F) float32, standard normal, and labels (N,) that a linear rule gives most."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_samples, n_features), dtype=np.float32)
    return X, labels_of(X, n_classes, rng)


def labels_of(X, n_classes, rng):
    """Labels (N,) int64 of some instances; the first ones are of each class in turn, twice."""
    logits = X @ _rule(X.shape[1], n_classes)
    logits += rng.gumbel(scale=0.5, size=logits.shape).astype(np.float32)
    y = logits.argmax(axis=1)
    first = np.arange(min(len(y), 2 * n_classes))
    y[first] = first % n_classes
    return y


class Planted(ClassifierMixin, BaseEstimator):
    """Stands for a trained network: its answer is a formula of the architecture and the instance.

    How sure it is grows with the share of 3x3 convolutions, and what it gets wrong with that of
    poolings, so that an approximator has something to learn.
    """

    def __init__(self, architecture=None, *, classes=None, device="cpu", random_state=None):
        self.architecture = architecture
        self.classes = classes
        self.device = device
        self.random_state = random_state

    def fit(self, X, y):
        self.classes_ = np.unique(y if self.classes is None else self.classes)
        self.n_parameters_ = len(self.architecture.ops)
        return self

    def predict_proba(self, X):
        ops = self.architecture.ops
        sure, wrong = (ops.count(op) / len(ops) for op in ("conv3x3-bn-relu", "maxpool3x3"))
        n_classes = len(self.classes_)
        rule = (1 + 2 * sure) * _rule(X.shape[1], n_classes)
        rule += 2 * wrong * _rule(X.shape[1], n_classes, seed=1)
        logits = X.astype(np.float32, copy=False) @ rule
        logits -= logits.max(axis=1, keepdims=True)
        np.exp(logits, out=logits)
        logits /= logits.sum(axis=1, keepdims=True)
        return logits

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


def planted_zoo(archs, X, y) -> ModelZoo:
    """A zoo whose networks are `Planted`."""
    return ModelZoo(Planted(), random_state=0).fit(archs, X, y)


def identity() -> FunctionTransformer:
    """Features that are the instances themselves."""
    return FunctionTransformer()


def _rule(n_features, n_classes, seed=0):
    rng = np.random.default_rng(seed)
    rule = rng.standard_normal((n_features, n_classes), dtype=np.float32)
    return rule * np.float32(2 / np.sqrt(n_features))
