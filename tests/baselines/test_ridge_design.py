import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from sksubsel.baselines.random import Random
from sksubsel.baselines.ridge_design import RidgeDesign


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:900], y[:900], X[900:], y[900:]


def test_trains_better_than_random(digits):
    X, y, X_test, y_test = digits
    scores = {"design": [], "random": []}
    for seed in range(3):
        for name, selector in {
            "design": RidgeDesign(40, n_components=512, random_state=seed),
            "random": Random(40, stratify="equal", random_state=seed),
        }.items():
            rows = selector.fit(X, y).sample_indices_
            model = KNeighborsClassifier(1).fit(X[rows], y[rows])
            scores[name].append(model.score(X_test, y_test))
    assert np.mean(scores["design"]) > np.mean(scores["random"]) + 0.03


def test_ranking_gains_and_errors(digits):
    X, y, *_ = digits
    selector = RidgeDesign(100, n_components=256, random_state=0).fit(X, y)
    np.testing.assert_array_equal(np.sort(selector.ranking_), selector.sample_indices_)
    assert selector.gains_.shape == selector.errors_.shape == (100,)
    np.testing.assert_allclose(-np.diff(selector.errors_), selector.gains_[1:])
    assert selector.errors_[-1] < 0.5 * selector.errors_[0]
    assert selector.target_.shape == (900, 10)
    assert (selector.target_.argmax(1) == y).mean() > 0.85
    head = selector.select(30)
    assert np.isin(head, selector.sample_indices_).all()
    np.testing.assert_array_equal(np.bincount(y[head]), [3] * 10)
    with pytest.raises(ValueError, match="at most 100"):
        selector.select(101)


@pytest.mark.parametrize("stratify", ["equal", None])
def test_quotas(digits, stratify):
    X, y, *_ = digits
    keep = np.r_[np.flatnonzero(y < 3)[:100], np.flatnonzero(y == 5)[:1]]
    selector = RidgeDesign(21, stratify=stratify, n_components=64, random_state=0)
    rows = selector.fit(X[keep], y[keep]).sample_indices_
    counts = np.bincount(np.unique(y[keep], return_inverse=True)[1][rows], minlength=4)
    if stratify == "equal":
        assert counts[3] == 1
        assert sorted(counts[:3]) == [6, 7, 7]


def test_target_and_estimator(digits):
    X, y, *_ = digits
    given = np.full((900, 10), 0.02, np.float32)
    given[np.arange(900), y] = 0.82
    selector = RidgeDesign(20, n_components=64, random_state=0).fit(X, y, target=given)
    np.testing.assert_array_equal(selector.target_, given)
    with pytest.raises(ValueError, match=r"target must have shape \(N=900, C=10\)"):
        RidgeDesign(20).fit(X, y, target=given[:, :3])
    # a classifier that knows no probabilities
    hard = RidgeDesign(20, estimator=LinearSVC(), n_components=64, random_state=0).fit(X, y)
    assert set(np.unique(hard.target_)) == {0.0, 1.0}


def test_a_wrong_target_costs_no_features(digits):
    class Costly(PCA):
        def fit_transform(self, X, y=None):
            raise AssertionError("computed in vain")

    X, y, *_ = digits
    with pytest.raises(ValueError, match=r"target must have shape \(N=900, C=10\)"):
        RidgeDesign(10, features=Costly()).fit(X, y, target=np.ones((900, 3)))


def test_continuous_labels():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4))
    y = 100 + 5 * X[:, 0] + 0.1 * rng.normal(size=300)
    selector = RidgeDesign(30, n_components=128, random_state=0).fit(X, y)
    assert selector.target_.shape == (300, 1)
    assert np.corrcoef(selector.target_[:, 0], y)[0, 1] > 0.95
    assert abs(selector.target_.mean()) < 0.1  # standardised
    given = RidgeDesign(30, n_components=128, random_state=0).fit(X, y, target=y)
    assert np.corrcoef(given.target_[:, 0], y)[0, 1] > 0.999


def test_few_rows_and_one_class():
    X = np.arange(6.0).reshape(-1, 1)
    rows = RidgeDesign(3, n_components=8, random_state=0).fit(X, np.zeros(6)).sample_indices_
    assert len(np.unique(rows)) == 3
    rows = RidgeDesign(2, n_components=8, random_state=0).fit(X, [0, 0, 0, 0, 0, 1]).sample_indices_
    assert len(rows) == 2


def test_parts_of_the_estimator_are_seeded(digits):
    X, y, *_ = digits
    estimator = make_pipeline(StandardScaler(), RandomForestClassifier(5))
    selector = RidgeDesign(20, estimator=estimator, n_components=32, random_state=0)
    first = selector.fit(X[:150], y[:150]).target_
    np.testing.assert_array_equal(selector.fit(X[:150], y[:150]).target_, first)
