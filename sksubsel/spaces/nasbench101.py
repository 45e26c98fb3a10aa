"""The cells of NAS-Bench-101."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sksubsel.architectures import Architecture, as_architecture, graph_hash
from sksubsel.architectures.canonical import canonical_form, edge_bit

from ._instances import check_nasbench101
from ._nasbench101_lowering import lower_network
from ._nasbench101_pool import MAX_EDGES, MAX_NODES, N_OPS, cell_key, pool
from .base import SearchSpace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike
    from torch import nn

INNER_OPS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")


class NASBench101(SearchSpace):
    """All 423,624 cells of NAS-Bench-101, and the networks that repeat them.

    A cell has an input, an output and up to five operations (3x3 convolution, 1x1 convolution,
    3x3 max-pooling), at most nine edges, and no node outside a path from input to output.
    Isomorphic cells are one; the space holds the representative that the benchmark stores, and
    its indices follow the benchmark's order, that of the cells' module hashes.

    Parameters
    ----------
    stem_channels : int, default=128
        Channels of the first convolution; doubled before each stack but the first.
    n_stacks : int, default=3
        Number of stacks.
    n_cells : int, default=3
        Cells in each stack.
    bn_momentum : float, default=0.003
        Weight of a batch in the running statistics of batch normalisation, as torch counts it. The
        default is the benchmark's, for its tens of thousands of steps. `ArchitectureClassifier`
        estimates the statistics anew after training; in a training loop of your own that is short,
        take 0.1: after 400 steps at 0.003 the statistics are still 30 % initial values (of three
        cells trained so on digits, two stayed at 11 % accuracy; at 0.1 all reached 88 to 92 %).

    Notes
    -----
    The pool is enumerated when it is first needed and shared by all instances: 0.1 to 0.2 s and
    2.5 MB. Only what asks for an index (``space[i]``, iteration, `index`) needs the order, some
    20 million MD5 digests: 7 s on one core, once per process. `sample`, `neighbors`, `mutate`,
    `validate` and `build` do without.

    References
    ----------
    .. [1] Ying et al., "NAS-Bench-101: Towards Reproducible Neural Architecture Search", ICML 2019.

    Examples
    --------
    >>> from sksubsel.spaces import NASBench101
    >>> space = NASBench101()
    >>> len(space)
    423624
    >>> [arch.n_nodes for arch in space.sample(3, random_state=0)]
    [7, 7, 7]
    """

    name = "nasbench101"
    vocabulary = ("input", *INNER_OPS, "output")

    def __init__(
        self,
        *,
        stem_channels: int = 128,
        n_stacks: int = 3,
        n_cells: int = 3,
        bn_momentum: float = 0.003,
    ):
        self.stem_channels = stem_channels
        self.n_stacks = n_stacks
        self.n_cells = n_cells
        self.bn_momentum = bn_momentum

    def __repr__(self):
        return (
            f"NASBench101(stem_channels={self.stem_channels}, n_stacks={self.n_stacks}, "
            f"n_cells={self.n_cells}, bn_momentum={self.bn_momentum})"
        )

    def __len__(self) -> int:
        return len(pool().edges)

    def index(self, arch: Any) -> int:
        """Index of a cell in the benchmark's order; isomorphic cells have the same.

        Raises
        ------
        ValueError
            If `arch` is not in the space.
        """
        from ._nasbench101_order import benchmark_rank

        arch = self.canonical(arch)
        labels = 0
        for op in arch.ops[1:-1]:
            labels = N_OPS * labels + INNER_OPS.index(op)
        key = cell_key(arch.n_nodes, sum(1 << edge_bit(u, v) for u, v in arch.edges), labels)
        return int(benchmark_rank()[np.searchsorted(pool().keys(), key)])

    def module_hash(self, arch: Any) -> str:
        """The benchmark's name for a cell: `graph_hash` with labels -1, 0 to 2 (ops), -2."""
        arch = self.validate(arch)
        labels = [-1, *map(INNER_OPS.index, arch.ops[1:-1]), -2]
        return graph_hash(arch.adjacency, labels)

    def canonical(self, arch: Any) -> Architecture:
        """The representative of a cell's isomorphism class, as the benchmark stores it."""
        return canonical_form(self.validate(arch), self.vocabulary)

    def validate(self, arch: Any) -> Architecture:
        """A cell as an `Architecture` of this space, its numbering of nodes kept.

        Parameters
        ----------
        arch : Architecture, (matrix, ops) or whatever else `as_architecture` takes

        Raises
        ------
        ValueError
            If there are more than 7 nodes or 9 edges, an operation is unknown, input and output
            are not the first and the last node, the matrix is not upper-triangular, or nodes lie
            outside every path from input to output (`prune` takes them out).
        """
        if isinstance(arch, (tuple, list)) and len(arch) == 2:
            matrix, ops = _check_matrix(*arch)
        else:
            arch = as_architecture(arch)
            if arch.attributes is not None:
                raise ValueError("a NAS-Bench-101 cell has no node attributes")
            matrix, ops = arch.to_matrix()
        if len(ops) > MAX_NODES:
            raise ValueError(f"a NAS-Bench-101 cell has at most {MAX_NODES} nodes; got {len(ops)}")
        _check_upper_triangular(matrix)
        _check_ops(ops)
        if matrix.sum() > MAX_EDGES:
            raise ValueError(
                f"a NAS-Bench-101 cell has at most {MAX_EDGES} edges; got {matrix.sum()}"
            )
        dangling = sorted(set(range(len(ops))) - set(_on_paths(matrix)))
        if dangling:
            raise ValueError(
                f"nodes {dangling} are on no path from input to output; "
                "NASBench101.prune(matrix, ops) takes such nodes out"
            )
        return Architecture.from_matrix(matrix, ops, space=self.name)

    @classmethod
    def prune(cls, matrix: ArrayLike, ops: Sequence[str]) -> Architecture:
        """The cell that is left of a specification without nodes off all paths input to output.

        Parameters
        ----------
        matrix : array-like of shape (V, V)
            Upper-triangular, 0/1. The first node is the input, the last the output.
        ops : sequence of str, length V

        Raises
        ------
        ValueError
            If no path leads from input to output, or the rest is no cell of the space.
        """
        matrix, ops = _check_matrix(matrix, ops)
        _check_upper_triangular(matrix)
        pruned = _prune(matrix, ops)
        if pruned is None:
            raise ValueError("matrix has no path from the input to the output")
        return cls().validate(pruned)

    def neighbors(self, arch: Any) -> list[Architecture]:
        """All cells one edit away, without `arch`, in canonical form and a fixed order.

        An edit changes the operation of a node, adds or removes an edge (what is then on no path
        is pruned), or puts a new node into an edge. Every cell can be reached from every other.

        Raises
        ------
        ValueError
            If `arch` is not in the space.
        """
        arch = self.canonical(arch)
        matrix, ops = arch.to_matrix()
        found = set()
        for edited in _edits(matrix, ops):
            pruned = _prune(*edited)
            if pruned is not None and pruned[0].sum() <= MAX_EDGES:
                cell = Architecture.from_matrix(pruned[0], pruned[1], space=self.name)
                found.add(canonical_form(cell, self.vocabulary))
        found.discard(arch)
        codes = {op: k for k, op in enumerate(self.vocabulary)}
        return sorted(found, key=lambda cell: (cell.edges, [codes[op] for op in cell.ops]))

    def build(self, arch: Any, in_shape: tuple[int, ...], n_classes: int) -> nn.Module:
        """The untrained network of a cell.

        Parameters
        ----------
        arch : Architecture or what converts to one
        in_shape : tuple (channels, height, width)
            Shape of one image, ``X.shape[1:]``.
        n_classes : int
            Width of the output; 1 for regression.

        Returns
        -------
        torch.nn.Module

        Raises
        ------
        ValueError
            If `arch` is not in the space, or images or parameters do not fit.
        """
        from sksubsel.networks import build_network

        return build_network(
            self.validate(arch),
            in_shape,
            n_classes,
            stem_channels=self.stem_channels,
            n_stacks=self.n_stacks,
            n_cells=self.n_cells,
            bn_momentum=self.bn_momentum,
        )

    def lower(self, arch: Any, in_shape: tuple[int, ...], n_classes: int) -> Architecture:
        """The graph of the whole network; see `SearchSpace.lower`."""
        sizes = self.stem_channels, self.n_stacks, self.n_cells
        arch = self.canonical(arch)
        check_nasbench101(in_shape, n_classes, *sizes)
        return lower_network(arch, n_classes, *sizes)

    def _at(self, indices):
        from ._nasbench101_order import benchmark_order

        return self._draw(benchmark_order()[indices])

    def _draw(self, positions):  # from the order of enumeration, so that a sample needs no hashes
        cells = pool()
        return [
            self._cell(int(cells.n_nodes[k]), int(cells.edges[k]), int(cells.labels[k]))
            for k in positions
        ]

    def _cell(self, n_nodes: int, edges: int, labels: int) -> Architecture:
        """The architecture of an entry of the pool."""
        inner = []
        for _ in range(n_nodes - 2):
            labels, code = divmod(labels, N_OPS)
            inner.append(INNER_OPS[code])
        pairs = [(u, v) for v in range(n_nodes) for u in range(v) if edges >> edge_bit(u, v) & 1]
        return Architecture(("input", *reversed(inner), "output"), tuple(pairs), space=self.name)


