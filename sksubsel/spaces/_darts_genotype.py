"""Genotypes of DARTS: as text, as arrays, as indices and as graphs.

The arrays are called cells: int64, shape (2, 8, 2) for a genotype's normal and reduction cell,
holding a source (0 to 5) and the code of an operation (0 to 6) for each of the 8 edges. Edges 2k
and 2k + 1 enter node 2 + k; in canonical order the first has the lower source.
"""

from __future__ import annotations

import ast
import itertools
import numbers
import re
from collections import Counter
from typing import NamedTuple

import numpy as np

from sksubsel.architectures import Architecture

OPS = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
CELL_NAMES = ("normal", "reduce")
NODES = (2, 3, 4, 5)  # intermediate nodes; 0 and 1 are a cell's inputs
N_EDGES = 2 * len(NODES)


class Genotype(NamedTuple):
    """A normal and a reduction cell, as the authors' code writes them.

    Attributes
    ----------
    normal, reduce : list of 8 pairs (str, int)
        An operation and its source, two for each of the nodes 2 to 5. Sources 0 and 1 are the
        outputs of the last cell but one and of the last cell.
    normal_concat, reduce_concat : list of int
        Nodes whose concatenation is the cell's output, always [2, 3, 4, 5] in this space.

    Examples
    --------
    >>> from sksubsel.spaces import DARTS
    >>> genotype = DARTS().to_genotype(DARTS()[0])
    >>> genotype.normal[:2], genotype.normal_concat
    ([('max_pool_3x3', 0), ('max_pool_3x3', 1)], [2, 3, 4, 5])
    """

    normal: list
    normal_concat: list
    reduce: list
    reduce_concat: list


# ---------------------------------------------------------------- genotypes and text


def is_genotype(obj) -> bool:
    """Whether it is a Genotype of any code (the authors have their own), or prints as one."""
    if isinstance(obj, str):
        return re.match(r"\s*([\w.]+\.)?Genotype\(", obj) is not None
    return isinstance(obj, tuple) and getattr(obj, "_fields", None) == Genotype._fields


def parse_genotype(text: str) -> Genotype:
    """The genotype that a text prints; nothing in it is executed."""
    problem = f"a genotype must print as {', '.join(Genotype._fields)} in Genotype(...); got "
    try:
        call = ast.parse(text.strip(), mode="eval").body
        if not isinstance(call, ast.Call) or ast.unparse(call.func).split(".")[-1] != "Genotype":
            raise ValueError("no Genotype(...)")
        given = dict(zip(Genotype._fields, map(_literal, call.args)))
        if len(call.args) > len(Genotype._fields):
            raise ValueError("too many arguments")
        for keyword in call.keywords:
            if keyword.arg is None or keyword.arg in given:
                raise ValueError(f"{keyword.arg or '**'} is unnamed or there twice")
            given[keyword.arg] = _literal(keyword.value)
        return Genotype(**given)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise ValueError(f"{problem}{text[:200]!r} ({error})") from error


def _literal(tree):
    """A literal, or the ``range`` that a search prints for the nodes to concatenate."""
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and tree.func.id == "range":
        return range(*map(ast.literal_eval, tree.args))
    return ast.literal_eval(tree)


