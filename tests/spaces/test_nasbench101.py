import copy
import hashlib
import itertools
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sksubsel.spaces
from sksubsel.architectures import Architecture, graph_hash
from sksubsel.spaces import NASBench101, SearchSpace
from sksubsel.spaces._md5 import md5, to_hex
from sksubsel.spaces._nasbench101_order import benchmark_order, module_hashes
from sksubsel.spaces._nasbench101_pool import Pool, pool
from sksubsel.spaces.nasbench101 import INNER_OPS

CONV3, CONV1, MAXPOOL = INNER_OPS
SPACE = NASBench101()
BARE = ([[0, 1], [0, 0]], ["input", "output"])
# The example of the benchmark's own documentation.
INCEPTION = (
    [
        [0, 1, 1, 1, 0, 1, 0],
        [0, 0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 1, 0, 0],
        [0, 0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 0, 0],
    ],
    ["input", CONV1, CONV3, CONV3, CONV3, MAXPOOL, "output"],
)


def cells(n_nodes):
    """All pairs of (matrix, ops) that are valid cells, isomorphic ones included."""
    pairs = [(u, v) for v in range(n_nodes) for u in range(v)]
    for bits in range(2 ** len(pairs)):
        matrix = np.zeros((n_nodes, n_nodes), dtype=int)
        for k, pair in enumerate(pairs):
            matrix[pair] = bits >> k & 1
        if matrix[:-1].any(axis=1).all() and matrix[:, 1:].any(axis=0).all() and matrix.sum() <= 9:
            for inner in itertools.product(INNER_OPS, repeat=n_nodes - 2):
                yield matrix, ("input", *inner, "output")


# ---------------------------------------------------------------- the pool


def test_pool_has_the_published_size():
    assert len(SPACE) == 423_624
    assert np.bincount(pool().n_nodes).tolist() == [0, 0, 1, 6, 84, 2_441, 62_010, 359_082]


def test_pool_is_compact_and_ordered():
    cells = pool()
    assert sum(array.nbytes for array in cells) < 3e6
    assert (np.diff(cells.keys().astype(np.int64)) > 0).all()
    with pytest.raises(ValueError, match="read-only"):
        cells.edges[0] = 1
    assert pool() is cells


@pytest.mark.parametrize("n_nodes", [2, 3, 4, 5])
def test_pool_holds_the_first_of_each_isomorphism_class(n_nodes):
    first = {}
    for matrix, ops in cells(n_nodes):
        labels = [-1, *map(INNER_OPS.index, ops[1:-1]), -2]
        first.setdefault(graph_hash(matrix, labels), (matrix.tolist(), ops))
    stored = SPACE._draw(np.flatnonzero(pool().n_nodes == n_nodes))
    assert [(arch.adjacency.tolist(), arch.ops) for arch in stored] == list(first.values())


def test_enumeration_and_order_take_little_memory():
    part = "order.pool = lambda: Pool(*(array[-{} * order.CHUNK:] for array in pool()))"
    imports, enumeration, one, three = peak_megabytes(
        "pass",
        "len(space); space.sample(1000, random_state=0)",
        f"{part.format(1)}; order.benchmark_order()",
        f"order.benchmark_order.cache_clear(); {part.format(3)}; order.benchmark_order()",
    )
    assert enumeration < imports + 50
    assert three < imports + 150
    assert three < one + 10  # so that all cells need hardly more


