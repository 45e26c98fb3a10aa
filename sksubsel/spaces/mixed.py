"""Several search spaces as one pool."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import check_random_state

from sksubsel.architectures import as_architecture

from .base import SearchSpace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from sksubsel.architectures import Architecture


class Mixed(SearchSpace):
    """The architectures of several spaces, so that one zoo has networks of many kinds.

    Indices go through the spaces one after another. A sample takes as many architectures of each
    space, since of a draw from all alike the largest space would be nearly all.

    Parameters
    ----------
    spaces : sequence of SearchSpace
        At least one, of different names, none of them a Mixed.

    Examples
    --------
    >>> from sksubsel.spaces import MLP, Mixed, NASBench101
    >>> space = Mixed([NASBench101(stem_channels=8, n_stacks=2, n_cells=1), MLP()])
    >>> sorted(arch.space for arch in space.sample(4, random_state=0))
    ['mlp', 'mlp', 'nasbench101', 'nasbench101']
    """

    name = "mixed"

    def __init__(self, spaces: Sequence[SearchSpace]):
        if not isinstance(spaces, list | tuple) or not all(map(_is_single, spaces)) or not spaces:
            raise ValueError(
                f"spaces must be one or more search spaces, none of them Mixed; got {spaces!r}"
            )
        self.spaces = list(spaces)
        self._by_name = {space.name: space for space in self.spaces}
        if len(self._by_name) < len(self.spaces):
            names = [space.name for space in self.spaces]
            raise ValueError(f"spaces must have different names; got {names}")
        self.vocabulary = tuple(sorted({op for space in self.spaces for op in space.vocabulary}))

    def __repr__(self):
        return f"Mixed({self.spaces!r})"

    def __len__(self) -> int:
        return sum(map(len, self.spaces))

    def space_of(self, arch: Any) -> SearchSpace:
        """The space that an architecture comes from, by its `Architecture.space`.

        Raises
        ------
        ValueError
            If it is none of these.
        """
        arch = as_architecture(arch)
        if arch.space not in self._by_name:
            raise ValueError(
                f"arch must come from one of the spaces {list(self._by_name)}; got one of "
                f"space={arch.space!r}"
            )
        return self._by_name[arch.space]

    def validate(self, arch: Any) -> Architecture:
        """`arch` as its own space has it."""
        return self.space_of(arch).validate(arch)

    def neighbors(self, arch: Any) -> list:
        """What its own space has one edit away."""
        return self.space_of(arch).neighbors(arch)

    def mutate(
        self, arch: Any, random_state: int | np.random.RandomState | None = None
    ) -> Architecture:
        """A neighbour drawn as its own space does."""
        return self.space_of(arch).mutate(arch, random_state)

    def index(self, arch: Any) -> int:
        """Index of an architecture, after all those of the spaces before its own."""
        own = self.space_of(arch)
        before = self.spaces[: self.spaces.index(own)]
        return sum(map(len, before)) + own.index(arch)

    def build(self, arch: Any, in_shape: tuple[int, ...], n_classes: int) -> nn.Module:
        """The network that its own space builds."""
        return self.space_of(arch).build(arch, in_shape, n_classes)

    def lower(self, arch: Any, in_shape: tuple[int, ...], n_classes: int) -> Architecture:
        """The graph of the whole network, as its own space gives it."""
        return self.space_of(arch).lower(arch, in_shape, n_classes)

    def sample(
        self, n: int, random_state: int | np.random.RandomState | None = None, replace: bool = False
    ) -> list:
        """Draw architectures, as many of each space (the first ones get one more).

        Parameters
        ----------
        n : int
        random_state : int, RandomState instance or None, default=None
        replace : bool, default=False

        Returns
        -------
        list of Architecture
            In random order.

        Raises
        ------
        ValueError
            If `n` is negative or, without replacement, asks more of a space than it has.
        """
        if isinstance(n, (bool, np.bool_)) or not isinstance(n, Integral):
            raise TypeError(f"n must be an integer; got {n!r}")
        if n < 0:
            raise ValueError(f"n must be at least 0; got {n}")
        rng = check_random_state(random_state)
        share, rest = divmod(n, len(self.spaces))
        found = []
        for place, space in enumerate(self.spaces):
            part = share + (place < rest)
            if part > len(space) and not replace:
                raise ValueError(
                    f"n={n} asks {part} architectures of {space.name!r}, which has {len(space)}; "
                    "ask for fewer or set replace=True"
                )
            found += space.sample(part, rng, replace)
        return [found[k] for k in rng.permutation(n)]

    def _at(self, indices):
        ends = np.cumsum([len(space) for space in self.spaces])
        owner = np.searchsorted(ends, indices, side="right")
        starts = ends - [len(space) for space in self.spaces]
        found = [
            self.spaces[own]._at(np.array([k - starts[own]])) for own, k in zip(owner, indices)
        ]
        return [one for (one,) in found]


def _is_single(space):
    return isinstance(space, SearchSpace) and not isinstance(space, Mixed)
