import contextlib
import io
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from sksubsel import _digest
from sksubsel._digest import digest

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


def test_memory_maps_count_as_arrays(tmp_path):
    values = np.arange(12.0).reshape(3, 4)
    np.save(tmp_path / "values.npy", values)
    assert digest(np.load(tmp_path / "values.npy", mmap_mode="r")) == digest(values)


def test_what_has_none():
    with open(os.devnull) as file, pytest.raises(TypeError, match="no digest can be made"):
        digest([file])
