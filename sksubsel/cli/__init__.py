"""The ``sksubsel`` command: thin over the API, one command a file, on click (extra ``cli``)."""

from __future__ import annotations

import sys


def main(argv=None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : list of str or None, default=None
        Arguments; None takes those of the process.

    Returns
    -------
    int
        0; 1 after an error; 2 where the arguments are wrong; 3 if some trainings failed, and the
        others were made; 130 if it was interrupted.
    """
    try:
        import click  # noqa: F401
    except ImportError:
        print(
            "sksubsel: error: the command line needs click, which is not installed; install it "
            "with: pip install 'sksubsel[cli]'",
            file=sys.stderr,
        )
        return 1
    from sksubsel.cli.app import run

    return run(sys.argv[1:] if argv is None else list(argv))
