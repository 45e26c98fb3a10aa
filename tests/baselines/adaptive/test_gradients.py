import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from sksubsel.baselines.adaptive.gradients import GradientRecorder, LastLayerGradients, last_linear


def explicit(gradients):
    """Gradients multiplied out: (N, C * (H + 1))."""
    one = np.ones((len(gradients), 1))
    hidden = one if gradients.hidden is None else np.hstack([gradients.hidden, one])
    return np.einsum("nc,nh->nch", gradients.residual, hidden).reshape(len(gradients), -1)


@pytest.fixture(params=["last_layer", "bias"])
def gradients(request):
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(30, 5)) if request.param == "last_layer" else None
    return LastLayerGradients(rng.normal(size=(30, 4)), hidden)


def test_factors_equal_the_products(gradients):
    G = explicit(gradients)
    rows, others = np.array([4, 2, 29]), np.array([0, 4])
    np.testing.assert_allclose(gradients.gram(rows, others), G[rows] @ G[others].T)
    np.testing.assert_allclose(gradients.squared_norms(), (G**2).sum(1))
    distances = np.linalg.norm(G[rows, None] - G[others], axis=2)
    np.testing.assert_allclose(gradients.distances(rows, others), distances, atol=1e-6)
    np.testing.assert_allclose(gradients.total().ravel(), G.sum(0), atol=1e-12)
    weights = np.array([0.5, 2.0, 1.0])
    np.testing.assert_allclose(gradients.total(rows, weights).ravel(), weights @ G[rows])
    matrix = np.random.default_rng(1).normal(size=gradients.shape)
    np.testing.assert_allclose(gradients.dot(matrix), G @ matrix.ravel())
    np.testing.assert_allclose(explicit(gradients.take(rows)), G[rows])
    np.testing.assert_allclose(explicit(gradients.bias_only()), gradients.residual)


def network(*head, dropout=0.5):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Linear(3, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(dropout), nn.Linear(6, 4),
            *head,
        ).train()  # fmt: skip


LOSSES = {
    "cross-entropy": (network(), lambda out, y: F.cross_entropy(out, y, reduction="sum")),
    "smoothed": (
        network(),
        lambda out, y: F.cross_entropy(out, y, reduction="sum", label_smoothing=0.1),
    ),
    "softmax in the module": (
        network(nn.Softmax(1)),
        lambda out, y: F.nll_loss(torch.log(out), y, reduction="sum"),
    ),
    "squared error": (network(), lambda out, y: (out[:, 0] - y).square().sum()),
}


@pytest.mark.parametrize("name", LOSSES)
def test_recorder_equals_autograd_of_each_instance(name):
    module, loss = LOSSES[name]
    X = torch.randn(7, 3, generator=torch.Generator().manual_seed(0))
    y = torch.tensor([0, 1, 2, 3, 0, 1, 2])
    module[0].bias.requires_grad_(False)
    before = {k: v.clone() for k, v in module.state_dict().items()}
    with GradientRecorder(module) as recorder, torch.no_grad():
        for part in (slice(0, 4), slice(4, 7)):
            recorder.add(lambda p=part: module(X[p]), lambda out, p=part: loss(out, y[p]))
    recorded = recorder.gradients()

    assert module.training and not module[4]._forward_hooks
    assert [p.requires_grad for p in module.parameters()] == [True, False, True, True, True, True]
    assert all(p.grad is None for p in module.parameters())
    assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())

    module.eval()
    for i in range(7):
        weight, bias = torch.autograd.grad(
            loss(module(X[i : i + 1]), y[i : i + 1]), [module[4].weight, module[4].bias]
        )
        expected = torch.cat([weight, bias[:, None]], 1).flatten().numpy()
        np.testing.assert_allclose(explicit(recorded)[i], expected, atol=1e-6)
    np.testing.assert_allclose(
        recorded.logits, module[:5](X).detach().numpy(), rtol=1e-5, atol=1e-6
    )


def test_modules_that_have_no_such_gradients():
    with pytest.raises(ValueError, match=r"nn.Linear; Conv1d has none"):
        last_linear(nn.Conv1d(1, 1, 1))
    module = nn.Linear(3, 2)
    with (
        pytest.raises(ValueError, match=r"one vector for each instance.*\(5, 4, 3\)"),
        GradientRecorder(module) as recorder,
    ):
        recorder.add(lambda: module(torch.zeros(5, 4, 3)), torch.sum)
    assert module.weight.requires_grad and not module._forward_hooks  # also after an error
    shared = nn.Linear(3, 3)
    with (
        pytest.raises(ValueError, match="second time"),
        GradientRecorder(shared) as recorder,
    ):
        recorder.add(lambda: shared(shared(torch.zeros(5, 3))), torch.sum)


def test_shapes_are_checked():
    with pytest.raises(ValueError, match=r"residual must have shape.*\(3,\)"):
        LastLayerGradients(np.zeros(3))
    with pytest.raises(ValueError, match=r"hidden must have a row for each of the 3.*\(2, 5\)"):
        LastLayerGradients(np.zeros((3, 2)), np.zeros((2, 5)))
