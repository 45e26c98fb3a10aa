"""How time and memory grow with N instances, A architectures and V nodes: figures and exponents.

Each stage is run at sizes a half decade apart, its set-up not counted, until a size is the last or
took longer than ``--limit``. The exponent is the slope of log time (of log memory) over the last
four sizes; in N nothing may be above 1 but dense facility location, which is shown for contrast.
1.15 and more is marked: what is n log n, or falls out of a cache, looks like up to that.

Run: python -m benchmarks.growth [--stages "encoder fit" features] [--axes N A V]
     [--largest 1000000] [--limit 60] [--out growth]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from benchmarks._growth_stages import STAGES
from benchmarks._machine import describe
from benchmarks._measure import once

SIZES = {
    "N": (1000, 3162, 10_000, 31_623, 100_000, 316_228, 1_000_000),
    "A": (10, 32, 100, 316, 1000),
    "V": (5, 16, 50, 158, 500),
}
WORST, LAST = 1.15, 4
LEAST_MB = 2.0  # below, what is measured is the allocator


def exponent(sizes, values, least=0.0):
    """Slope of log value over log size at the last sizes, NaN if fewer than two count."""
    found = [(size, value) for size, value in zip(sizes, values) if value > least][-LAST:]
    if len(found) < 2:
        return float("nan")
    return float(np.polyfit(*np.log(found).T, 1)[0])


def measure(stage, axis, largest, limit):
    """Sizes, seconds and MB of one stage along one axis, printed as they come."""
    sizes, seconds, memory = [], [], []
    for size in SIZES[axis]:
        if axis == "N" and size > largest:
            break
        work = STAGES[stage][axis](size)
        if work is None:
            print(f"  {axis}={size:,d} would be too large: stopped", flush=True)
            break
        work()  # what is kept from call to call, and what is loaded on first use
        side = once(work)
        if side.seconds < 0.05:  # one short run would be noise
            side = min((once(work) for _ in range(5)), key=lambda found: found.seconds)
        sizes.append(size)
        seconds.append(side.seconds)
        memory.append(side.peak)
        print(f"  {axis}={size:<9,d} {side.seconds:9.4f} s {side.peak:9.1f} MB", flush=True)
        if side.seconds > limit:
            print(f"  over {limit:g} s: stopped", flush=True)
            break
    return sizes, seconds, memory


def plot(found, axis, path):
    """Time and memory of all stages along one axis, on logarithmic scales."""
    from sksubsel.plotting._style import curve_style, import_pyplot

    plt = import_pyplot()
    figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    for k, (stage, (sizes, seconds, memory)) in enumerate(found.items()):
        axes[0].plot(sizes, seconds, label=stage, **curve_style(k))
        axes[1].plot(sizes, np.maximum(memory, 0.1), **curve_style(k))
    for ax, label in zip(axes, ("Time (s)", "Peak memory above what was held (MB)")):
        ax.set(xscale="log", yscale="log", xlabel=axis, ylabel=label)
        ax.grid(visible=True, color="0.9", linewidth=0.6)
    figure.legend(loc="outside right upper", frameon=False, fontsize="small")
    figure.savefig(path, dpi=150)
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.growth", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    parser.add_argument("--axes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--largest", type=int, default=1_000_000, help="largest N")
    parser.add_argument("--limit", type=float, default=60, help="seconds beyond which to stop")
    parser.add_argument("--out", type=Path, default=Path("growth"), help="folder")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    machine = describe()
    print(machine, flush=True)
    table = []
    for axis in args.axes:
        found = {}
        for stage in args.stages:
            if axis not in STAGES[stage]:
                continue
            print(f"\n{stage}", flush=True)
            found[stage] = sizes, seconds, memory = measure(stage, axis, args.largest, args.limit)
            time, space = exponent(sizes, seconds), exponent(sizes, memory, LEAST_MB)
            table.append((stage, axis, sizes[-1], seconds[-1], memory[-1], time, space))
            record = dict(zip(("sizes", "seconds", "mb"), found[stage]))
            with (args.out / "growth.jsonl").open("a") as file:
                file.write(
                    json.dumps({"stage": stage, "axis": axis, "machine": machine, **record}) + "\n"
                )
        if found:
            plot(found, axis, args.out / f"growth_{axis}.png")
    print(f"\n{'stage':32s} axis   largest      time    memory  exponents of time, memory")
    for stage, axis, size, seconds, memory, *slopes in table:
        said = ["  flat" if np.isnan(slope) else f"{slope:6.2f}" for slope in slopes]
        worse = axis == "N" and stage != "facility location, dense" and max(slopes) > WORST
        print(
            f"{stage:32s} {axis:4s} {size:9,d} {seconds:8.3f} s {memory:6.0f} MB  "
            f"{' '.join(said)}{'  MORE THAN LINEAR' * worse}"
        )
    print(f"\nfigures and growth.jsonl: {args.out}")


if __name__ == "__main__":
    main()
