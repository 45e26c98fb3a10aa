"""What the validators of arguments promise, on whatever hypothesis finds."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sksubsel._validation import (
    check_budget,
    check_device,
    check_finite,
    check_images,
    check_instances,
    check_positive,
    check_X,
    is_count,
)

LAW = settings(max_examples=30, deadline=None)
N_SAMPLES = st.integers(1, 10**9)
FRACTIONS = st.floats(0, 1, exclude_min=True)
NUMERIC = st.one_of(
    hnp.floating_dtypes(sizes=(16, 32, 64)),
    hnp.integer_dtypes(),
    hnp.unsigned_integer_dtypes(),
    hnp.boolean_dtypes(),
)
TABLES = hnp.array_shapes(min_dims=2, max_dims=4, min_side=1, max_side=5)
NOT_FINITE = st.sampled_from([np.nan, np.inf, -np.inf])
ANYTHING = st.one_of(
    st.none(), st.booleans(), st.text(), st.complex_numbers(), st.lists(st.integers()),
    st.floats(), st.integers(),
)  # fmt: skip


@LAW
@given(N_SAMPLES, st.data())
def test_a_count_is_itself(n_samples, data):
    budget = data.draw(st.integers(1, n_samples))
    for given_as in (budget, np.int64(budget)):
        found = check_budget(given_as, n_samples)
        assert type(found) is int
        assert found == budget


@LAW
@given(N_SAMPLES, FRACTIONS, FRACTIONS)
def test_fractions(n_samples, first, second):
    less, more = sorted([first, second])
    counts = [check_budget(budget, n_samples) for budget in (less, more, np.float64(more))]
    assert 1 <= counts[0] <= counts[1] == counts[2] <= n_samples
    assert counts[0] == 1 or abs(counts[0] - less * n_samples) <= 0.5 + 1e-6
    assert check_budget(1.0, n_samples) == n_samples


@LAW
@given(ANYTHING, N_SAMPLES)
def test_any_other_budget(budget, n_samples):
    """Refused by an error that gives the rule and, in the end, what was given."""
    is_number = isinstance(budget, (int, float)) and not isinstance(budget, bool)
    if is_number:
        least, most = (1, n_samples) if isinstance(budget, int) else (5e-324, 1.0)
        assume(not least <= budget <= most)
    with pytest.raises(ValueError if is_number else TypeError) as caught:
        check_budget(budget, n_samples)
    assert str(caught.value).startswith("budget must be an int in [1, n_samples=")
    assert str(caught.value).endswith(f"got {budget!r}")


@LAW
@given(hnp.arrays(hnp.floating_dtypes(sizes=(16, 32, 64)), TABLES), st.data())
def test_the_first_bad_row_is_named(X, data):
    X = np.nan_to_num(X)
    check_finite(X, "X")  # also where the sum overflows
    assume(X.size)
    places = data.draw(st.lists(st.integers(0, X.size - 1), min_size=1, max_size=3))
    X.reshape(-1)[places] = data.draw(NOT_FINITE)
    row = min(places) // (X.size // len(X))
    with pytest.raises(ValueError, match=rf"^X must be finite; got .* in row {row} \(of {len(X)}"):
        check_finite(X, "X")


@LAW
@given(hnp.arrays(NUMERIC, TABLES, elements={"allow_nan": False, "allow_infinity": False}))
def test_numbers_are_taken_as_they_are(X):
    assert check_X(X) is X
    found = check_X(X.tolist(), "Z")  # whatever becomes an array
    assert found.shape == X.shape


@LAW
@given(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3))
def test_shapes(shape):
    """At least two axes and one number."""
    X = np.zeros(shape)
    if len(shape) > 1 and X.size:
        check_X(X)
    else:
        with pytest.raises(ValueError, match="must have shape|must not be empty"):
            check_X(X)


LABELS = st.one_of(
    st.sampled_from([[-3, 7, 10**12], ["a", "b", "ü"], [True, False], [0.0, 1.0, 5.0]]),
    st.lists(st.integers(-(2**40), 2**40), min_size=2, max_size=4, unique=True),
)


@LAW
@given(LABELS, st.data())
def test_codes_stand_for_the_labels(labels, data):
    drawn = data.draw(st.lists(st.sampled_from(labels), max_size=10))
    y = np.array([*labels, *labels, *drawn])  # two of each
    y = y[data.draw(st.permutations(range(len(y))))]
    X = np.zeros((len(y), 1))
    found, codes, task, classes = check_instances(X, y.tolist())
    assert found is X
    assert task == "classification"
    assert codes.dtype == np.int64
    np.testing.assert_array_equal(classes[codes], y)
    assert classes.tolist() == sorted(set(y.tolist()))
    np.testing.assert_array_equal(check_instances(X, y[:, None])[1], codes)


@LAW
@given(
    hnp.arrays(np.float64, st.integers(2, 20), elements=st.floats(-1e6, 1e6)),
    st.floats(0.01, 0.99),
)
def test_targets(y, fraction):
    y[0] = np.floor(y[0]) + fraction  # one that is not whole makes all of them continuous
    assume(y[0] != np.floor(y[0]))
    _, targets, task, classes = check_instances(np.zeros((len(y), 1)), y)
    assert (task, classes) == ("regression", None)
    assert targets.dtype == np.float32
    np.testing.assert_allclose(targets, y, rtol=1e-6, atol=1e-30)
    y[-1] = 1e39
    with pytest.raises(ValueError, match=r"y must be finite as float32; got .* in row"):
        check_instances(np.zeros((len(y), 1)), y)


@LAW
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 5))
def test_lengths_and_rare_classes(n_rows, n_labels, n_rare):
    X, y = np.zeros((n_rows, 2)), np.arange(n_labels) % 2
    if n_rows != n_labels:
        with pytest.raises(ValueError, match="same number of instances"):
            check_instances(X, y)
    y = np.array([0] * 5 + [1] * n_rare)
    if n_rare > 1:
        check_instances(np.zeros((len(y), 2)), y)
    else:
        with pytest.raises(ValueError, match="at least two classes|at least 2 instances; class 1"):
            check_instances(np.zeros((len(y), 2)), y)
    if n_rare == 1:
        assert check_instances(np.zeros((6, 2)), y, min_class_count=1)[1].tolist() == y.tolist()


@LAW
@given(ANYTHING)
def test_counts(value):
    count = type(value) is int and value > 0
    assert is_count(value) == count
    if count:
        check_positive(other=1, size=value)
    else:
        with pytest.raises(ValueError, match="^size must be a positive int; got "):
            check_positive(other=1, size=value)


@LAW
@given(st.lists(st.integers(-1, 9), max_size=5), st.integers(1, 8))
def test_images(in_shape, least):
    if len(in_shape) == 3 and min(in_shape) > 0 and min(in_shape[1:]) >= least:
        assert check_images(in_shape, "an own", least, "") == tuple(in_shape)
    else:
        with pytest.raises(ValueError, match=r"in_shape=\("):
            check_images(in_shape, "an own", least, "")


@LAW
@given(st.one_of(st.text(), st.none(), st.floats(), st.lists(st.text())))
def test_devices(device):
    """An error that gives what was given; never another error."""
    assume(not str(device).startswith(("cpu", "cuda", "mps", "meta")))
    with pytest.raises(ValueError) as caught:
        check_device(device)
    assert str(caught.value).startswith("device must be a torch device")
    assert str(caught.value).endswith(f"got {device!r}")
