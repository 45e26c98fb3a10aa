import importlib.util
import threading
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sksubsel._net import seeded
from sksubsel.architectures import Architecture
from sksubsel.spaces import NASBench101
from sksubsel.tracing import NODE_TYPES, make_node, trace

spec = importlib.util.spec_from_file_location("models", Path(__file__).with_name("models.py"))
models = importlib.util.module_from_spec(spec)
spec.loader.exec_module(models)

IMAGE = torch.rand(2, 4, 4, 4)
TOKENS = torch.arange(10).view(2, 5)
CASES = {
    "residual": (lambda: models.BasicBlock(4, 6, stride=2), IMAGE),
    "inverted_residual": (lambda: models.InvertedResidual(4, 4, 1, 6), IMAGE),
    "unet": (models.UNet, torch.rand(1, 1, 8, 8)),
    "squeeze_excite": (models.SqueezeExcite, torch.rand(2, 2, 8, 8)),
    "modules": (models.ConvModule, torch.rand(2, 2, 8, 8)),
    "functions": (models.ConvFunctional, torch.rand(2, 2, 8, 8)),
    "in_place": (models.ConvInPlace, torch.rand(2, 2, 8, 8)),
    "methods": (models.ConvMethods, torch.rand(2, 2, 8, 8)),
    "vit": (models.VisionTransformer, torch.rand(2, 1, 8, 8)),
    "attention": (models.PlainAttention, torch.rand(2, 3, 8)),
    "cross_attention": (models.CrossAttention, (torch.rand(2, 3, 8), torch.rand(2, 5, 6))),
    "lstm": (models.RecurrentClassifier, TOKENS),
    "gru": (lambda: models.RecurrentClassifier("GRU", by_state=True), TOKENS),
    "rnn": (lambda: models.RecurrentClassifier("RNN", bidirectional=True), TOKENS),
    "twice": (models.Twice, torch.rand(2, 3, 4)),
    "dict": (models.FromDict, ({"image": torch.rand(2, 4), "table": torch.rand(2, 3)},)),
    "optional": (models.OptionalInputs, torch.rand(2, 4)),
    "chained": (lambda: models.Chained("left"), torch.rand(2, 4)),
}


def nodes_of(arch):
    """For each node type its attributes, node by node."""
    found = {}
    for op, attributes in zip(arch.ops, arch.attributes):
        found.setdefault(op, []).append(dict(attributes))
    return found


def counts(arch):
    return dict(Counter(arch.ops))


def trace_function(function, example_inputs=None):
    return Architecture.from_module(models.Function(function), example_inputs)


def describe(arch):
    """All nodes but the input as text: type, attributes and where from, e.g. "act(kind=relu)<0"."""
    parts = []
    for v in range(1, arch.n_nodes):
        values = ",".join(f"{name}={value}" for name, value in arch.attributes[v].items())
        feeders = ",".join(str(u) for u, w in arch.edges if w == v)
        parts.append(f"{arch.ops[v]}({values})<{feeders}")
    return " ".join(parts[:-1])


@pytest.fixture
def only_export(monkeypatch):
    monkeypatch.setattr(trace, "_symbolic", lambda *args: (None, None))


# ---------------------------------------------------------------- networks


def test_resnet18():
    arch = Architecture.from_module(models.ResNet18(), space="torchvision")
    assert counts(arch) == {
        "input": 1, "conv": 20, "maxpool": 1, "add": 8, "act": 8, "globalpool": 1, "linear": 1,
        "output": 1,
    }  # fmt: skip
    assert arch.space == "torchvision"
    nodes = nodes_of(arch)
    assert nodes["conv"][0] == {
        "kernel": 7, "stride": 2, "dilation": 1, "groups": 1, "channels": 4, "norm": True,
        "act": "relu",
    }  # fmt: skip
    assert all(conv["norm"] for conv in nodes["conv"])
    # activated are the stem and the first convolution of each block, not what is added
    assert sum("act" in conv for conv in nodes["conv"]) == 9
    assert [conv["stride"] for conv in nodes["conv"] if conv["kernel"] == 1] == [2, 2, 2]
    assert nodes["maxpool"] == [{"kernel": 3, "stride": 2}]
    assert nodes["linear"] == [{"channels": 10}]
    into = Counter(v for _, v in arch.edges)
    assert {into[v] for v, op in enumerate(arch.ops) if op == "add"} == {2}


