"""CRAIG, GLISTER and Grad-Match as selectors of their own: one model, asked once."""

import inspect
import tracemalloc

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import nn

from sksubsel import ArchitectureClassifier
from sksubsel.baselines.adaptive import (
    CRAIGStrategy,
    GLISTERStrategy,
    GradMatchStrategy,
    LastLayerGradients,
    View,
)
from sksubsel.baselines.adaptive.matching import bytes_to_match, match
from sksubsel.baselines.craig import CRAIG
from sksubsel.baselines.glister import GLISTER
from sksubsel.baselines.grad_match import GradMatch
from sksubsel.samplers.quotas import allocate

SELECTORS = [
    CRAIG(20),
    CRAIG(20, stratify=None, gradient="bias"),
    GLISTER(20),
    GLISTER(20, stratify="equal", validation_fraction=None),
    GradMatch(20),
    GradMatch(20, by=None),
    GradMatch(20, by="batch", batch_size=6),
]
each = pytest.mark.parametrize("selector", SELECTORS, ids=str)


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 4))
    y = (X[:, 0] > 0.3).astype(int) + (X[:, 1] > 0.8)
    return X, np.array(["a", "b", "c"])[y]


def probabilities(seed=1):
    return np.random.default_rng(seed).dirichlet(np.ones(3), size=100)


@parametrize_with_checks([CRAIG(stratify=None), GradMatch(by="batch")])
def test_sklearn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("cls", [CRAIG, GLISTER, GradMatch])
def test_parameters_are_those_of_the_strategy(cls):
    strategy = {
        CRAIG: CRAIGStrategy, GLISTER: GLISTERStrategy, GradMatch: GradMatchStrategy
    }[cls]()  # fmt: skip
    params = cls().get_params()
    assert strategy.get_params().items() <= params.items()
    assert cls()._strategy().get_params() == strategy.get_params()
    assert set(cls._parameter_constraints) == set(inspect.signature(cls).parameters)


@each
def test_selection(selector, data):
    selector = clone(selector).set_params(random_state=0).fit(*data)
    rows = selector.sample_indices_
    assert rows.dtype == np.int64 and len(rows) == 20
    assert (np.diff(rows) > 0).all() and rows[0] >= 0 and rows[-1] < 100
    np.testing.assert_array_equal(np.sort(selector.ranking_), rows)
    scores = selector.scores_
    np.testing.assert_array_equal(np.flatnonzero(~np.isnan(scores)), rows)
    assert (np.diff(scores[selector.ranking_]) <= 0).all()
    assert len(selector.gains_) == 20
    assert selector.sample_weight_.shape == (20,) and (selector.sample_weight_ > 0).all()
    again = clone(selector).fit(*data)
    np.testing.assert_array_equal(again.ranking_, selector.ranking_)
    np.testing.assert_array_equal(again.sample_weight_, selector.sample_weight_)


@each
def test_the_strategy_is_asked_about_the_model_given(selector, data):
    X, y = data
    codes = np.unique(y, return_inverse=True)[1]
    proba = probabilities()
    features = np.random.default_rng(2).normal(size=(100, 5))
    selector = clone(selector).set_params(random_state=3).fit(
        X, y, proba=proba, features=features
    )  # fmt: skip
    gradients = LastLayerGradients(
        np.float32(proba) - np.eye(3, dtype=np.float32)[codes], features, np.log(np.float32(proba))
    )
    rng = np.random.RandomState(3)
    rng.randint(2**31 - 1)  # one number is drawn for the model, used or not
    view = View(100, codes, gradients=lambda: gradients)
    rows, weights, gains = selector._strategy().select(view, 20, rng)
    np.testing.assert_array_equal(selector.ranking_, rows)
    np.testing.assert_array_equal(selector.gains_, gains)
    ratio = selector.sample_weight_ / weights[np.argsort(rows)]
    np.testing.assert_allclose(ratio, ratio[0])


def test_weights(data):
    X, y = data
    craig = CRAIG(20).fit(X, y)
    for label in "abc":
        part = y[craig.sample_indices_] == label
        assert craig.sample_weight_[part].sum() == pytest.approx((y == label).sum())
    assert craig.sample_weight_ == pytest.approx(craig.sample_weight_.round())
    assert CRAIG(20, stratify=None).fit(X, y).sample_weight_.sum() == pytest.approx(100)
    assert GradMatch(20).fit(X, y).sample_weight_.mean() == pytest.approx(1)
    np.testing.assert_array_equal(GLISTER(20).fit(X, y).sample_weight_, np.ones(20))


