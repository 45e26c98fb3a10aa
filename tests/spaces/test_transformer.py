import copy
import itertools
import pickle

import numpy as np
import pytest

from sksubsel.architectures import Architecture
from sksubsel.spaces.base import SearchSpace
from sksubsel.spaces.transformer import Transformer, transformer_graph, transformer_spec

SPACE = Transformer()
TOKENS = Transformer(vocab_size=50)
# 6 divides 12 alone, 4 both, so that pairs are missing
UNEVEN = Transformer(
    depths=(1, 3), heads=(4, 1, 6), widths=(8, 12), mlp_ratios=(2,), poolings=("mean",)
)
SMALL_SPACES = [
    UNEVEN,
    Transformer(depths=(2,), mlp_ratios=(1, 3), activations=("relu",), vocab_size=9),
]


def spec_of(**changes):
    spec = {
        "depth": 1, "width": 16, "heads": 2, "mlp_ratio": 4, "norm": "pre", "pooling": "mean",
        "activation": "gelu",
    }  # fmt: skip
    return {**spec, **changes}


def combinations(space):
    """Descriptions of all combinations of choices, in the order of the indices."""
    axes = (
        space.depths, space.widths, space.heads, space.mlp_ratios, space.norms, space.poolings,
        space.activations,
    )  # fmt: skip
    points = (dict(zip(spec_of(), values)) for values in itertools.product(*axes))
    return [spec for spec in points if spec["width"] % spec["heads"] == 0]


# ---------------------------------------------------------------- what is in the space


def test_size():
    assert len(SPACE) == len(TOKENS) == 4 * 9 * 3 * 2 * 2 * 2 == 864
    assert len(UNEVEN) == 2 * (2 + 3) * 1 * 2 * 1 * 2


@pytest.mark.parametrize("space", [SPACE, *SMALL_SPACES])
def test_the_space_is_all_combinations_in_order(space):
    archs = space[:]
    expected = combinations(space)
    assert len(set(archs)) == len(space) == len(archs) == len(expected)
    some = np.random.RandomState(0).permutation(len(space))[:60]
    assert [space.describe(space[k]) for k in some] == [expected[k] for k in some]
    assert [space.index(space[k]) for k in some] == some.tolist()
    assert len({archs[k].hash for k in some[:25]}) == min(25, len(some))
    assert [space.make(**space.describe(arch)) for arch in space[some]] == space[some]


def graph_of(rows):
    """Architecture of rows (op, attributes, feeders)."""
    ops, attributes, feeders = zip(*rows)
    edges = [(u, v) for v, sources in enumerate(feeders) for u in sources]
    return Architecture(ops, edges, attributes)


def test_graph_that_normalises_before():
    assert SPACE.make(**spec_of()) == graph_of(
        [
            ("input", {}, []),
            ("patch", {"channels": 16}, [0]),
            ("layernorm", {}, [1]),
            ("attention", {"channels": 16, "heads": 2}, [2]),
            ("add", {}, [1, 3]),
            ("layernorm", {}, [4]),
            ("linear", {"channels": 64}, [5]),
            ("gelu", {}, [6]),
            ("linear", {"channels": 16}, [7]),
            ("add", {}, [4, 8]),
            ("layernorm", {}, [9]),
            ("reduce", {"cls": 0}, [10]),
            ("linear", {}, [11]),
            ("output", {}, [12]),
        ]
    )


def test_graph_that_normalises_after():
    assert TOKENS.make(**spec_of(norm="post", pooling="cls", activation="relu")) == graph_of(
        [
            ("input", {}, []),
            ("embedding", {"channels": 16}, [0]),
            ("attention", {"channels": 16, "heads": 2}, [1]),
            ("add", {}, [1, 2]),
            ("layernorm", {}, [3]),
            ("linear", {"channels": 64}, [4]),
            ("relu", {}, [5]),
            ("linear", {"channels": 16}, [6]),
            ("add", {}, [4, 7]),
            ("layernorm", {}, [8]),
            ("reduce", {"cls": 1}, [9]),
            ("linear", {}, [10]),
            ("output", {}, [11]),
        ]
    )


