import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.preprocessing import FunctionTransformer

from sksubsel.baselines.herding import Herding


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    y = rng.permutation(np.repeat(["a", "b", "c"], [60, 30, 10]))
    return rng.normal(size=(100, 4)) + 100, y


def herd_by_hand(X, n_wanted):
    """The definition, with a loop over rows."""
    chosen = []
    for _ in range(n_wanted):
        left = [i for i in range(len(X)) if i not in chosen]
        errors = [np.linalg.norm(X[[*chosen, i]].mean(axis=0) - X.mean(axis=0)) for i in left]
        chosen.append(left[int(np.argmin(errors))])
    return chosen


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_is_the_greedy_match_of_the_mean(data, dtype):
    X = data[0].astype(dtype)
    assert Herding(25, stratify=None).fit(X).ranking_.tolist() == herd_by_hand(data[0], 25)


def test_is_herding_where_rows_have_one_norm(data):
    X = data[0] - 100
    X /= np.linalg.norm(X, axis=1)[:, None]
    mean, weights, chosen = X.mean(axis=0), X.mean(axis=0), []
    for _ in range(30):  # Chen, Welling and Smola, Eq. 8, without replacement
        likeness = X @ weights
        likeness[chosen] = -np.inf
        chosen.append(int(likeness.argmax()))
        weights = weights + mean - X[chosen[-1]]
    assert Herding(30, stratify=None).fit(X).ranking_.tolist() == chosen


def test_worked_out():
    X = np.array([[0.0], [1.0], [2.0], [3.0], [10.0]])  # mean 3.2
    selector = Herding(5, stratify=None).fit(X)
    # Pairs with 3 sum to 6.4 at best with 2; three rows to 9.6 with 1 (6) rather than 10 (15);
    # four to 12.8 with 10 (16) rather than 0 (6).
    assert selector.ranking_.tolist() == [3, 2, 1, 4, 0]
    np.testing.assert_array_equal(selector.scores_, [-4.5, -2.5, -1.5, -0.5, -3.5])


def test_each_class_is_herded_on_its_own(data):
    X, y = data
    selector = Herding(20).fit(X, y)
    expected = [
        np.flatnonzero(y == label)[herd_by_hand(X[y == label], quota)]
        for label, quota in [("a", 12), ("b", 6), ("c", 2)]
    ]
    np.testing.assert_array_equal(selector.sample_indices_, np.sort(np.concatenate(expected)))
    for label, rows in zip("abc", expected):
        ranked = selector.ranking_[y[selector.ranking_] == label]
        np.testing.assert_array_equal(ranked[: len(rows)], rows)
    equal = Herding(20, stratify="equal").fit(X, y)
    assert sorted((y[equal.sample_indices_] == label).sum() for label in "abc") == [6, 7, 7]


def test_ranking_takes_classes_in_proportion(data):
    X, y = data
    ranking = Herding(50).fit(X, y).ranking_
    assert [(y[ranking[:10]] == label).sum() for label in "abc"] == [6, 3, 1]
    assert y[ranking[0]] == "a"  # whose first row stands for 60


@pytest.mark.parametrize("stratify", ["proportional", "equal", None])
def test_smaller_budgets_without_fitting_again(data, stratify):
    largest = Herding(40, stratify=stratify).fit(*data)
    for budget in range(1, 41):
        again = Herding(budget, stratify=stratify).fit(*data)
        np.testing.assert_array_equal(largest.select(budget), again.sample_indices_)
    with pytest.raises(ValueError, match=r"at most 40.*got 41. Fit with a larger budget"):
        largest.select(41)


def test_mean_is_nearer_than_that_of_random_rows(data):
    X = data[0]
    away = lambda rows: np.linalg.norm(X[rows].mean(axis=0) - X.mean(axis=0))  # noqa: E731
    herded = away(Herding(10, stratify=None).fit(X).sample_indices_)
    rng = np.random.default_rng(0)
    drawn = [away(rng.choice(100, 10, replace=False)) for _ in range(200)]
    assert herded < min(drawn)


def test_duplicates_are_distinct_rows():
    X = np.repeat([[1.0, 2.0], [3.0, 2.0]], [4, 4], axis=0)
    ranking = Herding(8, stratify=None).fit(X).ranking_
    assert sorted(ranking) == list(range(8))
    assert ranking.tolist() == [0, 4, 1, 5, 2, 6, 3, 7]  # either side in turn, lower rows first


def test_integers_and_targets():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, size=(50, 1, 3, 3), dtype=np.uint8)
    rows = Herding(12, stratify=None).fit(images).ranking_
    assert rows.tolist() == herd_by_hand(images.reshape(50, -1).astype(float), 12)
    targets = rng.normal(size=50)
    selector = Herding(10).fit(images, targets)
    ranks = targets.argsort().argsort()
    np.testing.assert_array_equal(np.sort(ranks[selector.sample_indices_] // 5), np.arange(10))


def test_features(data):
    X, y = data
    pca = PCA(2, random_state=0)
    selector = Herding(10, stratify=None, features=pca).fit(X)
    assert not hasattr(pca, "components_")
    assert selector.ranking_.tolist() == herd_by_hand(PCA(2, random_state=0).fit_transform(X), 10)
    for function, shape in [(lambda X: X[:, 0], r"\(100,\)"), (lambda X: X[:5], r"\(5, 4\)")]:
        with pytest.raises(ValueError, match=rf"shape \(N, F\) with N=100; got {shape}"):
            Herding(10, features=FunctionTransformer(function)).fit(X, y)
    with pytest.raises(ValueError, match="features of X must be finite"):
        Herding(features=FunctionTransformer(lambda X: X * np.nan)).fit(X, y)
    with pytest.raises(ValueError, match="'features' parameter"):
        Herding(features="pca").fit(X, y)


def test_quotas_that_shrink_as_the_budget_grows():
    """By largest remainder three rows are 1, 1, 1 of these classes, and four 0, 2, 2."""
    X, y = np.arange(7.0)[:, None] ** 2, np.repeat([0, 1, 2], [1, 3, 3])
    selector = Herding(4).fit(X, y)
    assert np.bincount(y[selector.sample_indices_], minlength=3).tolist() == [0, 2, 2]
    np.testing.assert_array_equal(selector.select(3), Herding(3).fit(X, y).sample_indices_)
    assert np.bincount(y[selector.select(3)]).tolist() == [1, 1, 1]
