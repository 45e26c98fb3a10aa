import copy
import itertools
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sksubsel.architectures import Architecture
from sksubsel.spaces import nasbench201
from sksubsel.spaces.nasbench201 import CELL_EDGES, LINE_GRAPH, OPS, NASBench201

NONE, SKIP, CONV1, CONV3, POOL = OPS
SPACE = NASBench201()
ALL = list(itertools.product(OPS, repeat=6))
indices = st.integers(0, 15_624)


def cell(*ops):
    return SPACE.from_string("|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|".format(*ops))


# ---------------------------------------------------------------- graphs, indices, strings


def test_all_cells_in_order():
    assert len(SPACE) == 15_625
    archs = list(SPACE)  # base 5, the first operation leading
    assert [arch.ops for arch in archs] == [("input", *ops, "output") for ops in ALL]
    assert {arch.edges for arch in archs} == {LINE_GRAPH} and archs[0].space == "nasbench201"
    assert len({arch.hash for arch in archs[::25]}) == 625
    assert OPS == ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")


def test_graph_is_the_line_graph_of_the_cell():
    assert CELL_EDGES == ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
    ends = [(None, 0), *CELL_EDGES, (3, None)]
    expected = {
        (a, b)
        for a in range(8)
        for b in range(8)
        if a != b and ends[a][1] == ends[b][0] is not None
    }
    assert set(LINE_GRAPH) == expected and len(LINE_GRAPH) == 10
    assert SPACE[0].input_node == 0 and SPACE[0].output_node == 7


@pytest.mark.parametrize(
    "index, string",
    [
        (0, "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"),
        (1, "|none~0|+|none~0|none~1|+|none~0|none~1|skip_connect~2|"),
        (
            ((((3 * 5 + 2) * 5 + 4) * 5 + 1) * 5 + 0) * 5 + 3,
            "|nor_conv_3x3~0|+|nor_conv_1x1~0|avg_pool_3x3~1|"
            "+|skip_connect~0|none~1|nor_conv_3x3~2|",
        ),
        (15_624, "|{0}~0|+|{0}~0|{0}~1|+|{0}~0|{0}~1|{0}~2|".format("avg_pool_3x3")),
    ],
)
def test_known_indices_and_strings(index, string):
    assert SPACE.to_string(SPACE[index]) == string
    assert SPACE.from_string(string) == SPACE[index]
    assert SPACE.index(SPACE.from_string(string)) == index


def test_strings_and_indices_round_trip_for_all():
    strings = [SPACE.to_string(arch) for arch in SPACE[::3]]
    assert len(set(strings)) == 5_209
    pattern = re.compile(r"\|\w+~0\|\+\|\w+~0\|\w+~1\|\+\|\w+~0\|\w+~1\|\w+~2\|")
    assert all(map(pattern.fullmatch, strings))
    assert [SPACE.index(SPACE.from_string(s)) for s in strings] == list(range(0, 15_625, 3))


def test_slices_arrays_and_negative_indices():
    assert SPACE[-1] == SPACE[15_624] and SPACE[5:8] == [SPACE[5], SPACE[6], SPACE[7]]
    assert SPACE[np.array([9, 3])] == [SPACE[9], SPACE[3]]
    with pytest.raises(IndexError, match="15625 is out of range for 15625"):
        SPACE[15_625]


