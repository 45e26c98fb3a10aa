"""Search spaces whose architectures are the combinations of some choices."""

from __future__ import annotations

import math
import numbers
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from sksubsel._validation import is_count
from sksubsel.architectures import Architecture, as_architecture

from .base import SearchSpace

_MAX_SIZE = 2**63 - 1  # what an int64 index and Python's len can count


class Grid:
    """A finite product of named choices, numbered in mixed radix, the last choice fastest.

    Parameters
    ----------
    choices : mapping of str to sequence
        The values that each name may take, all different.
    """

    def __init__(self, choices: Mapping):
        self.choices = {name: tuple(values) for name, values in choices.items()}
        self.size = math.prod(map(len, self.choices.values()))

    def points(self, indices) -> list[dict]:
        """The combinations of these indices, all in range(size)."""
        rest = np.asarray(indices, dtype=np.int64)
        columns = []
        for values in reversed(self.choices.values()):
            rest, digits = np.divmod(rest, len(values))
            columns.append([values[k] for k in digits.tolist()])
        return [dict(zip(self.choices, row)) for row in zip(*reversed(columns))]

    def index(self, point: Mapping) -> int:
        """Place of a combination of the grid's values."""
        place = 0
        for name, values in self.choices.items():
            place = place * len(values) + values.index(point[name])
        return place

    def validate(self, point: Mapping) -> dict:
        """The combination in the grid's own values (16 for 16.0 or NumPy's 16).

        Raises
        ------
        ValueError
            If a value is none of its choices.
        """
        found = {}
        for name, values in self.choices.items():
            if point[name] not in values:
                raise ValueError(f"{name} must be one of {values}; got {point[name]!r}")
            found[name] = values[values.index(point[name])]
        return found

    def neighbors(self, point: Mapping) -> list[dict]:
        """All combinations that differ from `point` in exactly one choice."""
        return [
            {**point, name: value}
            for name, values in self.choices.items()
            for value in values
            if value != point[name]
        ]


class GridSpace(SearchSpace):
    """Architectures that are the points of one grid after the other.

    A subclass says what the grids are, and which graph a description stands for and back. The
    methods below speak of an architecture in three ways: as a graph, as a description ("spec",
    the keyword arguments of `make`) and as the number of a grid and a point of it.
    """

    @abstractmethod
    def _make_grids(self) -> list[Grid]:
        """The grids; ValueError if the space's parameters are wrong."""

    @abstractmethod
    def _graph(self, spec: dict) -> Architecture:
        """The graph that a description stands for."""

    @abstractmethod
    def _read(self, arch: Architecture) -> dict:
        """Description of a graph, whatever the choices; ValueError if it has none."""

    @abstractmethod
    def _spec(self, point: dict) -> dict:
        """The description that a point of a grid stands for."""

    @abstractmethod
    def _locate(self, spec: dict, grids: list[Grid]) -> tuple[int, dict]:
        """Number of the grid and the point; ValueError if the description is not in the space."""

    @abstractmethod
    def _edits(self, grids: list[Grid], k: int, point: dict) -> list[dict]:
        """The distinct points one edit away from a point of grid k."""

    def __len__(self) -> int:
        return sum(grid.size for grid in self._grids())

    def __repr__(self):
        params = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__name__}({params})"

    def index(self, arch: Any) -> int:
        """Index of an architecture.

        Raises
        ------
        ValueError
            If `arch` is not in the space.
        """
        grids, k, point = self._place(arch)
        return sum(grid.size for grid in grids[:k]) + grids[k].index(point)

    def describe(self, arch: Any) -> dict:
        """What was chosen: ``space.make(**space.describe(arch)) == space.validate(arch)``.

        Raises
        ------
        ValueError
            If `arch` is not in the space.
        """
        return self._spec(self._place(arch)[2])

    def validate(self, arch: Any) -> Architecture:
        """`arch` with its nodes numbered as the space does.

        Parameters
        ----------
        arch : Architecture or what `as_architecture` takes
            With node attributes.

        Raises
        ------
        ValueError
            If no description has this graph, or one with a choice that the space lacks.
        """
        return self._graph(self.describe(arch))

    def _make(self, **spec) -> Architecture:
        _, point = self._locate(spec, self._grids())
        return self._graph(self._spec(point))

    def _place(self, arch) -> tuple[list[Grid], int, dict]:
        grids = self._grids()
        return (grids, *self._locate(self._read(as_architecture(arch)), grids))

    def _neighbors(self, arch) -> list[Architecture]:
        return [self._graph(self._spec(point)) for point in self._edits(*self._place(arch))]

    def _at(self, indices):
        grids = self._grids()
        ends = np.cumsum([grid.size for grid in grids], dtype=np.int64)
        owners = np.searchsorted(ends, indices, side="right")
        archs: list = [None] * len(indices)
        for k, grid in enumerate(grids):
            rows = np.flatnonzero(owners == k)
            for row, point in zip(rows, grid.points(indices[rows] - (ends[k] - grid.size))):
                archs[row] = self._graph(self._spec(point))
        return archs

    def _grids(self) -> list[Grid]:
        grids = self._make_grids()
        size = sum(grid.size for grid in grids)
        if size > _MAX_SIZE:
            raise ValueError(
                f"a space must have at most {_MAX_SIZE} architectures; {self!r} has {size}, "
                "give it fewer choices"
            )
        return grids


