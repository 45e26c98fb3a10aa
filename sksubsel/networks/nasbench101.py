"""The networks of NAS-Bench-101: a stem, stacks of one repeated cell, a linear head."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from sksubsel.spaces._instances import check_nasbench101
from sksubsel.spaces._nasbench101_lowering import node_channels
from sksubsel.spaces.nasbench101 import NASBench101

from ._common import check_bn_momentum, set_bn_momentum


def build_nasbench101(
    arch, in_shape, n_classes, *, stem_channels=128, n_stacks=3, n_cells=3, bn_momentum=0.003
):
    """The network of a cell, always of the representative that the benchmark stores.

    Isomorphic cells may differ in their number of parameters (channels that cannot be shared
    equally go to the first nodes), so that the numbering of nodes must not decide.

    Parameters
    ----------
    arch : Architecture
        A cell of NAS-Bench-101.
    in_shape : tuple (channels, height, width)
    n_classes : int
    stem_channels, n_stacks, n_cells : int
    bn_momentum : float
        See `NASBench101`.

    Returns
    -------
    NASBench101Network

    Raises
    ------
    ValueError
        If `arch` is no cell, `in_shape` no image or one with fewer than ``2 ** (n_stacks - 1)``
        pixels a side, a number is not a positive int, or `stem_channels` is smaller than the
        number of operations that feed the output (each needs a channel).
    """
    arch = NASBench101().canonical(arch)
    in_shape = check_nasbench101(in_shape, n_classes, stem_channels, n_stacks, n_cells)
    bn_momentum = check_bn_momentum(bn_momentum)
    network = NASBench101Network(
        arch.ops,
        arch.adjacency,
        in_channels=int(in_shape[0]),
        n_classes=int(n_classes),
        stem_channels=int(stem_channels),
        n_stacks=int(n_stacks),
        n_cells=int(n_cells),
    )
    set_bn_momentum(network, bn_momentum)
    return network


class NASBench101Network(nn.Module):
    """Stem, stacks of cells, global average pooling, linear head.

    Images (N, channels, height, width) become outputs (N, n_classes). Between stacks a 2x2
    max-pooling halves the image, rounding up, and the first cell of the next stack doubles the
    channels. Weights start as torch's layers do.
    """

    def __init__(self, ops, adjacency, *, in_channels, n_classes, stem_channels, n_stacks, n_cells):
        super().__init__()
        self.stem = _conv_bn_relu(in_channels, stem_channels, 3)
        layers: list[nn.Module] = []
        width = stem_channels
        for stack in range(n_stacks):
            out_width = stem_channels * 2**stack
            if stack > 0:
                layers.append(nn.MaxPool2d(2, stride=2, ceil_mode=True))
            for _ in range(n_cells):
                layers.append(Cell(ops, adjacency, width, out_width))
                width = out_width
        self.cells = nn.Sequential(*layers)
        self.classifier = nn.Linear(width, n_classes)

    def forward(self, x):
        x = self.cells(self.stem(x))  # (N, width, height, width of the image)
        return self.classifier(x.mean(dim=(2, 3)))


class Cell(nn.Module):
    """One cell: sums into inner nodes, a concatenation of them at the output.

    An edge from the input passes its own 1x1 convolution; an edge between inner nodes drops the
    channels that the second lacks (at most one, by the rule of `node_channels`).
    """

    def __init__(self, ops, adjacency, in_channels, out_channels):
        super().__init__()
        matrix = np.asarray(adjacency)
        self.output = len(ops) - 1
        self.channels = node_channels(matrix, in_channels, out_channels)
        # Per node but the input, its inner predecessors; projections are those from the input.
        self.feeders = [[u for u in range(1, v) if matrix[u, v]] for v in range(1, len(ops))]
        self.projections = nn.ModuleDict(
            {
                str(v): _conv_bn_relu(in_channels, self.channels[v], 1)
                for v in range(1, len(ops))
                if matrix[0, v]
            }
        )
        self.operations = nn.ModuleList(
            [_operation(ops[v], self.channels[v]) for v in range(1, self.output)]
        )

    def forward(self, x):
        values = [x]
        for v, operation in enumerate(self.operations, start=1):
            width = self.channels[v]
            terms = [
                values[u] if self.channels[u] == width else values[u][:, :width]
                for u in self.feeders[v - 1]
            ]
            values.append(operation(self._add_projection(v, x, terms)))
        feeders = [values[u] for u in self.feeders[-1]]
        joined = [torch.cat(feeders, dim=1)] if len(feeders) > 1 else feeders
        return self._add_projection(self.output, x, joined)

    def _add_projection(self, node, x, terms):
        """Sum of `terms` and, if the input leads to `node`, of its projection."""
        if str(node) in self.projections:
            terms = [*terms, self.projections[str(node)](x)]
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total


def _operation(op: str, channels: int) -> nn.Module:
    if op == "maxpool3x3":
        return nn.MaxPool2d(3, stride=1, padding=1)
    return _conv_bn_relu(channels, channels, {"conv3x3-bn-relu": 3, "conv1x1-bn-relu": 1}[op])


def _conv_bn_relu(in_channels: int, out_channels: int, kernel_size: int) -> nn.Sequential:
    """Convolution without bias, batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=False),
        nn.BatchNorm2d(out_channels, eps=1e-5),
        nn.ReLU(inplace=True),
    )
