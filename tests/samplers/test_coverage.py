import pickle
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sksubsel.samplers.coverage import CoverageIndex, coverage
from sksubsel.samplers.quotas import allocate


def unit(block):
    block = block - block.mean(axis=0)
    return block / np.sqrt((block**2).sum(axis=1).mean())


def similarity(features, strata, proba=None, block_weight=0.5):
    """The kernel among all rows, 0 between classes, in float64 and straight from its definition."""
    blocks = [unit(features)]
    if proba is not None:
        blocks.append(block_weight * unit(np.log(np.clip(proba, 1e-6, None))))
    points = np.concatenate(blocks, axis=1)
    squared = ((points[:, None] - points[None]) ** 2).sum(axis=-1)
    kernel = np.zeros_like(squared)
    for c in np.unique(strata):
        inside = np.ix_(strata == c, strata == c)
        kernel[inside] = np.exp(-0.5 * squared[inside] / (np.median(squared[inside]) or 1.0))
    return kernel


def value(kernel, demand, rows):
    return demand @ kernel[:, list(rows)].max(axis=1) if len(rows) else 0.0


def naive_greedy(kernel, demand, strata, budget, stratify, start=()):
    """One row at a time, every gain evaluated afresh."""
    chosen, gains = list(start), {}
    free = np.ones(len(demand), dtype=bool)
    free[chosen] = False
    left = np.full(strata.max() + 1, budget)
    if stratify is not None:
        left = allocate(np.bincount(strata[free], minlength=len(left)), budget, stratify)
    for _ in range(budget):
        before = value(kernel, demand, chosen)
        candidates = [i for i in np.flatnonzero(free) if left[strata[i]] > 0]
        gain = [value(kernel, demand, [*chosen, i]) - before for i in candidates]
        best = candidates[int(np.argmax(gain))]
        gains[best] = max(gain)
        chosen.append(best)
        free[best] = False
        left[strata[best]] -= 1
    rows = sorted(gains)
    return rows, [gains[i] for i in rows]


def problem(seed, n=40, n_classes=3):
    rng = np.random.default_rng(seed)
    return {
        "features": rng.normal(size=(n, 5)),
        "demand": rng.exponential(size=n),
        "strata": rng.integers(0, n_classes, size=n),
        "proba": rng.dirichlet(np.ones(4), size=n),
    }


