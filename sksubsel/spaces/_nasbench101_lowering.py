"""What the network of a NAS-Bench-101 cell computes: channels and lowered graph."""

from __future__ import annotations

import numpy as np

from sksubsel.architectures import Architecture

from ._lowering import Lowering

_KERNELS = {"conv3x3-bn-relu": 3, "conv1x1-bn-relu": 1}


def node_channels(adjacency, in_channels: int, out_channels: int) -> list[int]:
    """Channels of every node of a cell.

    The output's channels are shared equally by the k inner nodes that feed it, the first
    ``out_channels % k`` of them taking one more. Any other inner node has as many as the widest
    inner node that it feeds.

    Parameters
    ----------
    adjacency : array-like of shape (V, V)
        Upper-triangular, without nodes off all paths from the first to the last.
    in_channels, out_channels : int
        Of the input and the output node.

    Raises
    ------
    ValueError
        If there are fewer output channels than inner nodes that feed the output.
    """
    matrix = np.asarray(adjacency)
    last = len(matrix) - 1
    feeders = [v for v in range(1, last) if matrix[v, last]]
    if len(feeders) > out_channels:
        raise ValueError(
            f"stem_channels must be at least {len(feeders)}, the number of operations that feed "
            f"this cell's output; got {out_channels}"
        )
    channels = [0] * len(matrix)
    channels[0], channels[last] = in_channels, out_channels
    for k, v in enumerate(feeders):
        share, rest = divmod(out_channels, len(feeders))
        channels[v] = share + (k < rest)
    for v in range(last - 1, 0, -1):
        if not matrix[v, last]:
            channels[v] = max(channels[w] for w in range(v + 1, last) if matrix[v, w])
    return channels


def lower_network(arch, n_classes, stem_channels, n_stacks, n_cells) -> Architecture:
    """The lowered graph of a cell's network; see `NASBench101.lower`."""
    graph = Lowering()
    value, width = graph.conv(graph.input, stem_channels, 3, act="relu"), stem_channels
    for stack in range(n_stacks):
        if stack > 0:
            value = graph.add("maxpool", value, kernel=2, stride=2)
        for _ in range(n_cells):
            out_width = stem_channels * 2**stack
            value = _cell(graph, arch, value, width, out_width)
            width = out_width
    value = graph.add("globalpool", value)
    return graph.finish(graph.add("linear", value, channels=n_classes), arch.space)


def _cell(graph, arch, value, in_channels, out_channels):
    matrix, last = arch.adjacency, arch.n_nodes - 1
    channels = node_channels(matrix, in_channels, out_channels)
    values = [value]
    for v in range(1, last + 1):
        terms = [values[u] for u in range(1, v) if matrix[u, v]]
        if v == last and len(terms) > 1:
            terms = [graph.add("concat", *terms)]
        if matrix[0, v]:
            terms.append(graph.conv(value, channels[v], 1, act="relu"))
        total = graph.sum(terms)
        if v == last:
            break
        if arch.ops[v] == "maxpool3x3":
            values.append(graph.add("maxpool", total, kernel=3, stride=1))
        else:
            values.append(graph.conv(total, channels[v], _KERNELS[arch.ops[v]], act="relu"))
    return total