@pytest.mark.parametrize(
    "string, message",
    [
        ("", "3 groups joined by '\\+'.*got 1 in ''"),
        ("|none~0|+|none~0|none~1|", "3 groups.*got 2 in"),
        ("none~0|+|none~0|none~1|+|none~0|none~1|none~2|", "group 1 must begin and end with"),
        ("|none~0|+|none~0|none~1+|none~0|none~1|none~2|", "group 2 must begin and end with"),
        ("|+|none~0|none~1|+|none~0|none~1|none~2|", "group 1 must begin and end with"),
        ("|none~0|+|none~0|+|none~0|none~1|none~2|", "group 2 must have 2 terms.*got 1 in"),
        ("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|none~3|", "group 3 must have 3.*got 4"),
        (
            "|none~1|+|none~0|none~1|+|none~0|none~1|none~2|",
            "term 1 of group 1.*'~0'; got 'none~1'",
        ),
        (
            "|none~0|+|none~1|none~0|+|none~0|none~1|none~2|",
            "term 1 of group 2.*'~0'; got 'none~1'",
        ),
        ("|none~0|+|none~0|none|+|none~0|none~1|none~2|", "term 2 of group 2.*'~1'; got 'none'"),
        ("||+|none~0|none~1|+|none~0|none~1|none~2|", "term 1 of group 1.*got ''"),
        ("|none~0|+|none~0|none~1|+|none~0|none~1|conv~2|", "of .*got 'conv' in group 3"),
        ("|none~0|+|none~0| none~1|+|none~0|none~1|none~2|", "got ' none' in group 2"),
        ("|input~0|+|none~0|none~1|+|none~0|none~1|none~2|", "got 'input' in group 1"),
    ],
)
def test_strings_that_are_no_cell(string, message):
    with pytest.raises(ValueError, match=message):
        SPACE.from_string(string)


def test_a_string_must_be_a_string():
    with pytest.raises(TypeError, match="string must be a str; got 3"):
        SPACE.from_string(3)


# ---------------------------------------------------------------- validate


@given(indices, st.permutations(range(8)))
@settings(max_examples=60, deadline=None)
def test_any_numbering_of_nodes_is_the_same_cell(index, order):
    arch = SPACE[index]
    shuffled = arch.relabel(order)
    assert SPACE.validate(shuffled) == arch and SPACE.index(shuffled) == index
    assert shuffled in SPACE


def test_validate_takes_a_matrix_and_sets_the_space():
    arch = SPACE[9_876]
    plain = Architecture(arch.ops, arch.edges)
    for given_as in (arch.to_matrix(), plain, arch.to_networkx()):
        valid = SPACE.validate(given_as)
        assert valid == arch and valid.space == "nasbench201"


EDGES_OF_A_CHAIN = [(k, k + 1) for k in range(7)]


@pytest.mark.parametrize(
    "ops, edges, message",
    [
        (["input", "output"], [(0, 1)], "has 8 nodes.*'skip_connect' too.*got 2"),
        (["input", *[NONE] * 6, "output"], EDGES_OF_A_CHAIN, "up to the numbering.*got"),
        (["input", *[NONE] * 6, "output"], [*LINE_GRAPH, (0, 7)], "up to the numbering"),
        (["input", *[NONE] * 5, "conv", "output"], LINE_GRAPH, "must be of .*got 'conv'"),
        (["output", *[NONE] * 6, "input"], LINE_GRAPH, "must be 'input'"),
        ([NONE, *[NONE] * 6, "output"], LINE_GRAPH, "must be 'input'"),
        (["input", *[NONE] * 5, "input", "output"], LINE_GRAPH, "and no other, must be 'input'"),
    ],
)
def test_graphs_that_are_no_cell(ops, edges, message):
    arch = Architecture(ops, edges)
    with pytest.raises(ValueError, match=message):
        SPACE.validate(arch)
    assert arch not in SPACE
    for method in (SPACE.index, SPACE.to_string, SPACE.neighbors, SPACE.function_string):
        with pytest.raises(ValueError, match=message):
            method(arch)


def test_attributes_and_other_things_are_refused():
    arch = SPACE[3]
    with pytest.raises(ValueError, match="no node attributes"):
        SPACE.validate(Architecture(arch.ops, arch.edges, [{}] * 8))
    assert SPACE.validate(SPACE.to_string(arch)) == arch
    with pytest.raises(TypeError, match="an architecture must be"):
        SPACE.validate(3)


# ---------------------------------------------------------------- neighbours, samples


@given(indices)
@settings(max_examples=12, deadline=None)
def test_neighbors_are_the_24_that_differ_in_one_operation(index):
    arch = SPACE[index]
    neighbors = SPACE.neighbors(arch)
    assert len(neighbors) == len(set(neighbors)) == 24
    for other in neighbors:
        assert sum(a != b for a, b in zip(arch.ops, other.ops)) == 1
        assert other in SPACE and arch in SPACE.neighbors(other)
    assert neighbors == SPACE.neighbors(arch.relabel([3, 1, 2, 0, 7, 6, 5, 4]))


