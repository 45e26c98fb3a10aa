"""The node types of a lowered architecture; needs no torch."""

from __future__ import annotations

import math
import numbers
from types import MappingProxyType
from typing import Any, NamedTuple

_CONV: dict[str, object] = {
    "kernel": None,
    "stride": 1,
    "dilation": 1,
    "groups": 1,
    "channels": None,
    "norm": False,
    "act": None,
    "transposed": None,
}
_POOL: dict[str, object] = {"kernel": None, "stride": None, "output": None}

_TYPES: dict[str, dict[str, object]] = {
    "input": {},
    "output": {},
    "conv": _CONV,
    "sepconv": _CONV,
    "linear": {"channels": None, "act": None},
    "matmul": {},
    "attention": {"heads": None, "channels": None},
    "recurrent": {"kind": None, "channels": None, "layers": 1, "bidirectional": False},
    "embedding": {"channels": None},
    "norm": {"kind": None},
    "act": {"kind": None},
    "softmax": {},
    "maxpool": _POOL,
    "avgpool": _POOL,
    "globalpool": {"kind": "mean"},
    "reduce": {"kind": None},
    "upsample": {"scale": None},
    "add": {},
    "mul": {},
    "concat": {},
    "identity": {},
    "zero": {},
    "param": {},
    "unknown": {"kind": None},
}

NODE_TYPES = MappingProxyType({name: MappingProxyType(known) for name, known in _TYPES.items()})
"""For each node type its attributes with their defaults; None: left out unless it is given.

An edge (u, v) says that v takes u's value. Widths and sizes are numbers, one per axis where the
axes differ (``kernel=(1, 7)``).

- conv, sepconv: `channels` come out; `norm` says whether batch normalisation follows, `act` which
  activation does; `transposed` is True for transposed convolutions. A sepconv is depthwise: as
  many groups as input channels, more than one.
- linear: likewise `channels` and `act`.
- attention: a whole ``nn.MultiheadAttention``, or scaled dot-product attention alone; `channels`
  come out of all `heads` together. Of the latter they are known if the axis of heads, last but two,
  has a length that the module sets (by a view, not by its input).
- recurrent: `kind` is "lstm", "gru" or "rnn".
- maxpool, avgpool: `stride` is the kernel size by default; `output` is the size that adaptive
  pooling gives. globalpool: one value per channel, the `kind` "mean" or "max".
- reduce: over any other axes; of `kind` "mean", "sum", "max", ..., or "select" for one position.
- add, mul: elementwise, of any number of terms; differences are sums and quotients products.
- param: a learned or fixed array that is added to data or multiplied with it. It hangs under the
  input, since an architecture has one source.
- unknown: `kind` is the name of what it calls.
"""


class Node(NamedTuple):
    """A node's type and its attributes, sorted by name.

    Examples
    --------
    >>> from sksubsel.tracing import Node
    >>> Node("linear", {"channels": 10}).type
    'linear'
    """

    type: str
    attributes: dict


def make_node(type: str, **attributes: Any) -> Node:
    """A node with its attributes in the one form in which they are compared.

    Tracing and analytic lowering both make their nodes here, so that equal operations are equal
    nodes however they were described.

    Parameters
    ----------
    type : str
        A key of `NODE_TYPES`.
    **attributes
        Those of the type. What is not given has its default; what is None is left out. Sequences
        become tuples, and one number where all entries are equal; whole floats become ints.

    Returns
    -------
    Node
        ``(type, attributes)``.

    Raises
    ------
    ValueError
        If there is no such type, or the type has no such attribute.

    Examples
    --------
    >>> from sksubsel.tracing import make_node
    >>> make_node("maxpool", kernel=(3, 3), stride=(2, 2))
    Node(type='maxpool', attributes={'kernel': 3, 'stride': 2})
    >>> make_node("linear", channels=10, act=None)
    Node(type='linear', attributes={'channels': 10})
    """
    if type not in NODE_TYPES:
        raise ValueError(f"type must be one of {list(NODE_TYPES)}; got {type!r}")
    known = NODE_TYPES[type]
    unknown = sorted(attributes.keys() - known.keys())
    if unknown:
        raise ValueError(f"attributes of {type!r} must be of {list(known)}; got {unknown}")
    values = {name: _plain(value) for name, value in {**known, **attributes}.items()}
    if type in ("maxpool", "avgpool") and values["stride"] is None:
        values["stride"] = values["kernel"]
    if values.get("transposed") is False:
        values["transposed"] = None
    return Node(type, {name: values[name] for name in sorted(values) if values[name] is not None})


def _plain(value):
    """`value` in Python's own types; a sequence as a tuple, or one value if all are the same."""
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        value = float(value)
        return int(value) if math.isfinite(value) and value.is_integer() else value
    if not isinstance(value, (tuple, list)):
        return value.item() if hasattr(value, "item") else value
    values = tuple(_plain(item) for item in value)
    if not values or None in values:
        return None
    return values[0] if len(set(values)) == 1 else values
