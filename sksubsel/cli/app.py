"""The group of commands, and what errors, warnings and interruptions become."""

from __future__ import annotations

import traceback as traceback_module
import warnings
from itertools import takewhile

import click

from sksubsel._version import __version__
from sksubsel.cli._options import say
from sksubsel.cli.compare import compare
from sksubsel.cli.demo import demo
from sksubsel.cli.fit import fit
from sksubsel.cli.report import report
from sksubsel.cli.select import select
from sksubsel.cli.zoo import zoo

_ERRORS = (
    OSError, ValueError, TypeError, ImportError, RuntimeError, MemoryError, FloatingPointError,
)  # fmt: skip


def _version(ctx, param, value):
    if value and not ctx.resilient_parsing:
        print(__version__)
        ctx.exit()


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    no_args_is_help=False,
)
@click.option("--traceback", is_flag=True, help="Also show where an error comes from.")
@click.option(
    "--verbose", is_flag=True, help="Say on stderr how far it is, also where that is no terminal."
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Print the version.",
)
@click.pass_context
def app(ctx, traceback, verbose):
    """Choose training subsets for architectures never seen.

    A zoo of small networks is trained once (zoo), a net learns from it (fit), and then selects
    rows for any architecture (select). Exit codes: 0, 1 after an error, 2 where the arguments are
    wrong, 3 if some trainings failed, 130 if it was interrupted.
    """
    ctx.obj = {"traceback": traceback, "verbose": verbose}


for _command in (demo, zoo, fit, select, compare, report):
    app.add_command(_command)


def run(argv: list[str]) -> int:
    """Run the command of some arguments; returns the exit code."""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            code = app.main(argv, prog_name="sksubsel", standalone_mode=False)
            return code if isinstance(code, int) else 0
    except click.UsageError as error:
        path = "sksubsel" if error.ctx is None else error.ctx.command_path
        message = _line(error.format_message()).rstrip(".")
        say(f"{path}: error: {message} (see {path} --help)")
        return 2
    except click.ClickException as error:
        say(f"sksubsel: error: {_line(error.format_message())}")
        return 1
    except (click.Abort, KeyboardInterrupt):
        say("interrupted")
        return 130
    except _ERRORS as error:
        # the option is the group's, and stands before the command
        if "--traceback" in takewhile(lambda word: word.startswith("-"), argv):
            traceback_module.print_exc()
        say(f"sksubsel: error: {_line(str(error)) or type(error).__name__}")
        return 1


def _show_warning(message, category, filename, lineno, file=None, line=None):
    say(f"sksubsel: warning: {_line(str(message))}")


def _line(message: str) -> str:
    """The first line: what follows it is for `--traceback`."""
    return message.strip().partition("\n")[0]