def test_mobilenet():
    arch = Architecture.from_module(models.MobileNetV2())
    assert counts(arch) == {
        "input": 1, "conv": 9, "sepconv": 4, "add": 2, "globalpool": 1, "linear": 1, "output": 1,
    }  # fmt: skip
    depthwise = nodes_of(arch)["sepconv"]
    assert [(conv["groups"], conv["channels"]) for conv in depthwise] == [
        (4, 4), (24, 24), (36, 36), (36, 36),
    ]  # fmt: skip
    assert all(conv["act"] == "relu6" and conv["kernel"] == 3 for conv in depthwise)


def test_unet():
    arch = Architecture.from_module(models.UNet())
    assert counts(arch) == {
        "input": 1, "conv": 12, "maxpool": 2, "concat": 2, "upsample": 1, "output": 1,
    }  # fmt: skip
    assert nodes_of(arch)["upsample"] == [{"scale": 2}]
    transposed = [v for v, values in enumerate(arch.attributes) if values.get("transposed")]
    assert (
        arch.attributes[transposed[0]]
        == make_node("conv", kernel=2, stride=2, channels=8, transposed=True).attributes
    )
    joins = [v for v, op in enumerate(arch.ops) if op == "concat"]
    feeders = [{arch.ops[u] for u, w in arch.edges if w == v} for v in joins]
    assert feeders == [{"conv"}, {"conv", "upsample"}]
    assert (transposed[0], joins[0]) in arch.edges


def test_squeeze_and_excitation():
    arch = Architecture.from_module(models.SqueezeExcite())
    assert arch.ops == ("input", "conv", "globalpool", "linear", "linear", "mul", "output")
    assert arch.edges == ((0, 1), (1, 2), (1, 5), (2, 3), (3, 4), (4, 5), (5, 6))
    assert [dict(arch.attributes[v]) for v in (3, 4)] == [
        {"channels": 2, "act": "relu"}, {"channels": 8, "act": "sigmoid"},
    ]  # fmt: skip


@pytest.mark.parametrize("norm_first", [False, True])
def test_transformer_encoder(norm_first):
    network = models.TransformerClassifier(norm_first=norm_first)
    arch = Architecture.from_module(network, TOKENS)
    block = ["attention", "add", "norm", "linear", "linear", "add", "norm"]
    if norm_first:
        block = ["norm", "attention", "add", "norm", "linear", "linear", "add"]
    expected = ["input", "embedding", "param", "add", *block, *block, "reduce", "linear", "output"]
    assert list(arch.ops) == expected
    nodes = nodes_of(arch)
    assert nodes["attention"] == [{"heads": 2, "channels": 8}] * 2
    assert nodes["linear"][0] == {"channels": 16, "act": "gelu"}
    assert nodes["norm"] == [{"kind": "layer"}] * 4
    assert nodes["embedding"] == [{"channels": 8}]
    assert nodes["reduce"] == [{"kind": "mean"}]
    param = arch.ops.index("param")
    assert (0, param) in arch.edges and (param, param + 1) in arch.edges


def test_masks_are_no_part_of_the_graph():
    masked = Architecture.from_module(models.MaskedTransformer(n_layers=1), TOKENS)
    assert masked == Architecture.from_module(models.TransformerClassifier(n_layers=1), TOKENS)


