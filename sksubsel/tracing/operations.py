"""One call of a traced graph, made into a node."""

from __future__ import annotations

from . import targets as T
from .layers import layer, reduction
from .nodes import make_node
from .records import SCALAR, Builder, Constant, Value, flatten

_MOVES_AXES = T.VIEWS - T.KEEP_AXES | {"unbind"}
_LOOKUPS = {"getitem", "index", "select", "index_select", "gather", "take", "take_along_dim"}


def apply(call, build: Builder):
    """What a call gives: a `Value`, a `Constant`, SCALAR or a tuple of them.

    Parameters
    ----------
    call : Call
        A call of a function, method or ATen operator; see `call.Call`.
    build : Builder
        Takes the new records.
    """
    base, data = call.base, call.data()
    if base in T.SHAPES or (base in T.FILLS and not base.endswith(("zeros", "zeros_like"))):
        return SCALAR
    if base in T.FILLS or base == "zero":
        return build.value(make_node("zero"), data[:1]) if data else SCALAR
    if base in T.FACTORIES:
        return Constant(call.node)
    if not data:
        return _constant(call)
    first = call.value(0, "input")
    if base in _LOOKUPS:
        return _pick(call, build, first, data)
    if base in T.VIEWS or base in T.COPIES or base in T.TUPLES:
        return _pass(call, first)
    for handler in (_arithmetic, layer, reduction):
        result = handler(call, build, first, data)
        if result is not None:
            return result
    return unknown(base, call.target, data, build)


def unknown(kind: str, target: str, data, build: Builder) -> Value:
    """A node for what has no type; `target` is its full name, for the warning."""
    build.unknown[kind] = target
    return build.value(make_node("unknown", kind=kind), data, form="tuple")


def _constant(call):
    """A call without data: an array if arrays go in, otherwise a number."""
    arrays = [value for value in call.flat() if isinstance(value, Constant)]
    if not arrays:
        return SCALAR
    moved = call.base in T.VIEWS or call.base in T.COPIES or call.base == "getitem"
    return Constant(arrays[0].key if moved else call.node, call.evaluate())


def _pass(call, first):
    """Operations that are no nodes: the value goes on."""
    base = call.base
    if base in ("meshgrid", "broadcast_tensors"):
        return tuple(call.flat())
    if not isinstance(first, Value):
        return first
    if base == "masked_fill" and first.record.node.type == "zero":
        return SCALAR  # a mask to be added to scores
    spatial = first.spatial
    if base == "flatten" and spatial and call.raw(1, "start_dim", 0) == 2:
        spatial = 1
    elif base in _MOVES_AXES:
        spatial = None
    form = "tuple" if base in T.TUPLES else "state" if first.form == "state" else "tensor"
    return Value(first.record, form, spatial)


def _pick(call, build, base, data):
    """Indexing: of tuples and ranges nothing, of single positions a reduction."""
    if isinstance(base, Constant):
        shape = base.shape
        return build.value(make_node("embedding", channels=shape[-1] if shape else None), data)
    index = call.raw(1, "index")
    single = not isinstance(index, (tuple, list, slice)) and index is not None
    if call.base == "getitem":
        if isinstance(base, tuple):
            return base[index] if isinstance(index, (int, slice)) else base
        if base.form == "outputs":
            return Value(base.record, "tensor" if index == 0 else "state")
        if base.form == "any" and single:
            return base
        if base.form == "tuple":
            return Value(base.record, "tensor" if single else "tuple", base.spatial)
    if not isinstance(base, Value):
        return SCALAR
    if base.form == "state" or call.base == "index_select":
        return base
    if call.base in ("gather", "take", "take_along_dim"):
        picked = data
    elif call.base != "select" and len(data) > 1:
        picked = data  # positions that depend on the data
    elif all(
        call.unpacks(dim) or isinstance(call.lookup(position), Constant)
        for dim, position in int_indices(call.node)
    ):
        ranges = all(item is None or isinstance(item, slice) for item in flatten([index]))
        slices = isinstance(index, slice) or (isinstance(index, tuple) and ranges)
        return Value(base.record, "tensor", base.spatial if slices else None)
    elif base.record.node == make_node("reduce", kind="select"):
        return build.value(base.record.node, [Value(record) for record in base.record.inputs])
    else:
        picked = [base]
    return build.value(make_node("reduce", kind="select"), picked)


