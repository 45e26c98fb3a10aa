"""Selection by design: seconds and memory, cold and for each further architecture.

Each case runs in a process of its own, so that its peak of memory is its own. Synthetic data:
clusters in 64 dimensions, and targets that are noisy probabilities of the labels. Beside it, in the
same run, what a loop that refits the regression for each candidate would take, extrapolated from a
few of its steps.

Run: python benchmarks/design.py [--quick]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time

import numpy as np
from _machine import describe

# N, B, C, components kept (of twice as many random features), goals in seconds cold and for a
# further architecture, and in GiB
CASES = {
    "20,000 rows, 1,000 chosen": (20_000, 1_000, 10, 1024, 15, 2, None),
    "60,000 rows, 6,000 chosen": (60_000, 6_000, 10, 1024, 90, None, None),
    "ImageNet's size, 12,811 chosen": (1_281_167, 12_811, 1000, 512, None, None, 4),
}
QUICK = {"2,000 rows, 100 chosen": (2_000, 100, 10, 256, None, None, None)}


def make(n_samples, n_classes, seed=0):
    """Features (N, 64), labels (N,) and two targets (N, C), float32."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_classes, n_samples)
    centres = rng.normal(size=(4 * n_classes, 64)).astype(np.float32)
    features = rng.standard_normal((n_samples, 64), dtype=np.float32)
    for part in np.array_split(np.arange(n_samples), -(-n_samples // 100_000)):
        features[part] += centres[labels[part] + n_classes * rng.integers(0, 4, len(part))]
    return features, labels


def make_target(labels, n_classes, seed):
    """Probabilities that mostly agree with the labels, for the rows asked for: (n, C) float32."""
    sure = np.random.default_rng(seed).random(len(labels), dtype=np.float32) * 0.6 + 0.2

    def target(rows):
        out = np.full((len(rows), n_classes), 0.2 / n_classes, dtype=np.float32)
        out[np.arange(len(rows)), labels[rows]] = sure[rows]
        return out

    return target


def peak_gib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def measure(n_samples, budget, n_classes, n_components, *_):
    """Seconds and GiB of one case, in this process."""
    from sksubsel.samplers.design import DesignIndex

    features, labels = make(n_samples, n_classes)
    targets = [make_target(labels, n_classes, seed) for seed in (1, 2)]
    before = peak_gib()
    start = time.perf_counter()
    index = DesignIndex(features, labels, n_components=n_components, random_state=0)
    first = index.select(targets[0], budget)
    cold = time.perf_counter() - start
    start = time.perf_counter()
    second = index.select(targets[1], budget)
    further = time.perf_counter() - start
    out = {"cold": cold, "further": further, "before": before, "peak": peak_gib()}
    out["overlap"] = len(np.intersect1d(first.rows, second.rows)) / budget
    if n_samples <= 20_000:
        out["refitting"] = refitting(index, targets[0](np.arange(n_samples)), budget)
    return out


def refitting(index, target, budget, n_steps=3):
    """Seconds that a fresh solve for each candidate would take: three solves, times N B."""
    phi = index.fourier(index.inputs)  # before the principal components are taken
    outputs = np.eye(target.shape[1], dtype=np.float32)[index.labels]
    rows = np.arange(min(budget, len(phi)))
    start = time.perf_counter()
    for _ in range(n_steps):
        part = phi[rows]
        gram = part.T @ part + np.eye(part.shape[1], dtype=np.float32)
        np.square(target - phi @ np.linalg.solve(gram, part.T @ outputs[rows])).sum()
    return (time.perf_counter() - start) / n_steps * len(phi) * budget


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one small case")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    args = parser.parse_args()
    cases = QUICK if args.quick else CASES
    if args.case:
        print(json.dumps(measure(*cases[args.case])))
        return
    print(describe(torch=False))
    for name, case in cases.items():
        command = [sys.executable, __file__, "--case", name] + ["--quick"] * args.quick
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        found = json.loads(output.splitlines()[-1])
        goals = [
            f"goal {goal} {unit}" for goal, unit in zip(case[4:], ("s cold", "s", "GiB")) if goal
        ]
        kept = f"{2 * case[3]:,} random features, {case[3]:,} components kept"
        print(f"\n{name} ({kept}; {', '.join(goals) or 'no goal'})")
        print(f"  cold {found['cold']:.1f} s, a further architecture {found['further']:.1f} s")
        print(
            f"  peak {found['peak']:.2f} GiB, of which data and interpreter {found['before']:.2f}; "
            f"{found['overlap']:.0%} of the rows the same for both"
        )
        if "refitting" in found:
            print(f"  refitting for each candidate: about {found['refitting'] / 86_400:,.0f} days")


if __name__ == "__main__":
    main()
