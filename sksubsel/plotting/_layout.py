"""Where the nodes and edges of a graph are drawn: layers from the input on, few crossings.

Sugiyama's way: nodes stand in layers by their longest path from the input, an edge over several
layers is a chain of places with nothing in them, layers are ordered so that few edges cross, and
places are moved towards their neighbours'. A long graph is folded into columns, down the first, up
the second, and so on.

Source: Sugiyama, Tagawa, Toda, *Methods for Visual Understanding of Hierarchical System
Structures*, IEEE Transactions on Systems, Man and Cybernetics, 1981.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_N_SWEEPS = 8
_LANE = 5.0  # width of an edge that passes a layer, in points
_PAGE = 4.0, 5.0  # proportions to be filled by what is folded
_WORTH = 1.25  # how much larger a further column must make the drawing


class Layout(NamedTuple):
    """Coordinates in points, y upwards."""

    positions: np.ndarray  # (V, 2), middle of each node
    routes: list  # for each edge (n, 2): through these points ...
    headings: list  # ... of which each is passed downwards (-1) or upwards (1), (n,)
    size: tuple  # width and height of it all; the lower left corner is (0, 0)


def longest_path_layers(edges, n_nodes) -> np.ndarray:
    """Length of each node's longest path from the input, int64 (V,); O(depth E)."""
    tail, head = np.asarray(edges).T
    layers = np.zeros(n_nodes, dtype=np.int64)
    while True:
        before = layers.copy()
        np.maximum.at(layers, head, layers[tail] + 1)
        if (layers == before).all():
            return layers


def layered_layout(edges, sizes, *, gap, n_columns=None) -> Layout:
    """Place a graph's nodes and route its edges.

    Parameters
    ----------
    edges : sequence of (int, int), length E
        Of an acyclic graph in which every node is reached from one input.
    sizes : ndarray of shape (V, 2)
        Width and height of each node, in points.
    gap : (float, float)
        Least space between nodes side by side, and between layers.
    n_columns : int or None
        None: as many as fill a page of 4 to 5 best.

    Returns
    -------
    Layout
    """
    edges, sizes = np.asarray(edges, dtype=np.int64), np.asarray(sizes, dtype=float)
    layers = longest_path_layers(edges, len(sizes))
    chains, layers = _chains(edges, layers)
    width = np.full(len(layers), _LANE)
    width[: len(sizes)] = sizes[:, 0] + gap[0]
    steps = np.concatenate([np.stack([chain[:-1], chain[1:]], 1) for chain in chains])
    rows = _ordered(layers, steps)
    x = _coordinates(rows, steps, width, len(sizes))
    pitch = sizes[:, 1].max() + gap[1]
    if n_columns is None:
        n_columns = _best_columns(x, layers, width, pitch, gap[1])
    return _fold(chains, x, layers, width, sizes, pitch, gap[1], n_columns)


def _chains(edges, layers):
    """Vertices that each edge passes, its ends included, and the layers of all vertices.

    Beyond the nodes these are places in the layers that an edge passes.
    """
    chains, passed, n_vertices = [], [layers], len(layers)
    for u, v in edges:
        between = np.arange(layers[u] + 1, layers[v])
        chains.append(np.r_[u, n_vertices + np.arange(len(between)), v])
        passed.append(between)
        n_vertices += len(between)
    return chains, np.concatenate(passed)


def _ordered(layers, steps):
    """Vertices of each layer from left to right, by the means of their neighbours' places."""
    rows = [np.flatnonzero(layers == k) for k in range(layers.max() + 1)]
    best, fewest = rows, np.inf
    place = np.empty(len(layers))
    for sweep in range(2 * _N_SWEEPS + 1):
        for row in rows:
            place[row] = np.arange(len(row))
        crossings = _n_crossings(rows, steps, place)
        if crossings < fewest:
            best, fewest = [row.copy() for row in rows], crossings
        if fewest == 0:
            break
        down = sweep % 2 == 0
        near, far = steps.T[::-1] if down else steps.T
        n_near = np.bincount(near, minlength=len(layers))
        for k in range(1, len(rows)) if down else range(len(rows) - 2, -1, -1):
            row = rows[k]
            total = np.bincount(near, place[far], minlength=len(layers))[row]
            mean = np.where(n_near[row] > 0, total / np.maximum(n_near[row], 1), place[row])
            rows[k] = row[np.argsort(mean, kind="stable")]
            place[rows[k]] = np.arange(len(row))
    return best


def _n_crossings(rows, steps, place):
    """Number of pairs of edges that cross between two layers."""
    layer = np.empty(len(place), dtype=np.int64)
    for k, row in enumerate(rows):
        layer[row] = k
    total = 0
    for k in range(len(rows) - 1):
        u, v = place[steps[layer[steps[:, 0]] == k]].T
        total += ((u[:, None] < u) & (v[:, None] > v)).sum()
    return total


def _coordinates(rows, steps, width, n_nodes):
    """Horizontal places: near the neighbours', in order, none nearer than the widths allow.

    The nearest such places in the sense of least squares are an isotonic regression.
    """
    x = np.empty(len(width))
    offsets = []
    for row in rows:
        offsets.append(np.cumsum(width[row]) - width[row] / 2)
        x[row] = offsets[-1] - width[row].sum() / 2
    # An edge over many layers is to be straight before all (Gansner et al., 1993).
    weight = np.array([1.0, 2.0, 8.0])[(steps >= n_nodes).sum(axis=1)]
    above = _neighbours(rows, steps[:, ::-1], weight)
    below = _neighbours(rows, steps, weight)
    both = [tuple(np.concatenate(pair) for pair in zip(*pairs)) for pairs in zip(above, below)]
    for sweep in range(3 * _N_SWEEPS):
        down = sweep % 2 == 0
        used = both if sweep >= 2 * _N_SWEEPS else above if down else below
        for k in range(len(rows)) if down else range(len(rows) - 1, -1, -1):
            near, far, pull = used[k]
            if len(near) == 0:
                continue
            row = rows[k]
            sums = np.bincount(near, pull, minlength=len(row))
            total = np.bincount(near, pull * x[far], minlength=len(row))
            wanted = np.where(sums > 0, total / np.maximum(sums, 1e-9), x[row])
            x[row] = offsets[k] + isotonic(wanted - offsets[k], np.maximum(sums, 1e-3))
    return x


