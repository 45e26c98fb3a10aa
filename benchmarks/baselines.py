"""Accuracy and seconds of the selectors that know no architecture: the table of docs/choosing.md.

Fashion-MNIST, the 64 features of InstanceFeatures, 20,000 rows to select from and 5,000 to test
on, both of the training file. A support vector machine and a logistic regression are fitted on the
rows selected, with weights only where the line says so. ``--noise 0.2`` gives that share of the
training rows a label drawn at random. Three seeds where a selector takes one, else one fit.

Run: python benchmarks/baselines.py [--noise 0.2] [--only RidgeDesign CCS] [--rows 20000]
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from _machine import describe
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from sksubsel import baselines as b
from sksubsel.datasets import load_fashion_mnist
from sksubsel.features import InstanceFeatures

SELECTORS = {
    "Random": b.Random(),
    "Random, equal": b.Random(stratify="equal"),
    "Herding": b.Herding(),
    "KCenterGreedy": b.KCenterGreedy(),
    "KCenterGreedy, equal": b.KCenterGreedy(stratify="equal"),
    "KMeansMedoids": b.KMeansMedoids(),
    "KMeansMedoids, equal": b.KMeansMedoids(stratify="equal"),
    "KMeansMedoids, equal, weighted": b.KMeansMedoids(stratify="equal", weighted=True),
    "Moderate": b.Moderate(),
    "FacilityLocation": b.FacilityLocation(),
    "FacilityLocation, equal": b.FacilityLocation(stratify="equal"),
    "GraphCut, equal": b.GraphCut(stratify="equal"),
    "SaturatedCoverage, equal": b.SaturatedCoverage(stratify="equal"),
    "LogDeterminant, equal": b.LogDeterminant(stratify="equal"),
    "RidgeDesign": b.RidgeDesign(),
    "RidgeDesign, logistic regression as estimator": b.RidgeDesign(
        estimator=LogisticRegression(max_iter=500)
    ),
    "CRAIG": b.CRAIG(),
    "CRAIG, weighted": b.CRAIG(),
    "GLISTER": b.GLISTER(),
    "GradMatch, weighted": b.GradMatch(),
    "Uncertainty": b.Uncertainty(),
    "EL2N": b.EL2N(),
    "Forgetting, equal": b.Forgetting(stratify="equal"),
    "D2Pruning": b.D2Pruning(),
    "CCS": b.CCS(),
    "CCS, equal": b.CCS(stratify="equal"),
    "DUAL": b.DUAL(),
    "BottomLoss, equal": b.BottomLoss(stratify="equal"),
    "BottomLoss, equal, gumbel": b.BottomLoss(stratify="equal", gumbel=True),
}
BUDGETS = 0.01, 0.05, 0.1
N_TEST, N_SEEDS = 5_000, 3


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--noise", type=float, default=0.0, help="share of labels drawn at random")
    parser.add_argument("--only", nargs="+", choices=SELECTORS, default=list(SELECTORS))
    parser.add_argument("--rows", type=int, default=20_000, help="rows to select from")
    args = parser.parse_args()
    print(describe())
    X, y = load_fashion_mnist(return_X_y=True)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(X))
    train, test = order[: args.rows], order[args.rows : args.rows + N_TEST]
    features = InstanceFeatures(64)
    Z, Z_test = features.fit_transform(X[train]), features.transform(X[test])
    y_test, y = y[test], y[train]
    wrong = rng.random(len(y)) < args.noise
    y = np.where(wrong, rng.integers(0, 10, len(y)), y)

    def accuracies(rows, weights=None):
        models = SVC(C=5), LogisticRegression(max_iter=2000)
        return [
            100 * model.fit(Z[rows], y[rows], sample_weight=weights).score(Z_test, y_test)
            for model in models
        ]

    if not args.noise:
        print("all rows: {:.1f} / {:.1f}".format(*accuracies(slice(None))))
    print("SVM / logistic regression at", ", ".join(f"{budget:.0%}" for budget in BUDGETS))
    for name in args.only:
        selector, seconds = SELECTORS[name], []
        found = np.zeros((len(BUDGETS), 2))
        seeds = range(N_SEEDS if "random_state" in selector.get_params() else 1)
        for seed in seeds:
            for at, budget in enumerate(BUDGETS):
                selector.set_params(budget=budget)
                if len(seeds) > 1:
                    selector.set_params(random_state=seed)
                start = time.perf_counter()
                selector.fit(Z, y)
                seconds.append(time.perf_counter() - start)
                weights = selector.sample_weight_ if "weighted" in name else None
                found[at] += accuracies(selector.sample_indices_, weights)
        table = "   ".join("{:.1f} / {:.1f}".format(*pair) for pair in found / len(seeds))
        print(f"{name:32s} {table}   {max(seconds):.1f} s", flush=True)


if __name__ == "__main__":
    main()
