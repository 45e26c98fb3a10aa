"""What every search space offers."""

from __future__ import annotations

import numbers
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.random import sample_without_replacement

from sksubsel.architectures import Architecture

if TYPE_CHECKING:
    from torch import nn


class SearchSpace(ABC):
    """A finite, indexed set of architectures.

    A subclass says how many there are, which one has which index, what a valid one is, what lies
    one edit away and how to build a network.

    Attributes
    ----------
    name : str
        What `Architecture.space` is for its members.
    vocabulary : tuple of str
        Names of all operations.

    Examples
    --------
    >>> from sksubsel.spaces import NASBench201
    >>> space = NASBench201()
    >>> arch = space.sample(1, random_state=0)[0]
    >>> space[space.index(arch)] == arch, arch in space.neighbors(arch)
    (True, False)
    """

    name: str
    vocabulary: tuple[str, ...]

    @abstractmethod
    def __len__(self) -> int:
        """Number of architectures in the space."""

    @abstractmethod
    def _at(self, indices: np.ndarray) -> list[Architecture]:
        """Architectures of these indices, all in range(len(self))."""

    @abstractmethod
    def index(self, arch: Any) -> int:
        """Index of an architecture; ValueError if it is not in the space."""

    @abstractmethod
    def validate(self, arch: Any) -> Architecture:
        """`arch` as an `Architecture` of this space; ValueError saying why if it is not one."""

    @abstractmethod
    def neighbors(self, arch: Any) -> list[Architecture]:
        """All distinct architectures of the space that are one edit away, without `arch`."""

    @abstractmethod
    def build(self, arch: Any, in_shape: tuple[int, ...], n_classes: int) -> nn.Module:
        """An untrained network.

        Parameters
        ----------
        arch : architecture
            Of this space.
        in_shape : tuple of int
            Shape of one instance, ``X.shape[1:]``.
        n_classes : int
            Width of the output; 1 for regression.

        Returns
        -------
        torch.nn.Module
        """

    def lower(self, arch: Any, in_shape: tuple[int, ...], n_classes: int) -> Architecture:
        """The graph of an architecture's whole network, its repetitions and sums written out.

        Nodes are of `sksubsel.tracing.NODE_TYPES`, which are common to all kinds of networks, with
        their widths and kernels as attributes.

        Parameters
        ----------
        arch, in_shape, n_classes
            As for `build`.

        Notes
        -----
        What ``Architecture.from_module(space.build(arch, in_shape, n_classes))`` finds, which is
        what a space of your own does unless it overrides this. Those of `sksubsel.spaces` make it
        without building the network, and without torch. It is no member of the space: `build`
        takes the architecture itself.
        """
        return Architecture.from_module(self.build(arch, in_shape, n_classes), space=self.name)

    def __getitem__(self, index):
        """The architecture of an integer index, or a list of those of a slice or an array."""
        if isinstance(index, numbers.Integral) and not isinstance(index, (bool, np.bool_)):
            return self._at(self._check_indices(np.array([index])))[0]
        if isinstance(index, slice):
            return self._at(np.arange(*index.indices(len(self))))
        indices = np.asarray(index)
        if indices.dtype == bool and indices.shape == (len(self),):
            return self._at(np.flatnonzero(indices))
        if indices.ndim != 1 or (indices.size and indices.dtype.kind not in "iu"):
            raise TypeError(
                "an index must be an integer, a slice, a one-dimensional array of integers or a "
                f"mask of {len(self)} booleans; got {index!r}"
            )
        return self._at(self._check_indices(indices.astype(np.int64)))

    def __iter__(self) -> Iterator[Architecture]:
        """All architectures in the order of their indices."""
        step = 1024
        for start in range(0, len(self), step):
            yield from self._at(np.arange(start, min(start + step, len(self))))

    def __contains__(self, arch) -> bool:
        try:
            self.validate(arch)
        except (TypeError, ValueError):
            return False
        return True

    def sample(
        self, n: int, random_state: int | np.random.RandomState | None = None, replace: bool = False
    ) -> list[Architecture]:
        """Draw architectures uniformly.

        Parameters
        ----------
        n : int
            How many.
        random_state : int, RandomState instance or None, default=None
            An int makes the draw reproducible.
        replace : bool, default=False
            Whether one may be drawn more than once.

        Returns
        -------
        list of Architecture
            In random order.

        Raises
        ------
        ValueError
            If `n` is negative, or larger than the space without replacement.
        """
        size = len(self)
        if isinstance(n, (bool, np.bool_)) or not isinstance(n, numbers.Integral):
            raise TypeError(f"n must be an integer; got {n!r}")
        if n < 0 or (n > size and not replace):
            raise ValueError(f"n must be in [0, {size}] without replacement; got {n}")
        rng = check_random_state(random_state)
        if replace:
            return self._draw(rng.randint(size, size=n, dtype=np.int64))
        return self._draw(np.asarray(sample_without_replacement(size, n, random_state=rng)))

    def mutate(
        self, arch: Any, random_state: int | np.random.RandomState | None = None
    ) -> Architecture:
        """A uniformly drawn neighbour of `arch`: valid, and never isomorphic to it.

        Parameters
        ----------
        arch : architecture
            Of this space.
        random_state : int, RandomState instance or None, default=None

        Returns
        -------
        Architecture

        Raises
        ------
        ValueError
            If `arch` is not in the space.
        """
        neighbors = self.neighbors(arch)
        return neighbors[check_random_state(random_state).randint(len(neighbors))]

    def _draw(self, positions: np.ndarray) -> list[Architecture]:
        """What a sample's random numbers stand for: by default indices, any bijection is right."""
        return self._at(positions)

    def _check_indices(self, indices: np.ndarray) -> np.ndarray:
        size = len(self)
        bad = indices[(indices < -size) | (indices >= size)]
        if bad.size:
            raise IndexError(f"index {bad[0]} is out of range for {size} architectures")
        return np.where(indices < 0, indices + size, indices)
