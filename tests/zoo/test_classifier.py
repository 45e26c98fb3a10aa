import math
import time

import joblib
import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_predict
from skorch.callbacks import Callback
from torch import nn

from sksubsel import ArchitectureClassifier
from sksubsel.architectures import Architecture
from sksubsel.baselines import SubsetCallback
from sksubsel.baselines.adaptive import RS2Strategy
from sksubsel.datasets import load_digits_images
from sksubsel.spaces import NASBench101
from sksubsel.zoo import ArchitectureRegressor
from sksubsel.zoo.training import train_on_rows

_MATRIX = [[0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0]]
_OPS = ["input", "conv3x3-bn-relu", "maxpool3x3", "output"]
_CELL = Architecture.from_matrix(_MATRIX, _OPS, space="nasbench101")
_SMALL = {"stem_channels": 4, "n_stacks": 1, "n_cells": 1}


def mlp(arch, in_shape, n_outputs):
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(math.prod(in_shape), 16),
        nn.ReLU(),
        nn.Dropout(0.1),
        nn.Linear(16, n_outputs),
    )


def slow_norm(arch, in_shape, n_outputs):
    """Batch normalisation whose moving average alone would stay at its start."""
    return nn.Sequential(
        nn.Flatten(),
        nn.BatchNorm1d(math.prod(in_shape), momentum=1e-6),
        nn.Linear(math.prod(in_shape), n_outputs),
    )


@pytest.fixture(scope="module")
def data():
    X, y = load_digits_images(return_X_y=True)
    rows = np.flatnonzero(y < 3)[:120]
    return X[rows], y[rows]


def _classifier(**params):
    return ArchitectureClassifier(**{"build": mlp, "max_epochs": 3, "random_state": 0} | params)


def _proba(data, sample_weight=None, soft_targets=None, **params):
    model = _classifier(**params).fit(*data, sample_weight, soft_targets=soft_targets)
    return model.predict_proba(data[0])


def test_learns_digits_through_a_cell(data):
    model = ArchitectureClassifier(
        _CELL, network_params=_SMALL, max_epochs=8, batch_size=10, lr=0.03, random_state=0
    )
    assert model.fit(*data).score(*data) > 0.8
    assert model.module_ is model.net_.module_ and not model.module_.training
    assert model.n_parameters_ == sum(p.numel() for p in model.module_.parameters())
    assert model.shape_in_ == (1, 8, 8) and model.n_features_in_ == 64
    assert len(model.history_) == 8
    assert model.history_[-1]["train_loss"] < model.history_[0]["train_loss"]
    proba = model.predict_proba(data[0])
    assert proba.shape == (120, 3) and proba.dtype == np.float32
    np.testing.assert_allclose(proba.sum(1), 1, rtol=1e-5)
    np.testing.assert_array_equal(model.predict(data[0]), proba.argmax(1))


def test_probabilities_are_the_softmax_of_the_network(data):
    model = _classifier().fit(*data)
    with torch.no_grad():
        logits = model.module_(torch.from_numpy(data[0])).numpy()
    np.testing.assert_allclose(model.predict_proba(data[0]), softmax(logits, 1), atol=1e-6)


def test_default_network_is_small():
    X, y = load_digits_images(return_X_y=True)
    model = ArchitectureClassifier(_CELL, max_epochs=1).fit(X[:40], y[:40])
    assert model.n_parameters_ < 300_000


def test_architecture_as_matrix_and_ops(data):
    build = NASBench101(**_SMALL).build
    expected = _proba(data, architecture=_CELL, build=build, max_epochs=1)
    given = _proba(data, architecture=(_MATRIX, _OPS), build=build, max_epochs=1)
    np.testing.assert_array_equal(given, expected)
    arrays = clone(_classifier(architecture=(np.array(_MATRIX), _OPS), build=build, max_epochs=1))
    np.testing.assert_array_equal(arrays.fit(*data).predict_proba(data[0]), expected)


@pytest.mark.parametrize(
    "architecture, error, message",
    [
        (None, ValueError, "architecture must be given"),
        ((_MATRIX, _OPS), ValueError, "no network is known for an architecture of space=None"),
        (
            Architecture.from_matrix(_MATRIX, _OPS, space="strange"),
            ValueError,
            "no network is known for an architecture of space='strange'",
        ),
        (
            Architecture.from_matrix(_MATRIX, ["input", "a", "b", "output"], space="nasbench101"),
            ValueError,
            "'a'",
        ),
        (([[0, 1], [1, 0]], ["input", "output"]), ValueError, "cycl"),
        ("resnet", TypeError, "an architecture must be"),
    ],
)
def test_bad_architectures(data, architecture, error, message):
    with pytest.raises(error, match=message):
        ArchitectureClassifier(architecture).fit(*data)


