"""What the names of torch's functions and modules mean as nodes.

Only names and attributes are looked at, and torch is not imported: a function, a method, an ATen
operator and a module of one meaning end in the same `make_node` call.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from .nodes import Node, make_node


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# The same elements in another order, shape or type; what is written into a view is in its base.
VIEWS = _names(
    """view reshape flatten ravel unflatten permute transpose t numpy_T matrix_H mT adjoint
    swapaxes swapdims movedim moveaxis contiguous squeeze unsqueeze expand expand_as view_as
    reshape_as unfold diagonal as_strided narrow slice detach alias type_as to type cpu cuda
    float half double bfloat16 real positive requires_grad atleast_d broadcast_to
    view_as_real view_as_complex identity"""
)
KEEP_AXES = _names(
    """contiguous detach alias to type_as type cpu cuda float half double bfloat16 slice
    narrow requires_grad"""
)
TUPLES = _names(
    """chunk split tensor_split split_with_sizes unbind hsplit vsplit dsplit unsafe_chunk
    unsafe_split meshgrid broadcast_tensors sort pack_padded_sequence
    pad_packed_sequence pack_sequence pad_sequence"""
)
# A new array, yet no operation of the network: regularisation, padding, rearrangement, rescaling.
COPIES = _names(
    """clone to_copy lift_fresh lift_fresh_copy detach_copy bool int long short byte numpy
    item dropout alpha_dropout feature_dropout feature_alpha_dropout stochastic_depth
    drop_block repeat tile repeat_interleave roll flip fliplr flipud rot90 pad
    constant_pad_nd constant_pad reflection_pad replication_pad circular_pad pixel_unshuffle
    channel_shuffle fold im2col col2im tril triu nan_to_num masked_fill fill neg negative
    to_dense index_select renorm"""
)
PASSED_MODULES = _names(
    """Identity Flatten Unflatten _DropoutNd _ConstantPadNd _ReflectionPadNd
    _ReplicationPadNd _CircularPadNd PixelUnshuffle ChannelShuffle Unfold Fold"""
)

SHAPES = _names(
    """size dim ndimension numel nelement stride storage_offset element_size get_device
    is_floating_point is_complex is_contiguous data_ptr sym_size sym_numel sym_stride shape
    device dtype ndim is_cuda names layout itemsize nbytes is_sparse len
    is_tensor isinstance assert assert_tensor_metadata assert_async assert_scalar check
    sym_constrain_range_for_size sym_constrain_range"""
)
FILLS = _names("zeros ones full empty new_zeros new_ones new_full new_empty") | {
    f"{name}_like" for name in ("zeros", "ones", "full", "empty")
}
FACTORIES = _names(
    """arange linspace logspace eye tensor as_tensor rand randn randint randperm normal
    bernoulli rand_like randn_like randint_like tril_indices triu_indices scalar_tensor
    hann_window new_tensor"""
)

SUMS = _names("add sub rsub")
PRODUCTS = _names("mul div floor_divide fmod remainder rdiv")
MATMULS = _names(
    """matmul mm bmm einsum dot vdot mv tensordot inner outer ger kron multi_dot chain_matmul
    cdist cosine_similarity"""
)
BIASED_MATMULS = _names("addmm baddbmm addbmm addmv")
CONCATS = _names("cat concat concatenate stack hstack vstack dstack column_stack")
RENAMED = {
    "iadd": "add", "isub": "sub", "subtract": "sub", "imul": "mul", "multiply": "mul",
    "itruediv": "div", "truediv": "div", "true_divide": "div", "divide": "div",
    "floordiv": "floor_divide", "ifloordiv": "floor_divide", "mod": "remainder",
    "imod": "remainder", "imatmul": "matmul", "ipow": "pow", "upsample": "interpolate",
}  # fmt: skip

_SAME_ACT = _names(
    """relu relu6 leaky_relu prelu rrelu elu selu celu gelu silu mish glu sigmoid logsigmoid
    tanh softplus softsign hardsigmoid hardswish hardtanh hardshrink softshrink tanhshrink
    threshold exp expm1 log log2 log10 log1p sqrt rsqrt reciprocal abs sin cos tan asin acos
    atan sinh cosh erf erfc sign floor ceil round trunc frac clamp logit sinc cumsum cumprod
    pow"""
)
ACTS = {name: name for name in _SAME_ACT} | {
    "log_sigmoid": "logsigmoid", "log_sigmoid_forward": "logsigmoid", "expit": "sigmoid",
    "clip": "clamp", "clamp_min": "clamp", "clamp_max": "clamp", "absolute": "abs",
}  # fmt: skip
_COMPARISONS = _names(
    """eq ne lt gt le ge isnan isinf isfinite logical_and logical_or logical_not logical_xor
    bitwise_and bitwise_or bitwise_not bitwise_xor and or xor not invert equal greater
    greater_equal less less_equal not_equal"""
)
ACTS |= dict.fromkeys(_COMPARISONS, "compare")
NORMS = {
    "batch_norm": "batch", "layer_norm": "layer", "group_norm": "group",
    "instance_norm": "instance", "rms_norm": "rms", "local_response_norm": "local_response",
    "normalize": "lp", "batch_norm_legit": "batch", "batch_norm_legit_no_training": "batch",
}  # fmt: skip
REDUCTIONS = {
    "mean": "mean", "nanmean": "mean", "sum": "sum", "nansum": "sum", "max": "max", "amax": "max",
    "min": "min", "amin": "min", "prod": "prod", "std": "std", "var": "var", "std_mean": "std",
    "var_mean": "var", "norm": "norm", "vector_norm": "norm", "logsumexp": "logsumexp",
    "median": "median", "argmax": "max", "argmin": "min", "any": "max", "all": "min",
    "gather": "select", "take": "select", "topk": "select", "take_along_dim": "select",
    "count_nonzero": "sum",
}  # fmt: skip
SOFTMAXES = _names("softmax log_softmax softmin gumbel_softmax")

_MODULE_ACTS = {
    name.replace("_", ""): name for name in _SAME_ACT if name not in ("pow", "cumsum", "cumprod")
}
_MODULE_NORMS = {
    "_BatchNorm": "batch", "LayerNorm": "layer", "GroupNorm": "group", "_InstanceNorm": "instance",
    "RMSNorm": "rms", "LocalResponseNorm": "local_response", "CrossMapLRN2d": "local_response",
}  # fmt: skip
_GATES = {"lstm": 4, "gru": 3, "rnn": 1}


class Name(NamedTuple):
    """A function's name undecorated: ``relu_`` is relu in place, ``conv2d`` a conv of 2 axes."""

    base: str
    in_place: bool
    dims: int | None


