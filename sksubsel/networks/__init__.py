"""Networks of architectures; this needs torch."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from sksubsel._net import seeded
from sksubsel.architectures import as_architecture

from .darts import build_darts
from .mlp import build_mlp
from .nasbench101 import build_nasbench101
from .nasbench201 import build_nasbench201
from .transformer import build_transformer

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

PROXY_PARAMS: dict[str | None, dict[str, Any]] = {
    # The benchmark's momentum would need thousands of steps to learn the batches' statistics.
    "nasbench101": {"stem_channels": 16, "n_stacks": 3, "n_cells": 1, "bn_momentum": 0.1},
    "nasbench201": {"stem_channels": 8, "n_cells": 1},
    "darts": {"stem_channels": 8, "n_layers": 3},
}
"""For each space, parameters of small networks that train on a CPU in some hundred steps."""

_BUILDERS = {
    "darts": build_darts,
    "mlp": build_mlp,
    "nasbench101": build_nasbench101,
    "nasbench201": build_nasbench201,
    "transformer": build_transformer,
}

__all__ = ["PROXY_PARAMS", "build_network", "count_parameters"]


def build_network(
    arch: Any, in_shape: tuple[int, ...], n_classes: int, **network_params: Any
) -> nn.Module:
    """An untrained network for an architecture of a known search space.

    Parameters
    ----------
    arch : Architecture
        Its `space` says how to build it.
    in_shape : tuple of int
        Shape of one instance, ``X.shape[1:]``.
    n_classes : int
        Width of the output; 1 for regression.
    **network_params
        Of the space's networks, such as `stem_channels`; by default the published size. See
        `PROXY_PARAMS` for small ones.

    Returns
    -------
    torch.nn.Module

    Raises
    ------
    ValueError
        If the space is not known, or shapes or parameters do not fit it.
    TypeError
        If the space's networks have no such parameter.

    Examples
    --------
    >>> from sksubsel.networks import build_network
    >>> from sksubsel.spaces import MLP
    >>> arch = MLP().sample(1, random_state=0)[0]
    >>> network = build_network(arch, in_shape=(1, 8, 8), n_classes=10)
    >>> type(network).__name__
    'MLPNetwork'
    """
    arch = as_architecture(arch)
    if arch.space not in _BUILDERS:
        raise ValueError(
            f"no network is known for an architecture of space={arch.space!r} (only for "
            f"{sorted(_BUILDERS)}); pass build=, a function of (arch, in_shape, n_classes) that "
            "gives a torch.nn.Module"
        )
    return _BUILDERS[arch.space](arch, in_shape, n_classes, **network_params)


def count_parameters(
    arch: Any,
    in_shape: tuple[int, ...],
    n_classes: int,
    build: Callable[..., Any] | None = None,
    **network_params: Any,
) -> int:
    """Number of trainable parameters of an architecture's network.

    They are allocated only by a `build` that needs their values. Global generators are untouched.

    Parameters
    ----------
    arch, in_shape, n_classes
        As for `build_network`.
    build : callable, optional
        ``build(arch, in_shape, n_classes)``, by default `build_network` with `network_params`.
    **network_params
        Only without `build`.

    Examples
    --------
    >>> from sksubsel.networks import count_parameters
    >>> from sksubsel.spaces import NASBench101
    >>> bare = NASBench101().validate(([[0, 1], [0, 0]], ["input", "output"]))
    >>> count_parameters(bare, (3, 32, 32), 10)
    882570
    """
    import torch

    if build is not None and network_params:
        raise TypeError(f"build takes no network parameters; got {sorted(network_params)}")
    own = partial(build_network, **network_params)
    make: Callable[..., Any] = own if build is None else build
    module = None
    with seeded(0):
        with suppress(Exception), torch.device("meta"):  # whose tensors have no values
            module = make(arch, in_shape, n_classes)
        if module is None:
            module = make(arch, in_shape, n_classes)
    return sum(weight.numel() for weight in module.parameters() if weight.requires_grad)
