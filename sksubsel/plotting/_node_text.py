"""What is written on the nodes of a drawn architecture, and how much room it takes."""

from __future__ import annotations

import re

FONT = 7.0
"""Points, where a drawing has its own size."""

_CHARACTER, _LINE = 0.62 * FONT, 1.25 * FONT  # of a sans-serif font, generously
_LINE_LENGTH = 11  # characters beyond which an operation's name takes two lines


def texts_of(arch, attributes):
    """What is written on each node: its operation and, if wanted, its attributes; V strings."""
    texts = [_in_lines(op) for op in arch.ops]
    if not attributes or arch.attributes is None:
        return texts
    for k, values in enumerate(arch.attributes):
        parts = [_attribute(name, value) for name, value in values.items() if value is not None]
        lines = [""]
        for part in filter(None, parts):
            joined = f"{lines[-1]}, {part}" if lines[-1] else part
            if lines[-1] and len(joined) > 1.6 * _LINE_LENGTH:
                lines.append(part)
            else:
                lines[-1] = joined
        if lines[0]:
            texts[k] = "\n".join([texts[k], *lines])
    return texts


def _attribute(name, value):
    """An attribute as text; what is the usual thing is left out."""
    if value is False or (name in ("stride", "dilation", "groups") and value == 1):
        return None
    if value is True:
        return name
    if isinstance(value, str):
        return value
    return f"{name} {'×'.join(map(str, value)) if isinstance(value, tuple) else value}"


def _in_lines(op):
    """A name in one line, or in two of about the same length, broken at "_", "-" or a space."""
    if len(op) <= _LINE_LENGTH:
        return op
    breaks = [match.end() for match in re.finditer(r"[_\-\s]", op[:-1])]
    if not breaks:
        return op
    middle = min(breaks, key=lambda at: abs(2 * at - len(op)))
    return f"{op[:middle]}\n{op[middle:]}"


def box_of(lines) -> tuple[float, float]:
    """Width and height in points of a box around lines of text of size FONT."""
    return max(map(len, lines)) * _CHARACTER + 9, len(lines) * _LINE + 6