def test_transformers_need_inputs():
    message = (
        "cannot trace TransformerClassifier without example_inputs.*TransformerEncoder.*"
        "Give example_inputs"
    )
    with pytest.raises(ValueError, match=message):
        Architecture.from_module(models.TransformerClassifier())
    layer = nn.TransformerEncoderLayer(8, 2, 16)
    with pytest.raises(ValueError, match="TransformerEncoderLayer without example_inputs"):
        Architecture.from_module(layer)
    assert counts(Architecture.from_module(layer, torch.rand(3, 2, 8)))["norm"] == 2


def test_vision_transformer_by_hand():
    arch = Architecture.from_module(models.VisionTransformer(n_layers=1))
    assert describe(arch) == (
        "conv(channels=8,dilation=1,groups=1,kernel=4,norm=False,stride=4)<0 param()<0 add()<1,2 "
        "linear(channels=24)<3 attention(channels=8,heads=2)<4 linear(channels=8)<5 add()<3,6 "
        "norm(kind=layer)<7 reduce(kind=select)<8 linear(channels=3)<9"
    )


def test_attention_as_a_module():
    arch = Architecture.from_module(models.CrossAttention())
    assert describe(arch) == (
        "attention(channels=8,heads=2)<0 add()<0,1 attention(channels=8,heads=4)<0,2 add()<2,3"
    )


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_recurrent(kind):
    params = {"bidirectional": True, "num_layers": 2}
    arch = Architecture.from_module(models.RecurrentClassifier(kind, by_state=True, **params))
    assert arch.ops == ("input", "embedding", "recurrent", "linear", "output")
    expected = {"kind": kind.lower(), "channels": 6, "layers": 2, "bidirectional": True}
    assert dict(arch.attributes[2]) == expected
    last = Architecture.from_module(models.RecurrentClassifier(kind))
    assert describe(last).split()[2:] == ["reduce(kind=select)<2", "linear(channels=3)<3"]


def test_shared_modules_are_as_many_nodes_as_calls():
    arch = Architecture.from_module(models.Twice())
    assert arch.ops == ("input", *["linear"] * 2, *["attention"] * 2, "output")
    assert arch.edges == tuple((v, v + 1) for v in range(5))
    assert [values.get("act") for values in arch.attributes] == [None, "tanh", *[None] * 4]


def test_dicts_in_and_out():
    arch = Architecture.from_module(models.FromDict())
    assert describe(arch) == (
        "linear(act=relu,channels=5)<0 linear(act=relu,channels=5)<0 add()<1,2 linear(channels=2)<3"
    )
    assert [u for u, v in arch.edges if v == arch.output_node] == [3, 4]
    batch = {"image": torch.rand(2, 4), "table": torch.rand(2, 3)}
    assert Architecture.from_module(models.FromDict(), (batch,)) == arch
    assert Architecture.from_module(models.FromDict(), {"batch": batch}) == arch


def test_arguments_that_are_not_given_keep_their_defaults():
    network = models.OptionalInputs()
    x = torch.rand(2, 4)
    plain = Architecture.from_module(network)
    assert describe(plain) == "linear(channels=4)<0"
    for inputs in (x, (x,), [x, None], {"x": x, "mask": None, "double": False}):
        assert Architecture.from_module(network, inputs) == plain
    masked = Architecture.from_module(network, (x, x))
    assert describe(masked) == "linear(channels=4)<0 linear(channels=4)<0 mul()<1,2"
    more = Architecture.from_module(network, {"x": x, "double": True, "last": True})
    assert describe(more) == "linear(channels=4)<0 linear(act=tanh,channels=4)<1"


# ---------------------------------------------------------------- one network, one graph


@pytest.mark.parametrize("case", CASES)
def test_both_tracers_agree(case, monkeypatch):
    build, inputs = CASES[case]
    network = build()
    symbolic = Architecture.from_module(network)
    assert Architecture.from_module(network, inputs) == symbolic
    monkeypatch.setattr(trace, "_symbolic", lambda *args: (None, None))
    exported = Architecture.from_module(network, inputs)
    assert exported.hash == symbolic.hash
    assert counts(exported) == counts(symbolic)


