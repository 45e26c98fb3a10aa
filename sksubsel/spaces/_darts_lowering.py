"""What the network of a genotype computes, as a lowered graph, and what the network needs."""

from __future__ import annotations

import numbers

import numpy as np

from sksubsel._validation import check_images, check_positive, is_count
from sksubsel.architectures import Architecture

from ._lowering import Lowering

MIN_LAYERS = 3  # with fewer no layer is a normal cell
MIN_SIDE = 4
HEAD_MIN_SIDE = 8  # of what the auxiliary head is given
_POOLS = {"max_pool_3x3": "maxpool", "avg_pool_3x3": "avgpool"}


def reduction_layers(n_layers: int) -> tuple[int, int]:
    """Where the two reduction cells are among a network's cells."""
    return n_layers // 3, 2 * n_layers // 3


def check_network(in_shape, n_classes, *, stem_channels, n_layers, auxiliary, drop_path) -> None:
    """Raise ValueError unless these give a network, with whatever genotype; see `build_darts`."""
    check_positive(n_classes=n_classes, stem_channels=stem_channels)
    if not is_count(n_layers) or n_layers < MIN_LAYERS:
        raise ValueError(f"n_layers must be an int of at least {MIN_LAYERS}; got {n_layers!r}")
    if not isinstance(auxiliary, (bool, np.bool_)):
        raise ValueError(f"auxiliary must be True or False; got {auxiliary!r}")
    check_drop_path(drop_path)
    halving = ", two reduction cells halving them"
    in_shape = check_images(in_shape, "DARTS", MIN_SIDE, halving)
    side = -(-min(in_shape[1:]) // 4)  # behind both reduction cells, each rounding up
    if auxiliary and side < HEAD_MIN_SIDE:
        raise ValueError(
            f"images must have at least {4 * HEAD_MIN_SIDE - 3} pixels a side for "
            f"auxiliary=True, whose head pools 5x5 pixels of a quarter of that; got "
            f"in_shape={in_shape}"
        )


def check_drop_path(value) -> float:
    """A probability of less than 1; ValueError if it is none."""
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not number or not 0 <= value < 1:
        raise ValueError(f"drop_path must be a float in [0, 1); got {value!r}")
    return float(value)


def lower_network(genotype, n_classes, stem_channels, n_layers) -> Architecture:
    """The lowered graph of a genotype's network; see `DARTS.lower`."""
    graph = Lowering()
    width = stem_channels
    last_but_one = last = graph.conv(graph.input, 3 * width, 3)
    reduced = False
    for layer in range(n_layers):
        reduction = layer in reduction_layers(n_layers)
        if reduction:
            width *= 2
        edges = genotype.reduce if reduction else genotype.normal
        # the output of the last cell but one is twice as large if the last cell was a reduction
        first = _factorized_reduce if reduced else _relu_conv_bn
        states = [first(graph, last_but_one, width), _relu_conv_bn(graph, last, width)]
        last_but_one, last = last, _cell(graph, edges, states, width, reduction)
        reduced = reduction
    value = graph.add("globalpool", last)
    return graph.finish(graph.add("linear", value, channels=n_classes), "darts")


def _cell(graph, edges, states, width, reduction):
    states = list(states)
    for k in range(0, len(edges), 2):
        terms = []
        for op, source in edges[k : k + 2]:
            stride = 2 if reduction and source < 2 else 1
            terms.append(_operation(graph, op, states[source], width, stride))
        states.append(graph.sum(terms))
    return graph.add("concat", *states[2:], axis=1)


def _operation(graph, op, value, width, stride):
    if op == "skip_connect":
        return value if stride == 1 else _factorized_reduce(graph, value, width)
    if op in _POOLS:
        return graph.add(_POOLS[op], value, kernel=3, stride=stride)
    kind, _, size = op.split("_")
    kernel = int(size[0])
    if kind == "dil":
        return _separable(graph, value, width, kernel, stride, dilation=2)
    return _separable(graph, _separable(graph, value, width, kernel, stride), width, kernel, 1)


def _separable(graph, value, width, kernel, stride, dilation=1):
    """ReLU, depthwise and pointwise convolution, batch normalisation."""
    value = graph.add("act", value, kind="relu")
    value = graph.conv(
        value, width, kernel, norm=False, stride=stride, dilation=dilation, groups=width
    )
    return graph.conv(value, width, 1)


def _factorized_reduce(graph, value, width):
    """ReLU, two 1x1 convolutions of stride 2 side by side, batch normalisation."""
    value = graph.add("act", value, kind="relu")
    halves = [graph.conv(value, width // 2, 1, norm=False, stride=2) for _ in range(2)]
    return graph.add("norm", graph.add("concat", *halves, axis=1), kind="batch")


def _relu_conv_bn(graph, value, width):
    return graph.conv(graph.add("act", value, kind="relu"), width, 1)