def parse_name(name: str) -> Name:
    """Decoration off: leading and trailing underscores, number of dimensions, families."""
    in_place = name.endswith("_") and not name.startswith("__")
    base = re.sub(r"^_*(native_|cudnn_|special_|linalg_)?|_*$", "", name)
    base = base.removesuffix("_with_indices")
    match = re.search(r"([123])d", base)
    dims = int(match[1]) if match else None
    if match:
        base = (
            base[: match.start()]
            + ("d" if base.startswith("atleast") else "")
            + base[match.end() :]
        )
    return Name(RENAMED.get(base, base), in_place, dims)


def module_node(module) -> Node | Literal["pass"] | None:
    """The node of a module of torch.nn; "pass" if it is none, None if it is not known."""
    names = {cls.__name__ for cls in type(module).__mro__}
    if names & PASSED_MODULES:
        return "pass"
    if "_ConvNd" in names:
        return conv_node(
            kernel=module.kernel_size,
            stride=module.stride,
            dilation=module.dilation,
            groups=module.groups,
            channels=module.out_channels,
            in_channels=module.in_channels,
            transposed=module.transposed,
        )
    if names & {"Linear", "Bilinear"}:
        return make_node("linear", channels=module.out_features)
    if names & {"Embedding", "EmbeddingBag"}:
        return make_node("embedding", channels=module.embedding_dim)
    if "MultiheadAttention" in names:
        return make_node("attention", heads=module.num_heads, channels=module.embed_dim)
    for kind in _GATES:
        if names & {kind.upper(), f"{kind.upper()}Cell"}:
            return make_node(
                "recurrent",
                kind=kind,
                channels=module.hidden_size,
                layers=getattr(module, "num_layers", 1),
                bidirectional=getattr(module, "bidirectional", False),
            )
    for name, kind in _MODULE_NORMS.items():
        if name in names:
            return make_node("norm", kind=kind)
    cls = next(
        c.__name__ for c in type(module).__mro__ if c.__module__.startswith("torch.nn.modules")
    )
    if cls in ("ReLU6", "Hardtanh"):
        return act_node("hardtanh", module.min_val, module.max_val)
    if cls.lower() in _MODULE_ACTS:
        return make_node("act", kind=_MODULE_ACTS[cls.lower()])
    if names & {"Softmax", "LogSoftmax", "Softmin", "Softmax2d"}:
        return make_node("softmax")
    if cls.startswith("Adaptive") and "Pool" in cls:
        return adaptive_node("max" if "Max" in cls else "avg", module.output_size)
    if re.fullmatch(r"(Max|Avg|LP)Pool[123]d", cls):
        return pool_node(
            "max" if cls.startswith("Max") else "avg", module.kernel_size, module.stride
        )
    if cls == "PixelShuffle":
        return make_node("upsample", scale=module.upscale_factor)
    if "Upsample" in names:
        return make_node("upsample", scale=module.scale_factor)
    if cls == "CosineSimilarity":
        return make_node("matmul")
    return None


def conv_node(*, kernel, stride, dilation, groups, channels, in_channels, transposed) -> Node:
    """A convolution; depthwise ones are a type of their own."""
    return make_node(
        "sepconv" if groups == in_channels and groups > 1 else "conv",
        kernel=kernel,
        stride=stride,
        dilation=dilation,
        groups=groups,
        channels=channels,
        transposed=bool(transposed),
    )


def pool_node(kind: str, kernel, stride=None) -> Node:
    """Pooling over windows; without a stride, of the kernel's."""
    return make_node(f"{kind}pool", kernel=kernel, stride=stride if stride != [] else None)


def adaptive_node(kind: str, output) -> Node:
    """Adaptive pooling, global if the output is a single position."""
    sizes = output if isinstance(output, (tuple, list)) else (output,)
    if all(size == 1 for size in sizes):
        return make_node("globalpool", kind="max" if kind == "max" else "mean")
    return make_node(f"{kind}pool", output=tuple(sizes))


def act_node(name: str, low=None, high=None) -> Node:
    """An activation; clipping to [0, 6] and to [0, inf) have names of their own."""
    kind = ACTS[name]
    if kind in ("hardtanh", "clamp") and low == 0 and high in (6, None):
        kind = "relu6" if high == 6 else "relu"
    return make_node("act", kind=kind)


def recurrent_node(name: str, weight_shape, layers=1, bidirectional=False) -> Node:
    """A recurrent network from ATen's name for it and its first layer's weights on the state."""
    kind = name.split("_")[0]
    channels = None if weight_shape is None else weight_shape[0] // _GATES[kind]
    return make_node(
        "recurrent", kind=kind, channels=channels, layers=layers, bidirectional=bool(bidirectional)
    )