@pytest.mark.parametrize("case", CASES)
def test_order_is_topological_and_the_same_each_time(case):
    build, _ = CASES[case]
    arch = Architecture.from_module(build())
    assert arch == Architecture.from_module(build())
    assert all(u < v for u, v in arch.edges)
    assert arch.input_node == 0 and arch.output_node == arch.n_nodes - 1
    assert set(arch.ops) <= NODE_TYPES.keys()
    for op, values in zip(arch.ops, arch.attributes):
        assert make_node(op, **values).attributes == dict(values)
        assert list(values) == sorted(values)


@pytest.mark.parametrize("kind", ["ConvFunctional", "ConvInPlace", "ConvMethods"])
def test_modules_functions_methods_and_in_place_steps_are_one(kind):
    reference = Architecture.from_module(models.ConvModule())
    assert reference.ops == (
        "input", "sepconv", "maxpool", "globalpool", "linear", "softmax", "output",
    )  # fmt: skip
    other = Architecture.from_module(getattr(models, kind)())
    assert other == reference
    assert other.hash == reference.hash


RELU = "act(kind=relu)<0"


@pytest.mark.parametrize("expected", models.SPELLINGS)
def test_however_it_is_written(expected, monkeypatch):
    functions = models.SPELLINGS[expected]
    for function in functions:
        assert describe(trace_function(function, torch.zeros(2, 4, 4, 4))) == expected
    network = models.Function(lambda s, x: [function(s, x.clone()) for function in functions])
    symbolic = Architecture.from_module(network, torch.zeros(2, 4, 4, 4))
    monkeypatch.setattr(trace, "_symbolic", lambda *args: (None, None))
    exported = Architecture.from_module(network, torch.zeros(2, 4, 4, 4))
    assert counts(exported) == counts(symbolic)
    assert exported.hash == symbolic.hash


def test_layers_as_functions_and_as_modules():
    pairs = [
        (nn.Linear(4, 3), lambda s, x: F.linear(x, s.weight[:3])),
        (nn.Conv2d(4, 4, 1), lambda s, x: F.conv2d(x, s.weight[..., None, None], s.scale)),
        (nn.Conv1d(2, 2, 4), lambda s, x: F.conv1d(x, s.weight.view(2, 2, 4))),
        (
            nn.Conv2d(4, 4, 2, dilation=2, groups=4),
            lambda s, x: torch.conv2d(x, s.weight.view(4, 1, 2, 2), None, 1, 0, 2, 4),
        ),
        (
            nn.ConvTranspose2d(4, 2, (1, 2), 2, groups=2),
            lambda s, x: F.conv_transpose2d(x, s.weight[:2].view(4, 1, 1, 2), None, 2, groups=2),
        ),
        (nn.Embedding(9, 4), lambda s, x: F.embedding(x, s.weight)),
        (nn.Bilinear(4, 4, 1), lambda s, x: F.bilinear(x, x, s.weight[None])),
    ]
    for layer, function in pairs:
        assert Architecture.from_module(layer) == trace_function(function)


def test_chained_sums_and_concatenations_are_one_node():
    archs = [Architecture.from_module(models.Chained(steps)) for steps in ("left", "right", "sum")]
    assert archs[0].hash == archs[1].hash == archs[2].hash
    relu = "linear(act=relu,channels=4)<0"
    assert describe(archs[0]) == f"{relu} {relu} {relu} {relu} add()<1,2,3 concat()<0,4,5"


def test_sums_that_are_seen_elsewhere_are_not_merged():
    def function(s, x):
        first = x.relu() + x.tanh()
        return (first + x.sin()) * first

    ops = trace_function(function).ops
    assert ops.count("add") == 2


def test_concatenations_along_other_axes_are_not_merged():
    def function(s, x, axis):
        first = torch.cat([x.relu(), x.tanh()], dim=1)
        return torch.cat([first, x.sin().repeat(1, 2, 1, 1)], dim=axis)

    assert trace_function(lambda s, x: function(s, x, 2)).ops.count("concat") == 2
    assert trace_function(lambda s, x: function(s, x, 1)).ops.count("concat") == 1


