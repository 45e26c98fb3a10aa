"""The pairs of cells of DARTS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import check_random_state

from sksubsel.architectures import Architecture, as_architecture

from ._darts_genotype import (
    N_CELLS,
    VOCABULARY,
    Genotype,
    cells_at,
    cells_of_genotype,
    cells_of_graph,
    genotype_of_cells,
    graph_of_cells,
    indices_of,
    neighbor_indices,
)
from ._darts_lowering import check_network, lower_network
from .base import SearchSpace

if TYPE_CHECKING:
    from torch import nn


class DARTS(SearchSpace):
    """All genotypes of DARTS, and the networks that repeat their two cells.

    A genotype is a normal and a reduction cell. A cell has two inputs, the outputs of the last
    cell but one and of the last (0 and 1), and four nodes (2 to 5). Each node sums two operations
    whose sources are two distinct earlier nodes; an operation is one of ``max_pool_3x3``,
    ``avg_pool_3x3``, ``skip_connect``, ``sep_conv_3x3``, ``sep_conv_5x5``, ``dil_conv_3x3`` and
    ``dil_conv_5x5``. The cell's output is the concatenation of its four nodes. That makes
    1 x 3 x 6 x 10 x 7^8 = 1,037,664,180 cells and the square of it, 1.08e18, genotypes.

    Wherever a method takes an architecture, a `Genotype` or its text is welcome too.

    Parameters
    ----------
    stem_channels : int, default=36
        Channels of each node in the first cells, doubled in each of the two reduction cells. The
        first convolution has three times as many.
    n_layers : int, default=20
        Number of cells. Those at ``n_layers // 3`` and ``2 * n_layers // 3`` are reduction cells.
    auxiliary : bool, default=False
        Whether there is a second classifier after the second reduction cell. In training mode the
        network then gives a pair, logits and auxiliary logits, and the training loop must add
        both losses; in evaluation mode it gives logits only.
    drop_path : float, default=0.0
        Probability of dropping an edge of a cell for an instance, in training mode. The network
        has an attribute of this name that a training loop may change from epoch to epoch.

    Notes
    -----
    The graph of a genotype is that of a network of one cell of each kind, 32 nodes and 45 edges.
    With ``<cell>`` for "normal" and "reduce", it has the nodes

    - ``input``; ``output``;
    - ``<cell>_input_0`` and ``<cell>_input_1``: both fed by ``input`` in the normal cell, by
      ``input`` and ``normal_concat`` in the reduction cell;
    - ``<cell>_add_2`` to ``<cell>_add_5``, the nodes of a cell, all feeding ``<cell>_concat``;
    - one node ``<cell>_<operation>`` for each edge of the genotype, fed by the edge's source and
      feeding the ``add`` node that it enters.

    ``reduce_concat`` feeds ``output``. Since all nodes but the operations have names of their own,
    a graph gives the genotype, whatever the numbering of its nodes, and two architectures have
    the same `index` exactly if their graphs are isomorphic. The names tell the cells apart because
    the same operation is another one in a reduction cell: of stride 2 behind an input, and
    repeated twice where the normal cell's is repeated ``n_layers - 2`` times. Genotypes that
    differ only in the numbering of their nodes are distinct members (as in the published count),
    although their networks differ only in the order of channels.

    An index is ``normal * 1037664180 + reduce``; the number of a cell is ``wiring * 7**8 + ops``,
    both in mixed radix with the first node as the leading digit. Nothing is enumerated.

    References
    ----------
    .. [1] Liu, Simonyan and Yang, "DARTS: Differentiable Architecture Search", ICLR 2019.

    Examples
    --------
    >>> from sksubsel.spaces.darts import DARTS
    >>> space = DARTS()
    >>> len(space)
    1076746950455072400
    >>> arch = space.sample(1, random_state=0)[0]
    >>> arch.n_nodes, arch.n_edges
    (32, 45)
    >>> space[space.index(arch)] == arch
    True
    """

    name = "darts"
    vocabulary = VOCABULARY

    def __init__(
        self,
        *,
        stem_channels: int = 36,
        n_layers: int = 20,
        auxiliary: bool = False,
        drop_path: float = 0.0,
    ):
        self.stem_channels = stem_channels
        self.n_layers = n_layers
        self.auxiliary = auxiliary
        self.drop_path = drop_path

    def __repr__(self):
        return (
            f"DARTS(stem_channels={self.stem_channels}, n_layers={self.n_layers}, "
            f"auxiliary={self.auxiliary}, drop_path={self.drop_path})"
        )

    def __len__(self) -> int:
        return N_CELLS**2

    def from_genotype(self, genotype: Genotype | tuple | str) -> Architecture:
        """The graph of a genotype; the order of a node's two edges does not matter.

        Parameters
        ----------
        genotype : Genotype, tuple (normal, normal_concat, reduce, reduce_concat) or str
            A str is what printing a genotype gives, in the authors' code too. It is parsed, not
            executed.

        Raises
        ------
        TypeError
            If `genotype` is none of these.
        ValueError
            If it is not in the space: another number of edges, an unknown operation ("none" is
            one), a source that is not an earlier node, the same source twice in one node, or a
            concatenation of other nodes than 2 to 5.
        """
        return graph_of_cells(cells_of_genotype(genotype), self.name)

    def to_genotype(self, arch: Any) -> Genotype:
        """The genotype of an architecture, the two edges of a node in order of their sources.

        Raises
        ------
        ValueError
            If `arch` is not in the space.
        """
        return genotype_of_cells(self._cells(arch))

    def index(self, arch: Any) -> int:
        """Index of an architecture; any numbering of its nodes has the same.

        Raises
        ------
        ValueError
            If `arch` is not in the space.
        """
        return int(indices_of(self._cells(arch)[None])[0])

    def canonical(self, arch: Any) -> Architecture:
        """An architecture with its nodes numbered as `from_genotype` does."""
        return graph_of_cells(self._cells(arch), self.name)

    def validate(self, arch: Any) -> Architecture:
        """An architecture of this space, its numbering of nodes kept.

        Parameters
        ----------
        arch : Architecture or whatever else `as_architecture` takes, Genotype, tuple or str
            See `from_genotype` for genotypes.

        Raises
        ------
        TypeError
            If `arch` is none of these.
        ValueError
            If a genotype is not in the space, or a graph not that of a genotype.
        """
        if _is_genotype(arch):
            return self.from_genotype(arch)
        arch = as_architecture(arch)
        cells_of_graph(arch)
        return Architecture(arch.ops, arch.edges, space=self.name)

    def neighbors(self, arch: Any) -> list[Architecture]:
        """All 120 architectures one edit away, numbered canonically, in the order of indices.

        An edit gives one edge another operation (16 edges, 6 each), or another source among the
        earlier nodes that its node does not use yet (none for node 2, then 2, 4 and 6, in both
        cells). Every architecture can be reached from every other.

        Raises
        ------
        ValueError
            If `arch` is not in the space.
        """
        return self._at(neighbor_indices(self._cells(arch)))

    def mutate(
        self, arch: Any, random_state: int | np.random.RandomState | None = None
    ) -> Architecture:
        """A uniformly drawn neighbour of `arch`, without building the others.

        Raises
        ------
        ValueError
            If `arch` is not in the space.
        """
        indices = neighbor_indices(self._cells(arch))
        chosen = check_random_state(random_state).randint(len(indices))
        return self._at(indices[chosen : chosen + 1])[0]

    def lower(self, arch: Any, in_shape: tuple[int, ...], n_classes: int) -> Architecture:
        """The graph of the whole network; see `SearchSpace.lower`.

        It is the network in evaluation mode: without the auxiliary head, and with nothing dropped.

        Raises
        ------
        ValueError
            As `build` does.
        """
        genotype = self.to_genotype(arch)
        check_network(
            in_shape,
            n_classes,
            stem_channels=self.stem_channels,
            n_layers=self.n_layers,
            auxiliary=self.auxiliary,
            drop_path=self.drop_path,
        )
        return lower_network(genotype, n_classes, self.stem_channels, self.n_layers)

    def build(self, arch: Any, in_shape: tuple[int, ...], n_classes: int) -> nn.Module:
        """The untrained network of an architecture.

        Parameters
        ----------
        arch : Architecture or what converts to one
        in_shape : tuple (channels, height, width)
            Shape of one image, ``X.shape[1:]``; at least 4 pixels a side, 29 with `auxiliary`.
        n_classes : int
            Width of the output; 1 for regression.

        Returns
        -------
        torch.nn.Module

        Raises
        ------
        ValueError
            If `arch` is not in the space, or images or parameters do not fit.
        """
        from sksubsel.networks.darts import build_darts

        return build_darts(
            self.validate(arch),
            in_shape,
            n_classes,
            stem_channels=self.stem_channels,
            n_layers=self.n_layers,
            auxiliary=self.auxiliary,
            drop_path=self.drop_path,
        )

    def _at(self, indices):
        return [graph_of_cells(cells, self.name) for cells in cells_at(indices)]

    def _cells(self, arch) -> np.ndarray:
        """Cells in canonical order, int64 (2, 8, 2) of sources and operations."""
        if _is_genotype(arch):
            return cells_of_genotype(arch)
        return cells_of_graph(as_architecture(arch))


def _is_genotype(arch) -> bool:
    return isinstance(arch, str) or (isinstance(arch, (tuple, list)) and len(arch) == 4)
