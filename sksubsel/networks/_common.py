"""What the builders of image networks check and set alike."""

from __future__ import annotations

import numbers

from torch import nn


def check_images(in_shape, network, least, reason) -> tuple[int, int, int]:
    """Channels, height and width of images that are large enough.

    Raises
    ------
    ValueError
        If `in_shape` is no image's, or has fewer than `least` pixels a side; `network` and
        `reason` go into the message.
    """
    in_shape = tuple(in_shape)
    if len(in_shape) != 3 or min(in_shape) < 1:
        raise ValueError(
            f"a {network} network takes images, in_shape=(channels, height, width); got "
            f"in_shape={in_shape} (pass build= for instances of another form, or add the channel "
            "axis of grey images: X[:, None])"
        )
    if min(in_shape[1:]) < least:
        raise ValueError(
            f"images must have at least {least} pixels a side{reason}; got in_shape={in_shape}"
        )
    return in_shape


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
