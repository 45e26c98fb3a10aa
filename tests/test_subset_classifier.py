import io

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_digits, make_blobs
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from sksubsel import ArchitectureClassifier
from sksubsel.base import BaseSelector
from sksubsel.baselines import Random
from sksubsel.baselines.herding import Herding
from sksubsel.baselines.k_means_medoids import KMeansMedoids
from sksubsel.subset_classifier import SubsetClassifier, SubsetRegressor


@parametrize_with_checks(
    [
        SubsetClassifier(),
        SubsetClassifier(GaussianNB(), KMeansMedoids(0.5, weighted=True, random_state=0)),
        SubsetRegressor(),
        SubsetRegressor(selector=Herding(0.5)),
    ]
)
def test_sklearn_checks(estimator, check):
    check(estimator)


@pytest.fixture
def data():
    X, y = make_blobs([90, 60, 30], n_features=4, cluster_std=3, random_state=0)
    return X, np.array(["c", "a", "b"])[y]


class First(BaseSelector):
    """The first rows, with given weights, after a look at what fit was passed."""

    def __init__(self, budget=0.1, *, weights=None):
        self.budget = budget
        self.weights = weights

    def _rank(self, X, y, budget, *, bonus=None):
        self.bonus_ = bonus
        return np.arange(len(X)), -np.arange(len(X), dtype=float)

    def _weigh(self, rows):
        return np.ones(len(rows)) if self.weights is None else np.asarray(self.weights, float)


def test_is_the_estimator_trained_on_the_rows(data):
    X, y = data
    selector = Random(40, random_state=0)
    model = SubsetClassifier(LogisticRegression(C=0.1), selector).fit(X, y)
    rows = clone(selector).fit(X, y).sample_indices_
    np.testing.assert_array_equal(model.sample_indices_, rows)
    by_hand = LogisticRegression(C=0.1).fit(X[rows], y[rows])
    for method in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        expected = getattr(by_hand, method)(X)
        np.testing.assert_array_equal(getattr(model, method)(X), expected)
    assert model.score(X, y) == by_hand.score(X, y)
    assert model.classes_.tolist() == ["a", "b", "c"]
    assert model.n_features_in_ == 4
    assert not hasattr(selector, "sample_indices_")  # a clone was fitted
    assert model.selector_.n_samples_ == 180


def test_regressor():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    y = X @ [1, 2, 3] + rng.normal(size=60)
    model = SubsetRegressor(LinearRegression(), Random(20, random_state=0)).fit(X, y)
    rows = Random(20, random_state=0).fit(X, y).sample_indices_
    by_hand = LinearRegression().fit(X[rows], y[rows])
    np.testing.assert_array_equal(model.predict(X), by_hand.predict(X))
    assert model.score(X, y) == by_hand.score(X, y)
    assert not hasattr(model, "predict_proba")
    assert isinstance(SubsetRegressor().fit(X, y).estimator_, Ridge)


def test_numbers_as_objects(data):
    X, codes = data[0], np.unique(data[1], return_inverse=True)[1]
    selector = Random(40, random_state=0)
    model = SubsetClassifier(selector=selector).fit(X, codes.astype(object))
    expected = SubsetClassifier(selector=selector).fit(X, codes)
    np.testing.assert_array_equal(model.predict(X), expected.predict(X))
    assert model.classes_.dtype == codes.dtype
    model = SubsetRegressor(selector=selector).fit(X, X[:, 0].astype(object))
    np.testing.assert_array_equal(
        model.predict(X), SubsetRegressor(selector=selector).fit(X, X[:, 0]).predict(X)
    )


def test_the_score_is_that_of_the_estimator(data):
    class Own(GaussianNB):
        def score(self, X, y, sample_weight=None):
            return -1.0 if sample_weight is None else -sample_weight.sum()

    class Mean(Ridge):
        def score(self, X, y):
            return float(self.predict(X).mean())

    X, y = data
    model = SubsetClassifier(Own(), Random(40, random_state=0)).fit(X, y)
    assert model.score(X, y) == -1 and model.score(X, y, np.full(180, 2)) == -360
    plain = SubsetClassifier(GaussianNB(), Random(40, random_state=0)).fit(X, y)
    weights = np.arange(180)
    assert plain.score(X, y, weights) == accuracy_score(y, plain.predict(X), sample_weight=weights)
    model = SubsetRegressor(Mean(), Random(40, random_state=0)).fit(X, X[:, 0])
    assert model.score(X, X[:, 0]) == model.predict(X).mean()


