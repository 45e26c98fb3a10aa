import copy
import itertools
import pickle

import numpy as np
import pytest

from sksubsel.architectures import Architecture
from sksubsel.spaces import NASBench101
from sksubsel.spaces.base import SearchSpace
from sksubsel.spaces.mlp import MLP, mlp_graph, mlp_spec

SPACE = MLP()
SMALL = MLP(
    depths=(1, 2, 3), widths=(4, 8), activations=("relu", "tanh"), norms=("none", "layer"),
    dropouts=(0.0, 0.2),
)  # fmt: skip


def spec_of(*widths, activation="relu", norm="none", dropout=0.0, skip=False):
    return {
        "widths": widths, "activation": activation, "norm": norm, "dropout": dropout, "skip": skip
    }  # fmt: skip


def combinations(space):
    """Descriptions of all combinations of choices, those with a skip around nothing too."""
    others = (space.activations, space.norms, space.dropouts, space.skips)
    return [
        {"widths": widths, "activation": a, "norm": n, "dropout": p, "skip": s}
        for depth in space.depths
        for widths in itertools.product(space.widths, repeat=depth)
        for a, n, p, s in itertools.product(*others)
    ]


# ---------------------------------------------------------------- what is in the space


def test_size():
    assert len(SPACE) == 3 * 3 * 2 * (5 + 2 * (25 + 125 + 625)) == 27_990
    assert len(MLP(depths=(2,), widths=(3,), norms=("none",))) == 3 * 2 * 2


@pytest.mark.parametrize("skips", [(False, True), (True, False), (True,), (False,)])
def test_the_space_is_all_combinations_without_duplicates(skips):
    space = MLP(
        depths=(1, 2), widths=(4, 8, 16), norms=("none", "batch"), dropouts=(0.2,), skips=skips
    )
    graphs = {mlp_graph(**spec) for spec in combinations(space)}
    archs = list(space)
    assert len(archs) == len(space) == len(graphs) and set(archs) == graphs
    assert len({arch.hash for arch in archs}) == len(space)
    assert [space.index(arch) for arch in archs] == list(range(len(space)))
    assert space[::7] == archs[::7] and space[-1] == archs[-1] and space[[5, 3]] == archs[5:2:-2]


def test_indices_of_the_whole_space_are_inverted():
    rows = np.random.RandomState(0).choice(len(SPACE), 200, replace=False)
    assert [SPACE.index(arch) for arch in SPACE[rows]] == rows.tolist()
    assert SPACE.describe(SPACE[0]) == spec_of(16)
    assert SPACE.describe(SPACE[89]) == spec_of(256, activation="tanh", norm="layer", dropout=0.2)
    assert SPACE.describe(SPACE[90]) == spec_of(16, 16)
    assert SPACE.describe(SPACE[91]) == spec_of(16, 16, skip=True)
    assert SPACE.describe(SPACE[-1]) == spec_of(
        *[256] * 4, activation="tanh", norm="layer", dropout=0.2, skip=True
    )


def test_order_of_depths_does_not_matter():
    twin = MLP(depths=[3, 1, 2], widths=(4, 8), activations=("relu", "tanh"),
               norms=("none", "layer"), dropouts=(0.0, 0.2))  # fmt: skip
    assert list(twin) == list(SMALL)


def test_graph():
    spec = spec_of(4, 8, 8, activation="gelu", norm="batch", dropout=0.2, skip=True)
    arch = MLP(widths=(4, 8)).make(**spec)
    expected = [
        ("input", {}, []),
        ("linear", {"channels": 4}, [0]),
        ("batchnorm", {}, [1]),
        ("gelu", {}, [2]),
        ("dropout", {"p": 0.2}, [3]),
        ("linear", {"channels": 8}, [4]),
        ("batchnorm", {}, [5]),
        ("gelu", {}, [6]),
        ("dropout", {"p": 0.2}, [7]),
        ("linear", {"channels": 8}, [4]),  # the projection
        ("add", {}, [8, 9]),
        ("linear", {"channels": 8}, [10]),
        ("batchnorm", {}, [11]),
        ("gelu", {}, [12]),
        ("dropout", {"p": 0.2}, [13]),
        ("add", {}, [10, 14]),
        ("linear", {}, [15]),
        ("output", {}, [16]),
    ]
    assert list(arch.ops) == [op for op, _, _ in expected]
    assert [dict(values) for values in arch.attributes] == [values for _, values, _ in expected]
    assert set(arch.edges) == {(u, v) for v, row in enumerate(expected) for u in row[2]}
    assert arch.space == SPACE.name == "mlp"
    ops = {op for arch in SPACE.sample(100, random_state=0) for op in arch.ops}
    assert ops == set(SPACE.vocabulary)


def test_make_and_describe_are_inverse():
    for spec in combinations(SMALL):
        if len(spec["widths"]) > 1 or not spec["skip"]:
            arch = SMALL.make(**spec)
            assert SMALL.describe(arch) == spec == mlp_spec(arch)
            assert SMALL[SMALL.index(arch)] == arch


