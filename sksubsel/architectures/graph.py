"""A neural architecture as a labelled directed acyclic graph."""

from __future__ import annotations

import heapq
import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from .hashing import graph_hash

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from torch import nn


class NodeAttributes(Mapping):
    """A mapping from names to values that is immutable, hashable and picklable."""

    __slots__ = ("_items",)
    _items: tuple[tuple[str, Any], ...]

    def __init__(self, values=()):
        items = [
            (str(name), value.item() if isinstance(value, np.generic) else value)
            for name, value in dict(values).items()
        ]
        for name, value in items:
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"values of node attributes must be finite; got {name}={value}")
        object.__setattr__(self, "_items", tuple(sorted(items, key=lambda item: item[0])))
        try:
            hash(self._items)
        except TypeError as error:
            raise TypeError(f"values of node attributes must be hashable; got {items}") from error

    def __getitem__(self, name):
        return dict(self._items)[name]

    def __iter__(self):
        return iter(dict(self._items))

    def __len__(self):
        return len(self._items)

    def __hash__(self):
        return hash(self._items)

    def __setattr__(self, name, value):
        raise AttributeError("node attributes are immutable")

    def __reduce__(self):
        return NodeAttributes, (self._items,)

    def __repr__(self):
        return repr(dict(self._items))


