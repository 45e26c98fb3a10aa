import json
import math
from pathlib import Path

import numpy as np
import pytest

from sksubsel.architectures import Architecture
from sksubsel.persistence.architectures import pack_architectures, unpack_architectures
from sksubsel.persistence.values import Reader, Writer
from sksubsel.spaces import DARTS, MLP, NASBench101, Transformer


def round_trip(value):
    writer = Writer({})
    text = json.dumps(writer.value(value, "x"), allow_nan=False)
    tensors = {name: (tensor, Path("file")) for name, tensor in writer.tensors.items()}
    return Reader({}, tensors, Path("net.json")).value(json.loads(text))


@pytest.mark.parametrize(
    "value",
    [
        None, True, False, 0, -1, 2**63, 0.1, -0.0, 5e-324, 1.7976931348623157e308, "", "ä\0\ud800",
        [], (), {}, [1, (2, [3, (4.0, None)])], {"a": {1: (True, "b")}, -2: []},
        {"tensor": "no_such"}, {"object": 0},
    ],
)  # fmt: skip
def test_plain_values(value):
    found = round_trip(value)
    assert repr(found) == repr(value)  # types too, and the sign of zero


def test_floats_that_json_lacks():
    found = round_trip([math.inf, -math.inf, math.nan])
    assert found[:2] == [math.inf, -math.inf]
    assert math.isnan(found[2])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.int64(3), 3),
        (np.float32(0.1), float(np.float32(0.1))),
        (np.bool_(True), True),
        ({np.int64(3): 1.0, np.str_("a"): 2.0}, {3: 1.0, "a": 2.0}),
    ],
)
def test_scalars_become_pythons(value, expected):
    assert repr(round_trip(value)) == repr(expected)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3).T,
        np.arange(6, dtype=">i4"),
        np.arange(10, dtype=np.float16)[::-2],
        np.zeros((0, 3), dtype=np.float32),
        np.array(5, dtype=np.int64),
        np.array([True, False]),
        np.array([np.nan, -0.0, np.inf]),
        np.array(["b", "", "ä"]),
        np.array(["b", "a"], dtype=object),
    ],
)
def test_arrays(array):
    found = round_trip(array)
    np.testing.assert_array_equal(found, array)
    assert found.shape == array.shape
    assert found.dtype == array.dtype.newbyteorder("=")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({1, 2}, "class builtins.set"),
        (np.zeros(2, complex), "dtype complex128"),
        (np.zeros(2, "M8[s]"), "dtype datetime64"),
        (np.array([1, "a"], dtype=object), "dtype object"),
        (np.array([b"a"]), r"dtype \|S1"),
        (2**64, "at most 64 bits"),
        ({(1, 2): 3}, "keys of str or int"),
        (print, "the function builtins.print"),
        (Path, "the class pathlib"),
        (NASBench101().sample, "the function .*sample"),
    ],
)
def test_what_no_folder_holds(value, message):
    with pytest.raises(TypeError, match=f"^x(.a)? .*{message}"):
        Writer({}).value(value, "x")


def test_equal_arrays_are_written_once():
    writer = Writer({})
    first = writer.value([np.arange(3), np.arange(3), np.arange(3.0), np.arange(3)[None]], "x")
    assert first[0] == first[1]
    assert set(writer.tensors) == {"x[0]", "x[2]", "x[3]"}


def test_architectures():
    archs = [
        *NASBench101().sample(3, random_state=0),
        *MLP().sample(3, random_state=0),
        *DARTS().sample(2, random_state=0),
        *Transformer().sample(2, random_state=0),
        MLP().lower(MLP().sample(1, random_state=0)[0], (1, 8, 8), 10),
        Architecture(("in", "out"), ((0, 1),), ({"a": 1, "b": (1, None)}, {"a": True})),
        Architecture(("in", "out"), ((0, 1),), ({"a": 1.0}, {})),
        Architecture(("out", "x", "in"), ((2, 1), (1, 0), (2, 0))),
    ]
    parts = pack_architectures(archs)
    found = unpack_architectures(parts)
    assert found == archs
    assert list(map(repr, found)) == list(map(repr, archs))  # 1 is neither 1.0 nor True
    assert [arch.hash for arch in found] == [arch.hash for arch in archs]