def test_labels_of_strings(data):
    names = np.array(["two", "one", "zero"])
    model = _classifier(max_epochs=8).fit(data[0], names[data[1]])
    assert model.classes_.tolist() == ["one", "two", "zero"]
    assert model.score(data[0], names[data[1]]) > 0.8
    assert set(model.predict(data[0])) <= set(names)


def test_numbers_as_objects(data, line):
    """As columns of a table often hold them."""
    X, y = data
    model = _classifier(classes=np.array([2, 1, 0], dtype=object)).fit(X, y.astype(object))
    assert model.classes_.dtype == y.dtype
    np.testing.assert_array_equal(model.predict_proba(X), _proba(data))
    assert model.score(X, y) == _classifier().fit(X, y).score(X, y)
    with pytest.raises(ValueError, match="y must be finite; got inf in row 3"):
        _classifier().fit(X, np.where(np.arange(120) == 3, np.inf, y).astype(object))
    target = ArchitectureRegressor(build=mlp, max_epochs=1, random_state=0)
    np.testing.assert_array_equal(
        target.fit(line[0], line[1].astype(object)).predict(line[0]),
        clone(target).fit(*line).predict(line[0]),
    )


def test_labels_of_another_kind_than_the_classes(data):
    X, y = data
    names = np.array(["0", "1", "2"], dtype=object)
    with pytest.raises(ValueError, match=r"not in classes: \[0, 1, 2\]"):
        _classifier(classes=names).fit(X, y)
    with pytest.raises(ValueError, match=r"not in classes: \['0', '1', '2'\]"):
        _classifier(classes=[0, 1, 2]).fit(X, names[y])


def test_classes_that_the_labels_lack(data):
    X, y = data
    model = _classifier(classes=[7, 2, 1, 0], max_epochs=8).fit(X, y)
    assert model.classes_.tolist() == [0, 1, 2, 7]
    assert model.predict_proba(X).shape == (120, 4)
    assert model.score(X, y) > 0.8
    one = _classifier(classes=[0, 1, 2]).fit(X[y == 1], y[y == 1])
    assert one.predict_proba(X).shape == (120, 3)
    with pytest.raises(ValueError, match=r"labels that are not in classes: \[2\]"):
        _classifier(classes=[0, 1]).fit(X, y)
    with pytest.raises(ValueError, match="labels that are not in classes"):
        _classifier(classes=["0", "1", "2"]).fit(X, y)


def test_soft_targets_of_one_are_the_labels(data):
    soft = np.eye(3)[data[1]]
    np.testing.assert_allclose(_proba(data, soft_targets=soft), _proba(data), atol=1e-4)
    np.testing.assert_allclose(
        _proba(data, soft_targets=soft.tolist(), label_smoothing=0.2),
        _proba(data, label_smoothing=0.2),
        atol=1e-4,
    )


def test_soft_targets_replace_the_labels(data):
    soft = np.roll(np.eye(3), 1, axis=1)[data[1]]
    proba = _proba(data, soft_targets=soft, max_epochs=8)
    assert (proba.argmax(1) == (data[1] + 1) % 3).mean() > 0.8


@pytest.mark.parametrize(
    "soft, message",
    [
        (np.ones((120, 4)) / 4, r"shape \(N, C\)=\(120, 3\); got shape \(120, 4\)"),
        (np.ones((119, 3)) / 3, r"got shape \(119, 3\)"),
        (np.ones(120), r"got shape \(120,\)"),
        (-np.ones((120, 3)), "must be probabilities, at least 0; got -1"),
        (np.ones((120, 3)), "sum to 1 over the classes; got sums from 3 to 3"),
        (np.full((120, 3), np.nan), "soft_targets must be finite"),
    ],
)
def test_bad_soft_targets(data, soft, message):
    with pytest.raises(ValueError, match=message):
        _classifier().fit(*data, soft_targets=soft)


