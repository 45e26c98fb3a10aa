import itertools

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sksubsel.architectures import Architecture
from sksubsel.networks import count_parameters
from sksubsel.networks.nasbench201 import (
    Cell,
    NASBench201Network,
    ResidualBlock,
    build_nasbench201,
)
from sksubsel.spaces.nasbench201 import CELL_EDGES, CONVOLUTIONS, LINE_GRAPH, OPS, NASBench201

NONE, SKIP, CONV1, CONV3, POOL = OPS
SPACE = NASBench201()
SMALL = NASBench201(stem_channels=3, n_cells=1)


def cell(*ops):
    return Architecture(["input", *ops, "output"], LINE_GRAPH, space="nasbench201")


def images(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def size(space, arch, in_shape=(3, 32, 32), n_classes=10):
    return count_parameters(arch, in_shape, n_classes, build=space.build)


EXTREMES = [cell(*[op] * 6) for op in OPS]


@pytest.mark.parametrize("arch", [*EXTREMES, *SPACE.sample(8, random_state=0)])
def test_parameters_of_the_published_size(arch):
    n_ones, n_threes = arch.ops.count(CONV1), arch.ops.count(CONV3)
    expected = 73_306 + 28_000 * n_ones + 243_040 * n_threes
    assert size(SPACE, arch) == expected == SPACE.count_parameters(arch)
    if arch is EXTREMES[3]:
        network = SPACE.build(arch, (3, 32, 32), 10)
        assert sum(weight.numel() for weight in network.parameters()) == expected


@pytest.mark.parametrize(
    "width, n_cells, in_channels, n_classes", [(1, 1, 1, 1), (5, 2, 3, 7), (16, 1, 1, 100)]
)
def test_closed_form_of_the_number_of_parameters(width, n_cells, in_channels, n_classes):
    space = NASBench201(stem_channels=width, n_cells=n_cells)
    for arch in [EXTREMES[0], EXTREMES[3], *SPACE.sample(6, random_state=1)]:
        counted = space.count_parameters(arch, in_channels=in_channels, n_classes=n_classes)
        assert counted == size(space, arch, (in_channels, 8, 8), n_classes)


def test_every_sampled_cell_runs():
    for arch in [*EXTREMES, *SPACE.sample(15, random_state=0)]:
        network = SMALL.build(arch, (2, 7, 5), 4)
        assert isinstance(network, NASBench201Network)
        out = network(images(3, 2, 7, 5))
        assert out.shape == (3, 4) and out.isfinite().all()
        out = network.eval()(images(2, 2, 7, 5))
        assert out.shape == (2, 4) and out.isfinite().all()


def test_gradients_reach_all_parameters_but_those_that_lead_nowhere():
    for arch in [EXTREMES[2], EXTREMES[3], *SPACE.sample(15, random_state=2)]:
        ops = arch.ops[1:-1]
        network = SMALL.build(arch, (2, 8, 8), 4)
        network(images(3, 2, 8, 8)).square().sum().backward()
        feeds = {3}
        for (u, v), op in sorted(zip(CELL_EDGES, ops), reverse=True):
            if op != NONE and v in feeds:
                feeds.add(u)
        for cell_ in (module for module in network.modules() if isinstance(module, Cell)):
            for k, operation in cell_.operations.items():
                for weight in operation.parameters():
                    assert (weight.grad is not None) == (CELL_EDGES[int(k)][1] in feeds)
        if 0 in feeds:
            others = [w for name, w in network.named_parameters() if ".operations." not in name]
            assert all(weight.grad is not None for weight in others)
    assert network.stem[0].weight.grad.abs().sum() > 0


def test_all_parameters_of_a_full_cell_get_a_gradient():
    network = SMALL.build(cell(CONV3, CONV1, CONV1, CONV3, CONV3, CONV1), (2, 8, 8), 4)
    network(images(3, 2, 8, 8)).square().sum().backward()
    assert all(weight.grad is not None for weight in network.parameters())


def randomize(module):
    """Batch normalisations as after training, where no two are the same."""
    generator = torch.Generator().manual_seed(1)
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            for tensor in (norm.weight.data, norm.bias.data, norm.running_mean):
                tensor.normal_(generator=generator)
            norm.running_var.uniform_(0.5, 2, generator=generator)
    return module.eval()


def unit(block, value):
    """ReLU, convolution, batch normalisation, step by step."""
    relu, conv, norm = block
    assert isinstance(relu, nn.ReLU) and conv.bias is None and norm.eps == 1e-5
    side = conv.weight.shape[-1]
    value = F.conv2d(value.clamp(min=0), conv.weight, stride=conv.stride, padding=side // 2)
    value = value - norm.running_mean[:, None, None]
    value = value / (norm.running_var + 1e-5).sqrt()[:, None, None]
    return value * norm.weight[:, None, None] + norm.bias[:, None, None]


def pool(value):
    """The mean over the up to nine pixels that are in the image."""
    kernel = torch.ones(1, 1, 3, 3, dtype=value.dtype)
    flat = value.reshape(-1, 1, *value.shape[2:])
    total = F.conv2d(flat, kernel, padding=1) / F.conv2d(torch.ones_like(flat), kernel, padding=1)
    return total.reshape(value.shape)


def test_a_cell_computes_what_the_rules_say():
    x = images(2, 4, 5, 6)
    net = randomize(Cell([CONV3, POOL, CONV1, SKIP, NONE, CONV3], 4))
    one = unit(net.operations["0"], x)
    two = pool(x) + unit(net.operations["2"], one)
    torch.testing.assert_close(net(x), x + unit(net.operations["5"], two))
    assert net.operations["0"][1].weight.shape == (4, 4, 3, 3)
    assert net.operations["2"][1].weight.shape == (4, 4, 1, 1)
    assert sorted(net.operations) == ["0", "1", "2", "3", "5"]


def test_operations_on_zeros():
    x = images(2, 4, 5, 6)
    net = randomize(Cell([NONE, NONE, POOL, NONE, CONV3, CONV1], 4))
    zeros = torch.zeros_like(x)
    expected = unit(net.operations["4"], zeros) + unit(net.operations["5"], zeros)
    torch.testing.assert_close(net(x), expected)
    assert net(x).abs().max() > 0
    assert torch.equal(Cell([NONE] * 6, 4)(x), zeros)
    assert torch.equal(Cell([NONE, POOL, SKIP, NONE, POOL, NONE], 4)(x), zeros)


def test_what_leads_nowhere_is_not_computed():
    net = Cell([CONV3, CONV1, NONE, SKIP, NONE, NONE], 4)
    net(images(2, 4, 5, 5))
    assert [net.operations[k][2].num_batches_tracked.item() for k in ("0", "1")] == [0, 0]


def test_the_residual_block():
    x = images(2, 3, 6, 4)
    block = randomize(ResidualBlock(3, 6))
    means = (x[:, :, ::2] + x[:, :, 1::2])[..., ::2] + (x[:, :, ::2] + x[:, :, 1::2])[..., 1::2]
    shortcut = F.conv2d(means / 4, block.shortcut[1].weight)
    assert block.shortcut[1].weight.shape == (6, 3, 1, 1) and block.shortcut[1].bias is None
    torch.testing.assert_close(block(x), unit(block.body[1], unit(block.body[0], x)) + shortcut)
    assert block(images(2, 3, 7, 5)).shape == (2, 6, 4, 3)


def test_outline_of_the_network():
    network = SPACE.build(EXTREMES[1], (1, 28, 28), 10)
    kinds = [type(module).__name__ for module in network.cells]
    stage = ["Cell"] * 5
    assert kinds == stage + ["ResidualBlock"] + stage + ["ResidualBlock"] + stage
    assert [type(module).__name__ for module in network.stem] == ["Conv2d", "BatchNorm2d"]
    assert [type(module).__name__ for module in network.last] == ["BatchNorm2d", "ReLU"]
    assert network.stem[0].weight.shape == (16, 1, 3, 3)
    assert network.classifier.in_features == 64 and network.classifier.bias is not None
    for space, momentum in ((SPACE, 0.1), (NASBench201(bn_momentum=0.3), 0.3)):
        modules = space.build(EXTREMES[2], (1, 8, 8), 2).modules()
        norms = [module for module in modules if isinstance(module, nn.BatchNorm2d)]
        assert {norm.momentum for norm in norms} == {momentum}
        assert all(norm.affine for norm in norms)


def test_the_input_is_not_changed_in_place():
    network = SMALL.build(EXTREMES[3], (1, 4, 4), 2)
    x = images(2, 1, 4, 4)
    before = x.clone()
    network(x)
    assert torch.equal(x, before)


def test_numbering_of_nodes_makes_no_difference():
    arch = SPACE[13_579]
    shuffled = arch.relabel([5, 3, 7, 0, 1, 6, 2, 4])
    nets = [SMALL.build(given, (1, 6, 6), 3).eval() for given in (arch, shuffled)]
    nets[1].load_state_dict(nets[0].state_dict())
    x = images(2, 1, 6, 6)
    assert torch.equal(nets[0](x), nets[1](x))


# ---------------------------------------------------------------- equivalent cells


def on_paths(ops):
    """Convolutions on a path from state 0 to state 3 that passes no ``none``."""
    live = set()
    for states in ([0, 3], [0, 1, 3], [0, 2, 3], [0, 1, 2, 3]):
        path = [CELL_EDGES.index(edge) for edge in itertools.pairwise(states)]
        if all(ops[k] != NONE for k in path):
            live.update(path)
    return [k for k in sorted(live) if ops[k] in CONVOLUTIONS]


def agreeing_pairing(ops, other):
    """A pairing of two cells' convolutions with which both give the same output, or None."""
    x = images(2, 3, 6, 5).double()
    ours, theirs = on_paths(ops), on_paths(other)
    if sorted(ops[k] for k in ours) != sorted(other[k] for k in theirs):
        return None
    net = Cell(ops, 3).double().eval()
    for k in ours:  # others read zeros, where the equivalence is one of untrained networks
        randomize_block(net.operations[str(k)], seed=k)
    target = Cell(other, 3).double().eval()
    with torch.no_grad():
        expected = net(x)
        for order in itertools.permutations(ours):
            if [ops[k] for k in order] != [other[k] for k in theirs]:
                continue
            for k, m in zip(order, theirs):
                state = net.operations[str(k)].state_dict()
                target.operations[str(m)].load_state_dict(state)
            if torch.allclose(target(x), expected, rtol=1e-9, atol=1e-9):
                return dict(zip(order, theirs))
    return None


def randomize_block(block, seed):
    generator = torch.Generator().manual_seed(seed)
    _, conv, norm = block
    for tensor in (conv.weight.data, norm.weight.data, norm.bias.data, norm.running_mean):
        tensor.normal_(generator=generator)


def test_networks_of_equivalent_cells_agree_and_others_do_not():
    groups = {}
    for arch in SPACE.sample(2_500, random_state=0):
        groups.setdefault(SPACE.function_string(arch), []).append(arch.ops[1:-1])
    equivalent = [ops for name, ops in groups.items() if len(ops) > 1 and "c2" in name]
    for ops in equivalent[:30]:
        assert agreeing_pairing(ops[0], ops[-1]) is not None
    # Others, with as many convolutions of each kind, so that a pairing could exist.
    by_kinds = {}
    for name, ops in groups.items():
        kinds = name.count("1x1"), name.count("3x3")
        if 0 < sum(kinds) < 5:
            by_kinds.setdefault(kinds, []).append(ops[0])
    others = [pair for alike in by_kinds.values() for pair in itertools.pairwise(alike[:5])]
    assert len(equivalent) >= 30 and len(others) > 40
    for one, two in others:
        assert agreeing_pairing(one, two) is None


def test_whole_networks_of_equivalent_cells_agree():
    pairs = [
        # The convolution moves from edge 0-1 to 0-2; a pooled sum or a sum of pooled terms.
        ([CONV3, NONE, NONE, SKIP, POOL, NONE], [NONE, CONV3, NONE, SKIP, NONE, POOL]),
        ([CONV3, SKIP, SKIP, NONE, NONE, POOL], [CONV3, NONE, NONE, POOL, POOL, NONE]),
    ]
    for ops, other in pairs:
        first, second = cell(*ops), cell(*other)
        assert SPACE.function_string(first) == SPACE.function_string(second)
        net, target = (SMALL.build(arch, (1, 16, 16), 3) for arch in (first, second))
        places = [f"operations.{cell_ops.index(CONV3)}." for cell_ops in (ops, other)]
        state = {name.replace(*places): value for name, value in net.state_dict().items()}
        target.load_state_dict(state)
        x = images(4, 1, 16, 16)
        torch.testing.assert_close(net(x), target(x), rtol=1e-4, atol=1e-4)


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize(
    "in_shape, n_classes, params, message",
    [
        ((30,), 2, {}, r"takes images.*got in_shape=\(30,\)"),
        ((28, 28), 2, {}, r"X\[:, None\]"),
        ((0, 8, 8), 2, {}, "takes images"),
        ((1, 3, 8), 2, {}, "at least 4 pixels a side.*got in_shape=\\(1, 3, 8\\)"),
        ((1, 8, 8), 0, {}, "n_classes must be a positive int; got 0"),
        ((1, 8, 8), 2.0, {}, "n_classes must be a positive int; got 2.0"),
        ((1, 8, 8), 2, {"stem_channels": -1}, "stem_channels must be a positive int"),
        ((1, 8, 8), 2, {"n_cells": True}, "n_cells must be a positive int"),
        ((1, 8, 8), 2, {"bn_momentum": 0}, r"bn_momentum must be a float in \(0, 1\]"),
    ],
)
def test_shapes_and_parameters_that_do_not_fit(in_shape, n_classes, params, message):
    with pytest.raises(ValueError, match=message):
        build_nasbench201(EXTREMES[1], in_shape, n_classes, **params)
    with pytest.raises(ValueError, match=message):
        NASBench201(**params).build(EXTREMES[1], in_shape, n_classes)


def test_smallest_images():
    network = SPACE.build(EXTREMES[1], (1, 4, 4), 2).eval()
    assert network(torch.zeros(2, 1, 4, 4)).shape == (2, 2)


def test_a_graph_that_is_no_cell_is_refused():
    plain = Architecture(["input", "output"], [(0, 1)])
    with pytest.raises(ValueError, match="has 8 nodes"):
        SPACE.build(plain, (1, 8, 8), 2)
    with pytest.raises(ValueError, match="has 8 nodes"):
        build_nasbench201(plain, (1, 8, 8), 2)
