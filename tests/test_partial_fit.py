"""Instances that come after the fit: the zoo is asked about them, and trains nothing."""

import copy
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator

from sksubsel import (
    ArchitectureClassifier,
    ArchitectureEncoder,
    ArchitectureRegressor,
    ModelApproximator,
    ModelZoo,
    SubSelNet,
    SubsetSelector,
)
from sksubsel.benchmark.records import selector_key
from sksubsel.datasets import load_digits_images
from sksubsel.spaces import MLP
from sksubsel.zoo import asking
from sksubsel.zoo import zoo as zoo_module

N, ALL = 200, 260


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """A zoo of perceptrons on 200 digits, a net fitted on it, and 60 digits more."""
    X, y = load_digits_images(return_X_y=True)
    archs = MLP(depths=(1, 2), widths=(16, 32), dropouts=(0.0,)).sample(7, random_state=0)
    recipe = ArchitectureClassifier(max_epochs=6)
    zoo = ModelZoo(
        recipe, n_pretrained=5, n_seeds=2, keep_weights=True, random_state=0,
        store=tmp_path_factory.mktemp("zoo") / "store",
    ).fit(archs, X[:N], y[:N])  # fmt: skip
    net = SubSelNet(
        selector=SubsetSelector("hybrid", diversity="entropy", max_epochs=2),
        encoder=ArchitectureEncoder(max_epochs=2),
        approximator=ModelApproximator(max_epochs=10, early_stopping=False),
        random_state=0,
    ).fit(archs, zoo)
    more = X[N:ALL], y[N:ALL]
    return SimpleNamespace(X=X[:ALL], y=y[:ALL], more=more, archs=archs, zoo=zoo, net=net)


@pytest.fixture
def no_training(monkeypatch):
    def fail(*args):
        raise AssertionError("a network is trained")

    monkeypatch.setattr(zoo_module, "train_architecture", fail)


def test_records_tell_it_from_a_fresh_fit(known, no_training):
    rng = np.random.default_rng(0)
    told = [rng.dirichlet(np.ones(10), (5, ALL - N)) for _ in range(2)]
    zoos = [known.zoo.append(*known.more)]
    zoos += [known.zoo.append(*known.more, predictions=each) for each in told]
    nets = [copy.copy(known.net).partial_fit(known.archs, zoo) for zoo in zoos]
    nets.append(clone(known.net).fit(known.archs, zoos[0]))
    keys = [selector_key(net) for net in nets]
    assert len(set(keys)) == 4
    twin = copy.copy(known.net).partial_fit(known.archs, zoos[0])
    assert selector_key(twin) == selector_key(pickle.loads(pickle.dumps(twin))) == keys[0]
    assert selector_key(known.net) not in keys


@pytest.fixture
def net(known):
    return pickle.loads(pickle.dumps(known.net))


def test_append_asks_the_networks(known, no_training):
    zoo = known.zoo.append(*known.more)
    np.testing.assert_array_equal(zoo.X_, known.X)
    np.testing.assert_array_equal(zoo.y_, known.y)
    assert zoo.predictions_.shape == (5, ALL, 10)
    assert zoo.predictions_.dtype == known.zoo.predictions_.dtype
    np.testing.assert_array_equal(zoo.predictions_[:, :N], known.zoo.predictions_)
    np.testing.assert_allclose(zoo.predictions_[:, N:].sum(axis=2), 1, atol=5e-3)
    accuracy = (zoo.predictions_[:, N:].argmax(axis=2) == known.more[1]).mean()
    assert accuracy > 0.5  # ten classes
    assert known.zoo.predictions_.shape == (5, N, 10)
    assert known.zoo.X_.shape[0] == N
    np.testing.assert_array_equal(zoo.accuracies_, known.zoo.accuracies_)
    zoo.check_architectures(known.archs)