def test_sample_weight(data):
    X, y = data
    wrong = np.where(np.arange(120) % 2 == 0, y, (y + 1) % 3)
    weight = (np.arange(120) % 2 == 0).astype(float)
    model = _classifier(max_epochs=15).fit(X, wrong, weight)
    assert model.score(X, y) > 0.9
    np.testing.assert_allclose(
        _proba(data, sample_weight=np.full(120, 7.0)), _proba(data), atol=1e-4
    )  # relative weights
    for bad, message in [
        (np.zeros(120), "non-zero|positive weight"),
        (-np.ones(120), "[Nn]egative"),
        (np.ones(119), "sample_weight"),
        (np.full(120, np.nan), "NaN"),
    ]:
        with pytest.raises(ValueError, match=message):
            _classifier().fit(X, y, bad)


def test_class_weight(data):
    """As sample_weight says it; labels of any kind; classes that y lacks."""
    X, y = data[0], np.array(["ant", "bee", "cow"])[data[1]]
    rare = np.concatenate([np.flatnonzero(y != "cow"), np.flatnonzero(y == "cow")[:5]])
    X, y = X[rare], y[rare]
    counts = {name: (y == name).sum() for name in ("ant", "bee", "cow")}
    balanced = np.array([1 / counts[name] for name in y])
    np.testing.assert_allclose(
        _proba((X, y), class_weight="balanced"), _proba((X, y), balanced), atol=1e-5
    )
    given = {"bee": 2.0, "cow": 0.0, "dog": 5.0}
    weight = np.array([given.get(name, 1.0) for name in y])
    all_labels = ["ant", "bee", "cow", "dog"]
    half = np.where(np.arange(len(y)) % 2 == 0, 1.0, 0.5)
    np.testing.assert_allclose(
        _proba((X, y), half, class_weight=given, classes=all_labels),
        _proba((X, y), half * weight, classes=all_labels),
        atol=1e-5,
    )
    plain = _proba((X, y), max_epochs=10)[:, 2].mean()
    assert _proba((X, y), max_epochs=10, class_weight="balanced")[:, 2].mean() > 1.5 * plain


@pytest.mark.parametrize(
    "classes", [["0", "1", "b"], [False, True], [np.int8(3), np.int8(5), np.int8(9)], [0.0, 2.0]]
)
def test_class_weight_of_any_labels(data, classes):
    """Of classes that are weighted by nothing nothing is learned, whatever they are called."""
    X, codes = data[0][data[1] < len(classes)], data[1][data[1] < len(classes)]
    y = np.array(classes)[codes]
    only = np.unique(y)[0]
    given = {name: float(name == only) for name in np.unique(y)}
    for fit in ({}, {"soft_targets": np.eye(len(classes))[codes]}):
        model = _classifier(class_weight=given, max_epochs=10).fit(X, y, **fit)
        assert (model.predict(X) == only).all()
        assert (_classifier(max_epochs=10).fit(X, y, **fit).predict(X) != only).any()


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("fair", "class_weight"),
        ({0: 1.0, 7: 1.0}, r"labels of \[0, 1, 2\]"),
        ({"0": 1.0}, r"labels of \[0, 1, 2\]"),
        ({0: "much"}, "class_weight must .* finite"),
        ({0: 0.0, 1: 0.0, 2: 0.0}, "class_weight must leave .* positive weight"),
        ({0: -1.0}, "class_weight must .* at least 0"),
        ({0: np.nan}, "class_weight must .* finite"),
    ],
)
def test_bad_class_weight(data, bad, message):
    with pytest.raises(ValueError, match=message):
        _classifier(class_weight=bad).fit(*data)


def test_early_stopping_on_a_validation_split():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(100, 5)), rng.integers(0, 2, 100)  # nothing to learn but noise
    model = _classifier(
        early_stopping=True, max_epochs=200, n_iter_no_change=2, validation_fraction=0.3
    ).fit(X, y)
    losses = [row["valid_loss"] for row in model.history_]
    assert len(losses) < 200
    # the last two are no better than the best before, by skorch's threshold
    assert min(losses[-2:]) > (1 - 1e-4) * min(losses[:-2])
    without = _classifier().fit(X, y)
    assert "valid_loss" not in without.history_[0]


