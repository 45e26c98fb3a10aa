import numpy as np
import pytest

from sksubsel.architectures import Architecture
from sksubsel.architectures.arrays import bfs_places, matrices, pack, sort_topologically
from sksubsel.architectures.attributes import AttributeCoder
from sksubsel.spaces import NASBench101

VOCABULARY = ("input", "conv", "output")


def _archs():
    return [
        Architecture(
            ops=("input", "conv", "conv", "output"), edges=((0, 1), (0, 2), (1, 3), (2, 3))
        ),
        Architecture(ops=("input", "output"), edges=((0, 1),)),
    ]


def _random_dag(n_nodes, seed):
    """One source and one sink, nodes numbered at random."""
    rng = np.random.default_rng(seed)
    edges = {(u, u + 1) for u in range(n_nodes - 1)}
    edges |= {tuple(sorted(rng.choice(n_nodes, 2, replace=False))) for _ in range(2 * n_nodes)}
    number = rng.permutation(n_nodes)
    ops = rng.choice(["conv", "add", "norm"], n_nodes)
    return Architecture(
        ops=tuple(ops[np.argsort(number)]),
        edges=tuple((int(number[u]), int(number[v])) for u, v in edges),
    )


@pytest.fixture(scope="module")
def mixed():
    """Shuffled graphs of 2 to 200 nodes."""
    cells = [_relabel(arch, k) for k, arch in enumerate(NASBench101().sample(50, random_state=0))]
    return [*cells[:25], _random_dag(200, 0), *cells[25:], _random_dag(40, 1), _archs()[1]]


def _vocabulary(archs):
    return sorted({op for arch in archs for op in arch.ops})


def test_packed():
    packed, unknown = pack(_archs(), VOCABULARY)
    np.testing.assert_array_equal(packed.ops, [1, 2, 2, 3, 1, 3])
    np.testing.assert_array_equal(packed.edges, [[0, 1], [0, 2], [1, 3], [2, 3], [4, 5]])
    np.testing.assert_array_equal(packed.sizes, [4, 2])
    np.testing.assert_array_equal(packed.n_edges, [4, 1])
    assert unknown == set()


def test_memory_grows_with_nodes_and_edges_alone(mixed):
    packed, _ = pack(mixed, _vocabulary(mixed))
    n_nodes, n_edges = (sum(getattr(a, what) for a in mixed) for what in ("n_nodes", "n_edges"))
    assert sum(part.nbytes for part in packed) == 8 * (n_nodes + 2 * n_edges + 2 * len(mixed))


def test_unknown_operations_are_named():
    packed, unknown = pack(_archs(), ("input", "output"))
    assert unknown == {"conv"}
    np.testing.assert_array_equal(packed.ops[:4], [1, 0, 0, 2])


def test_bfs_places_are_those_of_each_architecture(mixed):
    packed, _ = pack(mixed, _vocabulary(mixed))
    places = np.split(bfs_places(packed), np.cumsum(packed.sizes)[:-1])
    for arch, place in zip(mixed, places):
        np.testing.assert_array_equal(np.argsort(place), arch.bfs_order())
        assert sorted(place) == list(range(arch.n_nodes))


def test_topological_sort_keeps_the_graphs(mixed):
    vocabulary = _vocabulary(mixed)
    given, _ = pack(mixed, vocabulary)
    packed, order = sort_topologically(given)
    assert (packed.edges[:, 0] < packed.edges[:, 1]).all()
    np.testing.assert_array_equal(packed.ops, given.ops[order])
    np.testing.assert_array_equal(given.owners[order], given.owners)
    names = np.split(np.array(vocabulary)[packed.ops - 1], np.cumsum(packed.sizes)[:-1])
    for arch, matrix, ops in zip(mixed, matrices(packed), names):
        assert Architecture.from_matrix(matrix, ops.tolist()).hash == arch.hash


def test_sorted_graphs_stay_as_they_are():
    archs = NASBench101().sample(50, random_state=2)
    packed, _ = pack(archs, _vocabulary(archs))
    same, order = sort_topologically(packed)
    assert same is packed
    np.testing.assert_array_equal(order, np.arange(len(packed.ops)))


def _described(*attributes):
    ops = ("input", *["conv"] * (len(attributes) - 2), "output")
    edges = tuple((k, k + 1) for k in range(len(ops) - 1))
    return Architecture(ops=ops, edges=edges, attributes=attributes)


def test_attributes_are_standardised_logarithms_and_flags():
    archs = [
        _described({}, {"channels": 1, "act": "relu"}, {}),
        _described({}, {"channels": 7, "act": "gelu"}, {"channels": None}),
    ]
    coder = AttributeCoder().fit(archs)
    assert coder.n_columns == 2 + 2
    vectors, unknown = coder.transform(archs)
    assert vectors.shape == (6, 4) and vectors.dtype == np.float32 and not unknown
    # log 2 and log 8 lie one standard deviation below and above their mean
    np.testing.assert_allclose(vectors[1], [1, -1, 0, 1], atol=1e-6)
    np.testing.assert_allclose(vectors[4], [1, 1, 1, 0], atol=1e-6)
    assert not vectors[[0, 2, 3, 5]].any()


def test_attributes_not_seen_are_told():
    coder = AttributeCoder().fit([_described({}, {"channels": 3, "act": "relu"}, {})])
    strange = _described({}, {"channels": 3, "act": "tanh", "kernel": 5}, {})
    vectors, unknown = coder.transform([strange])
    assert unknown == {"act=tanh", "kernel"}
    np.testing.assert_allclose(vectors[1], [1, 0, 0])  # a spread of zero divides nothing
    assert AttributeCoder().fit(_archs()).transform(_archs())[0].shape == (6, 0)


def _relabel(arch, seed):
    """The same DAG with its nodes numbered anew."""
    order = np.random.default_rng(seed).permutation(arch.n_nodes)
    number = np.argsort(order)
    return Architecture(
        ops=tuple(arch.ops[u] for u in order),
        edges=tuple((int(number[u]), int(number[v])) for u, v in arch.edges),
    )


def test_a_constant_attribute_has_a_unit_of_its_own():
    pool = [_described({}, {"kernel": 5}, {"kernel": 5}, {"kernel": 5}, {}) for _ in range(7)]
    coder = AttributeCoder().fit(pool)
    vectors, _ = coder.transform([_described({}, {"kernel": 7}, {})])
    np.testing.assert_allclose(vectors[1], [1, np.log(8 / 6)], rtol=1e-5)
