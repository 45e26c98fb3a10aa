import pytest
import torch

from sksubsel.nn.graph import PackedGraphs, dgl_available


def _random_batch(seed=0, n_graphs=5, n_nodes=6, n_ops=4):
    rng = torch.Generator().manual_seed(seed)
    ops = torch.randint(n_ops, (n_graphs, n_nodes), generator=rng)
    sizes = torch.randint(2, n_nodes + 1, (n_graphs,), generator=rng)
    ops[torch.arange(n_nodes) >= sizes[:, None]] = -1
    adjacency = torch.rand(n_graphs, n_nodes, n_nodes, generator=rng) < 0.5
    valid = ops >= 0
    adjacency &= valid[:, :, None] & valid[:, None, :]
    return ops, torch.triu(adjacency, 1)


BACKENDS = [
    "torch",
    pytest.param("dgl", marks=pytest.mark.skipif(not dgl_available(), reason="no DGL")),
]


@pytest.mark.parametrize("backend", BACKENDS)
def test_neighbor_sum_is_that_of_dense_adjacency(backend):
    ops, adjacency = _random_batch()
    graphs = PackedGraphs(ops, adjacency, backend)
    h = torch.randn(len(graphs.ops), 3, dtype=torch.float64)
    both = (adjacency | adjacency.transpose(1, 2)).double()
    dense = both @ graphs.unpack(h)
    torch.testing.assert_close(graphs.unpack(graphs.neighbor_sum(h)), dense)


@pytest.mark.skipif(not dgl_available(), reason="no DGL")
def test_backends_agree_in_value_and_gradient():
    ops, adjacency = _random_batch(seed=1)
    sums, grads = [], []
    for backend in ("dgl", "torch"):
        graphs = PackedGraphs(ops, adjacency, backend)
        h = torch.arange(len(graphs.ops) * 2.0).reshape(-1, 2).requires_grad_()
        out = graphs.neighbor_sum(h)
        out.square().sum().backward()
        sums.append(out.detach())
        grads.append(h.grad)
    torch.testing.assert_close(*sums)
    torch.testing.assert_close(*grads)


def test_graphs_do_not_reach_one_another():
    ops, adjacency = _random_batch(seed=2)
    graphs = PackedGraphs(ops, adjacency, "torch")
    alone = PackedGraphs(ops[2:3], adjacency[2:3], "torch")
    h = torch.randn(len(graphs.ops), 3)
    torch.testing.assert_close(
        graphs.unpack(graphs.neighbor_sum(h))[2],
        alone.unpack(alone.neighbor_sum(graphs.unpack(h)[2:3][alone.mask]))[0],
    )


def test_unknown_backend():
    with pytest.raises(ValueError, match="backend must be"):
        PackedGraphs(*_random_batch(), backend="numpy")
