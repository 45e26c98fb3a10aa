"""What a model says of rows that it has not seen."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.model_selection import KFold

from sksubsel.features import InstanceFeatures
from sksubsel.samplers.out_of_fold import out_of_fold

X, y = load_digits(return_X_y=True)
X, y = X[:150].astype(np.float32) / 16, y[:150]


def test_the_network_has_not_seen_a_row():
    """Another label of a row changes what is said of other folds alone."""
    proba = out_of_fold(X, y, 10, seed=0)
    assert proba.shape == (150, 10)
    assert proba.dtype == np.float32
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)
    assert (proba.argmax(axis=1) == y).mean() > 0.7
    wrong = y.copy()
    wrong[7] = (wrong[7] + 1) % 10
    other = out_of_fold(X, wrong, 10, seed=0)
    (fold,) = (rest for _, rest in KFold(3, shuffle=True, random_state=0).split(X) if 7 in rest)
    same = np.isin(np.arange(150), fold)
    np.testing.assert_array_equal(proba[same], other[same])
    assert (proba[~same] != other[~same]).any(axis=1).all()


def test_seed():
    first = out_of_fold(X, y, 10, seed=0)
    np.testing.assert_array_equal(out_of_fold(X, y, 10, seed=0), first)
    assert (out_of_fold(X, y, 10, seed=1) != first).any()


def test_estimators_are_cloned():
    given = LogisticRegression(max_iter=500)
    proba = out_of_fold(X, y, 10, seed=0, cv=2, estimator=given)
    assert not hasattr(given, "coef_")
    fit, rest = next(KFold(2, shuffle=True, random_state=0).split(X))
    wanted = LogisticRegression(max_iter=500).fit(X[fit], y[fit]).predict_proba(X[rest])
    np.testing.assert_allclose(proba[rest], wanted, rtol=1e-5)
    labels = out_of_fold(X, y, 10, seed=0, estimator=RidgeClassifier())
    assert set(np.unique(labels)) == {0, 1}
    assert (labels.sum(axis=1) == 1).all()


def test_values():
    values = X[:, 20] - 2 * X[:, 30]
    out = out_of_fold(X, values, None, seed=0, estimator=LinearRegression())
    np.testing.assert_allclose(out, values[:, None], atol=1e-4)
    by_network = out_of_fold(X, values, None, seed=0)
    assert by_network.shape == (150, 1)
    assert np.corrcoef(by_network[:, 0], values)[0, 1] > 0.7


@pytest.mark.parametrize(("scale", "shift"), [(1, 100), (1e-4, 0), (1e4, -1e5)])
def test_units_do_not_matter(scale, shift):
    proba = out_of_fold(X * np.float32(scale) + np.float32(shift), y, 10, seed=0)
    assert (proba.argmax(axis=1) == y).mean() > 0.8


def test_features_in_their_units_are_taken_as_they_are(monkeypatch):
    """So that what was chosen by them before is chosen again."""
    features = InstanceFeatures(8).fit_transform(X)
    first = out_of_fold(features, y, 10, seed=0)
    monkeypatch.setattr("sksubsel.samplers.out_of_fold._units", lambda known: None)
    np.testing.assert_array_equal(out_of_fold(features, y, 10, seed=0), first)
    raw = out_of_fold(X, y, 10, seed=0, estimator=LogisticRegression(max_iter=500))
    monkeypatch.undo()
    again = out_of_fold(X, y, 10, seed=0, estimator=LogisticRegression(max_iter=500))
    np.testing.assert_array_equal(again, raw)  # an estimator of the user's own sees what is given


def test_few_rows():
    np.testing.assert_array_equal(out_of_fold(X[:1], np.array([2]), 3, seed=0), [[0, 0, 1]])
    np.testing.assert_array_equal(out_of_fold(X[:1], np.array([2.5]), None, seed=0), [[2.5]])
    alone = out_of_fold(X[:2], np.array([0, 1]), 2, seed=0)  # of which each is told by the other
    np.testing.assert_array_equal(alone, [[0, 1], [1, 0]])
    absent = out_of_fold(X[:6], np.array([0, 1, 0, 1, 0, 1]), 3, seed=0, cv=9)
    assert (absent[:, 2] == 0).all()
    np.testing.assert_allclose(absent.sum(axis=1), 1, rtol=1e-5)


def test_predictions_that_are_no_numbers(monkeypatch):
    class Broken(LinearRegression):
        def predict(self, X):
            return np.full(len(X), np.nan)

    with pytest.raises(ValueError, match="predictions of estimator"):
        out_of_fold(X, X[:, 0], None, seed=0, estimator=Broken())
    monkeypatch.setattr("sksubsel.samplers.out_of_fold._fit_network", lambda *_: Broken())
    with pytest.raises(ValueError, match="what a network predicts from the features"):
        out_of_fold(X, X[:, 0], None, seed=0)


def test_many_rows(monkeypatch):
    """A model is fitted on a draw of them, of any precision, and asked in chunks."""
    sizes = []

    class Counting(LogisticRegression):
        def fit(self, X, y):
            sizes.append((len(X), X.dtype))
            return super().fit(X, y)

    given = {"seed": 0, "estimator": Counting(max_iter=500)}
    whole = out_of_fold(X, y, 10, **given, max_rows=100)
    assert sizes == [(100, np.float32)] * 3
    drawn = out_of_fold(X, y, 10, **given, max_rows=60)
    assert sizes[3:] == [(60, np.float32)] * 3
    assert (drawn != whole).any()
    assert (drawn.argmax(axis=1) == y).mean() > 0.7
    monkeypatch.setattr("sksubsel.samplers.out_of_fold._ASKED", 7)
    np.testing.assert_allclose(out_of_fold(X, y, 10, **given), whole, rtol=1e-4, atol=1e-6)


def test_features_in_a_file(tmp_path):
    halves = (X * 16).astype(np.float16)  # whole numbers, which it holds as they are
    np.save(tmp_path / "features.npy", halves)
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    np.testing.assert_array_equal(
        out_of_fold(mapped, y, 10, seed=0), out_of_fold(halves.astype(np.float32), y, 10, seed=0)
    )
