import pickle
import subprocess
import sys
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline

from sksubsel import (
    Architecture,
    ArchitectureEncoder,
    ArchitectureRegressor,
    ModelApproximator,
    ModelZoo,
    SubSelNet,
    SubsetSelector,
    _net,
)
from sksubsel.encoder import UnknownOperationWarning
from sksubsel.features import FeatureExtractor
from sksubsel.subselnet import NovelArchitectureWarning

ENCODER = ArchitectureEncoder(max_epochs=2)
APPROXIMATOR = ModelApproximator(max_epochs=2, early_stopping=False)
MODES = ("transductive", "inductive", "hybrid")


def make(**params):
    return SubSelNet(
        **{"budget": 30, "random_state": 0}
        | {"encoder": clone(ENCODER), "approximator": clone(APPROXIMATOR)}
        | params
    )


@pytest.fixture(scope="module")
def fitted(tiny):
    return {mode: make(mode=mode).fit(tiny.archs, tiny.zoo) for mode in MODES}


@pytest.mark.parametrize("mode", MODES)
def test_select_trains_nothing(tiny, fitted, mode, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("something was trained")

    monkeypatch.setattr(_net.Net, "fit", refuse)
    monkeypatch.setattr(torch.Tensor, "backward", refuse)
    net = fitted[mode]
    rows = net.select(tiny.unseen[0])
    assert rows.shape == (30,)
    assert rows.dtype == np.int64
    both = net.select(tiny.unseen)
    assert isinstance(both, list)
    assert (both[0] == rows).all()
    assert (net.transform(tiny.unseen) == np.stack(both)).all()
    assert len(net.select(tiny.unseen[0], 0.5)) == 75


def test_what_else_is_known_of_an_unseen_architecture(tiny, fitted):
    net, arch = fitted["transductive"], tiny.unseen[0]
    rows = net.select(arch)
    assert net.get_support(arch).sum() == 30
    assert (net.get_support(arch, indices=True) == rows).all()
    proba = net.predict_proba(arch)
    assert proba.shape == (150, 10)
    np.testing.assert_allclose(proba.sum(1), 1, rtol=1e-5)
    np.testing.assert_allclose(net.soft_targets(arch, rows), proba[rows], rtol=1e-5)
    assert net.predict_proba(tiny.unseen).shape == (2, 150, 10)
    assert net.sampling_proba(arch).shape == (150,)
    assert net.sampling_proba(tiny.unseen).shape == (2, 150)
    assert net.novelty(tiny.unseen).shape == (2,)
    for method in (net.get_support, lambda archs: net.soft_targets(archs, rows)):
        with pytest.raises(TypeError, match="one architecture"):
            method(tiny.unseen)


def test_any_iterable_of_architectures_is_a_list(tiny, fitted):
    net, (first, second) = fitted["inductive"], tiny.unseen
    rows = net.transform([first, second])
    array = np.empty(2, dtype=object)
    array[:] = first, second
    for archs in ((first, second), iter([first, second]), pd.Series([first, second]), array):
        np.testing.assert_array_equal(net.transform(archs), rows)
    assert isinstance(net.select((first, second)), list)
    assert net.predict_proba(arch for arch in tiny.unseen).shape == (2, 150, 10)
    assert net.novelty((first, second)).shape == (2,)
    assert net.score(iter(tiny.archs), tiny.zoo) == net.score(tiny.archs, tiny.zoo)
    for pair in ((first.adjacency, first.ops), [first.adjacency.tolist(), list(first.ops)]):
        assert net.select(pair).shape == (30,)
    module = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU())  # iterable, and one
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is unlike the cells
        assert net.select(module).shape == (30,)
    for archs in ((first, 3), (arch for arch in [first, 3])):
        with pytest.raises(TypeError, match=r"archs\[1\]: an architecture must be .*got int 3"):
            net.transform(archs)
    for none in (3, "cell"):
        with pytest.raises(TypeError, match=r"archs\[0\]: an architecture must be"):
            net.transform(none)


def test_from_instances_as_from_a_zoo(tiny):
    from_data = make(zoo=clone(tiny.zoo).set_params(random_state=0))
    from_data.fit(tiny.archs, tiny.X, tiny.y)
    assert (from_data.zoo_.predictions_ == tiny.zoo.predictions_).all()
    from_zoo = make().fit(tiny.archs, tiny.zoo)
    assert (from_data.transform(tiny.unseen) == from_zoo.transform(tiny.unseen)).all()