@pytest.mark.parametrize("soft", [False, True])
def test_accuracy_on_the_validation_split(data, soft):
    X, y = data
    flat = X.reshape(len(X), -1)
    right = {}  # by epoch

    class Judge(Callback):
        def on_batch_end(self, net, batch=None, training=False, **kwargs):
            if not training:
                with torch.no_grad():
                    codes = net.module_(batch[0]).argmax(1).numpy()
                held = batch[0].flatten(1).numpy()
                rows = [np.flatnonzero((each == flat).all(axis=1))[0] for each in held]
                right.setdefault(len(net.history), []).extend(codes == y[rows])

    options = {"soft_targets": np.eye(3)[y] * 0.8 + 0.2 / 3} if soft else {}
    model = _classifier(early_stopping=True, max_epochs=5, callbacks=[Judge()])
    model.fit(X, y, **options)
    assert len(right[1]) == 12
    expected = [np.mean(right[epoch]) for epoch in range(1, len(model.history_) + 1)]
    recorded = [row["valid_accuracy"] for row in model.history_]
    np.testing.assert_allclose(recorded, expected, atol=1e-6)


def test_early_stopping_holds_the_split_out():
    """Of eight instances two validate: the six others make three batches of two."""
    sizes = []

    class Sizes(Callback):
        def on_batch_end(self, net, batch=None, training=False, **kwargs):
            sizes.append((training, len(batch[0])))

    X, y = np.arange(16.0).reshape(8, 2), np.repeat([0, 1], 4)
    _classifier(
        early_stopping=True,
        validation_fraction=0.25,
        batch_size=2,
        max_epochs=1,
        callbacks=[Sizes()],
    ).fit(X, y, np.ones(8))
    assert sizes == [(True, 2)] * 3 + [(False, 2)]


def test_early_stopping_with_a_class_of_one_instance(data):
    y = data[1].copy()
    y[y == 2] = 1
    y[-1] = 2
    model = _classifier(early_stopping=True).fit(data[0], y)
    assert model.predict_proba(data[0]).shape == (120, 3)


def test_early_stopping_with_hardly_any_instance():
    X = np.arange(6.0).reshape(3, 2)
    model = _classifier(early_stopping=True, classes=[0, 1, 2]).fit(X, [0, 1, 2])
    assert np.isfinite(model.predict_proba(X)).all()


def test_label_smoothing_makes_predictions_less_sure(data):
    sure = _proba(data, max_epochs=20).max(1).mean()
    smooth = _proba(data, max_epochs=20, label_smoothing=0.4).max(1).mean()
    assert smooth < sure - 0.1


def test_min_steps_makes_more_epochs(data):
    def n_epochs(**params):
        return len(_classifier(max_epochs=1, **params).fit(*data).history_)

    assert n_epochs() == 1
    assert n_epochs(min_steps=4) == 1  # 120 instances are four batches of 32 and fewer
    assert n_epochs(min_steps=9) == 3
    assert n_epochs(min_steps=9, batch_size=200) == 9


class _Labels(Callback):
    """How many of each of three classes each batch has."""

    def on_train_begin(self, net, **kwargs):
        self.counts = []

    def on_batch_begin(self, net, batch=None, training=False, **kwargs):
        if training:
            targets = batch[1][0]
            codes = targets if targets.ndim == 1 else targets.argmax(1)
            self.counts.append(np.bincount(codes, minlength=3))


