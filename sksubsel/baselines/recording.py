"""One training run, written down after each epoch."""

from __future__ import annotations

import mmap
import tempfile
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from sksubsel._interrupts import interrupts_raised
from sksubsel._net import EpochEnd, forked_rng, predict_net, seeded
from sksubsel.networks.proxy import build_proxy
from sksubsel.zoo.batches import float_tensor
from sksubsel.zoo.classifier import ArchitectureClassifier

__all__ = ["Recorder", "Run", "default_estimator", "n_epochs_of", "seed_estimator"]

_DEFAULT_EPOCHS = 10
_PREDICT_BATCH = 1024


def default_estimator():
    """The small network whose training is recorded where none is given.

    Its learning rate is constant, so that the first epochs of a long training are a short one.
    """
    return ArchitectureClassifier(
        build=build_proxy, lr=3e-3, schedule=None, max_epochs=_DEFAULT_EPOCHS, batch_size=64
    )


def seed_estimator(estimator, seed, *, keep=False):
    """Set each `random_state` of an estimator, those of its parts too.

    Parameters
    ----------
    estimator : estimator
        Changed; pass a clone.
    seed : int
        The estimator's own `random_state`; those of its parts are drawn from it, in the order of
        their names.
    keep : bool, default=False
        Leave those that are not None as they are; otherwise all are set, whatever they were.

    Returns
    -------
    estimator
    """
    names = sorted(estimator.get_params(deep=True))
    parts = [name for name in names if name.endswith("__random_state")]
    seeds = np.random.RandomState(seed).randint(2**31 - 1, size=len(parts))
    values = {name: int(value) for name, value in zip(parts, seeds)}
    if "random_state" in names:
        values["random_state"] = seed
    if keep:
        given = estimator.get_params(deep=True)
        values = {name: value for name, value in values.items() if given[name] is None}
    return estimator.set_params(**values)


@dataclass
class Run:
    """One training run: T epochs recorded.

    Attributes
    ----------
    proba : ndarray of shape (T, N, C)
    feature_norm : ndarray of shape (T, N) or None
    features : float32 ndarray of shape (N, H) or None
        Of the last epoch.
    """

    proba: np.ndarray
    feature_norm: np.ndarray | None = None
    features: np.ndarray | None = None

    def first(self, n_epochs):
        """The first epochs of it, sharing memory; without features, unless they are all."""
        if n_epochs >= len(self.proba):
            return self
        norm = None if self.feature_norm is None else self.feature_norm[:n_epochs]
        return Run(self.proba[:n_epochs], norm)


