"""What a space says of its networks is what a trace of them finds."""

import itertools

import pytest

from sksubsel.architectures import Architecture
from sksubsel.spaces import DARTS, MLP, Mixed, NASBench101, NASBench201, Transformer

IMAGE = (1, 8, 8)
SPACES = {
    "NAS-Bench-101": (NASBench101(stem_channels=8, n_stacks=1, n_cells=1), IMAGE),
    "NAS-Bench-101, repeated": (NASBench101(stem_channels=8, n_stacks=2, n_cells=2), IMAGE),
    "NAS-Bench-201": (NASBench201(stem_channels=4, n_cells=2), IMAGE),
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


def test_darts_is_traced():
    space = DARTS(stem_channels=4, n_layers=3)
    lowered = space.lower(space[12345], IMAGE, 10)
    assert {"sepconv", "concat", "add"} <= set(lowered.ops) and lowered.space == "darts"
    assert Mixed([MLP(), space]).lower(space[12345], IMAGE, 10) == lowered


def test_widths_are_in_the_graph():
    arch = NASBench101().sample(1, random_state=0)[0]
    narrow, wide = (NASBench101(stem_channels=c).lower(arch, IMAGE, 10) for c in (16, 32))
    assert narrow.ops == wide.ops and narrow.edges == wide.edges
    assert narrow.hash != wide.hash
    assert narrow.ops[-2:] == ("linear", "output") and narrow.attributes[-2]["channels"] == 10