def test_values_become_the_spaces_own():
    arch = SPACE.make(**spec_of(np.int64(16), 32.0, dropout=0, skip=np.True_))
    assert repr(SPACE.describe(arch)) == repr(spec_of(16, 32, skip=True))
    assert arch == SPACE.make(**{**spec_of(skip=True), "widths": np.array([16, 32])})


# ---------------------------------------------------------------- samples


def test_sample():
    archs = SPACE.sample(200, random_state=0)
    assert archs == SPACE.sample(200, random_state=0) != SPACE.sample(200, random_state=1)
    assert len(set(archs)) == 200
    assert all(arch in SPACE and SPACE.validate(arch) == arch for arch in archs)


def test_sample_is_uniform_over_architectures():
    space = MLP(depths=(1, 2), widths=(4, 8, 16), skips=(False,))  # 54 and 162
    depths = [len(space.describe(arch)["widths"]) for arch in space.sample(800, 0, replace=True)]
    share = np.mean(np.array(depths) == 1)
    assert abs(share - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 800)


# ---------------------------------------------------------------- validation


def test_any_numbering_of_the_nodes_is_accepted():
    rng = np.random.RandomState(0)
    for arch in SPACE.sample(15, random_state=1):
        other = arch.relabel(rng.permutation(arch.n_nodes))
        plain = Architecture(other.ops, other.edges, other.attributes)
        assert SPACE.validate(plain) == arch and SPACE.validate(plain).space == "mlp"
        assert SPACE.index(other) == SPACE.index(arch)


def edited(arch, ops=None, edges=None, attributes=None):
    """`arch` with some nodes' ops or attributes replaced and some edges toggled."""
    new_ops, new_attributes = list(arch.ops), [dict(values) for values in arch.attributes]
    for v, op in (ops or {}).items():
        new_ops[v] = op
    for v, values in (attributes or {}).items():
        new_attributes[v] = values
    return Architecture(new_ops, set(arch.edges) ^ set(edges or ()), new_attributes)


PLAIN = SPACE.make(**spec_of(16, 32, norm="layer"))
# 0 input, 1-3 layer, 4-6 layer, 7 head, 8 output
SKIP = SPACE.make(**spec_of(16, 16, dropout=0.2, skip=True))
# 0 input, 1 linear, 2 relu, 3 dropout, 4 linear, 5 relu, 6 dropout, 7 add, 8 head, 9 output
INVALID = [
    (Architecture(PLAIN.ops, PLAIN.edges), "nodes of an MLP must have attributes"),
    (edited(PLAIN, ops={2: "groupnorm"}), "must be of .*got 'groupnorm'"),
    (edited(PLAIN, attributes={1: {"channels": 17}}), r"widths\[0\] must be one of .*got 17"),
    (edited(PLAIN, attributes={4: {}}), "positive int as its 'channels'"),
    (edited(PLAIN, attributes={4: {"channels": -8}}), "positive int as its 'channels'"),
    (edited(PLAIN, attributes={7: {"channels": 10}}), "the graph must be that of an MLP with"),
    (edited(PLAIN, ops={6: "tanh"}), "the graph must be that of an MLP with"),
    (edited(PLAIN, ops={5: "batchnorm"}), "the graph must be that of an MLP with"),
    (edited(PLAIN, edges=[(3, 7)]), "the graph must be that of an MLP with"),
    (edited(SKIP, attributes={6: {"p": 0.5}}), "the graph must be that of an MLP with"),
    (edited(SKIP, attributes={3: {"p": 0.5}, 6: {"p": 0.5}}), "dropout must be one of .*got 0.5"),
    (edited(SKIP, attributes={3: {"p": 1.5}}), r"dropout nodes must have a float in \(0, 1\)"),
    (edited(SKIP, edges=[(3, 7), (2, 7)]), "the graph must be that of an MLP with"),
    (Architecture(["input", "linear", "output"], [(0, 1), (1, 2)], [{}] * 3), "hidden layers"),
    (NASBench101().validate(([[0, 1], [0, 0]], ["input", "output"])), "must have attributes"),
    (mlp_graph(**spec_of(*[16] * 5)), r"length in \[1, 2, 3, 4\]"),
]


@pytest.mark.parametrize("arch, message", INVALID)
def test_graphs_that_are_not_in_the_space(arch, message):
    for method in (SPACE.validate, SPACE.index, SPACE.describe, SPACE.neighbors, SPACE.mutate):
        with pytest.raises(ValueError, match=message):
            method(arch)
    with pytest.raises(ValueError, match=message):
        SPACE.build(arch, (8,), 2)
    assert arch not in SPACE


@pytest.mark.parametrize("what", [None, 3, "text", object()])
def test_what_is_no_architecture(what):
    assert what not in SPACE
    with pytest.raises(TypeError, match="an architecture must be"):
        SPACE.validate(what)


