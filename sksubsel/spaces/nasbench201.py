"""The cells of NAS-Bench-201."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from sksubsel._validation import check_positive
from sksubsel.architectures import Architecture, as_architecture

from ._instances import check_nasbench201
from ._nasbench201_equivalence import (
    CELL_EDGES,
    CONVOLUTIONS,
    LINE_GRAPH,
    OPS,
    canonical_string,
    count_functions,
    unique_string,
    values_of,
)
from ._nasbench201_lowering import lower_network
from .base import SearchSpace

if TYPE_CHECKING:
    from torch import nn


class NASBench201(SearchSpace):
    """All 15,625 cells of NAS-Bench-201, and the networks that repeat them.

    A cell has four states. State 0 is the input, 3 the output; each state is the sum of what the
    operations on its edges make of all earlier states. An operation is one of ``none`` (zeros),
    ``skip_connect``, ``nor_conv_1x1``, ``nor_conv_3x3`` (ReLU, convolution, batch normalisation)
    and ``avg_pool_3x3``.

    As an `Architecture` a cell is its line graph, always of 8 nodes and 10 edges: the input, the
    six operations in the order of the string (on the edges 0-1, 0-2, 1-2, 0-3, 1-3, 2-3) and the
    output. An operation on u-v leads to those that read state v, one that ends in state 3 to the
    output. ``none`` and ``skip_connect`` are nodes like any other, so that graphs and strings
    correspond one to one.

    The index of a cell is the number that its operations write in base 5, the first operation of
    the string being the leading digit, with the digits of ``OPS``: 0 none, 1 skip_connect,
    2 nor_conv_1x1, 3 nor_conv_3x3, 4 avg_pool_3x3. The benchmark's own files number the cells
    otherwise; strings are the means to look them up.

    Parameters
    ----------
    stem_channels : int, default=16
        Channels of the first convolution and stage; doubled before each of the other two stages.
    n_cells : int, default=5
        Cells in each of the three stages.
    bn_momentum : float, default=0.1
        Weight of a batch in the running statistics of batch normalisation, as torch counts it.

    References
    ----------
    .. [1] Dong and Yang, "NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture
       Search", ICLR 2020.

    Examples
    --------
    >>> from sksubsel.spaces.nasbench201 import NASBench201
    >>> space = NASBench201()
    >>> len(space)
    15625
    >>> name = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|skip_connect~0|avg_pool_3x3~1|none~2|"
    >>> arch = space.from_string(name)
    >>> space.index(arch), space.count_parameters(arch)
    (9545, 316346)
    >>> space.function_string(arch)
    'c1=nor_conv_3x3(x); pool(c1)+x'
    """

    name = "nasbench201"
    vocabulary = ("input", *OPS, "output")

    def __init__(self, *, stem_channels: int = 16, n_cells: int = 5, bn_momentum: float = 0.1):
        self.stem_channels = stem_channels
        self.n_cells = n_cells
        self.bn_momentum = bn_momentum

    def __repr__(self):
        return (
            f"NASBench201(stem_channels={self.stem_channels}, n_cells={self.n_cells}, "
            f"bn_momentum={self.bn_momentum})"
        )

    def __len__(self) -> int:
        return len(OPS) ** len(CELL_EDGES)

    def index(self, arch: Any) -> int:
        """Index of a cell: its operations as the digits of a number in base 5, see the class.

        Raises
        ------
        ValueError
            If `arch` is not in the space.
        """
        index = 0
        for op in self.operations(arch):
            index = len(OPS) * index + OPS.index(op)
        return index

    def operations(self, arch: Any) -> tuple[str, ...]:
        """The six operations of a cell, in the order of its string."""
        return self.validate(arch).ops[1:-1]

    def to_string(self, arch: Any) -> str:
        """The benchmark's name of a cell, ``|op~0|+|op~0|op~1|+|op~0|op~1|op~2|``.

        The three groups are the states 1 to 3; ``op~u`` is what a state adds from state u.

        Raises
        ------
        ValueError
            If `arch` is not in the space.
        """
        terms = [f"{op}~{u}|" for (u, _), op in zip(CELL_EDGES, self.operations(arch))]
        return f"|{terms[0]}+|{terms[1]}{terms[2]}+|{terms[3]}{terms[4]}{terms[5]}"

    def from_string(self, string: str) -> Architecture:
        """The cell of a string as `to_string` gives it.

        Raises
        ------
        TypeError
            If `string` is not a str.
        ValueError
            If it is no cell's name; the message says where.
        """
        return self._cell(parse_string(string))

    def validate(self, arch: Any) -> Architecture:
        """A cell as an `Architecture` of this space, its nodes in the order of the string.

        Parameters
        ----------
        arch : Architecture, (matrix, ops) or whatever else `as_architecture` takes
            Nodes may come in any order: no two have the same place in the graph, so that the edges
            alone say which is which.

        Raises
        ------
        ValueError
            If there are not 8 nodes, an operation is unknown, or the edges are not those of the
            line graph under any numbering.
        """
        arch = as_architecture(arch)
        if arch.attributes is not None:
            raise ValueError("a NAS-Bench-201 cell has no node attributes")
        n_nodes = len(CELL_EDGES) + 2
        if arch.n_nodes != n_nodes:
            raise ValueError(
                f"a NAS-Bench-201 cell has {n_nodes} nodes, an input, {len(CELL_EDGES)} "
                f"operations ('none' and 'skip_connect' too) and an output; got {arch.n_nodes}"
            )
        _check_ops(arch)
        if arch.edges != LINE_GRAPH:
            order = sorted(range(n_nodes), key=_places(arch.adjacency).__getitem__)
            ordered = arch.relabel(order)
            if ordered.edges != LINE_GRAPH:
                raise ValueError(
                    "edges of a NAS-Bench-201 cell must be, up to the numbering of nodes, "
                    f"{list(LINE_GRAPH)}; got {list(arch.edges)}"
                )
            arch = ordered
        return arch if arch.space == self.name else self._cell(arch.ops[1:-1])

    def neighbors(self, arch: Any) -> list[Architecture]:
        """The 24 cells that differ from `arch` in one operation, in a fixed order.

        Raises
        ------
        ValueError
            If `arch` is not in the space.
        """
        ops = self.operations(arch)
        return [
            self._cell((*ops[:k], op, *ops[k + 1 :]))
            for k in range(len(ops))
            for op in OPS
            if op != ops[k]
        ]

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
        from sksubsel.networks.nasbench201 import build_nasbench201

        return build_nasbench201(
            self.validate(arch),
            in_shape,
            n_classes,
            stem_channels=self.stem_channels,
            n_cells=self.n_cells,
            bn_momentum=self.bn_momentum,
        )

    def lower(self, arch: Any, in_shape: tuple[int, ...], n_classes: int) -> Architecture:
        """The graph of the whole network; see `SearchSpace.lower`."""
        ops = self.operations(arch)
        check_nasbench201(in_shape, n_classes, self.stem_channels, self.n_cells)
        return lower_network(ops, n_classes, self.stem_channels, self.n_cells)

    def count_parameters(self, arch: Any, in_channels: int = 3, n_classes: int = 10) -> int:
        """Number of parameters of a cell's network, those that have no effect included.

        Parameters
        ----------
        arch : Architecture or what converts to one
        in_channels : int, default=3
        n_classes : int, default=10

        Raises
        ------
        ValueError
            If `arch` is not in the space, or a number is not a positive int.

        Notes
        -----
        With C stem channels, stem, residual blocks, last batch normalisation and linear layer have
        ``280 C² + (34 + 9 in_channels + 4 n_classes) C + n_classes``; a k x k convolution of the
        cell has ``21 k² C² + 14 C`` in one cell each of the three stages. By default that is
        73,306 + 28,000 for each ``nor_conv_1x1`` + 243,040 for each ``nor_conv_3x3``.
        """
        ops = self.operations(arch)
        width, n_cells = self.stem_channels, self.n_cells
        check_positive(
            in_channels=in_channels, n_classes=n_classes, stem_channels=width, n_cells=n_cells
        )
        total = 280 * width**2 + (34 + 9 * in_channels + 4 * n_classes) * width + n_classes
        for op, area in zip(CONVOLUTIONS, (1, 9)):
            total += ops.count(op) * n_cells * (21 * area * width**2 + 14 * width)
        return int(total)

    def unique_string(self, arch: Any) -> str:
        """What the benchmark compares to find cells that are the same.

        A state's string is that of its terms, sorted and joined by "+". A term is "#" if its
        operation is ``none`` or it reads a state that is exactly "#"; the string of the state that
        it reads if it is ``skip_connect``; otherwise that string in parentheses, "@" and the
        operation. State 0 is "0", and the cell's string that of state 3.

        Notes
        -----
        The rule gives the published 6,466 strings, but is no equality of functions. It keeps "#"
        in sums (an added zero makes a difference), does not merge sums of sums, and writes out
        shared values, so that one convolution used twice and two convolutions of one value are the
        same to it. `function_string` does better.
        """
        return unique_string(self.operations(arch))

    def n_unique(self) -> int:
        """Number of different `unique_string` in the space: 6,466, as published."""
        return len(set(map(unique_string, itertools.product(OPS, repeat=len(CELL_EDGES)))))

    def function_string(self, arch: Any) -> str:
        """The function that a cell computes, the same string for equivalent cells only.

        Two cells are equivalent if their convolutions that matter correspond one to one, 1x1 to
        1x1 and 3x3 to 3x3, such that with the weights of one copied to the other both give the
        same output for every input and all weights. So:

        - ``none`` is no term, and what reads or feeds nothing but zeros does not matter, nor what
          is on no path from input to output;
        - ``skip_connect`` is the value that it reads, and sums are sums of all terms, a term that
          occurs n times counting n times;
        - average pooling is linear: the pooled sum is the sum of the pooled terms;
        - a convolution that several states use is one, not as many as there are uses, and which
          edge it is on makes no difference.

        There are 5,044 such functions in the space.

        Returns
        -------
        str
            Definitions and the output, such as ``"c1=nor_conv_3x3(x+2*pool(x)); x+c1"``.

        Notes
        -----
        A convolution that reads zeros gives the bias of its batch normalisation, which is zero in
        a new network and counts as such here; once trained it need not be. Images must be large
        enough that pooling twice is not pooling once (over 2 pixels a side).
        """
        return canonical_string(*values_of(self.operations(arch)))

    def n_functions(self) -> int:
        """Number of different `function_string` in the space: 5,044. Takes half a second, once."""
        return count_functions()

    def _at(self, indices):
        digits = indices[:, None] // len(OPS) ** np.arange(len(CELL_EDGES))[::-1] % len(OPS)
        return [self._cell(tuple(OPS[code] for code in row)) for row in digits.tolist()]

    def _cell(self, ops) -> Architecture:
        return Architecture(("input", *ops, "output"), LINE_GRAPH, space=self.name)


def parse_string(string: str) -> tuple[str, ...]:
    """The six operations of ``|op~0|+|op~0|op~1|+|op~0|op~1|op~2|``."""
    if not isinstance(string, str):
        raise TypeError(f"string must be a str; got {string!r}")
    groups = string.split("+")
    if len(groups) != 3:
        raise ValueError(
            "string must have 3 groups joined by '+', |op~0|+|op~0|op~1|+|op~0|op~1|op~2|; got "
            f"{len(groups)} in {string!r}"
        )
    ops = []
    for state, group in enumerate(groups, start=1):
        if len(group) < 2 or group[0] != "|" or group[-1] != "|":
            raise ValueError(f"group {state} must begin and end with '|'; got {group!r}")
        terms = group[1:-1].split("|")
        if len(terms) != state:
            raise ValueError(
                f"group {state} must have {state} terms between '|'; got {len(terms)} in {group!r}"
            )
        for source, term in enumerate(terms):
            op, tilde, number = term.partition("~")
            if not tilde or number != str(source):
                raise ValueError(
                    f"term {source + 1} of group {state} must be an operation and '~{source}'; "
                    f"got {term!r}"
                )
            if op not in OPS:
                raise ValueError(f"operations must be of {OPS}; got {op!r} in group {state}")
            ops.append(op)
    return tuple(ops)


def _check_ops(arch: Architecture) -> None:
    unknown = [op for op in arch.ops if op not in NASBench201.vocabulary]
    if unknown:
        raise ValueError(
            f"ops of a NAS-Bench-201 cell must be of {NASBench201.vocabulary}; got {unknown[0]!r}"
        )
    ends = {arch.input_node: "input", arch.output_node: "output"}
    for node, op in enumerate(arch.ops):
        if (op in ("input", "output") or node in ends) and ends.get(node) != op:
            raise ValueError(
                "the node that nothing leads to, and no other, must be 'input', the one that leads "
                f"nowhere 'output'; got {list(arch.ops)} with the edges {list(arch.edges)}"
            )


def _places(adjacency: np.ndarray) -> list[int]:
    """Place of each node in string order, if the graph is a cell's; anything otherwise."""
    # How many nodes lead to a node and how many it leads to is different for all nodes of the
    # line graph, whose automorphism group is therefore trivial.
    reach = np.linalg.matrix_power(np.eye(len(adjacency), dtype=int) + adjacency, 7) > 0
    counts = list(zip(reach.sum(axis=0).tolist(), reach.sum(axis=1).tolist()))
    expected = {(1, 8): 0, (2, 5): 1, (2, 3): 2, (3, 3): 3, (2, 2): 4, (3, 2): 5, (5, 2): 6}
    return [expected.get(pair, 7) for pair in counts]
