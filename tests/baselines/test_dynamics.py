import pickle

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from skorch import NeuralNetBinaryClassifier, NeuralNetClassifier
from skorch.callbacks import EarlyStopping, LRScheduler
from torch import nn

from sksubsel import ArchitectureClassifier
from sksubsel.baselines.dynamics import TrainingDynamics
from sksubsel.baselines.el2n import EL2N
from sksubsel.baselines.grand import GraNd
from sksubsel.baselines.recording import default_estimator, seed_estimator
from sksubsel.baselines.scores import el2n, loss
from sksubsel.datasets import load_digits_images


@parametrize_with_checks([TrainingDynamics(max_epochs=3)])
def test_sklearn_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def data():
    X, y = load_digits_images(return_X_y=True)
    return X[:150], np.array(list("abcdefghij"))[y[:150]]


@pytest.fixture(scope="module")
def recorded(data):
    dynamics = TrainingDynamics(max_epochs=3, record_features=True, random_state=0)
    return dynamics.fit(*data)


def dropout_net(architecture, in_shape, n_outputs):
    """Its batch normalisation is slower than any short training."""
    return nn.Sequential(
        nn.Flatten(), nn.BatchNorm1d(64, momentum=1e-4), nn.Linear(64, 8), nn.Dropout(0.5),
        nn.ReLU(), nn.Linear(8, n_outputs),
    )  # fmt: skip


RECIPES = {
    "proxy": default_estimator().set_params(max_epochs=2),
    "slow norm": ArchitectureClassifier(build=dropout_net, max_epochs=3, batch_size=16),
    "min_steps": ArchitectureClassifier(build=dropout_net, max_epochs=1, min_steps=12),
}


@pytest.mark.parametrize("name", RECIPES)
def test_last_record_is_what_the_model_predicts(name, data):
    """To the bit; recording changes nothing of the training."""
    X, y = data
    dynamics = TrainingDynamics(RECIPES[name], random_state=5).fit(X, y)
    model = clone(RECIPES[name]).set_params(random_state=dynamics.seeds_[0]).fit(X, y)
    np.testing.assert_array_equal(dynamics.proba_[-1], model.predict_proba(X))
    assert dynamics.epochs_.tolist() == list(range(1, len(model.history_) + 1))
    np.testing.assert_array_equal(dynamics.classes_, model.classes_)


def test_first_epochs_of_a_long_training_are_a_short_one(data, recorded):
    short = TrainingDynamics(max_epochs=2, random_state=0).fit(*data)
    np.testing.assert_array_equal(short.proba_, recorded.proba_[:2])
    np.testing.assert_array_equal(recorded.first(2).proba_, short.proba_)
    np.testing.assert_array_equal(recorded.first(2).feature_norm_, short.feature_norm_)
    assert recorded.first(2).epochs_.tolist() == [1, 2]
    assert recorded.first(2).features_ is None  # those recorded are of epoch 3
    assert recorded.first(3).features_ is recorded.features_ is not None
    assert recorded.first(None) is recorded and recorded.first(50) is recorded


def test_chosen_epochs(data, recorded):
    for epochs, places in {"last": [2], "all": [0, 1, 2]}.items():
        some = TrainingDynamics(max_epochs=3, epochs=epochs, random_state=0).fit(*data)
        np.testing.assert_array_equal(some.proba_, recorded.proba_[places])
    some = TrainingDynamics(max_epochs=3, epochs=[3, 1, 3], random_state=0).fit(*data)
    np.testing.assert_array_equal(some.proba_, recorded.proba_[[0, 2]])
    assert some.epochs_.tolist() == [1, 3]
    assert some.first(2).epochs_.tolist() == [1]
    with pytest.raises(ValueError, match="max_epochs must be at least 3, the first epoch"):
        TrainingDynamics(max_epochs=3, epochs=[3]).fit(*data).first(2)
    for bad in ([0, 1], [4], [], [1.5]):
        with pytest.raises(ValueError, match=r"epochs must be ints in \[1, 3\]"):
            TrainingDynamics(max_epochs=3, epochs=bad).fit(*data)