class Recorder:
    """Trains one model and writes down what it says after the epochs asked for.

    Parameters
    ----------
    dynamics : TrainingDynamics
        Its parameters and classes.
    X : ndarray of shape (N, ...)
    epochs : ascending int ndarray of shape (T,)
    """

    def __init__(self, dynamics, X, epochs):
        self.X, self.epochs = X, epochs
        self.record_features = dynamics.record_features
        shape = (len(epochs), len(X), len(dynamics.classes_))
        self.proba = _allocate(shape, dynamics.dtype, dynamics.memory_limit)
        self.norm = np.zeros(shape[:2], dtype=np.float32)
        self.has_norm, self.features = False, None
        self.written = []  # epochs

    def train(self, model, y, n_epochs, seed):
        """Train a model, which is changed, on labels y (N,) of any dtype."""
        seed_estimator(model, seed)
        if isinstance(model, ArchitectureClassifier):
            self._train_network(model, y, n_epochs)
            return
        # what a model made with torch draws by
        with seeded(seed, _device(model)), interrupts_raised():
            if _is_skorch_net(model):
                self._train_skorch_net(model, y, n_epochs)
            else:
                self._train_classifier(model, y, n_epochs)

    def _train_classifier(self, model, y, n_epochs):
        X = self.X.reshape(len(self.X), -1)
        if not hasattr(model, "partial_fit"):
            model.fit(X, y)
            self._write(1, lambda: model.predict_proba(X))
            return
        classes = np.unique(y)
        for epoch in range(1, n_epochs + 1):
            model.partial_fit(X, y, classes=classes)
            self._write(epoch, lambda: model.predict_proba(X))

    def _train_skorch_net(self, model, y, n_epochs):
        X = np.ascontiguousarray(self.X, dtype=np.float32)
        binary = model.criterion in (nn.BCELoss, nn.BCEWithLogitsLoss)
        codes = np.unique(y, return_inverse=True)[1].astype(np.float32 if binary else np.int64)

        def predict():
            # a data loader draws a seed, which the training must not miss
            with forked_rng(_device(model)):
                return self._watch(model.module_, lambda: model.predict_proba(X))

        # One `fit`, as each `partial_fit` would start learning-rate schedules anew.
        after_epoch = EpochEnd(lambda module, epoch: self._write(epoch, predict))
        if isinstance(model.callbacks, str):
            model.callbacks = None  # from "disable", set_params fails
        callbacks = [*(model.callbacks or []), after_epoch]
        model.set_params(max_epochs=n_epochs, callbacks=callbacks)
        model.fit(X, codes)
        self._write_if_stopped(len(model.history), predict)

    def _train_network(self, model, y, n_epochs):
        X = float_tensor(self.X)
        n_batches = -(-len(X) // model.batch_size)

        def after_epoch(module, epoch):
            def predict():
                # the last record is what the classifier will predict
                ended = model._as_if_ended(module, X, n_batches * epoch)
                return self._predict(ended.module_, X)

            self._write(epoch, predict)

        # `n_epochs` counts what min_steps asks for; `y` holds all classes
        model.set_params(max_epochs=n_epochs, min_steps=0, classes=None)
        model.set_params(callbacks=[*(model.callbacks or []), EpochEnd(after_epoch)])
        model.fit(self.X, y)
        self._write_if_stopped(len(model.history_), lambda: self._predict(model.module_, X))

    def _predict(self, module, X):
        """Probabilities (N, C); notes norms and features by the way."""
        device = next(module.parameters()).device

        def logits():
            return predict_net(module, X, batch_size=_PREDICT_BATCH, device=device)

        return self._watch(module, logits).float().softmax(1).numpy()

    def _watch(self, module, predict):
        """What ``predict()`` gives; notes norms and features by the way."""
        output, norm, self.features = _watch_last_layer(
            module, predict, len(self.X), self.record_features
        )
        self.has_norm = norm is not None
        if norm is not None:
            self.norm[len(self.written)] = norm
        return output

    def _write(self, epoch, predict):
        place = len(self.written)
        if place < len(self.epochs) and epoch == self.epochs[place]:
            proba = predict()
            if proba.shape != self.proba.shape[1:]:
                raise ValueError(
                    "estimator must predict probabilities of shape (N, C)="
                    f"{self.proba.shape[1:]}, one column a class; got {proba.shape}"
                )
            self.proba[place] = proba
            self.written.append(epoch)

    def _write_if_stopped(self, n_epochs, predict):
        """Write down the network that was kept where early stopping left nothing written."""
        if not self.written:
            self.epochs = [n_epochs]
            self._write(n_epochs, predict)

    def run(self):
        """What was recorded."""
        n_epochs = len(self.written)
        norm = self.norm[:n_epochs] if self.has_norm else None
        return Run(self.proba[:n_epochs], norm, self.features)


def n_epochs_of(estimator, max_epochs, n_samples):
    """How many epochs an estimator will be trained for; `max_epochs` None asks the estimator."""
    if isinstance(estimator, ArchitectureClassifier):
        return estimator._n_epochs(n_samples) if max_epochs is None else max_epochs
    if _is_skorch_net(estimator):
        return estimator.max_epochs if max_epochs is None else max_epochs
    if hasattr(estimator, "partial_fit"):
        return _DEFAULT_EPOCHS if max_epochs is None else max_epochs
    return 1


def _is_skorch_net(estimator):
    return all(hasattr(estimator, name) for name in ("initialize", "module", "callbacks"))


def _device(model):
    """Where a skorch net is; of anything else the CPU."""
    return (_is_skorch_net(model) and model.device) or "cpu"


def _watch_last_layer(module, predict, n_samples, keep_features):
    """``predict()``, norms (N,) of [input of the last linear layer, 1], and that input (N, H)."""
    linear = [part for part in module.modules() if isinstance(part, nn.Linear)]
    norms, features = [], []

    def note(layer, args):
        h = args[0].detach()
        if h.ndim == 2:
            norms.append((h.float().square().sum(1) + 1).sqrt().cpu())
            if keep_features:
                features.append(h.float().cpu())

    handle = linear[-1].register_forward_pre_hook(note) if linear else None
    output = predict()
    if handle is not None:
        handle.remove()
    norm = torch.cat(norms) if norms else None
    if norm is None or len(norm) != n_samples:
        return output, None, None  # no such layer, or not once for each instance
    return output, norm.numpy(), torch.cat(features).numpy() if keep_features else None


def _allocate(shape, dtype, memory_limit):
    """Zeros in memory, or in a temporary file without a name where they would be too large."""
    n_bytes = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    if n_bytes <= memory_limit:
        return np.zeros(shape, dtype=dtype)
    with tempfile.TemporaryFile() as file:
        file.truncate(n_bytes)
        # A plain array on a mapping, unlike np.memmap, is pickled by value everywhere.
        return np.frombuffer(mmap.mmap(file.fileno(), n_bytes), dtype=dtype).reshape(shape)
