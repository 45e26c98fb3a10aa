from collections import namedtuple

import numpy as np
import pytest

from sksubsel.architectures import Architecture, as_architectures
from sksubsel.spaces import DARTS, MLP, Mixed, NASBench101, NASBench201, Transformer

SPACES = [
    NASBench101(stem_channels=4, n_stacks=1, n_cells=1),
    NASBench201(stem_channels=4, n_cells=1),
    MLP(),
    Transformer(),
    DARTS(stem_channels=4, n_layers=3),
]


@pytest.fixture(scope="module")
def space():
    return Mixed(SPACES)


def test_a_sample_has_as_many_of_each_space(space):
    archs = space.sample(12, random_state=0)
    names, counts = np.unique([arch.space for arch in archs], return_counts=True)
    assert dict(zip(names, counts)) == {
        "nasbench101": 3, "nasbench201": 3, "mlp": 2, "transformer": 2, "darts": 2
    }  # fmt: skip
    assert [arch.hash for arch in archs] == [a.hash for a in space.sample(12, random_state=0)]
    assert [arch.space for arch in archs] != sorted(arch.space for arch in archs)


def test_indices_go_through_the_spaces():
    space = Mixed(SPACES[1:4])
    assert len(space) == sum(map(len, SPACES[1:4]))
    first = len(SPACES[1])
    assert space[first - 1] == SPACES[1][-1] and space[first] == SPACES[2][0]
    assert space[-1] == SPACES[3][-1]
    for k in (0, first, len(space) - 1):
        assert space.index(space[k]) == k


def test_each_architecture_is_its_own_spaces(space):
    known = {one.name: one for one in SPACES}  # with other than the default sizes
    for arch in space.sample(5, random_state=1):
        own = known.pop(arch.space)
        assert space.space_of(arch) is own
        assert space.validate(arch) == arch
        assert space.neighbors(arch) == own.neighbors(arch)
        assert space.mutate(arch, random_state=0) in own.neighbors(arch)
        nets = [one.build(arch, (1, 8, 8), 10) for one in (space, own)]
        shapes = [[p.shape for p in net.parameters()] for net in nets]
        assert shapes[0] == shapes[1] != []
        assert space.lower(arch, (1, 8, 8), 10) == Architecture.from_module(nets[0])
        assert arch in space
    assert not known


def test_errors(space):
    with pytest.raises(ValueError, match="one or more search spaces"):
        Mixed([])
    for wrong in (MLP(), [MLP(), Mixed([Transformer()])], ["MLP"], 3):
        with pytest.raises(ValueError, match="search spaces, none of them Mixed; got"):
            Mixed(wrong)
    few = Mixed([MLP(depths=[1], widths=[8]), NASBench201()])
    assert len(few.sample(2 * len(few.spaces[0]), random_state=0)) == 36
    with pytest.raises(ValueError, match="n=37 asks 19 architectures of 'mlp', which has 18"):
        few.sample(37)
    assert len(few.sample(50, random_state=0, replace=True)) == 50
    for n, error in ((-1, ValueError), (2.0, TypeError), (True, TypeError)):
        with pytest.raises(error, match="n must be"):
            few.sample(n)
    with pytest.raises(ValueError, match="different names; got \\['mlp', 'mlp'\\]"):
        Mixed([MLP(), MLP()])
    with pytest.raises(ValueError, match="space='mlp'"):
        Mixed(SPACES[:1]).validate(MLP()[0])


def test_what_spaces_write_is_an_architecture_everywhere():
    cell, pair = NASBench201()[123], DARTS()[456]
    text, genotype = NASBench201().to_string(cell), DARTS().to_genotype(pair)
    theirs = namedtuple("Genotype", "normal normal_concat reduce reduce_concat")(*genotype)
    forms = [genotype, theirs, str(genotype), f" genotypes.{genotype}"]
    found = as_architectures([text, *forms])
    assert found == [cell, pair, pair, pair, pair]
    assert [arch.space for arch in found] == ["nasbench201"] + ["darts"] * 4
    module = SPACES[0].build(SPACES[0].sample(1, random_state=0)[0], (1, 8, 8), 10)
    assert as_architectures([module])[0].hash == Architecture.from_module(module).hash
    for single in (text, genotype, module):
        with pytest.raises(TypeError, match="wrap it"):
            as_architectures(single)
    with pytest.raises(ValueError, match="archs\\[1\\]"):
        as_architectures([text, "|conv~0|"])
    with pytest.raises(TypeError, match="must be an Architecture.*genotype; got str 'conv'"):
        as_architectures(["conv"])
