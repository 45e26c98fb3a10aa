"""The networks of DARTS: a stem, layers of two kinds of cells, a linear head."""

from __future__ import annotations

import torch
from torch import nn

from sksubsel.spaces._darts_lowering import check_drop_path, check_network, reduction_layers
from sksubsel.spaces.darts import DARTS

from ._darts_ops import AuxiliaryHead, FactorizedReduce, apply_drop_path, operation, relu_conv_bn


def build_darts(
    arch, in_shape, n_classes, *, stem_channels=36, n_layers=20, auxiliary=False, drop_path=0.0
):
    """The network with which a genotype is evaluated on CIFAR, in any size.

    Parameters
    ----------
    arch : Architecture
        Of the space of DARTS; a `Genotype` or its text is welcome too.
    in_shape : tuple (channels, height, width)
    n_classes : int
    stem_channels, n_layers : int
    auxiliary : bool
    drop_path : float
        See `DARTS`.

    Returns
    -------
    DARTSNetwork

    Raises
    ------
    ValueError
        If `arch` is not in the space, `in_shape` no image or one with fewer than 4 pixels a side
        (29 with `auxiliary`), `n_classes` or `stem_channels` not a positive int, `n_layers` no
        int of at least 3, `auxiliary` no bool or `drop_path` not in [0, 1).
    """
    genotype = DARTS().to_genotype(arch)
    check_network(
        in_shape, n_classes, stem_channels=stem_channels, n_layers=n_layers, auxiliary=auxiliary,
        drop_path=drop_path,
    )  # fmt: skip
    return DARTSNetwork(
        genotype,
        in_channels=int(in_shape[0]),
        n_classes=int(n_classes),
        stem_channels=int(stem_channels),
        n_layers=int(n_layers),
        auxiliary=bool(auxiliary),
        drop_path=drop_path,
    )


class DARTSNetwork(nn.Module):
    """Stem, cells, global average pooling, linear head.

    Images (N, channels, height, width) become logits (N, n_classes); with an auxiliary head, in
    training mode only, a pair of logits. A cell takes the outputs of the last two cells. Weights
    start as torch's layers do.

    Attributes
    ----------
    drop_path : float
        Probability of dropping an operation's output for an instance, in training mode; may be
        changed at any time.
    """

    def __init__(
        self,
        genotype,
        *,
        in_channels,
        n_classes,
        stem_channels,
        n_layers,
        auxiliary=False,
        drop_path=0.0,
    ):
        super().__init__()
        self.drop_path = drop_path
        width = stem_channels
        last_but_one = last = 3 * stem_channels  # channels of the last two outputs
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, last, 3, padding=1, bias=False), nn.BatchNorm2d(last)
        )
        self.cells = nn.ModuleList()
        self.auxiliary = None
        reductions = reduction_layers(n_layers)
        self.auxiliary_layer = reductions[-1]
        reduced = False
        for layer in range(n_layers):
            reduction = layer in reductions
            if reduction:
                width *= 2
            edges = genotype.reduce if reduction else genotype.normal
            cell = Cell(edges, last_but_one, last, width, reduction, reduced)
            self.cells.append(cell)
            last_but_one, last, reduced = last, cell.out_channels, reduction
            if auxiliary and layer == self.auxiliary_layer:
                self.auxiliary = AuxiliaryHead(last, n_classes)
        self.classifier = nn.Linear(last, n_classes)

    @property
    def drop_path(self) -> float:
        return self._drop_path

    @drop_path.setter
    def drop_path(self, value):
        self._drop_path = check_drop_path(value)

    def forward(self, x):
        last_but_one = last = self.stem(x)
        auxiliary_logits = None
        for layer, cell in enumerate(self.cells):
            last_but_one, last = last, cell(last_but_one, last, self.drop_path)
            if self.training and self.auxiliary is not None and layer == self.auxiliary_layer:
                auxiliary_logits = self.auxiliary(last)
        logits = self.classifier(last.mean(dim=(2, 3)))
        return logits if auxiliary_logits is None else (logits, auxiliary_logits)


class Cell(nn.Module):
    """One cell: each node sums two operations, the output concatenates the nodes.

    Parameters
    ----------
    edges : sequence of 8 pairs (operation, source)
        Two for each node.
    last_but_one_channels, last_channels : int
        Of the two inputs.
    channels : int
        Of each node.
    reduction : bool
        Whether operations on the cell's inputs have stride 2.
    reduced : bool
        Whether the last cell was a reduction cell, so that the first input is twice as large as
        the second.
    """

    def __init__(self, edges, last_but_one_channels, last_channels, channels, reduction, reduced):
        super().__init__()
        first = FactorizedReduce if reduced else relu_conv_bn
        self.preprocess = nn.ModuleList(
            [first(last_but_one_channels, channels), relu_conv_bn(last_channels, channels)]
        )
        self.sources = [source for _, source in edges]
        self.operations = nn.ModuleList(
            operation(op, channels, 2 if reduction and source < 2 else 1) for op, source in edges
        )
        self.out_channels = channels * (len(edges) // 2)

    def forward(self, last_but_one, last, drop_probability=0.0):
        states = [self.preprocess[0](last_but_one), self.preprocess[1](last)]
        for k in range(0, len(self.operations), 2):
            states.append(
                self._edge(k, states, drop_probability)
                + self._edge(k + 1, states, drop_probability)
            )
        return torch.cat(states[2:], dim=1)

    def _edge(self, k, states, drop_probability):
        """Output of an edge's operation, of which skipping alone is never dropped."""
        out = self.operations[k](states[self.sources[k]])
        if (
            self.training
            and drop_probability > 0
            and not isinstance(self.operations[k], nn.Identity)
        ):
            out = apply_drop_path(out, drop_probability)
        return out