def test_what_follows_from_probabilities(data, recorded):
    proba, y = recorded.proba_, recorded.y_
    assert proba.shape == (3, 150, 10) and proba.dtype == np.float32
    np.testing.assert_allclose(proba.sum(2), 1, rtol=1e-5)
    np.testing.assert_array_equal(recorded.classes_[y], data[1])
    own = proba[:, np.arange(150), y].astype(float)
    np.testing.assert_allclose(recorded.losses_, -np.log(own), rtol=1e-6)
    np.testing.assert_allclose(recorded.confidence_, own.mean(0))
    np.testing.assert_array_equal(recorded.correct_, proba.argmax(2) == y)
    assert recorded.correct_[-1].mean() > 0.5


def test_features_are_the_input_of_the_last_linear_layer(data, recorded):
    features = recorded.features_
    assert features.shape == (150, 64) and features.dtype == np.float32
    norms = np.sqrt((features.astype(float) ** 2).sum(1) + 1)
    np.testing.assert_allclose(recorded.feature_norm_[-1], norms, rtol=1e-5)
    model = default_estimator().set_params(max_epochs=3, random_state=recorded.seeds_[0])
    head = list(model.fit(*data).module_.modules())[-1]
    with torch.no_grad():
        proba = head(torch.from_numpy(features)).softmax(1).numpy()
    np.testing.assert_allclose(proba, recorded.proba_[-1], atol=1e-6)
    assert TrainingDynamics(max_epochs=1).fit(*data).features_ is None


class PerPixel(nn.Module):
    """Its last linear layer sees a sequence, not one vector an instance."""

    def __init__(self, in_shape, n_outputs):
        super().__init__()
        self.head = nn.Linear(in_shape[-1], n_outputs)

    def forward(self, x):
        return self.head(x[:, 0]).mean(1)


@pytest.mark.parametrize("kind", ["sequence", "convolution"])
def test_networks_without_such_a_layer(kind, data):
    def build(architecture, in_shape, n_outputs):
        if kind == "sequence":
            return PerPixel(in_shape, n_outputs)
        return nn.Sequential(nn.Conv2d(1, n_outputs, 8), nn.Flatten())

    estimator = ArchitectureClassifier(build=build, max_epochs=2)
    dynamics = TrainingDynamics(estimator, record_features=True, random_state=0).fit(*data)
    assert dynamics.proba_.shape == (2, 150, 10)
    assert dynamics.feature_norm_ is None and dynamics.features_ is None


def test_repeats(data, recorded):
    dynamics = TrainingDynamics(max_epochs=3, n_repeats=2, random_state=0).fit(*data)
    assert len(dynamics.runs_) == len(set(dynamics.seeds_)) == 2
    first, second = (run.proba for run in dynamics.runs_)
    np.testing.assert_array_equal(first, recorded.proba_)
    assert np.abs(first - second).max() > 0.01
    np.testing.assert_allclose(dynamics.proba_, (first + second) / 2)
    np.testing.assert_array_equal(first, recorded.proba_)  # the mean took nothing of it


@pytest.mark.parametrize("dump", [pickle, joblib], ids=["pickle", "joblib"])
def test_large_records_lie_in_a_file(dump, data, recorded, tmp_path):
    dynamics = TrainingDynamics(max_epochs=3, memory_limit=100, random_state=0).fit(*data)
    np.testing.assert_array_equal(dynamics.proba_, recorded.proba_)
    assert not dynamics.proba_.flags.owndata and recorded.proba_.flags.writeable
    with open(tmp_path / "dynamics", "wb") as file:
        dump.dump(dynamics, file)
    with open(tmp_path / "dynamics", "rb") as file:
        np.testing.assert_array_equal(dump.load(file).proba_, recorded.proba_)
    half = TrainingDynamics(max_epochs=3, dtype="float16", random_state=0).fit(*data)
    assert half.proba_.dtype == np.float16
    np.testing.assert_allclose(half.proba_, recorded.proba_, atol=1e-3)


