import networkx
import numpy as np
import pytest

from sksubsel.architectures import Architecture, as_architecture, as_architectures

MATRIX = [[0, 1, 0, 1], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]]
OPS = ["input", "conv", "pool", "output"]
ARCH = Architecture(OPS, [(0, 1), (0, 3), (1, 2), (2, 3)])


@pytest.fixture(scope="module")
def dgl():
    return pytest.importorskip("dgl")


def test_matrix_round_trip():
    matrix, ops = ARCH.to_matrix()
    assert matrix.tolist() == MATRIX and list(ops) == OPS
    assert Architecture.from_matrix(matrix, ops) == ARCH
    assert Architecture.from_matrix(np.array(MATRIX, dtype=bool), OPS, space="s").space == "s"


@pytest.mark.parametrize(
    "matrix, ops, message",
    [
        ([[0, 1]], ["input", "output"], "square"),
        (MATRIX, OPS[:3], r"shape \(4, 4\) needs 4 ops; got 3"),
        ([[0, 2], [0, 0]], ["input", "output"], "only 0 and 1"),
        ([[0, np.nan], [0, 0]], ["input", "output"], "only 0 and 1"),
        (np.zeros((0, 0)), [], "at least two nodes"),
        ([[0, 1], [1, 0]], ["input", "output"], "acyclic"),
    ],
)
def test_invalid_matrices(matrix, ops, message):
    with pytest.raises(ValueError, match=message):
        Architecture.from_matrix(matrix, ops)


def test_networkx_round_trip():
    arch = Architecture(OPS, ARCH.edges, [{}, {"kernel": 3}, {}, {}])
    for one in (ARCH, arch):
        graph = one.to_networkx()
        assert isinstance(graph, networkx.DiGraph)
        assert Architecture.from_networkx(graph) == as_architecture(graph) == one


def test_networkx_nodes_of_any_name_keep_their_order():
    graph = networkx.DiGraph()
    graph.add_node("end", op="output", colour="red")
    graph.add_node("start", op="input")
    graph.add_edge("start", "end")
    assert as_architecture(graph) == Architecture(["output", "input"], [(1, 0)])


def test_networkx_errors():
    graph = networkx.DiGraph([(0, 1)])
    with pytest.raises(ValueError, match=r'must have "op"; not so \[0, 1\]'):
        as_architecture(graph)
    with pytest.raises(ValueError, match="DiGraph, directed and simple; got Graph"):
        as_architecture(networkx.Graph([(0, 1)]))
    with pytest.raises(ValueError, match="got MultiDiGraph"):
        as_architecture(networkx.MultiDiGraph([(0, 1)]))


def test_dgl_round_trip(dgl):
    vocabulary = ["output", "pool", "conv", "input", "unused"]
    graph = ARCH.to_dgl(vocabulary)
    assert graph.ndata["op"].tolist() == [3, 2, 1, 0]
    assert as_architecture(graph) == as_architecture(graph, vocabulary) == ARCH
    assert Architecture.from_dgl(ARCH.to_dgl(), space="s") == ARCH


def test_dgl_codes_without_a_vocabulary(dgl):
    import torch

    graph = dgl.graph(([0, 0, 1], [1, 2, 2]))
    graph.ndata["op"] = torch.tensor([7, 1, 0], dtype=torch.int32)
    assert as_architecture(graph).ops == ("op_7", "op_1", "op_0")
    assert as_architectures([graph], vocabulary=list("abcdefgh"))[0].ops == ("h", "b", "a")


def test_dgl_errors(dgl):
    import torch

    graph = dgl.graph(([0], [1]))
    with pytest.raises(ValueError, match=r'must have ndata\["op"\]'):
        as_architecture(graph)
    graph.ndata["op"] = torch.zeros(2)
    with pytest.raises(ValueError, match="must be integers"):
        as_architecture(graph)
    graph.ndata["op"] = torch.tensor([0, 5])
    with pytest.raises(ValueError, match=r"codes in \[0, 2\) of the vocabulary; got \[5\]"):
        as_architecture(graph, ["input", "output"])
    with pytest.raises(ValueError, match="lacks"):
        ARCH.to_dgl(["input", "output"])
    with pytest.warns(UserWarning, match="attributes are left out"):
        Architecture(OPS, ARCH.edges, [{"kernel": 3}] * 4).to_dgl()


def test_as_architectures_takes_a_mixture(dgl):
    mixture = [ARCH, (MATRIX, OPS), ARCH.to_networkx(), ARCH.to_dgl(), [np.array(MATRIX), OPS]]
    assert as_architectures(mixture) == [ARCH] * 5
    assert as_architectures(iter([ARCH])) == [ARCH]
    array = np.empty(2, dtype=object)
    array[:] = [ARCH, ARCH]
    assert as_architectures(array) == [ARCH] * 2


def test_two_architectures_are_no_pair():
    assert as_architectures((ARCH, ARCH)) == [ARCH, ARCH]
    assert as_architectures(((MATRIX, OPS), (MATRIX, OPS))) == [ARCH, ARCH]


@pytest.mark.parametrize("single", [ARCH, (MATRIX, OPS), ARCH.to_networkx()])
def test_a_single_architecture_is_no_list(single):
    with pytest.raises(TypeError, match=r"seen must be a list of architectures; got a single one"):
        as_architectures(single, name="seen")


def test_list_errors():
    with pytest.raises(ValueError, match="archs must hold at least one architecture"):
        as_architectures([])
    for what in ("text", 3, None):
        with pytest.raises(TypeError, match="archs must be a list of architectures"):
            as_architectures(what)
    with pytest.raises(TypeError, match=r"archs\[1\]: an architecture must be .* got int 5"):
        as_architectures([ARCH, 5])
    with pytest.raises(ValueError, match=r"archs\[1\]: .*acyclic"):
        as_architectures([ARCH, ([[0, 1], [1, 0]], ["input", "output"])])


@pytest.mark.parametrize("what", ["text", 3, None, ("a", "b"), ([[0, 1], [0, 0]], "ab")])
def test_not_an_architecture(what):
    with pytest.raises(TypeError, match="an architecture must be an Architecture, a DGL graph"):
        as_architecture(what)
