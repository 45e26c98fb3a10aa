import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sksubsel.architectures import Architecture
from sksubsel.networks import PROXY_PARAMS, build_network, count_parameters
from sksubsel.networks.nasbench101 import Cell, NASBench101Network, node_channels
from sksubsel.spaces import NASBench101

CONV3, CONV1, MAXPOOL = "conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3"
SPACE = NASBench101()
SMALL = NASBench101(stem_channels=6, n_stacks=2, n_cells=1)


def arch_of(ops, *edges):
    return Architecture(["input", *ops, "output"], edges, space="nasbench101")


BARE = arch_of([], (0, 1))
DIAMOND = arch_of([CONV3, CONV1], (0, 1), (0, 2), (1, 3), (2, 3))
BRANCHES = arch_of([CONV3] * 3, (0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 4))
SPLIT = arch_of([CONV3] * 3, (0, 1), (1, 2), (1, 3), (2, 4), (3, 4))
INCEPTION = arch_of(
    [CONV1, CONV3, CONV3, CONV3, MAXPOOL],
    *[(0, 1), (0, 2), (0, 3), (0, 5), (1, 6), (2, 6), (3, 4), (4, 6), (5, 6)],
)


@pytest.mark.parametrize(
    "arch, n_parameters", [(INCEPTION, 2_694_282), (BARE, 882_570)], ids=["inception", "bare"]
)
def test_published_parameter_counts(arch, n_parameters):
    assert count_parameters(arch, (3, 32, 32), 10) == n_parameters
    network = SPACE.build(arch, (3, 32, 32), 10)
    assert sum(weight.numel() for weight in network.parameters()) == n_parameters


def test_parameters_of_the_benchmarks_first_cell():
    first = SPACE[0]
    assert SPACE.module_hash(first) == "00005c142e6f48ac74fdcf73e3439874"
    assert count_parameters(first, (3, 32, 32), 10) == 8_555_530


@pytest.mark.parametrize(
    "arch, n_in, n_out, channels",
    [
        (DIAMOND, 8, 15, [8, 8, 7, 15]),
        (DIAMOND, 16, 8, [16, 4, 4, 8]),
        (BRANCHES, 8, 8, [8, 3, 3, 2, 8]),
        (BRANCHES, 8, 15, [8, 5, 5, 5, 15]),
        (SPLIT, 8, 9, [8, 5, 5, 4, 9]),
        (SPLIT, 8, 8, [8, 4, 4, 4, 8]),
        (BARE, 5, 1, [5, 1]),
    ],
)
def test_channels(arch, n_in, n_out, channels):
    assert node_channels(arch.adjacency, n_in, n_out) == channels


def test_a_branch_without_a_channel_is_refused():
    with pytest.raises(ValueError, match="stem_channels must be at least 3.*got 2"):
        build_network(BRANCHES, (1, 8, 8), 10, stem_channels=2)
    assert build_network(BRANCHES, (1, 8, 8), 10, stem_channels=3, n_cells=1)


def test_every_sampled_cell_runs():
    for arch in SPACE.sample(12, random_state=0):
        network = SMALL.build(arch, (2, 6, 5), 4)
        assert isinstance(network, NASBench101Network)
        out = network(torch.randn(3, 2, 6, 5, generator=torch.Generator().manual_seed(0)))
        assert out.shape == (3, 4) and out.isfinite().all()
        out.sum().backward()
        assert all(weight.grad is not None for weight in network.parameters())


def test_a_cell_computes_what_the_rules_say():
    # 1 feeds 2 and 3, which feed the output; 3 has one channel less, so that it truncates 1
    arch = arch_of([CONV3, CONV1, MAXPOOL], (0, 1), (0, 3), (0, 4), (1, 2), (1, 3), (2, 4), (3, 4))
    cell = Cell(arch.ops, arch.adjacency, 4, 7).eval()
    assert cell.channels == [4, 4, 4, 3, 7]
    x = torch.randn(2, 4, 5, 5, generator=torch.Generator().manual_seed(0))

    def unit(block, value, padding):
        conv, norm, _ = block
        value = F.conv2d(value, conv.weight, padding=padding)
        value = value / np.sqrt(1 + 1e-5)  # running mean 0, variance 1
        assert norm.eps == 1e-5 and conv.bias is None
        return value.clamp(min=0)

    one = unit(cell.operations[0], unit(cell.projections["1"], x, 0), 1)
    two = unit(cell.operations[1], one, 0)
    three = F.max_pool2d(one[:, :3] + unit(cell.projections["3"], x, 0), 3, 1, 1)
    expected = torch.cat([two, three], dim=1) + unit(cell.projections["4"], x, 0)
    torch.testing.assert_close(cell(x), expected)


