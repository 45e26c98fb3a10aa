"""What goes into a module that is traced."""

from __future__ import annotations

import inspect

import torch

from .records import flatten


def arguments(example_inputs):
    """Positional and keyword arguments."""
    if example_inputs is None:
        return (), {}
    if isinstance(example_inputs, dict):
        return (), dict(example_inputs)
    if isinstance(example_inputs, (tuple, list)):
        return tuple(example_inputs), {}
    if isinstance(example_inputs, torch.Tensor):
        return (example_inputs,), {}
    raise TypeError(
        "example_inputs must be a tensor, a tuple of the arguments of module.forward, or a dict "
        f"of its keyword arguments; got {type(example_inputs).__name__}"
    )


def placeholders(network, args, kwargs, given: bool):
    """Names and forms of placeholders, and a function of them that calls `forward`."""
    signature = inspect.signature(network.forward)
    if given:
        try:
            signature.bind(*args, **kwargs)
        except TypeError as error:
            raise ValueError(
                f"example_inputs do not fit {type(network).__name__}.forward{signature}: {error}"
            ) from error
        args, kwargs = list(args), dict(kwargs)
        slots = [
            slot
            for slot, value in [*enumerate(args), *kwargs.items()]
            if any(isinstance(leaf, torch.Tensor) for leaf in flatten(value))
        ]
    else:
        args, kwargs, slots = [], {}, []
        by_name = list(signature.parameters.values())
        required = [
            p
            for p in by_name
            if p.default is p.empty and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
        ]
        for p in required or [p for p in by_name if p.kind != p.VAR_KEYWORD][:1]:
            if p.kind == p.KEYWORD_ONLY:
                kwargs[p.name] = None
                slots.append(p.name)
            else:
                args.append(None)
                slots.append(len(args) - 1)
    values = {**dict(enumerate(args)), **kwargs}
    names = [f"arg{slot}" if isinstance(slot, int) else f"kwarg_{slot}" for slot in slots]
    forms = {
        name: "tensor" if torch.is_tensor(values[slot]) else "any"
        for name, slot in zip(names, slots)
    }

    def forward(*proxies):
        filled = {**values, **dict(zip(slots, proxies))}
        positional = [filled[k] for k in range(len(args))]
        return network.forward(*positional, **{key: filled[key] for key in kwargs})

    return names, forms, forward