def test_default_model_is_logistic_regression_on_standardised_rows(data):
    X, y = data
    Z = StandardScaler().fit_transform(X)
    proba = LogisticRegression(max_iter=50).fit(Z, y).predict_proba(Z)
    one = GradMatch(20, random_state=0).fit(X * [1, 10, 100, 1000] + 5, y)
    other = GradMatch(20, random_state=0).fit(X, y, proba=proba, features=Z)
    assert np.mean(one.ranking_ == other.ranking_) > 0.8  # scaling moves the last bits
    np.testing.assert_array_equal(
        GradMatch(20, estimator=GaussianNB()).fit(X, y).ranking_,
        GradMatch(20).fit(X, y, proba=GaussianNB().fit(X, y).predict_proba(X)).ranking_,
    )


def test_the_model_sees_labels(data):
    """Not their codes: it may have been told something of them."""
    X, y = data
    model = LogisticRegression(class_weight={"a": 1.0, "b": 1.0, "c": 20.0})
    np.testing.assert_array_equal(
        GradMatch(20, estimator=model).fit(X, y).ranking_,
        GradMatch(20).fit(X, y, proba=model.fit(X, y).predict_proba(X)).ranking_,
    )


@each
def test_networks_give_the_gradients_of_their_last_layer(selector, data):
    X, y = data
    images = X.reshape(100, 1, 2, 2)

    def build(architecture, in_shape, n_outputs):
        return nn.Sequential(
            nn.Conv2d(1, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(3, n_outputs)
        )  # fmt: skip

    network = ArchitectureClassifier(build=build, max_epochs=2, random_state=0)
    before = torch.get_rng_state()
    selector = clone(selector).set_params(estimator=network, random_state=0).fit(images, y)
    assert torch.equal(torch.get_rng_state(), before)
    model = clone(network).fit(images, np.unique(y, return_inverse=True)[1])
    proba = model.predict_proba(images)
    with torch.no_grad():
        hidden = model.module_[:3](torch.from_numpy(np.float32(images))).numpy()
    other = clone(selector).fit(images, y, proba=proba, features=hidden)
    # the same up to rounding, which could turn a tie
    assert len(np.intersect1d(selector.ranking_, other.ranking_)) >= 18


@each
def test_smaller_budgets_keep_the_order_and_the_quotas(selector, data):
    X, y = data
    selector = clone(selector).set_params(random_state=0).fit(X, y)
    np.testing.assert_array_equal(selector.select(), selector.sample_indices_)
    for budget in (1, 7, 13, 20):
        rows = selector.select(budget)
        assert len(np.unique(rows)) == budget and set(rows) <= set(selector.ranking_)
        if selector._quotas == "proportional":
            expected = np.array([(y == label).sum() for label in "abc"]) * budget / 100
            counts = [np.sum(y[rows] == label) for label in "abc"]
            assert np.abs(counts - expected).max() < 1 + 1e-9
        elif selector._quotas is None:
            np.testing.assert_array_equal(rows, np.sort(selector.ranking_[:budget]))
    with pytest.raises(ValueError, match="budget must be at most 20"):
        selector.select(21)


@each
@pytest.mark.parametrize("budget", [1, 0.3, 1.0])
def test_awkward_data(selector, budget):
    rng = np.random.default_rng(0)
    X = np.repeat(rng.normal(size=(5, 3)), 8, axis=0)  # equal rows
    X[:, 2] = 1.0  # a constant feature
    y = np.r_[np.zeros(25, int), np.ones(14, int), 2]  # a class of one
    for labels in (y, np.zeros(40, int)):
        selector = clone(selector).set_params(budget=budget, random_state=0).fit(X, labels)
        expected = budget if isinstance(budget, int) else round(budget * 40)
        assert len(np.unique(selector.sample_indices_)) == expected


def test_parts_of_an_estimator_are_seeded(data):
    X, y = data
    forest = RandomForestClassifier(3, max_depth=2)

    def select(seed, **params):
        model = make_pipeline(StandardScaler(), clone(forest).set_params(**params))
        return GradMatch(20, estimator=model, random_state=seed).fit(X, y)

    state = np.random.get_state()[1].copy()
    one, again, other = select(0), select(0), select(1)
    np.testing.assert_array_equal(one.gains_, again.gains_)
    assert not np.array_equal(one.gains_, other.gains_)
    np.testing.assert_array_equal(np.random.get_state()[1], state)
    assert one.estimator.get_params()["randomforestclassifier__random_state"] is None
    # a seed that is given stays
    proba = make_pipeline(StandardScaler(), clone(forest).set_params(random_state=5))
    proba = proba.fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(
        select(0, random_state=5).gains_,
        GradMatch(20, random_state=0).fit(X, y, proba=proba).gains_,
    )


@each
def test_columns_of_classes_that_y_lacks(selector, data):
    X, y = data
    codes = np.unique(y, return_inverse=True)[1]
    proba = probabilities()
    expected = clone(selector).set_params(random_state=0).fit(X, codes, proba=proba)
    # classes 0, 2 and 3 of five; nobody expects the others
    labels = np.array([0, 2, 3])
    wide = np.zeros((100, 5))
    wide[:, labels] = proba
    found = clone(expected).fit(X, labels[codes], proba=wide)
    np.testing.assert_array_equal(found.ranking_, expected.ranking_)
    np.testing.assert_allclose(found.sample_weight_, expected.sample_weight_, rtol=1e-5)
    np.testing.assert_array_equal(found.classes_, labels)


@each
def test_errors(selector, data):
    X, y = data
    selector = clone(selector)
    with pytest.raises(ValueError, match="y must hold class labels for .* continuous"):
        selector.fit(X, X[:, 0])
    with pytest.raises(ValueError, match="requires y to be passed"):
        selector.fit(X)
    with pytest.raises(ValueError, match=r"proba must have shape \(N, C\) with N=100; got \(99, 3"):
        selector.fit(X, y, proba=probabilities()[1:])
    for n_columns in (2, 4):  # labels that are no ints do not say which column is theirs
        wide = np.full((100, n_columns), 1 / n_columns)
        with pytest.raises(ValueError, match=f"proba has C={n_columns} columns, but y holds 3"):
            selector.fit(X, y, proba=wide)
    with pytest.raises(ValueError, match="proba has C=4 columns, but y holds 3"):
        selector.fit(X, np.unique(y, return_inverse=True)[1] + 2, proba=np.full((100, 4), 0.25))
    with pytest.raises(ValueError, match="rows that sum to 1"):
        selector.fit(X, y, proba=2 * probabilities())
    with pytest.raises(ValueError, match="proba must be finite"):
        selector.fit(X, y, proba=np.full((100, 3), np.nan))
    with pytest.raises(ValueError, match=r"features must have shape \(N, H\) with N=100"):
        selector.fit(X, y, features=X[:5])
    with pytest.raises(ValueError, match="features must be finite"):
        selector.fit(X, y, features=np.full((100, 2), np.inf))
    with pytest.raises(ValueError, match="NaN"):
        selector.fit(np.where(X > 1, np.nan, X), y)
    with pytest.raises(ValueError, match=r"budget must be .* got 101"):
        selector.set_params(budget=101).fit(X, y)


def noisy_clusters():
    """Two clusters, 30 % wrong labels, and rows with true labels beside."""
    rng = np.random.default_rng(0)
    truth, truth_val = rng.integers(2, size=300), rng.integers(2, size=60)
    X, X_val = (rng.normal(size=(len(t), 3)) + 4 * t[:, None] for t in (truth, truth_val))
    wrong = rng.random(300) < 0.3
    return X, np.where(wrong, 1 - truth, truth), wrong, X_val, truth_val


@pytest.mark.parametrize("seed", range(3))
def test_glister_leaves_out_wrong_labels_if_validation_rows_are_right(seed):
    X, y, wrong, X_val, y_val = noisy_clusters()
    selector = GLISTER(60, random_state=seed)
    without = wrong[selector.fit(X, y).sample_indices_].sum()
    given = wrong[selector.fit(X, y, X_val=X_val, y_val=y_val).sample_indices_].sum()
    assert given < without / 2 and given <= 6


def test_glister_selects_for_the_gradients_of_validation_rows(data):
    X, y = data
    X_val, y_val = X[:30] + 0.1, y[:30].copy()
    y_val[y_val == "c"] = "a"  # a class without validation rows
    selector = GLISTER(20, n_rounds=1, stratify=None, random_state=0)
    selector.fit(X, y, X_val=X_val, y_val=y_val)
    scaler = StandardScaler().fit(X)
    model = LogisticRegression(max_iter=50).fit(scaler.transform(X), y)

    def explicit(X, y):
        hidden = np.c_[scaler.transform(X), np.ones(len(X))]
        residual = model.predict_proba(scaler.transform(X)) - (y[:, None] == model.classes_)
        return np.einsum("nc,nh->nch", residual, hidden).reshape(len(X), -1)

    gains = explicit(X, y) @ explicit(X_val, y_val).mean(axis=0) / 20
    np.testing.assert_allclose(selector.gains_, np.sort(gains)[:-21:-1], rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(gains[selector.ranking_], selector.gains_, rtol=1e-3, atol=1e-6)


def test_glister_with_validation_rows_of_a_network_and_of_any_classifier(data):
    X, y = data

    def build(architecture, in_shape, n_outputs):
        return nn.Sequential(nn.Flatten(), nn.Linear(4, n_outputs))

    network = ArchitectureClassifier(build=build, max_epochs=2)
    images = X.reshape(100, 1, 2, 2)
    for estimator, rows in [(network, images), (GaussianNB(), X)]:
        selector = GLISTER(20, estimator=estimator, validation_fraction=None, random_state=0)
        # validation rows that are the training rows are what validation_fraction=None means
        expected = selector.fit(rows, y).ranking_
        found = clone(selector).fit(rows, y, X_val=rows.copy(), y_val=list(y)).ranking_
        np.testing.assert_array_equal(found, expected)
    same = np.full(100, "a")
    assert len(GLISTER(20).fit(X, same, X_val=X[:5], y_val=same[:5]).sample_indices_) == 20


def test_errors_of_validation_rows(data):
    X, y = data
    for params, message in [
        ({"X_val": X}, "X_val and y_val must be given together"),
        ({"y_val": y}, "X_val and y_val must be given together"),
        ({"X_val": X[:, :3], "y_val": y}, r"X_val must have instances of shape \(4,\), as X; got"),
        ({"X_val": X[:5], "y_val": y[:4]}, "y_val must have a label for each of the 5 .* got 4"),
        ({"X_val": X[:1], "y_val": ["d"]}, r"y_val must hold classes of y.*got \['d'\]"),
        ({"X_val": np.full((1, 4), np.nan), "y_val": ["a"]}, "NaN"),
        ({"X_val": X, "y_val": y, "proba": probabilities()}, "can't be combined with proba"),
        ({"X_val": X, "y_val": y, "features": X}, "can't be combined with proba or features"),
    ]:
        with pytest.raises(ValueError, match=message):
            GLISTER().fit(X, y, **params)


class Untrained(GaussianNB):
    def fit(self, X, y):
        raise AssertionError("trained in vain")


def test_what_is_refused_costs_no_training(data):
    X, y = data
    with pytest.raises(ValueError, match="memory_limit must be at least"):
        CRAIG(10, memory_limit=1000, stratify=None, estimator=Untrained()).fit(X, y)
    for features, message in [(X[:50], r"shape \(N, H\)"), (np.full_like(X, np.nan), "finite")]:
        with pytest.raises(ValueError, match=f"features must .*{message}"):
            GradMatch(10, estimator=Untrained()).fit(X, y, features=features)
    few = CRAIG(10, max_reference=5, memory_limit=5000, random_state=0)  # asks for no more
    assert len(few.fit(X, y).sample_indices_) == 10


@pytest.mark.parametrize(
    "by, remedy",
    [(None, 'by="class" or by="batch"'), ("class", 'by="batch"'), ("batch", "a larger batch_size")],
)
def test_grad_match_keeps_to_its_memory(by, remedy, data):
    X, y = data
    largest_quota = int(allocate(np.unique(y, return_counts=True)[1], 40, "proportional").max())
    n_wanted = {None: 40, "class": largest_quota, "batch": 8}[by]
    need = 32 * n_wanted**2
    selector = GradMatch(40, by=by, batch_size=5, memory_limit=need)
    assert len(selector.fit(X, y).sample_indices_) == 40

    selector.set_params(memory_limit=need - 1, estimator=Untrained())
    message = f"by={by!r} needs up to {need:.3g} bytes.* {n_wanted} candidates.*memory_limit=.*"
    with pytest.raises(MemoryError, match=message.replace("+", r"\+") + remedy):
        selector.fit(X, y)


def test_grad_match_estimates_its_memory():
    rng = np.random.default_rng(0)
    gradients = LastLayerGradients(rng.normal(size=(700, 40)), rng.normal(size=(700, 40)))
    target = gradients.total()
    gradients.dot(target)
    tracemalloc.start()
    match(gradients, target, 513, lam=0.5, rng=np.random.RandomState(0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 0.4 * bytes_to_match(513) < peak < 1.1 * bytes_to_match(513)