def test_only_a_single_consumer_is_fused():
    conv, bn = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)

    class Seen(nn.Module):
        def __init__(self, where):
            super().__init__()
            self.conv, self.bn, self.where = conv, bn, where

        def forward(self, x):
            y = self.conv(x)
            z = self.bn(y)
            out = F.relu(z)
            return out, {"conv": y, "bn": z, "size": y.shape[0]}[self.where]

    assert Architecture.from_module(Seen("size")).ops == ("input", "conv", "output")
    assert Architecture.from_module(Seen("bn")).ops == ("input", "conv", "act", "output")
    assert Architecture.from_module(Seen("conv")).ops == (
        "input", "conv", "norm", "act", "output",
    )  # fmt: skip


def test_what_is_fused():
    linear = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Dropout(), nn.ReLU())
    assert describe(Architecture.from_module(linear)) == (
        "linear(channels=3)<0 norm(kind=batch)<1 act(kind=relu)<2"
    )
    late = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Dropout(), nn.ReLU(), nn.BatchNorm2d(4))
    nodes = Architecture.from_module(late)
    assert nodes.ops == ("input", "conv", "norm", "output")
    assert nodes.attributes[1]["act"] == "relu" and not nodes.attributes[1]["norm"]
    other = nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4), nn.ReLU())
    assert Architecture.from_module(other).ops == ("input", "conv", "norm", "act", "output")


@pytest.mark.parametrize("tracer", ["fx", "export"])
def test_in_place_steps_change_what_others_see(tracer, monkeypatch):
    if tracer == "export":
        monkeypatch.setattr(trace, "_symbolic", lambda *args: (None, None))

    def function(s, x):
        y = F.linear(x, s.weight)
        kept = y.view(2, -1)
        nn.ReLU(inplace=True)(y)
        return kept.view_as(y) + y.tanh()

    arch = trace_function(function, IMAGE)
    assert describe(arch) == "linear(act=relu,channels=4)<0 act(kind=tanh)<1 add()<1,2"


def test_slices_that_are_filled():
    def function(s, x):
        out = torch.zeros(2, 8, 4, 4)
        out[:, :4] = x.relu()
        out[:, 4:] = x.tanh()
        return out

    arch = trace_function(function, IMAGE)
    assert describe(arch) == "act(kind=relu)<0 act(kind=tanh)<0 concat()<1,2"


def test_two_inputs_are_joined():
    class Two(nn.Module):
        def forward(self, x, y):
            return torch.cat([x + y, x * y, torch.cat([x, y], 1)], dim=1)

    arch = Architecture.from_module(Two())
    assert describe(arch) == "add()<0 mul()<0 concat()<0,1,2"


def test_a_parameter_is_one_node_however_often_it_is_used():
    def function(s, x):
        return (x + s.weight).relu() + s.weight[:, :4] + s.scale

    arch = trace_function(function)
    assert arch.ops.count("param") == 2
    assert [v for u, v in arch.edges if u == arch.ops.index("param")] == [2, 5]


def test_learned_numbers_are_nodes_and_fixed_ones_are_not():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.learned = nn.Parameter(torch.ones(()))
            self.register_buffer("fixed", torch.ones(1))

        def forward(self, x):
            return x * self.learned * self.fixed

    assert describe(Architecture.from_module(Scaled())) == "param()<0 mul()<0,1"


def test_nodes_on_no_path_are_dropped():
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the unknown one among them is not worth a word
        arch = Architecture.from_module(models.Unused())
    assert arch.ops == ("input", "linear", "output")


