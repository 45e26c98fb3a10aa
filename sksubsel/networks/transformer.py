"""Transformer encoders with a linear head."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from sksubsel.spaces._grid import is_fraction
from sksubsel.spaces._instances import check_transformer
from sksubsel.spaces.transformer import transformer_spec

_ACTIVATIONS = {"gelu": nn.GELU, "relu": nn.ReLU}


def build_transformer(arch, in_shape, n_classes, *, patch_size=2, vocab_size=None, dropout=0.0):
    """The network of a transformer, of this or any other choice of sizes.

    Parameters
    ----------
    arch : Architecture
        See :class:`~sksubsel.spaces.transformer.Transformer`.
    in_shape : tuple of int
        (length,) for sequences of ints, (length, features) for those of vectors, (channels,
        height, width) for images.
    n_classes : int
    patch_size : int, default=2
        Only for images.
    vocab_size : int, optional
        Only, and always, for sequences of ints.
    dropout : float, default=0.0

    Returns
    -------
    TransformerNetwork

    Raises
    ------
    ValueError
        If `arch` is no such graph, `in_shape` does not fit it, `patch_size` does not divide an
        image's height and width, or a number is out of range.
    """
    spec = transformer_spec(arch)
    tokens = spec.pop("tokens")
    in_shape = check_transformer(in_shape, n_classes, tokens, patch_size, vocab_size)
    if not is_fraction(dropout):
        raise ValueError(f"dropout must be a float in [0, 1); got {dropout!r}")
    embedding = _embedding(in_shape, spec["width"], patch_size, vocab_size)
    return TransformerNetwork(embedding, n_classes=int(n_classes), dropout=float(dropout), **spec)


def _embedding(in_shape, width, patch_size, vocab_size) -> nn.Module:
    """What turns instances into (N, n_tokens, width); its `n_tokens` says how many."""
    if vocab_size is not None:
        return TokenEmbedding(in_shape[0], vocab_size, width)
    if len(in_shape) == 2:
        return VectorEmbedding(in_shape[0], in_shape[1], width)
    return PatchEmbedding(in_shape, patch_size, width)


class TransformerNetwork(nn.Module):
    """Embedding and learned positions, blocks, pooling, linear head.

    Instances become outputs (N, n_classes). Vectors and images are first standardised by batch
    normalisation without parameters, so that their units do not matter. Positions start normal
    with standard deviation 0.02, the learned token as zeros [1]_, all else as torch's layers do.

    References
    ----------
    .. [1] Dosovitskiy et al., "An Image is Worth 16x16 Words: Transformers for Image Recognition
       at Scale", ICLR 2021.
    """

    def __init__(
        self,
        embedding,
        *,
        n_classes,
        depth,
        width,
        heads,
        mlp_ratio,
        norm,
        pooling,
        activation,
        dropout,
    ):
        super().__init__()
        self.embedding = embedding
        self.pooling = pooling
        if pooling == "cls":
            self.cls = nn.Parameter(torch.zeros(1, 1, width))
        n_tokens = embedding.n_tokens + (pooling == "cls")
        self.positions = nn.Parameter(0.02 * torch.randn(n_tokens, width))
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.Sequential(
            *[Block(width, heads, mlp_ratio, norm, activation, dropout) for _ in range(depth)]
        )
        self.norm = nn.LayerNorm(width) if norm == "pre" else nn.Identity()
        self.classifier = nn.Linear(width, n_classes)

    def forward(self, x):
        x = self.embedding(x)  # (N, T, width)
        if self.pooling == "cls":
            x = torch.cat([self.cls.expand(x.shape[0], -1, -1), x], dim=1)
        x = self.norm(self.blocks(self.dropout(x + self.positions)))
        pooled = x[:, 0] if self.pooling == "cls" else x.mean(dim=1)
        return self.classifier(pooled)


class Block(nn.Module):
    """Self-attention and a feed-forward layer, each added to what it was given."""

    def __init__(self, width, heads, mlp_ratio, norm, activation, dropout):
        super().__init__()
        self.pre = norm == "pre"
        self.attention = Attention(width, heads)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, mlp_ratio * width),
            _ACTIVATIONS[activation](),
            nn.Linear(mlp_ratio * width, width),
        )
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        for branch, norm in zip((self.attention, self.feed_forward), self.norms):
            if self.pre:
                x = x + self.dropout(branch(norm(x)))
            else:
                x = norm(x + self.dropout(branch(x)))
        return x


class Attention(nn.Module):
    """Self-attention of several heads, over all tokens."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x):
        projected = self.queries_keys_values(x)  # (N, T, 3 width)
        projected = projected.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        # each (N, heads, T, width / heads)
        attended = F.scaled_dot_product_attention(projected[0], projected[1], projected[2])
        return self.out(attended.transpose(1, 2).flatten(2))  # (N, T, width)


class PatchEmbedding(nn.Module):
    """Linear projection of an image's patches."""

    def __init__(self, in_shape, patch_size, width):
        super().__init__()
        channels, *sides = in_shape
        self.n_tokens = (sides[0] // patch_size) * (sides[1] // patch_size)
        self.standardize = nn.BatchNorm2d(channels, affine=False)
        self.projection = nn.Conv2d(channels, width, patch_size, stride=patch_size)

    def forward(self, x):
        return self.projection(self.standardize(x)).flatten(2).transpose(1, 2)


class VectorEmbedding(nn.Module):
    """Linear projection of a sequence's vectors."""

    def __init__(self, length, n_features, width):
        super().__init__()
        self.n_tokens = length
        self.standardize = nn.BatchNorm1d(n_features, affine=False)
        self.projection = nn.Linear(n_features, width)

    def forward(self, x):
        x = self.standardize(x.transpose(1, 2))  # (N, n_features, T), as batch norm wants it
        return self.projection(x.transpose(1, 2))


class TokenEmbedding(nn.Module):
    """A vector for each token of a vocabulary."""

    def __init__(self, length, vocab_size, width):
        super().__init__()
        self.n_tokens = length
        self.table = nn.Embedding(vocab_size, width)

    def forward(self, x):
        return self.table(x.long())  # training hands over all instances as floats