def test_the_networks_are_those_that_were_trained(known, no_training):
    """Asked about what they were trained on, they say what they said."""
    zoo = known.zoo.append(known.X[:N], known.y[:N])
    np.testing.assert_allclose(zoo.predictions_[:, N:], known.zoo.predictions_, atol=1e-3)


def test_networks_that_say_nothing_finite(known, monkeypatch):
    monkeypatch.setattr(asking, "outputs_of", lambda model, X: np.full((len(X), 10), np.nan))
    with pytest.raises(ValueError, match="predictions must be finite where the networks of"):
        known.zoo.append(*known.more)


def test_append_to_a_slice_and_again(known, no_training):
    X, y = known.more
    places = [int(known.zoo.trained_[3]), int(known.zoo.trained_[1])]
    part = known.zoo[places].append(X[:20], y[:20]).append(X[20:], y[20:])
    whole = known.zoo.append(X, y)
    assert part.architectures_ == [known.archs[place] for place in places]
    np.testing.assert_allclose(part.predictions_, whole.predictions_[[3, 1]], atol=1e-3)


def test_append_predictions(known, no_training, tmp_path):
    """What is given, where the networks were not kept."""
    X, y = known.more
    known.net.save(tmp_path / "net", include_zoo=True)
    zoo = SubSelNet.load(tmp_path / "net").zoo_
    with pytest.raises(ValueError, match=r"predictions must be given .* keep_weights=True"):
        zoo.append(X, y)
    given = np.full((5, 60, 10), 0.1, dtype=np.float32)
    longer = zoo.append(X, y, predictions=given)
    np.testing.assert_array_equal(longer.predictions_[:, N:], given.astype(np.float16))
    for bad in (given[:4], given[:, :59], given.astype(int), given[..., :9]):
        with pytest.raises(ValueError, match=r"shape \(A_trained, M, C\)=\(5, 60, 10\); got"):
            zoo.append(X, y, predictions=bad)
    for bad, message in ((given - 0.2, "at least 0; got -0.1"), (given * 3, "sums from 3 to 3")):
        with pytest.raises(ValueError, match=f"predictions must be probabilities.*{message}"):
            zoo.append(X, y, predictions=bad)
    given[2, 3, 4] = np.nan
    with pytest.raises(ValueError, match="predictions must be finite"):
        zoo.append(X, y, predictions=given)


def test_append_in_memory_of_a_disk(known, no_training, monkeypatch):
    monkeypatch.setattr("sksubsel.zoo.stack._MAX_IN_MEMORY", 1000)
    zoo = known.zoo.append(*known.more)
    assert isinstance(zoo.predictions_, np.memmap)
    monkeypatch.undo()
    np.testing.assert_array_equal(zoo.predictions_, known.zoo.append(*known.more).predictions_)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda X, y: (X[:, :, :4], y), "X must have the instance shape"),
        (lambda X, y: (X[:5], y), "the length of y"),
        (lambda X, y: (X, y + 7), "y holds labels that the zoo lacks"),
        (lambda X, y: (X, y[:, None]), r"y must have shape \(N,\)"),
        (lambda X, y: (X * np.nan, y), "X must be finite"),
    ],
)
def test_append_of_other_instances(known, net, spoil, message):
    rows = known.net.select(known.archs[0])
    bad = spoil(*known.more)
    for call in (lambda: known.zoo.append(*bad), lambda: net.partial_fit(known.archs, *bad)):
        with pytest.raises(ValueError, match=message):
            call()
    np.testing.assert_array_equal(net.select(known.archs[0]), rows)


def test_weights_that_are_gone(known, tmp_path):
    import shutil

    zoo = pickle.loads(pickle.dumps(known.zoo))
    shutil.copytree(zoo.store, tmp_path / "copy")
    zoo._store.folder = tmp_path / "copy"
    zoo._store._files.path = tmp_path / "copy"
    next((tmp_path / "copy").glob("*.npz")).write_bytes(b"")
    with pytest.raises(ValueError, match="cannot be read"):
        zoo.append(*known.more)