def int_indices(node) -> list[tuple]:
    """Where an indexing node takes single positions: pairs (axis, position as it stands)."""
    name = getattr(node.target, "__name__", str(node.target)).split(".")[0]
    if name not in ("getitem", "select") or not (node.args and hasattr(node.args[0], "users")):
        return []
    if name == "select":
        given = {**dict(zip(("self", "dim", "index"), node.args)), **node.kwargs}
        return [(given["dim"], given["index"])]
    items = node.args[1] if isinstance(node.args[1], tuple) else (node.args[1],)
    pairs, dim = [], 0
    for k, item in enumerate(items):
        if item is Ellipsis:
            dim = -sum(1 for later in items[k + 1 :] if later is not None)
        elif item is not None:
            if not isinstance(item, (slice, list)):
                pairs.append((dim, item))
            dim += 1
    return pairs


def _arithmetic(call, build, first, data):
    """Sums, products, matrix products, concatenations; None if it is none of them."""
    base = call.base
    operands = [call.value(0, "input"), call.value(1, "other")]
    if base in T.SUMS:
        return _combine("add", operands, build)
    if base in T.PRODUCTS:
        if base == "mul" and any(_is_zero(operand) for operand in operands):
            return build.value(make_node("zero"), data[:1], spatial=data[0].spatial)
        return _combine("mul", operands, build)
    if base == "square" or (base == "pow" and call.raw(1, "exponent") == 2):
        return build.value(make_node("mul"), data, spatial=data[0].spatial)
    if base in ("addcmul", "addcdiv"):
        factors = [call.value(1, "tensor1"), call.value(2, "tensor2")]
        return _combine("add", [first, _combine("mul", factors, build)], build)
    if base in ("lerp", "where"):
        if base == "lerp":
            ends = [first, call.value(1, "end")]
        else:
            ends = [call.value(1, "input"), call.value(2, "other")]
        ends = [end for end in ends if isinstance(end, Value)]
        if not ends:
            return first  # two numbers, chosen by the data
        if len({end.record for end in ends}) == 1:
            return ends[0]
        return _combine("add", ends, build)
    if base in T.MATMULS:
        factors = build.operands(call.flat())
        alone = base == "einsum" and len(factors) == 1
        return build.value(
            make_node("reduce", kind="sum") if alone else make_node("matmul"), factors
        )
    if base in T.BIASED_MATMULS:
        left, right = call.value(1, "mat1"), call.value(2, "mat2")
        if isinstance(right, Constant) and base == "addmm":
            channels = right.shape[-1] if right.shape else None
            product = build.value(make_node("linear", channels=channels), build.operands([left]))
            return _combine("add", [product, first], build) if isinstance(first, Value) else product
        product = build.value(make_node("matmul"), build.operands([left, right]))
        return _combine("add", [product, first], build)
    if base in T.CONCATS:
        axis = call.node if base == "stack" else call.raw(1, "dim", 0)  # stacks are never merged
        return _concat(data, axis, build)
    if base in ("copy", "setitem", "slice_scatter", "select_scatter", "index_put"):
        source = call.value(2 if base in ("setitem", "index_put") else 1, "src")
        if not isinstance(source, Value):
            return first
        if not isinstance(first, Value) or (base == "copy" and not call.partial):
            return source
        return _concat([first, source], "scatter", build)
    return None


def _combine(kind: str, operands, build: Builder):
    """An n-ary elementwise node; a single data term goes on as it is."""
    data = [operand for operand in operands if isinstance(operand, Value)]
    terms = build.operands(operands) if data else []
    if not data:
        return next((operand for operand in operands if isinstance(operand, Constant)), SCALAR)
    if len(terms) == 1 or (kind == "add" and all(term is terms[0] for term in terms)):
        # the same object, so that x + x + x is seen to be x alone
        one = data[0]
        return one if one.form == "tensor" else Value(one.record, "tensor", one.spatial)
    spatial = next((value.spatial for value in data if value.spatial is not None), None)
    return build.value(make_node(kind), terms, spatial=spatial)


def _concat(data, axis, build: Builder):
    """A concatenation; none where parts of one array are joined again, in whichever order."""
    several = build.n_inputs > 1 or all(value.form == "any" for value in data)
    apart = several and data[0].record is build.input and any(v is not data[0] for v in data)
    if len({value.record for value in data}) == 1 and not apart:
        return Value(data[0].record, "tensor", data[0].spatial)
    return build.value(make_node("concat"), data, spatial=data[0].spatial, axis=axis)


def _is_zero(operand) -> bool:
    return isinstance(operand, (int, float)) and not isinstance(operand, bool) and operand == 0
