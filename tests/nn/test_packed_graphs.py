import numpy as np
import pytest
import torch

from sksubsel.nn.graph import PackedGraphs, dgl_available, parts


def random_graphs(backend="torch", seed=0, n_graphs=5, max_nodes=6):
    """Graphs of 2 to `max_nodes` nodes, and their adjacency matrices."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(2, max_nodes + 1, n_graphs)
    matrices = [np.triu(rng.random((size, size)) < 0.5, 1) for size in sizes]
    edges = [np.argwhere(m) + start for m, start in zip(matrices, np.cumsum(sizes) - sizes)]
    parts = (
        rng.integers(0, 4, sizes.sum()),
        np.concatenate(edges),
        sizes,
        np.array([len(each) for each in edges]),
        rng.random((sizes.sum(), 2), dtype=np.float32),
    )
    return PackedGraphs(*(torch.from_numpy(part) for part in parts), backend), matrices


BACKENDS = [
    "torch",
    pytest.param("dgl", marks=pytest.mark.skipif(not dgl_available(), reason="no DGL")),
]


@pytest.mark.parametrize("backend", BACKENDS)
def test_neighbor_sum_is_that_of_dense_adjacency(backend):
    graphs, matrices = random_graphs(backend)
    h = torch.randn(len(graphs.ops), 3, dtype=torch.float64)
    sums = graphs.neighbor_sum(h).split(graphs.sizes.tolist())
    for matrix, own, found in zip(matrices, h.split(graphs.sizes.tolist()), sums):
        both = torch.from_numpy(matrix | matrix.T).double()
        torch.testing.assert_close(found, both @ own)


@pytest.mark.skipif(not dgl_available(), reason="no DGL")
def test_backends_agree_in_value_and_gradient():
    sums, grads = [], []
    for backend in ("dgl", "torch"):
        graphs, _ = random_graphs(backend, seed=1)
        h = torch.arange(len(graphs.ops) * 2.0).reshape(-1, 2).requires_grad_()
        out = graphs.neighbor_sum(h)
        out.square().sum().backward()
        sums.append(out.detach())
        grads.append(h.grad)
    torch.testing.assert_close(*sums)
    torch.testing.assert_close(*grads)


def test_taken_graphs_are_those_asked_for():
    graphs, matrices = random_graphs(seed=2)
    index = torch.tensor([3, 0, 3])
    some = graphs.take(index)
    np.testing.assert_array_equal(some.sizes, graphs.sizes[index])
    rows = [range(graphs.starts[k], graphs.starts[k] + graphs.sizes[k]) for k in index]
    rows = [row for each in rows for row in each]
    np.testing.assert_array_equal(some.ops, graphs.ops[rows])
    np.testing.assert_array_equal(some.attributes, graphs.attributes[rows])
    owner = np.repeat(np.arange(3), some.n_edges)
    for k, which in enumerate(index):
        local = some.edges[owner == k] - some.starts[k]
        np.testing.assert_array_equal(local, np.argwhere(matrices[which]))


def test_pairs_are_the_upper_triangles():
    graphs, matrices = random_graphs(seed=3, max_nodes=9)
    tail, head, is_edge = graphs.pairs()
    assert len(tail) == graphs.n_pairs().sum() == sum(len(m) * (len(m) - 1) // 2 for m in matrices)
    seen = set()
    for u, v, edge in zip(tail.tolist(), head.tolist(), is_edge.tolist()):
        k = int(torch.searchsorted(graphs.starts, u, right=True)) - 1
        start = int(graphs.starts[k])
        assert u < v < start + graphs.sizes[k]
        assert matrices[k][u - start, v - start] == edge
        seen.add((u, v))
    assert len(seen) == len(tail)


def test_pairs_of_large_graphs():
    sizes = torch.tensor([3000, 2])
    edges = torch.tensor([[0, 2999], [2998, 2999], [0, 1], [3000, 3001]])
    ops = torch.zeros(3002, dtype=torch.int64)
    graphs = PackedGraphs(ops, edges, sizes, torch.tensor([3, 1]), backend="torch")
    tail, head, is_edge = graphs.pairs()
    assert (tail < head).all() and head[-1] == 3001
    found = torch.stack([tail, head], 1)[is_edge]
    assert {tuple(pair) for pair in found.tolist()} == {tuple(pair) for pair in edges.tolist()}


def test_a_limited_draw_of_pairs_is_uniform():
    graphs, _ = random_graphs(seed=4)
    tail, head, is_edge = graphs.pairs()
    truth = dict(zip(zip(tail.tolist(), head.tolist()), is_edge.tolist()))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        draws = [graphs.pairs(len(truth) - 1) for _ in range(400)]
    found = [(u, v) for one in draws for u, v in zip(one[0].tolist(), one[1].tolist())]
    assert all(truth[pair] == edge for pair, edge in zip(found, torch.cat([d[2] for d in draws])))
    counts = np.array([found.count(pair) for pair in truth])
    expected = len(found) / len(truth)
    assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)


def test_graphs_do_not_reach_one_another():
    graphs, _ = random_graphs(seed=2)
    alone = graphs.take(torch.tensor([2]))
    h = torch.randn(len(graphs.ops), 3)
    own = slice(graphs.starts[2], graphs.starts[3])
    torch.testing.assert_close(graphs.neighbor_sum(h)[own], alone.neighbor_sum(h[own]))


def test_parts_are_consecutive_and_hold_all():
    found = parts(torch.tensor([5, 5, 1, 30, 2, 2]), 10)
    assert torch.cat(found).tolist() == list(range(6))
    assert [part.tolist() for part in found] == [[0, 1], [2], [3, 4, 5]]


def test_unknown_backend():
    with pytest.raises(ValueError, match="backend must be"):
        random_graphs("numpy")