@pytest.mark.parametrize("given", ["labels", "soft targets", "validation split", "lacking a class"])
def test_stratified_batches(data, given):
    X, y = data[0][:100], np.array(["ant", "bee", "cow"])[data[1][:100]]
    soft, params = None, {}
    if given == "soft targets":
        soft = np.eye(3)[data[1][:100]] * 0.7 + 0.1
    elif given == "validation split":
        params = {"early_stopping": True}
    elif given == "lacking a class":
        keep = y != "bee"
        X, y, params = X[keep], y[keep], {"classes": ["ant", "bee", "cow"]}
    spread = {}
    for stratify in (False, True):
        labels = _Labels()
        model = _classifier(stratify_batches=stratify, callbacks=[labels], **params)
        model.fit(X, y, soft_targets=soft)
        counts = np.array(labels.counts)
        assert len(counts) > 3
        n_batches = len(counts) // len(model.history_)
        spread[stratify] = max(
            np.ptp(epoch, axis=0).max() for epoch in np.split(counts, len(counts) // n_batches)
        )
        assert model.net_.strata is None, "a net holds no data"
    assert spread[True] <= 1 < spread[False]


def test_stratified_batches_of_subsets_in_turns(data):
    """Rows' classes are those of the data, whichever rows have their turn."""
    X, y = data
    subsets = np.random.default_rng(0).permutation(len(y))[:120].reshape(2, 60)
    recipe = _classifier(stratify_batches=True, batch_size=10, callbacks=[_Labels()])
    model = train_on_rows(recipe, _CELL, X, y, np.arange(3), subsets, 0)
    for epoch, counts in enumerate(np.reshape(model.callbacks[0].counts, (3, 6, 3))):
        assert np.ptp(counts, axis=0).max() <= 1
        np.testing.assert_array_equal(counts.sum(0), np.bincount(y[subsets[epoch % 2]]))


def test_callbacks(data):
    losses = []

    class Losses(Callback):
        def on_epoch_end(self, net, **kwargs):
            losses.append(net.history[-1, "train_loss"])

    model = _classifier(callbacks=[Losses()]).fit(*data)
    assert losses == [row["train_loss"] for row in model.history_] and len(losses) == 3


@pytest.mark.parametrize("n_samples", [120, 300])
def test_batch_norm_statistics_are_those_of_the_data(n_samples):
    rng = np.random.default_rng(0)
    X, y = 5 + 3 * rng.normal(size=(n_samples, 4)), rng.integers(0, 2, n_samples)
    norm = _classifier(build=slow_norm).fit(X, y).module_[1]
    np.testing.assert_allclose(norm.running_mean, X.mean(0), rtol=1e-4)
    np.testing.assert_allclose(norm.running_var, X.var(0), rtol=0.03)
    assert norm.momentum == 1e-6 and not norm.training


def test_mixed_precision_has_no_effect_on_the_cpu(data):
    np.testing.assert_array_equal(_proba(data, mixed_precision=True), _proba(data))


@pytest.mark.parametrize(
    "params",
    [
        {"optimizer": "sgd", "momentum": 0.5},
        {"optimizer": "adam"},
        {"optimizer": "rmsprop", "lr": 1e-3},
        {"schedule": "cosine"},
        {"schedule": "step"},
        {"schedule": None},
        {"weight_decay": 1.0},
        {"gradient_clip": 1e-3},
        {"lr": 1e-3},
        {"batch_size": 10},
        {"stratify_batches": True},
        {"random_state": 1},
    ],
    ids=str,
)
def test_every_setting_has_an_effect(data, params):
    assert not np.allclose(_proba(data, **params), _proba(data), atol=1e-6)


@pytest.mark.parametrize(
    "params, change",
    [
        ({"optimizer": "sgd", "schedule": None}, {"nesterov": True}),
        ({"optimizer": "rmsprop", "lr": 1e-3, "schedule": None}, {"momentum": 0.5}),
        ({"schedule": "step"}, {"step_size": 0.6}),
        ({"schedule": "step"}, {"gamma": 0.5}),
    ],
)
def test_every_setting_of_some_optimizers_and_schedules_has_an_effect(data, params, change):
    assert not np.allclose(_proba(data, **params, **change), _proba(data, **params), atol=1e-6)


@pytest.mark.parametrize(
    "params",
    [
        {"lr": 0.0},
        {"momentum": 1.0},
        {"weight_decay": -1e-3},
        {"max_epochs": 0},
        {"min_steps": -1},
        {"batch_size": 0},
        {"gradient_clip": 0.0},
        {"label_smoothing": 1.0},
        {"validation_fraction": 1.0},
        {"n_iter_no_change": 0},
        {"optimizer": "lbfgs"},
        {"schedule": "linear"},
        {"step_size": 0},
        {"gamma": 1.5},
        {"stratify_batches": "equal"},
    ],
    ids=str,
)
def test_settings_out_of_range(data, params):
    with pytest.raises(ValueError, match=f"The '{next(iter(params))}' parameter of Arch"):
        _classifier(**params).fit(*data)


@pytest.mark.parametrize(
    "entry",
    [RS2Strategy(), ("selection", RS2Strategy()), "x", (), (_Labels(),), None],
    ids=["strategy", "named", "text", "empty", "nameless", "none"],
)
def test_callbacks_that_are_no_callbacks(data, entry):
    with pytest.raises(TypeError, match="callbacks must hold instances or classes of") as caught:
        _classifier(callbacks=[entry]).fit(*data)
    assert ("goes into a SubsetCallback" in str(caught.value)) == ("RS2" in repr(entry))


def test_callbacks_as_skorch_takes_them(data):
    chosen = ("selection", SubsetCallback(RS2Strategy(), budget=20))
    model = _classifier(callbacks=[chosen, _Labels, ["labels", _Labels()], ("off", None)])
    assert model.fit(*data).history_[-1]["n_train"] == 20


def test_no_cuda_device(data, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="torch sees no CUDA device here"):
        _classifier(device="cuda").fit(*data)
    with pytest.raises(ValueError, match="device must be a torch device"):
        _classifier(device="abacus").fit(*data)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite(data, value):
    images = data[0].copy()
    images[3, 0, 4, 4] = value
    with pytest.raises(ValueError, match=r"X must be finite; got (nan|inf) in row 3"):
        _classifier().fit(images, data[1])
    with pytest.raises(ValueError, match="NaN|infinity"):
        _classifier().fit(images.reshape(120, -1), data[1])
    model = _classifier(max_epochs=1).fit(*data)
    with pytest.raises(ValueError, match="X must be finite"):
        model.predict(images)


def test_shapes_that_do_not_fit(data):
    X, y = data
    with pytest.raises(ValueError, match="X has 120 instances and y 119"):
        _classifier().fit(X, y[:-1])
    with pytest.raises(ValueError, match="y to be passed"):
        _classifier().fit(X, None)
    model = _classifier(max_epochs=1).fit(X, y)
    with pytest.raises(ValueError, match=r"instances of shape \(1, 8, 8\), as in fit"):
        model.predict(X[:, :, :4])
    with pytest.raises(NotFittedError):
        _classifier().predict(X)


@pytest.mark.parametrize(
    ("build", "error", "given"),
    [
        (lambda *_: nn.Sequential(nn.Flatten(), nn.Linear(64, 4)), ValueError, r"got \(30, 4\)"),
        (lambda *_: nn.Sequential(nn.Flatten(), nn.Linear(64, 2)), ValueError, r"got \(30, 2\)"),
        (lambda *_: nn.Sequential(nn.Conv2d(1, 3, 1)), ValueError, r"got \(30, 3, 8, 8\)"),
        (lambda *_: nn.LSTM(8, 3), ValueError, "a tuple"),
        (lambda *_: 3, TypeError, "a torch.nn.Module; got int"),
    ],
    ids=["more", "fewer", "images", "several", "none"],
)
def test_networks_of_other_outputs(data, build, error, given):
    X, y = data
    X = X[:, 0] if given == "a tuple" else X
    with pytest.raises(error, match=f"build must return .*{given}"):
        _classifier(build=build).fit(X, y)


def test_one_instance_and_batch_normalisation(data):
    X, y = data
    model = _classifier(build=slow_norm, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="at least two instances for each batch.*a batch of one"):
        model.fit(X[:1], y[:1])
    with pytest.raises(ValueError, match="at least two instances"):
        model.set_params(batch_size=2).fit(X[:3], y[:3])
    assert len(model.set_params(build=mlp).fit(X[:1], y[:1]).history_) == 3


def test_one_class(data):
    with pytest.raises(ValueError, match="only one class is present"):
        _classifier().fit(data[0], np.ones(120, dtype=int))


def test_targets_that_are_no_classes(data):
    with pytest.raises(ValueError, match="Unknown label type"):
        _classifier().fit(data[0], np.linspace(0, 1, 120))


def test_same_seed_same_bits_and_global_generators_untouched(data):
    torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()
    first, stratified = _proba(data), _proba(data, stratify_batches=True)
    np.testing.assert_array_equal(first, _proba(data))
    np.testing.assert_array_equal(stratified, _proba(data, stratify_batches=True))
    assert torch.equal(torch_before, torch.get_rng_state())
    np.testing.assert_array_equal(numpy_before, np.random.get_state()[1])
    instance = _proba(data, random_state=np.random.RandomState(0))
    np.testing.assert_array_equal(first, instance)


def test_folds_in_threads_are_those_one_after_another(data):
    class Slow(nn.Dropout):
        def forward(self, X):
            time.sleep(0.001)  # others get a turn
            return super().forward(X)

    def build(arch, in_shape, n_outputs):
        return nn.Sequential(nn.Flatten(), Slow(0.5), nn.Linear(64, n_outputs))

    model, options = _classifier(build=build), {"cv": 4, "method": "predict_proba"}
    expected = cross_val_predict(model, *data, **options)
    before = torch.get_rng_state()
    with joblib.parallel_config("threading"):
        found = cross_val_predict(model, *data, n_jobs=4, **options)
    np.testing.assert_array_equal(found, expected)
    assert torch.equal(torch.get_rng_state(), before)


def test_strides_of_an_axis_of_length_one_do_not_matter(data):
    """Torch would take such images for channels-last ones and choose other kernels."""
    X = data[0].copy()
    strides = (X.strides[0], 4, X.strides[2], X.strides[3])
    same = np.lib.stride_tricks.as_strided(X, X.shape, strides)
    assert same.flags.c_contiguous and same.strides != X.strides
    params = {"architecture": _CELL, "build": None, "network_params": _SMALL}
    np.testing.assert_array_equal(_proba((same, data[1]), **params), _proba((X, data[1]), **params))


def test_fitting_again_equals_a_fresh_fit(data):
    model = _classifier().fit(data[0][:60], data[1][:60])
    np.testing.assert_array_equal(model.fit(*data).predict_proba(data[0]), _proba(data))


@pytest.mark.parametrize("early_stopping", [False, True])
def test_joblib_round_trip(data, tmp_path, early_stopping):
    model = _classifier(architecture=_CELL, early_stopping=early_stopping).fit(*data)
    joblib.dump(model, tmp_path / "model.joblib")
    again = joblib.load(tmp_path / "model.joblib")
    np.testing.assert_array_equal(again.predict_proba(data[0]), model.predict_proba(data[0]))
    assert again.architecture == _CELL and again.history_ == model.history_


def test_clone_and_params(data):
    model = _classifier(architecture=_CELL, lr=0.5, classes=[0, 1, 2])
    params = clone(model).get_params()
    assert params == model.get_params()
    assert params["architecture"] == _CELL and params["lr"] == 0.5
    assert clone(model).set_params(max_epochs=7).max_epochs == 7
    assert not hasattr(clone(model.set_params(lr=0.01).fit(*data)), "module_")


def test_verbose(data, capsys):
    _classifier().fit(*data)
    assert capsys.readouterr() == ("", "")
    _classifier(verbose=1).fit(*data)
    assert "train_loss" in capsys.readouterr().out


def test_diverging_names_the_learning_rate(data):
    with pytest.raises(FloatingPointError, match="a smaller lr"):
        _classifier(optimizer="sgd", lr=1e30, max_epochs=30).fit(*data)


@pytest.fixture(scope="module")
def line():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 4))
    return X, 1000 + 50 * (X @ [1.0, -1.0, 0.5, 0.0])


