import numpy as np

from sksubsel.architectures import Architecture
from sksubsel.architectures.arrays import bfs_orders, sort_topologically, to_padded
from sksubsel.spaces import NASBench101

VOCABULARY = ("input", "conv", "output")


def _archs():
    return [
        Architecture(
            ops=("input", "conv", "conv", "output"), edges=((0, 1), (0, 2), (1, 3), (2, 3))
        ),
        Architecture(ops=("input", "output"), edges=((0, 1),)),
    ]


def test_padded():
    ops, adjacency, unknown = to_padded(_archs(), VOCABULARY)
    np.testing.assert_array_equal(ops, [[1, 2, 2, 3], [1, 3, -1, -1]])
    assert adjacency[0].sum() == 4 and adjacency[1].sum() == 1 and adjacency[1, 0, 1]
    assert unknown == set()


def test_unknown_operations_are_named():
    ops, _, unknown = to_padded(_archs(), ("input", "output"))
    assert unknown == {"conv"}
    np.testing.assert_array_equal(ops[0], [1, 0, 0, 2])


def test_bfs_orders_are_those_of_each_architecture():
    archs = NASBench101().sample(200, random_state=0)
    shuffled = [_relabel(arch, seed) for seed, arch in enumerate(archs)]
    ops, adjacency, _ = to_padded(shuffled, sorted({op for arch in archs for op in arch.ops}))
    orders = bfs_orders(ops >= 0, adjacency)
    for arch, order in zip(shuffled, orders):
        np.testing.assert_array_equal(order[order >= 0], arch.bfs_order())
        assert (order[arch.n_nodes :] == -1).all()


def test_topological_sort_keeps_the_graphs():
    archs = NASBench101().sample(100, random_state=1)
    vocabulary = sorted({op for arch in archs for op in arch.ops})
    shuffled = [_relabel(arch, seed) for seed, arch in enumerate(archs)]
    ops, adjacency, _ = to_padded(shuffled, vocabulary)
    sorted_ops, sorted_adjacency = sort_topologically(ops, adjacency)
    assert not np.tril(sorted_adjacency).any()
    for arch, codes, matrix in zip(archs, sorted_ops, sorted_adjacency):
        n = arch.n_nodes
        names = [vocabulary[code - 1] for code in codes[:n]]
        assert Architecture.from_matrix(matrix[:n, :n].astype(int), names).hash == arch.hash


def test_sorted_graphs_stay_as_they_are():
    archs = NASBench101().sample(50, random_state=2)
    ops, adjacency, _ = to_padded(archs, sorted({op for arch in archs for op in arch.ops}))
    same_ops, same_adjacency = sort_topologically(ops, adjacency)
    assert same_ops is ops and same_adjacency is adjacency


def _relabel(arch, seed):
    """The same DAG with its nodes numbered anew."""
    order = np.random.default_rng(seed).permutation(arch.n_nodes)
    number = np.argsort(order)
    return Architecture(
        ops=tuple(arch.ops[u] for u in order),
        edges=tuple((int(number[u]), int(number[v])) for u, v in arch.edges),
    )
