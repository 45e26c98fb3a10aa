"""What perceptrons and transformers compute, as lowered graphs."""

from __future__ import annotations

from sksubsel.architectures import Architecture

from ._lowering import Lowering


def lower_mlp(n_classes, *, widths, activation, norm, dropout, skip) -> Architecture:
    """The lowered graph of a perceptron; see `MLP.lower`."""
    graph = Lowering()
    value = graph.add("norm", graph.input, kind="batch")
    before = None
    for width in widths:
        hidden = graph.add("linear", value, channels=width)
        if norm != "none":
            hidden = graph.add("norm", hidden, kind=norm)
        hidden = graph.add("act", hidden, kind=activation)
        if skip and before is not None:
            same = before == width
            shortcut = value if same else graph.add("linear", value, channels=width)
            hidden = graph.sum([shortcut, hidden])
        value, before = hidden, width
    return graph.finish(graph.add("linear", value, channels=n_classes), "mlp")


def lower_transformer(
    in_shape, n_classes, patch_size, *, tokens, depth, width, heads, mlp_ratio, norm, pooling,
    activation,
) -> Architecture:  # fmt: skip
    """The lowered graph of a transformer; see `Transformer.lower`."""
    graph = Lowering()
    if tokens:
        value = graph.add("embedding", graph.input, channels=width)
    else:
        value = graph.add("norm", graph.input, kind="batch")
        if len(in_shape) == 3:
            value = graph.conv(value, width, patch_size, norm=False, stride=patch_size)
        else:
            value = graph.add("linear", value, channels=width)
    value = graph.sum([value, graph.add("param", graph.input)])  # positions

    def attention(value):
        value = graph.add("linear", value, channels=3 * width)
        value = graph.add("attention", value, heads=heads, channels=width)
        return graph.add("linear", value, channels=width)

    def feed_forward(value):
        value = graph.add("linear", value, channels=mlp_ratio * width)
        return graph.add("linear", graph.add("act", value, kind=activation), channels=width)

    for branch in (attention, feed_forward) * depth:
        inner = graph.add("norm", value, kind="layer") if norm == "pre" else value
        value = graph.sum([value, branch(inner)])
        if norm == "post":
            value = graph.add("norm", value, kind="layer")
    if norm == "pre":
        value = graph.add("norm", value, kind="layer")
    value = graph.add("reduce", value, kind="select" if pooling == "cls" else "mean")
    return graph.finish(graph.add("linear", value, channels=n_classes), "transformer")
