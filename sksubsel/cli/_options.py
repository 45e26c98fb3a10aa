"""Options that several commands have, and how a command says what it found."""

from __future__ import annotations

import contextlib
import functools
import json
import math
import re
import sys
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np

_NUMBER = re.compile(r"-?\.?\d")


class Result(NamedTuple):
    """What a command found: a document for ``--json``, and its exit code."""

    document: dict
    code: int = 0


class Command(click.Command):
    """A command whose repeatable options also take several values: ``--seeds 0 1 2``."""

    def parse_args(self, ctx, args):
        repeatable = [one for one in self.params if getattr(one, "multiple", False)]
        names = {name for one in repeatable for name in one.opts}
        spread, option, has_value = [], None, False
        for place, arg in enumerate(args):
            if arg == "--":
                spread += args[place:]
                break
            if arg.startswith("-") and len(arg) > 1 and not _NUMBER.match(arg):
                option, has_value = (arg if arg in names else None), False
            elif option is not None:
                if has_value:
                    spread.append(option)
                has_value = True
            spread.append(arg)
        return super().parse_args(ctx, spread)

    def collect_usage_pieces(self, ctx):
        """The argument first: behind a repeatable option it would be one of its values."""
        options, *arguments = super().collect_usage_pieces(ctx)
        return [*arguments, options]

    def invoke(self, ctx):
        """The exit code of what the callback returned, after its document was written."""
        as_json = ctx.params.pop("as_json", False)
        with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
            result = super().invoke(ctx)
        if as_json:
            print(json.dumps(_plain(result.document), allow_nan=False))
        return result.code


class _Budget(click.ParamType):
    name = "number"

    def convert(self, value, param, ctx):
        if isinstance(value, int | float):
            return value
        with contextlib.suppress(ValueError):
            budget = int(value) if value.isdigit() else float(value)
            if budget >= 1 if isinstance(budget, int) else 0 < budget <= 1:
                return budget
        self.fail(f"{value!r} is neither a count nor a fraction in (0, 1]", param, ctx)


class _Assignment(click.ParamType):
    name = "name=value"

    def convert(self, value, param, ctx):
        if isinstance(value, tuple):
            return value
        name, equals, text = value.partition("=")
        if not (name and equals and text):
            self.fail(f"{value!r} is not NAME=VALUE", param, ctx)
        try:
            return name, json.loads(text)
        except ValueError:
            return name, text


BUDGET = _Budget()
ASSIGNMENT = _Assignment()
PATH = click.Path(path_type=Path)
JSON = click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Write one JSON document to stdout, and all else to stderr.",
)
SEED = click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of all draws."
)
DEVICE = click.option(
    "--device", default="cpu", show_default=True, help='Where torch computes, such as "cuda".'
)
DEVICE_OF_FIT = click.option(
    "--device",
    help="Where torch computes (default: as in `fit`, or the CPU where that device is missing).",
)
N_JOBS = click.option(
    "--n-jobs", type=int, default=2, show_default=True, help="Trainings side by side."
)


def options(*given):
    """Several options as one decorator, in the order of the help."""
    return lambda function: functools.reduce(lambda f, option: option(f), given[::-1], function)


def say(text: str) -> None:
    """A line on stderr."""
    print(text, file=sys.stderr, flush=True)


def verbosity() -> int:
    """1 on a terminal, where there are progress bars, and where it is asked for; else 0."""
    context = click.get_current_context(silent=True)
    asked = context is not None and (context.find_root().obj or {}).get("verbose", False)
    return int(asked or sys.stderr.isatty())


@contextlib.contextmanager
def counted(kind: type[Warning]):
    """A list that gets each warning of a kind, which is shown all the same."""
    found: list = []
    with warnings.catch_warnings():
        warnings.simplefilter("always", kind)
        show = warnings.showwarning

        def note(message, category, filename, lineno, file=None, line=None):
            if issubclass(category, kind):
                found.append(str(message))
            show(message, category, filename, lineno, file, line)

        warnings.showwarning = note
        yield found


def _plain(value: Any) -> Any:
    """A value as JSON has it: NaN and infinities are null."""
    if isinstance(value, dict):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value