def test_graphs_of_more_blocks_and_the_vocabulary():
    arch = SPACE.make(**spec_of(depth=3))
    assert arch.ops.count("attention") == 3 and arch.n_nodes == 3 * 8 + 6
    assert arch.space == SPACE.name == "transformer"
    ops = {op for arch in [*SPACE[::50], *SPACE[1::50], TOKENS[0]] for op in arch.ops}
    assert ops == set(SPACE.vocabulary)


def test_sample():
    archs = SPACE.sample(100, random_state=0)
    assert archs == SPACE.sample(100, random_state=0) != SPACE.sample(100, random_state=1)
    assert len(set(archs)) == 100
    assert all(arch in SPACE and SPACE.validate(arch) == arch for arch in archs)


# ---------------------------------------------------------------- validation


def test_any_numbering_of_the_nodes_is_accepted():
    rng = np.random.RandomState(0)
    for space in (SPACE, TOKENS):
        for arch in space.sample(5, random_state=1):
            other = arch.relabel(rng.permutation(arch.n_nodes))
            plain = Architecture(other.ops, other.edges, other.attributes)
            assert space.validate(plain) == arch
            assert space.validate(plain).space == "transformer"


def edited(arch, ops=None, edges=None, attributes=None):
    """`arch` with some nodes' ops or attributes replaced and some edges toggled."""
    new_ops, new_attributes = list(arch.ops), [dict(values) for values in arch.attributes]
    for v, op in (ops or {}).items():
        new_ops[v] = op
    for v, values in (attributes or {}).items():
        new_attributes[v] = values
    return Architecture(new_ops, set(arch.edges) ^ set(edges or ()), new_attributes)


PRE = SPACE.make(**spec_of())  # its nodes are numbered as in the test above
TWO = SPACE.make(**spec_of(depth=2))  # the second block's attention is node 11
UNLIKE = "the graph must be that of a transformer with"
INVALID = [
    (Architecture(PRE.ops, PRE.edges), "nodes of a transformer must have attributes"),
    (edited(PRE, ops={7: "tanh"}), "must be of .*got 'tanh'"),
    (edited(PRE, ops={11: "layernorm"}), "attention, one of .* linear and reduce nodes"),
    (edited(PRE, ops={1: "layernorm"}), "must have one of .* after its input"),
    (edited(PRE, attributes={3: {"channels": 16, "heads": 3}}), "got heads=3, channels=16 and 64"),
    (edited(PRE, attributes={3: {"channels": 16}}), "got heads=None"),
    (edited(PRE, attributes={6: {"channels": 72}}), "got heads=2, channels=16 and 72"),
    (edited(PRE, attributes={6: {"channels": 48}}), "mlp_ratio must be one of .*got 3"),
    (edited(PRE, attributes={8: {"channels": 32}}), UNLIKE),
    (edited(PRE, attributes={1: {"channels": 32}}), UNLIKE),
    (edited(PRE, attributes={11: {"cls": 2}}), UNLIKE),
    (edited(PRE, attributes={12: {"channels": 10}}), UNLIKE),
    (edited(PRE, edges=[(1, 4), (2, 4)]), UNLIKE),
    (edited(PRE, edges=[(1, 9)]), UNLIKE),
    (edited(TWO, attributes={11: {"channels": 16, "heads": 4}}), UNLIKE),
    (edited(TWO, ops={15: "relu"}), UNLIKE),
    (TOKENS.make(**spec_of()), "vocab_size=None must embed its input by 'patch'.*'embedding'"),
    (transformer_graph(tokens=False, **spec_of(depth=5)), "depth must be one of .*got 5"),
    (transformer_graph(tokens=False, **spec_of(width=128)), r"\(width, heads\) must be one of"),
]


