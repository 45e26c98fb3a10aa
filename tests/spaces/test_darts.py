import collections
import itertools
import pickle

import numpy as np
import pytest

from sksubsel.architectures import Architecture
from sksubsel.spaces._darts_genotype import N_CELLS, OPS, cells_at, indices_of
from sksubsel.spaces.base import SearchSpace
from sksubsel.spaces.darts import DARTS, Genotype

SPACE = DARTS()
V2 = Genotype(
    normal=[
        ("sep_conv_3x3", 0),
        ("sep_conv_3x3", 1),
        ("sep_conv_3x3", 0),
        ("sep_conv_3x3", 1),
        ("sep_conv_3x3", 1),
        ("skip_connect", 0),
        ("skip_connect", 0),
        ("dil_conv_3x3", 2),
    ],
    normal_concat=[2, 3, 4, 5],
    reduce=[
        ("max_pool_3x3", 0),
        ("max_pool_3x3", 1),
        ("skip_connect", 2),
        ("max_pool_3x3", 1),
        ("max_pool_3x3", 0),
        ("skip_connect", 2),
        ("skip_connect", 2),
        ("max_pool_3x3", 1),
    ],
    reduce_concat=[2, 3, 4, 5],
)
# As a search of the authors prints it.
V2_TEXT = repr(V2._replace(normal_concat=range(2, 6), reduce_concat=range(2, 6)))


def by_source(edges):
    """A cell with the two edges of each node in ascending order of source."""
    return [e for k in range(0, 8, 2) for e in sorted(edges[k : k + 2], key=lambda edge: edge[1])]


CANONICAL_V2 = V2._replace(normal=by_source(V2.normal), reduce=by_source(V2.reduce))


def random_genotype(rng):
    """A genotype drawn by the rules, edges of a node in any order."""

    def cell():
        sources = [s for i in (2, 3, 4, 5) for s in rng.choice(i, size=2, replace=False).tolist()]
        return [(OPS[rng.randint(7)], s) for s in sources]

    return Genotype(cell(), [2, 3, 4, 5], cell(), [2, 3, 4, 5])


# ---------------------------------------------------------------- genotypes and graphs


@pytest.mark.parametrize("seed", range(5))
def test_genotypes_and_graphs_determine_each_other(seed):
    rng = np.random.RandomState(seed)
    for _ in range(40):
        genotype = random_genotype(rng)
        arch = SPACE.from_genotype(genotype)
        back = SPACE.to_genotype(arch)
        assert back.normal == by_source(genotype.normal)
        assert back.reduce == by_source(genotype.reduce)
        assert back.normal_concat == back.reduce_concat == [2, 3, 4, 5]
        assert SPACE.from_genotype(back) == arch
        renumbered = arch.relabel(rng.permutation(arch.n_nodes))
        assert SPACE.to_genotype(renumbered) == back
        assert SPACE.index(renumbered) == SPACE.index(genotype)
        assert SPACE.canonical(renumbered) == arch


def test_the_graph_is_the_one_described():
    arch = SPACE.from_genotype(V2)
    assert arch.space == "darts" and arch.n_nodes == 32 and arch.n_edges == 45
    assert set(SPACE.vocabulary) >= set(arch.ops) and len(set(SPACE.vocabulary)) == 30
    assert (np.diff(arch.edges, axis=1) > 0).all()  # numbered topologically
    named = collections.Counter((arch.ops[u], arch.ops[v]) for u, v in arch.edges)
    expected = [
        ("input", "normal_input_0"),
        ("input", "normal_input_1"),
        ("input", "reduce_input_0"),
        ("normal_concat", "reduce_input_1"),
        ("reduce_concat", "output"),
    ]
    for name in ("normal", "reduce"):
        states = ["input_0", "input_1", "add_2", "add_3", "add_4", "add_5"]
        expected += [(f"{name}_{state}", f"{name}_concat") for state in states[2:]]
        for k, (op, source) in enumerate(getattr(V2, name)):
            expected.append((f"{name}_{states[source]}", f"{name}_{op}"))
            expected.append((f"{name}_{op}", f"{name}_{states[2 + k // 2]}"))
    assert named == collections.Counter(expected)