def cells_of_genotype(genotype) -> np.ndarray:
    """Cells of a genotype; ValueError or TypeError saying why if it is not one of the space."""
    if isinstance(genotype, str):
        genotype = parse_genotype(genotype)
    if not isinstance(genotype, (tuple, list)) or len(genotype) != len(Genotype._fields):
        raise TypeError(
            "a genotype must be a Genotype, its text or a tuple "
            f"({', '.join(Genotype._fields)}); got {genotype!r}"
        )
    genotype = Genotype(*genotype)
    cells = np.empty((2, N_EDGES, 2), dtype=np.int64)
    for cell, name in enumerate(CELL_NAMES):
        edges, concat = getattr(genotype, name), getattr(genotype, f"{name}_concat")
        if not (
            concat == range(NODES[0], NODES[-1] + 1)
            if isinstance(concat, range)
            else isinstance(concat, (list, tuple)) and tuple(concat) == NODES
        ):
            raise ValueError(f"{name}_concat must be {list(NODES)}; got {repr(concat)[:100]}")
        if not isinstance(edges, (list, tuple)) or len(edges) != N_EDGES:
            raise ValueError(
                f"{name} must be {N_EDGES} pairs (operation, source), two for each of the nodes "
                f"{list(NODES)}; got {repr(edges)[:200]}"
            )
        for k, edge in enumerate(edges):
            cells[cell, k] = _check_edge(edge, f"{name}[{k}]", NODES[k // 2])
        for k, node in enumerate(NODES):
            if cells[cell, 2 * k, 0] == cells[cell, 2 * k + 1, 0]:
                raise ValueError(
                    f"the two edges of node {node}, {name}[{2 * k}] and {name}[{2 * k + 1}], must "
                    f"have distinct sources; got {int(cells[cell, 2 * k, 0])} twice"
                )
    return canonical_order(cells)


def _check_edge(edge, name: str, node: int) -> tuple[int, int]:
    """(source, code of the operation) of a genotype's pair."""
    if not isinstance(edge, (list, tuple)) or len(edge) != 2:
        raise ValueError(f"{name} must be a pair (operation, source); got {edge!r}")
    op, source = edge
    if op not in OPS:
        raise ValueError(f"{name}: the operation must be one of {OPS}; got {op!r}")
    if isinstance(source, (bool, np.bool_)) or not isinstance(source, numbers.Integral):
        raise ValueError(f"{name}: the source must be an int; got {source!r}")
    if not 0 <= source < node:
        raise ValueError(f"{name}: the source of node {node} must be in [0, {node}); got {source}")
    return int(source), OPS.index(op)


def genotype_of_cells(cells: np.ndarray) -> Genotype:
    """The genotype of cells, its edges in the order that they have there."""
    normal, reduce = ([(OPS[op], source) for source, op in cell] for cell in cells.tolist())
    return Genotype(normal, list(NODES), reduce, list(NODES))


def canonical_order(cells: np.ndarray) -> np.ndarray:
    """Cells, shape (..., 8, 2), with the two edges of each node in ascending order of source."""
    pairs = cells.reshape(*cells.shape[:-2], len(NODES), 2, 2)
    order = np.argsort(pairs[..., :1], axis=-2)
    return np.take_along_axis(pairs, order, axis=-2).reshape(cells.shape)


# ---------------------------------------------------------------- indices

_PAIRS = [list(itertools.combinations(range(node), 2)) for node in NODES]
_SOURCES = np.array([sum(wiring, ()) for wiring in itertools.product(*_PAIRS)])  # (180, 8)
_RANK = np.zeros((len(NODES), 5, 5), dtype=np.int64)  # of a node's pair of sources among its pairs
for _k, _node_pairs in enumerate(_PAIRS):
    _RANK[(_k, *np.transpose(_node_pairs))] = np.arange(len(_node_pairs))
_OP_WEIGHTS = len(OPS) ** np.arange(N_EDGES - 1, -1, -1, dtype=np.int64)  # (8,)
_N_OP_CHOICES = len(OPS) ** N_EDGES
N_CELLS = len(_SOURCES) * _N_OP_CHOICES  # 1,037,664,180; its square fits int64


def cells_at(indices: np.ndarray) -> np.ndarray:
    """Cells of indices, shape (n, 2, 8, 2), in canonical order.

    An index is ``normal * N_CELLS + reduce``, a cell's number ``wiring * 7**8 + operations``.
    """
    cell_numbers = np.stack(np.divmod(indices.astype(np.int64), N_CELLS), axis=1)  # (n, 2)
    wiring, ops = np.divmod(cell_numbers, _N_OP_CHOICES)
    return np.stack([_SOURCES[wiring], ops[..., None] // _OP_WEIGHTS % len(OPS)], axis=-1)


def indices_of(cells: np.ndarray) -> np.ndarray:
    """Indices, shape (n,), of cells in canonical order, shape (n, 2, 8, 2)."""
    sources, ops = cells[..., 0], cells[..., 1]
    wiring = np.zeros(sources.shape[:2], dtype=np.int64)
    for k, pairs in enumerate(_PAIRS):
        wiring = wiring * len(pairs) + _RANK[k, sources[..., 2 * k], sources[..., 2 * k + 1]]
    cell_numbers = wiring * _N_OP_CHOICES + ops @ _OP_WEIGHTS
    return cell_numbers[:, 0] * N_CELLS + cell_numbers[:, 1]


def neighbor_indices(cells: np.ndarray) -> np.ndarray:
    """Ascending indices, shape (120,), of what is one operation or one source away."""
    edited = []
    for cell, k in np.ndindex(2, N_EDGES):
        source, op = cells[cell, k]
        other = cells[cell, k ^ 1, 0]  # the source of the same node's other edge
        values = [(source, code) for code in range(len(OPS)) if code != op]
        values += [(u, op) for u in range(NODES[k // 2]) if u not in (source, other)]
        for value in values:
            edited.append(cells.copy())
            edited[-1][cell, k] = value
    return np.sort(indices_of(canonical_order(np.array(edited))))


# ---------------------------------------------------------------- graphs

_ROLES = ("input_0", "input_1", *(f"add_{node}" for node in NODES), "concat")
# Vertices of a cell within its block of the graph: 0 to 5 as a source, the operation of each edge.
_STATE = (0, 1, 4, 7, 10, 13)
_OPERATION = (2, 3, 5, 6, 8, 9, 11, 12)
_CONCAT = 14
_BLOCK = 15
_STARTS = (1, 1 + _BLOCK)
_OUTPUT = 1 + 2 * _BLOCK

VOCABULARY = (
    "input",
    *(f"{cell}_{what}" for cell in CELL_NAMES for what in (*_ROLES[:2], *OPS, *_ROLES[2:])),
    "output",
)


def _frame() -> tuple[list[str], list[tuple[int, int]]]:
    """Names ("" for operations) and edges that the graphs of all genotypes share."""
    names = [""] * (_OUTPUT + 1)
    names[0], names[_OUTPUT] = "input", "output"
    normal, reduce = _STARTS
    edges = [(0, normal), (0, normal + 1), (0, reduce), (normal + _CONCAT, reduce + 1)]
    edges.append((reduce + _CONCAT, _OUTPUT))
    for start, cell in zip(_STARTS, CELL_NAMES):
        for role, place in zip(_ROLES, (*_STATE, _CONCAT)):
            names[start + place] = f"{cell}_{role}"
        edges += [(start + _STATE[node], start + _CONCAT) for node in NODES]
        edges += [(start + u, start + _STATE[NODES[k // 2]]) for k, u in enumerate(_OPERATION)]
    return names, edges


_NAMES, _EDGES = _frame()


def graph_of_cells(cells: np.ndarray, space: str) -> Architecture:
    """The graph, described at `DARTS`, of one genotype's cells in canonical order."""
    names, edges = list(_NAMES), list(_EDGES)
    for start, cell_name, cell in zip(_STARTS, CELL_NAMES, cells.tolist()):
        for place, (source, op) in zip(_OPERATION, cell):
            names[start + place] = f"{cell_name}_{OPS[op]}"
            edges.append((start + _STATE[source], start + place))
    return Architecture(tuple(names), tuple(edges), space=space)


def cells_of_graph(arch: Architecture) -> np.ndarray:
    """Cells of a graph, its vertices in any order; ValueError saying why if it has none."""
    if arch.attributes is not None:
        raise ValueError("a DARTS architecture has no node attributes")
    unknown = [op for op in arch.ops if op not in VOCABULARY]
    if unknown:
        raise ValueError(f"ops of a DARTS architecture must be of {VOCABULARY}; got {unknown[0]!r}")
    count = Counter(arch.ops)
    for name in filter(None, _NAMES):
        if count[name] != 1:
            raise ValueError(f"a DARTS architecture has one node {name!r}; got {count[name]}")
    vertex = {name: arch.ops.index(name) for name in filter(None, _NAMES)}
    order = [vertex.get(name, -1) for name in _NAMES]
    before: list[list[int]] = [[] for _ in arch.ops]
    for u, v in arch.edges:
        before[v].append(u)
    cells = np.empty((2, N_EDGES, 2), dtype=np.int64)
    for cell, (start, name) in enumerate(zip(_STARTS, CELL_NAMES)):
        codes = {f"{name}_{op}": code for code, op in enumerate(OPS)}
        sources = {vertex[f"{name}_{role}"]: k for k, role in enumerate(_ROLES[:-1])}
        for k, node in enumerate(NODES):
            found = []
            for v in before[vertex[f"{name}_add_{node}"]]:
                if arch.ops[v] in codes and len(before[v]) == 1:
                    source = sources.get(before[v][0], node)
                    if source < node:
                        found.append((source, codes[arch.ops[v]], v))
            if len({source for source, _, _ in found}) != 2 or len(found) != 2:
                raise ValueError(
                    f"'{name}_add_{node}' must sum two operations of its cell, each with one of "
                    f"the {node} earlier nodes as its source, not the same; "
                    f"got edges from {[arch.ops[v] for v in before[vertex[f'{name}_add_{node}']]]}"
                )
            for j, (source, code, v) in enumerate(sorted(found), start=2 * k):
                cells[cell, j] = source, code
                order[start + _OPERATION[j]] = v
    if len(arch.ops) != len(_NAMES):
        raise ValueError(
            f"a DARTS architecture has {len(_NAMES)} nodes, {N_EDGES} operations in each cell; "
            f"got {len(arch.ops)} nodes"
        )
    expected = {(order[u], order[v]) for u, v in graph_of_cells(cells, "").edges}
    for u, v in sorted(expected.symmetric_difference(arch.edges)):
        state = "lacks the" if (u, v) in expected else "must not have an"
        raise ValueError(f"the graph {state} edge from {arch.ops[u]!r} to {arch.ops[v]!r}")
    return cells
