"""The ``sksubsel`` command: thin over the API."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def main(argv=None) -> int:
    """Run the command line; returns the exit code."""
    args = _parser().parse_args(argv)
    try:
        args.run(args)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        print(f"sksubsel: error: {error}", file=sys.stderr)
        return 1
    return 0


def _parser():
    parser = argparse.ArgumentParser(
        prog="sksubsel", description="Choose training subsets for architectures never seen."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser(
        "demo",
        help="train a zoo on the digits images, select for unseen architectures, compare",
        description="The main job on data that come with scikit-learn, in a few minutes.",
    )
    demo.add_argument("--figure", type=Path, default=Path("sksubsel_demo.png"))
    demo.add_argument("--table", type=Path, help="also write every training's row to this CSV")
    demo.add_argument("--n-jobs", type=int, default=2, help="trainings side by side (default 2)")
    demo.add_argument("--seed", type=int, default=0)
    demo.set_defaults(run=_demo)
    compare = commands.add_parser(
        "compare",
        help="compare selectors as a TOML file describes; goes on where it was stopped",
        description="Train the zoo and what each selector chooses, as the file says (see "
        "sksubsel.benchmark.read_config), and report. A stopped run goes on where it was.",
    )
    compare.add_argument("config", type=Path)
    compare.add_argument(
        "--folder", type=Path, help="for the zoo, records and tables (default: the file's name)"
    )
    compare.add_argument("--only", nargs="+", metavar="NAME", help="selectors to run now")
    compare.add_argument("--budgets", nargs="+", type=_budget, help="budgets to run now")
    compare.add_argument("--seeds", nargs="+", type=int, help="seeds to run now")
    compare.add_argument("--n-jobs", type=int, default=2, help="trainings side by side (default 2)")
    compare.set_defaults(run=_compare)
    report = commands.add_parser(
        "report",
        help="means, paired tests and figures of a comparison's table",
        description="What a table of `compare` says, printed, and drawn beside it.",
    )
    report.add_argument("table", type=Path, help="CSV file of a comparison")
    for command in (compare, report):
        command.add_argument(
            "--reference",
            metavar="NAME",
            default="class-balanced random",
            help="method that gains are over (default: 'class-balanced random')",
        )
    report.set_defaults(run=_report)
    return parser


def _budget(text):
    return int(text) if text.isdigit() else float(text)


def _demo(args):
    from sksubsel.demo import run_demo

    run_demo(figure=args.figure, table=args.table, n_jobs=args.n_jobs, seed=args.seed)


def _compare(args):
    from sksubsel.benchmark import run_config

    folder = args.folder or Path(args.config.stem)
    parts = {name: getattr(args, name) for name in ("only", "budgets", "seeds")}
    run_config(args.config, folder, **parts, n_jobs=args.n_jobs)
    _print_report(folder / f"{args.config.stem}.csv", args.reference)


def _report(args):
    _print_report(args.table, args.reference)


def _print_report(path, reference):
    """Print a table's summary and draw its figures into its folder."""
    import pandas as pd

    from sksubsel.benchmark import (
        FULL_DATA,
        LEGEND,
        format_table,
        rank_agreement,
        speedup_at,
        summarize,
    )

    table = pd.read_csv(path)
    print(" | ".join([*sorted(set(table.machine)), " to ".join(sorted({*table.date}))]))
    print(format_table(summarize(table, reference=reference)))
    print(LEGEND)
    if reference not in set(table.method):
        print(f"no gains: there is no method {reference!r} (--reference names another)")
    print("\nSpeed-up at a relative accuracy reduction of 10 % and 20 %, selection counted")
    print(speedup_at(table).round(1).to_string(na_rep="-", header=["10%", "20%"]))
    print("\nThe architectures' order on subsets against that on all data, and their three best")
    print(rank_agreement(table).round(3).to_string(index=False, na_rep="-"))
    try:
        from sksubsel.plotting import AmortizationDisplay, TradeoffDisplay

        subsets = table[table.method != FULL_DATA]
        figures = {
            "rar_speedup": TradeoffDisplay.from_frame(subsets).plot(),
            "rar_memory": TradeoffDisplay.from_frame(subsets, x="gb_minutes").plot()
            if subsets.gb_minutes.notna().any()
            else None,
        }
        for budget in sorted(set(subsets.budget)):
            display = AmortizationDisplay.from_frame(table, budget=budget).plot()
            figures[f"amortization_{budget:g}"] = display
    except ImportError as error:
        print(f"no figures: {error}", file=sys.stderr)
        return
    for name, display in figures.items():
        if display is not None:
            file = path.with_name(f"{path.stem}_{name}.png")
            display.figure_.savefig(file, dpi=150, bbox_inches="tight")
            print(f"figure saved to {file}")
