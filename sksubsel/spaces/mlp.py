"""Multilayer perceptrons, for tables and flattened images."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sksubsel._validation import is_count
from sksubsel.architectures import Architecture, as_architecture

from ._feedforward_lowering import lower_mlp
from ._grid import (
    GraphBuilder,
    Grid,
    GridSpace,
    check_attributes,
    check_fractions,
    check_graph,
    check_ints,
    check_options,
    is_fraction,
)
from ._instances import check_mlp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

ACTIVATIONS = ("relu", "gelu", "tanh")
NORMS = ("none", "batch", "layer")
_NORM_OPS = {"batch": "batchnorm", "layer": "layernorm"}


class MLP(GridSpace):
    """Multilayer perceptrons: every hidden layer its own width, the rest chosen once for all.

    A hidden layer is linear, normalisation, activation, dropout. With `skip`, each but the first
    adds what it was given to what it computes [1]_, through a linear projection where the widths
    differ. One hidden layer has no skip, and is counted once. Indices ascend by depth, then by
    widths, activation, norm, dropout and skip, the last fastest.

    Parameters
    ----------
    depths : sequence of int, default=(1, 2, 3, 4)
        Numbers of hidden layers.
    widths : sequence of int, default=(16, 32, 64, 128, 256)
        Widths that each hidden layer may have.
    activations : sequence of {"relu", "gelu", "tanh"}
        By default all.
    norms : sequence of {"none", "batch", "layer"}
        By default all.
    dropouts : sequence of float, default=(0.0, 0.2)
        Probabilities in [0, 1).
    skips : sequence of bool, default=(False, True)

    Notes
    -----
    The graph has an explicit node for each operation, an "add" for each skip and a "linear" for
    each projection; what is not there (no norm, dropout 0) has no node. Attributes are "channels"
    of linear nodes and "p" of dropout. The last linear node has none: how many classes there are
    is no choice of the architecture.

    References
    ----------
    .. [1] He et al., "Deep Residual Learning for Image Recognition", CVPR 2016.

    Examples
    --------
    >>> from sksubsel.spaces.mlp import MLP
    >>> space = MLP()
    >>> len(space)
    27990
    >>> arch = space.make(
    ...     widths=(64, 32), activation="relu", norm="none", dropout=0.0, skip=False
    ... )
    >>> arch.ops
    ('input', 'linear', 'relu', 'linear', 'relu', 'linear', 'output')
    >>> space.describe(arch)["widths"]
    (64, 32)
    """

    name = "mlp"
    vocabulary = ("input", "linear", *_NORM_OPS.values(), *ACTIVATIONS, "dropout", "add", "output")

    def __init__(
        self,
        *,
        depths: Sequence[int] = (1, 2, 3, 4),
        widths: Sequence[int] = (16, 32, 64, 128, 256),
        activations: Sequence[str] = ACTIVATIONS,
        norms: Sequence[str] = NORMS,
        dropouts: Sequence[float] = (0.0, 0.2),
        skips: Sequence[bool] = (False, True),
    ):
        self.depths = depths
        self.widths = widths
        self.activations = activations
        self.norms = norms
        self.dropouts = dropouts
        self.skips = skips

    def make(
        self, *, widths: Sequence[int], activation: str, norm: str, dropout: float, skip: bool
    ) -> Architecture:
        """The architecture of these choices.

        Parameters
        ----------
        widths : sequence of int
            Width of each hidden layer.
        activation : {"relu", "gelu", "tanh"}
        norm : {"none", "batch", "layer"}
        dropout : float
        skip : bool
            False for one hidden layer.

        Raises
        ------
        ValueError
            If a choice is not among those of the space.
        """
        return self._make(
            widths=widths, activation=activation, norm=norm, dropout=dropout, skip=skip
        )

    def neighbors(self, arch: Any) -> list[Architecture]:
        """All architectures one edit away, without `arch`, in a fixed order.

        An edit changes the width of one layer, the activation, the norm, the dropout or the skip,
        or adds or removes a last hidden layer. Where `depths` has gaps, as many last layers as it
        takes, all of the same width, so that edits reach everything. From one layer to more, the
        skip is free.

        Raises
        ------
        ValueError
            If `arch` is not in the space.
        """
        return self._neighbors(arch)

    def lower(self, arch: Any, in_shape: tuple[int, ...], n_classes: int) -> Architecture:
        """The graph of the whole network; see `SearchSpace.lower`."""
        spec = mlp_spec(self.validate(arch))
        check_mlp(in_shape, n_classes)
        return lower_mlp(n_classes, **spec)

    def build(self, arch: Any, in_shape: tuple[int, ...], n_classes: int) -> nn.Module:
        """The untrained network of an architecture.

        Parameters
        ----------
        arch : Architecture or what converts to one
        in_shape : tuple of int
            Shape of one instance, ``X.shape[1:]``; it is flattened.
        n_classes : int
            Width of the output; 1 for regression.

        Returns
        -------
        torch.nn.Module

        Raises
        ------
        ValueError
            If `arch` is not in the space, or `in_shape` or `n_classes` is wrong.
        """
        from sksubsel.networks.mlp import build_mlp

        return build_mlp(self.validate(arch), in_shape, n_classes)

    def _make_grids(self):
        widths = check_ints("widths", self.widths)
        others = {
            "activation": check_options("activations", self.activations, ACTIVATIONS),
            "norm": check_options("norms", self.norms, NORMS),
            "dropout": check_fractions("dropouts", self.dropouts),
        }
        skips = check_options("skips", self.skips, (False, True))
        return [
            Grid(
                {
                    **{f"widths[{k}]": widths for k in range(depth)},
                    **others,
                    "skip": skips if depth > 1 else (False,),
                }
            )
            for depth in sorted(check_ints("depths", self.depths))
        ]

    def _graph(self, spec):
        return mlp_graph(**spec)

    def _read(self, arch):
        return mlp_spec(arch)

    def _spec(self, point):
        return {"widths": _widths(point), **{name: point[name] for name in _OTHERS}}

    def _locate(self, spec, grids):
        widths = spec["widths"]
        if isinstance(widths, (str, bytes)) or not isinstance(widths, Iterable):
            raise ValueError(f"widths must be a sequence of int; got {widths!r}")
        widths = tuple(widths)
        depths = [len(_widths(grid.choices)) for grid in grids]
        if len(widths) not in depths:
            raise ValueError(
                f"widths must have a length in {depths}, one for each hidden layer; got {widths}"
            )
        if len(widths) == 1 and spec["skip"]:
            raise ValueError(
                "skip must be False for one hidden layer, since no connection leads around the "
                f"first; got {spec['skip']!r}"
            )
        k = depths.index(len(widths))
        return k, grids[k].validate(_point(widths, spec))

    def _edits(self, grids, k, point):
        points = grids[k].neighbors(point)
        widths = _widths(point)
        if k > 0:
            shorter = len(_widths(grids[k - 1].choices))
            if len(set(widths[shorter:])) == 1:
                skip = point["skip"] and shorter > 1
                points.append(_point(widths[:shorter], {**point, "skip": skip}))
        if k + 1 < len(grids):
            choices = grids[k + 1].choices
            n_new = len(_widths(choices)) - len(widths)
            skips = choices["skip"] if len(widths) == 1 else (point["skip"],)
            points += [
                _point(widths + (width,) * n_new, {**point, "skip": skip})
                for width in choices["widths[0]"]
                for skip in skips
            ]
        return points


_OTHERS = ("activation", "norm", "dropout", "skip")


def _widths(point) -> tuple:
    return tuple(value for name, value in point.items() if name.startswith("widths["))


def _point(widths, spec) -> dict:
    """Coordinates in the grid of the depth ``len(widths)``, from what has all the `_OTHERS`."""
    axes = {f"widths[{k}]": width for k, width in enumerate(widths)}
    return {**axes, **{name: spec[name] for name in _OTHERS}}


def mlp_graph(*, widths, activation, norm, dropout, skip) -> Architecture:
    """The graph of a multilayer perceptron, whether or not it is in a given space."""
    graph = GraphBuilder()
    node = graph.add("input")
    for k, width in enumerate(widths):
        shortcut = node
        node = graph.add("linear", node, channels=width)
        if norm != "none":
            node = graph.add(_NORM_OPS[norm], node)
        node = graph.add(activation, node)
        if dropout > 0:
            node = graph.add("dropout", node, p=dropout)
        if skip and k > 0:
            if widths[k - 1] != width:
                shortcut = graph.add("linear", shortcut, channels=width)
            node = graph.add("add", shortcut, node)
    graph.add("output", graph.add("linear", node))
    return graph.architecture(MLP.name)


def mlp_spec(arch) -> dict:
    """Keyword arguments of `mlp_graph` that give this graph.

    Raises
    ------
    ValueError
        If there are none.
    """
    arch = as_architecture(arch)
    check_attributes(arch, MLP.vocabulary, "an MLP")
    feeders: dict = {v: [] for v in range(arch.n_nodes)}
    for u, v in arch.edges:
        feeders[v].append(u)
    # Only what a right graph needs is looked at; the comparison below finds all else.
    layers = [v for v in arch.topological_order() if arch.ops[v] in ACTIVATIONS]
    widths, norm = [], "none"
    for node in layers:
        node = feeders[node][0] if feeders[node] else node
        for name, op in _NORM_OPS.items():
            if arch.ops[node] == op and feeders[node]:
                node, norm = feeders[node][0], name
        widths.append(arch.attributes[node].get("channels"))
    if not widths or not all(map(is_count, widths)):
        raise ValueError(
            "an MLP must have hidden layers, each a linear node with a positive int as its "
            f"'channels', then a normalisation or none, then one of {ACTIVATIONS}; got {arch!r}"
        )
    dropouts = [v for v, op in enumerate(arch.ops) if op == "dropout"]
    dropout = arch.attributes[dropouts[0]].get("p") if dropouts else 0.0
    if not is_fraction(dropout):
        raise ValueError(f"dropout nodes must have a float in (0, 1) as their 'p'; got {dropout!r}")
    spec = {
        "widths": tuple(widths),
        "activation": arch.ops[layers[0]],
        "norm": norm,
        "dropout": dropout,
        "skip": "add" in arch.ops,
    }
    check_graph(arch, mlp_graph(**spec), f"an MLP with {spec}")
    return spec
