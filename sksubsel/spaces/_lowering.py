"""Lowered architectures, built step by step as the network computes."""

from __future__ import annotations

from sksubsel.architectures import Architecture
from sksubsel.tracing.nodes import make_node
from sksubsel.tracing.normalize import normalize
from sksubsel.tracing.records import Record


class Lowering:
    """What a network computes, from its input on; brought into the form of a trace at the end.

    Attributes
    ----------
    input : Record
    """

    def __init__(self):
        self.input = Record(make_node("input"), [])
        self._records = [self.input]

    def add(self, type, *inputs, axis=None, **attributes) -> Record:
        """A step that takes the values of others; see `sksubsel.tracing.NODE_TYPES`.

        Concatenations of one `axis` may be merged.
        """
        record = Record(make_node(type, **attributes), list(dict.fromkeys(inputs)), axis)
        self._records.append(record)
        return record

    def sum(self, terms) -> Record:
        """The sum of values; of one, or of one with itself, that value."""
        terms = list(dict.fromkeys(terms))
        return terms[0] if len(terms) == 1 else self.add("add", *terms)

    def conv(self, value, channels, kernel, *, norm=True, act=None, **attributes) -> Record:
        """A convolution, batch normalisation and activation.

        With as many `groups` as channels, more than one, it is depthwise, as `targets.conv_node`
        has it: so many channels must come in, too.
        """
        depthwise = attributes.get("groups", 1) == channels > 1
        kind = "sepconv" if depthwise else "conv"
        value = self.add(kind, value, channels=channels, kernel=kernel, **attributes)
        if norm:
            value = self.add("norm", value, kind="batch")
        return value if act is None else self.add("act", value, kind=act)

    def finish(self, value, space) -> Architecture:
        """The architecture that gives this value."""
        ops, edges, attributes = normalize(self._records, [value])
        return Architecture(tuple(ops), tuple(edges), tuple(attributes), space)