def test_regression_in_the_units_of_y(line):
    model = ArchitectureRegressor(build=mlp, max_epochs=40, random_state=0).fit(*line)
    assert model.score(*line) > 0.9
    assert model.predict(line[0]).shape == (150,)
    np.testing.assert_array_equal(
        clone(model).fit(*line).predict(line[0]), model.predict(line[0])
    )  # fmt: skip


def test_regression_through_a_cell(data):
    X = data[0]
    target = X.mean((1, 2, 3))
    model = ArchitectureRegressor(_CELL, network_params=_SMALL, max_epochs=15, random_state=0)
    assert model.fit(X, target).score(X, target) > 0.3


def test_regression_of_a_constant(line):
    model = ArchitectureRegressor(build=mlp, max_epochs=30, random_state=0)
    np.testing.assert_allclose(model.fit(line[0], np.full(150, 7.0)).predict(line[0]), 7, atol=0.5)


def test_regression_weights(line):
    X, y = line
    wrong = y + 500 * (np.arange(150) % 2)
    weight = 1.0 - np.arange(150) % 2
    model = ArchitectureRegressor(build=mlp, max_epochs=60, random_state=0)
    even = model.fit(X, wrong, weight).predict(X)[::2]
    assert (
        np.abs(even - y[::2]).mean() < np.abs(model.fit(X, wrong).predict(X)[::2] - y[::2]).mean()
    )


def test_regression_bad_targets(line):
    y = line[1].copy()
    y[3] = np.nan
    with pytest.raises(ValueError, match="NaN|finite"):
        ArchitectureRegressor(build=mlp).fit(line[0], y)