def test_other_classifiers(data):
    X, y = data
    flat = X.reshape(len(X), -1)
    once = TrainingDynamics(LogisticRegression(max_iter=2000)).fit(X, y)
    expected = LogisticRegression(max_iter=2000).fit(flat, y).predict_proba(flat)
    np.testing.assert_allclose(once.proba_, expected[None], rtol=1e-4, atol=1e-7)
    assert once.feature_norm_ is None
    passes = TrainingDynamics(GaussianNB(var_smoothing=0.1), max_epochs=2).fit(X, y)
    model = GaussianNB(var_smoothing=0.1)
    for k in range(2):
        model.partial_fit(flat, y, classes=np.unique(y))
        np.testing.assert_allclose(passes.proba_[k], model.predict_proba(flat), atol=1e-6)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("inner", [None, 7])
def test_steps_of_a_pipeline_are_seeded(inner, data):
    pipeline = make_pipeline(StandardScaler(), MLPClassifier((8,), max_iter=3, random_state=inner))
    first, again = (EL2N(40, estimator=pipeline, random_state=0).fit(*data) for _ in range(2))
    np.testing.assert_array_equal(first.scores_, again.scores_)
    np.testing.assert_array_equal(first.sample_indices_, again.sample_indices_)
    twice = TrainingDynamics(pipeline, n_repeats=2, random_state=0).fit(*data)
    assert np.abs(twice.runs_[0].proba - twice.runs_[1].proba).max() > 0.01
    assert pipeline[-1].random_state == inner  # the clone was changed


def test_seed_estimator():
    pipeline = make_pipeline(StandardScaler(), MLPClassifier(), LogisticRegression(random_state=3))
    seed_estimator(pipeline, 5)
    seeds = [pipeline[1].random_state, pipeline[2].random_state]
    assert all(type(seed) is int for seed in seeds) and len({3, None, *seeds}) == 4
    other = seed_estimator(clone(pipeline), 6)
    assert other[1].random_state != seeds[0] and other[2].random_state != seeds[1]
    assert seed_estimator(MLPClassifier(random_state=1), 5).random_state == 5
    assert seed_estimator(GaussianNB(), 5).get_params() == GaussianNB().get_params()


class Images(nn.Module):
    """Takes images as float32 only."""

    def __init__(self, n_outputs=10):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Dropout(0.2))
        self.head = nn.Linear(144, n_outputs)

    def forward(self, x):
        assert x.ndim == 4 and x.dtype == torch.float32
        return self.head(self.body(x))


def skorch_net(**params):
    params = {"max_epochs": 4, "lr": 0.2, "batch_size": 32, "train_split": None, **params}
    return NeuralNetClassifier(Images, criterion=nn.CrossEntropyLoss, verbose=0,
                               iterator_train__shuffle=True, **params)  # fmt: skip


SCHEDULE = ("schedule", LRScheduler("StepLR", step_size=1, gamma=0.5))


@pytest.mark.parametrize("callbacks", [None, "disable", [SCHEDULE]], ids=["none", "off", "rate"])
def test_skorch_nets_are_recorded_after_each_epoch(callbacks, data):
    """To the bit what a training by hand gives, of which recording changes nothing."""
    X, y = data
    net = skorch_net(callbacks=callbacks)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    dynamics = TrainingDynamics(net, random_state=0, record_features=True, n_repeats=2).fit(X, y)
    assert torch.equal(torch.get_rng_state(), before)
    assert dynamics.epochs_.tolist() == [1, 2, 3, 4]  # the net's own number
    for n_epochs in (1, 3, 4):
        by_hand = clone(net).set_params(max_epochs=n_epochs)
        with torch.random.fork_rng():
            torch.manual_seed(dynamics.seeds_[0])
            by_hand.fit(X.astype(np.float32), np.unique(y, return_inverse=True)[1])
        expected = by_hand.predict_proba(X.astype(np.float32))
        np.testing.assert_array_equal(dynamics.runs_[0].proba[n_epochs - 1], expected)
    assert np.abs(dynamics.runs_[0].proba - dynamics.runs_[1].proba).max() > 0.01
    features = by_hand.module_.body.eval()(torch.from_numpy(X.astype(np.float32))).detach().numpy()
    np.testing.assert_allclose(dynamics.features_, features, rtol=1e-5)
    norms = np.sqrt((features**2).sum(1) + 1)
    np.testing.assert_allclose(dynamics.runs_[0].feature_norm[-1], norms, rtol=1e-5)
    short = TrainingDynamics(net, max_epochs=3, random_state=0).fit(X, y)
    np.testing.assert_array_equal(short.proba_, dynamics.runs_[0].proba[:3])
    assert not net.initialized_ and net.callbacks is callbacks and net.max_epochs == 4