def test_nothing_is_left_of_a_fit_before(data):
    class NoRows(BaseEstimator):
        def fit(self, X, y):
            return self

        def fit_resample(self, X, y):
            return X, y

    X, y = data
    model = SubsetClassifier(selector=Random(40, random_state=0))
    model.fit(pd.DataFrame(X, columns=list("stuv")), y)
    assert hasattr(model, "feature_names_in_") and hasattr(model, "sample_indices_")
    model.fit(X[:, :3], y)
    assert not hasattr(model, "feature_names_in_") and model.n_features_in_ == 3
    model.set_params(selector=NoRows()).fit(X, y)
    assert not hasattr(model, "sample_indices_") and len(model.sample_weight_) == 180


def test_weights_reach_the_estimator(data):
    X, y = data
    selector = KMeansMedoids(30, weighted=True, random_state=0)
    model = SubsetClassifier(GaussianNB(), selector).fit(X, y)
    rows = model.sample_indices_
    weights = model.selector_.sample_weight_
    by_hand = GaussianNB().fit(X[rows], y[rows], sample_weight=weights)
    np.testing.assert_array_equal(model.predict_proba(X), by_hand.predict_proba(X))
    plain = GaussianNB().fit(X[rows], y[rows])
    assert not np.allclose(plain.predict_proba(X), by_hand.predict_proba(X))
    unweighted = SubsetClassifier(GaussianNB(), selector, sample_weight=None).fit(X, y)
    np.testing.assert_array_equal(unweighted.predict_proba(X), plain.predict_proba(X))
    # no parameter of that name: trained without
    with pytest.warns(UserWarning, match="weights are not used"):
        neighbors = SubsetClassifier(KNeighborsClassifier(3), selector).fit(X, y)
    by_hand = KNeighborsClassifier(3).fit(X[rows], y[rows])
    np.testing.assert_array_equal(neighbors.predict(X), by_hand.predict(X))


def test_weights_of_one_are_not_passed():
    class Recorder(ClassifierMixin, BaseEstimator):
        def fit(self, X, y, sample_weight=None):
            self.weight_, self.classes_ = sample_weight, np.unique(y)
            return self

    X, y = np.arange(10.0)[:, None], np.tile([0, 1], 5)
    assert SubsetClassifier(Recorder(), First(4)).fit(X, y).estimator_.weight_ is None
    given = SubsetClassifier(Recorder(), First(4, weights=[1, 2, 1, 0])).fit(X, y)
    assert given.estimator_.weight_.tolist() == [1, 2, 1, 0]


def test_what_fit_takes_besides_goes_to_the_selector(data):
    X, y = data
    model = SubsetClassifier(selector=First(60)).fit(X, y, bonus="yes")
    assert model.selector_.bonus_ == "yes"
    with pytest.raises(TypeError, match="boni"):
        SubsetClassifier(selector=First(60)).fit(X, y, boni=1)


@pytest.fixture
def lacking():
    """Rows of labels b and d come first, a and c are not among the first eight."""
    rng = np.random.default_rng(0)
    y = np.array(list("bdbdbdbd" + "ac" * 6))
    return rng.normal(size=(20, 2)) + np.searchsorted(list("abcd"), y)[:, None], y


def test_classes_that_the_subset_lacks(lacking):
    X, y = lacking
    model = SubsetClassifier(LogisticRegression(), First(8))
    with pytest.warns(UserWarning, match=r"2 of 4 classes \('a', 'c'\).*larger budget, or quotas"):
        model.fit(X, y)
    assert model.classes_.tolist() == list("abcd")
    by_hand = LogisticRegression().fit(X[:8], y[:8])
    proba = model.predict_proba(X)
    np.testing.assert_array_equal(proba[:, [1, 3]], by_hand.predict_proba(X))
    assert (proba[:, [0, 2]] == 0).all()
    assert (model.predict_log_proba(X)[:, [0, 2]] == -np.inf).all()
    values = model.decision_function(X)
    np.testing.assert_array_equal(values[:, 3], by_hand.decision_function(X))
    np.testing.assert_array_equal(values[:, 1], -values[:, 3])
    np.testing.assert_array_equal(model.classes_[values.argmax(axis=1)], model.predict(X))
    np.testing.assert_array_equal(model.classes_[proba.argmax(axis=1)], model.predict(X))
    assert set(model.predict(X)) <= set("bd")
    assert model.score(X, y) == by_hand.score(X, y)


