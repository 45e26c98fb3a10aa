"""Shapes that are known without running a network, and the heads that they tell."""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch
from torch import fx, nn
from torch.nn import functional as F

from sksubsel.architectures import Architecture
from sksubsel.spaces import Transformer
from sksubsel.tracing import trace
from sksubsel.tracing.axes import UNKNOWN, heads_and_channels
from sksubsel.tracing.shapes import Parts, Sizes

spec = importlib.util.spec_from_file_location("models", Path(__file__).with_name("models.py"))
models = importlib.util.module_from_spec(spec)
spec.loader.exec_module(models)


class Attention(nn.Module):
    """Attention of 2 heads of 4 features, in one of the many ways in which it is written."""

    def __init__(self, split):
        super().__init__()
        self.patches = nn.Conv2d(1, 8, 2, stride=2)
        self.norm, self.dropout = nn.LayerNorm(8), nn.Dropout(0.1)
        self.q, self.k, self.v = (nn.Linear(8, 8) for _ in range(3))
        self.qkv = nn.Linear(8, 24)
        self.position = nn.Parameter(torch.rand(1, 4, 8))
        self.split = split
        self.heads = 2

    def forward(self, images):
        x = self.patches(images).flatten(2).transpose(1, 2)  # (N, 4, 8)
        x = self.norm(self.dropout(x + self.position))
        q, k, v = self.split(self, x)
        attended = F.scaled_dot_product_attention(q, k, v)
        return (attended.relu() * 2, x.shape[-1], torch.cat([attended, attended], dim=-1))