def peak_megabytes(*statements):
    """Peak memory of a fresh process, without torch, after each of some statements."""
    if not Path("/proc/self/status").exists():
        pytest.skip("no /proc to read the peak memory from")
    folder = Path(sksubsel.spaces.__file__).parents[1]
    code = f"""
import sys, types
from pathlib import Path
package = types.ModuleType("sksubsel")
package.__path__ = [{str(folder)!r}]
sys.modules["sksubsel"] = package
from sksubsel.spaces import NASBench101
from sksubsel.spaces import _nasbench101_order as order
from sksubsel.spaces._nasbench101_pool import Pool, pool
space = NASBench101()
for statement in {statements}:
    exec(statement)
    status = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    print(int(status["VmHWM"].split()[0]) / 1024)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, timeout=300, text=True
    )
    return map(float, done.stdout.split())


# ---------------------------------------------------------------- the benchmark's order


@pytest.mark.parametrize("length", [0, 1, 55, 56, 63, 64, 66, 119, 120, 226, 252])
def test_md5_is_that_of_hashlib(length):
    messages = np.random.RandomState(0).randint(256, size=(3, length)).astype(np.uint8)
    digests = md5(messages)
    expected = [hashlib.md5(bytes(message)).hexdigest() for message in messages]
    assert [bytes(digest).hex() for digest in digests] == expected
    assert [bytes(digits).decode() for digits in to_hex(digests)] == expected


def test_module_hashes_are_the_rule_applied_cell_by_cell():
    rows = np.r_[:20, np.random.RandomState(0).choice(len(SPACE), 150, replace=False)]
    hashes = module_hashes(Pool(*(array[rows] for array in pool())))
    expected = [SPACE.module_hash(arch) for arch in SPACE._draw(rows)]
    assert [bytes(digest).hex() for digest in hashes] == expected


def test_first_cell_of_the_benchmark():
    first = SPACE[0]
    assert SPACE.module_hash(first) == "00005c142e6f48ac74fdcf73e3439874"
    assert first.n_nodes == 7 and first.space == "nasbench101"


def test_indices_ascend_by_hash_and_are_inverted():
    order = benchmark_order()
    assert np.array_equal(np.sort(order), np.arange(len(SPACE)))
    indices = np.sort(np.random.RandomState(1).choice(len(SPACE), 100, replace=False))
    archs = SPACE[indices]
    hashes = [SPACE.module_hash(arch) for arch in archs]
    assert hashes == sorted(set(hashes))
    assert [SPACE.index(arch) for arch in archs] == indices.tolist()
    # neighbours in the order are the hardest to get right
    hashes = [SPACE.module_hash(arch) for arch in SPACE[200_000:200_050]]
    assert hashes == sorted(set(hashes))


def test_index_of_an_isomorphic_cell():
    matrix, ops = np.array(INCEPTION[0]), np.array(INCEPTION[1])
    swapped = [0, 5, 2, 3, 4, 1, 6]
    other = (matrix[np.ix_(swapped, swapped)], list(ops[swapped]))
    assert SPACE.index(INCEPTION) == SPACE.index(other)
    assert SPACE.module_hash(SPACE[SPACE.index(INCEPTION)]) == SPACE.module_hash(INCEPTION)
    assert SPACE.canonical(other) == SPACE[SPACE.index(INCEPTION)]


def test_indexing():
    n = len(SPACE)
    assert SPACE[-1] == SPACE[n - 1] == SPACE[np.int64(n - 1)]
    assert SPACE[10:13] == SPACE[[10, 11, 12]] == list(itertools.islice(SPACE, 10, 13))
    assert SPACE[n - 2 :: 5] == [SPACE[-2]]
    assert SPACE[:0] == SPACE[[]] == []
    mask = np.zeros(n, dtype=bool)
    mask[[3, 5]] = True
    assert SPACE[mask] == SPACE[np.array([3, 5])] == SPACE[[3, 5 - n]]


@pytest.mark.parametrize("index", [423_624, -423_625, [0, 423_624]])
def test_index_out_of_range(index):
    with pytest.raises(IndexError, match="out of range for 423624"):
        SPACE[index]


@pytest.mark.parametrize("index", [1.0, "1", True, None, [True, False], [[1]], [0.5]])
def test_index_of_wrong_type(index):
    with pytest.raises(TypeError, match="an index must be"):
        SPACE[index]


# ---------------------------------------------------------------- samples


def test_sample_is_reproducible_without_replacement():
    archs = SPACE.sample(500, random_state=0)
    assert archs == SPACE.sample(500, random_state=0) != SPACE.sample(500, random_state=1)
    assert len(set(archs)) == 500
    assert all(isinstance(arch, Architecture) and arch in SPACE for arch in archs)
    assert archs == SPACE.sample(500, np.random.RandomState(0))


def test_sample_is_uniform_over_cells():
    sizes = np.bincount([arch.n_nodes for arch in SPACE.sample(4000, random_state=0)], minlength=8)
    expected = np.bincount(pool().n_nodes) / len(SPACE) * 4000
    assert abs(sizes[7] - expected[7]) < 4 * np.sqrt(expected[7] * (1 - expected[7] / 4000))


def test_sample_with_replacement_and_edge_cases():
    class Three(NASBench101):
        def __len__(self):
            return 3

    few = Three().sample(50, random_state=0, replace=True)
    assert len(few) == 50 and len(set(few)) == 3
    assert len(set(Three().sample(3, random_state=0))) == 3
    assert SPACE.sample(0) == []
    with pytest.raises(ValueError, match=r"n must be in \[0, 3\] without replacement; got 4"):
        Three().sample(4)
    with pytest.raises(ValueError, match="got -1"):
        SPACE.sample(-1)
    for bad in (1.5, "3", True):
        with pytest.raises(TypeError, match="n must be an integer"):
            SPACE.sample(bad)


def test_sample_leaves_the_global_generator_alone():
    before = np.random.get_state()[1].copy()
    SPACE.mutate(SPACE.sample(3, random_state=0)[0], random_state=0)
    assert np.array_equal(before, np.random.get_state()[1])


# ---------------------------------------------------------------- validation


def with_edge(u, v, value):
    matrix = np.array(INCEPTION[0])
    matrix[u, v] = value
    return matrix, INCEPTION[1]


FULL = np.triu(np.ones((5, 5), dtype=int), 1)
INVALID = [
    (([], []), "matrix must have shape"),
    ((np.zeros((0, 0)), []), "at least an input and an output; got 0 nodes"),
    ((np.zeros((2, 2)), ["input", "output"]), r"nodes \[0, 1\] are on no path"),
    (([[0, 1, 0], [0, 0, 1], [0, 1, 0]], ["input", CONV3, "output"]), "upper-triangular"),
    (with_edge(6, 0, 1), r"upper-triangular.*got the edge \(6, 0\)"),
    (with_edge(2, 2, 1), r"upper-triangular.*got the edge \(2, 2\)"),
    (with_edge(0, 1, 2), "only 0 and 1"),
    (with_edge(4, 6, 0), r"nodes \[3, 4\] are on no path.*prune"),
    (with_edge(0, 5, 0), r"nodes \[5\] are on no path.*prune"),
    ((INCEPTION[0], INCEPTION[1][:6]), r"shape \(V, V\), ops length V; got \(7, 7\) and 6"),
    ((FULL, ["input", CONV3, CONV3, CONV3, "output"]), "at most 9 edges; got 10"),
    ((np.eye(8, k=1), ["input", *[CONV3] * 6, "output"]), "at most 7 nodes; got 8"),
    ((np.eye(3, k=1), ["input", "conv5x5-bn-relu", "output"]), "got 'conv5x5-bn-relu'"),
    ((np.eye(3, k=1), ["input", "output", "output"]), "first node, and no other"),
    ((np.eye(3, k=1), [CONV3, CONV3, "output"]), "first node, and no other"),
    (Architecture(["input", "output"], [(0, 1)], [{"a": 1}, {}]), "no node attributes"),
    (Architecture(["output", "input"], [(0, 1)]), "must be 'input'"),
]


@pytest.mark.parametrize("arch, message", INVALID)
def test_invalid_cells(arch, message):
    with pytest.raises(ValueError, match=message):
        SPACE.validate(arch)
    assert arch not in SPACE
    for method in (SPACE.index, SPACE.neighbors, SPACE.mutate, SPACE.module_hash):
        with pytest.raises(ValueError, match=message):
            method(arch)
    with pytest.raises(ValueError, match=message):
        SPACE.build(arch, (3, 8, 8), 10)


def test_two_outputs_and_cycles_are_refused_on_the_way_in():
    with pytest.raises(ValueError, match="exactly one output"):
        Architecture.from_matrix([[0, 1, 1], [0] * 3, [0] * 3], ["input", "output", "output"])
    with pytest.raises(ValueError, match="on no path"):
        SPACE.validate(([[0, 1, 1], [0] * 3, [0] * 3], ["input", CONV3, "output"]))


@pytest.mark.parametrize("what", [None, 3, "text", BARE[0], object()])
def test_what_is_no_architecture_is_not_in_the_space(what):
    assert what not in SPACE


def test_validate_keeps_the_numbering_and_names_the_space():
    arch = SPACE.validate(INCEPTION)
    assert arch.adjacency.tolist() == INCEPTION[0] and list(arch.ops) == INCEPTION[1]
    assert arch.space == SPACE.name == "nasbench101"
    plain = Architecture.from_matrix(*INCEPTION)
    assert plain.space is None and plain in SPACE and SPACE.validate(plain) == arch
    assert set(arch.ops) == set(SPACE.vocabulary)


def test_prune():
    matrix, ops = with_edge(4, 6, 0)  # 3 -> 4 leads nowhere
    pruned = NASBench101.prune(matrix, ops)
    assert pruned.ops == ("input", CONV1, CONV3, MAXPOOL, "output")
    assert pruned.edges == ((0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 4))
    assert pruned in SPACE and pruned.space == "nasbench101"
    assert NASBench101.prune(*INCEPTION) == SPACE.validate(INCEPTION)
    unreached = [[0, 0, 1], [0, 0, 1], [0, 0, 0]]
    assert NASBench101.prune(unreached, ["input", "anything", "output"]).ops == ("input", "output")
    with pytest.raises(ValueError, match="no path from the input to the output"):
        NASBench101.prune(np.zeros((3, 3)), ["input", CONV3, "output"])
    with pytest.raises(ValueError, match="upper-triangular"):
        NASBench101.prune([[0, 0], [1, 0]], ["input", "output"])
    with pytest.raises(ValueError, match="at most 9 edges"):
        NASBench101.prune(FULL, ["input", CONV3, CONV3, CONV3, "output"])


# ---------------------------------------------------------------- edits


@given(st.integers(0, 2**31 - 1))
@settings(max_examples=25, deadline=None)
def test_neighbors_and_mutations_are_valid_and_different(seed):
    arch = SPACE.sample(1, random_state=seed)[0]
    neighbors = SPACE.neighbors(arch)
    hashes = {SPACE.module_hash(other) for other in neighbors}
    assert len(hashes) == len(neighbors) > 0
    assert SPACE.module_hash(arch) not in hashes
    assert all(other in SPACE and other == SPACE.canonical(other) for other in neighbors)
    mutant = SPACE.mutate(arch, random_state=seed)
    assert mutant in neighbors and mutant == SPACE.mutate(arch, random_state=seed)


def test_neighbors_of_the_bare_cell_and_of_one_operation():
    bare = SPACE.validate(BARE)
    assert [other.ops[1] for other in SPACE.neighbors(BARE)] == list(INNER_OPS)
    assert all(other.edges == ((0, 1), (1, 2)) for other in SPACE.neighbors(BARE))
    chain = SPACE.validate((np.eye(3, k=1), ["input", CONV3, "output"]))
    skip = SPACE.validate(([[0, 1, 1], [0, 0, 1], [0, 0, 0]], ["input", CONV3, "output"]))
    neighbors = SPACE.neighbors(chain)
    # two other ops, the skip, and a second op before or after: 3 + 3 chains, one of them twice
    assert skip in neighbors and len(neighbors) == 2 + 1 + 5
    assert bare not in neighbors and bare in SPACE.neighbors(skip)


def test_every_small_cell_is_reached_from_the_bare_one():
    small = set(SPACE._draw(np.flatnonzero(pool().n_nodes <= 4)))
    reached, frontier = set(), [SPACE.validate(BARE)]
    while frontier:
        reached.update(frontier)
        frontier = {b for a in frontier for b in SPACE.neighbors(a)} & small - reached
    assert reached == small


def test_mutations_go_everywhere():
    rng = np.random.RandomState(0)
    mutants = {SPACE.mutate(INCEPTION, rng) for _ in range(200)}
    assert mutants == set(SPACE.neighbors(INCEPTION))


# ---------------------------------------------------------------- the object


def test_is_light_to_copy_and_pickle():
    space = NASBench101(stem_channels=8, n_stacks=2, n_cells=1, bn_momentum=0.1)
    assert isinstance(space, SearchSpace)
    for twin in (pickle.loads(pickle.dumps(space)), copy.deepcopy(space)):
        assert repr(twin) == repr(space)
    assert repr(space) == ("NASBench101(stem_channels=8, n_stacks=2, n_cells=1, bn_momentum=0.1)")
    assert len(pickle.dumps(space.build)) < 500