def test_pipeline_selects_as_subselnet(tiny, fitted):
    net = fitted["inductive"]
    pipe = Pipeline(
        [
            ("encoder", clone(ENCODER).set_params(random_state=net.encoder_.random_state)),
            ("approximator", clone(net.approximator_)),
            ("selector", clone(net.selector_)),
        ]
    ).fit(tiny.archs, tiny.zoo)
    assert (pipe.transform(tiny.unseen) == net.transform(tiny.unseen)).all()


def test_nested_parameters(tiny):
    net = make(selector=SubsetSelector(budget=20)).set_params(
        selector__lam=0.2, encoder__latent_dim=4, approximator__hidden_dim=8
    )
    net = clone(net).set_params(budget=0.1).fit(tiny.archs, tiny.zoo)
    assert net.selector_.lam == 0.2
    assert net.approximator_.hidden_.shape == (150, 8)
    assert net.select(tiny.unseen[0]).shape == (20,)
    with pytest.raises(ValueError, match="lam must be set on the selector"):
        make(selector=SubsetSelector(), lam=0.2, budget=0.1).fit(tiny.archs, tiny.zoo)


def test_grid_search(tiny, tmp_path):
    net = make(mode="inductive", memory=str(tmp_path))
    grid = {"lam": [0.3, 1.0], "beta": [0.5, 1.0]}
    search = GridSearchCV(net, grid, cv=2, n_jobs=2).fit(tiny.archs, tiny.zoo)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_.select(tiny.unseen[0]).shape == (30,)
    # two folds and the refit: the encoder was fitted three times, not nine
    assert len(list(tmp_path.rglob("output.pkl"))) == 3


def test_parts_that_hold_networks_are_found_in_the_cache(tiny, tmp_path):
    """As pickled a tensor holds an address: a network counts by its weights."""
    network = torch.nn.Flatten(), torch.nn.Linear(64, 5)
    approximator = clone(APPROXIMATOR).set_params(
        features=FeatureExtractor(torch.nn.Sequential(*network))
    )
    net = make(mode="inductive", approximator=approximator, memory=str(tmp_path))
    for lam in (0.3, 1.0):
        net = clone(net).set_params(lam=lam).fit(tiny.archs, tiny.zoo)
    frozen = clone(net).set_params(encoder=FrozenEstimator(net.encoder_))
    for one in (frozen, pickle.loads(pickle.dumps(frozen))):
        one.fit(tiny.archs, tiny.zoo)
    assert len(list(tmp_path.rglob("output.pkl"))) == 2


def test_what_is_cached_is_of_one_version(tiny, tmp_path, monkeypatch):
    net = make(diversity="entropy", memory=str(tmp_path)).fit(tiny.archs, tiny.zoo)
    monkeypatch.setattr(ArchitectureEncoder, "fit", lambda *_: pytest.fail("it is fitted again"))
    clone(net).fit(tiny.archs, tiny.zoo)
    monkeypatch.undo()
    monkeypatch.setattr("sksubsel.subselnet.__version__", "another")
    clone(net).fit(tiny.archs, tiny.zoo)
    assert len(list(tmp_path.rglob("output.pkl"))) == 2


def test_grid_search_over_a_pipeline(tiny):
    pipe = Pipeline(
        [
            ("encoder", clone(ENCODER).set_params(random_state=0)),
            ("approximator", clone(APPROXIMATOR).set_params(random_state=0)),
            ("selector", SubsetSelector("inductive", budget=30, max_epochs=2, random_state=0)),
        ]
    )
    grid = {"selector__lam": [0.3, 1.0], "selector__beta": [0.5, 1.0]}
    search = GridSearchCV(pipe, grid, cv=2, n_jobs=2).fit(tiny.archs, tiny.zoo)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_.transform(tiny.unseen).shape == (2, 30)


@pytest.mark.parametrize("scoring", ["probe", "train"])
def test_cross_val_score(tiny, scoring):
    scores = cross_val_score(make(scoring=scoring, score_archs=1), tiny.archs, tiny.zoo, cv=2)
    assert scores.shape == (2,)
    assert ((scores > 0) & (scores <= 1)).all()


