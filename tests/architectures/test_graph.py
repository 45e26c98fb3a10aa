import dataclasses
import hashlib
import pickle

import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sksubsel.architectures import Architecture, graph_hash
from sksubsel.architectures.canonical import canonical_form

CONV, POOL = "conv3x3", "maxpool"
DIAMOND = Architecture(["input", CONV, POOL, "output"], [(0, 1), (0, 2), (1, 3), (2, 3)])


@st.composite
def architectures(draw, max_nodes=7):
    """Random architectures, numbered along their edges."""
    n_nodes = draw(st.integers(2, max_nodes))
    pairs = [(u, v) for u in range(n_nodes) for v in range(u + 1, n_nodes)]
    edges = set(draw(st.sets(st.sampled_from(pairs))))
    for v in range(1, n_nodes):  # every node but the first gets a way in, all but the last out
        if not any(b == v for _, b in edges):
            edges.add((draw(st.integers(0, v - 1)), v))
    for u in range(n_nodes - 1):
        if not any(a == u for a, _ in edges):
            edges.add((u, draw(st.integers(u + 1, n_nodes - 1))))
    inner = st.lists(st.sampled_from([CONV, POOL]), min_size=n_nodes - 2, max_size=n_nodes - 2)
    return Architecture(["input", *draw(inner), "output"], edges)


@st.composite
def renumbered(draw):
    arch = draw(architectures())
    return arch, arch.relabel(draw(st.permutations(range(arch.n_nodes))))


def test_normalises_to_sorted_tuples_of_python_ints():
    arch = Architecture(["input", np.str_("conv"), "output"], np.array([[1, 2], [0, 1]]))
    assert arch.ops == ("input", "conv", "output") and arch.edges == ((0, 1), (1, 2))
    assert all(type(end) is int for edge in arch.edges for end in edge)
    assert all(type(op) is str for op in arch.ops)
    assert arch == Architecture(("input", "conv", "output"), ((0, 1), (1, 2)), space="any")


def test_members():
    assert (DIAMOND.n_nodes, DIAMOND.n_edges) == (4, 4)
    assert (DIAMOND.input_node, DIAMOND.output_node) == (0, 3)
    assert DIAMOND.adjacency.dtype == np.uint8
    assert DIAMOND.adjacency.tolist() == [[0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0] * 4]
    turned = DIAMOND.relabel([3, 1, 2, 0])
    assert (turned.input_node, turned.output_node) == (3, 0)


@pytest.mark.parametrize(
    "ops, edges, error, message",
    [
        ([], [], ValueError, "at least two nodes"),
        (["input"], [], ValueError, "at least two nodes"),
        (["input", "output"], [], ValueError, "exactly one input"),
        (["a", "b", "c"], [(0, 1), (1, 2), (2, 1)], ValueError, "acyclic"),
        (["a", "b", "c"], [(0, 1), (1, 2), (2, 0)], ValueError, "acyclic"),
        (["a", "b", "c", "d"], [(0, 1), (1, 2), (2, 1), (1, 3)], ValueError, "acyclic"),
        (["a", "b"], [(0, 0), (0, 1)], ValueError, "self-loop"),
        (["a", "b", "c"], [(0, 1), (0, 2)], ValueError, "exactly one output node; got nodes"),
        (["a", "b", "c"], [(0, 2), (1, 2)], ValueError, "exactly one input node; got nodes"),
        (["a", "b"], [(0, 2)], ValueError, "out of range for 2 nodes"),
        (["a", "b"], [(-1, 1)], ValueError, "out of range"),
        (["a", "b"], [(0, 1), (0, 1)], ValueError, "more than once"),
        (["a", "b"], [(0, 1.5)], TypeError, "pairs of integers"),
        (["a", "b"], [0, 1], TypeError, "pairs of integers"),
        (["a", "b"], None, TypeError, "pairs of integers"),
        (["a", 3], [(0, 1)], TypeError, "ops must be strings; got 3"),
        ("ab", [(0, 1)], TypeError, "sequence of strings"),
    ],
)
def test_invalid_graphs(ops, edges, error, message):
    with pytest.raises(error, match=message):
        Architecture(ops, edges)


def test_attributes_are_checked_frozen_and_compared():
    attributes = [{}, {"kernel": np.int64(3), "size": (1, 1)}, {}]
    arch = Architecture(["input", "conv", "output"], [(0, 1), (1, 2)], attributes)
    plain = Architecture(arch.ops, arch.edges)
    assert arch.attributes[1] == {"kernel": 3, "size": (1, 1)}
    assert arch != plain and arch.hash != plain.hash
    same = Architecture(arch.ops, arch.edges, [{}, {"size": (1, 1), "kernel": 3}, {}])
    assert arch == same and hash(arch) == hash(same) and arch.hash == same.hash
    with pytest.raises(TypeError):
        arch.attributes[1]["kernel"] = 5
    with pytest.raises(AttributeError, match="immutable"):
        arch.attributes[1]._items = ()
    with pytest.raises(ValueError, match="one mapping per node"):
        Architecture(arch.ops, arch.edges, attributes[:2])
    with pytest.raises(TypeError, match="hashable"):
        Architecture(arch.ops, arch.edges, [{}, {"kernel": [3, 3]}, {}])