def test_mutate_gives_a_neighbor():
    arch = SPACE[4_711]
    mutants = [SPACE.mutate(arch, random_state=k) for k in range(40)]
    assert set(mutants) <= set(SPACE.neighbors(arch)) and len(set(mutants)) > 10
    assert SPACE.mutate(arch, random_state=3) == mutants[3]


def test_sample_is_reproducible_valid_and_without_repeats():
    archs = SPACE.sample(500, random_state=0)
    assert archs == SPACE.sample(500, random_state=0) != SPACE.sample(500, random_state=1)
    assert len(set(archs)) == 500 and all(SPACE.validate(arch) is arch for arch in archs)
    counts = np.array([[arch.ops.count(op) for op in OPS] for arch in archs]).sum(axis=0)
    assert (abs(counts - 600) < 110).all()  # 5 standard deviations
    with pytest.raises(ValueError, match=r"n must be in \[0, 15625\]"):
        SPACE.sample(15_626)


def test_spaces_copy_pickle_and_print():
    space = NASBench201(stem_channels=4, n_cells=1, bn_momentum=0.2)
    assert repr(space) == "NASBench201(stem_channels=4, n_cells=1, bn_momentum=0.2)"
    for other in (copy.deepcopy(space), pickle.loads(pickle.dumps(space))):
        assert repr(other) == repr(space) and other[77] == space[77]
    with pytest.raises(TypeError):
        NASBench201(4)


# ---------------------------------------------------------------- which cells are the same


def test_published_number_of_unique_strings():
    assert SPACE.n_unique() == 6_466
    sample = SPACE[::25]
    by_call = {SPACE.unique_string(arch) for arch in sample}
    assert len(by_call) < len(sample)


@pytest.mark.parametrize(
    "ops, string",
    [
        ((NONE,) * 6, "#+#+#"),
        ((SKIP, NONE, NONE, SKIP, SKIP, SKIP), "#+#+0+0"),
        ((NONE, NONE, NONE, NONE, CONV3, CONV1), "#+#+(#+#)@nor_conv_1x1"),
        ((CONV3, POOL, SKIP, NONE, NONE, SKIP), "#+#+(0)@avg_pool_3x3+(0)@nor_conv_3x3"),
    ],
)
def test_unique_strings(ops, string):
    assert SPACE.unique_string(cell(*ops)) == string


@pytest.mark.parametrize(
    "ops, string",
    [
        ((NONE,) * 6, "0"),
        ((NONE, NONE, NONE, NONE, CONV3, CONV1), "0"),  # they read zeros
        ((CONV3, CONV1, NONE, SKIP, NONE, NONE), "x"),  # they lead nowhere
        ((SKIP, NONE, SKIP, SKIP, NONE, SKIP), "2*x"),
        ((CONV3, NONE, SKIP, SKIP, NONE, CONV1), "c1=nor_conv_3x3(x); c2=nor_conv_1x1(c1); c2+x"),
        ((POOL, SKIP, POOL, NONE, NONE, POOL), "pool(x)+pool^3(x)"),
        ((CONV3, NONE, SKIP, NONE, SKIP, SKIP), "c1=nor_conv_3x3(x); 2*c1"),
        ((CONV3, CONV3, NONE, NONE, SKIP, SKIP), "c1=nor_conv_3x3(x); c2=nor_conv_3x3(x); c1+c2"),
    ],
)
def test_function_strings(ops, string):
    assert SPACE.function_string(cell(*ops)) == string


def test_equivalence_is_not_the_published_rule():
    # One convolution used twice is not two convolutions of one value.
    shared = cell(CONV3, NONE, SKIP, NONE, CONV1, SKIP)  # c1 = conv3(x); conv1(c1) + c1
    two = cell(CONV3, CONV3, NONE, NONE, CONV1, SKIP)  # conv1(conv3(x)) + another conv3(x)
    assert SPACE.function_string(shared) != SPACE.function_string(two)
    assert SPACE.unique_string(shared) == SPACE.unique_string(two)
    # Which state a term passes makes no difference.
    late = cell(NONE, CONV3, NONE, SKIP, NONE, SKIP)
    early = cell(CONV3, NONE, NONE, SKIP, SKIP, NONE)
    assert SPACE.function_string(late) == SPACE.function_string(early)
    assert SPACE.unique_string(late) != SPACE.unique_string(early)


