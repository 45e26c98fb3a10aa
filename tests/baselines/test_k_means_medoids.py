import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.preprocessing import FunctionTransformer

from sksubsel.baselines.k_means_medoids import KMeansMedoids


@pytest.fixture
def blobs():
    """Four blobs far apart, of 40, 30, 20 and 10 rows, shuffled."""
    rng = np.random.default_rng(0)
    which = rng.permutation(np.repeat(range(4), [40, 30, 20, 10]))
    corners = np.array([[0, 0], [50, 0], [0, 50], [50, 50]])
    return rng.normal(size=(100, 2)) + corners[which], which


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("algorithm", ["auto", "lloyd"])
def test_rows_nearest_to_the_means(blobs, algorithm, dtype):
    X, which = blobs
    selector = KMeansMedoids(4, algorithm=algorithm, weighted=True, random_state=0)
    selector.fit(X.astype(dtype))
    nearest = []
    for blob in range(4):
        rows = np.flatnonzero(which == blob)
        away = np.linalg.norm(X[rows] - X[rows].mean(axis=0), axis=1)
        nearest.append(rows[away.argmin()])
    assert selector.ranking_.tolist() == nearest  # largest cluster first
    assert selector.scores_[nearest].tolist() == [40, 30, 20, 10]
    assert np.isnan(selector.scores_).sum() == 96
    np.testing.assert_array_equal(selector.sample_indices_, np.sort(nearest))
    sizes = np.array([40, 30, 20, 10])[which[selector.sample_indices_]]
    np.testing.assert_array_equal(selector.sample_weight_, sizes)
    np.testing.assert_array_equal(KMeansMedoids(4, random_state=0).fit(X).sample_weight_, 1)


def test_minibatches(blobs):
    X, which = blobs
    selector = KMeansMedoids(4, algorithm="minibatch", weighted=True, random_state=0).fit(X)
    assert which[selector.ranking_].tolist() == [0, 1, 2, 3]
    assert selector.scores_[selector.ranking_].tolist() == [40, 30, 20, 10]


def test_auto_takes_minibatches_where_lloyd_is_long(blobs, monkeypatch):
    from sksubsel.baselines import k_means_medoids

    used = []
    for name in ("KMeans", "MiniBatchKMeans"):
        kind = getattr(k_means_medoids, name)
        monkeypatch.setattr(
            k_means_medoids,
            name,
            lambda *args, kind=kind, **kwargs: used.append(kind.__name__) or kind(*args, **kwargs),
        )
    KMeansMedoids(4, random_state=0).fit(blobs[0])
    monkeypatch.setattr(k_means_medoids, "_MOST_FOR_LLOYD", 799)  # 100 rows, 2 columns, 4 clusters
    KMeansMedoids(4, random_state=0).fit(blobs[0])
    assert used == ["KMeans", "MiniBatchKMeans"]


def test_agrees_with_k_means_on_data_without_clusters():
    X = np.random.default_rng(0).normal(size=(200, 3))
    X -= X.mean(axis=0)
    model = KMeans(15, n_init=1, max_iter=100, random_state=np.random.RandomState(3)).fit(X)
    away = model.transform(X)
    away = away.round(9)  # the rows of a pair are equally far from their mean: the lower one
    expected = [np.where(model.labels_ == k, away[:, k], np.inf).argmin() for k in range(15)]
    selector = KMeansMedoids(15, random_state=3).fit(X)
    np.testing.assert_array_equal(selector.sample_indices_, np.sort(expected))


def test_each_class_is_clustered_on_its_own(blobs):
    X, which = blobs
    y = np.array(["low", "high"])[(which >= 2).astype(int)]  # 70 and 30 rows
    selector = KMeansMedoids(4, stratify="equal", weighted=True, random_state=0).fit(X, y)
    assert which[selector.ranking_].tolist() == [0, 1, 2, 3]
    selector = KMeansMedoids(10, stratify="proportional", weighted=True, random_state=0).fit(X, y)
    rows, weights = selector.sample_indices_, selector.sample_weight_
    assert [(y[rows] == label).sum() for label in ("low", "high")] == [7, 3]
    assert [weights[y[rows] == label].sum() for label in ("low", "high")] == [70, 30]
    assert KMeansMedoids(1, stratify="equal", random_state=0).fit(X, y).sample_indices_.size == 1


@pytest.mark.parametrize("algorithm", ["lloyd", "minibatch"])
@pytest.mark.parametrize("budget", [1, 2, 3, 5, 11, 12])
def test_fewer_distinct_rows_than_clusters(budget, algorithm):
    X = np.repeat([[0.0, 0.0], [1.0, 0.0], [5.0, 5.0]], [6, 4, 2], axis=0)
    selector = KMeansMedoids(budget, algorithm=algorithm, weighted=True, random_state=0).fit(X)
    rows = selector.sample_indices_
    assert len(np.unique(rows)) == budget
    assert selector.sample_weight_.sum() == 12
    assert selector.sample_weight_.min() >= 1
    if budget in (3, 5):  # every distinct row once, the lowest of its equals
        assert {0, 6, 10} <= set(rows)


def test_all_rows_equal():
    selector = KMeansMedoids(4, weighted=True, random_state=0).fit(np.ones((9, 3)))
    assert selector.ranking_.tolist() == [0, 1, 2, 3]
    assert selector.sample_weight_.tolist() == [6, 1, 1, 1]


def test_seeds_and_smaller_budgets():
    X = np.random.default_rng(0).normal(size=(300, 3))
    rows = [KMeansMedoids(20, random_state=s).fit(X).sample_indices_ for s in (0, 0, 1)]
    np.testing.assert_array_equal(rows[0], rows[1])
    assert not np.array_equal(rows[0], rows[2])
    selector = KMeansMedoids(20, random_state=0).fit(X)
    np.testing.assert_array_equal(selector.select(5), np.sort(selector.ranking_[:5]))
    with pytest.raises(ValueError, match="at most 20"):
        selector.select(21)


def test_features_and_images(blobs):
    X, _ = blobs
    expected = KMeansMedoids(4, random_state=0).fit(X).sample_indices_
    noisy = np.c_[X, np.random.default_rng(1).normal(scale=500, size=(100, 1))]
    columns = FunctionTransformer(lambda X: X[:, :2])
    selector = KMeansMedoids(4, features=columns, random_state=0).fit(noisy)
    np.testing.assert_array_equal(selector.sample_indices_, expected)
    images = KMeansMedoids(4, random_state=0).fit(X.reshape(100, 1, 2, 1))
    np.testing.assert_array_equal(images.sample_indices_, expected)
    with pytest.raises(ValueError, match="'algorithm' parameter"):
        KMeansMedoids(algorithm="elkan").fit(X)


def test_smaller_budgets_are_filled_up():
    """By largest remainder a smaller budget can give a class more rows than a larger one."""
    y = np.repeat(range(6), [13, 1, 5, 7, 7, 12])
    X = np.random.default_rng(0).normal(size=(45, 2))
    selector = KMeansMedoids(25, stratify="proportional", random_state=0).fit(X, y)
    for budget in range(1, 26):
        rows = selector.select(budget)
        assert len(np.unique(rows)) == len(rows) == budget
