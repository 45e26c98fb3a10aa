"""Selection by design through the whole of SubSelNet, for small NAS-Bench-101 cells.

Fashion-MNIST, 20,000 rows of the training file, images averaged down to 14 x 14; 12 cells trained
as the zoo of 500; four others, of which SubSelNet has seen nothing, trained on what is selected
for them and judged on the 10,000 test images. One recipe for all: AdamW, one-cycle, batches of 64,
10 epochs and at least 400 steps. Differences are to class-balanced random rows, seed by seed; each
seed has random features of its own as well. Seconds of a selection are without what `fit` prepares.

Progress is kept in a folder: a run that was stopped goes on where it was.

Run: python benchmarks/design_cells.py [--seeds 5] [--store design_cells] [--jobs 2]
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import joblib
import numpy as np
from _machine import describe
from _pool import print_gains, rows_of
from joblib import Parallel, delayed
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from sksubsel import ArchitectureClassifier, ModelZoo, SubSelNet
from sksubsel import baselines as b
from sksubsel.datasets import load_fashion_mnist
from sksubsel.demo import fit_selector
from sksubsel.spaces import NASBench101

BUDGETS = [0.01, 0.02, 0.05, 0.1, 0.2]
RANDOM = "class-balanced random"
METHODS = {
    RANDOM: b.Random(stratify="equal"),
    "design, transductive": SubSelNet(mode="transductive"),
    "design, inductive": SubSelNet(mode="inductive"),
    "coverage": SubSelNet("transductive", diversity="coverage"),
    "entropy, transductive": SubSelNet("transductive", diversity="entropy"),
    "RidgeDesign": b.RidgeDesign(),
}


def load():
    images = load_fashion_mnist()
    rows = np.random.default_rng(0).permutation(len(images.data))[:20_000]
    X, X_test = (
        part.reshape(-1, 1, 14, 2, 14, 2).mean((3, 5)) for part in (images.data, images.test_data)
    )
    return X[rows], images.target[rows], X_test, images.test_target


def fit_nets(store, n_jobs):
    """The zoo, the cells (the first four are judged) and the recipe; fitted parts are stored."""
    space = NASBench101(stem_channels=8, n_stacks=2, n_cells=1)
    cells = space.sample(504, random_state=0)
    X, y, *_ = load()
    recipe = ArchitectureClassifier(
        build=space.build, max_epochs=10, min_steps=400, batch_size=64, lr=1e-2, weight_decay=1e-2
    )
    zoo = ModelZoo(
        clone(recipe).set_params(max_epochs=6), n_pretrained=12, n_jobs=n_jobs,
        store=store / "zoo", random_state=0,
    ).fit(cells[4:], X, y)  # fmt: skip
    path = store / "net.joblib"
    if not path.exists():
        joblib.dump(SubSelNet("transductive", random_state=0).fit(cells[4:], zoo), path)
    return zoo, cells, recipe


def run(method, seed, store, zoo, cells, recipe):
    path = store / f"{method} {seed}.json"
    done = json.loads(path.read_text()) if path.exists() else {}
    if all(f"{budget}" in done for budget in BUDGETS):
        return
    X, y, X_test, y_test = load()
    selector = clone(METHODS[method])
    with threadpool_limits(1):
        if isinstance(selector, SubSelNet):
            fitted = joblib.load(store / "net.joblib")
            selector.set_params(random_state=seed)
            selector = fit_selector(selector, fitted, cells[4:], zoo)
        made = {}
        for budget in BUDGETS:
            if f"{budget}" in done:
                continue
            found, rows = [], None
            for cell in cells[:4]:
                start = time.perf_counter()
                if isinstance(selector, SubSelNet):
                    rows = selector.select(cell, budget)
                elif rows is None:
                    rows = rows_of(selector, X, y, budget, seed, made)
                seconds = time.perf_counter() - start
                model = clone(recipe).set_params(architecture=cell, random_state=seed)
                accuracy = model.fit(X[rows], y[rows]).score(X_test, y_test)
                found.append([float(accuracy), seconds])
            done[f"{budget}"] = found
            path.write_text(json.dumps(done))


def report(methods, seeds, store):
    def read(method):
        runs = [json.loads((store / f"{method} {seed}.json").read_text()) for seed in seeds]
        return np.array([[r[f"{budget}"] for budget in BUDGETS] for r in runs])

    print_gains("4 cells", {m: read(m) for m in methods}, BUDGETS, seeds, RANDOM)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--store", type=Path, default=Path("design_cells"))
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    if args.seeds < 2:
        parser.error("--seeds must be at least 2: the error is over seeds")
    print(describe(), flush=True)
    args.store.mkdir(parents=True, exist_ok=True)
    zoo, cells, recipe = fit_nets(args.store, args.jobs)
    print(f"zoo: training accuracy {zoo.accuracies_.mean():.3f}", flush=True)
    methods, seeds = list(dict.fromkeys([RANDOM, *args.only])), range(args.seeds)
    Parallel(args.jobs)(
        delayed(run)(method, seed, args.store, zoo, cells, recipe)
        for method in methods
        for seed in seeds
    )
    report(methods, seeds, args.store)


if __name__ == "__main__":
    main()