def _check_matrix(matrix, ops) -> tuple[np.ndarray, tuple]:
    """A 0/1 matrix of shape (V, V), uint8, and V >= 2 operations."""
    matrix, ops = np.asarray(matrix), tuple(ops)
    if matrix.ndim != 2 or matrix.shape != (len(ops), len(ops)):
        raise ValueError(
            f"matrix must have shape (V, V), ops length V; got {matrix.shape} and {len(ops)}"
        )
    if len(ops) < 2:
        raise ValueError(f"a cell needs at least an input and an output; got {len(ops)} nodes")
    if not np.isin(matrix, (0, 1)).all():
        raise ValueError(f"matrix must hold only 0 and 1; got {np.unique(matrix)[:10]}")
    return matrix.astype(np.uint8), ops


def _check_upper_triangular(matrix: np.ndarray) -> None:
    backward = np.argwhere(np.tril(matrix)).tolist()
    if backward:
        raise ValueError(
            "matrix must be upper-triangular, every edge leading to a higher node; got the edge "
            f"{tuple(backward[0])} (if acyclic, arch.relabel(arch.topological_order()) renumbers)"
        )


def _check_ops(ops: tuple) -> None:
    unknown = [op for op in ops if op not in NASBench101.vocabulary]
    if unknown:
        raise ValueError(
            f"ops of a NAS-Bench-101 cell must be of {NASBench101.vocabulary}; got {unknown[0]!r}"
        )
    if ops[0] != "input" or ops[-1] != "output" or not set(ops[1:-1]) <= set(INNER_OPS):
        raise ValueError(
            "a cell's first node, and no other, must be 'input', its last 'output'; "
            f"got {list(ops)}"
        )


