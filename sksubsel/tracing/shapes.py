"""Shapes of arrays in a traced graph, as far as they can be known without running it."""

from __future__ import annotations

import operator
from dataclasses import dataclass

from torch import fx

from . import targets as T
from .axes import (
    UNKNOWN,
    broadcast,
    concatenated,
    find_axis,
    flattened,
    is_open,
    permuted,
    shape_of,
    side_of,
    swapped,
    unflattened,
    with_last,
)
from .records import Constant, Value, flatten

_ARRAYS = (Value, Constant)
_OTHER_SHAPES = {"glu", "pow", *(name for name, kind in T.ACTS.items() if kind == "compare")}
_LIKE_THE_FIRST = {
    *("clone", "dropout"), *T.KEEP_AXES, *T.ACTS, *T.NORMS, *T.SOFTMAXES
} - {"slice", "narrow"} - _OTHER_SHAPES  # fmt: skip
_SIZES = {
    "floor_divide": operator.floordiv,
    "mul": operator.mul,
    "add": operator.add,
    "sub": operator.sub,
}


@dataclass(frozen=True)
class Sizes:
    """What ``x.shape`` gives: a shape as a value."""

    shape: tuple


@dataclass(frozen=True)
class Parts:
    """Shapes of the arrays of a tuple; a single one if all are alike."""

    shapes: list

    def at(self, k) -> tuple:
        """Shape of one of the arrays."""
        if len(self.shapes) > 1 and not (isinstance(k, int) and -1 < k < len(self.shapes)):
            return UNKNOWN
        return self.shapes[0 if len(self.shapes) == 1 else k]


