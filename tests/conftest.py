"""Settings that every test shares."""

import os

os.environ.setdefault("MPLBACKEND", "Agg")  # before anything imports matplotlib; also for children

import pytest
import torch

torch.set_num_threads(1)  # side by side, small tensors are faster on one


@pytest.fixture(autouse=True)
def close_figures():
    """Leave no figure of one test open for the next."""
    yield
    import sys

    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
