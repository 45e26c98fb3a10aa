"""Every submodular selector beside its function written out from the definition."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.base import clone

from sksubsel.baselines.submodular import (
    FacilityLocation,
    FeatureBased,
    GraphCut,
    LogDeterminant,
    SaturatedCoverage,
)

GAMMA = 0.7


def kernel(X):
    return np.exp(-GAMMA * cdist(X, X, "sqeuclidean"))


def facility_location(X, S):
    return kernel(X)[S].max(axis=0).sum()


def graph_cut(X, S, lam=0.5):
    K = kernel(X)
    return K[S].sum() - lam * K[np.ix_(S, S)].sum()


def saturated_coverage(X, S, alpha=0.4):
    K = kernel(X)
    return np.minimum(K[S].sum(axis=0), alpha * K.sum(axis=0)).sum()


def log_determinant(X, S, noise=0.1):
    return np.linalg.slogdet(np.eye(len(S)) + kernel(X)[np.ix_(S, S)] / noise)[1]


def feature_based_sqrt(X, S):
    return np.sqrt(X[S].sum(axis=0)).sum()


def feature_based_log(X, S):
    return np.log1p(X[S].sum(axis=0)).sum()


CASES = {
    "FacilityLocation": (FacilityLocation(gamma=GAMMA), facility_location),
    "GraphCut": (GraphCut(gamma=GAMMA), graph_cut),
    "SaturatedCoverage": (SaturatedCoverage(gamma=GAMMA, alpha=0.4), saturated_coverage),
    "LogDeterminant": (LogDeterminant(gamma=GAMMA, noise=0.1), log_determinant),
    "FeatureBased-sqrt": (FeatureBased(), feature_based_sqrt),
    "FeatureBased-log": (FeatureBased(concave="log"), feature_based_log),
}


@pytest.fixture(params=CASES)
def case(request):
    selector, function = CASES[request.param]
    return clone(selector), lambda X, S: function(X, np.asarray(S)) if len(S) else 0.0


def table(seed, n=40):
    return np.random.default_rng(seed).exponential(size=(n, 3))


@pytest.mark.parametrize("optimizer", ["lazy", "naive", "stochastic"])
def test_gains_are_differences_of_the_function(case, optimizer):
    selector, f = case
    X = table(0)
    selector.set_params(budget=15, optimizer=optimizer, random_state=0).fit(X)
    S = selector.ranking_
    expected = [f(X, S[: t + 1]) - f(X, S[:t]) for t in range(15)]
    np.testing.assert_allclose(selector.gains_, expected, rtol=1e-4, atol=1e-5)
    assert selector.gains_.dtype == np.float64
    np.testing.assert_array_equal(selector.scores_[S], selector.gains_)
    assert np.isnan(np.delete(selector.scores_, S)).all()


@pytest.mark.parametrize("seed", range(3))
def test_each_row_is_the_best_one(case, seed):
    selector, f = case
    X = table(seed)
    S = selector.set_params(budget=8).fit(X).ranking_.tolist()
    for t, row in enumerate(S):
        gains = {i: f(X, [*S[:t], i]) - f(X, S[:t]) for i in range(40) if i not in S[:t]}
        assert gains[row] >= max(gains.values()) - 1e-5


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_naive_is_lazy_and_laws_hold(data):
    selector, _ = CASES[data.draw(st.sampled_from(list(CASES)))]
    n = data.draw(st.integers(1, 40))
    X = np.random.default_rng(data.draw(st.integers(0, 999))).exponential(size=(n, 2))
    if data.draw(st.booleans()):
        X = np.round(X)  # many equal rows, and rows of zeros
    if data.draw(st.booleans()):
        X[:] = X[0]
    budget = data.draw(st.integers(1, n))
    lazy = clone(selector).set_params(budget=budget).fit(X)
    naive = clone(selector).set_params(budget=budget, optimizer="naive").fit(X)
    np.testing.assert_array_equal(lazy.ranking_, naive.ranking_)
    np.testing.assert_array_equal(lazy.gains_, naive.gains_)
    assert (np.diff(lazy.gains_) <= 0).all()
    assert len(np.unique(lazy.ranking_)) == budget
    np.testing.assert_array_equal(lazy.sample_indices_, np.sort(lazy.ranking_))
    np.testing.assert_array_equal(lazy.sample_weight_, np.ones(budget))


@given(seed=st.integers(0, 10_000), name=st.sampled_from(list(CASES)), k=st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_guarantee_against_brute_force(seed, name, k):
    selector, f = CASES[name]
    X = table(seed, n=8)
    S = clone(selector).set_params(budget=k).fit(X).ranking_
    best = max(f(X, np.array(rows)) for rows in combinations(range(8), k))
    assert f(X, S) >= (1 - np.exp(-1)) * best - 1e-6


def test_initial_subset_counts_and_is_not_selected(case):
    selector, f = case
    X = table(1)
    given_rows = [7, 3, 30]
    selector.set_params(budget=10, initial_subset=given_rows).fit(X)
    S = selector.ranking_
    assert not set(S) & set(given_rows)
    expected = [f(X, [*given_rows, *S[: t + 1]]) - f(X, [*given_rows, *S[:t]]) for t in range(10)]
    np.testing.assert_allclose(selector.gains_, expected, rtol=1e-4, atol=1e-5)
    selector.set_params(budget=37).fit(X)
    assert len(selector.sample_indices_) == 37
    with pytest.raises(ValueError, match=r"budget must be at most 37.* got 38"):
        selector.set_params(budget=38).fit(X)
    with pytest.raises(ValueError, match=r"initial_subset must be rows in \[0, .*; got 40"):
        selector.set_params(budget=3, initial_subset=[40]).fit(X)
    with pytest.raises(ValueError, match="initial_subset must be distinct"):
        selector.set_params(initial_subset=[1, 1]).fit(X)


@pytest.mark.parametrize("stratify", ["proportional", "equal"])
def test_classes_are_taken_one_by_one(case, stratify):
    selector, _ = case
    X = table(2, n=60)
    y = np.repeat(["a", "b", "c", "d"], [35, 15, 9, 1])[np.random.default_rng(0).permutation(60)]
    selector.set_params(budget=20, stratify=stratify).fit(X, y)
    counts = {label: int((y[selector.sample_indices_] == label).sum()) for label in "abcd"}
    if stratify == "equal":
        assert counts == {"a": 7, "b": 6, "c": 6, "d": 1}
    else:  # shares 11.67, 5, 3, .33: the largest remainder is a's
        assert counts == {"a": 12, "b": 5, "c": 3, "d": 0}
    # each class as if it were alone
    rows = np.flatnonzero(y == "a")
    alone = clone(selector).set_params(budget=counts["a"], stratify=None).fit(X[rows])
    of_class = selector.ranking_[y[selector.ranking_] == "a"][: counts["a"]]
    np.testing.assert_array_equal(of_class, rows[alone.ranking_])
    # a smaller budget is what fitting with it gives
    smaller = clone(selector).set_params(budget=9).fit(X, y)
    np.testing.assert_array_equal(selector.select(9), smaller.sample_indices_)
    with pytest.raises(ValueError, match=r"budget must be at most 20.* got 21"):
        selector.select(21)
    with pytest.raises(ValueError, match="requires y"):
        selector.fit(X)


def test_continuous_targets_are_binned(case):
    selector, _ = case
    X = table(3, n=50)
    y = X[:, 0] + 0.001
    rows = selector.set_params(budget=10, stratify="equal").fit(X, y).sample_indices_
    np.testing.assert_array_equal(np.sort(y.argsort().argsort()[rows] // 5), np.arange(10))


def test_all_rows_heads_and_images(case):
    selector, _ = case
    X = table(4, n=12)
    selector.set_params(budget=12).fit(X)
    np.testing.assert_array_equal(selector.sample_indices_, np.arange(12))
    for k in (1, 5, 12):
        np.testing.assert_array_equal(selector.select(k), np.sort(selector.ranking_[:k]))
    images = selector.set_params(budget=5).fit(X.reshape(12, 1, 3, 1))
    table_rows = clone(selector).fit(X).sample_indices_
    np.testing.assert_array_equal(images.sample_indices_, table_rows)


@pytest.mark.parametrize("optimizer", ["lazy", "stochastic", "partition"])
def test_seeds(case, optimizer):
    selector, _ = case
    X = table(5)
    selector.set_params(budget=6, optimizer=optimizer, random_state=3)
    before = np.random.get_state()[1].copy()
    first = selector.fit(X).ranking_
    np.testing.assert_array_equal(selector.fit(X).ranking_, first)
    np.testing.assert_array_equal(
        selector.set_params(random_state=np.random.RandomState(3)).fit(X).ranking_, first
    )
    np.testing.assert_array_equal(np.random.get_state()[1], before)


@pytest.mark.parametrize(
    "params, message",
    [
        ({"budget": 41}, r"budget must be an int in \[1, n_samples=40\].*got 41"),
        ({"optimizer": "lazzy"}, "optimizer"),
        ({"epsilon": 0.0}, "epsilon"),
        ({"n_partitions": 0}, "n_partitions"),
        ({"stratify": "equl"}, "stratify"),
    ],
)
def test_bad_parameters(case, params, message):
    selector, _ = case
    with pytest.raises(ValueError, match=message):
        selector.set_params(**params).fit(table(0))


def test_not_finite(case):
    selector, _ = case
    X = table(0)
    X[3, 1] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        selector.fit(X)