def by_views(net, x):
    n, t, c = x.shape
    return [
        layer(x).view(n, t, net.heads, c // net.heads).transpose(1, 2)
        for layer in (net.q, net.k, net.v)
    ]


def by_unflatten(net, x):
    return [
        layer(x).unflatten(-1, (net.heads, -1)).transpose(-3, -2) for layer in (net.q, net.k, net.v)
    ]


def fused_and_permuted(net, x):
    n, t = x.size(0), x.size(1)
    return net.qkv(x).reshape(n, t, 3, net.heads, 4).permute(2, 0, 3, 1, 4).unbind(0)


def fused_and_indexed(net, x):
    qkv = net.qkv(x).unflatten(2, (3, net.heads, 4)).permute((2, 0, 3, 1, 4))
    return qkv[0], qkv[1], qkv[2]


def fused_and_chunked(net, x):
    q, k, v = net.qkv(x).chunk(3, dim=-1)
    return [part.view(x.size(0), -1, net.heads, 4).transpose(1, 2) for part in (q, k, v)]


def fused_and_split(net, x):
    n, t, c = x.size()
    q, k, v = net.qkv(x).split(c, dim=2)
    sides = n, t, net.heads, q.size(-1) // net.heads
    return [part.view(sides).swapaxes(1, 2) for part in (q, k, v)]


def sliced(net, x):
    qkv = F.linear(x, net.qkv.weight, net.qkv.bias).unflatten(-1, (3, net.heads, 4))
    return [qkv[:, :, k].permute(0, 2, 1, 3) for k in range(3)]


SPLITS = [
    by_views, by_unflatten, fused_and_permuted, fused_and_indexed, fused_and_chunked,
    fused_and_split, sliced,
]  # fmt: skip
IMAGES = torch.rand(3, 1, 4, 4)


def attention_of(module, inputs=None):
    return attention_in(Architecture.from_module(module, inputs))


def attention_in(arch):
    return [dict(a) for op, a in zip(arch.ops, arch.attributes) if op == "attention"]


@pytest.mark.parametrize("split", SPLITS)
def test_heads_however_they_are_split(split, monkeypatch):
    network = Attention(split)
    symbolic = Architecture.from_module(network)
    assert attention_in(symbolic) == [{"heads": 2, "channels": 8}]
    monkeypatch.setattr(trace, "_symbolic", lambda *args: (None, None))
    assert Architecture.from_module(network, IMAGES).hash == symbolic.hash


def test_slices_of_a_whole_axis_are_nothing():
    """As `torch.export` wrote a colon in 2.6; written here, since the newest leaves them out."""
    slice_of, everything = torch.ops.aten.slice.Tensor, sys.maxsize
    graph = fx.Graph()
    x = graph.placeholder("x")
    whole = graph.call_function(slice_of, (x, 0, 0, everything))
    whole = graph.call_function(slice_of, (whole, 1))
    part = graph.call_function(slice_of, (whole, 1, 0, 2))
    graph.output(graph.call_function(slice_of, (part, 1, 0, everything, 2)))
    trace._drop_whole_slices(graph)
    assert [node.args[0] for node in graph.nodes if node.target is slice_of] == [x, part]


def test_what_cannot_be_known_is_left_out():
    class Plain(nn.Module):
        def forward(self, q, k, v):
            return F.scaled_dot_product_attention(q, k, v)

    class Heads(nn.Module):
        def forward(self, x):
            x = x.view(x.size(0), -1, 4, x.size(2) // 4).transpose(1, 2)
            return F.scaled_dot_product_attention(x, x, x)

    class NoHeads(Attention):
        def __init__(self):
            super().__init__(lambda net, x: (net.q(x), net.k(x), net.v(x)))

    assert attention_of(Plain()) == attention_of(NoHeads()) == [{}]
    assert attention_of(Heads()) == [{"heads": 4}]  # the width depends on what comes in
    assert heads_and_channels((8, 2, 5, 4), (8, 2, 5, 3)) == {"heads": 2, "channels": 6}
    assert heads_and_channels((..., 5, 4), (..., 5, 4)) == {"heads": None, "channels": None}


def test_values_may_be_wider_than_queries():
    class Wide(Attention):
        def __init__(self):
            super().__init__(by_unflatten)
            self.v = nn.Linear(8, 20)

    assert attention_of(Wide()) == [{"heads": 2, "channels": 20}]


def test_heads_of_modules_and_of_functions_are_alike(monkeypatch):
    network = nn.MultiheadAttention(8, 2, batch_first=True)
    x = torch.rand(2, 3, 8)
    assert attention_of(network) == attention_of(Attention(by_views))
    monkeypatch.setattr(trace, "_symbolic", lambda *args: (None, None))
    assert attention_of(network, (x, x, x)) == [{"heads": 2, "channels": 8}]


# ---------------------------------------------------------------- what is known is true

NETWORKS = {
    **{split.__name__: (lambda split=split: Attention(split), IMAGES) for split in SPLITS},
    "resnet": (models.ResNet18, torch.rand(2, 3, 32, 32)),
    "mobilenet": (models.MobileNetV2, torch.rand(2, 3, 32, 32)),
    "unet": (models.UNet, torch.rand(1, 1, 8, 8)),
    "squeeze_excite": (models.SqueezeExcite, torch.rand(2, 2, 8, 8)),
    "vit": (models.VisionTransformer, torch.rand(2, 1, 8, 8)),
    "plain": (models.PlainAttention, torch.rand(2, 3, 8)),
    "images": (lambda: built(Transformer(), (1, 4, 4)), torch.rand(2, 1, 4, 4)),
    "vectors": (lambda: built(Transformer(), (6, 3)), torch.rand(2, 6, 3)),
    "tokens": (lambda: built(Transformer(vocab_size=7), (6,)), torch.randint(7, (2, 6))),
}


def built(space, in_shape):
    return space.build(space[-1], in_shape, 5)


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_known_is_true(name):
    make, x = NETWORKS[name]
    assert_true_of(make(), x)


def assert_true_of(network, x):
    """Compare each shape with that of the array which the step gives when it is run."""
    network.eval()
    interpreter = trace._symbolic(network, (x,), {}, True)[0][0]
    known = interpreter.shapes._known
    graph = next(iter(known)).graph
    given = {}

    class Run(fx.Interpreter):
        def run_node(self, node):
            given[node] = super().run_node(node)
            return given[node]

    with torch.no_grad():
        Run(fx.GraphModule(network, graph)).run(x)
    n_sides = 0
    for node, shape in known.items():
        if isinstance(shape, Sizes):
            assert agrees(shape.shape, given[node])
        elif isinstance(shape, Parts):
            assert all(agrees(shape.at(k), part.shape) for k, part in enumerate(given[node]))
        elif isinstance(shape, tuple) and isinstance(given[node], torch.Tensor):
            assert agrees(shape, given[node].shape), node
            n_sides += sum(isinstance(side, int) for side in shape)
        elif isinstance(shape, int):
            assert shape == given[node]
    assert n_sides > 3


def agrees(shape, real):
    open_ended = shape[:1] == UNKNOWN
    named = shape[1:] if open_ended else shape
    fits = len(named) <= len(real) if open_ended else len(named) == len(real)
    return fits and all(
        side in (None, actual) for side, actual in zip(reversed(named), reversed(real))
    )


def test_steps_that_change_a_shape():
    class Steps(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.glu, self.bag = nn.Conv2d(2, 6, 1), nn.GLU(1), nn.EmbeddingBag(5, 3)
            self.flat, self.scale = nn.Flatten(1), nn.Parameter(torch.rand(6, 1, 1))

        def forward(self, x):
            y = self.conv(x)
            half = y.tensor_split(2, 1)[0]
            return (
                self.glu(y), F.glu(y, 1), self.flat(y), y.flatten(), y.view(torch.int32), y[-1],
                y[None, ..., 0], y[:, 2:5], y[y > 0.5], y[:, torch.tensor([0, 1])], half + 1,
                y > self.scale, y.unsqueeze(1) ** 2, y * self.scale, y.reshape(y.shape),
                y.view(-1, 6 // 2), y.split([1, 5], 1)[1], y.split(4, 1)[1], y.chunk(4, 1)[0],
                y.unbind(1)[2], self.bag(y.argmax(1).flatten(1) % 5), y.size(-1) - 9,
                y.view(-1, y.size(1) - 3), y.transpose(1, 5 - 2), y.permute(0, 2, 3, 1),
                y.mean((2, 3)).max(1)[0], y.cumsum(1), torch.cat([y, half], 1),
            )  # fmt: skip

    assert_true_of(Steps(), torch.rand(4, 2, 3, 5))