@pytest.mark.parametrize("arch, message", INVALID)
def test_graphs_that_are_not_in_the_space(arch, message):
    for method in (SPACE.validate, SPACE.index, SPACE.describe, SPACE.neighbors, SPACE.mutate):
        with pytest.raises(ValueError, match=message):
            method(arch)
    with pytest.raises(ValueError, match=message):
        SPACE.build(arch, (1, 8, 8), 2)
    assert arch not in SPACE


def test_descriptions_of_graphs_outside_the_space():
    spec = spec_of(depth=5, width=30, heads=3, mlp_ratio=3)
    assert transformer_spec(transformer_graph(tokens=True, **spec)) == {"tokens": True, **spec}
    assert "text" not in SPACE
    with pytest.raises(ValueError, match="vocab_size=50 must embed.*'embedding'; got 'patch'"):
        TOKENS.validate(PRE)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"depth": 9}, r"depth must be one of \(1, 2, 3, 4\); got 9"),
        ({"heads": 3}, r"\(width, heads\) must be one of .*got \(16, 3\)"),
        ({"mlp_ratio": None}, "mlp_ratio must be one of"),
        ({"norm": "rms"}, "norm must be one of .*got 'rms'"),
        ({"pooling": "max"}, "pooling must be one of .*got 'max'"),
        ({"activation": "tanh"}, "activation must be one of .*got 'tanh'"),
    ],
)
def test_choices_that_are_not_in_the_space(changes, message):
    with pytest.raises(ValueError, match=message):
        SPACE.make(**spec_of(**changes))


@pytest.mark.parametrize(
    "params, message",
    [
        ({"depths": (0,)}, "depths must hold positive ints; got 0"),
        ({"heads": (3, 5)}, r"heads must have a number that divides one of widths=.*got \(3, 5\)"),
        ({"heads": 2}, "heads must be a sequence of choices; got 2"),
        ({"widths": ("16",)}, "widths must hold positive ints; got '16'"),
        ({"mlp_ratios": (0.5,)}, "mlp_ratios must hold positive ints; got 0.5"),
        ({"norms": ()}, "norms must be one or more distinct choices"),
        ({"poolings": ("mean", "mean")}, "poolings must be one or more distinct choices"),
        ({"activations": ("tanh",)}, "activations must hold some of .*got 'tanh'"),
    ],
)
def test_parameters_of_the_space(params, message):
    space = Transformer(**params)
    for use in (len, lambda space: space[0], lambda space: space.validate(PRE)):
        with pytest.raises(ValueError, match=message):
            use(space)


# ---------------------------------------------------------------- edits


@pytest.mark.parametrize("space", SMALL_SPACES)
def test_neighbors_differ_in_one_choice(space):
    specs = combinations(space)
    for k, spec in enumerate(specs):
        neighbors = [space.index(arch) for arch in space.neighbors(space[k])]
        differ = [sum(spec[name] != other[name] for name in spec) for other in specs]
        assert sorted(neighbors) == np.flatnonzero(np.array(differ) == 1).tolist()


def test_edits_lead_everywhere():
    found, frontier = {UNEVEN[0]}, [UNEVEN[0]]
    while frontier:
        new = set(UNEVEN.neighbors(frontier.pop())) - found
        found |= new
        frontier += new
    assert found == set(UNEVEN)


def test_mutations_are_neighbors():
    rng = np.random.RandomState(0)
    assert {SPACE.mutate(PRE, rng) for _ in range(100)} == set(SPACE.neighbors(PRE))
    assert SPACE.mutate(PRE, 5) == SPACE.mutate(PRE, 5) in SPACE


# ---------------------------------------------------------------- the object


def test_is_light_to_copy_and_pickle():
    assert isinstance(SPACE, SearchSpace)
    for twin in (pickle.loads(pickle.dumps(UNEVEN)), copy.deepcopy(UNEVEN)):
        assert repr(twin) == repr(UNEVEN) and twin[5] == UNEVEN[5]
    assert repr(TOKENS).endswith("patch_size=2, vocab_size=50, dropout=0.0)")
