"""How well the cheap probe of ``SubSelNet.score`` ranks settings, beside training on the subset.

Digits images; one zoo; selection by design, and a grid of lam, diversity and sampling; each setting
scored by the probe and by training held-out architectures on what it selects for them (mean over
seeds). Prints both scores and their Kendall rank correlation, with designs and without. About five
minutes on two cores:
``python benchmarks/probe_ranking.py``
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from _machine import describe
from joblib import Parallel, delayed
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split

from sksubsel import ArchitectureClassifier, ModelZoo, SubSelNet
from sksubsel.datasets import load_digits_images
from sksubsel.metrics import kendall_tau
from sksubsel.spaces import NASBench101

LAMS = (0.0, 0.1, 0.3, 1.0, 3.0)
SEEDS = (0, 1, 2)
SETTINGS = [
    {"diversity": "design", "mode": "inductive"},
    {"diversity": "design"},
    *({"diversity": "entropy", "sampling": "sample", "lam": lam} for lam in LAMS),
    # the order of the weights, and so the top, does not depend on lam
    {"diversity": "entropy", "sampling": "top"},
    *({"diversity": "coverage", "sampling": "top", "lam": lam} for lam in LAMS),
]


def score(net, arch, zoo, X_test, y_test, seed):
    rows = net.select(arch, random_state=seed)
    return zoo.train(arch, rows, random_state=seed).score(X_test, y_test)


def main():
    X, y = load_digits_images(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=500, stratify=y, random_state=0
    )
    space = NASBench101(stem_channels=8, n_stacks=2, n_cells=1)
    cells = space.sample(503, random_state=0)
    unseen, seen = cells[:3], cells[3:]
    recipe = ArchitectureClassifier(build=space.build, max_epochs=10, min_steps=120)
    zoo = ModelZoo(recipe, n_pretrained=12, n_jobs=2, random_state=0).fit(seen, X_train, y_train)
    first = SubSelNet(mode="transductive", random_state=0).fit(seen, zoo)
    frozen = {
        "encoder": FrozenEstimator(first.encoder_),
        "approximator": FrozenEstimator(first.approximator_),
    }
    held_out = ModelZoo(recipe, random_state=0).fit(unseen, X_train, y_train)
    rows = []
    for budget in (0.05, 0.1):
        for setting in SETTINGS:
            params = {"mode": "transductive", **setting}
            net = SubSelNet(**params, budget=budget, random_state=0, **frozen).fit(seen, zoo)
            trained = Parallel(n_jobs=2)(
                delayed(score)(net, arch, zoo, X_test, y_test, seed)
                for arch in unseen
                for seed in SEEDS
            )
            scores = {"probe": net.score(unseen, held_out), "train": np.mean(trained)}
            rows.append({"budget": budget, **params, **scores})
    table = pd.DataFrame(rows)
    print(describe())
    print(table.round(4).to_string(index=False, na_rep=""))
    for budget, part in table.groupby("budget"):
        others = part[part.diversity != "design"]
        best = part.loc[part.probe.idxmax()]
        print(
            f"budget {budget:.0%}: Kendall tau {kendall_tau(part.probe, part.train):.2f}, without "
            f"designs {kendall_tau(others.probe, others.train):.2f}; trained accuracy of the "
            f"probe's choice {best.train:.4f}, of the best setting {part.train.max():.4f}, mean "
            f"over settings {part.train.mean():.4f}"
        )


if __name__ == "__main__":
    main()
