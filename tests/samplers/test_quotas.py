import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sksubsel.samplers.quotas import (
    allocate,
    as_quotas,
    head,
    make_strata,
    most_of_each,
    places,
    rows_of_each,
)


@st.composite
def problems(draw):
    counts = draw(st.lists(st.integers(0, 40), min_size=1, max_size=12))
    return counts, draw(st.integers(0, sum(counts)))


@given(problems(), st.sampled_from(["proportional", "equal"]))
def test_quotas_fit(problem, stratify):
    counts, budget = problem
    quotas = allocate(counts, budget, stratify)
    assert quotas.dtype == np.int64
    assert quotas.sum() == budget
    assert (quotas >= 0).all()
    assert (quotas <= counts).all()


@given(problems())
def test_proportional_is_within_one_of_its_share(problem):
    counts, budget = problem
    share = budget * np.array(counts) / max(sum(counts), 1)
    assert (np.abs(allocate(counts, budget) - share) < 1).all()


@given(problems())
def test_equal_gives_to_the_poorest_first(problem):
    """No group could take one more without another having at least as many: max-min fair."""
    counts, budget = problem
    quotas = allocate(counts, budget, "equal")
    not_full = quotas < counts
    if not_full.any():
        assert quotas.max() - quotas[not_full].min() <= 1


def test_a_class_smaller_than_its_quota_is_made_up_for_by_the_others():
    np.testing.assert_array_equal(allocate([3, 3, 1, 50, 0], 20, "equal"), [3, 3, 1, 13, 0])
    np.testing.assert_array_equal(allocate([2, 50, 50], 21, "equal"), [2, 10, 9])


def test_ties_go_to_the_lower_index():
    np.testing.assert_array_equal(allocate([5, 5, 5], 4), [2, 1, 1])
    np.testing.assert_array_equal(allocate([5, 5, 5], 5, "equal"), [2, 2, 1])
    # remainders of equal fractions that floating point would tell apart
    np.testing.assert_array_equal(allocate([3, 3, 3, 1], 3), [1, 1, 1, 0])


def test_everything_and_nothing():
    for stratify in ("proportional", "equal"):
        np.testing.assert_array_equal(allocate([4, 0, 7], 11, stratify), [4, 0, 7])
        np.testing.assert_array_equal(allocate([4, 0, 7], 0, stratify), [0, 0, 0])
        assert allocate(np.array([], dtype=int), 0, stratify).shape == (0,)


def test_large_counts_do_not_overflow():
    quotas = allocate([10**9, 2 * 10**9], 10**9)
    np.testing.assert_array_equal(quotas, [333_333_333, 666_666_667])


@pytest.mark.parametrize(
    "args, message",
    [
        (([3, 2], 6), r"budget must be an int in \[0, 5\]; got 6"),
        (([3, 2], -1), r"budget must be an int in \[0, 5\]; got -1"),
        (([3, -2], 1), "counts must be non-negative integers"),
        (([3.0, 2.0], 1), "counts must be non-negative integers"),
        (([3, 2], 1, "even"), "stratify must be 'proportional' or 'equal'; got 'even'"),
    ],
)
def test_allocate_errors(args, message):
    with pytest.raises(ValueError, match=message):
        allocate(*args)


def test_quotas_that_are_given():
    counts = np.array([3, 2, 4])
    quotas = as_quotas([1, 0, 4], counts, 5)
    assert quotas.dtype == np.int64 and quotas.tolist() == [1, 0, 4]
    np.testing.assert_array_equal(as_quotas(None, counts, 5, "equal"), allocate(counts, 5, "equal"))
    for wrong in ([1, 0, 3], [1, 3, 1], [-1, 2, 4]):
        with pytest.raises(ValueError, match="between 0 and the groups' counts .* with sum 5"):
            as_quotas(wrong, counts, 5)
    for wrong in ([1, 4], [1.0, 0.0, 4.0]):
        with pytest.raises(ValueError, match=r"quotas must be integers of shape \(3,\)"):
            as_quotas(wrong, counts, 5)


def test_strata_of_labels():
    strata = make_strata(np.array(["b", "a", "c", "b"]))
    assert strata.dtype == np.int64
    np.testing.assert_array_equal(strata, [1, 0, 2, 1])
    np.testing.assert_array_equal(make_strata([7, -2, 7], "classification"), [1, 0, 1])


def test_strata_of_continuous_targets_are_quantile_bins():
    y = np.random.default_rng(0).lognormal(size=1000)
    strata = make_strata(y, "regression")
    np.testing.assert_array_equal(np.bincount(strata), np.full(10, 100))
    by_value = strata[np.argsort(y)]
    assert (np.diff(by_value) >= 0).all()


@settings(max_examples=50)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.integers(1, 8))
def test_equal_targets_share_a_bin(values, n_bins):
    y = np.array(values) + 0.5
    strata = make_strata(y, "regression", n_bins)
    for value in np.unique(y):
        assert len(np.unique(strata[y == value])) == 1
    assert (np.bincount(strata) > 0).all()


def test_make_strata_errors():
    with pytest.raises(ValueError, match="y must not hold NaN"):
        make_strata([0.5, np.nan], "regression")
    with pytest.raises(ValueError, match=r"y must have shape \(N,\)"):
        make_strata([[1, 2]])
    with pytest.raises(ValueError, match="task must be"):
        make_strata([1, 2], "ranking")
    with pytest.raises(ValueError, match="n_bins must be"):
        make_strata([1.5, 2], "regression", 0)


def test_places_and_rows_of_each_group():
    groups = np.random.default_rng(0).integers(0, 5, 200)
    expected = [int((groups[:i] == group).sum()) for i, group in enumerate(groups)]
    np.testing.assert_array_equal(places(groups), expected)
    for group, rows in enumerate(rows_of_each(groups)):
        np.testing.assert_array_equal(rows, np.flatnonzero(groups == group))


def test_head_keeps_to_quotas_and_fills_up():
    groups = np.array([0, 0, 0, 1, 0, 1, 2])
    np.testing.assert_array_equal(np.sort(head(groups, np.array([2, 1, 1]), 4)), [0, 1, 3, 6])
    # the third group has one item for a quota of two: the best of the others takes its place
    np.testing.assert_array_equal(np.sort(head(groups, np.array([2, 0, 2]), 4)), [0, 1, 2, 6])


def test_most_that_smaller_budgets_ask():
    rng = np.random.default_rng(0)
    for _ in range(50):
        counts = rng.integers(0, 20, 6)
        for stratify in ("proportional", "equal"):
            budgets = range(counts.sum() + 1)
            asked = np.maximum.accumulate([allocate(counts, b, stratify) for b in budgets])
            for budget in budgets[1:]:
                assert (asked[budget] <= most_of_each(counts, budget, stratify)).all()