def test_same_rows_from_a_fresh_process(tiny, fitted, tmp_path):
    joblib.dump((fitted, tiny.unseen), tmp_path / "nets.joblib")
    code = (
        "import sys, joblib, numpy, torch; torch.set_num_threads(1); "
        "nets, archs = joblib.load(sys.argv[1] + '/nets.joblib')\n"
        "for mode, net in nets.items(): numpy.savez(f'{sys.argv[1]}/{mode}.npz', "
        "rows=net.transform(archs), proba=net.predict_proba(archs))"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    for mode, net in fitted.items():
        with np.load(tmp_path / f"{mode}.npz") as out:
            assert (out["rows"] == net.transform(tiny.unseen)).all()
            assert (out["proba"] == net.predict_proba(tiny.unseen)).all()


def test_seeds(tiny, fitted):
    again = make(mode="inductive").fit(tiny.archs, tiny.zoo)
    rows = fitted["inductive"].transform(tiny.unseen)
    assert (again.transform(tiny.unseen) == rows).all()
    other = make(mode="inductive", random_state=1).fit(tiny.archs, tiny.zoo)
    assert (other.transform(tiny.unseen) != rows).any()


def test_frozen_parts_are_kept(tiny, fitted):
    first = fitted["transductive"]
    net = make(
        mode="hybrid",
        encoder=FrozenEstimator(first.encoder_),
        approximator=FrozenEstimator(first.approximator_),
    ).fit(tiny.archs, tiny.zoo)
    assert (net.predict_proba(tiny.unseen) == first.predict_proba(tiny.unseen)).all()


def test_html_and_text():
    assert "SubSelNet" in make()._repr_html_()
    assert "ArchitectureEncoder" in repr(make())


def test_novel_operation(tiny, fitted):
    strange = Architecture(("input", "sepconv5x5", "output"), ((0, 1), (1, 2)))
    with (
        pytest.warns(UnknownOperationWarning, match="sepconv5x5"),
        pytest.warns(NovelArchitectureWarning),
    ):
        rows = fitted["transductive"].select(strange)
    assert rows.shape == (30,)


def test_regression(tiny):
    y = tiny.X.mean(axis=(1, 2, 3)) * 3 + tiny.y
    recipe = ArchitectureRegressor(build=tiny.space.build, max_epochs=2)
    zoo = ModelZoo(recipe, random_state=0).fit(tiny.archs, tiny.X, y)
    for mode in MODES:
        for solver in ("exact", "gradient"):
            net = make(mode=mode, solver=solver).fit(tiny.archs, zoo)
            rows = net.select(tiny.unseen[0])
            assert rows.shape == (30,)
            assert net.predict_proba(tiny.unseen[0]).shape == (150, 1)
    assert np.isfinite(net.score(tiny.archs, zoo))
    with pytest.raises(TypeError, match="zoo must be a ModelZoo .*stands for y; got .*ndarray"):
        net.score(tiny.archs, tiny.y)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (lambda t: (t.archs[:5], t.zoo), "a zoo of 6"),
        (lambda t: (t.archs[::-1], t.zoo), "number 0"),
        (lambda t: (t.archs, t.zoo, t.y), "y must be None"),
        (lambda t: (t.archs, t.X), "got no y"),
        (lambda t: (t.archs, t.X, t.y[:-1]), "y"),
        (lambda t: (t.archs, np.where(t.X > 0, np.nan, t.X), t.y), "must be finite; got nan"),
        (lambda t: (t.archs, np.where(t.X > 0, np.inf, t.X), t.y), "must be finite; got inf"),
        (lambda t: (t.archs, t.X, np.zeros(150, int)), "class"),
        (lambda t: (t.archs, t.X, np.r_[np.zeros(149, int), 1]), "at least 2 instances"),
        (lambda t: ([], t.X, t.y), "archs"),
    ],
)
def test_bad_data(tiny, monkeypatch, args, message):
    """Found before anything is trained."""
    monkeypatch.setattr(_net.Net, "fit", lambda *_, **__: pytest.fail("something was trained"))
    with pytest.raises(ValueError, match=message):
        make().fit(*args(tiny))


@pytest.mark.parametrize("budget", [0, -3, 1.5, 151])
def test_bad_budget(tiny, monkeypatch, budget):
    monkeypatch.setattr(_net.Net, "fit", lambda *_, **__: pytest.fail("something was trained"))
    with pytest.raises(ValueError, match="budget"):
        make(budget=budget).fit(tiny.archs, tiny.X, tiny.y)