def test_decision_values_of_three_classes_of_four(lacking):
    X, y = lacking
    with pytest.warns(UserWarning, match=r"1 of 4 classes \('c'\)"):
        model = SubsetClassifier(SVC(), First(9)).fit(X, y)
    values = model.decision_function(X)
    np.testing.assert_array_equal(values[:, [0, 1, 3]], model.estimator_.decision_function(X))
    assert (values[:, 2] == np.finfo(values.dtype).min).all()
    with pytest.warns(UserWarning, match="1 of 5 classes"):
        model = SubsetClassifier(SVC(decision_function_shape="ovo"), First(20)).fit(
            np.r_[X, [[9.0, 9.0]]], [*y, "e"]
        )
    with pytest.raises(ValueError, match=r"4 of the 5 classes.*shape \(20, 6\)"):
        model.decision_function(X)


def test_one_class_alone(lacking):
    X, y = lacking
    with (
        pytest.warns(UserWarning, match="3 of 4 classes"),
        pytest.raises(ValueError, match="class"),
    ):
        SubsetClassifier(LogisticRegression(), First(1)).fit(X, y)
    with pytest.warns(UserWarning, match="3 of 4 classes"):
        model = SubsetClassifier(RandomForestClassifier(3), First(1)).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), np.tile([0, 1, 0, 0], (20, 1)))


def test_quotas_prevent_it(lacking):
    model = SubsetClassifier(selector=Random(4, stratify="equal", random_state=0)).fit(*lacking)
    np.testing.assert_array_equal(model.estimator_.classes_, model.classes_)


def test_methods_are_those_of_the_estimator(data):
    assert not hasattr(SubsetClassifier(SVC()), "predict_proba")
    assert hasattr(SubsetClassifier(SVC()), "decision_function")
    assert not hasattr(SubsetClassifier(GaussianNB()), "decision_function")
    assert hasattr(SubsetClassifier(GaussianNB()), "predict_proba")
    for method in ("predict", "predict_proba", "score"):
        args = data if method == "score" else data[:1]
        with pytest.raises(NotFittedError):
            getattr(SubsetClassifier(GaussianNB()), method)(*args)


def test_grid_search_over_the_budget(data):
    X, y = data
    model = make_pipeline(
        StandardScaler(),
        SubsetClassifier(LogisticRegression(), Herding()),
    )
    grid = {
        "subsetclassifier__selector__budget": [9, 0.5],
        "subsetclassifier__estimator__C": [0.1, 1.0],
    }
    search = GridSearchCV(model, grid, cv=3, error_score="raise").fit(X, y)
    last, best = search.best_estimator_[-1], search.best_params_
    assert last.selector_.budget == best["subsetclassifier__selector__budget"]
    assert best["subsetclassifier__estimator__C"] == last.estimator_.get_params()["C"]
    n_rows = {9: 9, 0.5: 90}[last.selector_.budget]
    assert len(last.sample_indices_) == n_rows
    assert search.score(X, y) > 0.8
    swap = {"selector": [Herding(0.2), Random(0.2, random_state=0)]}
    search = GridSearchCV(SubsetClassifier(LogisticRegression()), swap, cv=3).fit(X, y)
    assert search.cv_results_["mean_test_score"].shape == (2,)


def test_rows_are_selected_from_the_training_fold(data):
    seen = []

    class Spy(First):
        def _rank(self, X, y, budget):
            seen.append(len(X))
            return super()._rank(X, y, budget)

    order = np.random.default_rng(0).permutation(180)
    cross_val_score(SubsetClassifier(selector=Spy(60)), data[0][order], data[1][order], cv=3)
    assert seen == [120, 120, 120]


def test_clone_and_joblib(data):
    X, y = data
    model = SubsetClassifier(LogisticRegression(), Random(0.2, random_state=0))
    again = clone(model).fit(X, y)
    assert repr(clone(model)) == repr(model)
    buffer = io.BytesIO()
    joblib.dump(again, buffer)
    buffer.seek(0)
    loaded = joblib.load(buffer)
    np.testing.assert_array_equal(loaded.predict_proba(X), model.fit(X, y).predict_proba(X))
    np.testing.assert_array_equal(loaded.sample_indices_, model.sample_indices_)
    fitted = joblib.Parallel(n_jobs=2)(
        joblib.delayed(SubsetClassifier(LogisticRegression(), Random(n, random_state=0)).fit)(X, y)
        for n in (40, 80)
    )
    assert [len(m.sample_indices_) for m in fitted] == [40, 80]