@pytest.mark.parametrize(
    "spec, message",
    [
        (spec_of(16, skip=True), "skip must be False for one hidden layer"),
        (spec_of(16, 24), r"widths\[1\] must be one of \(16, 32, 64, 128, 256\); got 24"),
        (spec_of(), r"widths must have a length in \[1, 2, 3, 4\]"),
        (spec_of(16, activation="swish"), "activation must be one of .*got 'swish'"),
        (spec_of(16, norm=None), "norm must be one of .*got None"),
        (spec_of(16, dropout=0.1), r"dropout must be one of \(0.0, 0.2\); got 0.1"),
        (spec_of(16, 16, skip="yes"), "skip must be one of .*got 'yes'"),
        ({**spec_of(), "widths": 16}, "widths must be a sequence of int; got 16"),
    ],
)
def test_choices_that_are_not_in_the_space(spec, message):
    with pytest.raises(ValueError, match=message):
        SPACE.make(**spec)


@pytest.mark.parametrize(
    "params, message",
    [
        ({"depths": (0, 1)}, "depths must hold positive ints; got 0"),
        ({"depths": 3}, "depths must be a sequence of choices; got 3"),
        ({"widths": ()}, "widths must be one or more distinct choices"),
        ({"widths": (16, 16)}, "widths must be one or more distinct choices"),
        ({"widths": (16.0,)}, "widths must hold positive ints; got 16.0"),
        ({"widths": (True,)}, "widths must hold positive ints; got True"),
        ({"activations": "relu"}, "activations must be a sequence of choices; got 'relu'"),
        ({"activations": ("relu", "swish")}, "activations must hold some of .*got 'swish'"),
        ({"norms": (None,)}, "norms must hold some of .*got None"),
        ({"dropouts": (0.0, 1.0)}, r"dropouts must hold floats in \[0, 1\); got 1.0"),
        ({"skips": (0.5,)}, r"skips must hold some of \(False, True\); got 0.5"),
        ({"depths": (40,)}, "at most 9223372036854775807 architectures"),
    ],
)
def test_parameters_of_the_space(params, message):
    space = MLP(**params)
    for use in (len, lambda space: space[0], lambda space: space.validate(PLAIN)):
        with pytest.raises(ValueError, match=message):
            use(space)


# ---------------------------------------------------------------- edits


def is_edit(a, b):
    """Whether two descriptions differ by one edit, by the rule as it is told."""
    if len(a["widths"]) > len(b["widths"]):
        a, b = b, a
    differ = [name for name in a if name != "widths" and a[name] != b[name]]
    n_more = len(b["widths"]) - len(a["widths"])
    if n_more == 0:
        return len(differ) + sum(x != y for x, y in zip(a["widths"], b["widths"])) == 1
    if len(a["widths"]) == 1:
        differ = [name for name in differ if name != "skip"]
    return n_more == 1 and a["widths"] == b["widths"][:-1] and not differ


def test_neighbors_are_those_one_edit_away():
    specs = [SMALL.describe(arch) for arch in SMALL]
    for k in np.random.RandomState(0).choice(len(SMALL), 40, replace=False):
        neighbors = SMALL.neighbors(SMALL[k])
        assert len(set(neighbors)) == len(neighbors)
        expected = {i for i, spec in enumerate(specs) if is_edit(specs[k], spec)}
        assert {SMALL.index(arch) for arch in neighbors} == expected


def reached(space):
    """All architectures to which edits lead from the first, and all pairs of neighbours."""
    pairs, found, frontier = set(), {space[0]}, [space[0]]
    while frontier:
        arch = frontier.pop()
        for other in space.neighbors(arch):
            pairs.add((arch, other))
            if other not in found:
                found.add(other)
                frontier.append(other)
    return found, pairs


@pytest.mark.parametrize("skips", [(False, True), (True,)])
@pytest.mark.parametrize("depths", [(1, 2), (1, 3), (2, 4)])
def test_edits_lead_everywhere_and_back(depths, skips):
    space = MLP(depths=depths, widths=(4, 8), activations=("relu",), norms=("none",), skips=skips)
    found, pairs = reached(space)
    assert found == set(space)
    assert all((b, a) in pairs and a != b for a, b in pairs)


def test_mutations_are_neighbors():
    arch = SPACE.sample(1, random_state=3)[0]
    rng = np.random.RandomState(0)
    assert {SPACE.mutate(arch, rng) for _ in range(60)} <= set(SPACE.neighbors(arch))
    assert SPACE.mutate(arch, 5) == SPACE.mutate(arch, 5) in SPACE


# ---------------------------------------------------------------- the object


def test_is_light_to_copy_and_pickle():
    assert isinstance(SPACE, SearchSpace)
    for twin in (pickle.loads(pickle.dumps(SMALL)), copy.deepcopy(SMALL)):
        assert repr(twin) == repr(SMALL) and twin[5] == SMALL[5]
    assert repr(MLP(depths=(1,), widths=(4,))) == (
        "MLP(depths=(1,), widths=(4,), activations=('relu', 'gelu', 'tanh'), "
        "norms=('none', 'batch', 'layer'), dropouts=(0.0, 0.2), skips=(False, True))"
    )
