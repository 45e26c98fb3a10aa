"""What a space says of its networks is what a trace of them finds."""

import itertools
import subprocess
import sys

import pytest

from sksubsel.architectures import Architecture
from sksubsel.spaces import DARTS, MLP, Mixed, NASBench101, NASBench201, Transformer
from sksubsel.spaces._darts_genotype import OPS
from sksubsel.spaces.darts import Genotype

IMAGE = (1, 8, 8)
SPACES = {
    "NAS-Bench-101": (NASBench101(stem_channels=8, n_stacks=1, n_cells=1), IMAGE),
    "NAS-Bench-101, repeated": (NASBench101(stem_channels=8, n_stacks=2, n_cells=2), IMAGE),
    "NAS-Bench-201": (NASBench201(stem_channels=4, n_cells=2), IMAGE),
    "DARTS": (DARTS(stem_channels=4, n_layers=3), IMAGE),
    "MLP": (MLP(), (5,)),
    "Transformer of images": (Transformer(dropout=0.1), IMAGE),
    "Transformer of vectors": (Transformer(), (6, 3)),
    "Transformer of tokens": (Transformer(vocab_size=7), (6,)),
}


@pytest.mark.parametrize("name", SPACES)
def test_the_lowered_graph_is_what_a_trace_finds(name):
    space, in_shape = SPACES[name]
    for arch in space.sample(15, random_state=0):
        traced = Architecture.from_module(space.build(arch, in_shape, 10))
        lowered = space.lower(arch, in_shape, 10)
        assert lowered.hash == traced.hash
        assert lowered.space == space.name


def test_special_cells():
    bare = NASBench101().validate(([[0, 1], [0, 0]], ["input", "output"]))
    for space, arch in (
        (NASBench101(stem_channels=4, n_stacks=1, n_cells=1), bare),
        *((NASBench201(stem_channels=4, n_cells=1), NASBench201()[k]) for k in (0, 3, 650, 15624)),
    ):
        traced = Architecture.from_module(space.build(arch, IMAGE, 10))
        assert space.lower(arch, IMAGE, 10).hash == traced.hash


def test_cells_that_add_a_value_to_itself():
    space = NASBench201(stem_channels=4, n_cells=1)
    pairs = ("none", "skip_connect"), ("skip_connect", "avg_pool_3x3")
    for ops in itertools.chain.from_iterable(itertools.product(pair, repeat=6) for pair in pairs):
        arch = space.from_string("|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|".format(*ops))
        traced = Architecture.from_module(space.build(arch, IMAGE, 10))
        assert space.lower(arch, IMAGE, 10).hash == traced.hash


def darts_genotypes():
    """One operation everywhere, from inputs alone or in a chain; and all of them in one cell."""
    concat = [2, 3, 4, 5]
    sources = {"inputs": [0, 1] * 4, "chain": [0, 1, 0, 2, 2, 3, 3, 4]}
    cells = {(op, how): [(op, u) for u in sources[how]] for op in OPS for how in sources}
    mixed = [(op, u) for op, u in zip((*OPS, "skip_connect"), sources["chain"])]
    for key, cell in cells.items():
        yield "-".join(key), Genotype(cell, concat, cell, concat)
    skips = cells["skip_connect", "inputs"]
    yield "mixed, skips", Genotype(mixed, concat, skips, concat)
    yield "skips, mixed", Genotype(skips, concat, mixed, concat)


@pytest.mark.parametrize("genotype", dict(darts_genotypes()).values(), ids=dict(darts_genotypes()))
def test_special_genotypes(genotype):
    space = DARTS(stem_channels=2, n_layers=3)
    traced = Architecture.from_module(space.build(genotype, IMAGE, 10))
    assert space.lower(genotype, IMAGE, 10) == traced


@pytest.mark.parametrize(
    "params, in_shape, n_classes",
    [
        ({"stem_channels": 1, "n_layers": 4}, (3, 9, 7), 2),  # depthwise convolutions of 1 channel
        ({"stem_channels": 3, "n_layers": 5}, (1, 4, 4), 1),
        ({"stem_channels": 2, "n_layers": 8}, (2, 12, 10), 7),
        ({"stem_channels": 2, "n_layers": 3, "drop_path": 0.3}, (3, 8, 8), 10),
        ({"stem_channels": 2, "n_layers": 3, "auxiliary": True}, (3, 32, 32), 10),
        ({"stem_channels": 2, "n_layers": 6, "auxiliary": True, "drop_path": 0.1}, (1, 29, 30), 3),
    ],
)
def test_darts_networks_of_other_sizes(params, in_shape, n_classes):
    space = DARTS(**params)
    arch = space.sample(1, random_state=n_classes)[0]
    lowered = space.lower(arch, in_shape, n_classes)
    network = space.build(arch, in_shape, n_classes)
    for mode in (True, False):  # neither the head nor what drops paths is seen
        assert lowered.hash == Architecture.from_module(network.train(mode)).hash


