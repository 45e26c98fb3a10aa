import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

from sksubsel.networks import count_parameters
from sksubsel.networks.transformer import Block, TransformerNetwork, build_transformer
from sksubsel.spaces.mlp import MLP
from sksubsel.spaces.transformer import Transformer, transformer_graph

SPACE = Transformer()
TOKENS = Transformer(vocab_size=50)


def arch_of(tokens=False, **changes):
    spec = {
        "depth": 1, "width": 16, "heads": 2, "mlp_ratio": 2, "norm": "pre", "pooling": "mean",
        "activation": "gelu",
    }  # fmt: skip
    return transformer_graph(tokens=tokens, **{**spec, **changes})


def randn(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def tokens(*shape):
    return torch.randint(50, shape, generator=torch.Generator().manual_seed(0))


def inputs(arch, in_shape, n):
    return tokens(n, *in_shape) if "embedding" in arch.ops else randn(n, *in_shape)


PRE = arch_of()
POST_CLS = arch_of(depth=2, heads=4, norm="post", pooling="cls", activation="relu")


# ---------------------------------------------------------------- sizes


def n_block(width, ratio):
    attention = width * 3 * width + 3 * width + width * width + width
    hidden = ratio * width
    return attention + (width * hidden + hidden) + (hidden * width + width) + 2 * 2 * width


@pytest.mark.parametrize(
    "arch, in_shape, n_classes, params, n_parameters",
    [
        # patches, positions, block, last norm, head
        (PRE, (1, 8, 8), 10, {}, (4 * 16 + 16) + 16 * 16 + n_block(16, 2) + 32 + 170),
        # patches, learned token, positions, blocks, head
        (
            POST_CLS,
            (3, 8, 4),
            2,
            {"patch_size": 4},
            (48 * 16 + 16) + 16 + 3 * 16 + 2 * n_block(16, 2) + 34,
        ),
        # vectors
        (arch_of(norm="post"), (9, 5), 3, {}, (5 * 16 + 16) + 9 * 16 + n_block(16, 2) + 51),
        # tokens
        (
            arch_of(True, width=32, mlp_ratio=4, pooling="cls"),
            (7,),
            3,
            {"vocab_size": 50},
            50 * 32 + 32 + 8 * 32 + n_block(32, 4) + 64 + 99,
        ),
    ],
)
def test_parameter_counts(arch, in_shape, n_classes, params, n_parameters):
    def build(*args):
        return build_transformer(*args, **params)

    assert count_parameters(arch, in_shape, n_classes, build=build) == n_parameters
    network = build(arch, in_shape, n_classes)
    assert sum(weight.numel() for weight in network.parameters()) == n_parameters


def test_published_parameter_count_of_vit_b_16():
    arch = arch_of(depth=12, width=768, heads=12, mlp_ratio=4, pooling="cls")
    space = Transformer(depths=(12,), widths=(768,), heads=(12,), patch_size=16)
    assert count_parameters(arch, (3, 224, 224), 1000, build=space.build) == 86_567_656


# ---------------------------------------------------------------- what is computed


@pytest.mark.parametrize("space, in_shape", [(SPACE, (2, 4, 6)), (SPACE, (5, 3)), (TOKENS, (6,))])
def test_every_sampled_architecture_runs(space, in_shape):
    for arch in space.sample(6, random_state=0):
        network = space.build(arch, in_shape, 4)
        assert isinstance(network, TransformerNetwork)
        out = network(inputs(arch, in_shape, 5))
        assert out.shape == (5, 4) and out.isfinite().all()
        out.square().sum().backward()
        assert all(weight.grad.abs().sum() > 0 for weight in network.parameters())
        out = network.eval()(inputs(arch, in_shape, 2))
        assert out.shape == (2, 4) and out.isfinite().all()


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("activation", ["gelu", "relu"])
def test_a_block_is_that_of_torch(norm, activation):
    block = Block(12, 3, 2, norm, activation, 0.0)
    for part in block.norms:
        nn.init.normal_(part.weight, generator=torch.Generator().manual_seed(1))
    twin = nn.TransformerEncoderLayer(
        12, 3, 24, dropout=0.0, activation=activation, batch_first=True, norm_first=norm == "pre"
    )
    names = {
        "self_attn.in_proj_": "attention.queries_keys_values.",
        "self_attn.out_proj.": "attention.out.",
        "linear1.": "feed_forward.0.",
        "linear2.": "feed_forward.2.",
        "norm1.": "norms.0.",
        "norm2.": "norms.1.",
    }
    weights = block.state_dict()
    twin.load_state_dict(
        {new + end: weights[old + end] for new, old in names.items() for end in ("weight", "bias")}
    )
    x = randn(4, 5, 12)
    torch.testing.assert_close(block(x), twin(x))


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_a_network_computes_what_the_graph_says(pooling):
    network = build_transformer(arch_of(pooling=pooling), (2, 4, 6), 3, patch_size=2)
    x = randn(7, 2, 4, 6)
    mean, var = (
        x.mean(dim=(0, 2, 3), keepdim=True),
        x.var(dim=(0, 2, 3), keepdim=True, correction=0),
    )
    patches = F.unfold((x - mean) / (var + 1e-5).sqrt(), 2, stride=2).transpose(1, 2)  # (7, 6, 8)
    projection = network.embedding.projection
    value = patches @ projection.weight.flatten(1).T + projection.bias
    if pooling == "cls":
        nn.init.normal_(network.cls, generator=torch.Generator().manual_seed(2))
        value = torch.cat([network.cls.expand(7, 1, 16), value], dim=1)
    value = F.layer_norm(network.blocks[0](value + network.positions), (16,))
    value = value[:, 0] if pooling == "cls" else value.mean(dim=1)
    torch.testing.assert_close(network(x), network.classifier(value))


@pytest.mark.parametrize("arch, in_shape", [(PRE, (1, 4, 4)), (POST_CLS, (4, 2))])
def test_order_of_the_tokens_matters(arch, in_shape):
    network = build_transformer(arch, in_shape, 3).eval()
    x = randn(2, *in_shape)
    assert not torch.allclose(network(x), network(x.flip(1 if len(in_shape) == 2 else 2)))


@pytest.mark.parametrize("in_shape", [(2, 4, 4), (4, 2)])
def test_units_of_the_inputs_do_not_matter(in_shape):
    network = build_transformer(PRE, in_shape, 3)
    x = randn(20, *in_shape)
    torch.testing.assert_close(network(x), network(1000 * x - 70), rtol=1e-3, atol=1e-3)


def test_tokens_may_come_as_floats():
    network = TOKENS.build(TOKENS[5], (6,), 3)
    x = tokens(4, 6)
    assert torch.equal(network(x), network(x.float()))


# ---------------------------------------------------------------- traces, dropout, training


@pytest.mark.parametrize(
    "arch, in_shape",
    [(PRE, (1, 4, 4)), (POST_CLS, (3, 6, 2)), (POST_CLS, (4, 3)), (arch_of(True), (5,))],
)
def test_networks_can_be_traced(arch, in_shape):
    params = {"vocab_size": 50} if "embedding" in arch.ops else {}
    network = build_transformer(arch, in_shape, 3, dropout=0.1, **params)
    network(inputs(arch, in_shape, 6))  # running statistics other than 0 and 1
    traced = torch.fx.symbolic_trace(network).eval()  # traced in training: nothing may be frozen
    network.eval()
    for n in (2, 5):
        x = inputs(arch, in_shape, n)
        torch.testing.assert_close(traced(x), network(x), rtol=0, atol=0)
    targets = [node.target for node in traced.graph.nodes]
    assert targets.count(F.scaled_dot_product_attention) == arch.ops.count("attention")


def test_dropout_is_on_in_training_only():
    network = Transformer(dropout=0.3).build(PRE, (1, 4, 4), 3)
    x = randn(10, 1, 4, 4)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        assert not torch.equal(network(x), network(x))
    network.eval()
    assert torch.equal(network(x), network(x))


@pytest.mark.parametrize("arch", [arch_of(mlp_ratio=1, activation="relu"), POST_CLS])
def test_learns_digits(arch):
    X, y = load_digits(return_X_y=True)
    X, y = torch.from_numpy(X[:200]).float().reshape(-1, 1, 8, 8), torch.from_numpy(y[:200])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = SPACE.build(arch, (1, 8, 8), 10)
        optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
        for _ in range(60):
            optimizer.zero_grad()
            F.cross_entropy(network(X), y).backward()
            optimizer.step()
    accuracy = (network.eval()(X).argmax(dim=1) == y).float().mean()
    assert accuracy > 0.5


# ---------------------------------------------------------------- what does not fit


@pytest.mark.parametrize(
    "in_shape, n_classes, params, message",
    [
        ((30,), 2, {}, r"takes images.*got in_shape=\(30,\).*X\[:, :, None\]"),
        ((1, 2, 4, 4), 2, {}, "takes images"),
        ((0, 4, 4), 2, {}, r"in_shape must hold positive ints; got \(0, 4, 4\)"),
        ((1, 9, 8), 2, {}, r"patch_size must divide height and width.*patch_size=2.*\(1, 9, 8\)"),
        ((1, 8, 6), 2, {"patch_size": 4}, "patch_size must divide height and width"),
        ((1, 8, 8), 0, {}, "n_classes must be a positive int; got 0"),
        ((1, 8, 8), 2, {"patch_size": 0}, "patch_size must be a positive int; got 0"),
        ((1, 8, 8), 2, {"dropout": 1.0}, r"dropout must be a float in \[0, 1\); got 1.0"),
    ],
)
def test_shapes_and_parameters_that_do_not_fit(in_shape, n_classes, params, message):
    with pytest.raises(ValueError, match=message):
        build_transformer(PRE, in_shape, n_classes, **params)
    with pytest.raises(ValueError, match=message):
        Transformer(**params).build(PRE, in_shape, n_classes)


def test_vocabularies_that_do_not_fit():
    with pytest.raises(ValueError, match="vocab_size must be a positive int; got -1"):
        Transformer(vocab_size=-1).build(arch_of(True), (6,), 2)
    with pytest.raises(ValueError, match=r"sequences of ints, in_shape=\(length,\).*\(6, 3\)"):
        TOKENS.build(arch_of(True), (6, 3), 2)
    with pytest.raises(ValueError, match="vocab_size must be a positive int; got None"):
        build_transformer(arch_of(True), (6,), 2)
    with pytest.raises(ValueError, match="vocab_size must be None for .*'patch' node; got 50"):
        build_transformer(PRE, (6,), 2, vocab_size=50)


def test_architectures_of_other_spaces():
    with pytest.raises(ValueError, match="ops of a transformer must be of .*got 'tanh'"):
        build_transformer(MLP()[-1], (6, 3), 2)