def test_number_of_functions_by_evaluating_all_cells():
    """States as vectors, pooling as a matrix, a convolution as any function that keeps zero.

    A cell's fingerprint is its least output over all ways to give its convolutions the functions
    f_1, f_2, ... of their kind: a set of outputs that equivalent cells share, others do not.
    """
    rng = np.random.RandomState(0)
    width = 4
    weights, pooling = rng.randn(12, width, width), rng.rand(width, width)
    pooling /= pooling.sum(axis=1, keepdims=True)
    rows, owners, n_live = [], [], []
    for owner, ops in enumerate(ALL):
        live = on_paths(ops)
        ones = [k for k in live if ops[k] == CONV1]
        threes = [k for k in live if ops[k] == CONV3]
        n_live.append((len(ones), len(threes)))
        codes = np.zeros(6, dtype=int)  # 0: zeros, 1: skip, 2: pooling, 3 to 8 and 9 to 14: f_i
        for k in live:
            codes[k] = {SKIP: 1, POOL: 2}.get(ops[k], 0)
        for first in itertools.permutations(range(3, 3 + len(ones))):
            for second in itertools.permutations(range(9, 9 + len(threes))):
                row = codes.copy()
                row[ones], row[threes] = first, second
                rows.append(row)
                owners.append(owner)
    rows = np.array(rows)
    states = [np.tile(rng.randn(width), (len(rows), 1)), 0, 0, 0]
    for k, (u, v) in enumerate(CELL_EDGES):
        term = np.zeros((len(rows), width))
        for code in range(1, 15):
            chosen = rows[:, k] == code
            value = states[u][chosen]
            if code > 2:
                value = np.sin(value @ weights[code - 3])
            elif code == 2:
                value = value @ pooling
            term[chosen] = value
        states[v] = states[v] + term
    least = np.full(len(ALL), np.inf)
    np.minimum.at(least, owners, states[3] @ rng.randn(width))
    prints = [(*n, round(y, 9) + 0.0) for n, y in zip(n_live, least)]
    strings = [SPACE.function_string(arch) for arch in SPACE]
    assert len(set(strings)) == len(set(prints)) == len(set(zip(strings, prints))) == 5_044
    assert SPACE.n_functions() == 5_044


def on_paths(ops):
    """Edges on a path from state 0 to state 3 that passes no ``none``."""
    live = set()
    for states in ([0, 3], [0, 1, 3], [0, 2, 3], [0, 1, 2, 3]):
        path = [CELL_EDGES.index(edge) for edge in itertools.pairwise(states)]
        if all(ops[k] != NONE for k in path):
            live.update(path)
    return sorted(live)


# ---------------------------------------------------------------- parameters, networks


def test_parameters_of_the_published_size():
    for ops in [(NONE,) * 6, (SKIP,) * 6, (CONV1,) * 6, (CONV3,) * 6, ALL[12_345], ALL[8_888]]:
        expected = 73_306 + 28_000 * ops.count(CONV1) + 243_040 * ops.count(CONV3)
        assert SPACE.count_parameters(cell(*ops)) == expected


@pytest.mark.parametrize("name", ["in_channels", "n_classes"])
def test_numbers_that_are_no_counts(name):
    for value in (0, 2.0, True):
        with pytest.raises(ValueError, match=f"{name} must be a positive int; got {value}"):
            SPACE.count_parameters(SPACE[0], **{name: value})
    with pytest.raises(ValueError, match="n_cells must be a positive int; got 0"):
        NASBench201(n_cells=0).count_parameters(SPACE[0])


def test_the_module_itself_needs_no_torch():
    source = Path(nasbench201.__file__).read_text()
    assert re.findall(r"^(?:import|from) .*(?:torch|networks).*$", source, re.MULTILINE) == []
