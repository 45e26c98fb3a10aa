"""Selectors as steps of imbalanced-learn's own Pipeline, which calls `fit_resample` in fit only."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import make_blobs
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_predict
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import StandardScaler

from sksubsel.baselines import Random
from sksubsel.baselines.herding import Herding
from sksubsel.baselines.k_center import KCenterGreedy
from sksubsel.baselines.k_means_medoids import KMeansMedoids
from sksubsel.baselines.moderate import Moderate

imblearn_pipeline = pytest.importorskip("imblearn.pipeline")
Pipeline, make_pipeline = imblearn_pipeline.Pipeline, imblearn_pipeline.make_pipeline

SELECTORS = [
    Random(0.2, stratify="equal", random_state=0),
    Herding(0.2),
    KCenterGreedy(0.2),
    KMeansMedoids(0.2, random_state=0),
    Moderate(0.2),
]


@pytest.fixture
def data():
    X, y = make_blobs([120, 60, 20], n_features=5, cluster_std=2, random_state=1)
    return X, np.array(["c", "a", "b"])[y]


class Counter(ClassifierMixin, BaseEstimator):
    """Remembers what it was trained on and asked about."""

    def fit(self, X, y):
        self.X_, self.y_, self.classes_ = X, y, np.unique(y)
        return self

    def predict(self, X):
        self.n_asked_ = len(X)
        return np.full(len(X), self.classes_[0])


@pytest.mark.parametrize("selector", SELECTORS, ids=lambda s: type(s).__name__)
def test_resampled_in_fit_only(data, selector):
    X, y = data
    pipe = Pipeline([("scale", StandardScaler()), ("select", selector), ("model", Counter())])
    pipe.fit(X, y)
    rows = pipe["select"].sample_indices_
    assert len(rows) == 40
    np.testing.assert_array_equal(pipe["model"].X_, pipe["scale"].transform(X)[rows])
    np.testing.assert_array_equal(pipe["model"].y_, y[rows])
    assert pipe["scale"].n_samples_seen_ == 200  # before the selection
    assert len(pipe.predict(X)) == 200
    assert pipe["model"].n_asked_ == 200


@pytest.mark.parametrize("selector", SELECTORS, ids=lambda s: type(s).__name__)
def test_grid_search_over_the_budget(data, selector):
    X, y = data
    pipe = Pipeline([("selector", selector), ("model", GaussianNB())])
    grid = {"selector__budget": [6, 0.3]}
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    search = GridSearchCV(pipe, grid, cv=folds, error_score="raise").fit(X, y)
    best = search.best_estimator_["selector"]
    expected = {6: 6, 0.3: 60}[search.best_params_["selector__budget"]]
    assert len(best.sample_indices_) == expected
    by_hand = []
    for budget in grid["selector__budget"]:
        scores = []
        for train, test in folds.split(X, y):
            rows = clone(selector).set_params(budget=budget).fit(X[train], y[train]).get_support()
            model = GaussianNB().fit(X[train][rows], y[train][rows])
            scores.append(model.score(X[test], y[test]))
        by_hand.append(np.mean(scores))
    np.testing.assert_allclose(search.cv_results_["mean_test_score"], by_hand)


def test_beside_transformers_and_a_sampler_of_its_own(data):
    from imblearn.over_sampling import RandomOverSampler

    X, y = data
    over = RandomOverSampler(random_state=0)
    pipe = make_pipeline(PCA(2), over, Herding(30, stratify="equal"), LogisticRegression())
    pipe.fit(X, y)
    assert pipe.named_steps["herding"].n_samples_ == 360
    assert pipe.score(X, y) > 0.8
    assert cross_val_predict(pipe, X, y, cv=3).shape == (200,)


def test_tables_keep_names_and_index(data):
    X, y = data
    frame = pd.DataFrame(X, columns=list("pqrst"), index=np.arange(200) + 50)
    labels = pd.Series(y, index=frame.index, name="kind")
    pipe = Pipeline([("selector", KCenterGreedy(20)), ("model", Counter())]).fit(frame, labels)
    rows = pipe["selector"].sample_indices_
    pd.testing.assert_frame_equal(pipe["model"].X_, frame.iloc[rows])
    pd.testing.assert_series_equal(pipe["model"].y_, labels.iloc[rows])
    model = Pipeline([("selector", Herding(0.2)), ("model", LogisticRegression())])
    model.fit(frame, labels)
    assert list(model["model"].feature_names_in_) == list("pqrst")
    assert model.predict(frame).shape == (200,)


def test_sparse_matrices(data):
    X, y = data
    table = sparse.csr_matrix(np.maximum(X, 0))
    pipe = Pipeline([("selector", Random(30, random_state=0)), ("model", LogisticRegression())])
    assert pipe.fit(table, y).predict(table).shape == (200,)
    assert len(pipe["selector"].sample_indices_) == 30


def test_fit_resample_of_the_pipeline(data):
    X, y = data
    pipe = Pipeline([("scale", StandardScaler()), ("selector", Herding(15))])
    X_part, y_part = pipe.fit_resample(X, y)
    rows = pipe["selector"].sample_indices_
    np.testing.assert_array_equal(X_part, StandardScaler().fit_transform(X)[rows])
    np.testing.assert_array_equal(y_part, y[rows])
