"""What design is worth to networks of many kinds, and its settings: validation rows only.

Fashion-MNIST, its training file alone: 20,000 rows to select from, 10,000 to judge by. Ten kinds
of small networks (linear, MLPs, CNNs, LeNet, ResNet, ViT, LSTM, mixer) are trained on the 20,000
rows once; the mean of all their probabilities is the selections' target. Then six kinds are
trained on what each selection chose, all in one recipe (AdamW, one-cycle, batches of 32, 20 epochs
and at least 400 steps), and compared with class-balanced random rows, seed by seed.

Progress is kept in a folder: a run that was stopped goes on where it was.

Run: python benchmarks/mixed_pool.py [--only base lam=2] [--seeds 4] [--budgets 200 1000 2000]
     [--store mixed_pool] [--jobs 2]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from _machine import describe
from _pool import fit, of_pool, predictions_of_kinds
from joblib import Parallel, delayed

from sksubsel.datasets import load_fashion_mnist
from sksubsel.features import InstanceFeatures

N_TRAIN, N_VALID = 20_000, 10_000
KINDS = "linear", "mlp", "mlp3", "lenet", "cnn4", "cnn16", "resnet", "vit", "lstm", "mixer"
JUDGED = "linear", "mlp", "lenet", "cnn16", "resnet", "vit"
SETTINGS = {  # of DesignIndex, one change at a time
    "base": {},
    "no exchange": {"n_sweeps": 0},
    "8 sweeps": {"n_sweeps": 8},
    "temperature=1": {"temperature": 1.0},
    "temperature=0.7": {"temperature": 0.7},
    "temperature=0.3": {"temperature": 0.3},
    "features alone": {"block_weight": 0.0},
    "block_weight=1": {"block_weight": 1.0},
    "bandwidth=0.15": {"bandwidth": 0.15},
    "bandwidth=0.5": {"bandwidth": 0.5},
    "lam=0.5": {"lam": 0.5},
    "lam=2": {"lam": 2.0},
    "d=2048": {"n_components": 2048},
}


def load(store, n_jobs):
    """X, y, the pool's mean probabilities, features; and X, y to judge by."""
    store.mkdir(parents=True, exist_ok=True)
    X, y = load_fashion_mnist(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(X))
    train, valid = order[:N_TRAIN], order[N_TRAIN : N_TRAIN + N_VALID]
    proba = predictions_of_kinds(KINDS, X[train], y[train], store, n_jobs)
    features = InstanceFeatures(random_state=0).fit_transform(X[train])
    mean = np.mean(list(proba.values()), axis=0)
    return X[train], y[train], mean, features, X[valid], y[valid]


def random_rows(y, budget, seed):
    """As many of each of ten classes."""
    rng = np.random.default_rng(seed)
    per_class = [rng.choice(np.flatnonzero(y == c), budget // 10, False) for c in range(10)]
    return np.concatenate(per_class)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = ["coverage", *SETTINGS]
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--budgets", type=int, nargs="+", default=[200, 1000, 2000])
    parser.add_argument("--store", type=Path, default=Path("mixed_pool"))
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    print(describe())
    X, y, mean, features, X_valid, y_valid = load(args.store, args.jobs)

    def select(name, budget, seed):
        if name == "class-balanced random":
            return random_rows(y, budget, seed + 100)
        method = "coverage" if name == "coverage" else "design"
        return of_pool(method, mean, features, y, seed, **SETTINGS.get(name, {}))(budget)

    def judge(kind, rows, seed):
        return fit(kind, X[rows], y[rows], seed).score(X_valid, y_valid)

    for budget in args.budgets:
        found = {}
        for name in ["class-balanced random", *args.only]:
            path = args.store / f"{name} {budget}.json"
            done = json.loads(path.read_text()) if path.exists() else []
            for seed in range(len(done), args.seeds):
                rows = select(name, budget, seed)
                done.append(
                    Parallel(args.jobs)(delayed(judge)(kind, rows, seed) for kind in JUDGED)
                )
                path.write_text(json.dumps(done))
            found[name] = 100 * np.array(done[: args.seeds])
            gain = (found[name] - found["class-balanced random"]).mean(axis=1)
            error = gain.std(ddof=1) / np.sqrt(len(gain)) if len(gain) > 1 else np.nan
            print(
                f"{budget:6d} rows  {name:24s} {found[name].mean():.2f}  "
                f"{gain.mean():+.2f} +- {error:.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