@dataclass(frozen=True, repr=False)
class Architecture:
    """A network's structure: nodes are operations, edges say whose output feeds whom.

    Parameters
    ----------
    ops : sequence of str, length V
        Operation of each node.
    edges : iterable of (int, int)
        An edge (u, v) leads from node u to node v. Kept sorted.
    attributes : sequence of mappings, length V, optional
        More about each node, such as kernel size; values must be hashable.
    space : str, optional
        Name of the search space, which says how to build a network. Not compared by ``==``.

    Raises
    ------
    ValueError
        If the graph is empty, has an edge out of range, from a node to itself or twice, has a
        cycle, or does not have exactly one input (a node nothing leads to) and one output; or if a
        number among the attributes is not finite.
    TypeError
        If an operation is not a string or an edge not a pair of integers.

    Notes
    -----
    Two architectures are equal if their ops, edges and attributes are, node by node; those that
    differ only in the numbering of nodes share `hash`. Checking takes O(V + E log E).

    Examples
    --------
    >>> from sksubsel.architectures import Architecture
    >>> arch = Architecture(["input", "conv", "output"], [(0, 1), (1, 2), (0, 2)])
    >>> arch.n_nodes, arch.n_edges
    (3, 3)
    """

    ops: tuple[str, ...]
    edges: tuple[tuple[int, int], ...]
    attributes: tuple[Mapping, ...] | None = None
    space: str | None = field(default=None, compare=False)

    if TYPE_CHECKING:  # what may be given is more than what is kept

        def __init__(
            self,
            ops: Sequence[str],
            edges: Iterable[tuple[int, int]],
            attributes: Sequence[Mapping] | None = None,
            space: str | None = None,
        ) -> None: ...

    def __post_init__(self):
        if isinstance(self.ops, str) or not isinstance(self.ops, Iterable):
            raise TypeError(f"ops must be a sequence of strings; got {self.ops!r}")
        ops = tuple(self.ops)
        for op in ops:
            if not isinstance(op, str):
                raise TypeError(f"ops must be strings; got {op!r}")
        if len(ops) < 2:
            raise ValueError(
                f"an architecture needs at least two nodes, an input and an output; got {len(ops)}"
            )
        edges = _check_edges(self.edges, len(ops))
        attributes = self.attributes
        if attributes is not None:
            attributes = tuple(NodeAttributes(values) for values in attributes)
            if len(attributes) != len(ops):
                raise ValueError(
                    f"attributes must be one mapping per node ({len(ops)}); got {len(attributes)}"
                )
        if self.space is not None and not isinstance(self.space, str):
            raise TypeError(f"space must be a string or None; got {self.space!r}")
        # NumPy's strings are str too, but print and pickle differently.
        object.__setattr__(self, "ops", tuple(map(str, ops)))
        object.__setattr__(self, "edges", edges)
        object.__setattr__(self, "attributes", attributes)
        for what, ends in (("input", self._sources()), ("output", self._sinks())):
            if len(ends) > 1:  # none at all means a cycle
                raise ValueError(
                    f"an architecture must have exactly one {what} node; got nodes {ends[:10]}"
                )
        if len(self.topological_order()) < len(ops):
            raise ValueError("an architecture must be acyclic; got a graph with a cycle")

    @property
    def n_nodes(self) -> int:
        """Number of nodes, V."""
        return len(self.ops)

    @property
    def n_edges(self) -> int:
        """Number of edges, E."""
        return len(self.edges)

    @property
    def input_node(self) -> int:
        """The node that nothing leads to."""
        return self._sources()[0]

    @property
    def output_node(self) -> int:
        """The node that leads nowhere."""
        return self._sinks()[0]

    @property
    def adjacency(self) -> np.ndarray:
        """Matrix of shape (V, V), uint8: 1 at (u, v) where an edge leads from u to v."""
        matrix = np.zeros((self.n_nodes, self.n_nodes), dtype=np.uint8)
        matrix[tuple(zip(*self.edges))] = 1
        return matrix

    @cached_property
    def hash(self) -> str:
        """Hexadecimal fingerprint over ops and attributes, the same for any numbering of nodes."""
        labels: list = list(self.ops)
        if self.attributes is not None:
            labels = [(op, dict(values)) for op, values in zip(self.ops, self.attributes)]
        return graph_hash(self.adjacency, labels)

    def successors(self) -> list[list[int]]:
        """For each node, where its edges lead, in ascending order."""
        lists: list[list[int]] = [[] for _ in self.ops]
        for u, v in self.edges:
            lists[u].append(v)
        return lists

    def bfs_order(self) -> np.ndarray:
        """Nodes in breadth-first order from the input, children in ascending order; int64 (V,).

        The last one need not be the output: breadth-first search finds the output early where an
        edge skips to it. O(V + E).
        """
        children = self.successors()
        order = [self.input_node]
        seen = set(order)
        for u in order:  # grows while it is walked
            for v in children[u]:
                if v not in seen:
                    seen.add(v)
                    order.append(v)
        return np.array(order, dtype=np.int64)

    def topological_order(self) -> np.ndarray:
        """Nodes such that every edge leads forward, the lowest free one first; int64 (V,)."""
        children = self.successors()
        waiting = [0] * self.n_nodes  # predecessors not yet placed
        for _, v in self.edges:
            waiting[v] += 1
        free = [v for v, n in enumerate(waiting) if n == 0]
        order = []
        while free:
            u = heapq.heappop(free)
            order.append(u)
            for v in children[u]:
                waiting[v] -= 1
                if waiting[v] == 0:
                    heapq.heappush(free, v)
        return np.array(order, dtype=np.int64)

    def relabel(self, order: Iterable[int]) -> Architecture:
        """The same architecture with node ``order[k]`` as node k; `order` is a permutation."""
        order = [operator.index(v) for v in order]
        if sorted(order) != list(range(self.n_nodes)):
            raise ValueError(f"order must be a permutation of {self.n_nodes} nodes; got {order}")
        place = {v: k for k, v in enumerate(order)}
        return Architecture(
            tuple(self.ops[v] for v in order),
            tuple((place[u], place[v]) for u, v in self.edges),
            None if self.attributes is None else tuple(self.attributes[v] for v in order),
            self.space,
        )

    @classmethod
    def from_matrix(
        cls, adjacency: ArrayLike, ops: Sequence[str], space: str | None = None
    ) -> Architecture:
        """Architecture from a matrix and a list of operations.

        Parameters
        ----------
        adjacency : array-like of shape (V, V)
            1 for an edge from the row's node to the column's, else 0.
        ops : sequence of str, length V
        space : str or None, default=None
            Name of the search space.

        Raises
        ------
        ValueError
            If the matrix is not square, not 0/1, of another size than `ops`, or no architecture.
        """
        matrix = np.asarray(adjacency)
        ops = tuple(ops)
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
            raise ValueError(f"adjacency must be a square matrix; got shape {matrix.shape}")
        if len(matrix) != len(ops):
            raise ValueError(
                f"adjacency of shape {matrix.shape} needs {len(matrix)} ops; got {len(ops)}"
            )
        if not np.isin(matrix, (0, 1)).all():
            raise ValueError(f"adjacency must hold only 0 and 1; got {np.unique(matrix)[:10]}")
        return cls(ops, tuple((u, v) for u, v in np.argwhere(matrix).tolist()), space=space)

    def to_matrix(self) -> tuple[np.ndarray, tuple[str, ...]]:
        """``(adjacency, ops)``: a uint8 matrix of shape (V, V) and V operations."""
        return self.adjacency, self.ops

    @classmethod
    def from_module(
        cls, module: nn.Module, example_inputs: Any = None, *, space: str | None = None
    ) -> Architecture:
        """Lowered architecture of any ``torch.nn.Module``: its operations, read from a trace.

        `torch.fx` is tried first, which needs no inputs. Where that fails, or finds one of
        torch.nn's transformers, `torch.export` runs the module on fake tensors of the shapes of
        `example_inputs`. The module stays as it is: parameters, buffers, mode and gradients.

        Parameters
        ----------
        module : torch.nn.Module
            It is read as in evaluation mode, in whichever mode it is.
        example_inputs : tensor, tuple or dict, optional
            Arguments of ``module.forward``: one, several positional, or by keyword. Without them
            all arguments that have a default keep it.
        space : str, optional
            What to call the architecture's search space.

        Returns
        -------
        Architecture
            With types and attributes of `sksubsel.tracing.NODE_TYPES`, in the order of the
            trace, which is topological. Several inputs are one input node, several outputs one
            output node.

        Raises
        ------
        TypeError
            If `module` is no module, or `example_inputs` of none of these kinds.
        ValueError
            If `example_inputs` are needed, do not fit, or the control flow depends on the data;
            the message names the class, file and line, and says what to do.

        Warns
        -----
        UserWarning
            For each operation without a node type of its own: its nodes are "unknown".

        Notes
        -----
        Modules, functions, methods and in-place forms of an operation give the same node. What
        computes nothing of its own is no node: dropout, padding, changes of shape, order or type,
        ranges of an array, masks, factors and terms that are plain numbers. A convolution takes
        up the batch normalisation and activation behind it, a linear layer the activation, where
        nothing else sees the value between. Sums of sums are one node, likewise concatenations
        along one axis. A parameter is a node where it is added to data or multiplied with it.
        Modules of torch.nn are whole by either way of tracing; functions such as
        ``F.normalize`` are whole by `torch.fx` and in parts by `torch.export`.

        References
        ----------
        .. [1] Reed et al., "torch.fx: Practical Program Capture and Transformation for Deep
           Learning in Python", MLSys 2022.

        Examples
        --------
        >>> from torch import nn
        >>> from sksubsel.architectures import Architecture
        >>> net = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10))
        >>> arch = Architecture.from_module(net)
        >>> arch.ops
        ('input', 'conv', 'linear', 'output')
        >>> arch.attributes[2]
        {'channels': 10}
        """
        from sksubsel.tracing.trace import trace_module

        ops, edges, attributes = trace_module(module, example_inputs)
        return cls(tuple(ops), tuple(edges), tuple(attributes), space)

    @classmethod
    def from_dgl(
        cls, graph: Any, vocabulary: Sequence[str] | None = None, space: str | None = None
    ) -> Architecture:
        """Architecture from a DGL graph.

        Parameters
        ----------
        graph : dgl.DGLGraph
            With integer codes in ``ndata["op"]``.
        vocabulary : sequence of str or None, default=None
            Which operation each code is. None takes ``graph.vocabulary`` (`to_dgl` sets it); where
            there is none the operations are called "op_<code>".
        space : str or None, default=None
            Name of the search space.
        """
        from .convert import from_dgl

        return from_dgl(graph, vocabulary, space)

    def to_dgl(self, vocabulary: Sequence[str] | None = None) -> Any:
        """A ``dgl.DGLGraph`` with int64 codes of the operations in ``ndata["op"]``.

        `vocabulary` (default: this architecture's operations, sorted) is kept in
        ``graph.vocabulary`` for `from_dgl`. Attributes have no place there: a UserWarning says so.
        """
        from .convert import to_dgl

        return to_dgl(self, vocabulary)

    @classmethod
    def from_networkx(cls, graph: Any, space: str | None = None) -> Architecture:
        """Architecture from a networkx graph, its nodes in the graph's order.

        Parameters
        ----------
        graph : networkx.DiGraph
            With "op" on every node. A mapping in a node's "attributes" is kept too; anything else
            is not looked at.
        space : str or None, default=None
            Name of the search space.
        """
        from .convert import from_networkx

        return from_networkx(graph, space)

    def to_networkx(self) -> Any:
        """A ``networkx.DiGraph`` with "op" (and "attributes", if there are any) on each node."""
        from .convert import to_networkx

        return to_networkx(self)

    def __repr__(self):
        space = "" if self.space is None else f", space={self.space!r}"
        more = "" if self.attributes is None else f", attributes={list(self.attributes)}"
        return f"Architecture(ops={list(self.ops)}, edges={list(self.edges)}{more}{space})"

    def _sources(self) -> list[int]:
        return sorted(set(range(self.n_nodes)) - {v for _, v in self.edges})

    def _sinks(self) -> list[int]:
        return sorted(set(range(self.n_nodes)) - {u for u, _ in self.edges})

    def __getstate__(self):  # without what is cached, so that equal objects pickle to equal bytes
        return (self.ops, self.edges, self.attributes, self.space)

    def __setstate__(self, state):
        for name, value in zip(("ops", "edges", "attributes", "space"), state):
            object.__setattr__(self, name, value)


def _check_edges(edges, n_nodes: int) -> tuple[tuple[int, int], ...]:
    """Edges as a sorted tuple of pairs of Python ints."""
    try:
        pairs = [(operator.index(u), operator.index(v)) for u, v in edges]
    except (TypeError, ValueError) as error:
        raise TypeError(f"edges must be pairs of integers; got {edges!r}") from error
    for u, v in pairs:
        if not (0 <= u < n_nodes and 0 <= v < n_nodes):
            raise ValueError(f"edge {(u, v)} is out of range for {n_nodes} nodes")
        if u == v:
            raise ValueError(f"an architecture must be acyclic; edge {(u, v)} is a self-loop")
    unique = sorted(set(pairs))
    if len(unique) < len(pairs):
        twice = next(pair for pair in unique if pairs.count(pair) > 1)
        raise ValueError(f"edges must be distinct; got {twice} more than once")
    return tuple(unique)
