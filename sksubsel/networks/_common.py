"""What the builders of networks with batch normalisation check and set alike."""

from __future__ import annotations

import numbers

from torch import nn


def check_bn_momentum(bn_momentum) -> float:
    """The weight of a batch in the running statistics; ValueError unless in (0, 1]."""
    if not isinstance(bn_momentum, numbers.Real) or not 0 < bn_momentum <= 1:
        raise ValueError(f"bn_momentum must be a float in (0, 1]; got {bn_momentum!r}")
    return float(bn_momentum)


def set_bn_momentum(network, bn_momentum) -> None:
    """Let all of a network's batch normalisations have one momentum."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = bn_momentum