def test_a_store_without_weights(known, tmp_path, monkeypatch):
    """Its networks are trained once more where weights are wanted; those with some are not."""
    trained = []
    train = zoo_module.train_architecture

    def count(*args):
        trained.append(args)
        return train(*args)

    monkeypatch.setattr(zoo_module, "train_architecture", count)
    recipe = ArchitectureClassifier(max_epochs=1)
    zoo = ModelZoo(recipe, store=tmp_path / "store", random_state=0)
    data = known.archs[:2], known.X[:N], known.y[:N]
    first = clone(zoo).fit(*data)
    assert len(trained) == 2
    with pytest.raises(ValueError, match="keep_weights=True"):
        first.append(*known.more)
    second = clone(zoo).set_params(keep_weights=True).fit(*data)
    assert len(trained) == 4
    np.testing.assert_array_equal(first.predictions_, second.predictions_)
    assert clone(zoo).set_params(keep_weights=True).fit(*data).append(*known.more).shape == (2,)
    clone(zoo).fit(*data)
    assert len(trained) == 4


def test_keep_weights_needs_a_store(known):
    with pytest.raises(ValueError, match="store must be given where keep_weights=True"):
        ModelZoo(keep_weights=True).fit(known.archs, known.X, known.y)


def test_partial_fit(known, net, no_training):
    """No training; the encoder and what was known of the first instances stay."""
    before = pickle.loads(pickle.dumps(net))
    assert net.partial_fit(known.archs, *known.more) is net
    own = net.approximator_
    assert net.n_samples_ == ALL
    assert net.predict_proba(known.archs).shape == (7, ALL, 10)
    assert len(net.select(known.archs[0])) == 26  # a tenth of all, as fit would
    np.testing.assert_array_equal(
        net.encoder_.transform(known.archs), before.encoder_.transform(known.archs)
    )
    np.testing.assert_array_equal(own.features_[:N], before.approximator_.features_)
    np.testing.assert_array_equal(own.base_[:N], before.approximator_.base_)
    np.testing.assert_array_equal(
        own.features_[N:], own.feature_transformer_.transform(known.more[0])
    )
    assert own.n_epochs_ == len(own.history_) == 10 + 2  # 60 of 260 instances
    assert [row["epoch"] for row in own.history_] == list(range(1, 13))
    embeddings = net.encoder_.transform(known.archs)
    selector = clone(net.selector_).fit(own.transform(embeddings), net.zoo_)
    np.testing.assert_array_equal(
        selector.transform(own.transform(embeddings)), net.transform(known.archs)
    )
    again = pickle.loads(pickle.dumps(before)).partial_fit(
        known.archs, before.zoo_.append(*known.more)
    )
    np.testing.assert_array_equal(again.transform(known.archs), net.transform(known.archs))
    assert (net.transform(known.archs) >= N).any()
    assert net.fit_times_["zoo"] == before.fit_times_["zoo"]


def test_as_good_as_a_fit(known, net):
    """On the instances that came later, beside a zoo and a net that knew them from the start."""
    net.partial_fit(known.archs, *known.more)
    zoo = clone(known.zoo).set_params(store=None, keep_weights=False)
    fresh = clone(net).fit(known.archs, zoo.fit(known.archs, known.X, known.y))

    def accuracy(one):
        proba = one.predict_proba(known.archs)[:, N:]
        return (proba.argmax(axis=2) == known.more[1]).mean()

    assert accuracy(net) > accuracy(fresh) - 0.1