def test_before_fit(tiny):
    for method in (SubSelNet().select, SubSelNet().transform, SubSelNet().novelty):
        with pytest.raises(NotFittedError):
            method(tiny.unseen)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_no_cuda(tiny):
    with pytest.raises(ValueError, match="cuda"):
        SubSelNet(device="cuda").fit(tiny.archs, tiny.zoo)


def test_times_of_the_fit(tiny):
    net = SubSelNet(encoder=ArchitectureEncoder(max_epochs=1), approximator=tiny.approximator)
    net.set_params(random_state=0).fit(tiny.archs, tiny.zoo)
    assert list(net.fit_times_) == ["zoo", "encoder", "approximator", "selector"]
    assert net.fit_times_["zoo"] == pytest.approx(tiny.zoo.train_times_.sum())
    assert all(seconds > 0 for seconds in net.fit_times_.values())
    assert net.prepare(20) is net


@pytest.fixture
def stranger():
    """A chain far longer than any cell, of known operations."""
    ops = ("input", *["conv3x3-bn-relu"] * 30, "output")
    return Architecture(ops, tuple((k, k + 1) for k in range(31)))


def test_novel_architectures_are_told(tiny, stranger):
    net = make(mode="transductive", diversity="entropy").fit(tiny.archs, tiny.zoo)
    assert net.novelty([stranger])[0] > 1 > net.novelty(tiny.archs).max()
    for method in (net.select, net.transform, net.predict_proba):
        with pytest.warns(
            NovelArchitectureWarning, match="1 of 2 architectures are unlike"
        ) as told:
            method([tiny.archs[0], stranger])
        assert told[0].filename == __file__
    with pytest.warns(NovelArchitectureWarning, match="1 of 1"):
        net.get_support(stranger)
    net.set_params(on_novel="ignore").select(stranger)  # warnings are errors here


def test_nothing_is_said_where_all_share_one_subset(tiny, stranger):
    """Warnings are errors here."""
    net = make(mode="inductive", diversity="design").fit(tiny.archs, tiny.zoo)
    np.testing.assert_array_equal(net.select(stranger), net.select(tiny.archs[0]))
    with pytest.warns(NovelArchitectureWarning):
        net.predict_proba(stranger)
    untaught = make(approximator=ModelApproximator(max_epochs=0)).fit(tiny.archs, tiny.zoo)
    untaught.select(stranger)
    untaught.predict_proba(stranger)


class Lengths(TransformerMixin, BaseEstimator):
    """An encoder of a user's own."""

    def fit(self, archs, y=None):
        return self

    def transform(self, archs):
        return np.array([[[arch.n_nodes, arch.n_edges]] for arch in archs], dtype=np.float32)


def test_an_encoder_that_knows_no_novelty(tiny, stranger):
    net = make(encoder=Lengths(), diversity="entropy").fit(tiny.archs, tiny.zoo)
    net.select(stranger)
    with pytest.raises(ValueError, match='on_novel="mean" needs an encoder with .* got Lengths'):
        net.set_params(on_novel="mean").fit(tiny.archs, tiny.zoo)


@pytest.mark.parametrize("mode", MODES)
def test_novel_architectures_get_the_mean(tiny, stranger, mode):
    selector = SubsetSelector(mode, budget=30, diversity="entropy", max_epochs=2)
    net = make(selector=selector, budget=0.1, on_novel="mean").fit(tiny.archs, tiny.zoo)
    known, mean = net.predict_proba([tiny.archs[0], stranger])
    wanted = tiny.zoo.predictions_.mean(axis=0, dtype=np.float32).clip(1e-4)
    np.testing.assert_allclose(mean, wanted / wanted.sum(axis=1, keepdims=True), atol=1e-3)
    np.testing.assert_allclose(known, net.predict_proba(tiny.archs[0]), atol=1e-5)
    rows = net.select([tiny.archs[0], stranger])
    np.testing.assert_array_equal(rows[0], net.select(tiny.archs[0]))
    longer = Architecture(
        ("input", *["conv3x3-bn-relu"] * 40, "output"), tuple((k, k + 1) for k in range(41))
    )
    np.testing.assert_array_equal(rows[1], net.select(longer))  # what it is has no part in it