@pytest.mark.parametrize("stratify", [None, "proportional", "equal"])
@pytest.mark.parametrize("with_proba", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_equals_naive_greedy(seed, with_proba, stratify):
    p = problem(seed)
    proba = p["proba"] if with_proba else None
    rows, gains = coverage(p["features"], p["demand"], 17, p["strata"], stratify, proba=proba)
    kernel = similarity(p["features"], p["strata"], proba)
    expected, expected_gains = naive_greedy(kernel, p["demand"], p["strata"], 17, stratify)
    np.testing.assert_array_equal(rows, expected)
    np.testing.assert_allclose(gains, expected_gains, rtol=1e-3, atol=1e-5)
    assert gains.sum() == pytest.approx(value(kernel, p["demand"], rows), rel=1e-5)


def test_lazy_batches_equal_naive_greedy_in_one_large_class():
    p = problem(0, n=150, n_classes=1)
    rows, _ = coverage(p["features"], p["demand"], 40)
    expected, _ = naive_greedy(
        similarity(p["features"], p["strata"]), p["demand"], p["strata"], 40, None
    )
    np.testing.assert_array_equal(rows, expected)


@pytest.mark.parametrize("seed", range(5))
def test_guarantee_against_brute_force(seed):
    p = problem(seed, n=10, n_classes=1)
    kernel = similarity(p["features"], p["strata"])
    _, gains = coverage(p["features"], p["demand"], 3)
    best = max(value(kernel, p["demand"], s) for s in combinations(range(10), 3))
    assert (1 - np.exp(-1)) * best <= gains.sum() <= best * (1 + 1e-5)


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_laws(data):
    n = data.draw(st.integers(1, 25))
    budget = data.draw(st.integers(1, n))
    p = problem(data.draw(st.integers(0, 1000)), n)
    if data.draw(st.booleans()):
        p["features"] = np.round(p["features"] / 4)  # many equal rows
    if data.draw(st.booleans()):
        p["demand"] = np.round(p["demand"] / 2)  # many zeros, perhaps nothing else
    stratify = data.draw(st.sampled_from([None, "proportional", "equal"]))
    args = p["features"], p["demand"], budget, p["strata"], stratify
    limit = data.draw(st.sampled_from([1, 3, 4096]))
    rows, gains = coverage(*args, proba=p["proba"], max_reference=limit, random_state=0)
    assert rows.dtype == np.int64
    assert rows.shape == gains.shape == (budget,)
    assert (np.diff(rows) > 0).all()
    assert rows[0] >= 0 and rows[-1] < n
    assert (gains >= 0).all()
    if stratify is not None:
        counts = np.bincount(p["strata"])
        quotas = allocate(counts, budget, stratify)
        np.testing.assert_array_equal(np.bincount(p["strata"][rows], minlength=len(counts)), quotas)


def test_demand_decides_and_its_scale_does_not():
    p = {"features": np.eye(40), "demand": np.full(40, 1e-9)}  # all rows equally alike
    p["demand"][[4, 19, 33]] = 1.0
    strata = np.zeros(40, dtype=int)
    rows, gains = coverage(p["features"], p["demand"], 3, strata)
    np.testing.assert_array_equal(rows, [4, 19, 33])
    small, small_gains = coverage(p["features"], p["demand"] * 1e-200, 3, strata)
    np.testing.assert_array_equal(small, rows)
    np.testing.assert_allclose(small_gains, gains * 1e-200)
    zero, zero_gains = coverage(p["features"], np.zeros(40), 3, strata)
    np.testing.assert_array_equal(zero, [0, 1, 2])  # ties by index
    np.testing.assert_array_equal(zero_gains, 0)


def test_index_serves_many_architectures_with_and_without_a_cache():
    p = problem(2, n=60)
    cached = CoverageIndex(p["features"], p["strata"])
    bare = CoverageIndex(p["features"], p["strata"], cache_bytes=0)
    assert cached._distances is not None
    assert bare._distances is None
    rng = np.random.default_rng(0)
    for _ in range(3):
        demand, proba = rng.exponential(size=60), rng.dirichlet(np.ones(4), size=60)
        rows, gains = cached.select(demand, 12, proba=proba)
        other, other_gains = bare.select(demand, 12, proba=proba)
        np.testing.assert_array_equal(rows, other)
        np.testing.assert_allclose(gains, other_gains, rtol=1e-4)
        alone, _ = coverage(p["features"], demand, 12, p["strata"], proba=proba)
        np.testing.assert_array_equal(rows, alone)


def test_a_pickled_index_is_small_and_selects_the_same():
    p = problem(6, n=500, n_classes=2)
    index = CoverageIndex(p["features"], p["strata"])
    rows, gains = index.select(p["demand"], 50, proba=p["proba"])
    text = pickle.dumps(index)
    assert len(text) < 100_000 < index._distances[0].nbytes
    again_rows, again_gains = pickle.loads(text).select(p["demand"], 50, proba=p["proba"])
    np.testing.assert_array_equal(again_rows, rows)
    np.testing.assert_array_equal(again_gains, gains)


@pytest.mark.parametrize("stratify", [None, "equal"])
def test_rows_selected_before_count_as_covering(stratify):
    p = problem(3)
    before = np.array([1, 8, 21])
    index = CoverageIndex(p["features"], p["strata"])
    rows, _ = index.select(p["demand"], 10, stratify=stratify, selected=before)
    kernel = similarity(p["features"], p["strata"])
    expected, _ = naive_greedy(kernel, p["demand"], p["strata"], 10, stratify, before)
    np.testing.assert_array_equal(rows, expected)


def test_only_candidates_are_chosen():
    p = problem(4)
    candidates = np.arange(5, 30)
    index = CoverageIndex(p["features"], p["strata"])
    rows, _ = index.select(p["demand"], 25, candidates=candidates)
    np.testing.assert_array_equal(rows, candidates)
    rows, _ = index.select(p["demand"], 6, candidates=candidates, selected=[5, 6])
    assert np.isin(rows, candidates[2:]).all()
    with pytest.raises(ValueError, match=r"budget must be an int in \[1, 25\]"):
        index.select(p["demand"], 26, candidates=candidates)


def test_quotas_given_in_place_of_those_of_the_classes():
    p = problem(4)
    quotas = np.zeros(p["strata"].max() + 1, dtype=int)
    quotas[[0, -1]] = 3, 1
    index = CoverageIndex(p["features"], p["strata"])
    rows, _ = index.select(p["demand"], 4, quotas=quotas)
    np.testing.assert_array_equal(np.bincount(p["strata"][rows]), quotas)
    with pytest.raises(ValueError, match="with sum 5"):
        index.select(p["demand"], 5, quotas=quotas)


def test_large_classes_are_represented_by_random_rows():
    p = problem(5, n=400, n_classes=2)
    index = CoverageIndex(p["features"], p["strata"], max_reference=60, random_state=0)
    assert [len(r) for r in index.references] == [60, 60]
    rows, _ = index.select(p["demand"], 20)
    kernel = similarity(p["features"], p["strata"])
    full, _ = coverage(p["features"], p["demand"], 20, p["strata"])
    assert value(kernel, p["demand"], rows) > 0.9 * value(kernel, p["demand"], full)
    again = CoverageIndex(p["features"], p["strata"], max_reference=60, random_state=0)
    np.testing.assert_array_equal(again.select(p["demand"], 20)[0], rows)


def test_constant_features_and_a_class_of_one():
    strata = np.array([0, 0, 0, 1])
    rows, gains = coverage(np.ones((4, 2)), [1.0, 2.0, 3.0, 4.0], 2, strata, "equal")
    np.testing.assert_array_equal(rows, [0, 3])
    np.testing.assert_allclose(gains, [6, 4])


@pytest.mark.parametrize(
    "change, message",
    [
        ({"demand": np.full(40, -1.0)}, "demand must be at least 0; got -1.0"),
        ({"demand": np.full(40, np.nan)}, "demand must be finite"),
        ({"demand": np.ones(39)}, r"demand must have shape \(40,\); got \(39,\)"),
        ({"budget": 0}, r"budget must be an int in \[1, 40\]"),
        ({"budget": 41}, r"budget must be an int in \[1, 40\]"),
        ({"features": np.full((40, 2), np.inf)}, "features must be finite"),
        ({"features": np.ones(40)}, r"features must have shape \(N, F\)"),
        ({"proba": np.full((40, 4), np.nan)}, "proba must be finite"),
        ({"proba": np.ones((39, 4))}, r"proba must have shape \(N=40, C\)"),
        ({"strata": np.zeros(39, dtype=int)}, "strata must be non-negative integer codes"),
        ({"stratify": "even"}, "stratify must be"),
        ({"max_reference": 0}, "max_reference must be"),
    ],
)
def test_errors(change, message):
    with pytest.raises(ValueError, match=message):
        coverage(**{"budget": 5, **problem(0), **change})