def _on_paths(matrix: np.ndarray) -> list[int]:
    """Nodes of an upper-triangular matrix on a path from the first node to the last."""
    last = len(matrix) - 1
    after, before = {0}, {last}
    for v in range(1, last + 1):
        if any(matrix[u, v] for u in after):
            after.add(v)
    for u in range(last - 1, -1, -1):
        if any(matrix[u, v] for v in before):
            before.add(u)
    return sorted(after & before)


def _prune(matrix: np.ndarray, ops):
    """(matrix, ops) of the nodes on paths from input to output; None if there is no path."""
    keep = _on_paths(matrix)
    if len(keep) < 2:
        return None
    return matrix[np.ix_(keep, keep)], tuple(ops[v] for v in keep)


def _edits(matrix: np.ndarray, ops: tuple):
    """Every (matrix, ops) one edit away; may be unpruned, have too many edges or be isomorphic."""
    n_nodes = len(ops)
    for v in range(1, n_nodes - 1):
        for op in INNER_OPS:
            yield matrix, (*ops[:v], op, *ops[v + 1 :])
    for u in range(n_nodes):
        for v in range(u + 1, n_nodes):
            toggled = matrix.copy()
            toggled[u, v] ^= 1
            yield toggled, ops
    if n_nodes < MAX_NODES:
        for u, v in np.argwhere(matrix).tolist():
            # The new node comes right before v; all from v on move up by one.
            grown = np.insert(np.insert(matrix, v, 0, axis=0), v, 0, axis=1)
            grown[u, v + 1] = 0
            grown[u, v] = grown[v, v + 1] = 1
            for op in INNER_OPS:
                yield grown, (*ops[:v], op, *ops[v:])
