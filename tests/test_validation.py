import numpy as np
import pytest
import torch

from sksubsel._validation import (
    check_budget,
    check_device,
    check_finite,
    check_instances,
    label_codes,
)


@pytest.mark.parametrize(
    ("budget", "expected"), [(1, 1), (10, 10), (0.5, 5), (1.0, 10), (0.01, 1), (np.int32(3), 3)]
)
def test_budget(budget, expected):
    assert check_budget(budget, 10) == expected


@pytest.mark.parametrize("budget", [0, -1, 1.5, 11, 0.0, -0.1, float("nan")])
def test_budget_out_of_range(budget):
    with pytest.raises(
        ValueError, match=r"budget must be an int in \[1, n_samples=10\] or a float"
    ):
        check_budget(budget, 10)


@pytest.mark.parametrize("budget", ["10", None, True, [3]])
def test_budget_of_another_type(budget):
    with pytest.raises(TypeError, match="budget must be"):
        check_budget(budget, 10)


def test_finite_names_the_row():
    X = np.zeros((10_000, 3), dtype=np.float32)
    check_finite(X, "X")
    X[5_000, 1] = np.inf
    with pytest.raises(ValueError, match=r"X must be finite; got inf in row 5000"):
        check_finite(X, "X")


def test_finite_values_whose_sum_overflows():
    check_finite(np.full(10, 1e308), "X")


def test_device():
    assert check_device("cpu") == "cpu"
    with pytest.raises(ValueError, match="device must be a torch device"):
        check_device("gpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_where_there_is_none():
    for device in ("meta", "fpga", "hpu"):
        with pytest.raises(ValueError, match=f"device='{device}' was asked for, but torch cannot"):
            check_device(device)
    with pytest.raises(ValueError, match="torch sees no CUDA device"):
        check_device("cuda")


def test_instances_encode_labels():
    _, y, task, classes = check_instances(np.zeros((4, 2)), ["b", "a", "b", "a"])
    assert task == "classification" and classes.tolist() == ["a", "b"]
    np.testing.assert_array_equal(y, [1, 0, 1, 0])


def test_instances_continuous():
    _, y, task, classes = check_instances(np.zeros((3, 2)), [0.1, 0.2, 0.7])
    assert task == "regression" and classes is None and y.dtype == np.float32


@pytest.mark.parametrize(
    "y", [[3, 1, 3, 1], [True, False, True, False], [0.5, 1.5, 2.5, 0.5], [1.0, 2.0, 2.0, 1.0]]
)
def test_numbers_as_objects_are_numbers(y):
    _, expected, task, classes = check_instances(np.zeros((4, 2)), y)
    _, found, found_task, found_classes = check_instances(np.zeros((4, 2)), np.array(y, object))
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype and found_task == task
    if classes is not None:
        np.testing.assert_array_equal(found_classes, classes)
        assert found_classes.dtype == classes.dtype


@pytest.mark.parametrize("kind", [np.asarray, lambda labels: np.array(labels, dtype=object)])
def test_label_codes(kind):
    codes, strange = label_codes(kind([5, 2, 7, 2]), np.array([2, 5]))
    assert codes[[0, 1, 3]].tolist() == [1, 0, 0] and strange.tolist() == [7]
    codes, strange = label_codes(kind([5, 2, 2]), kind(["a", "b"]))
    assert len(codes) == 3 and strange.tolist() == [2, 5]
    codes, strange = label_codes(kind(["b", "a"]), np.array([2, 5]))
    assert len(codes) == 2 and strange.tolist() == ["a", "b"]


def test_instances_not_copied():
    X = np.zeros((4, 1, 2, 2), dtype=np.uint8)
    assert check_instances(X, [0, 1, 0, 1])[0] is X


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (np.zeros((3, 2)), [0, 1], "same number of instances"),
        (np.zeros(3), [0, 1, 0], "X must have shape"),
        (np.zeros((3, 2)), [0, 0, 1], "at least 2 instances; class .*1.* has 1"),
        (np.zeros((3, 2)), [1, 1, 1], "at least two classes"),
        (np.array([[np.nan], [0.0]]), [0, 1], "X must be finite; got nan in row 0"),
        (np.zeros((2, 1)), [0.5, np.nan], "y must be finite"),
        (np.zeros((2, 1)), np.array([1, np.inf], object), "y must be finite; got inf in row 1"),
        (np.array([["a"], ["b"]]), [0, 1], "X must be numeric"),
        (np.zeros((0, 2)), [], "X must not be empty"),
    ],
)
def test_bad_instances(X, y, message):
    with pytest.raises(ValueError, match=message):
        check_instances(X, y)
