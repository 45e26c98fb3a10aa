"""Speed and memory beside the alternatives: a table of ratios.

Each row runs both sides in this process, on the same data, in turn; medians over repeats. Figures
of a machine that does other work are rough: the first line tells its load.

Run: python -m benchmarks [encoder select ...] [--scale 0.01] [--repeats 3] [--out rows.jsonl]
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
import traceback
from pathlib import Path

from benchmarks._machine import describe
from benchmarks.stages import ROWS


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__.splitlines()[0]
    )
    parser.add_argument("rows", nargs="*", metavar="row", help=f"of {', '.join(ROWS)}; all")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="shrinks sizes, for trying; goals are about 1"
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, help="JSON lines to append to")
    parser.add_argument(
        "--full", action="store_true", help="imagenet with 2,048 features: 5.2 GB on disk"
    )
    args = parser.parse_args()
    unknown = sorted(set(args.rows) - set(ROWS))
    if unknown:
        parser.error(f"rows must be of {', '.join(ROWS)}; got {', '.join(unknown)}")
    if not 0 < args.scale <= 1 or args.repeats < 1:
        parser.error(
            f"--scale must be in (0, 1] and --repeats at least 1; got {args.scale}, {args.repeats}"
        )
    machine = describe()
    print(machine, flush=True)
    failed = False
    for row in args.rows or ROWS:
        start = time.perf_counter()
        try:
            stage = importlib.import_module(f"benchmarks.stages.{row}")
            for line in stage.run(args.scale, args.repeats, args.full):
                print(f"\n{line.text()}", flush=True)
                if args.out is not None:
                    args.out.parent.mkdir(parents=True, exist_ok=True)
                    with args.out.open("a") as file:
                        file.write(line.json(scale=args.scale, machine=machine) + "\n")
        except Exception:  # one row must not take the others down
            failed = True
            print(f"\n{row}: FAILED", flush=True)
            traceback.print_exc()
        print(f"  ({row} took {time.perf_counter() - start:.0f} s)", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
