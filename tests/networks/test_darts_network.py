import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sksubsel.networks import count_parameters
from sksubsel.networks._darts_ops import (
    AuxiliaryHead,
    FactorizedReduce,
    apply_drop_path,
    operation,
)
from sksubsel.networks.darts import Cell, DARTSNetwork, build_darts
from sksubsel.spaces._darts_genotype import OPS
from sksubsel.spaces.darts import DARTS

SPACE = DARTS()
SMALL = DARTS(stem_channels=4, n_layers=3)
CONCAT = "normal_concat=range(2, 6), reduce_concat=range(2, 6))"
V2 = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), "
    "('sep_conv_3x3', 1), ('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), "
    "('dil_conv_3x3', 2)], reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), "
    "('max_pool_3x3', 1), ('max_pool_3x3', 0), ('skip_connect', 2), ('skip_connect', 2), "
    f"('max_pool_3x3', 1)], {CONCAT}"
)
# Found in the same space by others; they use the operations that V2 lacks.
PC_DARTS = (
    "Genotype(normal=[('sep_conv_3x3', 1), ('skip_connect', 0), ('sep_conv_3x3', 0), "
    "('dil_conv_3x3', 1), ('sep_conv_5x5', 0), ('sep_conv_3x3', 1), ('avg_pool_3x3', 0), "
    "('dil_conv_3x3', 1)], reduce=[('sep_conv_5x5', 1), ('max_pool_3x3', 0), ('sep_conv_5x5', 1), "
    "('sep_conv_5x5', 2), ('sep_conv_3x3', 0), ('sep_conv_3x3', 3), ('sep_conv_3x3', 1), "
    f"('sep_conv_3x3', 2)], {CONCAT}"
)
P_DARTS = (
    "Genotype(normal=[('skip_connect', 0), ('dil_conv_3x3', 1), ('skip_connect', 0), "
    "('sep_conv_3x3', 1), ('sep_conv_3x3', 1), ('sep_conv_3x3', 3), ('sep_conv_3x3', 0), "
    "('dil_conv_5x5', 4)], reduce=[('avg_pool_3x3', 0), ('sep_conv_5x5', 1), ('sep_conv_3x3', 0), "
    "('dil_conv_5x5', 2), ('max_pool_3x3', 0), ('dil_conv_3x3', 1), ('dil_conv_3x3', 1), "
    f"('dil_conv_5x5', 3)], {CONCAT}"
)
WITH_HEAD = DARTS(stem_channels=2, n_layers=3, auxiliary=True)


@pytest.fixture(autouse=True)
def seed_weights():
    torch.manual_seed(0)


