"""Facility location: time and peak memory beside apricot, and at sizes where no n x n matrix fits.

Each fit runs in a process of its own, so that its peak memory (resident, everything imported
included) is its own; a small fit before it takes compilation out of the time. Sides take turns;
medians over repeats. Aims, beside apricot (lazy greedy, n=10,000, k=1,000, 64 features, the same
kernel): at least 5 times faster, gains equal to 1e-4, no more memory. Fashion-MNIST, n=60,000,
k=6,000: within 1.5 GB. n=1,000,000, k=10,000, 64 features: finishes within 4 GB.

Needs ``pip install apricot-select`` for the first part and ``"sksubsel[neighbors]"`` for large n.

Run: python benchmarks/facility_location.py [--parts apricot fashion million --repeats 3]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from _machine import describe

GAMMA = 1 / 256  # near one over twice the median squared distance of the clusters below


def clusters(n, d=64, n_clusters=50):
    """Rows around random centres, float32."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((n_clusters, d), dtype=np.float32)
    X = centres[rng.integers(n_clusters, size=n)]
    for start in range(0, n, 100_000):
        part = X[start : start + 100_000]
        part += rng.standard_normal(part.shape, dtype=np.float32)
    return X


def rbf(X):
    """The kernel of both sides, float32 (n, n); apricot has no rbf of its own."""
    squared = np.einsum("nf,nf->n", X, X)
    K = X @ (2 * X.T)
    K -= squared
    K -= squared[:, None]
    K *= GAMMA
    np.fill_diagonal(K, 0)
    return np.exp(np.minimum(K, 0, out=K), out=K)


def apricot(X, k, metric):
    from apricot import FacilityLocationSelection

    return FacilityLocationSelection(k, metric=metric, optimizer="lazy").fit(X).gains


def apricot_rbf(X, k):
    return apricot(rbf(X), k, "precomputed")


def ours(X, k, **params):
    from sksubsel.baselines.submodular import FacilityLocation

    return FacilityLocation(k, random_state=0, **params).fit(X).gains_


def fashion(k, **params):
    from sksubsel.baselines.submodular import FacilityLocation
    from sksubsel.datasets import load_fashion_mnist
    from sksubsel.features import InstanceFeatures

    data = load_fashion_mnist()
    X = InstanceFeatures().fit_transform(data["data"])
    y = data["target"]
    start = time.perf_counter()
    selector = FacilityLocation(k, random_state=0, **params).fit(X, y)
    return selector.gains_, time.perf_counter() - start


def timed(function, *args, **params):
    start = time.perf_counter()
    gains = function(*args, **params)
    return gains, time.perf_counter() - start


SIDES = {
    "apricot, kernel given": lambda: timed(apricot, rbf(clusters(10_000)), 1000, "precomputed"),
    "sksubsel, kernel given": lambda: timed(
        ours, rbf(clusters(10_000)), 1000, kernel="precomputed"
    ),
    "apricot, from features": lambda: timed(apricot_rbf, clusters(10_000), 1000),
    "sksubsel, from features": lambda: timed(ours, clusters(10_000), 1000, gamma=GAMMA),
    "Fashion-MNIST, by class": lambda: fashion(6000, stratify="equal"),
    "Fashion-MNIST, 32 neighbours": lambda: fashion(6000, mode="sparse"),
    "a million, 32 neighbours": lambda: timed(
        ours, clusters(1_000_000, n_clusters=1000), 10_000, memory_limit=None
    ),
}


def run(side, out):
    """In a process of its own: one fit, its time, gains and the process's peak memory."""
    small = clusters(500)
    if side.startswith("apricot"):
        apricot(small, 20, "cosine")
    else:
        ours(small, 20, mode="sparse")
        ours(small, 20, mode="dense")
    gains, seconds = SIDES[side]()
    np.save(out, gains)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps({"seconds": seconds, "peak": peak}))


def measure(sides, repeats):
    """Median seconds, largest peak in GB, and gains of each side, which take turns."""
    results = {side: [] for side in sides}
    gains = {}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "gains.npy"
        for _ in range(repeats):
            for side in sides:
                command = [sys.executable, __file__, "--side", side, "--out", str(out)]
                done = subprocess.run(command, capture_output=True, text=True)
                if done.returncode:
                    raise RuntimeError(f"{side}:\n{done.stderr}")
                results[side].append(json.loads(done.stdout.splitlines()[-1]))
                gains[side] = np.load(out)
    for side, values in results.items():
        seconds = [value["seconds"] for value in values]
        peak = max(value["peak"] for value in values)
        results[side] = statistics.median(seconds), peak
        times = ", ".join(f"{s:.2f}" for s in seconds)
        print(f"{side}: {results[side][0]:.2f} s (of {times}), peak {peak:.2f} GB", flush=True)
    return results, gains


def beside_apricot(repeats):
    if importlib.util.find_spec("apricot") is None:
        print("apricot is not installed: pip install apricot-select to compare with it")
        return
    for what in ("kernel given", "from features"):
        sides = [f"{name}, {what}" for name in ("apricot", "sksubsel")]
        results, gains = measure(sides, repeats)
        theirs, mine = (results[side] for side in sides)
        line = (
            f"  {what}: {theirs[0] / mine[0]:.1f} times faster (aim: at least 5), "
            f"{mine[1] / theirs[1]:.2f} of the memory (aim: at most 1)"
        )
        difference = np.abs(gains[sides[1]] / gains[sides[0]] - 1).max()
        print(f"{line}, gains differ by {difference:.1e} at most (aim: 1e-4)", flush=True)


def within(side, limit):
    results, _ = measure([side], 1)
    peak = results[side][1]
    print(f"  {'within' if peak <= limit else 'ABOVE'} {limit} GB", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="+", default=["apricot", "fashion", "million"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--side", help=argparse.SUPPRESS)
    parser.add_argument("--out", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        run(args.side, args.out)
        return
    print(describe(torch=False), flush=True)
    if "apricot" in args.parts:
        beside_apricot(args.repeats)
    if "fashion" in args.parts:
        within("Fashion-MNIST, by class", 1.5)
        within("Fashion-MNIST, 32 neighbours", 1.5)
    if "million" in args.parts:
        within("a million, 32 neighbours", 4.0)


if __name__ == "__main__":
    main()