def test_tables_keep_their_columns(data):
    X, y = data
    frame = pd.DataFrame(X, columns=list("stuv"), index=np.arange(180) + 1000)
    columns = ColumnTransformer([("scale", StandardScaler(), ["u", "s"])])
    inner = make_pipeline(columns, LogisticRegression())
    model = SubsetClassifier(inner, Random(40, random_state=0))
    model.fit(frame, pd.Series(y, index=frame.index))
    assert list(model.feature_names_in_) == list("stuv")
    rows = model.sample_indices_
    by_hand = clone(inner).fit(frame.iloc[rows], y[rows])
    np.testing.assert_array_equal(model.predict_proba(frame), by_hand.predict_proba(frame))


def test_images(data):
    X, y = data
    images = X.reshape(180, 1, 2, 2).astype(np.float32)
    flatten = FunctionTransformer(lambda X: X.reshape(len(X), -1))
    model = SubsetClassifier(make_pipeline(flatten, LogisticRegression()), Herding(0.3))
    model.fit(images, y)
    flat = SubsetClassifier(LogisticRegression(), Herding(0.3)).fit(X.astype(np.float32), y)
    np.testing.assert_array_equal(model.predict(images), flat.predict(X.astype(np.float32)))

    def build(arch, in_shape, n_outputs):
        from torch import nn

        return nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(in_shape)), n_outputs))

    network = ArchitectureClassifier(build=build, max_epochs=30, lr=0.1, random_state=0)
    model = SubsetClassifier(network, Herding(0.5, stratify="equal")).fit(images, y)
    assert model.score(images, y) > 0.8


def test_samplers_of_imbalanced_learn(data):
    under_sampling = pytest.importorskip("imblearn.under_sampling")
    X, y = data
    selector = under_sampling.RandomUnderSampler(random_state=0)
    model = SubsetClassifier(LogisticRegression(), selector).fit(X, y)
    assert np.unique(y[model.sample_indices_], return_counts=True)[1].tolist() == [30, 30, 30]


def test_errors(data):
    X, y = data
    with pytest.raises(ValueError, match="budget must be"):
        SubsetClassifier(selector=Random(1000)).fit(X, y)
    with pytest.raises(ValueError, match="'selector' parameter"):
        SubsetClassifier(selector=StandardScaler()).fit(X, y)
    with pytest.raises(ValueError, match="'sample_weight' parameter"):
        SubsetClassifier(sample_weight="yes").fit(X, y)
    with pytest.raises(ValueError, match="Unknown label type"):
        SubsetClassifier().fit(X, X[:, 0])
    with pytest.raises(ValueError, match="NaN"):
        SubsetClassifier().fit(np.where(X > 5, np.nan, X), y)
    for cls in (SubsetClassifier, SubsetRegressor):
        with pytest.raises(ValueError, match="requires y"):
            cls().fit(X, None)


def test_weights_reach_the_last_step_of_a_pipeline():
    X, y = load_digits(return_X_y=True)
    X, y = X[:300] / 16, y[:300]
    selector = KMeansMedoids(40, stratify="equal", weighted=True, random_state=0)
    plain = SubsetClassifier(LogisticRegression(max_iter=500), selector).fit(X, y)
    piped = make_pipeline(FunctionTransformer(), LogisticRegression(max_iter=500))
    piped = SubsetClassifier(piped, selector).fit(X, y)
    assert (plain.sample_weight_ != 1).any()
    np.testing.assert_array_equal(piped.sample_weight_, plain.sample_weight_)
    np.testing.assert_allclose(piped.predict_proba(X), plain.predict_proba(X))
    with pytest.warns(UserWarning, match="weights are not used.*KNeighborsClassifier"):
        without = SubsetClassifier(KNeighborsClassifier(1), selector).fit(X, y)
    np.testing.assert_array_equal(without.sample_weight_, np.ones(40))
    meant = SubsetClassifier(KNeighborsClassifier(1), selector, sample_weight=None).fit(X, y)
    np.testing.assert_array_equal(meant.sample_weight_, np.ones(40))


def test_an_estimator_without_a_score_is_judged_by_its_accuracy():
    class Constant(BaseEstimator):
        def fit(self, X, y):
            self.classes_ = np.unique(y)
            return self

        def predict(self, X):
            return np.ones(len(X), dtype=int)

    X, y = np.zeros((40, 1)), np.repeat([0, 1, 1, 1], 10)
    assert SubsetClassifier(Constant(), selector=Random(10)).fit(X, y).score(X, y) == 0.75
