"""Whatever describes an architecture, made into an `Architecture`."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from .graph import Architecture

if TYPE_CHECKING:
    from collections.abc import Sequence

ACCEPTED = (
    'an Architecture, a DGL graph with ndata["op"], a networkx.DiGraph with "op" on each node, '
    "a pair (matrix, ops), a torch.nn.Module that torch.fx can trace, a NAS-Bench-201 string or a "
    "DARTS genotype"
)
_DESCRIPTIONS: list = []


def register_description(recognizes, convert) -> None:
    """Let `as_architecture` take what a search space's architectures are written as.

    Parameters
    ----------
    recognizes : callable
        ``recognizes(obj) -> bool``, cheap.
    convert : callable
        ``convert(obj) -> Architecture``; its errors say what is wrong.
    """
    _DESCRIPTIONS.append((recognizes, convert))


def as_architecture(obj: Any, vocabulary: Sequence[str] | None = None) -> Architecture:
    """One architecture from any of the accepted descriptions.

    Parameters
    ----------
    obj : Architecture, dgl.DGLGraph, networkx.DiGraph, (matrix, ops), torch.nn.Module or str
        A module is traced (see :meth:`~sksubsel.Architecture.from_module`). A text is a
        NAS-Bench-201 cell, ``|op~0|+|op~0|op~1|+...``, or a printed DARTS genotype, which may also
        be the tuple.
    vocabulary : sequence of str, optional
        Operation of each integer code of a DGL graph.

    Raises
    ------
    TypeError
        If `obj` is none of these.
    ValueError
        If it is one of these but no valid architecture.

    Examples
    --------
    >>> from sksubsel.architectures import as_architecture
    >>> as_architecture(([[0, 1], [0, 0]], ["input", "output"]))
    Architecture(ops=['input', 'output'], edges=[(0, 1)])
    """
    if isinstance(obj, Architecture):
        return obj
    if _is_dgl(obj):
        return from_dgl(obj, vocabulary)
    if _is_networkx(obj):
        return from_networkx(obj)
    if _is_module(obj):
        return Architecture.from_module(obj)
    convert = _description(obj)
    if convert is not None:
        return convert(obj)
    if _is_pair(obj):
        return Architecture.from_matrix(*obj)
    raise TypeError(f"an architecture must be {ACCEPTED}; got {_describe(obj)}")


def as_architectures(
    archs: Iterable[Any], name: str = "archs", vocabulary: Sequence[str] | None = None
) -> list[Architecture]:
    """A list of architectures from any iterable of accepted descriptions.

    Parameters
    ----------
    archs : iterable
        Of anything that `as_architecture` takes.
    name : str, default="archs"
        What error messages call it.
    vocabulary : sequence of str, optional
        Operation of each integer code of DGL graphs.

    Raises
    ------
    TypeError
        If `archs` is a single architecture or not iterable, or an item is no architecture.
    ValueError
        If `archs` is empty or an item is an invalid architecture; the message gives its position.

    Examples
    --------
    >>> from sksubsel.architectures import as_architectures
    >>> cell = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|nor_conv_1x1~2|"
    >>> chain = ([[0, 1, 0], [0, 0, 1], [0, 0, 0]], ["input", "conv3x3-bn-relu", "output"])
    >>> [arch.n_nodes for arch in as_architectures([cell, chain])]
    [8, 3]
    """
    single = (_is_dgl, _is_networkx, _is_pair, _is_module, _description)
    if isinstance(archs, Architecture) or any(is_one(archs) for is_one in single):
        raise TypeError(
            f"{name} must be a list of architectures; got a single one, wrap it: [arch]"
        )
    if isinstance(archs, (str, bytes)) or not isinstance(archs, Iterable):
        raise TypeError(f"{name} must be a list of architectures; got {_describe(archs)}")
    result = []
    for k, obj in enumerate(archs):
        try:
            result.append(as_architecture(obj, vocabulary))
        except (TypeError, ValueError) as error:
            raise type(error)(f"{name}[{k}]: {error}") from error
    if not result:
        raise ValueError(f"{name} must hold at least one architecture; got an empty list")
    return result


def from_dgl(graph, vocabulary=None, space=None) -> Architecture:
    """See `Architecture.from_dgl`."""
    if "op" not in graph.ndata:
        raise ValueError(f'a DGL graph must have ndata["op"]; it has {sorted(graph.ndata)}')
    codes = graph.ndata["op"]
    if codes.ndim != 1 or codes.is_floating_point():
        raise ValueError(
            'ndata["op"] must be integers of shape (V,); '
            f"got {codes.dtype} of shape {tuple(codes.shape)}"
        )
    codes = codes.tolist()
    vocabulary = getattr(graph, "vocabulary", None) if vocabulary is None else vocabulary
    if vocabulary is None:
        ops = [f"op_{code}" for code in codes]
    else:
        bad = sorted({code for code in codes if not 0 <= code < len(vocabulary)})
        if bad:
            raise ValueError(
                f'ndata["op"] must be codes in [0, {len(vocabulary)}) of the vocabulary; got {bad}'
            )
        ops = [vocabulary[code] for code in codes]
    sources, targets = graph.edges()
    return Architecture(tuple(ops), tuple(zip(sources.tolist(), targets.tolist())), space=space)


def to_dgl(arch: Architecture, vocabulary=None):
    """See `Architecture.to_dgl`."""
    import dgl
    import torch

    vocabulary = sorted(set(arch.ops)) if vocabulary is None else list(vocabulary)
    code = {op: k for k, op in enumerate(vocabulary)}
    unknown = sorted(set(arch.ops) - set(code))
    if unknown:
        raise ValueError(f"vocabulary must hold every operation; it lacks {unknown}")
    if arch.attributes is not None:
        warnings.warn("node attributes are left out of the DGL graph", UserWarning, stacklevel=3)
    sources, targets = zip(*arch.edges)
    graph = dgl.graph((list(sources), list(targets)), num_nodes=arch.n_nodes)
    graph.ndata["op"] = torch.tensor([code[op] for op in arch.ops], dtype=torch.int64)
    graph.vocabulary = tuple(vocabulary)
    return graph


def from_networkx(graph, space=None) -> Architecture:
    """See `Architecture.from_networkx`."""
    if not graph.is_directed() or graph.is_multigraph():
        raise ValueError(
            f"a networkx graph must be a DiGraph, directed and simple; got {type(graph).__name__}"
        )
    place = {node: k for k, node in enumerate(graph)}
    data = [values for _, values in graph.nodes(data=True)]
    missing = [node for node, values in zip(place, data) if "op" not in values]
    if missing:
        raise ValueError(f'every node of a networkx graph must have "op"; not so {missing[:10]}')
    attributes = None
    if any("attributes" in values for values in data):
        attributes = tuple(values.get("attributes") or {} for values in data)
    edges = tuple((place[u], place[v]) for u, v in graph.edges)
    return Architecture(tuple(values["op"] for values in data), edges, attributes, space)


def to_networkx(arch: Architecture):
    """See `Architecture.to_networkx`."""
    import networkx

    graph = networkx.DiGraph()
    for v, op in enumerate(arch.ops):
        more = {} if arch.attributes is None else {"attributes": dict(arch.attributes[v])}
        graph.add_node(v, op=op, **more)
    graph.add_edges_from(arch.edges)
    return graph


# An object of a library that was never imported cannot exist, so nothing is imported to ask.
def _is_dgl(obj) -> bool:
    dgl = sys.modules.get("dgl")
    return dgl is not None and isinstance(obj, dgl.DGLGraph)


def _is_networkx(obj) -> bool:
    networkx = sys.modules.get("networkx")
    return networkx is not None and isinstance(obj, networkx.Graph)


def _is_module(obj) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(obj, torch.nn.Module)


def _description(obj):
    """How to convert what a search space has registered, None for anything else."""
    found = (convert for recognizes, convert in _DESCRIPTIONS if recognizes(obj))
    return next(found, None)


def _is_pair(obj) -> bool:
    """Whether `obj` is (matrix, ops): the second holds strings, which no architecture is."""
    if not isinstance(obj, (tuple, list)) or len(obj) != 2:
        return False
    matrix, ops = obj
    if isinstance(ops, (str, bytes)) or not isinstance(ops, (tuple, list, np.ndarray)):
        return False
    is_matrix = isinstance(matrix, (np.ndarray, tuple, list)) or hasattr(matrix, "__array__")
    return is_matrix and len(ops) > 0 and all(isinstance(op, str) for op in ops)


def _describe(obj) -> str:
    text = repr(obj)
    return f"{type(obj).__name__} {text if len(text) <= 80 else text[:77] + '...'}"