def test_unknown_operations():
    def function(s, x):
        return torch.fft.fft(x).real + torch.fft.fft(x.relu()).real

    with pytest.warns(UserWarning, match="fft_fft has no node type") as caught:
        arch = trace_function(function)
    assert len(caught) == 1 and Path(caught[0].filename) == Path(__file__)
    assert nodes_of(arch)["unknown"] == [{"kind": "fft_fft"}] * 2
    with pytest.warns(UserWarning, match="FractionalMaxPool2d has no node type"):
        Architecture.from_module(nn.FractionalMaxPool2d(2, output_size=2))


def test_a_single_layer_is_a_network():
    assert describe(Architecture.from_module(nn.Linear(3, 4))) == "linear(channels=4)<0"
    assert Architecture.from_module(nn.Identity()).edges == ((0, 1),)
    lstm = nn.LSTM(4, 6, 2, bidirectional=True, proj_size=3)
    expected = "recurrent(bidirectional=True,channels=6,kind=lstm,layers=2)<0"
    assert describe(Architecture.from_module(lstm)) == expected


def test_parametrised_layers_are_layers():
    network = nn.Sequential(
        nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 3)),
        nn.utils.parametrizations.spectral_norm(nn.Conv2d(4, 5, 3)),
    )
    assert nodes_of(Architecture.from_module(network))["conv"] == [
        make_node("conv", kernel=3, channels=channels).attributes for channels in (4, 5)
    ]


