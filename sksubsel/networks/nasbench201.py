"""The networks of NAS-Bench-201: a stem, three stages of one repeated cell, a linear head."""

from __future__ import annotations

import torch
from torch import nn

from sksubsel.spaces._instances import check_nasbench201
from sksubsel.spaces._nasbench201_lowering import N_STAGES
from sksubsel.spaces.nasbench201 import CELL_EDGES, CONVOLUTIONS, NASBench201

from ._common import check_bn_momentum, set_bn_momentum


def build_nasbench201(
    arch, in_shape, n_classes, *, stem_channels=16, n_cells=5, bn_momentum=0.1
) -> NASBench201Network:
    """The network of a cell.

    Parameters
    ----------
    arch : Architecture
        A cell of NAS-Bench-201.
    in_shape : tuple (channels, height, width)
    n_classes : int
    stem_channels, n_cells : int
    bn_momentum : float
        See `NASBench201`.

    Returns
    -------
    NASBench201Network

    Raises
    ------
    ValueError
        If `arch` is no cell, `in_shape` no image or one with fewer than 4 pixels a side, or a
        number is not a positive int.
    """
    ops = NASBench201().operations(arch)
    in_shape = check_nasbench201(in_shape, n_classes, stem_channels, n_cells)
    bn_momentum = check_bn_momentum(bn_momentum)
    network = NASBench201Network(
        ops,
        in_channels=int(in_shape[0]),
        n_classes=int(n_classes),
        stem_channels=int(stem_channels),
        n_cells=int(n_cells),
    )
    set_bn_momentum(network, bn_momentum)
    return network


class NASBench201Network(nn.Module):
    """Stem, three stages of cells, global average pooling, linear head.

    Images (N, channels, height, width) become outputs (N, n_classes). Between stages a residual
    block halves the image, rounding up, and doubles the channels. Weights start as torch's layers
    do.
    """

    def __init__(self, ops, *, in_channels, n_classes, stem_channels, n_cells):
        super().__init__()
        width = stem_channels
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        )
        layers: list[nn.Module] = []
        for stage in range(N_STAGES):
            if stage > 0:
                layers.append(ResidualBlock(width, 2 * width))
                width *= 2
            layers += [Cell(ops, width) for _ in range(n_cells)]
        self.cells = nn.Sequential(*layers)
        self.last = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(inplace=True))
        self.classifier = nn.Linear(width, n_classes)

    def forward(self, x):
        x = self.last(self.cells(self.stem(x)))  # (N, width, height, width of the image)
        return self.classifier(x.mean(dim=(2, 3)))


class Cell(nn.Module):
    """One cell: four states, each the sum of what operations make of the earlier ones.

    An operation that leads nowhere has its parameters, as in the benchmark, but is not computed:
    they get no gradient, and its running statistics stay as they are.

    Parameters
    ----------
    ops : sequence of str, length 6
        Operations on the edges `CELL_EDGES`.
    channels : int
        Of input, output and all states.
    """

    def __init__(self, ops, channels):
        super().__init__()
        self.operations = nn.ModuleDict(
            {str(k): _operation(op, channels) for k, op in enumerate(ops) if op != "none"}
        )
        useful = {3}
        for k in reversed(range(len(CELL_EDGES))):
            u, v = CELL_EDGES[k]
            if ops[k] != "none" and v in useful:
                useful.add(u)
        # (key, from, to, whether zeros stay zeros) of the edges that lead to the output
        self.steps = [
            (str(k), u, v, ops[k] not in CONVOLUTIONS)
            for k, (u, v) in enumerate(CELL_EDGES)
            if ops[k] != "none" and v in useful
        ]

    def forward(self, x):
        states = [x, None, None, None]  # (N, channels, height, width) each; None means zeros
        for key, u, v, keeps_zeros in self.steps:
            value = states[u]
            if value is None:
                if keeps_zeros:
                    continue
                value = torch.zeros_like(x)  # its batch normalisation may add a bias
            value = self.operations[key](value)
            states[v] = value if states[v] is None else states[v] + value
        return torch.zeros_like(x) if states[3] is None else states[3]


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, the first with stride 2, beside an average pooling and a 1x1 one."""

    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.body = nn.Sequential(
            relu_conv_bn(in_channels, out_channels, 3, stride=2),
            relu_conv_bn(out_channels, out_channels, 3),
        )
        # The benchmark's images have even sides; rounding up lets odd ones match the convolution.
        self.shortcut = nn.Sequential(
            nn.AvgPool2d(2, stride=2, ceil_mode=True),
            nn.Conv2d(in_channels, out_channels, 1, bias=False),
        )

    def forward(self, x):
        return self.body(x) + self.shortcut(x)


def relu_conv_bn(in_channels: int, out_channels: int, kernel_size: int, stride: int = 1):
    """ReLU, convolution without bias, batch normalisation."""
    return nn.Sequential(
        nn.ReLU(),  # not in place: others read the same state
        nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=kernel_size // 2,
            bias=False,
        ),
        nn.BatchNorm2d(out_channels),
    )


def _operation(op: str, channels: int) -> nn.Module:
    if op == "skip_connect":
        return nn.Identity()
    if op == "avg_pool_3x3":
        return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
    return relu_conv_bn(channels, channels, {"nor_conv_1x1": 1, "nor_conv_3x3": 3}[op])