def test_hashes_tell_genotypes_apart():
    rng = np.random.RandomState(0)
    genotypes = [random_genotype(rng) for _ in range(20)]
    # What a graph without names for cells and nodes would take for the same.
    genotypes += [Genotype(g.reduce, g[1], g.normal, g[3]) for g in genotypes[:3]]
    twins = [("skip_connect", 0), ("max_pool_3x3", 1), ("dil_conv_3x3", 0), ("dil_conv_5x5", 1)]
    for first in (twins, twins[2:] + twins[:2]):
        genotypes.append(V2._replace(normal=first + V2.normal[:4]))
    archs = [SPACE.from_genotype(g) for g in genotypes]
    assert len({arch.hash for arch in archs}) == len(archs) == len({*map(SPACE.index, archs)})
    assert archs[0].relabel(rng.permutation(32)).hash == archs[0].hash


def test_neighbors_have_other_hashes():
    archs = [SPACE.from_genotype(V2), *SPACE.neighbors(V2)[::5]]
    assert len({arch.hash for arch in archs}) == len(archs)


@pytest.mark.parametrize(
    "written",
    [
        V2,
        tuple(V2),
        repr(V2),
        V2_TEXT,
        f" genotypes.{V2_TEXT}\n",
        f"Genotype({V2.normal}, {V2[1]}, {V2.reduce}, {V2[3]})",
        V2._replace(normal_concat=(2, 3, 4, 5), reduce=tuple(map(list, V2.reduce))),
        V2._replace(normal=[(op, np.int64(source)) for op, source in V2.normal]),
    ],
)
def test_forms_of_a_genotype(written):
    assert SPACE.to_genotype(SPACE.from_genotype(written)) == CANONICAL_V2
    assert SPACE.index(written) == SPACE.index(V2)
    assert SPACE.validate(written) == SPACE.from_genotype(V2)
    assert written in SPACE


def test_printed_genotypes_are_read_again():
    genotype = SPACE.to_genotype(V2)
    assert SPACE.to_genotype(repr(genotype)) == genotype
    assert repr(genotype).startswith("Genotype(normal=[('sep_conv_3x3', 0), ")
    assert SPACE.to_genotype(pickle.loads(pickle.dumps(genotype))) == genotype


@pytest.mark.parametrize(
    "text",
    [
        "",
        "DARTS_V2",
        "Genotype(normal=[], normal_concat=[], reduce=[])",
        "Genotype(1, 2, 3, 4, 5)",
        "Genotype(1, normal=2, normal_concat=3, reduce=4, reduce_concat=5)",
        "Genotype(**{})",
        V2_TEXT.replace("Genotype", "print", 1),
        V2_TEXT.replace("range(2, 6)", "open('/dev/null')"),
        V2_TEXT.replace("('skip_connect', 0)", "__import__('os').getcwd()"),
        V2_TEXT.replace("range(2, 6)", "range()"),
        "Genotype(" + "(" * 5000 + ")" * 5000 + ")",
    ],
)
def test_other_text_is_refused(text):
    with pytest.raises(ValueError, match=r"a genotype must print as .* in Genotype\(\.\.\.\); got"):
        SPACE.from_genotype(text)
    assert text not in SPACE


def test_text_is_not_executed(monkeypatch):
    called = []
    monkeypatch.setitem(__builtins__, "no_such_function", lambda: called.append(1))
    with pytest.raises(ValueError, match="must print as"):
        SPACE.from_genotype(V2_TEXT.replace("('skip_connect', 0)", "no_such_function()"))
    assert not called


def with_edge(k, edge):
    return V2._replace(normal=[*V2.normal[:k], edge, *V2.normal[k + 1 :]])


