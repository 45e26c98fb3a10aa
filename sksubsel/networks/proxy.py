"""A small network for any instances, where no architecture is asked for."""

from __future__ import annotations

import math

from torch import nn

__all__ = ["build_proxy"]

_MAX_SIDE = 32  # larger images are averaged down: a proxy need not see every pixel
_WIDTHS = (16, 32, 64)
_HIDDEN = 64


def build_proxy(architecture, in_shape, n_outputs):
    """An untrained small network that trains in seconds an epoch on two CPU cores.

    For images (channels, height, width): standardisation of the channels, then three blocks of
    3x3 convolution with stride 2, batch normalisation and ReLU with 16, 32 and 64 channels, and
    the mean over the image. Images over 32 pixels a side are first averaged down to it. For
    instances of any other shape: flattened, standardised, one hidden layer of 64. The last layer
    is linear. Inputs are standardised inside (batch normalisation without parameters), so that
    their units do not matter.

    Parameters
    ----------
    architecture : object
        Ignored; it is there so that this function serves as `build` of
        :class:`~sksubsel.ArchitectureClassifier`.
    in_shape : tuple of int
        Shape of one instance, ``X.shape[1:]``.
    n_outputs : int

    Returns
    -------
    torch.nn.Module
        About 24,000 parameters for images, ``65 n_outputs`` and ``144 channels`` among them;
        ``64 (n_features + 1) + 65 n_outputs`` for others.

    Examples
    --------
    >>> from sksubsel.networks.proxy import build_proxy
    >>> sum(p.numel() for p in build_proxy(None, (1, 28, 28), 10).parameters())
    24058
    >>> sum(p.numel() for p in build_proxy(None, (20,), 3).parameters())
    1539
    """
    if len(in_shape) != 3:
        n_features = math.prod(in_shape)
        return nn.Sequential(
            nn.Flatten(),
            nn.BatchNorm1d(n_features, affine=False),
            nn.Linear(n_features, _HIDDEN),
            nn.ReLU(),
            nn.Linear(_HIDDEN, n_outputs),
        )
    channels, height, width = in_shape
    steps = (-(-height // _MAX_SIDE), -(-width // _MAX_SIDE))
    layers: list[nn.Module] = [nn.BatchNorm2d(channels, affine=False)]
    if max(steps) > 1:
        layers.append(nn.AvgPool2d(steps))
    for width in _WIDTHS:
        # strides, not pooling: convolutions at full size would cost most of the time
        layers += [
            nn.Conv2d(channels, width, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        ]
        channels = width
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, n_outputs)
    )
