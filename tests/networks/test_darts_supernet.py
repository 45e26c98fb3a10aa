import pytest
import torch

from sksubsel.networks.darts import build_darts
from sksubsel.networks.darts_supernet import CHOICES, EDGES, DARTSSupernet
from sksubsel.spaces import DARTS, Genotype

CONVS = [
    ("sep_conv_3x3", 0), ("skip_connect", 1), ("dil_conv_5x5", 0), ("sep_conv_5x5", 2),
    ("dil_conv_3x3", 1), ("skip_connect", 2), ("sep_conv_3x3", 3), ("skip_connect", 4),
]  # fmt: skip
NODES = [2, 3, 4, 5]


def make(**params):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return DARTSSupernet((1, 8, 8), 3, stem_channels=2, n_layers=4, **params)


def images(n):
    return torch.randn(n, 1, 8, 8, generator=torch.Generator().manual_seed(1))


def test_edges_are_those_of_the_original():
    assert len(EDGES) == 14 and EDGES[:5] == ((0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
    assert CHOICES[0] == "none" and len(CHOICES) == 8
    net = make()
    assert {name: tuple(alpha.shape) for name, alpha in net.alphas.items()} == {
        "normal": (14, 8), "reduce": (14, 8)
    }  # fmt: skip
    assert len(net.weights()) == len(list(net.parameters())) - 2


def test_a_mixture_of_one_operation_is_the_network_of_its_genotype():
    genotype = Genotype(CONVS, NODES, CONVS, NODES)
    net, plain = make(), build_darts(genotype, (1, 8, 8), 3, stem_channels=2, n_layers=4)
    for name, cell in (("normal", genotype.normal), ("reduce", genotype.reduce)):
        alpha = torch.full((14, 8), -200.0)
        alpha[:, 0] = 200.0  # none
        for k, (op, source) in enumerate(cell):
            edge = EDGES.index((source, NODES[k // 2]))
            alpha[edge] = -200.0
            alpha[edge, CHOICES.index(op)] = 200.0
        net.alphas[name].data = alpha
    plain.stem.load_state_dict(net.stem.state_dict(), strict=False)
    plain.classifier.load_state_dict(net.classifier.state_dict())
    for mixed, cell in zip(net.cells, plain.cells):
        cell.preprocess.load_state_dict(mixed.preprocess.state_dict(), strict=False)
        for k, (op, source) in enumerate(genotype.normal):
            edge = mixed.edges[EDGES.index((source, NODES[k // 2]))]
            operation = edge.operations[CHOICES.index(op) - 1]
            cell.operations[k].load_state_dict(operation.state_dict(), strict=False)
    x = images(6)
    torch.testing.assert_close(net(x), plain.train()(x))
    torch.testing.assert_close(net.eval()(x), net.train()(x))  # by the batch in both


def test_none_takes_its_share():
    net, x = make(), images(5)
    with torch.no_grad():
        for alpha in net.alphas.values():
            alpha.zero_()
        states = net.cells[0].edges[0](torch.ones(5, 2, 8, 8), torch.full((8,), 1 / 8))
        halves = net.cells[0].edges[0](torch.ones(5, 2, 8, 8), torch.full((8,), 1 / 16))
    torch.testing.assert_close(states, 2 * halves)
    net(x).sum().backward()
    assert all(alpha.grad[:, 0].abs().sum() > 0 for alpha in net.alphas.values())


@pytest.mark.parametrize("bad", [{"n_layers": 2}, {"stem_channels": 0}])
def test_sizes_are_checked(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        DARTSSupernet((1, 8, 8), 3, **bad)


def test_the_smallest_images():
    net = DARTSSupernet((3, 4, 4), 2, stem_channels=2, n_layers=3)
    assert net(torch.randn(2, 3, 4, 4)).shape == (2, 2)
    assert DARTS(n_layers=3).build(DARTS()[0], (3, 4, 4), 2) is not None