@pytest.mark.parametrize(
    "genotype, message",
    [
        (with_edge(3, ("none", 1)), r"normal\[3\]: the operation must be one of .*; got 'none'"),
        (with_edge(3, ("skip_connect", 3)), r"normal\[3\]: .* node 3 must be in \[0, 3\); got 3"),
        (with_edge(3, ("skip_connect", -1)), r"must be in \[0, 3\); got -1"),
        (with_edge(3, ("skip_connect", True)), "source must be an int; got True"),
        (with_edge(3, ("skip_connect", 1.0)), "source must be an int; got 1.0"),
        (with_edge(3, ("skip_connect", 0)), r"node 3, normal\[2\] and normal\[3\].*got 0 twice"),
        (with_edge(3, ("skip_connect",)), r"normal\[3\] must be a pair"),
        (V2._replace(reduce=V2.reduce[:-1]), "reduce must be 8 pairs"),
        (V2._replace(normal_concat=[2, 3, 4]), r"normal_concat must be \[2, 3, 4, 5\]; got"),
        (V2._replace(reduce_concat=range(10**30)), r"reduce_concat must be .*; got range\(0, 10"),
        (V2._replace(reduce_concat=4), "reduce_concat must be .*; got 4"),
    ],
)
def test_invalid_genotypes(genotype, message):
    for written in (genotype, repr(genotype)):
        with pytest.raises(ValueError, match=message):
            SPACE.from_genotype(written)
    assert genotype not in SPACE


@pytest.mark.parametrize("genotype", [None, 3, V2[:3], {}])
def test_what_is_no_genotype(genotype):
    with pytest.raises(TypeError, match="a genotype must be a Genotype, its text or a tuple"):
        SPACE.from_genotype(genotype)


# ---------------------------------------------------------------- graphs that are none


def test_validate_keeps_the_numbering_and_names_the_space():
    arch = SPACE.from_genotype(V2)
    shuffled = arch.relabel(np.random.RandomState(0).permutation(32))
    given = Architecture(shuffled.ops, shuffled.edges)
    assert SPACE.validate(given) == shuffled and SPACE.validate(given).space == "darts"
    assert SPACE.validate(shuffled.to_matrix()) == shuffled
    assert shuffled in SPACE


def edited(changes=(), add=(), remove=()):
    """The graph of V2 with other ops and edges, nodes given by their names or numbers."""
    arch = SPACE.from_genotype(V2)
    number = {op: v for v, op in enumerate(arch.ops)}

    def pairs(edges):
        return {tuple(number.get(v, v) for v in edge) for edge in edges}

    ops = list(arch.ops)
    for v, op in dict(changes).items():
        ops[number.get(v, v)] = op
    return Architecture(ops, (set(arch.edges) | pairs(add)) - pairs(remove))


LONGER = Architecture(
    [*SPACE.from_genotype(V2).ops, "normal_skip_connect"],
    [*SPACE.from_genotype(V2).edges, (0, 32), (32, 31)],
)


@pytest.mark.parametrize(
    "arch, message",
    [
        (edited({3: "conv"}), "ops of a DARTS architecture must be of .*; got 'conv'"),
        (edited({"normal_add_3": "normal_add_2"}), "one node 'normal_add_2'; got 2"),
        (edited({"reduce_input_0": "reduce_skip_connect"}), "one node 'reduce_input_0'; got 0"),
        (edited({3: "reduce_sep_conv_3x3"}), "'normal_add_2' must sum two operations of its cell"),
        (
            edited(add=[(1, 4)], remove=[(2, 4)]),
            "'normal_add_2' must sum two .* the 2 earlier nodes .* not the same; got edges from",
        ),
        (edited(add=[(1, 4)]), "'normal_add_2' must sum two operations"),
        (edited(add=[(4, 8)]), "'normal_add_3' must sum two operations"),
        (edited(add=[("input", "output")]), "must not have an edge from 'input' to 'output'"),
        (
            edited(add=[("normal_concat", "reduce_input_0")], remove=[("input", "reduce_input_0")]),
            "lacks the edge from 'input' to 'reduce_input_0'",
        ),
        (LONGER, "has 32 nodes, 8 operations in each cell; got 33 nodes"),
        (Architecture(["input", "output"], [(0, 1)]), "one node 'normal_input_0'; got 0"),
        (Architecture(["input", "output"], [(0, 1)], [{"a": 1}, {}]), "no node attributes"),
    ],
)
def test_graphs_of_no_genotype(arch, message):
    for method in (SPACE.validate, SPACE.to_genotype, SPACE.neighbors, SPACE.mutate, SPACE.index):
        with pytest.raises(ValueError, match=message):
            method(arch)
    assert arch not in SPACE


