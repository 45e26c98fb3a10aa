"""The ``sksubsel`` command: thin over the API."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def main(argv=None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="sksubsel", description="Choose training subsets for architectures never seen."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser(
        "demo",
        help="train a zoo on the digits images, select for unseen architectures, compare",
        description="The main job on data embedded in scikit-learn: no network, about two minutes.",
    )
    demo.add_argument("--figure", type=Path, default=Path("sksubsel_demo.png"))
    demo.add_argument("--table", type=Path, help="also write every training's row to this CSV")
    demo.add_argument("--n-jobs", type=int, default=2, help="trainings side by side (default 2)")
    demo.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    from sksubsel.demo import run_demo

    try:
        run_demo(figure=args.figure, table=args.table, n_jobs=args.n_jobs, seed=args.seed)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except (OSError, ValueError, ImportError) as error:
        print(f"sksubsel: error: {error}", file=sys.stderr)
        return 1
    return 0
