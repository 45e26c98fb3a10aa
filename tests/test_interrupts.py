"""Ctrl-C in a training: nothing that is trained by half is taken for whole."""

import signal
import threading

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.neural_network import MLPClassifier
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback
from torch import nn

from sksubsel import ArchitectureClassifier, ModelZoo
from sksubsel.baselines import CRAIG, TrainingDynamics
from sksubsel.datasets import load_digits_images
from sksubsel.samplers.out_of_fold import out_of_fold
from sksubsel.spaces import MLP

ARCHS = MLP(depths=(1, 2), widths=(8,)).sample(2, random_state=0)[::-1]  # the smaller one first


class CtrlC(Callback):
    """Raises the signal after the second epoch of a network with so many parameters or more."""

    def __init__(self, least=0):
        self.least = least

    def on_epoch_end(self, net, **kwargs):
        size = sum(p.numel() for p in net.module_.parameters())
        if len(net.history) == 2 and size >= self.least:
            signal.raise_signal(signal.SIGINT)


class Stop(Callback):
    """Ends a training after its second epoch, as skorch's callbacks do."""

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 2:
            raise KeyboardInterrupt


class Interrupted(MLPClassifier):
    def _update_no_improvement_count(self, *args, **kwargs):
        signal.raise_signal(signal.SIGINT)


@pytest.fixture(scope="module")
def data():
    X, y = load_digits_images(return_X_y=True)
    return X[:120], y[:120]


@pytest.fixture(autouse=True)
def handler():
    """Python's own, also where the tests run in the background of a shell, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def skorch_net(callbacks):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    return NeuralNetClassifier(
        module, criterion=nn.CrossEntropyLoss, max_epochs=4, callbacks=callbacks, verbose=0
    )


def recipe(*callbacks):
    return ArchitectureClassifier(max_epochs=4, callbacks=list(callbacks), random_state=0)


@pytest.mark.parametrize("in_thread", [False, True])
def test_a_callback_may_end_a_training(data, in_thread):
    model = recipe(Stop()).set_params(architecture=ARCHS[0])
    if in_thread:
        thread = threading.Thread(target=model.fit, args=data)
        thread.start()
        thread.join()
    else:
        model.fit(*data)
    assert len(model.history_) == 2


def test_an_interrupted_training_raises(data):
    model = recipe(CtrlC()).set_params(architecture=ARCHS[0])
    with pytest.raises(KeyboardInterrupt):
        model.fit(*data)
    assert not hasattr(model, "module_")


def test_a_handler_that_does_not_raise(data):
    seen = []
    before = signal.signal(signal.SIGINT, lambda *args: seen.append(args))
    try:
        model = recipe(CtrlC()).set_params(architecture=ARCHS[0]).fit(*data)
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(seen) == 1 and len(model.history_) == 4


def test_a_handler_set_meanwhile_stays(data):
    def other(*args):
        pass

    class Sets(Callback):
        def on_train_begin(self, net, **kwargs):
            signal.signal(signal.SIGINT, other)

    before = signal.getsignal(signal.SIGINT)
    try:
        recipe(Sets()).set_params(architecture=ARCHS[0]).fit(*data)
        assert signal.getsignal(signal.SIGINT) is other
    finally:
        signal.signal(signal.SIGINT, before)


class Own(ClassifierMixin, BaseEstimator):
    """An estimator of one's own, of a network that ends quietly where it is interrupted."""

    def __init__(self, architecture=None, classes=None, device=None, random_state=None):
        self.architecture = architecture
        self.classes = classes
        self.device = device
        self.random_state = random_state

    def fit(self, X, y):
        self.model_ = Interrupted(max_iter=3).fit(X.reshape(len(X), -1), y)
        return self

    def predict(self, X):
        return self.model_.predict(X.reshape(len(X), -1))


def test_an_estimator_of_ones_own_in_a_zoo(data, tmp_path):
    zoo = ModelZoo(Own(device="cpu"), store=tmp_path / "zoo", random_state=0)
    with pytest.raises(KeyboardInterrupt):
        zoo.fit(ARCHS, *data)
    assert not list((tmp_path / "zoo").glob("*.npz"))


def test_a_zoo_keeps_what_was_finished_before(data, tmp_path, monkeypatch):
    whole = ModelZoo(recipe(), random_state=0).fit(ARCHS, *data)
    small, large = whole.n_parameters_
    zoo = ModelZoo(recipe(CtrlC(large)), random_state=0, store=tmp_path / "zoo")
    with pytest.raises(KeyboardInterrupt):
        zoo.fit(ARCHS, *data)
    assert small < large and len(list((tmp_path / "zoo").glob("*.npz"))) == 1
    monkeypatch.setattr(CtrlC, "on_epoch_end", Callback.on_epoch_end)
    again = zoo.fit(ARCHS, *data)
    np.testing.assert_array_equal(again.predictions_, whole.predictions_)


@pytest.mark.parametrize("by_default", [True, False])
def test_the_judge_out_of_fold(data, monkeypatch, by_default):
    X, y = data
    monkeypatch.setattr("sksubsel.samplers.out_of_fold.MLPClassifier", Interrupted)
    estimator = None if by_default else Interrupted(max_iter=3)
    with pytest.raises(KeyboardInterrupt):
        out_of_fold(X.reshape(len(X), -1), y, 10, seed=0, estimator=estimator)


def test_estimators_of_baselines(data):
    X, y = data
    with pytest.raises(KeyboardInterrupt):
        TrainingDynamics(skorch_net([CtrlC()])).fit(X, y)
    dynamics = TrainingDynamics(skorch_net([Stop()]), random_state=0).fit(X, y)
    assert len(dynamics.proba_) == 1  # the second epoch was not written down yet
    with pytest.raises(KeyboardInterrupt):
        TrainingDynamics(Interrupted(max_iter=3)).fit(X, y)
    with pytest.raises(KeyboardInterrupt):
        CRAIG(20, estimator=Interrupted(max_iter=3)).fit(X, y)