def test_is_immutable_and_hashable():
    with pytest.raises(dataclasses.FrozenInstanceError):
        DIAMOND.ops = ()
    twin = Architecture(DIAMOND.ops, DIAMOND.edges)
    assert len({DIAMOND, twin}) == 1
    matrix = DIAMOND.adjacency
    matrix[:] = 0
    assert DIAMOND.adjacency.sum() == 4


def test_pickle_and_repr():
    attributes = [{}, {"kernel": 3}, {}, {}]
    arch = Architecture(DIAMOND.ops, DIAMOND.edges, attributes, "some space")
    before = pickle.dumps(arch)
    assert arch.hash  # cached, and not pickled
    assert pickle.dumps(arch) == before
    copy = pickle.loads(before)
    assert copy == arch and copy.space == arch.space and copy.hash == arch.hash
    assert eval(repr(arch)) == arch


@given(architectures())
def test_bfs_order_is_that_of_networkx(arch):
    graph = arch.to_networkx()
    expected = list(networkx.bfs_tree(graph, arch.input_node, sort_neighbors=sorted))
    order = arch.bfs_order()
    assert order.dtype == np.int64 and order.tolist() == expected


def test_bfs_order_need_not_end_with_the_output():
    arch = Architecture(["input", "a", "b", "output"], [(0, 1), (0, 3), (1, 2), (2, 3)])
    assert arch.bfs_order().tolist() == [0, 1, 3, 2]
    assert arch.relabel([1, 0, 2, 3]).bfs_order().tolist() == [1, 0, 3, 2]


@given(renumbered())
def test_topological_order(pair):
    for arch in pair:
        order = arch.topological_order().tolist()
        assert sorted(order) == list(range(arch.n_nodes))
        assert all(order.index(u) < order.index(v) for u, v in arch.edges)
        assert (order[0], order[-1]) == (arch.input_node, arch.output_node)


@given(renumbered())
@settings(max_examples=200)
def test_hash_and_canonical_form_ignore_the_numbering(pair):
    arch, other = pair
    assert arch.hash == other.hash
    vocabulary = ["input", CONV, POOL, "output"]
    form = canonical_form(arch, vocabulary)
    assert form == canonical_form(other, vocabulary) == canonical_form(form, vocabulary)
    assert form.hash == arch.hash
    assert all(u < v for u, v in form.edges)


@given(architectures(max_nodes=6), architectures(max_nodes=6))
def test_hashes_and_forms_agree_exactly_when_isomorphic(one, two):
    same = networkx.is_isomorphic(
        one.to_networkx(), two.to_networkx(), node_match=lambda a, b: a["op"] == b["op"]
    )
    vocabulary = ["input", CONV, POOL, "output"]
    assert (one.hash == two.hash) == same
    assert (canonical_form(one, vocabulary) == canonical_form(two, vocabulary)) == same


def test_canonical_form_errors():
    chain = Architecture(["x"] * 9, [(v, v + 1) for v in range(8)])
    with pytest.raises(ValueError, match="at most 8 nodes"):
        canonical_form(chain, ["x"])
    with pytest.raises(ValueError, match="ops must be of"):
        canonical_form(DIAMOND, ["input", "output"])


def test_graph_hash_by_hand():
    def md5(text):
        return hashlib.md5(text.encode()).hexdigest()

    # input -> output: two rounds, each node seeing the other and itself
    a, b = md5("(1, 0, -1)"), md5("(0, 1, -2)")
    for _ in range(2):
        a, b = md5(f"|{b}|{a}"), md5(f"{a}||{b}")
    expected = md5(str(sorted([a, b])))
    assert graph_hash([[0, 1], [0, 0]], [-1, -2]) == expected
    # NumPy's scalars print differently and must not matter
    assert graph_hash(np.array([[0, 1], [0, 0]]), np.array([-1, -2])) == expected


def test_graph_hash_tells_direction_and_position_of_labels():
    chain = np.eye(5, k=1, dtype=int)
    assert graph_hash(chain, [-1, 1, 0, 0, -2]) != graph_hash(chain, [-1, 0, 0, 1, -2])
    assert graph_hash(chain, [-1, 1, 0, 0, -2]) != graph_hash(chain.T, [-1, 1, 0, 0, -2])


def test_graph_hash_errors():
    with pytest.raises(ValueError, match=r"V=3 labels; got \(2, 2\)"):
        graph_hash([[0, 1], [0, 0]], [1, 2, 3])


def test_relabel_errors():
    with pytest.raises(ValueError, match="permutation of 4 nodes"):
        DIAMOND.relabel([0, 1, 2, 2])


@pytest.mark.parametrize("value", [np.nan, np.inf, np.float32("-inf")])
def test_attributes_are_finite(value):
    with pytest.raises(ValueError, match="finite; got kernel="):
        Architecture(["input", "output"], [(0, 1)], [{}, {"kernel": value}])
