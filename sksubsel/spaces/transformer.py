"""Transformer encoders, for images and sequences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sksubsel._validation import is_count
from sksubsel.architectures import Architecture, as_architecture

from ._feedforward_lowering import lower_transformer
from ._grid import (
    GraphBuilder,
    Grid,
    GridSpace,
    check_attributes,
    check_graph,
    check_ints,
    check_options,
)
from ._instances import check_transformer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

ACTIVATIONS = ("gelu", "relu")
NORMS = ("pre", "post")
POOLINGS = ("mean", "cls")
_EMBEDDINGS = ("patch", "embedding")
_SIZES = "(width, heads)"  # one axis, as not all pairs are there


class Transformer(GridSpace):
    """Transformer encoders: equal blocks of self-attention and a feed-forward layer.

    Images are cut into patches that do not overlap [2]_; sequences are taken as they are. Blocks
    normalise after each sum [1]_ or before each branch [3]_ and then once more at the end. Indices
    ascend by depth, then by width and heads (only those that divide the width), mlp_ratio, norm,
    pooling and activation, the last fastest.

    Parameters
    ----------
    depths : sequence of int, default=(1, 2, 3, 4)
        Numbers of blocks.
    heads : sequence of int, default=(1, 2, 4)
        Numbers of attention heads.
    widths : sequence of int, default=(16, 32, 64)
        Channels of each token, d_model.
    mlp_ratios : sequence of int, default=(1, 2, 4)
        Hidden channels of the feed-forward layer as a multiple of the width.
    norms : sequence of {"pre", "post"}
        Where layer normalisation is; by default both.
    poolings : sequence of {"mean", "cls"}
        Mean of all tokens, or the output of one that is learned and put first; by default both.
    activations : sequence of {"gelu", "relu"}
        By default both.
    patch_size : int, default=2
        Pixels a side of the patches of images.
    vocab_size : int, optional
        If given, instances are sequences of ints in [0, vocab_size), of shape (length,). If not,
        images (channels, height, width) or sequences of vectors (length, features).
    dropout : float, default=0.0
        After the embedding and at the end of each branch.

    Notes
    -----
    The graph has an explicit node for each operation: attention (attributes "heads" and
    "channels", its projections included), linear ("channels"), "patch" (of images and vectors) or
    "embedding" (of ints; "channels"; positions included), "reduce" ("cls": 1 for the learned
    token, 0 for the mean). The last linear node has no attribute: how many classes there are is no
    choice of the architecture; neither are `patch_size` and `dropout`.

    References
    ----------
    .. [1] Vaswani et al., "Attention Is All You Need", NeurIPS 2017.
    .. [2] Dosovitskiy et al., "An Image is Worth 16x16 Words: Transformers for Image Recognition
       at Scale", ICLR 2021.
    .. [3] Xiong et al., "On Layer Normalization in the Transformer Architecture", ICML 2020.

    Examples
    --------
    >>> from sksubsel.spaces.transformer import Transformer
    >>> space = Transformer(depths=(1, 2), poolings=("mean",))
    >>> len(space)
    216
    >>> space[0].ops[:6]
    ('input', 'patch', 'layernorm', 'attention', 'add', 'layernorm')
    >>> space.describe(space[0])["norm"]
    'pre'
    """

    name = "transformer"
    vocabulary = (
        *("input", *_EMBEDDINGS, "layernorm", "attention", "linear"),
        *(*ACTIVATIONS, "add", "reduce", "output"),
    )

    def __init__(
        self,
        *,
        depths: Sequence[int] = (1, 2, 3, 4),
        heads: Sequence[int] = (1, 2, 4),
        widths: Sequence[int] = (16, 32, 64),
        mlp_ratios: Sequence[int] = (1, 2, 4),
        norms: Sequence[str] = NORMS,
        poolings: Sequence[str] = POOLINGS,
        activations: Sequence[str] = ACTIVATIONS,
        patch_size: int = 2,
        vocab_size: int | None = None,
        dropout: float = 0.0,
    ):
        self.depths = depths
        self.heads = heads
        self.widths = widths
        self.mlp_ratios = mlp_ratios
        self.norms = norms
        self.poolings = poolings
        self.activations = activations
        self.patch_size = patch_size
        self.vocab_size = vocab_size
        self.dropout = dropout

    def make(
        self,
        *,
        depth: int,
        width: int,
        heads: int,
        mlp_ratio: int,
        norm: str,
        pooling: str,
        activation: str,
    ) -> Architecture:
        """The architecture of these choices.

        Parameters
        ----------
        depth, width, heads, mlp_ratio : int
        norm : {"pre", "post"}
        pooling : {"mean", "cls"}
        activation : {"gelu", "relu"}

        Raises
        ------
        ValueError
            If a choice is not among those of the space, or `heads` does not divide `width`.
        """
        return self._make(
            depth=depth,
            width=width,
            heads=heads,
            mlp_ratio=mlp_ratio,
            norm=norm,
            pooling=pooling,
            activation=activation,
        )

    def neighbors(self, arch: Any) -> list[Architecture]:
        """All architectures that differ from `arch` in exactly one choice, in a fixed order.

        If `heads` has a number that divides all widths, such as 1, edits reach everything.

        Raises
        ------
        ValueError
            If `arch` is not in the space.
        """
        return self._neighbors(arch)

    def lower(self, arch: Any, in_shape: tuple[int, ...], n_classes: int) -> Architecture:
        """The graph of the whole network; see `SearchSpace.lower`."""
        spec = transformer_spec(self.validate(arch))
        in_shape = check_transformer(
            in_shape, n_classes, spec["tokens"], self.patch_size, self.vocab_size
        )
        return lower_transformer(in_shape, n_classes, self.patch_size, **spec)

    def build(self, arch: Any, in_shape: tuple[int, ...], n_classes: int) -> nn.Module:
        """The untrained network of an architecture.

        Parameters
        ----------
        arch : Architecture or what converts to one
        in_shape : tuple of int
            Shape of one instance, ``X.shape[1:]``: (length,) with `vocab_size`, otherwise
            (channels, height, width) or (length, features).
        n_classes : int
            Width of the output; 1 for regression.

        Returns
        -------
        torch.nn.Module

        Raises
        ------
        ValueError
            If `arch` is not in the space, or instances or parameters do not fit.
        """
        from sksubsel.networks.transformer import build_transformer

        return build_transformer(
            self.validate(arch),
            in_shape,
            n_classes,
            patch_size=self.patch_size,
            vocab_size=self.vocab_size,
            dropout=self.dropout,
        )

    def _make_grids(self):
        heads, widths = check_ints("heads", self.heads), check_ints("widths", self.widths)
        sizes = tuple((width, n) for width in widths for n in heads if width % n == 0)
        if not sizes:
            raise ValueError(
                f"heads must have a number that divides one of widths={widths}; got {heads}"
            )
        grid = Grid(
            {
                "depth": check_ints("depths", self.depths),
                _SIZES: sizes,
                "mlp_ratio": check_ints("mlp_ratios", self.mlp_ratios),
                "norm": check_options("norms", self.norms, NORMS),
                "pooling": check_options("poolings", self.poolings, POOLINGS),
                "activation": check_options("activations", self.activations, ACTIVATIONS),
            }
        )
        return [grid]

    def _graph(self, spec):
        return transformer_graph(**spec, tokens=self.vocab_size is not None)

    def _read(self, arch):
        spec = transformer_spec(arch)
        tokens = self.vocab_size is not None
        if spec.pop("tokens") != tokens:
            raise ValueError(
                f"a Transformer with vocab_size={self.vocab_size} must embed its input by "
                f"{_EMBEDDINGS[tokens]!r}; got {_EMBEDDINGS[not tokens]!r}"
            )
        return spec

    def _spec(self, point):
        width, heads = point[_SIZES]
        rest = {name: point[name] for name in _OTHERS}
        return {"depth": point["depth"], "width": width, "heads": heads, **rest}

    def _locate(self, spec, grids):
        rest = {name: spec[name] for name in _OTHERS}
        point = {"depth": spec["depth"], _SIZES: (spec["width"], spec["heads"]), **rest}
        return 0, grids[0].validate(point)

    def _edits(self, grids, k, point):
        return [
            other
            for other in grids[k].neighbors(point)
            if any(a == b for a, b in zip(other[_SIZES], point[_SIZES]))
        ]


_OTHERS = ("mlp_ratio", "norm", "pooling", "activation")


def transformer_graph(
    *, tokens, depth, width, heads, mlp_ratio, norm, pooling, activation
) -> Architecture:
    """The graph of a transformer, whether or not it is in a given space.

    `tokens` says whether instances are sequences of ints.
    """
    graph = GraphBuilder()
    node = graph.add(_EMBEDDINGS[bool(tokens)], graph.add("input"), channels=width)

    def attention(node):
        return graph.add("attention", node, channels=width, heads=heads)

    def feed_forward(node):
        hidden = graph.add("linear", node, channels=width * mlp_ratio)
        return graph.add("linear", graph.add(activation, hidden), channels=width)

    for branch in (attention, feed_forward) * depth:
        if norm == "pre":
            node = graph.add("add", node, branch(graph.add("layernorm", node)))
        else:
            node = graph.add("layernorm", graph.add("add", node, branch(node)))
    if norm == "pre":
        node = graph.add("layernorm", node)
    node = graph.add("reduce", node, cls=int(pooling == "cls"))
    graph.add("output", graph.add("linear", node))
    return graph.architecture(Transformer.name)


def transformer_spec(arch) -> dict:
    """Keyword arguments of `transformer_graph` that give this graph.

    Raises
    ------
    ValueError
        If there are none.
    """
    arch = as_architecture(arch)
    check_attributes(arch, Transformer.vocabulary, "a transformer")
    # Only what a right graph needs is looked at; the comparison below finds all else.
    order = arch.topological_order()
    nodes = {arch.ops[v]: v for v in reversed(order)}  # the first of each operation
    missing = [op for op in ("attention", "linear", "reduce") if op not in nodes]
    activation = next((op for op in ACTIVATIONS if op in nodes), None)
    if missing or activation is None or arch.ops[order[1]] not in _EMBEDDINGS:
        raise ValueError(
            f"a transformer must have one of {_EMBEDDINGS} after its input, then attention, one of "
            f"{ACTIVATIONS}, linear and reduce nodes; got {arch!r}"
        )
    width, heads = (arch.attributes[nodes["attention"]].get(key) for key in ("channels", "heads"))
    hidden = arch.attributes[nodes["linear"]].get("channels")
    if not all(map(is_count, (width, heads, hidden))) or width % heads or hidden % width:
        raise ValueError(
            "'heads' and 'channels' of a transformer's attention must be positive ints, the first "
            "dividing the second, and that the 'channels' of the linear node that follows; got "
            f"heads={heads}, channels={width} and {hidden}"
        )
    after = {arch.ops[v] for u, v in arch.edges if u == order[1]}
    spec = {
        "tokens": arch.ops[order[1]] == "embedding",
        "depth": arch.ops.count("attention"),
        "width": width,
        "heads": heads,
        "mlp_ratio": hidden // width,
        "norm": "pre" if "layernorm" in after else "post",
        "pooling": "cls" if arch.attributes[nodes["reduce"]].get("cls") else "mean",
        "activation": activation,
    }
    check_graph(arch, transformer_graph(**spec), f"a transformer with {spec}")
    return spec
