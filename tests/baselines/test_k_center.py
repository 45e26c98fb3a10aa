from itertools import combinations

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.preprocessing import FunctionTransformer

from sksubsel.baselines.k_center import KCenterGreedy


@pytest.fixture
def X():
    return np.random.default_rng(0).normal(size=(80, 5)) + 1000


def farthest_first(X, chosen, n_wanted):
    """The definition, from all distances."""
    distances, chosen = cdist(X, X), list(chosen)
    while len(chosen) < n_wanted:
        chosen.append(int(distances[chosen].min(axis=0).argmax()))
    return chosen


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_is_farthest_first(X, dtype):
    X = X.astype(dtype)  # as rounded, so that both see the same numbers
    selector = KCenterGreedy(30).fit(X)
    first = int(np.linalg.norm(X - X.mean(axis=0), axis=1).argmin())
    assert selector.ranking_.tolist() == farthest_first(X, [first], 30)
    distances = cdist(X, X)[selector.ranking_]
    radii = [np.inf, *(distances[:t].min(axis=0).max() for t in range(1, 31))]
    tolerance = 1e-6 if dtype == np.float64 else 1e-3
    np.testing.assert_allclose(selector.scores_[selector.ranking_], radii[:30], rtol=tolerance)
    assert selector.radius_ == pytest.approx(radii[30], rel=tolerance)
    assert (np.diff(selector.scores_[selector.ranking_[1:]]) <= 0).all()


@pytest.mark.parametrize("seed", range(20))
def test_radius_is_within_twice_the_smallest(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(10, 2)) ** 3
    distances = cdist(X, X)
    best = min(distances[list(rows)].min(axis=0).max() for rows in combinations(range(10), 3))
    for first in ("mean", "random"):
        selector = KCenterGreedy(3, first=first, random_state=seed).fit(X)
        assert selector.radius_ <= 2 * best + 1e-9
        covered = distances[selector.sample_indices_].min(axis=0).max()
        assert selector.radius_ == pytest.approx(covered)


def test_random_first_row(X):
    firsts = [
        KCenterGreedy(3, first="random", random_state=s).fit(X).ranking_[0] for s in range(50)
    ]
    assert len(set(firsts)) > 30
    again = KCenterGreedy(3, first="random", random_state=7).fit(X)
    assert again.ranking_[0] == firsts[7]
    assert again.ranking_.tolist() == farthest_first(X, [firsts[7]], 3)


def test_initial_subset(X):
    selector = KCenterGreedy(20, initial_subset=[40, 3, 17]).fit(X)
    assert selector.ranking_.tolist() == farthest_first(X, [3, 17, 40], 23)[3:]
    assert np.isfinite(selector.scores_[selector.ranking_]).all()
    covered = cdist(X, X)[[3, 17, 40, *selector.sample_indices_]].min(axis=0).max()
    assert selector.radius_ == pytest.approx(covered)
    rest = KCenterGreedy(77, initial_subset=[40, 3, 17]).fit(X)
    assert sorted([3, 17, 40, *rest.sample_indices_]) == list(range(80))
    assert rest.radius_ == 0
    empty = KCenterGreedy(5, initial_subset=[]).fit(X)
    np.testing.assert_array_equal(empty.ranking_, KCenterGreedy(5).fit(X).ranking_)
    with pytest.raises(ValueError, match=r"budget must be at most 77.*initial_subset; got 78"):
        KCenterGreedy(78, initial_subset=[40, 3, 17]).fit(X)


@pytest.mark.parametrize(
    "rows, message",
    [
        ([3, 3], r"distinct row numbers.*got \[3, 3\]"),
        ([0.5], "distinct row numbers"),
        ([[1, 2]], "distinct row numbers"),
        ([True, False], "distinct row numbers"),
        ([5, 80], r"rows in \[0, n_samples=80\); got 80"),
        ([-1, 5], r"rows in \[0, n_samples=80\); got -1"),
    ],
)
def test_initial_subset_errors(X, rows, message):
    with pytest.raises(ValueError, match=f"initial_subset must be {message}"):
        KCenterGreedy(5, initial_subset=rows).fit(X)


