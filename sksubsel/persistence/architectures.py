"""Lists of architectures as a few arrays and words."""

from __future__ import annotations

import numpy as np

from sksubsel.architectures import Architecture
from sksubsel.architectures.arrays import pack


def pack_architectures(archs) -> dict:
    """Architectures as a dict of arrays (see `architectures.arrays.Packed`) and lists of words."""
    vocabulary = sorted({op for arch in archs for op in arch.ops})
    packed, _ = pack(archs, vocabulary)
    spaces, space_of = _distinct([arch.space for arch in archs])
    nodes = [
        None if arch.attributes is None else dict(attributes)
        for arch in archs
        for attributes in arch.attributes or (None,) * arch.n_nodes
    ]
    attributes, attributes_of = _distinct(nodes)
    return {
        **packed._asdict(),
        "vocabulary": vocabulary,
        "spaces": spaces,
        "space_of": space_of,
        "attributes": attributes,
        "attributes_of": attributes_of,
    }


def unpack_architectures(parts: dict) -> list[Architecture]:
    """The architectures; what they must be is checked as they are made."""
    vocabulary, sizes, n_edges = parts["vocabulary"], parts["sizes"], parts["n_edges"]
    lengths = sizes.sum(), n_edges.sum()
    if (len(parts["ops"]), len(parts["edges"])) != lengths or min(sizes.min(), n_edges.min()) < 1:
        raise ValueError("nodes and edges of its architectures do not add up")
    owner = np.repeat(np.arange(len(sizes)), sizes)
    ops = [vocabulary[code] for code in _checked(parts["ops"] - 1, vocabulary)]
    nodes = [parts["attributes"][k] for k in _checked(parts["attributes_of"], parts["attributes"])]
    spaces = [parts["spaces"][k] for k in _checked(parts["space_of"], parts["spaces"])]
    if len(nodes) != len(owner) or len(spaces) != len(sizes):
        raise ValueError("attributes and spaces of its architectures do not add up")
    node_ends, edge_ends = np.cumsum(sizes), np.cumsum(n_edges)
    local = (parts["edges"] - np.repeat(node_ends - sizes, n_edges)[:, None]).tolist()
    archs = []
    for k, space in enumerate(spaces):
        own = slice(node_ends[k] - sizes[k], node_ends[k])
        edges = local[edge_ends[k] - n_edges[k] : edge_ends[k]]
        attributes = None if nodes[own][0] is None else tuple(nodes[own])
        archs.append(Architecture(tuple(ops[own]), tuple(map(tuple, edges)), attributes, space))
    return archs


def _distinct(values):
    """Different values, and which each is, int64; 1, 1.0 and True are different."""
    numbers: dict = {}
    place = [numbers.setdefault(repr(value), len(numbers)) for value in values]
    found = dict(zip(place, values))
    return [found[k] for k in range(len(numbers))], np.array(place, dtype=np.int64)


def _checked(places, values):
    if places.ndim != 1 or len(places) == 0 or not 0 <= places.min() <= places.max() < len(values):
        raise ValueError("codes of its architectures are out of range")
    return places.tolist()