@pytest.mark.parametrize("what", [None, 7, [1, 2, 3]])
def test_what_is_no_architecture_is_not_in_the_space(what):
    assert what not in SPACE
    with pytest.raises(TypeError, match="an architecture must be"):
        SPACE.validate(what)


# ---------------------------------------------------------------- indices


def test_size():
    wirings = 1
    for node in (2, 3, 4, 5):
        wirings *= sum(a < b for a, b in itertools.product(range(node), repeat=2))
    assert wirings == 180 and N_CELLS == 180 * 7**8 == 1_037_664_180
    assert len(SPACE) == 1_037_664_180**2 < 2**63


def test_indices_are_those_described():
    def number(edges):
        wiring, ops = 0, 0
        for node, k in zip((2, 3, 4, 5), range(0, 8, 2)):
            pairs = sorted(itertools.combinations(range(node), 2))
            wiring = wiring * len(pairs) + pairs.index((edges[k][1], edges[k + 1][1]))
        for op, _ in edges:
            ops = 7 * ops + OPS.index(op)
        return wiring * 7**8 + ops

    rng = np.random.RandomState(1)
    for _ in range(50):
        genotype = random_genotype(rng)
        index = number(by_source(genotype.normal)) * N_CELLS + number(by_source(genotype.reduce))
        assert SPACE.index(SPACE.from_genotype(genotype)) == index
        assert SPACE[index] == SPACE.from_genotype(genotype)


def test_indices_are_inverted():
    rng = np.random.RandomState(0)
    indices = np.concatenate(
        [
            [0, 1, N_CELLS - 1, N_CELLS, len(SPACE) - 1],
            np.arange(180) * 7**8 * (N_CELLS + 1),
            rng.randint(len(SPACE), size=10_000, dtype=np.int64),
        ]
    )
    cells = cells_at(indices)
    assert cells.dtype == np.int64 and cells.shape == (len(indices), 2, 8, 2)
    np.testing.assert_array_equal(indices_of(cells), indices)
    sources = cells[..., 0].reshape(-1, 2, 4, 2)
    assert (sources[..., 0] < sources[..., 1]).all()
    assert (sources[..., 1] < [2, 3, 4, 5]).all() and sources.min() == 0
    assert cells[..., 1].min() == 0 and cells[..., 1].max() == 6
    assert len({wiring.tobytes() for wiring in cells[5:185, 0, :, 0]}) == 180


def test_indexing():
    last = len(SPACE) - 1
    assert [SPACE.index(SPACE[i]) for i in (0, 5, last, -1)] == [0, 5, last, last]
    assert SPACE[-2:] == [SPACE[last - 1], SPACE[last]] and SPACE[3:3] == []
    assert SPACE[np.array([7, last], dtype=np.uint64)] == [SPACE[7], SPACE[last]]
    assert SPACE[np.uint64(7)] == SPACE[7]
    assert list(itertools.islice(SPACE, 3)) == SPACE[:3]
    assert all(type(arch) is Architecture and arch.space == "darts" for arch in SPACE[:3])


@pytest.mark.parametrize("index", [1_037_664_180**2, -(1_037_664_180**2) - 1, 2**64])
def test_index_out_of_range(index):
    with pytest.raises(IndexError, match="out of range for 1076746950455072400 architectures"):
        SPACE[index]