def test_the_input_is_not_changed_in_place():
    network = SMALL.build(BARE, (1, 4, 4), 2)
    x = torch.randn(2, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    before = x.clone()
    network(x)
    assert torch.equal(x, before)


def test_outline_of_the_network():
    network = SPACE.build(INCEPTION, (1, 28, 28), 10)
    kinds = [type(module).__name__ for module in network.cells]
    assert kinds == ["Cell"] * 3 + ["MaxPool2d"] + ["Cell"] * 3 + ["MaxPool2d"] + ["Cell"] * 3
    widths = [cell.channels[-1] for cell in network.cells if isinstance(cell, Cell)]
    assert widths == [128] * 3 + [256] * 3 + [512] * 3
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert {norm.momentum for norm in norms} == {0.003} and {norm.eps for norm in norms} == {1e-5}
    proxy = build_network(INCEPTION, (1, 28, 28), 10, **PROXY_PARAMS["nasbench101"])
    norms = [module for module in proxy.modules() if isinstance(module, nn.BatchNorm2d)]
    assert {norm.momentum for norm in norms} == {0.1}


def test_odd_images_are_halved_upward():
    sizes = []
    network = SMALL.build(BARE, (1, 7, 5), 2)
    network.cells.register_forward_hook(lambda _, __, out: sizes.append(tuple(out.shape[1:])))
    network(torch.zeros(2, 1, 7, 5))
    assert sizes == [(12, 4, 3)]


def test_isomorphic_cells_are_one_network():
    # Three branches share 128 channels as 43, 43, 42: which one is narrow must not depend on order.
    ops = [CONV3, CONV1, MAXPOOL]
    edges = [(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 4)]
    counts, literal = set(), set()
    for order in ([0, 1, 2], [0, 2, 1], [2, 1, 0], [1, 2, 0]):
        arch = arch_of([ops[k] for k in order], *edges)
        counts.add(count_parameters(arch, (3, 32, 32), 10))
        network = NASBench101Network(
            arch.ops,
            arch.adjacency,
            in_channels=3,
            n_classes=10,
            stem_channels=128,
            n_stacks=3,
            n_cells=3,
        )
        literal.add(sum(weight.numel() for weight in network.parameters()))
    assert len(counts) == 1 and len(literal) > 1


def test_build_gives_the_space_parameters():
    network = SMALL.build((BARE.adjacency, BARE.ops), (3, 8, 8), 1)
    assert network.classifier.out_features == 1 and network.classifier.bias is not None
    assert network.classifier.in_features == 12
    assert network.stem[0].weight.shape == (6, 3, 3, 3)


def test_count_parameters_allocates_and_draws_nothing():
    state = torch.get_rng_state()
    assert count_parameters(INCEPTION, (3, 32, 32), 10, stem_channels=4096) > 1e9
    assert torch.equal(state, torch.get_rng_state())
    devices = []

    def build(arch, in_shape, n_classes):
        network = SMALL.build(arch, in_shape, n_classes)
        network.stem.requires_grad_(False)
        devices.append(next(network.parameters()).device.type)
        return network

    counted = count_parameters(BARE, (3, 8, 8), 10, build=build)
    stem = 6 * 3 * 9 + 2 * 6
    expected = count_parameters(
        BARE, (3, 8, 8), 10, stem_channels=6, n_stacks=2, n_cells=1, bn_momentum=0.1
    )
    assert counted == expected - stem
    assert devices == ["meta"]
    with pytest.raises(TypeError, match="build takes no network parameters"):
        count_parameters(BARE, (3, 8, 8), 10, build=build, n_cells=1)


def test_count_parameters_of_what_needs_values_to_be_built():
    def build(arch, in_shape, n_classes):
        nn.Linear(9, 9, device="cpu")
        return nn.Linear(int(torch.ones(1).item()), n_classes)

    state = torch.get_rng_state()
    assert count_parameters(BARE, (3, 8, 8), 10, build=build) == 20
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize(
    "in_shape, n_classes, params, message",
    [
        ((30,), 2, {}, r"takes images.*got in_shape=\(30,\)"),
        ((28, 28), 2, {}, r"X\[:, None\]"),
        ((0, 8, 8), 2, {}, "takes images"),
        ((1, 3, 8), 2, {}, "at least 4 pixels a side for n_stacks=3"),
        ((1, 8, 8), 0, {}, "n_classes must be a positive int; got 0"),
        ((1, 8, 8), 2.0, {}, "n_classes must be a positive int; got 2.0"),
        ((1, 8, 8), 2, {"stem_channels": -1}, "stem_channels must be a positive int"),
        ((1, 8, 8), 2, {"n_stacks": 0}, "n_stacks must be a positive int"),
        ((1, 8, 8), 2, {"n_cells": True}, "n_cells must be a positive int"),
        ((1, 8, 8), 2, {"bn_momentum": 0}, r"bn_momentum must be a float in \(0, 1\]"),
    ],
)
def test_shapes_and_parameters_that_do_not_fit(in_shape, n_classes, params, message):
    with pytest.raises(ValueError, match=message):
        build_network(BARE, in_shape, n_classes, **params)
    with pytest.raises(ValueError, match=message):
        NASBench101(**params).build(BARE, in_shape, n_classes)


def test_smallest_images():
    network = SPACE.build(BARE, (1, 4, 4), 2).eval()
    assert network(torch.zeros(1, 1, 4, 4)).shape == (1, 2)


def test_unknown_spaces_and_parameters():
    plain = Architecture(["input", "output"], [(0, 1)])
    with pytest.raises(ValueError, match="space=None.*pass build="):
        build_network(plain, (1, 8, 8), 2)
    with pytest.raises(TypeError, match="depth"):
        build_network(BARE, (1, 8, 8), 2, depth=3)
    with pytest.raises(ValueError, match="must be of"):
        build_network(arch_of(["conv5x5"], (0, 1), (1, 2)), (1, 8, 8), 2)
