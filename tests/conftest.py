"""Settings that every test shares."""

import os

# Before anything imports matplotlib or numpy; also for child processes. Side by side, small
# arrays are many times faster on one thread.
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def close_figures():
    """Leave no figure of one test open for the next."""
    yield
    import sys

    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(scope="session")
def tiny():
    """Six trained cells, two unseen ones, and the parts of SubSelNet fitted on them, in seconds."""
    from types import SimpleNamespace

    from sksubsel import ArchitectureClassifier, ArchitectureEncoder, ModelApproximator, ModelZoo
    from sksubsel.datasets import load_digits_images
    from sksubsel.spaces import NASBench101

    X, y = load_digits_images(return_X_y=True)
    space = NASBench101(stem_channels=4, n_stacks=1, n_cells=1)
    cells = space.sample(8, random_state=0)
    archs, unseen = cells[:6], cells[6:]
    recipe = ArchitectureClassifier(build=space.build, max_epochs=2, batch_size=16)
    zoo = ModelZoo(recipe, random_state=0).fit(archs, X[:150], y[:150])
    encoder = ArchitectureEncoder(max_epochs=2, random_state=0).fit(archs)
    approximator = ModelApproximator(max_epochs=2, early_stopping=False, random_state=0)
    approximator.fit(encoder.transform(archs), zoo)
    return SimpleNamespace(
        X=X[:150], y=y[:150], X_test=X[150:250], y_test=y[150:250], space=space, recipe=recipe,
        archs=archs, unseen=unseen, zoo=zoo, encoder=encoder, approximator=approximator,
        seen_predictions=approximator.transform(encoder.transform(archs)),
        predictions=approximator.transform(encoder.transform(unseen)),
    )  # fmt: skip
