"""Nodes of a lowered architecture while it is being read from a traced graph."""

from __future__ import annotations

from dataclasses import dataclass

from .nodes import Node, make_node

SCALAR = object()
"""A number, a size or a tensor of one repeated number: of no account in the graph."""


@dataclass(eq=False)
class Record:
    """A node and those that feed it; `axis` says which concatenations may be merged."""

    node: Node
    inputs: list[Record]
    axis: object = None

    def feed(self, record: Record) -> None:
        """Let `record` feed this one, unless it does already."""
        if record is not self and record not in self.inputs:
            self.inputs.append(record)


@dataclass(frozen=True)
class Value:
    """What a step of the trace computed from the input.

    `form` is "tensor", "tuple", "outputs" (of a recurrent network: a sequence, then states),
    "state" (one of these states or several) or "any" (an input of unknown kind). `spatial` is the
    number of spatial axes behind batch and channels, None if unknown.
    """

    record: Record
    form: str = "tensor"
    spatial: int | None = None


@dataclass(frozen=True)
class Constant:
    """What does not depend on the input; equal keys are one array. `tensor` gives its shape."""

    key: object
    tensor: object = None

    @property
    def shape(self):
        """Shape as a tuple of ints, None if it is not known."""
        shape = getattr(self.tensor, "shape", None)
        return None if shape is None else tuple(int(side) for side in shape)


class Builder:
    """Makes records, in the order of the trace."""

    def __init__(self):
        self.records: list[Record] = []
        self.n_inputs = 0  # arguments of the network that may hold data
        self.unknown: dict[str, str] = {}  # kind and full name of what has no node type
        self._params: dict = {}
        self.input = self.record(make_node("input"), [])

    def record(self, node: Node, values, axis=None) -> Record:
        """A new record fed by values, each other record once."""
        record = Record(node, list(dict.fromkeys(value.record for value in values)), axis)
        self.records.append(record)
        return record

    def value(self, node: Node, values, *, form="tensor", spatial=None, axis=None) -> Value:
        """The value of a new record."""
        return Value(self.record(node, values, axis), form, spatial)

    def param(self, constant: Constant) -> Value:
        """The node of an array that enters the data, always the same for the same array."""
        if constant.key not in self._params:
            self._params[constant.key] = self.value(make_node("param"), [Value(self.input)])
        return self._params[constant.key]

    def operands(self, values) -> list[Value]:
        """Values, and parameters for constants among them; scalars left out."""
        return [
            self.param(value) if isinstance(value, Constant) else value
            for value in values
            if isinstance(value, (Value, Constant))
        ]


def flatten(item) -> list:
    """All leaves of nested tuples, lists, dicts and slices, in order."""
    if isinstance(item, dict):
        item = list(item.values())
    if isinstance(item, slice):
        item = [item.start, item.stop, item.step]
    if isinstance(item, (tuple, list)):
        return [leaf for part in item for leaf in flatten(part)]
    return [item]
