"""How long `import sksubsel` takes beside its core dependencies; the aim is under twice as long.

Run: python benchmarks/import_time.py [--repeats 7]
"""

from __future__ import annotations

import argparse
import importlib.util
import pathlib
import statistics
import subprocess
import sys

from _machine import describe

ROOT = pathlib.Path(__file__).resolve().parents[1]
TIMER = "import time; start = time.perf_counter(); import {}; print(time.perf_counter() - start)"


def seconds(modules):
    """Time of one import in a fresh process, without the interpreter's own start."""
    command = [sys.executable, "-c", TIMER.format(modules)]
    return float(subprocess.check_output(command, text=True, cwd=ROOT).splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats

    core = ["torch", "sklearn", "skorch", "dgl"]
    core = ", ".join(name for name in core if importlib.util.find_spec(name))
    for modules in (core, "sksubsel"):
        seconds(modules)  # fills the disk cache and writes bytecode
    times = {core: [], "sksubsel": []}
    for _ in range(repeats):  # in turn, so that a busy moment hits both
        for modules, values in times.items():
            values.append(seconds(modules))

    print(describe())
    for modules, values in times.items():
        print(
            f"import {modules}: median {statistics.median(values):.2f} s "
            f"(least {min(values):.2f}, most {max(values):.2f}; {repeats} fresh processes)"
        )
    ratio = statistics.median(times["sksubsel"]) / statistics.median(times[core])
    print(f"ratio {ratio:.2f}, to be under 2")
    return 0 if ratio < 2 else 1


if __name__ == "__main__":
    sys.exit(main())
