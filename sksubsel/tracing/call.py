"""A call in a traced graph, with its arguments looked up."""

from __future__ import annotations

import torch
from torch import fx

from . import targets
from .records import SCALAR, Constant, Value, flatten


class Call:
    """A node of a traced graph that calls something, its arguments looked up.

    Attributes
    ----------
    node : torch.fx.Node
    target : str
        Full name of what is called, for messages.
    base, in_place, dims
        See `targets.parse_name`.
    partial : bool
        Whether the first argument is a view of a part of something.
    """

    def __init__(self, node: fx.Node, interpreter):
        self.node = node
        self._interpreter = interpreter
        self.target, name = _target_names(node)
        parsed = targets.parse_name(name)
        if name == self.target:  # not torch's
            parsed = targets.Name(name, False, None)
        self.base, self.in_place, self.dims = parsed
        if self.base == "getattr":
            shape = node.args[1] in targets.SHAPES or node.args[1] == "requires_grad"
            self.base = "shape" if shape else "numpy_T"
        self.in_place |= self.base == "setitem" or node.kwargs.get("inplace") is True
        self.partial = any(arg in interpreter.partial for arg in node.all_input_nodes[:1])

    def raw(self, position: int, name: str, default=None):
        """An argument as it stands in the graph."""
        if name in self.node.kwargs:
            return self.node.kwargs[name]
        return self.node.args[position] if position < len(self.node.args) else default

    def value(self, position: int, name: str):
        """An argument, nodes replaced by what they gave."""
        return self._interpreter.lookup(self.raw(position, name))

    def lookup(self, item):
        """`item`, which may be or hold nodes, with what they gave."""
        return self._interpreter.lookup(item)

    def shape(self, position: int, name: str) -> tuple:
        """An argument's shape, as far as it is known; see `shapes`."""
        return self._interpreter.shapes.of(self.raw(position, name))

    def number(self, position: int, name: str, default=None):
        """A number or several; None if any of them is computed."""
        found = self.raw(position, name, default)
        return None if any(isinstance(leaf, fx.Node) for leaf in flatten(found)) else found

    def flat(self) -> list:
        """All arguments' leaves, nodes replaced by what they gave."""
        return flatten(self._interpreter.lookup([*self.node.args, *self.node.kwargs.values()]))

    def data(self) -> list[Value]:
        """All arguments that depend on the input."""
        return [leaf for leaf in self.flat() if isinstance(leaf, Value)]

    def unpacks(self, dim) -> bool:
        """Whether all positions of this axis are taken, as for queries, keys and values."""
        taken = self._interpreter.taken.get((self.node.args[0], dim), set())
        # Two of axis 1 are tokens more often than halves.
        return taken == set(range(len(taken))) and len(taken) >= (3 if dim == 1 else 2)

    def evaluate(self):
        """What a call of constants gives, for its shape; None if that is not to be had."""
        node = self.node
        if "val" in node.meta:
            return node.meta["val"]
        args, kwargs = fx.node.map_arg(
            (node.args, node.kwargs), lambda n: _to_meta(self._interpreter.env[n])
        )
        try:
            if node.op == "call_method":
                return getattr(args[0], str(node.target))(*args[1:], **kwargs)
            return node.target(*args, **kwargs)
        except Exception:  # whatever it is, the shape stays unknown
            return None


def _target_names(node: fx.Node) -> tuple[str, str]:
    """Full name of what a node calls, and torch's name for it if it is torch's."""
    target = node.target
    if isinstance(target, str):
        return f"Tensor.{target}", target
    if isinstance(target, torch._ops.OpOverload):
        return str(target), target._schema.name.split("::")[1]
    name = getattr(target, "__name__", type(target).__name__)
    source = getattr(target, "__module__", None) or "torch"
    if source == "_operator":  # and_, or_, not_ are not in place
        name = name.rstrip("_")
    if source.split(".")[0] in ("torch", "torchvision", "_operator", "builtins", "math"):
        return f"{source}.{name}", name
    return f"{source}.{name}", f"{source}.{name}"  # whatever a user calls relu


def _to_meta(value):
    if isinstance(value, Constant) and isinstance(value.tensor, torch.Tensor):
        return value.tensor.detach().to("meta")
    return None if value is SCALAR or isinstance(value, Constant) else value