def test_reduction_cells_of_a_lowered_genotype():
    skips = [("skip_connect", 0), ("skip_connect", 1)] * 4
    genotype = Genotype(skips, [2, 3, 4, 5], skips, [2, 3, 4, 5])
    lowered = DARTS(stem_channels=2, n_layers=4).lower(genotype, IMAGE, 10)
    halving = [
        attributes["channels"]
        for op, attributes in zip(lowered.ops, lowered.attributes)
        if op == "conv" and attributes["stride"] == 2
    ]
    # Two convolutions for each of eight skips in both reduction cells, each of half a width of 4
    # and of 8, and for the first input of the two cells behind a reduction.
    assert sorted(halving) == [2] * 16 + [4] * 20 and lowered.ops.count("concat") == 4 + 18


def test_a_mixed_space_lowers_as_its_parts():
    space = DARTS(stem_channels=4, n_layers=3)
    mixed = Mixed([MLP(), space])
    assert mixed.lower(space[12345], IMAGE, 10) == space.lower(space[12345], IMAGE, 10)


@pytest.mark.parametrize(
    "params, in_shape, n_classes, message",
    [
        ({}, (8, 8), 10, r"takes images.*got in_shape=\(8, 8\)"),
        ({}, (1, 3, 8), 10, "at least 4 pixels a side"),
        ({}, IMAGE, 0, "n_classes must be a positive int; got 0"),
        ({"n_layers": 2}, IMAGE, 10, "n_layers must be an int of at least 3; got 2"),
        ({"auxiliary": True}, IMAGE, 10, "at least 29 pixels a side"),
        ({"drop_path": 1.0}, IMAGE, 10, r"drop_path must be a float in \[0, 1\); got 1.0"),
    ],
)
def test_darts_networks_that_cannot_be_are_not_lowered(params, in_shape, n_classes, message):
    space = DARTS(**params)
    for method in (space.lower, space.build):
        with pytest.raises(ValueError, match=message):
            method(space[0], in_shape, n_classes)


def test_transformers_are_lowered_to_graphs_of_their_own():
    space = Transformer(depths=(1, 2))
    lowered = [space.lower(arch, IMAGE, 10) for arch in space]
    assert len({arch.hash for arch in lowered}) == len(space) == 432
    heads = {
        dict(attributes)["heads"]
        for arch in lowered
        for op, attributes in zip(arch.ops, arch.attributes)
        if op == "attention"
    }
    assert heads == {1, 2, 4}


def test_lowering_needs_no_torch():
    code = """
import sys
from sksubsel.spaces import DARTS, MLP, NASBench101, NASBench201, Transformer
for space in (DARTS(), MLP(), NASBench101(), NASBench201(), Transformer()):
    space.lower(space.sample(1, random_state=0)[0], (1, 8, 8), 10)
assert not {"torch", "dgl"} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_widths_are_in_the_graph():
    arch = NASBench101().sample(1, random_state=0)[0]
    narrow, wide = (NASBench101(stem_channels=c).lower(arch, IMAGE, 10) for c in (16, 32))
    assert narrow.ops == wide.ops and narrow.edges == wide.edges
    assert narrow.hash != wide.hash
    assert narrow.ops[-2:] == ("linear", "output") and narrow.attributes[-2]["channels"] == 10


@pytest.mark.parametrize(
    "space, in_shape, n_classes, message",
    [
        (NASBench101(n_stacks=3), (1, 3, 8), 10, "at least 4 pixels a side for n_stacks=3"),
        (NASBench101(n_cells=0), IMAGE, 10, "n_cells must be a positive int; got 0"),
        (NASBench201(), (64,), 10, "takes images"),
        (NASBench201(), IMAGE, 2.0, "n_classes must be a positive int; got 2.0"),
        (MLP(), (), 10, "at least one axis"),
        (MLP(), (8,), 0, "n_classes must be a positive int; got 0"),
        (Transformer(), (1, 9, 8), 10, "patch_size must divide"),
        (Transformer(), (8,), 10, "takes images, .* sequences of vectors"),
        (Transformer(vocab_size=5), (4, 3), 10, "sequences of ints"),
    ],
)
def test_what_no_network_is_built_for_is_not_lowered(space, in_shape, n_classes, message):
    arch = space.sample(1, random_state=0)[0]
    for method in (space.build, space.lower):
        with pytest.raises(ValueError, match=message):
            method(arch, in_shape, n_classes)
