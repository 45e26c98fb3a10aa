"""Calls of layers and reductions as functions, made into nodes."""

from __future__ import annotations

from . import targets as T
from .axes import heads_and_channels
from .nodes import make_node
from .records import Constant, Value


def layer(call, build, first, data):
    """Layers called as functions; None if it is none of them."""
    base, spatial = call.base, data[0].spatial
    if base in ("conv", "conv_transpose", "convolution"):
        return _conv(call, build, data)
    if base in ("linear", "bilinear"):
        weight = call.value(1 if base == "linear" else 2, "weight")
        if isinstance(weight, Constant):
            channels = weight.shape[0] if weight.shape else None
            inputs = data if base == "bilinear" else data[:1]
            return build.value(make_node("linear", channels=channels), inputs)
        return build.value(make_node("matmul"), build.operands([first, weight]))
    if base in ("embedding", "embedding_bag"):
        tables = [value for value in call.flat() if isinstance(value, Constant)]
        channels = tables[0].shape[-1] if tables and tables[0].shape else None
        return build.value(make_node("embedding", channels=channels), data)
    if base.startswith("scaled_dot_product"):
        roles = [call.value(k, name) for k, name in enumerate(("query", "key", "value"))]
        known = heads_and_channels(call.shape(0, "query"), call.shape(2, "value"))
        node = make_node("attention", **known)
        return build.value(node, [v for v in roles if isinstance(v, Value)])
    if base == "multi_head_attention_forward":
        roles = [call.value(k, name) for k, name in enumerate(("query", "key", "value"))]
        heads, channels = call.number(4, "num_heads"), call.number(3, "embed_dim_to_check")
        node = make_node("attention", heads=heads, channels=channels)
        return build.value(node, [v for v in roles if isinstance(v, Value)], form="tuple")
    if base.removesuffix("_cell") in ("lstm", "gru", "rnn_tanh", "rnn_relu"):
        return _recurrent(call, build, data)
    if base in T.NORMS:
        return build.value(make_node("norm", kind=T.NORMS[base]), [data[0]], spatial=spatial)
    if base in T.SOFTMAXES:
        return build.value(make_node("softmax"), [data[0]], spatial=spatial)
    if base in T.ACTS:
        low, high = call.number(1, "min_val"), call.number(2, "max_val")
        if base in ("clamp", "clip"):
            low, high = call.number(1, "min"), call.number(2, "max")
        elif base == "clamp_max":
            low, high = None, low
        return build.value(T.act_node(base, low, high), data, spatial=spatial)
    if base in ("pixel_shuffle", "interpolate") or base.startswith("upsample_"):
        if base == "pixel_shuffle":
            scale = call.number(1, "upscale_factor")
        elif base == "interpolate":
            scale = call.number(2, "scale_factor")
        else:
            lists = [arg for arg in call.node.args[2:] if isinstance(arg, (tuple, list))]
            scale = next((arg for arg in lists if all(isinstance(x, float) for x in arg)), None)
        return build.value(make_node("upsample", scale=scale), [data[0]], spatial=spatial)
    if base.endswith("_pool"):
        return _pool(call, build, data)
    return None


def _conv(call, build, data):
    weight = call.value(1, "weight")
    shape = weight.shape if isinstance(weight, Constant) else None
    full = call.base == "convolution"
    transposed = bool(call.raw(6, "transposed", False)) if full else "transpose" in call.base
    groups = call.number(8 if full else 6, "groups", 1)
    widths = (None, None)
    if shape and isinstance(groups, int):
        widths = (shape[1] * groups, shape[0])[:: -1 if transposed else 1]
    node = T.conv_node(
        kernel=shape[2:] if shape else None,
        stride=call.number(3, "stride", 1),
        dilation=call.number(7 if transposed and not full else 5, "dilation", 1),
        groups=groups,
        in_channels=widths[0],
        channels=widths[1],
        transposed=transposed,
    )
    inputs = data[: 1 + isinstance(weight, Value)]
    return build.value(node, inputs, spatial=len(shape) - 2 if shape else call.dims)


def _pool(call, build, data):
    kind = "max" if "max" in call.base else "avg"
    form = "tuple" if call.raw(99, "return_indices", False) else "tensor"
    if call.base.startswith("adaptive"):
        node = T.adaptive_node(kind, call.number(1, "output_size"))
    else:
        at = 2 if call.base.startswith("lp") else 1
        kernel = call.number(at, "kernel_size")
        if kernel is None:  # computed from the input's size
            node = make_node("globalpool", kind="max" if kind == "max" else "mean")
        else:
            node = T.pool_node(kind, kernel, call.number(at + 1, "stride"))
    return build.value(node, [data[0]], form=form, spatial=data[0].spatial or call.dims)


def _recurrent(call, build, data):
    cell = call.base.endswith("_cell")
    weights = call.value(3, "w_hh") if cell else None
    layers, both = 1, False
    if not cell:  # (input, states, weights, ...) or, packed, (data, sizes, states, weights, ...)
        at = 2 if isinstance(call.raw(3, "has_biases"), bool) else 3
        weights = (call.value(at, "params") or [None, None])[1]
        layers, both = (
            call.number(at + 2, "num_layers", 1),
            call.raw(at + 5, "bidirectional", False),
        )
    shape = weights.shape if isinstance(weights, Constant) else None
    node = T.recurrent_node(call.base.removesuffix("_cell"), shape, layers, both)
    plain = cell and not call.base.startswith("lstm")
    return build.value(node, data, form="tensor" if plain else "outputs")


def reduction(call, build, first, data):
    """Reductions over axes; None if it is none of them."""
    base = call.base
    if base not in T.REDUCTIONS or (base in ("max", "min") and len(data) > 1):
        return None
    dims = call.number(1, "dim")
    dims = call.raw(1, "axis") if dims is None else dims
    kind = T.REDUCTIONS[base]
    paired = base in ("std_mean", "var_mean", "topk") or (
        base in ("max", "min", "median") and dims is not None
    )
    node = make_node("reduce", kind=kind)
    if base in ("mean", "amax") and _is_spatial(dims, data[0].spatial):
        node = make_node("globalpool", kind=kind)
    return build.value(node, data, form="tuple" if paired else "tensor")


def _is_spatial(dims, spatial: int | None) -> bool:
    """Whether axes are all of a (batch, channels, ...) array but the first two."""
    if dims is None:
        return False
    dims = {dims} if isinstance(dims, int) else set(dims)
    if not all(isinstance(dim, int) for dim in dims):
        return False
    if spatial is not None:
        return {dim + 2 + spatial if dim < 0 else dim for dim in dims} == {*range(2, 2 + spatial)}
    return dims in ({2, 3}, {-1, -2}, {2, 3, 4}, {-1, -2, -3})
