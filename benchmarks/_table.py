"""Lines of the table that ``python -m benchmarks`` prints."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass


@dataclass
class Line:
    """One comparison: ours beside an alternative, both measured in this run.

    `ratio` is what `goal` is about; `met` is None where the goal is not about these sizes.
    """

    row: str
    what: str
    beside: str
    ours: float | None = None
    theirs: float | None = None
    unit: str = "s"
    ratio: float | None = None
    ratio_of: str = "times as fast"
    goal: str = ""
    met: bool | None = None
    ours_mb: float | None = None
    theirs_mb: float | None = None
    note: str = ""

    def text(self) -> str:
        """For people: the comparison, then goal, memory and remarks, indented."""
        parts = [f"{self.row}: {self.what}"]
        if self.ours is not None:
            ours = f"  ours {_number(self.ours)} {self.unit}"
            if self.theirs is not None:
                ours += f", {self.beside} {_number(self.theirs)} {self.unit}"
            elif self.beside:
                ours += f"; beside it: {self.beside}"
            if self.ratio is not None:
                ours += f": {_number(self.ratio)} {self.ratio_of}"
            parts.append(ours)
        if self.goal:
            said = {True: "met", False: "MISSED", None: "not judged"}[self.met]
            parts.append(f"  goal {self.goal}: {said}")
        memory = [
            f"{name} {value:,.0f} MB"
            for name, value in (("ours", self.ours_mb), ("the other", self.theirs_mb))
            if value is not None and not math.isnan(value)
        ]
        if memory:
            parts.append(f"  peak memory above what was held before: {', '.join(memory)}")
        if self.note:
            parts.append(f"  {self.note}")
        return "\n".join(parts)

    def json(self, **more) -> str:
        """For programs: one line; NaN as null."""
        values = {**asdict(self), **more}
        for name, value in values.items():
            if isinstance(value, float) and not math.isfinite(value):
                values[name] = None
        return json.dumps(values)


def beside(row, what, sides, names, **more) -> Line:
    """The line of two sides that `in_turn` has measured, ours first."""
    ours, theirs = (sides[name] for name in names)
    line = {
        "ours": ours.seconds,
        "theirs": theirs.seconds,
        "ratio": theirs.seconds / ours.seconds,
        "ours_mb": ours.peak,
        "theirs_mb": theirs.peak,
    }
    return Line(row, what, names[1], **(line | more))


def judged(met: bool, scale: float) -> bool | None:
    """Whether a goal is met; None where the sizes are not those that it is about."""
    return bool(met) if scale == 1 else None


def _number(value: float) -> str:
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"