def _neighbours(rows, steps, weight):
    """For each layer: places in it, the vertices that these are joined to, and how strongly."""
    layer, place = np.empty((2, sum(map(len, rows))), dtype=np.int64)
    for k, row in enumerate(rows):
        layer[row], place[row] = k, np.arange(len(row))
    near, far = steps.T
    order = np.argsort(layer[near], kind="stable")
    ends = np.searchsorted(layer[near][order], np.arange(len(rows) + 1))
    parts = (order[ends[k] : ends[k + 1]] for k in range(len(rows)))
    return [(place[near[part]], far[part], weight[part]) for part in parts]


def isotonic(values, weight):
    """The ascending numbers nearest to `values` (n,) in weighted least squares; O(n^2).

    By the max-min formula, which for a layer's few nodes is quicker than a call of scikit-learn's:
    the largest, over starts, of the least means of what lies between there and an end.
    """
    n = len(values)
    sums = np.r_[0, np.cumsum(weight * values)]
    weights = np.r_[0, np.cumsum(weight)]
    empty = np.tri(n, k=-1, dtype=bool)  # ends before the start
    with np.errstate(divide="ignore", invalid="ignore"):
        means = (sums[None, 1:] - sums[:-1, None]) / (weights[None, 1:] - weights[:-1, None])
    means[empty] = np.inf
    least = np.minimum.accumulate(means[:, ::-1], axis=1)[:, ::-1]  # over all ends from here on
    least[empty] = -np.inf
    return least.max(axis=0)


def _spans(x, column, width):
    """Left and right end of what stands in each column."""
    n_columns = column.max() + 1
    low, high = np.full(n_columns, np.inf), np.full(n_columns, -np.inf)
    np.minimum.at(low, column, x - width / 2)
    np.maximum.at(high, column, x + width / 2)
    return low, high


def _best_columns(x, layers, width, pitch, gap):
    """Number of columns with which the drawing is largest on a page; few if it hardly matters."""
    n_layers = layers.max() + 1
    best, largest = 1, 0.0
    for n_columns in range(1, min(12, n_layers) + 1):
        n_rows = -(-n_layers // n_columns)
        low, high = _spans(x, layers // n_rows, width)
        total = (high - low).sum() + gap * (len(low) - 1)
        scale = min(_PAGE[0] / total, _PAGE[1] / (n_rows * pitch))
        if scale > largest * _WORTH ** (n_columns - best):
            best, largest = n_columns, scale
    return best


def _fold(chains, x, layers, width, sizes, pitch, gap, n_columns):
    """The layout in columns; those that lead upwards are mirrored, so that turns do not cross."""
    n_rows = -(-(layers.max() + 1) // n_columns)
    column, row = np.divmod(layers, n_rows)
    upwards = column % 2 == 1
    heading = np.where(upwards, 1, -1)
    low, high = _spans(x, column, width)
    left = np.r_[0, np.cumsum(high - low + gap)[:-1]]
    across = left[column] + np.where(upwards, high[column] - x, x - low[column])
    along = np.where(upwards, row, n_rows - 1 - row) * pitch + pitch / 2
    places = np.stack([across, along], axis=1)
    half = np.zeros(n_rows * n_columns)  # of the highest node of each layer
    np.maximum.at(half, layers[: len(sizes)], sizes[:, 1] / 2)
    routes, headings = [], []
    ports = zip(_ports(chains, x, sizes, 0), _ports(chains, x, sizes, -1))
    for chain, shifts in zip(chains, ports):
        # Leave the tail at its border, pass each layer straight, and end at the head's border.
        passed = np.repeat(chain, 2)[1:-1]
        height = half[layers[passed]]
        height[[0, -1]] = sizes[chain[[0, -1]], 1] / 2
        sign = np.where(np.arange(len(passed)) % 2 == 0, 1, -1) * heading[passed]
        route = places[passed] + np.stack([np.zeros(len(passed)), sign * height], axis=1)
        route[[0, -1], 0] += np.where(upwards[chain[[0, -1]]], -1, 1) * shifts
        routes.append(route)
        headings.append(heading[passed])
    size = left[-1] + (high - low)[-1], n_rows * pitch
    return Layout(places[: len(sizes)], routes, headings, size)


def _ports(chains, x, sizes, end):
    """How far from a node's middle each edge leaves it (end=0) or enters it (end=-1)."""
    owner = np.array([chain[end] for chain in chains])
    other = x[[chain[1 if end == 0 else -2] for chain in chains]]
    shifts = np.zeros(len(chains))
    for v in np.unique(owner):
        mine = np.flatnonzero(owner == v)
        mine = mine[np.argsort(other[mine], kind="stable")]
        spread = min(0.35, 0.12 * (len(mine) - 1)) * sizes[v, 0]
        shifts[mine] = np.linspace(-spread, spread, len(mine)) if len(mine) > 1 else 0
    return shifts