def test_skorch_nets_of_other_kinds(data):
    X, y = data
    stopping = [("stop", EarlyStopping(monitor="train_loss", patience=1, threshold=1e9))]
    net = skorch_net(callbacks=stopping, max_epochs=50)
    assert TrainingDynamics(net, random_state=0).fit(X, y).epochs_.tolist() == [1]
    last = TrainingDynamics(net, epochs="last", random_state=0).fit(X, y)
    assert last.epochs_.tolist() == [2] and last.proba_.shape == (1, 150, 10)
    binary = NeuralNetBinaryClassifier(
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 1), nn.Flatten(0)),
        max_epochs=2, verbose=0, train_split=None,
    )  # fmt: skip
    two = TrainingDynamics(binary, random_state=0).fit(X, y == "a")
    assert two.proba_.shape == (2, 150, 2)
    assert two.correct_[-1].mean() > 0.8
    with pytest.raises(ValueError, match=r"shape \(N, C\)=\(150, 10\).* got \(150, 11\)"):
        TrainingDynamics(skorch_net(module__n_outputs=11)).fit(X, y)
    rows = [GraNd(20, estimator=skorch_net(), random_state=0).fit(X, y) for _ in range(2)]
    np.testing.assert_array_equal(rows[0].sample_indices_, rows[1].sample_indices_)


def test_early_stopping_ends_the_record(data):
    stopping = ArchitectureClassifier(
        build=dropout_net, max_epochs=200, lr=0.05, early_stopping=True, n_iter_no_change=1
    )
    dynamics = TrainingDynamics(stopping, random_state=0).fit(*data)
    assert 1 <= len(dynamics.epochs_) < 200
    assert len(dynamics.proba_) == len(dynamics.epochs_)
    assert dynamics.features_ is None
    runs = TrainingDynamics(stopping, n_repeats=3, record_features=True, random_state=0).fit(*data)
    lengths = []
    for seed in runs.seeds_:
        alone = clone(stopping).set_params(random_state=seed).fit(*data)
        lengths.append(len(alone.history_) - 1)
    assert len(runs.epochs_) == min(lengths) < max(lengths)  # as long as the shortest
    kept = [run.features is not None for run in runs.runs_]
    assert kept == [length == min(lengths) for length in np.minimum.accumulate(lengths)]
    shortest = runs.runs_[kept.index(True)]
    norms = np.sqrt((shortest.features.astype(float) ** 2).sum(1) + 1)
    np.testing.assert_allclose(shortest.feature_norm[-1], norms, rtol=1e-5)
    assert runs.features_ is shortest.features
    last = TrainingDynamics(stopping, epochs="last", random_state=0).fit(*data)
    model = clone(stopping).set_params(random_state=last.seeds_[0]).fit(*data)
    assert last.epochs_.tolist() == [len(model.history_)]
    assert dynamics.epochs_.tolist() == list(range(1, len(model.history_)))
    np.testing.assert_array_equal(last.proba_[0], model.predict_proba(data[0]))


