"""The operations on the edges of DARTS cells, and what brings their inputs to one size."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


def operation(op: str, channels: int, stride: int) -> nn.Module:
    """An operation from `channels` to `channels` that divides the image's sides by `stride`."""
    if op == "skip_connect":
        return nn.Identity() if stride == 1 else FactorizedReduce(channels, channels)
    if op == "max_pool_3x3":
        return nn.MaxPool2d(3, stride=stride, padding=1)
    if op == "avg_pool_3x3":
        return nn.AvgPool2d(3, stride=stride, padding=1, count_include_pad=False)
    kind, _, size = op.split("_")
    kernel_size = int(size[0])
    if kind == "dil":
        return _separable(channels, kernel_size, stride, dilation=2)
    return nn.Sequential(
        *_separable(channels, kernel_size, stride), *_separable(channels, kernel_size, 1)
    )


def _separable(channels: int, kernel_size: int, stride: int, dilation: int = 1) -> nn.Sequential:
    """ReLU, depthwise and pointwise convolution, batch normalisation."""
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(
            channels,
            channels,
            kernel_size,
            stride=stride,
            padding=dilation * (kernel_size // 2),
            dilation=dilation,
            groups=channels,
            bias=False,
        ),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
    )


def relu_conv_bn(in_channels: int, out_channels: int) -> nn.Sequential:
    """ReLU, 1x1 convolution, batch normalisation."""
    return nn.Sequential(
        nn.ReLU(), nn.Conv2d(in_channels, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels)
    )


class FactorizedReduce(nn.Module):
    """Halves an image, rounding up: ReLU, two 1x1 convolutions, batch normalisation.

    The first convolution, of stride 2, sees the pixels in even rows and columns, the second those
    in odd rows and columns; each gives half of the (even number of) channels. Where a side is odd
    a row or column of zeros stands in for the odd one that is missing.
    """

    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.even = nn.Conv2d(in_channels, out_channels // 2, 1, stride=2, bias=False)
        self.odd = nn.Conv2d(in_channels, out_channels // 2, 1, stride=2, bias=False)
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, x):
        x = F.relu(x)
        shifted = F.pad(x, (-1, 1, -1, 1))  # up and left by one pixel, zeros behind
        return self.norm(torch.cat([self.even(x), self.odd(shifted)], dim=1))


class AuxiliaryHead(nn.Module):
    """A classifier of the second reduction cell's output, for training only.

    The authors' head is for sides of 8 pixels, which its convolutions bring to a single one;
    larger images leave several, and their mean counts.
    """

    def __init__(self, in_channels, n_classes):
        super().__init__()
        self.features = nn.Sequential(
            nn.ReLU(),
            nn.AvgPool2d(5, stride=3, count_include_pad=False),
            nn.Conv2d(in_channels, 128, 1, bias=False),
            nn.BatchNorm2d(128),
            nn.ReLU(inplace=True),
            nn.Conv2d(128, 768, 2, bias=False),
            nn.BatchNorm2d(768),
            nn.ReLU(inplace=True),
        )
        self.classifier = nn.Linear(768, n_classes)

    def forward(self, x):
        return self.classifier(self.features(x).mean(dim=(2, 3)))


def apply_drop_path(x, probability: float):
    """Zero whole instances of a batch with this probability, and scale the others up."""
    keep = 1.0 - probability
    mask = x.new_empty((x.shape[0], 1, 1, 1)).bernoulli_(keep)
    return x * (mask / keep)
