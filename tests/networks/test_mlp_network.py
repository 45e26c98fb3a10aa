import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

from sksubsel.networks import count_parameters
from sksubsel.networks.mlp import HiddenLayer, MLPNetwork, build_mlp
from sksubsel.spaces.mlp import MLP, mlp_graph
from sksubsel.spaces.transformer import Transformer

SPACE = MLP()


def arch_of(*widths, activation="relu", norm="none", dropout=0.0, skip=False):
    return mlp_graph(widths=widths, activation=activation, norm=norm, dropout=dropout, skip=skip)


def randn(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


# Every op is in one of them, and skips with and without a projection.
VARIED = [
    arch_of(16),
    arch_of(64, 64, 32, activation="gelu", norm="batch", skip=True),
    arch_of(32, 16, 16, 128, activation="tanh", norm="layer", dropout=0.2, skip=True),
    arch_of(128, 32, norm="batch", dropout=0.2),
]


@pytest.mark.parametrize(
    "arch, in_shape, n_classes, n_parameters",
    [
        (arch_of(64, 32), (20,), 3, (20 * 64 + 64) + (64 * 32 + 32) + (32 * 3 + 3)),
        (arch_of(16, norm="layer"), (2, 5), 4, (10 * 16 + 16) + 2 * 16 + (16 * 4 + 4)),
        # without a bias before batch normalisation and in the projection from 16 to 32
        (
            arch_of(16, 32, 32, norm="batch", dropout=0.2, skip=True),
            (10,),
            4,
            (160 + 32) + (512 + 64 + 512) + (1024 + 64) + 132,
        ),
        # a hidden layer of 100 on Fashion-MNIST's images, as anyone can look it up
        (arch_of(100), (1, 28, 28), 10, 79_510),
    ],
)
def test_parameter_counts(arch, in_shape, n_classes, n_parameters):
    assert count_parameters(arch, in_shape, n_classes, build=build_mlp) == n_parameters


@pytest.mark.parametrize("in_shape", [(7,), (3, 4, 5), (2, 3)])
def test_every_sampled_architecture_runs(in_shape):
    for arch in [*SPACE.sample(6, random_state=0), *SPACE[:2]]:
        network = SPACE.build(arch, in_shape, 4)
        assert isinstance(network, MLPNetwork)
        out = network(randn(5, *in_shape))
        assert out.shape == (5, 4) and out.isfinite().all()
        out.square().sum().backward()
        assert all(weight.grad.abs().sum() > 0 for weight in network.parameters())
        out = network.eval()(randn(2, *in_shape))
        assert out.shape == (2, 4) and out.isfinite().all()


def test_layers_are_those_of_the_graph():
    names = {
        "linear": nn.Linear,
        "batchnorm": nn.BatchNorm1d,
        "layernorm": nn.LayerNorm,
        "relu": nn.ReLU,
        "gelu": nn.GELU,
        "tanh": nn.Tanh,
        "dropout": nn.Dropout,
    }
    for arch in SPACE.sample(20, random_state=1):
        network = SPACE.build(arch, (6,), 3)
        modules = [module for part in network.children() for module in part.modules()][2:]
        for op, kind in names.items():
            assert sum(type(module) is kind for module in modules) == arch.ops.count(op)
        channels = [v["channels"] for v in arch.attributes if "channels" in v]
        linear = [m for m in modules if isinstance(m, nn.Linear)]
        assert [m.out_features for m in linear] == [*channels, 3]
        dropouts = [m.p for m in modules if isinstance(m, nn.Dropout)]
        assert dropouts == [v["p"] for v in arch.attributes if "p" in v]


def test_a_network_computes_what_the_graph_says():
    network = build_mlp(arch_of(4, 6, 6, activation="gelu", norm="layer", skip=True), (5,), 2)
    x = randn(8, 5)
    one, two, three = network.layers
    assert isinstance(one, HiddenLayer)

    def layer(part, value):
        linear = part.body[0]
        value = F.linear(value, linear.weight, linear.bias)
        return F.gelu(F.layer_norm(value, value.shape[1:]))

    standard = (x - x.mean(0)) / (x.var(0, unbiased=False) + 1e-5).sqrt()
    first = layer(one, standard)
    second = first @ two.shortcut.weight.T + layer(two, first)
    third = second + layer(three, second)
    expected = F.linear(third, network.classifier.weight, network.classifier.bias)
    torch.testing.assert_close(network(x), expected)


def test_units_of_the_inputs_do_not_matter():
    network = build_mlp(VARIED[1], (6,), 3)
    x = randn(20, 6)
    scale = torch.tensor([1e3, 10, 1, 2, 50, 7])
    torch.testing.assert_close(network(x), network(x * scale - 4 * scale), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("arch", VARIED)
def test_networks_can_be_traced(arch):
    network = build_mlp(arch, (2, 3), 3)
    network(randn(6, 2, 3))  # running statistics other than 0 and 1
    network.eval()
    x = randn(4, 2, 3)
    traced = torch.fx.symbolic_trace(network)
    torch.testing.assert_close(traced(x), network(x), rtol=0, atol=0)
    # as many sums in the code as in the graph
    sums = [node for node in traced.graph.nodes if node.name.startswith("add")]
    assert len(sums) == arch.ops.count("add")


def test_dropout_is_on_in_training_only():
    network = build_mlp(VARIED[3], (6,), 3)
    x = randn(10, 6)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        assert not torch.equal(network(x), network(x))
    network.eval()
    assert torch.equal(network(x), network(x))


@pytest.mark.parametrize("arch", VARIED)
def test_learns_digits(arch):
    X, y = load_digits(return_X_y=True)
    X, y = torch.from_numpy(X[:200]).float(), torch.from_numpy(y[:200])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = SPACE.build(arch, (64,), 10)
        optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
        for _ in range(60):
            optimizer.zero_grad()
            F.cross_entropy(network(X), y).backward()
            optimizer.step()
    accuracy = (network.eval()(X).argmax(dim=1) == y).float().mean()
    assert accuracy > 0.5


@pytest.mark.parametrize(
    "in_shape, n_classes, message",
    [
        ((), 2, r"of at least one axis.*got in_shape=\(\)"),
        ((3, 0), 2, r"got in_shape=\(3, 0\)"),
        ((2.5,), 2, r"got in_shape=\(2.5,\)"),
        ((3,), 0, "n_classes must be a positive int; got 0"),
        ((3,), True, "n_classes must be a positive int; got True"),
    ],
)
def test_shapes_that_do_not_fit(in_shape, n_classes, message):
    with pytest.raises(ValueError, match=message):
        SPACE.build(VARIED[0], in_shape, n_classes)


def test_architectures_of_other_spaces():
    with pytest.raises(ValueError, match="ops of an MLP must be of .*got 'patch'"):
        build_mlp(Transformer()[0], (3,), 2)
    # any widths will do where no space is asked
    assert build_mlp(arch_of(7, 9), (3,), 2).classifier.in_features == 9