class Shapes:
    """What is known of each node's value: a shape, `Sizes`, `Parts`, or an int that is a size."""

    def __init__(self):
        self._known: dict[fx.Node, object] = {}

    def of(self, node) -> tuple:
        """Shape of what a node gives; `UNKNOWN` for what is no array."""
        value = getattr(node, "meta", {}).get("val")  # after torch.export
        if value is not None:
            return shape_of(value)
        found = self._known.get(node) if isinstance(node, fx.Node) else None
        return found if isinstance(found, tuple) else UNKNOWN

    def constant(self, node, value) -> None:
        """A parameter or buffer."""
        if isinstance(value, Constant):
            self._known[node] = shape_of(value)

    def module(self, node, module, kind) -> None:
        """What a module of torch.nn gives; `kind` as `targets.module_node` gives it."""
        self._known[node] = self._module(node, module, kind)

    def _module(self, node, module, kind):
        shape = self.of(node.args[0]) if node.args else UNKNOWN
        name = type(module).__name__
        if kind is None:
            return UNKNOWN
        if kind == "pass":
            if name == "Flatten":
                return flattened(shape, module.start_dim, module.end_dim)
            return shape if name == "Identity" or "Dropout" in name else UNKNOWN
        if kind.type in ("conv", "sepconv"):
            return (None, module.out_channels, *(None,) * len(module.kernel_size))
        if name in ("Linear", "Embedding"):
            return with_last(shape[:-1] if name == "Linear" else shape, kind.attributes["channels"])
        same = kind.type in ("norm", "act", "softmax") and kind.attributes.get("kind") != "glu"
        return shape if same else UNKNOWN

    def call(self, call) -> None:
        """What a function or method gives."""
        if "val" not in call.node.meta:
            self._known[call.node] = self._call(call)

    def _call(self, call):
        base, first = call.base, call.raw(0, "input")
        shape = self.of(first)
        if base == "shape" or (base == "size" and call.raw(1, "dim") is None):
            return Sizes(shape) if base == "size" or call.node.args[1] == "shape" else None
        if base == "size":
            return side_of(shape, call.raw(1, "dim"))
        if base == "getitem":
            return self._item(first, shape, call.raw(1, "index"))
        if base in _SIZES and not call.data():
            sides = [self._size(item) for item in call.node.args]
            return _SIZES[base](*sides) if len(sides) == 2 and all(sides) else None
        if base in _LIKE_THE_FIRST:
            return shape
        if base in T.SUMS or base in T.PRODUCTS:
            terms = [first, call.raw(1, "other")]
            return broadcast([self.of(t) for t in terms if isinstance(call.lookup(t), _ARRAYS)])
        if base in ("view", "reshape"):
            return self._reshaped(_listed(*call.node.args[1:]))
        if base in ("transpose", "swapaxes", "swapdims"):
            return swapped(shape, call.raw(1, "dim0"), call.raw(2, "dim1"))
        if base == "permute":
            return permuted(shape, _listed(call.raw(1, "dims"), *call.node.args[2:]))
        if base == "unflatten":
            return self._unflatten(shape, call.raw(1, "dim"), call.raw(2, "sizes"))
        if base == "flatten":
            return flattened(shape, call.raw(1, "start_dim", 0), call.raw(2, "end_dim", -1))
        return self._layer(call, shape)

    def _layer(self, call, shape):
        base = call.base
        if base in ("chunk", "split", "tensor_split", "unbind"):
            return self._parts(base, shape, call)
        if base in ("cat", "concat"):
            arrays, dim = call.raw(0, "tensors"), call.raw(1, "dim", 0)
            return concatenated([self.of(array) for array in flatten(arrays)], dim)
        if base == "linear":
            weight = call.value(1, "weight")
            out = weight.shape[0] if isinstance(weight, Constant) and weight.shape else None
            return with_last(shape[:-1], out)
        if base.startswith("scaled_dot_product"):
            return with_last(shape[:-1], side_of(self.of(call.raw(2, "value")), -1))
        return UNKNOWN

    def _size(self, item):
        """A side's length; None if it is not known, or to be computed from the others (-1)."""
        if isinstance(item, fx.Node):
            item = self._known.get(item)
        return item if isinstance(item, int) and item >= 0 else None

    def _reshaped(self, sizes):
        if len(sizes) == 1 and isinstance(sizes[0], fx.Node):
            found = self._known.get(sizes[0])
            return found.shape if isinstance(found, Sizes) else UNKNOWN
        if not sizes or not all(isinstance(side, (int, fx.Node)) for side in sizes):
            return UNKNOWN  # such as another dtype
        return tuple(self._size(side) for side in sizes)

    def _item(self, node, shape, index):
        found = self._known.get(node) if isinstance(node, fx.Node) else None
        if isinstance(found, Sizes):
            return side_of(found.shape, index) if isinstance(index, int) else None
        if isinstance(found, Parts):
            return found.at(index) if isinstance(index, int) else UNKNOWN
        index = index if isinstance(index, tuple) else (index,)
        kinds = [type(item) for item in index]
        named = kinds.count(int) + kinds.count(slice)
        plain = set(kinds) <= {int, slice, type(None), type(Ellipsis)}
        if is_open(shape) or named > len(shape) or not plain:
            return UNKNOWN
        rest = list(shape)
        sides: list[int | None] = []
        for item in index:
            if item is None:
                sides.append(1)
            elif item is Ellipsis:
                while len(rest) > len(shape) - named:
                    sides.append(rest.pop(0))
            else:
                side = rest.pop(0)
                if isinstance(item, slice):
                    sides.append(side if item == slice(None) else None)
        return (*sides, *rest)

    def _unflatten(self, shape, dim, sizes):
        if not isinstance(sizes, (tuple, list)) or sizes.count(-1) > 1:
            return UNKNOWN
        gap = sizes.index(-1) if -1 in sizes else None
        return unflattened(shape, dim, [self._size(side) for side in sizes], gap)

    def _parts(self, base, shape, call):
        dim = call.raw(1 if base == "unbind" else 2, "dim", 0)
        place = find_axis(shape, dim)
        if place is None:
            return None
        if base == "unbind":
            return Parts([(*shape[:place], *shape[place + 1 :])])
        how, side = call.raw(1, "chunks" if base != "split" else "split_size"), shape[place]
        if isinstance(how, (tuple, list)):
            sides = [self._size(size) if base == "split" else None for size in how]
        elif base == "split":
            step = self._size(how)
            sides = [step if step and side and side % step == 0 else None]
        else:
            how = self._size(how)
            sides = [side // how if how and side and side % how == 0 else None]
        return Parts([(*shape[:place], side, *shape[place + 1 :]) for side in sides])


def _listed(*sizes) -> list:
    """Sizes given one by one, or all in one tuple."""
    alone = len(sizes) == 1 and isinstance(sizes[0], (tuple, list))
    return list(sizes[0] if alone else sizes)
