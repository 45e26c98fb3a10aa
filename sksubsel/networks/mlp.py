"""Multilayer perceptrons."""

from __future__ import annotations

import math

from torch import nn

from sksubsel.spaces._instances import check_mlp
from sksubsel.spaces.mlp import mlp_spec

_ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU, "tanh": nn.Tanh}
_NORMS = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}


def build_mlp(arch, in_shape, n_classes):
    """The network of a multilayer perceptron, of this or any other choice of widths.

    Parameters
    ----------
    arch : Architecture
        See :class:`~sksubsel.spaces.mlp.MLP`.
    in_shape : tuple of int
        Shape of one instance, which is flattened.
    n_classes : int

    Returns
    -------
    MLPNetwork

    Raises
    ------
    ValueError
        If `arch` is no such graph, or a number is not a positive int.
    """
    spec = mlp_spec(arch)
    in_shape = check_mlp(in_shape, n_classes)
    return MLPNetwork(int(math.prod(in_shape)), int(n_classes), **spec)


class MLPNetwork(nn.Module):
    """Standardisation of the inputs, hidden layers, linear head.

    Instances (N, ...) become outputs (N, n_classes). The standardisation is batch normalisation
    without parameters, so that the inputs' units do not matter. Weights start as torch's layers
    do.
    """

    def __init__(self, n_features, n_classes, *, widths, activation, norm, dropout, skip):
        super().__init__()
        self.flatten = nn.Flatten()
        self.standardize = nn.BatchNorm1d(n_features, affine=False)
        sizes = [n_features, *widths]
        self.layers = nn.Sequential(
            *[
                HiddenLayer(sizes[k], sizes[k + 1], activation, norm, dropout, skip=skip and k > 0)
                for k in range(len(widths))
            ]
        )
        self.classifier = nn.Linear(sizes[-1], n_classes)

    def forward(self, x):
        x = self.standardize(self.flatten(x))  # (N, n_features)
        return self.classifier(self.layers(x))


class HiddenLayer(nn.Module):
    """Linear, normalisation, activation, dropout; with `skip` plus the input or its projection."""

    def __init__(self, n_in, n_out, activation, norm, dropout, *, skip):
        super().__init__()
        # batch normalisation subtracts the mean, and any bias with it
        layers: list[nn.Module] = [nn.Linear(n_in, n_out, bias=norm != "batch")]
        if norm != "none":
            layers.append(_NORMS[norm](n_out))
        layers.append(_ACTIVATIONS[activation]())
        if dropout > 0:
            layers.append(nn.Dropout(dropout))
        self.body = nn.Sequential(*layers)
        self.skip = skip
        if skip:
            self.shortcut = nn.Identity() if n_in == n_out else nn.Linear(n_in, n_out, bias=False)

    def forward(self, x):
        y = self.body(x)
        return self.shortcut(x) + y if self.skip else y
