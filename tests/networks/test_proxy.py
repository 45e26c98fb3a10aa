import numpy as np
import pytest
import torch
from torch import nn

from sksubsel import ArchitectureClassifier
from sksubsel.datasets import load_digits_images
from sksubsel.networks.proxy import build_proxy

SHAPES = [(1,), (7,), (5, 3), (1, 1, 1), (3, 2, 5), (1, 8, 8), (3, 33, 47), (3, 224, 224)]


@pytest.mark.parametrize("in_shape", SHAPES, ids=str)
def test_any_shape_of_instance(in_shape):
    module = build_proxy(None, in_shape, 4)
    assert module(torch.randn(2, *in_shape)).shape == (2, 4)
    assert isinstance(list(module.modules())[-1], nn.Linear)
    assert module(torch.ones(2, *in_shape)).isfinite().all()  # nothing varies


def test_units_do_not_matter():
    torch.manual_seed(0)
    X = torch.randn(50, 6)
    module = build_proxy(None, (6,), 3)
    torch.testing.assert_close(module(X), module(1000 * X + 5), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("flat", [False, True])
def test_learns(flat):
    X, y = load_digits_images(return_X_y=True)
    X = X.reshape(len(X), -1) if flat else X
    model = ArchitectureClassifier(build=build_proxy, max_epochs=5, random_state=0)
    score = model.fit(X[:400], y[:400]).score(X[400:800], y[400:800])
    assert score > 0.8
    assert np.isfinite(model.predict_proba(X[:5])).all()