# ---------------------------------------------------------------- samples


def test_samples():
    archs = SPACE.sample(50, random_state=3)
    assert archs == SPACE.sample(50, random_state=3) != SPACE.sample(50, random_state=4)
    assert len(set(archs)) == 50
    assert all(SPACE.validate(arch) == arch for arch in archs)
    assert SPACE.sample(0) == [] and len(SPACE.sample(3, 0, replace=True)) == 3
    with pytest.raises(ValueError, match="without replacement; got"):
        SPACE.sample(len(SPACE) + 1)


def test_samples_are_uniform():
    drawn = []
    space = DARTS()
    space._at = lambda indices: drawn.append(indices) or []  # indices only, for speed
    space.sample(20_000, random_state=0)
    cells = cells_at(drawn[0])
    assert len(np.unique(drawn[0])) == 20_000
    for cell, k in np.ndindex(2, 8):
        counts = np.bincount(cells[:, cell, k, 1], minlength=7)
        assert abs(counts - 20_000 / 7).max() < 4.5 * np.sqrt(20_000 / 7)
    pairs = collections.Counter(map(tuple, cells[:, 0, 6:, 0].tolist()))
    assert len(pairs) == 10 and abs(np.array([*pairs.values()]) - 2000).max() < 4.5 * 2000**0.5


def test_sample_leaves_the_global_generator_alone():
    state = np.random.get_state()[1].copy()
    SPACE.mutate(SPACE.sample(1, random_state=0)[0], random_state=0)
    assert (np.random.get_state()[1] == state).all()


# ---------------------------------------------------------------- neighbours


def edits(genotype):
    """Genotypes one edit away, by the definition, as a set of hashable ones."""
    found = set()
    for name in ("normal", "reduce"):
        edges = getattr(genotype, name)
        for k, (op, source) in enumerate(edges):
            for new in itertools.product(OPS, range(2 + k // 2)):
                if (new[0] != op) + (new[1] != source) == 1 and new[1] != edges[k ^ 1][1]:
                    cell = by_source([*edges[:k], new, *edges[k + 1 :]])
                    found.add(repr(SPACE.to_genotype(genotype._replace(**{name: cell}))))
    return found


@pytest.mark.parametrize("seed", range(2))
def test_neighbors_are_all_edits(seed):
    genotype = random_genotype(np.random.RandomState(seed))
    arch = SPACE.from_genotype(genotype)
    neighbors = SPACE.neighbors(arch)
    assert len(neighbors) == len(set(neighbors)) == 120 and arch not in neighbors
    assert {repr(SPACE.to_genotype(other)) for other in neighbors} == edits(genotype)
    assert all(SPACE.validate(other) == other == SPACE.canonical(other) for other in neighbors)
    assert all(arch in SPACE.neighbors(other) for other in neighbors[::10])
    assert (np.diff([SPACE.index(other) for other in neighbors]) > 0).all()
    assert SPACE.neighbors(arch.relabel(np.arange(32)[::-1])) == neighbors


def test_mutations_are_drawn_as_from_all_neighbors():
    arch = SPACE.sample(1, random_state=0)[0]
    neighbors = SPACE.neighbors(arch)
    for seed in range(15):
        assert SPACE.mutate(arch, random_state=seed) == SearchSpace.mutate(SPACE, arch, seed)
    rng = np.random.RandomState(0)
    drawn = {SPACE.mutate(arch, random_state=rng) for _ in range(100)}
    assert drawn <= set(neighbors) and len(drawn) > 50


def test_is_light_to_copy_and_pickle():
    space = DARTS(stem_channels=4, n_layers=3, drop_path=0.1)
    copied = pickle.loads(pickle.dumps(space))
    assert (
        repr(copied)
        == ("DARTS(stem_channels=4, n_layers=3, auxiliary=False, drop_path=0.1)")
        == repr(space)
    )
    assert len(pickle.dumps(space)) < 300
