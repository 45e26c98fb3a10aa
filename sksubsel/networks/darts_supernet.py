"""The network of DARTS's search: each edge a mixture of all operations."""

from __future__ import annotations

import torch
from torch import nn

from sksubsel.spaces._darts_genotype import CELL_NAMES, NODES, OPS
from sksubsel.spaces._darts_lowering import check_network, reduction_layers

from ._darts_ops import FactorizedReduce, operation, relu_conv_bn

CHOICES = ("none", *OPS)
"""What an edge chooses among, in the order of the columns of the architecture's parameters."""

EDGES = tuple((source, node) for node in NODES for source in range(node))
"""Source and node of each of the 14 edges of a cell, in the order of the rows."""


class DARTSSupernet(nn.Module):
    """All architectures of DARTS in one network, mixed by its architecture parameters.

    Stem, cells and head are those of `DARTSNetwork`; in a cell each node is fed by all earlier
    ones, and each of these edges gives the sum of all operations, weighted by the softmax of its
    row of parameters. "none" gives nothing, but takes its share of the weight. As in the original,
    batch normalisation in the cells has no scale and shift of its own, which would undo the
    weights, and follows pooling, too. It always goes by the batch: this network is trained, never
    used, and its weights are old before averages over batches are of any worth.

    Parameters
    ----------
    in_shape : tuple (channels, height, width)
    n_classes : int
    stem_channels : int
        Channels of each node in the first cells.
    n_layers : int

    Attributes
    ----------
    alphas : ParameterDict of "normal" and "reduce"
        Architecture parameters, (14, 8) each: rows as `EDGES`, columns as `CHOICES`.

    Raises
    ------
    ValueError
        As `build_darts`.

    References
    ----------
    Liu, Simonyan, Yang. DARTS: Differentiable Architecture Search. ICLR 2019.
    """

    def __init__(self, in_shape, n_classes, *, stem_channels=16, n_layers=8):
        super().__init__()
        check_network(
            in_shape, n_classes, stem_channels=stem_channels, n_layers=n_layers, auxiliary=False,
            drop_path=0.0,
        )  # fmt: skip
        self.alphas = nn.ParameterDict(
            {
                name: nn.Parameter(1e-3 * torch.randn(len(EDGES), len(CHOICES)))
                for name in CELL_NAMES
            }
        )
        width = stem_channels
        last_but_one = last = 3 * stem_channels
        self.stem = nn.Sequential(
            nn.Conv2d(int(in_shape[0]), last, 3, padding=1, bias=False), nn.BatchNorm2d(last)
        )
        self.cells = nn.ModuleList()
        reductions, reduced = reduction_layers(n_layers), False
        for layer in range(n_layers):
            reduction = layer in reductions
            if reduction:
                width *= 2
            cell = MixedCell(last_but_one, last, width, reduction, reduced)
            self.cells.append(cell)
            last_but_one, last, reduced = last, len(NODES) * width, reduction
        self.classifier = nn.Linear(last, int(n_classes))
        _set_norms(self)

    def weights(self) -> list[nn.Parameter]:
        """All parameters but those of the architecture."""
        return [p for name, p in self.named_parameters() if not name.startswith("alphas.")]

    def forward(self, x):
        """Logits (N, n_classes) of images (N, channels, height, width)."""
        shares = {name: alpha.softmax(dim=1) for name, alpha in self.alphas.items()}
        last_but_one = last = self.stem(x)
        for cell in self.cells:
            share = shares["reduce" if cell.reduction else "normal"]
            last_but_one, last = last, cell(last_but_one, last, share)
        return self.classifier(last.mean(dim=(2, 3)))


class MixedCell(nn.Module):
    """One cell; the parameters are those of `networks.darts.Cell`."""

    def __init__(self, last_but_one_channels, last_channels, channels, reduction, reduced):
        super().__init__()
        self.reduction = reduction
        first = FactorizedReduce if reduced else relu_conv_bn
        self.preprocess = nn.ModuleList(
            [first(last_but_one_channels, channels), relu_conv_bn(last_channels, channels)]
        )
        self.edges = nn.ModuleList(
            MixedOperation(channels, 2 if reduction and source < 2 else 1) for source, _ in EDGES
        )

    def forward(self, last_but_one, last, shares):
        states = [self.preprocess[0](last_but_one), self.preprocess[1](last)]
        k = 0
        for node in NODES:
            states.append(
                sum(
                    self.edges[k + source](states[source], shares[k + source])
                    for source in range(node)
                )
            )
            k += node
        return torch.cat(states[2:], dim=1)


class MixedOperation(nn.Module):
    """All operations of one edge, summed with weights."""

    def __init__(self, channels, stride):
        super().__init__()
        self.operations = nn.ModuleList()
        for op in OPS:
            module = operation(op, channels, stride)
            if op.endswith("pool_3x3"):
                module = nn.Sequential(module, nn.BatchNorm2d(channels))
            self.operations.append(module)

    def forward(self, x, shares):
        return sum(share * module(x) for share, module in zip(shares[1:], self.operations))


def _set_norms(network):
    """Let batch normalisation go by each batch alone, in the cells without scale and shift."""
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.track_running_stats = False
            norm.running_mean = norm.running_var = norm.num_batches_tracked = None
    for norm in network.cells.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.affine = False
            norm.register_parameter("weight", None)
            norm.register_parameter("bias", None)
