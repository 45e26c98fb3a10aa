import numpy as np
import pytest
from sklearn.decomposition import PCA

from sksubsel.baselines.moderate import Moderate


def test_worked_out():
    # Class 0 has its centre at 5; distances 5, 4, 1, 0, 10 and their median 4. Class 1 has its
    # centre at 103; distances 3, 2, 1, 6 and their median 2.5.
    X = np.array([[0.0], [1.0], [4.0], [5.0], [15.0], [100.0], [101.0], [102.0], [109.0]])
    y = np.repeat([0, 1], [5, 4])
    selector = Moderate(4).fit(X, y)
    np.testing.assert_allclose(selector.scores_, [-1, 0, -3, -4, -6, -0.5, -0.5, -1.5, -3.5])
    assert selector.ranking_.tolist() == [1, 5, 6, 0, 7, 2, 8, 3, 4]
    assert selector.sample_indices_.tolist() == [0, 1, 5, 6]
    assert selector.select(5).tolist() == [0, 1, 2, 5, 6]  # quotas 2.8 and 2.2
    assert selector.select(9).tolist() == list(range(9))
    assert selector.sample_weight_.tolist() == [1, 1, 1, 1]


def test_one_centre_without_labels():
    X = np.array([[0.0], [1.0], [4.0], [5.0], [15.0]])
    selector = Moderate(2, stratify=None).fit(X)
    assert selector.ranking_.tolist() == [1, 0, 2, 3, 4]
    with pytest.raises(ValueError, match="requires y"):
        Moderate(2).fit(X)


def test_agrees_with_the_definition_at_any_budget():
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(100, 6)) + 50).astype(np.float32)
    y = rng.permutation(np.repeat(["a", "b", "c"], [70, 29, 1]))
    selector = Moderate(30).fit(X, y)
    away = np.empty(100)
    for label in "abc":
        rows = y == label
        exact = X[rows].astype(np.float64)
        distance = np.linalg.norm(exact - exact.mean(axis=0), axis=1)
        away[rows] = abs(distance - np.median(distance))
    np.testing.assert_allclose(-selector.scores_, away, atol=1e-4)
    for budget, quotas in [(30, [21, 9, 0]), (98, [69, 28, 1]), (100, [70, 29, 1])]:
        expected = [
            np.flatnonzero(y == label)[np.argsort(away[y == label])[:quota]]
            for label, quota in zip("abc", quotas)
        ]
        np.testing.assert_array_equal(selector.select(budget), np.sort(np.concatenate(expected)))


def test_equal_quotas_features_and_targets():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 1, 2, 2))
    y = np.repeat([0, 1], [50, 10])
    rows = Moderate(12, stratify="equal").fit(X, y).sample_indices_
    assert np.bincount(y[rows]).tolist() == [6, 6]
    table = X.reshape(60, 4)
    reduced = Moderate(12).fit(PCA(2, random_state=0).fit_transform(table), y)
    selector = Moderate(12, features=PCA(2, random_state=0)).fit(table, y)
    np.testing.assert_array_equal(selector.sample_indices_, reduced.sample_indices_)
    targets = rng.normal(size=60)
    rows = Moderate(10).fit(X, targets).sample_indices_
    np.testing.assert_array_equal(np.sort(targets.argsort().argsort()[rows] // 6), np.arange(10))


def test_equal_rows_go_by_index():
    selector = Moderate(4).fit(np.full((9, 3), 0.1), np.repeat([0, 1], [6, 3]))
    assert selector.sample_indices_.tolist() == [0, 1, 2, 6]
