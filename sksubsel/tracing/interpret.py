"""A traced graph, walked through once and made into records."""

from __future__ import annotations

import contextlib
import operator

import torch
from torch import fx, nn

from . import targets
from .call import Call
from .nodes import make_node
from .operations import apply, int_indices, unknown
from .records import SCALAR, Builder, Constant, Record, Value, flatten
from .shapes import Shapes

# From here on a module that is called twice has two names in the nodes' stacks of modules.
_NUMBERS_CALLS = torch.__version__ >= "2.7"
# What may be the very array that went in, or a view of it.
_ALIASES = targets.VIEWS | {"getitem", "select", "dropout", "alpha_dropout", "feature_dropout"}
_PARTS = {"getitem", "select", "slice", "narrow", "diagonal", "as_strided", "unfold"}


def is_leaf(module: nn.Module) -> bool:
    """Whether a module is one operation: of torch.nn, and neither a container nor a transformer."""
    source = type(module).forward.__module__ or ""
    return (
        source.startswith("torch.nn.modules.")
        and source != "torch.nn.modules.container"
        and "forward" not in vars(module)
        and not is_composite(module)
    )


def is_composite(module: nn.Module) -> bool:
    """Whether a module is one of torch.nn's transformers, which branch as `torch.fx` cannot."""
    return type(module).forward.__module__ == "torch.nn.modules.transformer"