def test_one_class_and_a_class_of_one(data):
    X, _ = data
    dynamics = TrainingDynamics(record_features=True, n_repeats=2).fit(X, ["a"] * 150)
    np.testing.assert_array_equal(dynamics.proba_, np.ones((1, 150, 1)))
    np.testing.assert_array_equal(dynamics.losses_, np.zeros((1, 150)))
    lone = TrainingDynamics(max_epochs=1, random_state=0).fit(X, np.arange(150) == 7)
    assert lone.proba_.shape == (1, 150, 2)


def test_global_seeds_and_threads_are_untouched(data):
    torch.manual_seed(3)
    before = np.random.get_state()[1].copy(), torch.get_rng_state(), torch.get_num_threads()
    TrainingDynamics(max_epochs=1, random_state=0).fit(*data)
    np.testing.assert_array_equal(np.random.get_state()[1], before[0])
    assert torch.equal(torch.get_rng_state(), before[1])
    assert torch.get_num_threads() == before[2]


def test_from_arrays():
    rng = np.random.default_rng(0)
    proba = rng.dirichlet(np.ones(3), size=(2, 8))
    y = np.array(["z", "x", "y", "x", "x", "y", "z", "z"])
    dynamics = TrainingDynamics.from_arrays(proba, y, feature_norm=np.ones((2, 8)))
    assert dynamics.classes_.tolist() == ["x", "y", "z"] and dynamics.y_.tolist()[:3] == [2, 0, 1]
    np.testing.assert_array_equal(dynamics.proba_, proba)
    np.testing.assert_allclose(dynamics.losses_[1], loss(proba[1], dynamics.y_))
    once = TrainingDynamics.from_arrays(proba[0], y)
    assert once.proba_.shape == (1, 8, 3) and once.epochs_.tolist() == [1]
    # ints are columns where some class is missing
    gap = TrainingDynamics.from_arrays(proba, [2, 0, 0, 0, 2, 2, 0, 0])
    assert gap.classes_.tolist() == [0, 1, 2] and gap.y_[0] == 2
    np.testing.assert_array_equal(el2n(gap.proba_[0], gap.y_), el2n(proba[0], gap.y_))
    some = TrainingDynamics.from_arrays(proba, y, epochs=[5, 9])
    assert some.first(5).proba_.shape == (1, 8, 3)


def test_from_arrays_errors():
    proba, y = np.full((2, 4, 3), 1 / 3), [0, 1, 2, 0]
    make = TrainingDynamics.from_arrays
    with pytest.raises(ValueError, match=r"floats of shape \(T, N, C\) or \(N, C\)"):
        make(proba[0, 0], y)
    with pytest.raises(ValueError, match=r"dtype int64"):
        make(np.ones((4, 3), dtype=np.int64), y)
    with pytest.raises(ValueError, match=r"proba of shape \(2, 4, 3\) and y of shape \(3,\)"):
        make(proba, y[1:])
    with pytest.raises(ValueError, match="proba must be finite"):
        make(proba * np.nan, y)
    with pytest.raises(ValueError, match="C=3 columns, but y holds 2 labels"):
        make(proba, ["a", "b", "a", "a"])
    with pytest.raises(ValueError, match=r"feature_norm must have shape \(T, N\)=\(2, 4\)"):
        make(proba, y, feature_norm=np.ones(4))
    with pytest.raises(ValueError, match="features must have 4 rows; got 3"):
        make(proba, y, features=np.ones((3, 2)))
    with pytest.raises(ValueError, match="epochs must be 2 ascending ints"):
        make(proba, y, epochs=[2, 1])


def test_fit_errors(data):
    X, y = data
    with pytest.raises(ValueError, match="requires y to be passed"):
        TrainingDynamics().fit(X, None)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        TrainingDynamics().fit(X, y[1:])
    with pytest.raises(ValueError, match="continuous"):
        TrainingDynamics().fit(X, np.linspace(0, 1, 150))
    with pytest.raises(NotFittedError):
        getattr(TrainingDynamics(), "proba_")  # noqa: B009
    with pytest.raises(ValueError, match="n_repeats"):
        TrainingDynamics(n_repeats=0).fit(X, y)
