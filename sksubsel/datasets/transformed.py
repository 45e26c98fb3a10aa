"""Networks whose first layer is a transform of their images."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import torch
from torch import nn


class TransformedBuild:
    """Builds what another function builds, behind a transform; see `ImageTransform.before`.

    Parameters
    ----------
    transform : ImageTransform
    build : callable
        ``build(architecture, in_shape, n_outputs) -> torch.nn.Module``.
    """

    def __init__(self, transform, build):
        self.transform = transform
        self.build = build

    def __repr__(self):
        return f"{self.transform!r}.before({self.build!r})"

    def __call__(self, architecture, in_shape, n_outputs):
        """The network, its parts named ``transform`` and ``network``."""
        network = self.build(architecture, in_shape, n_outputs)
        parts = OrderedDict(transform=_TransformLayer(self.transform), network=network)
        return nn.Sequential(parts)


class _TransformLayer(nn.Module):
    """Augments while the network trains, by torch's random numbers; else normalises."""

    def __init__(self, transform):
        super().__init__()
        self.apply_transform = transform

    def forward(self, images):
        rng = None
        if self.training:
            rng = np.random.default_rng(int(torch.randint(2**62, ())))
        return self.apply_transform(images, rng)

    def extra_repr(self):
        return repr(self.apply_transform)