class Interpreter:
    """Walks through graphs of `torch.fx` and `torch.export`.

    Parameters
    ----------
    module : nn.Module
        What was traced.
    tensors : dict of str to (str, tensor), optional
        For placeholders that stand for parameters, buffers and constants, their names and values.
    forms : dict of str to str, optional
        For other placeholders, the `Value.form`, by default "tensor".
    attributes : nn.Module, optional
        Where `get_attr` looks; by default `module`.
    """

    def __init__(self, module, tensors=None, forms=None, attributes=None):
        self.module = module
        self.attributes = module if attributes is None else attributes
        self.tensors = tensors or {}
        self.forms = forms or {}
        self.build = Builder()
        self.shapes = Shapes()
        self.env: dict[fx.Node, object] = {}
        self.taken: dict[tuple, set] = {}
        self.partial: set[fx.Node] = set()
        self._views: dict[fx.Node, fx.Node] = {}
        self._read: dict[tuple, fx.Node] = {}
        self._groups: dict[object, Record] = {}
        self._last_group: tuple = (None, 0)
        self._learned = {id(tensor) for tensor in module.parameters()}
        self._buffers = {id(tensor) for tensor in module.buffers()}

    def run(self, graph: fx.Graph, operands=None):
        """Values of the graph's outputs, nested as they stand there."""
        for node in graph.nodes:
            for dim, position in int_indices(node):
                self.taken.setdefault((node.args[0], dim), set()).add(position)
        operands = None if operands is None else iter(operands)
        for node in graph.nodes:
            if node.op == "output":
                return self.lookup(node.args[0])
            if node.op == "placeholder":
                self.env[node] = self._placeholder(node) if operands is None else next(operands)
            elif node.op == "get_attr":
                self.env[node] = self._attribute(node)
            else:
                self.env[node] = self._call(node)

    def lookup(self, item):
        """`item` with each node in it replaced by what it gave."""
        if isinstance(item, fx.Node):
            return self.env[item]
        if isinstance(item, slice):
            return slice(*map(self.lookup, (item.start, item.stop, item.step)))
        if isinstance(item, dict):
            return {key: self.lookup(part) for key, part in item.items()}
        if isinstance(item, (tuple, list)):
            return [self.lookup(part) for part in item]
        return item

    def _placeholder(self, node):
        if node.name in self.tensors:
            return self._tensor(*self.tensors[node.name])
        self.build.n_inputs += 1
        return Value(self.build.input, self.forms.get(node.name, "tensor"))

    def _attribute(self, node):
        """What a name stands for; it may have been written into since it was last read."""
        first = self._read.setdefault((id(self.attributes), node.target), node)
        if first is not node:
            self._views[node] = first
            found = self.env[first]
        else:
            read = operator.attrgetter(str(node.target))
            found = self._tensor(node.target, read(self.attributes))
        self.shapes.constant(node, found)
        return found

    def _tensor(self, name, tensor):
        """A parameter, buffer or constant; SCALAR where it is one number."""
        if not isinstance(tensor, torch.Tensor):
            return tensor
        if id(tensor) not in self._learned:
            if tensor.numel() <= 1:
                return SCALAR
            if id(tensor) not in self._buffers and bool((tensor == tensor.flatten()[0]).all()):
                return SCALAR
        return Constant(name, tensor)

    def _call(self, node):
        if node.op == "call_module":
            return self._module_call(node, self.module.get_submodule(node.target))
        graphs = [self.env[arg] for arg in node.args if isinstance(arg, fx.Node)]
        graphs = [graph for graph in graphs if isinstance(graph, fx.GraphModule)]
        if len(graphs) == 1:  # such as a region of another precision
            return self._nested(node, graphs[0])
        call = Call(node, self)
        self.shapes.call(call)
        self._note_view(call)
        key, module = self._group(node)
        if module is not None and call.base != "getitem" and call.data():
            result = self._group_call(call, key, module)
        else:
            result = apply(call, self.build)
        several = isinstance(node.meta.get("val"), (tuple, list))
        if several and isinstance(result, Value) and result.form == "tensor":
            result = Value(result.record, "tuple", result.spatial)
        if call.in_place:
            self._write(node, result)
        return result

    def _nested(self, node, graph):
        operands = [self.env[arg] if isinstance(arg, fx.Node) else arg for arg in node.args]
        outer, self.attributes = self.attributes, graph
        result = self.run(graph.graph, operands[operands.index(graph) + 1 :])
        self.attributes = outer
        return tuple(result)

    def _module_call(self, node, module):
        """A whole module of torch.nn, as `torch.fx` leaves them."""
        args = self.lookup(list(node.args)) + list(self.lookup(node.kwargs).values())
        kind = targets.module_node(module)
        self.shapes.module(node, module, kind)
        if kind == "pass":
            first = args[0]
            if isinstance(node.args[0], fx.Node) and "Pad" not in type(module).__name__:
                self._views[node] = self._views.get(node.args[0], node.args[0])
            if isinstance(module, (nn.Flatten, nn.Unflatten)) and isinstance(first, Value):
                spatial = 1 if first.spatial and getattr(module, "start_dim", 0) == 2 else None
                return Value(first.record, "tensor", spatial)
            return first
        if isinstance(module, nn.MultiheadAttention):
            roles = dict(zip(("query", "key", "value"), self.lookup(node.args)))
            args = [
                {**roles, **self.lookup(node.kwargs)}.get(role)
                for role in ("query", "key", "value")
            ]
        data = [leaf for leaf in flatten(args) if isinstance(leaf, Value)]
        if not data:
            return Constant(node) if args else SCALAR
        if kind is None:
            return unknown(type(module).__name__, _class_name(module), data, self.build)
        result = self.build.value(kind, data, form=_form(module), spatial=_spatial(module, data))
        if getattr(module, "inplace", False):
            self._write(node, result)
        return result

    def _group_call(self, call, key, module):
        """A step inside a module of torch.nn, which is made whole again after `torch.export`."""
        kind = targets.module_node(module)
        data = call.data()
        if call.base in targets.SHAPES or (
            kind == "pass" and (call.base in targets.VIEWS or call.base in targets.COPIES)
        ):
            return apply(call, self.build)
        if kind == "pass":
            return data[0]
        record = self._groups.get(key)
        if isinstance(module, nn.MultiheadAttention):
            first = call.value(0, "input")
            moves = call.base in targets.VIEWS or call.base in targets.COPIES
            if moves and isinstance(first, Value) and first.record is not record:
                return first  # on its way to the projection
            if call.base != "linear":  # nothing but what is projected feeds it: no masks
                data = []
        if record is None:
            if kind is None:
                name = type(module).__name__
                record = unknown(name, _class_name(module), data, self.build).record
            else:
                record = self.build.record(kind, data)
            self._groups[key] = record
        for value in data:
            record.feed(value.record)
        form = _form(module) if isinstance(call.node.meta.get("val"), (tuple, list)) else "tensor"
        return Value(record, form, _spatial(module, data) if data else None)

    def _group(self, node):
        """Which call of a leaf module a node of an exported graph belongs to, and that module."""
        key = module = None
        for name, (path, _) in (node.meta.get("nn_module_stack") or {}).items():
            with contextlib.suppress(AttributeError):  # named otherwise than it is registered
                found = self.module.get_submodule(path.split("@")[0])
                if is_leaf(found):
                    key, module = name, found
                    break
        last, number = self._last_group
        if key != last:
            self._last_group = (key, number + 1)
        return (key if _NUMBERS_CALLS else self._last_group), module

    def _note_view(self, call):
        node = call.node
        base = node.args[0] if node.args else None
        if call.base not in _ALIASES or not isinstance(base, fx.Node):
            return
        given = self.env[base]
        if getattr(given, "form", "tensor") == "tensor" and not isinstance(given, tuple):
            self._views[node] = self._views.get(base, base)
            if base in self.partial or call.base in _PARTS:
                self.partial.add(node)

    def _write(self, node, result):
        """After an in-place step: what it wrote to, and all views of that, have the new value."""
        target = node.args[0] if node.args else None
        if not isinstance(target, fx.Node):
            return
        root = self._views.get(target, target)
        self._views[node] = root
        before, whole = self.env[target], self.env[root]
        if not isinstance(result, Value) or result.record is _record(before):
            return
        changed = result
        both = isinstance(whole, Value) and isinstance(before, Value)
        if both and _record(whole) is not _record(before):  # one position of the whole
            changed = self.build.value(make_node("concat"), [whole, result], axis="scatter")
        for view in [root, *(view for view, base in self._views.items() if base is root)]:
            if view is not node and _record(self.env[view]) is _record(whole):
                self.env[view] = changed
        self.env[target] = result


def _record(value):
    return value.record if isinstance(value, Value) else value


def _class_name(module) -> str:
    return f"{type(module).__module__}.{type(module).__qualname__}"


def _form(module) -> str:
    if isinstance(module, (nn.RNNBase, nn.LSTMCell)):
        return "outputs"
    tuples = isinstance(module, nn.MultiheadAttention) or getattr(module, "return_indices", False)
    return "tuple" if tuples else "tensor"


def _spatial(module, data) -> int | None:
    """Number of spatial axes of what a module gives."""
    if isinstance(module, nn.modules.conv._ConvNd):
        return len(module.kernel_size)
    name = type(module).__name__
    return targets.parse_name(name).dims if "Pool" in name else data[0].spatial