def test_positions_of_computed_length():
    class Positions(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("waves", torch.rand(1, 9, 4))
            self.learned = nn.Embedding(9, 4)

        def forward(self, x):
            x = x + self.waves[:, : x.size(1)]
            return x.relu() + self.learned(torch.arange(x.shape[1], device=x.device))

    arch = Architecture.from_module(Positions(), torch.rand(2, 5, 4))
    assert describe(arch) == "param()<0 add()<0,1 act(kind=relu)<2 param()<0 add()<3,4"


def test_regions_of_another_precision(only_export):
    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(4, 4)

        def forward(self, x):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                x = self.linear(x).relu()
            return self.linear(x.float())

    arch = Architecture.from_module(Mixed(), torch.rand(2, 4))
    assert describe(arch) == "linear(act=relu,channels=4)<0 linear(channels=4)<1"


def test_packed_sequences():
    class Packed(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(4, 3, batch_first=True)

        def forward(self, x, lengths):
            packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True)
            out, _ = self.lstm(packed)
            out, _ = nn.utils.rnn.pad_packed_sequence(out, batch_first=True)
            return out.mean(1)

    assert Architecture.from_module(Packed()).ops == ("input", "recurrent", "reduce", "output")


# ---------------------------------------------------------------- the module stays as it is


def test_training_mode_does_not_matter():
    for build in (models.ResNet18, models.MobileNetV2, models.Stateful):
        network = build()
        assert Architecture.from_module(network.train()) == Architecture.from_module(network.eval())


@pytest.mark.parametrize("tracer", ["fx", "export"])
@pytest.mark.parametrize("build", [models.ConvModule, models.Stateful, models.RecurrentClassifier])
def test_the_module_stays_as_it_is(build, tracer, monkeypatch):
    network = build()
    inputs = {"ConvModule": torch.rand(2, 2, 8, 8), "Stateful": torch.rand(2, 4)}.get(
        build.__name__, TOKENS
    )
    if tracer == "export":
        monkeypatch.setattr(trace, "_symbolic", lambda *args: (None, None))
        if build is models.Stateful:
            if torch.__version__ < "2.8":
                pytest.skip("this torch.export takes no module that appends to a list")
            network.short = None  # torch.export takes no branch on a buffer
    next(network.children()).eval()  # modes may be mixed
    before = {name: value.clone() for name, value in network.state_dict().items()}
    modes = [module.training for module in network.modules()]
    names = [sorted(vars(module)) for module in network.modules()]
    given, seed = inputs.clone(), torch.get_rng_state()
    Architecture.from_module(network, inputs)
    assert torch.is_grad_enabled() and torch.backends.mha.get_fastpath_enabled()
    assert torch.equal(torch.get_rng_state(), seed) and torch.equal(given, inputs)
    assert [module.training for module in network.modules()] == modes
    assert [sorted(vars(module)) for module in network.modules()] == names
    after = network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    for weight in network.parameters():
        assert type(weight) is nn.Parameter and weight.requires_grad and weight.grad is None
    assert getattr(network, "seen", []) == []
    network(inputs)


def test_a_buffer_may_decide():
    network = models.Stateful()
    assert Architecture.from_module(network).ops == ("input", "linear", "output")
    network.short.fill_(False)
    assert Architecture.from_module(network).ops == ("input", "linear", "linear", "output")


# ---------------------------------------------------------------- errors


def line_of(text):
    lines = Path(models.__file__).read_text().splitlines()
    return next(k for k, line in enumerate(lines, start=1) if text in line)


@pytest.mark.parametrize("inputs", [None, torch.rand(2, 3)])
@pytest.mark.parametrize("wrapped", [False, True])
def test_data_dependent_control_flow(inputs, wrapped, capfd):
    network = models.DataDependent()
    network = models.Wrapped(network) if wrapped else network
    with pytest.raises(ValueError) as caught:
        Architecture.from_module(network, inputs)
    message = str(caught.value)
    statement = "if x.sum() > 0:"
    assert f"{models.__file__}:{line_of(statement)}, in DataDependent.forward" in message
    assert f"cannot trace {type(network).__name__}" in message
    assert statement in message and "torch.where" in message
    assert ("Give example_inputs" in message) == (inputs is None)
    assert ("depends on the data" in message) == (inputs is not None)
    assert capfd.readouterr() == ("", "")


def test_control_flow_by_shapes_needs_inputs():
    network = models.ShapeDependent()
    with pytest.raises(ValueError, match=r"without example_inputs at .*models\.py:\d+, in Shape"):
        Architecture.from_module(network)
    two = Architecture.from_module(network, torch.rand(2, 3))
    one = Architecture.from_module(network, (torch.rand(1, 3),))
    assert (describe(two), describe(one)) == ("linear(act=relu,channels=3)<0", RELU)


def test_assertions_do_not_matter():
    def function(s, x):
        assert x.dim() == 4
        assert x.shape[1] == 4, "four channels"
        return x.relu()

    assert describe(trace_function(function)) == RELU


def test_inputs_that_do_not_fit():
    with pytest.raises(ValueError, match=r"do not fit FromDict.forward\(batch\): missing.*'batch'"):
        Architecture.from_module(models.FromDict(), {"bach": torch.rand(2)})
    with pytest.raises(TypeError, match="example_inputs must be a tensor, a tuple.*got ndarray"):
        Architecture.from_module(models.FromDict(), np.zeros(3))
    with pytest.raises(ValueError, match=r"with these example_inputs at .*models\.py.*ShapeDep"):
        Architecture.from_module(models.ShapeDependent(), torch.rand(2, 7))


def test_what_is_no_network():
    with pytest.raises(TypeError, match="module must be a torch.nn.Module; got function"):
        Architecture.from_module(lambda x: x)
    with pytest.raises(TypeError, match="as it was before torch.jit"):
        Architecture.from_module(torch.jit.trace(nn.Linear(2, 1), torch.rand(3, 2)))
    with pytest.raises(ValueError, match="output of Function does not depend on its input"):
        trace_function(lambda s, x: s.weight * 2)
    with pytest.raises(ValueError, match="Sequential is lazy, run it once"):
        Architecture.from_module(nn.Sequential(nn.LazyLinear(3)))


# ---------------------------------------------------------------- networks of a search space


SPACE = NASBench101(stem_channels=8, n_stacks=2, n_cells=1)


@pytest.mark.parametrize("seed", range(5))
def test_nasbench101_networks(seed):
    cell = SPACE.sample(1, random_state=seed)[0]
    arch = Architecture.from_module(SPACE.build(cell, (1, 8, 8), 10))
    assert arch == Architecture.from_module(SPACE.build(cell, (1, 8, 8), 10).eval())
    last = cell.n_nodes - 1
    into = [cell.adjacency[:, v] for v in range(cell.n_nodes)]
    n_convs = sum("conv" in op for op in cell.ops) + int(cell.adjacency[0].sum())
    n_feeders = int(into[last][1:].sum())
    n_adds = sum(int(into[v].sum()) > 1 for v in range(1, last))
    n_adds += bool(into[last][0]) and n_feeders > 0
    expected = {
        "input": 1, "output": 1, "globalpool": 1, "linear": 1,
        "conv": 1 + 2 * n_convs,
        "maxpool": 1 + 2 * cell.ops.count("maxpool3x3"),
        "add": 2 * n_adds,
        "concat": 2 * (n_feeders > 1),
    }  # fmt: skip
    assert counts(arch) == {op: n for op, n in expected.items() if n}
    convs = nodes_of(arch)["conv"]
    assert all(conv["norm"] and conv["act"] == "relu" for conv in convs)


def test_isomorphic_cells_give_isomorphic_graphs():
    cell = SPACE.validate(
        Architecture(
            ["input", "conv3x3-bn-relu", "maxpool3x3", "conv1x1-bn-relu", "output"],
            [(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 4)],
        )
    )
    hashes = {
        Architecture.from_module(SPACE.build(cell.relabel(order), (1, 8, 8), 10)).hash
        for order in ([0, 1, 2, 3, 4], [0, 3, 1, 2, 4], [0, 2, 3, 1, 4])
    }
    assert len(hashes) == 1
    other = SPACE.neighbors(cell)[0]
    assert Architecture.from_module(SPACE.build(other, (1, 8, 8), 10)).hash not in hashes


# ---------------------------------------------------------------- nodes


def test_node_types():
    assert len(NODE_TYPES) == 24
    for name in NODE_TYPES:
        node = make_node(name)
        assert node.type == name and None not in node.attributes.values()
    with pytest.raises(TypeError, match="does not support item assignment"):
        NODE_TYPES["conv"] = {}
    with pytest.raises(TypeError, match="does not support item assignment"):
        NODE_TYPES["conv"]["kernel"] = 3


def test_make_node():
    full = make_node(
        "conv", kernel=[3, 3], stride=np.int64(1), dilation=1.0, channels=8, act=None,
        transposed=False,
    )  # fmt: skip
    assert full == make_node("conv", channels=8, kernel=3)
    assert full.attributes == {
        "channels": 8, "dilation": 1, "groups": 1, "kernel": 3, "norm": False, "stride": 1,
    }  # fmt: skip
    assert make_node("upsample", scale=1.5).attributes == {"scale": 1.5}
    assert make_node("maxpool", kernel=(1, 2)).attributes == {"kernel": (1, 2), "stride": (1, 2)}
    types = [type(value) for value in full.attributes.values()]
    assert types == [int, int, int, int, bool, int]
    with pytest.raises(ValueError, match=r"type must be one of \['input', .*got 'conv2d'"):
        make_node("conv2d")
    with pytest.raises(
        ValueError, match=r"'linear' must be of \['channels', 'act'\].*\['kernel'\]"
    ):
        make_node("linear", kernel=3)


@pytest.mark.parametrize("tracer", ["fx", "export"])
def test_a_trace_waits_for_who_has_the_generator(request, tracer):
    if tracer == "export":
        request.getfixturevalue("only_export")
    begun = threading.Event()

    class Told(nn.Module):
        def forward(self, x):
            begun.set()
            return torch.relu(x)

    given = Told(), torch.rand(2, 3)
    Architecture.from_module(*given)  # a first export takes seconds before it runs anything
    begun.clear()
    tracing = threading.Thread(target=Architecture.from_module, args=given)
    with seeded(0):
        tracing.start()
        assert not begun.wait(0.5)
        drawn = torch.rand(3)
    tracing.join()
    assert begun.is_set()
    with seeded(0):
        assert torch.equal(torch.rand(3), drawn)