@pytest.mark.parametrize("diversity", ["design", "coverage"])
def test_other_selections(known, diversity, no_training):
    """Also where the zoo's mean is all that is known, and nothing is trained on."""
    net = SubSelNet(
        budget=25,
        diversity=diversity,
        encoder=FrozenEstimator(known.net.encoder_),
        approximator=ModelApproximator(max_epochs=0),
        random_state=0,
    ).fit(known.archs, known.zoo)
    net.partial_fit(known.archs, *known.more)
    assert net.approximator_.n_epochs_ == 0
    fresh = clone(net).fit(known.archs, known.zoo.append(*known.more))
    np.testing.assert_allclose(net.approximator_.base_, fresh.approximator_.base_)
    rows = net.select(known.archs[0])
    assert len(rows) == 25
    assert rows.max() < ALL


def test_saved_and_loaded(known, net, tmp_path):
    net.partial_fit(known.archs, *known.more)
    net.save(tmp_path / "net")
    loaded = SubSelNet.load(tmp_path / "net")
    np.testing.assert_array_equal(loaded.transform(known.archs), net.transform(known.archs))
    zoo = net.zoo_.append(*known.more)  # a net without its zoo takes one
    np.testing.assert_array_equal(
        loaded.partial_fit(known.archs, zoo).transform(known.archs),
        net.partial_fit(known.archs, zoo).transform(known.archs),
    )


def test_regression(known, tmp_path):
    y = known.X[:, 0, 2:6, 2:6].mean(axis=(1, 2)) * 100 + 5
    zoo = ModelZoo(
        ArchitectureRegressor(max_epochs=6), store=tmp_path / "store", keep_weights=True,
        random_state=0,
    ).fit(known.archs[:3], known.X[:N], y[:N])  # fmt: skip
    longer = zoo.append(known.X[N:], y[N:])
    error = np.abs(longer.predictions_[:, N:, 0] - y[N:]).mean()
    assert error < np.abs(y[N:] - y.mean()).mean()
    approximator = ModelApproximator(max_epochs=5, early_stopping=False, random_state=0)
    embeddings = known.net.encoder_.transform(known.archs[:3])
    approximator.fit(embeddings, zoo)
    unit = approximator.location_, approximator.scale_
    approximator.partial_fit(embeddings, longer)
    assert (approximator.location_, approximator.scale_) == unit
    guess = approximator.predict_proba(embeddings)
    assert guess.shape == (3, ALL, 1)
    assert np.abs(guess[:, N:] - longer.predictions_[:, N:]).mean() < y.std()


def test_first_call(known):
    net = clone(known.net)
    assert net.partial_fit(known.archs, known.zoo) is net
    np.testing.assert_array_equal(net.transform(known.archs), known.net.transform(known.archs))
    with pytest.raises(NotFittedError):
        clone(known.zoo).append(*known.more)


def test_what_cannot_go_on(known, net):
    zoo = known.zoo.append(*known.more)
    with pytest.raises(ValueError, match="must be of the architectures passed"):
        net.partial_fit(known.archs[:3], zoo)
    with pytest.raises(ValueError, match="y must be None"):
        net.partial_fit(known.archs, zoo, known.y)
    embeddings = net.encoder_.transform(known.archs)
    other = ModelZoo(ArchitectureClassifier(max_epochs=1), n_pretrained=1, random_state=0)
    other = other.fit(known.archs, known.X[::-1], known.y[::-1])
    with pytest.raises(ValueError, match="must begin with the 200 instances"):
        net.approximator_.partial_fit(embeddings, other)
    with pytest.raises(ValueError, match="embeddings must have D="):
        net.approximator_.partial_fit(embeddings[..., :3], zoo)
    frozen = SubSelNet(
        encoder=FrozenEstimator(net.encoder_), approximator=FrozenEstimator(net.approximator_)
    ).fit(known.archs, known.zoo)
    with pytest.raises(TypeError, match="ModelApproximator, which is frozen"):
        frozen.partial_fit(known.archs, zoo)
    nothing = pickle.dumps(net.approximator_.module_.state_dict())
    net.partial_fit(known.archs, known.zoo)
    assert pickle.dumps(net.approximator_.module_.state_dict()) == nothing
