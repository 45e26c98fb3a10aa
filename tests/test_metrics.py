import numpy as np
import pytest

from sksubsel.metrics import (
    amortized_cost,
    gb_minutes,
    jaccard,
    kendall_tau,
    relative_accuracy_reduction,
    speedup,
)


def test_relative_accuracy_reduction():
    assert relative_accuracy_reduction(0.6, 0.8) == pytest.approx(0.25)
    assert relative_accuracy_reduction(0.9, 0.8) == pytest.approx(-0.125)
    assert type(relative_accuracy_reduction(0.6, 0.8)) is float
    values = relative_accuracy_reduction([[0.4], [0.8]], [0.8, 0.5])
    np.testing.assert_allclose(values, [[0.5, 0.2], [0.0, -0.6]])


@pytest.mark.parametrize(
    "subset, full, message",
    [
        (60.0, 0.8, r"subset_accuracy must be in \[0, 1\]; got 60.0"),  # a percentage
        (0.5, 0.0, r"full_accuracy must be in \(0, 1\]; got 0.0"),
        ([0.5, np.nan], 0.8, "subset_accuracy must be .*got nan"),
        ([], 0.8, "subset_accuracy must not be empty"),
    ],
)
def test_relative_accuracy_reduction_errors(subset, full, message):
    with pytest.raises(ValueError, match=message):
        relative_accuracy_reduction(subset, full)


def test_speedup():
    assert speedup(60.0, 4.0, 1.0) == 12.0
    assert speedup(60.0, 4.0) == 15.0
    np.testing.assert_allclose(speedup([60, 30], [4, 4], [[1], [11]]), [[12, 6], [4, 2]])
    with pytest.raises(ValueError, match=r"training_time must be in \(0, inf\); got 0.0"):
        speedup(60.0, 0.0)
    with pytest.raises(ValueError, match=r"selection_time must be in \[0, inf\); got -1.0"):
        speedup(60.0, 1.0, [0.0, -1.0])
    with pytest.raises(ValueError, match="full_time"):
        speedup(np.inf, 1.0)


def test_gb_minutes():
    assert gb_minutes([2e9, 2e9], [0.0, 90.0]) == pytest.approx(3.0)
    # up from 0 to 4 GB in a minute, flat for half a minute: 2 + 2
    assert gb_minutes([0, 4e9, 4e9], [10, 70, 100]) == pytest.approx(4.0)
    assert gb_minutes([5e9], [3.0]) == 0.0
    np.testing.assert_allclose(gb_minutes([[0, 6e9], [6e9, 6e9]], [0, 60]), [3, 6])
    with pytest.raises(ValueError, match="times must not decrease; got 1.0 after 2.0"):
        gb_minutes([1, 1, 1], [0, 2, 1])
    with pytest.raises(ValueError, match=r"got \(2,\) and \(3,\)"):
        gb_minutes([1, 1], [0, 1, 2])
    with pytest.raises(ValueError, match="memory must be"):
        gb_minutes([1, -1], [0, 1])


def test_kendall_tau():
    assert kendall_tau([0.1, 0.2, 0.3, 0.4], [1, 2, 3, 4]) == 1.0
    assert kendall_tau([0.1, 0.2, 0.3, 0.4], [4, 3, 2, 1]) == -1.0
    # pairs of 4 items: (3,4) and (1,2) in disagreement of 6 -> (4 - 2) / 6
    assert kendall_tau([1, 2, 3, 4], [2, 1, 4, 3]) == pytest.approx(1 / 3)
    # one tie in `second` of 3 pairs: 2 concordant, tau-b = 2 / sqrt(3 * 2)
    assert kendall_tau([1, 2, 3], [1, 2, 2]) == pytest.approx(2 / np.sqrt(6))
    assert np.isnan(kendall_tau([1, 2, 3], [5, 5, 5]))


def test_kendall_tau_counts_pairs():
    rng = np.random.default_rng(0)
    a, b = rng.random(12), rng.random(12)
    i, j = np.triu_indices(12, 1)
    expected = np.sign((a[i] - a[j]) * (b[i] - b[j])).mean()
    assert kendall_tau(a, b) == pytest.approx(expected)


def test_kendall_tau_errors():
    with pytest.raises(ValueError, match=r"A >= 2; got \(1,\) and \(1,\)"):
        kendall_tau([1], [1])
    with pytest.raises(ValueError, match=r"got \(2,\) and \(3,\)"):
        kendall_tau([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="second must be .*got nan"):
        kendall_tau([1, 2], [1, np.nan])


def test_jaccard():
    assert jaccard([3, 1, 2], [1, 2, 3]) == 1.0
    assert jaccard([1, 2], [3, 4, 5]) == 0.0
    assert jaccard([1, 2, 3], [3, 4]) == pytest.approx(1 / 4)


def test_jaccard_of_all_pairs():
    rng = np.random.default_rng(0)
    rows = np.stack([rng.choice(20, 6, replace=False) for _ in range(4)])
    table = jaccard(rows[:, None], rows)
    for i in range(4):
        for j in range(4):
            a, b = set(rows[i]), set(rows[j])
            assert table[i, j] == pytest.approx(len(a & b) / len(a | b))


def test_jaccard_of_top_k():
    assert jaccard([0.1, 0.9, 0.8, 0.2], [0.9, 0.8, 0.1, 0.0], k=2) == pytest.approx(1 / 3)
    assert jaccard([1, 1, 1], [3, 2, 1], k=2) == 1.0  # ties: lower index first
    with pytest.raises(ValueError, match=r"k must be an int in \[1, 3\]; got 4"):
        jaccard([1, 1, 1], [3, 2, 1], k=4)


def test_jaccard_errors():
    with pytest.raises(ValueError, match="second must not repeat an index; got 4 twice"):
        jaccard([1, 2], [4, 1, 4])
    with pytest.raises(TypeError, match="first must hold integer indices; got dtype float64"):
        jaccard([0.5, 1.0], [1, 2])
    with pytest.raises(ValueError, match="first must have shape"):
        jaccard(np.array([], int), [1])


def test_amortized_cost():
    np.testing.assert_allclose(amortized_cost(10, [2, 3, 1]), [12, 7.5, 16 / 3])
    np.testing.assert_allclose(amortized_cost([10, 0], [[2, 4], [2, 4]]), [[12, 8], [2, 3]])
    with pytest.raises(ValueError, match="setup_time"):
        amortized_cost(-1, [1])
    with pytest.raises(ValueError, match=r"times must have shape \(..., A\)"):
        amortized_cost(1, 1)