def test_each_class_is_covered_on_its_own(X):
    y = np.repeat(["a", "b", "c"], [50, 25, 5])
    selector = KCenterGreedy(16, stratify="proportional", initial_subset=[0, 1, 79]).fit(X, y)
    radii = []
    # of 48, 25 and 4 candidates
    for label, start, initial, quota in [("a", 0, [0, 1], 10), ("b", 50, [], 5), ("c", 75, [4], 1)]:
        part = X[y == label]
        first = initial or [int(np.linalg.norm(part - part.mean(axis=0), axis=1).argmin())]
        chosen = farthest_first(part, first, len(initial) + quota)
        rows = np.array(chosen[len(initial) :]) + start
        selected = selector.sample_indices_[y[selector.sample_indices_] == label]
        np.testing.assert_array_equal(selected, np.sort(rows))
        radii.append(cdist(part, part[chosen]).min(axis=1).max())
    assert selector.radius_ == pytest.approx(max(radii))
    assert KCenterGreedy(2, stratify="proportional").fit(X, y).radius_ == np.inf  # none of "c"


@pytest.mark.parametrize("stratify", ["proportional", "equal", None])
def test_smaller_budgets_without_fitting_again(X, stratify):
    y = np.repeat([0, 1, 2], [50, 25, 5])
    largest = KCenterGreedy(30, stratify=stratify).fit(X, y)
    for budget in range(1, 31):
        again = KCenterGreedy(budget, stratify=stratify).fit(X, y)
        np.testing.assert_array_equal(largest.select(budget), again.sample_indices_)
    with pytest.raises(ValueError, match="at most 30"):
        largest.select(31)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_far_groups_keep_their_digits(dtype):
    """Where norms are large beside the distances in a group, as with a sentinel for a value."""
    X = np.random.default_rng(0).normal(size=(300, 4))
    X[::20, 0] -= 1e5
    X = X.astype(dtype)
    selector = KCenterGreedy(40).fit(X)
    squared = ((X[:, None].astype(np.float64) - X[selector.sample_indices_]) ** 2).sum(axis=2)
    assert selector.radius_ == pytest.approx(np.sqrt(squared.min(axis=1).max()), rel=1e-3)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_duplicates_come_last(dtype):
    points = (np.random.default_rng(0).normal(size=(6, 300)) + 30).astype(dtype)
    X = np.tile(points, (5, 1))
    selector = KCenterGreedy(30).fit(X)
    first = selector.ranking_
    assert sorted(first) == list(range(30))
    assert sorted(first[:6] % 6) == list(range(6))
    assert (selector.scores_[first[6:]] == 0).all()
    assert (np.diff(first[6:]) > 0).all()  # equals by index
    assert selector.radius_ == 0
    assert KCenterGreedy(6).fit(X).radius_ == 0


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_equally_far_rows_go_by_index(dtype):
    X = np.random.default_rng(0).integers(0, 2, size=(60, 8)).astype(dtype)  # many ties
    selector = KCenterGreedy(25).fit(X)
    assert selector.ranking_.tolist() == farthest_first(X, selector.ranking_[:1], 25)
    shifted = KCenterGreedy(25).fit(X.astype(np.float32) + 4096)
    np.testing.assert_array_equal(shifted.ranking_, selector.ranking_)


def test_features(X):
    flat = KCenterGreedy(5).fit(X[:, :2]).ranking_
    transformer = FunctionTransformer(lambda X: X[:, :2])
    np.testing.assert_array_equal(KCenterGreedy(5, features=transformer).fit(X).ranking_, flat)
    with pytest.raises(ValueError, match="'first' parameter"):
        KCenterGreedy(first="last").fit(X)


def test_distances_that_overflow_are_refused():
    X = np.array([[0], [1e20], [2e20], [3e20]], dtype=np.float32)
    with pytest.raises(ValueError, match="overflow float32.*Scale X first"):
        KCenterGreedy(3).fit(X)
    assert len(set(KCenterGreedy(3).fit(X.astype(np.float64)).sample_indices_)) == 3
