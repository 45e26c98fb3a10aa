import contextlib
import enum
import functools
import io
import os
import subprocess
import sys
import threading

import joblib
import numpy as np
import pytest
import torch

from sksubsel import _digest
from sksubsel._digest import digest, digest_of

CODE = f"""
import runpy, torch
digest = runpy.run_path({_digest.__file__!r})["digest"]  # without the package, which takes long
torch.manual_seed(0)
mean = torch.arange(3.0)
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(3, 2)
    def forward(self, x):
        return self.layer(x)
print(digest(Net(), lambda x, mean=mean: x - mean, torch.zeros((), dtype=torch.bfloat16)))
"""


def test_same_in_every_process():
    other = subprocess.run(
        [sys.executable, "-c", CODE], check=True, capture_output=True, text=True
    ).stdout
    with torch.random.fork_rng(devices=[]), contextlib.redirect_stdout(io.StringIO()) as here:
        exec(CODE, {"__name__": "__main__"})
    assert other == here.getvalue()
    assert len(other.strip()) == 32


def test_tells_contents_apart():
    def scaled(factor):
        return lambda x: factor * x

    class Net(torch.nn.Linear):
        def forward(self, x):
            return super().forward(x)

    class Other(torch.nn.Linear):
        def forward(self, x):
            return super().forward(x) + 1

    torch_default = torch.zeros(2, 3)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net, other = Net(3, 2), Other(3, 2)
    other.load_state_dict(net.state_dict())
    values = [
        torch_default, torch.zeros(3, 2), torch.zeros(2, 3, dtype=torch.float64), np.zeros((2, 3)),
        scaled(2), scaled(3), scaled(torch.tensor(2)), scaled(torch.tensor(3)), lambda x: x,
        lambda x: -x, net, other, 1, "1", None, len,
    ]  # fmt: skip
    digests = [digest(value) for value in values]
    assert len(set(digests)) == len(values)
    assert digest(torch.zeros(2, 3)) == digests[0] and digest(scaled(3)) == digests[5]
    net.weight.data[0, 0] += 1
    assert digest(net) != digests[10]


def test_arrays_count_by_their_values_alone(tmp_path):
    """Not by their place in memory or in a file; plain ones as joblib has them."""
    values = np.arange(12.0).reshape(3, 1, 4)
    np.save(tmp_path / "values.npy", values)
    others = [
        np.load(tmp_path / "values.npy", mmap_mode="r"), np.arange(12.0).reshape(3, 4)[:, None],
        np.asfortranarray(values), np.repeat(values, 2, axis=2)[..., ::2],
    ]  # fmt: skip
    assert {digest_of(other) for other in others} == {digest_of(values)} == {joblib.hash(values)}
    for other in (values.reshape(3, 4), values.astype(np.float32), values + 1):
        assert digest_of(other) != digest_of(values)
    plain = {"a": [1, 2.5, "b"], "b": (values, None)}
    assert digest_of(plain) == joblib.hash(plain)


def functions(n):
    """Functions and classes by name, each of which says n in one place."""
    source = """
def comprehension(rows): return [row * N for row in rows]
def keywords(x, *, by=N): return x * by
def inner(x):
    def f(y): return y + N
    return f(x)
def members(x): return x in {"mlp", "darts", N}
class Attribute: width = N
class Static:
    @staticmethod
    def f(x): return x + N
class Property:
    @property
    def f(self): return N
class Base(BASE): pass
"""
    made: dict = {"BASE": (int, float)[n - 1], "__name__": "nowhere"}
    exec(source.replace("N", str(n)), made)
    return {
        name: value
        for name, value in made.items()
        if name not in ("BASE", "__name__", "__builtins__")
    }


def test_code_counts_down_to_the_last_constant():
    first, again, second = functions(1), functions(1), functions(2)
    for name in first:
        assert digest(first[name]) == digest(again[name]), name
        assert digest(first[name]) != digest(second[name]), name


def test_sets_in_code_have_no_order():
    code = f"""
import runpy
digest = runpy.run_path({_digest.__file__!r})["digest"]
print(digest(lambda x: x in {{"mlp", "darts", "cell", "net"}} or (x, 1) in {{("a", 1), ("b", 2)}}))
"""
    found = {
        subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in "0123"
    }  # fmt: skip
    assert len(found) == 1


def test_what_has_none():
    with open(os.devnull) as file, pytest.raises(TypeError, match="no digest can be made"):
        digest([file])


def test_classes_with_what_cannot_be_told():
    class Kind(enum.Enum):
        A = 1

    class Own(torch.autograd.Function):
        kind, lock = Kind.A, threading.Lock()
        __slots__ = ("x",)

        @functools.cached_property
        def width(self):
            return 1

        @functools.lru_cache  # noqa: B019
        def height(self):
            return 2

    Own.itself = Own
    assert len(digest(Own, Kind, Kind.A)) == 32