def images(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def parameters(space, genotype):
    return count_parameters(space.from_genotype(genotype), (3, 32, 32), 10, build=space.build)


# ---------------------------------------------------------------- the published networks


def test_published_parameter_counts():
    assert parameters(SPACE, V2) == 3_349_342
    assert parameters(DARTS(auxiliary=True), V2) == 3_825_768


def test_parameter_counts_published_in_millions():
    assert round(parameters(SPACE, PC_DARTS) / 1e6, 1) == 3.6
    assert round(parameters(SPACE, P_DARTS) / 1e6, 2) == 3.43


def test_outline_of_the_network():
    with torch.device("meta"):
        network = SPACE.build(V2, (1, 28, 28), 10)
    assert isinstance(network, DARTSNetwork) and len(network.cells) == 20
    widths = [36] * 6 + [72] * 7 + [144] * 7
    assert [cell.out_channels for cell in network.cells] == [4 * width for width in widths]
    strides = [{m.stride for m in cell.modules() if hasattr(m, "stride")} for cell in network.cells]
    halving = [6, 7, 13, 14]  # reduction cells, and those behind them, whose first input is larger
    assert [k for k, found in enumerate(strides) if found & {2, (2, 2)}] == halving
    kinds = [type(cell.preprocess[0]) for cell in network.cells]
    assert [k for k, kind in enumerate(kinds) if kind is FactorizedReduce] == [7, 14]
    assert [type(m) for m in network.stem] == [nn.Conv2d, nn.BatchNorm2d]
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert all(norm.affine and norm.eps == 1e-5 and norm.momentum == 0.1 for norm in norms)
    convs = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert all(conv.bias is None for conv in convs) and network.classifier.bias is not None


@pytest.mark.parametrize("n_layers, reductions", [(3, [1, 2]), (4, [1, 2]), (5, [1, 3])])
def test_where_reduction_cells_are(n_layers, reductions):
    network = DARTS(stem_channels=1, n_layers=n_layers).build(V2, (1, 8, 8), 2)
    seen = []
    for cell in network.cells:
        cell.register_forward_hook(lambda _, __, out: seen.append(out.shape[-1]))
    network(images(2, 1, 8, 8))
    side, expected = 8, []
    for layer in range(n_layers):
        side //= 1 + (layer in reductions)
        expected.append(side)
    assert seen == expected


# ---------------------------------------------------------------- every architecture runs


@pytest.mark.parametrize("in_shape", [(1, 8, 8), (2, 7, 5), (3, 4, 4)])
def test_every_sampled_architecture_runs(in_shape):
    for seed, arch in enumerate(SMALL.sample(2, random_state=sum(in_shape))):
        network = SMALL.build(arch, in_shape, 4)
        out = network(images(3, *in_shape, seed=seed))
        assert out.shape == (3, 4) and out.isfinite().all()
        F.cross_entropy(out, torch.arange(3)).backward()
        assert all(weight.grad is not None for weight in network.parameters())
        reached = [bool(weight.grad.any()) for weight in network.parameters()]
        assert sum(reached) > 0.9 * len(reached)  # few are behind a ReLU that is off everywhere
        network.eval()
        x = images(2, *in_shape)
        before = x.clone()
        assert network(x).shape == (2, 4)
        torch.testing.assert_close(network(x)[:1], network(x[:1]))
        assert torch.equal(x, before)


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("stride", [1, 2])
def test_operations_halve_upward(op, stride):
    block = operation(op, 4, stride)
    for height, width in ((8, 8), (7, 5), (3, 4)):
        out = block(images(2, 4, height, width))
        assert out.shape == (2, 4, -(-height // stride), -(-width // stride))


# ---------------------------------------------------------------- what is computed


def test_convolutions_are_those_described():
    def unit(layers, x, kernel_size, stride, dilation=1):
        relu, depthwise, pointwise, norm = layers
        padding = dilation * (kernel_size - 1) // 2
        weight = depthwise.weight
        assert weight.shape == (4, 1, kernel_size, kernel_size) and isinstance(relu, nn.ReLU)
        x = F.conv2d(x.clamp(min=0), weight, None, stride, padding, dilation, groups=4)
        return norm(F.conv2d(x, pointwise.weight))

    x = images(2, 4, 9, 8)
    for op, kernel_size in (("sep_conv_3x3", 3), ("sep_conv_5x5", 5)):
        block = operation(op, 4, 2).eval()
        layers = list(block)
        assert len(layers) == 8
        expected = unit(layers[4:], unit(layers[:4], x, kernel_size, 2), kernel_size, 1)
        torch.testing.assert_close(block(x), expected)
    for op, kernel_size in (("dil_conv_3x3", 3), ("dil_conv_5x5", 5)):
        block = operation(op, 4, 2).eval()
        torch.testing.assert_close(block(x), unit(list(block), x, kernel_size, 2, dilation=2))


def test_pooling():
    x = torch.ones(1, 1, 4, 4)
    assert torch.equal(operation("avg_pool_3x3", 1, 1)(x), x)  # what pads the border counts not
    assert torch.equal(operation("max_pool_3x3", 1, 2)(-x), -torch.ones(1, 1, 2, 2))


def test_factorized_reduce_sees_every_pixel():
    block = FactorizedReduce(1, 2).eval()
    for conv in (block.even, block.odd):
        nn.init.ones_(conv.weight)
    x = torch.arange(1.0, 21).reshape(1, 1, 4, 5)
    out = block(x) * (1 + 1e-5) ** 0.5
    torch.testing.assert_close(out[0, 0], x[0, 0, ::2, ::2])
    odd = F.pad(x[0, 0, 1::2, 1::2], (0, 1))  # no column is left for the third
    torch.testing.assert_close(out[0, 1], odd)
    assert (block(-x) == 0).all()  # ReLU comes first


def test_a_cell_computes_what_the_genotype_says():
    edges = [
        ("skip_connect", 0),
        ("max_pool_3x3", 1),
        ("avg_pool_3x3", 2),
        ("skip_connect", 1),
        ("skip_connect", 0),
        ("skip_connect", 3),
        ("max_pool_3x3", 2),
        ("skip_connect", 4),
    ]
    cell = Cell(edges, 3, 5, 2, reduction=False, reduced=False).eval()
    before, last = images(2, 3, 6, 6), images(2, 5, 6, 6, seed=1)
    s0, s1 = (
        F.conv2d(x.clamp(min=0), block[1].weight) / (1 + 1e-5) ** 0.5
        for x, block in zip((before, last), cell.preprocess)
    )
    s2 = s0 + F.max_pool2d(s1, 3, 1, 1)
    s3 = F.avg_pool2d(s2, 3, 1, 1, count_include_pad=False) + s1
    s4 = s0 + s3
    s5 = F.max_pool2d(s2, 3, 1, 1) + s4
    torch.testing.assert_close(cell(before, last), torch.cat([s2, s3, s4, s5], dim=1))


def test_order_of_a_nodes_edges_does_not_matter():
    genotype = SPACE.to_genotype(V2)
    swapped = [edge for k in range(0, 8, 2) for edge in genotype.normal[k : k + 2][::-1]]
    networks = []
    for written in (genotype, genotype._replace(normal=swapped)):
        torch.manual_seed(0)
        networks.append(SMALL.build(written, (1, 8, 8), 3).eval())
    x = images(2, 1, 8, 8)
    assert torch.equal(networks[0](x), networks[1](x))


# ---------------------------------------------------------------- drop-path


def test_drop_path_keeps_the_mean_and_drops_whole_instances():
    torch.manual_seed(0)
    out = apply_drop_path(torch.ones(4000, 2, 3, 3), 0.3)
    values = out[:, :1, :1, :1]
    assert torch.equal(out, values.expand_as(out))
    assert values.unique().tolist() == pytest.approx([0, 1 / 0.7])
    assert abs(out.mean() - 1) < 4 * (0.3 / 0.7 / 4000) ** 0.5


def test_drop_path_is_for_training_and_can_be_scheduled():
    network = DARTS(stem_channels=4, n_layers=3, drop_path=0.5).build(V2, (1, 8, 8), 3)
    plain = copy.deepcopy(network)
    plain.drop_path = 0.0
    x = images(4, 1, 8, 8)
    torch.manual_seed(0)
    first = network(x)
    torch.manual_seed(0)
    again = network(x)
    assert torch.equal(first, again) and not torch.allclose(first, network(x))
    assert torch.equal(plain(x), plain(x))
    # Batch normalisation has learned other statistics meanwhile.
    plain.load_state_dict(network.state_dict())
    assert torch.equal(network.eval()(x), plain.eval()(x))
    assert network.drop_path == 0.5 and copy.deepcopy(network).drop_path == 0.5
    for bad in (1, -0.1, "0", True, None, float("nan")):
        with pytest.raises(ValueError, match=r"drop_path must be a float in \[0, 1\); got"):
            network.drop_path = bad
    assert network.drop_path == 0.5


def test_skipping_is_never_dropped():
    edges = [("skip_connect", 0), ("skip_connect", 1)] * 4
    cell = Cell(edges, 2, 2, 2, reduction=False, reduced=False)
    x = images(3, 2, 4, 4)
    assert torch.equal(cell(x, x, 0.9), cell(x, x, 0.0))
    reduction = Cell(edges, 2, 2, 2, reduction=True, reduced=False)  # these skips have weights
    assert not torch.equal(reduction(x, x, 0.9), reduction(x, x, 0.0))


# ---------------------------------------------------------------- the auxiliary head


@pytest.mark.parametrize("side", [29, 32, 48])
def test_auxiliary_logits_in_training_only(side):
    network = WITH_HEAD.build(V2, (3, side, side), 5)
    x = images(2, 3, side, side)
    logits, auxiliary = network(x)
    assert logits.shape == auxiliary.shape == (2, 5)
    (F.cross_entropy(logits, torch.arange(2)) + 0.4 * auxiliary.square().sum()).backward()
    assert all(weight.grad is not None for weight in network.parameters())
    out = network.eval()(x)
    assert isinstance(out, torch.Tensor) and out.shape == (2, 5)


def test_the_head_follows_the_second_reduction():
    network = DARTS(stem_channels=2, n_layers=5, auxiliary=True).build(V2, (3, 32, 32), 5)
    outputs, taken = [], []
    for cell in network.cells:
        cell.register_forward_hook(lambda _, __, out: outputs.append(out))
    network.auxiliary.register_forward_hook(lambda _, given, __: taken.append(given[0]))
    network(images(2, 3, 32, 32))
    assert isinstance(network.auxiliary, AuxiliaryHead)
    assert len(taken) == 1 and taken[0] is outputs[3] and taken[0].shape == (2, 32, 8, 8)


def test_images_too_small_for_the_head():
    message = r"at least 29 pixels a side for auxiliary=True.*got in_shape=\(3, 28, 32\)"
    with pytest.raises(ValueError, match=message):
        WITH_HEAD.build(V2, (3, 28, 32), 5)
    assert DARTS(stem_channels=2, n_layers=3).build(V2, (3, 28, 32), 5)


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize(
    "in_shape, n_classes, params, message",
    [
        ((30,), 2, {}, r"takes images.*got in_shape=\(30,\)"),
        ((28, 28), 2, {}, r"X\[:, None\]"),
        ((0, 8, 8), 2, {}, "takes images"),
        ((1, 3, 8), 2, {}, r"at least 4 pixels a side.*got in_shape=\(1, 3, 8\)"),
        ((1, 8, 8), 0, {}, "n_classes must be a positive int; got 0"),
        ((1, 8, 8), 2.0, {}, "n_classes must be a positive int; got 2.0"),
        ((1, 8, 8), 2, {"stem_channels": -1}, "stem_channels must be a positive int; got -1"),
        ((1, 8, 8), 2, {"n_layers": 2}, "n_layers must be an int of at least 3; got 2"),
        ((1, 8, 8), 2, {"n_layers": True}, "n_layers must be an int of at least 3; got True"),
        ((1, 8, 8), 2, {"auxiliary": 1}, "auxiliary must be True or False; got 1"),
        ((1, 8, 8), 2, {"drop_path": 1.0}, r"drop_path must be a float in \[0, 1\); got 1.0"),
    ],
)
def test_shapes_and_parameters_that_do_not_fit(in_shape, n_classes, params, message):
    with pytest.raises(ValueError, match=message):
        build_darts(SPACE.from_genotype(V2), in_shape, n_classes, **params)
    with pytest.raises(ValueError, match=message):
        DARTS(**params).build(V2, in_shape, n_classes)


def test_architectures_of_other_spaces():
    with pytest.raises(ValueError, match="must be of"):
        SMALL.build(([[0, 1, 0], [0, 0, 1], [0, 0, 0]], ["input", "conv", "output"]), (1, 8, 8), 2)


def test_build_passes_the_parameters_of_the_space():
    network = DARTS(stem_channels=5, n_layers=4, drop_path=0.25).build(V2, (2, 8, 8), 1)
    assert network.stem[0].weight.shape == (15, 2, 3, 3) and len(network.cells) == 4
    assert network.classifier.weight.shape == (1, 80) and network.drop_path == 0.25
    assert network.auxiliary is None