class GraphBuilder:
    """An architecture, node by node."""

    def __init__(self):
        self._ops, self._edges, self._attributes = [], [], []

    def add(self, op: str, *sources: int, **attributes) -> int:
        """Add a node that `sources` feed; its number."""
        node = len(self._ops)
        self._ops.append(op)
        self._edges += [(source, node) for source in sources]
        self._attributes.append(attributes)
        return node

    def architecture(self, space: str) -> Architecture:
        """What was added."""
        return Architecture(self._ops, self._edges, self._attributes, space)


def check_graph(arch: Architecture, expected: Architecture, what: str) -> None:
    """ValueError unless `arch` is `expected`, its nodes numbered in any way."""
    if arch == expected:
        return
    # The fingerprints' equality is enough: in the graphs expected here no two nodes look alike,
    # so that the refinement of `graph_hash` gives each a digest of its own.
    if (arch.n_nodes, arch.n_edges) != (expected.n_nodes, expected.n_edges) or (
        arch.hash != expected.hash
    ):
        raise ValueError(f"the graph must be that of {what}, {expected!r}; got {arch!r}")


def check_attributes(arch: Architecture, vocabulary: tuple[str, ...], what: str) -> None:
    """ValueError unless the operations are known and the nodes have attributes."""
    unknown = [op for op in arch.ops if op not in vocabulary]
    if unknown:
        raise ValueError(f"ops of {what} must be of {vocabulary}; got {unknown[0]!r}")
    if arch.attributes is None:
        raise ValueError(
            f"nodes of {what} must have attributes, such as channels; got an architecture without "
            "(the space's make(...) gives one with them)"
        )


def check_ints(name: str, values) -> tuple[int, ...]:
    """The choices of a parameter, distinct positive ints."""
    values = _check_choices(name, values)
    for value in values:
        if not is_count(value):
            raise ValueError(f"{name} must hold positive ints; got {value!r}")
    return tuple(int(value) for value in values)


def check_fractions(name: str, values) -> tuple[float, ...]:
    """The choices of a parameter, distinct floats in [0, 1)."""
    values = _check_choices(name, values)
    for value in values:
        if not is_fraction(value):
            raise ValueError(f"{name} must hold floats in [0, 1); got {value!r}")
    return tuple(float(value) for value in values)


def check_options(name: str, values, allowed: tuple) -> tuple:
    """The choices of a parameter, distinct and all `allowed`."""
    values = _check_choices(name, values)
    for value in values:
        if value not in allowed:
            raise ValueError(f"{name} must hold some of {allowed}; got {value!r}")
    return tuple(allowed[allowed.index(value)] for value in values)


def is_fraction(value) -> bool:
    """Whether `value` is a number in [0, 1)."""
    return not isinstance(value, bool) and isinstance(value, numbers.Real) and 0 <= value < 1


def _check_choices(name: str, values) -> tuple:
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise ValueError(f"{name} must be a sequence of choices; got {values!r}")
    values = tuple(values)
    if not values or len(set(values)) < len(values):
        raise ValueError(f"{name} must be one or more distinct choices; got {values!r}")
    return values
