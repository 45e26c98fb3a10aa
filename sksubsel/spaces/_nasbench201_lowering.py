"""What the network of a NAS-Bench-201 cell computes, as a lowered graph."""

from __future__ import annotations

from sksubsel.architectures import Architecture

from ._lowering import Lowering
from ._nasbench201_equivalence import CELL_EDGES

N_STAGES = 3
_KERNELS = {"nor_conv_1x1": 1, "nor_conv_3x3": 3}


def lower_network(ops, n_classes, stem_channels, n_cells) -> Architecture:
    """The lowered graph of a cell's network; see `NASBench201.lower`."""
    graph = Lowering()
    width = stem_channels
    value = graph.conv(graph.input, width, 3)
    for stage in range(N_STAGES):
        if stage > 0:
            width *= 2
            body = _relu_conv_bn(graph, value, width, 3, stride=2)
            body = _relu_conv_bn(graph, body, width, 3)
            pooled = graph.add("avgpool", value, kernel=2, stride=2)
            value = graph.sum([body, graph.conv(pooled, width, 1, norm=False)])
        for _ in range(n_cells):
            value = _cell(graph, ops, value, width)
    value = graph.add("act", graph.add("norm", value, kind="batch"), kind="relu")
    value = graph.add("globalpool", value)
    return graph.finish(graph.add("linear", value, channels=n_classes), "nasbench201")


def _cell(graph, ops, value, width):
    terms: list = [[value], [], [], []]
    states: list = [value, None, None, None]
    for k, (u, v) in sorted(enumerate(CELL_EDGES), key=lambda edge: edge[1][1]):
        if states[u] is None and terms[u]:
            states[u] = graph.sum(terms[u])
        source, op = states[u], ops[k]
        if op == "none" or (source is None and op not in _KERNELS):
            continue
        if source is None:  # zeros, to which batch normalisation may add a bias
            source = graph.add("zero", value)
        if op == "skip_connect":
            terms[v].append(source)
        elif op == "avg_pool_3x3":
            terms[v].append(graph.add("avgpool", source, kernel=3, stride=1))
        else:
            terms[v].append(_relu_conv_bn(graph, source, width, _KERNELS[op]))
    return graph.sum(terms[3]) if terms[3] else graph.add("zero", value)


def _relu_conv_bn(graph, value, width, kernel, stride=1):
    return graph.conv(graph.add("act", value, kind="relu"), width, kernel, stride=stride)
