"""Architectures searched for on subsets: test error of what is found (Table 4).

DARTS, differentiable search, on some images of Fashion-MNIST, 14 x 14 pixels: on all of them, and
on 10, 20 and 40 % that are random, class-balanced random or chosen by a SubSelNet, whose rows
follow the genotype. SubSelNet learns from a few DARTS networks trained before. The architecture
that a search ends with is trained on all of the images and judged on the data set's own test
images; so are some architectures drawn at random, which a search should beat.

In the folder: zoo/, checkpoints of the searches and nas.csv, from which an interrupted run goes on;
nas.png.

Run: python benchmarks/protocol/nas.py [--folder nas] [--budgets 0.1 0.2 0.4] [--seeds 0]
     [--images 4000] [--epochs 6] [--final-epochs 6] [--zoo 6] [--drawn 3]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from _common import Rows, describe, plot_errors
from sklearn.base import clone

from sksubsel import ArchitectureClassifier, ModelZoo, SubSelNet
from sksubsel.baselines import Random
from sksubsel.benchmark.data import load_data
from sksubsel.search import DARTSSearch
from sksubsel.spaces import DARTS

FULL, DRAWN = "full data", "no search"
SIZES = {"stem_channels": 4, "n_layers": 3}
N_SEEN = 60  # architectures that SubSelNet knows, of which a few are trained


def load(n_images):
    """Images to search and train on, and the data set's own test images."""
    data = load_data("fashion_mnist", [0.7, 0.1, 0.2], "test", 2, 0.0, 1, 0)
    rows = Random(n_images, stratify="proportional", random_state=0).fit(data.X, data.y)
    rows = rows.sample_indices_
    return data.X[rows], data.y[rows], data.X_test, data.y_test


def fit_net(X, y, recipe, n_trained, folder):
    """SubSelNet on a zoo of DARTS networks, and the seconds that both took."""
    seen = DARTS(**SIZES).sample(N_SEEN, random_state=0)
    zoo = ModelZoo(
        recipe, n_pretrained=n_trained, store=folder / "zoo", random_state=0, verbose=1
    ).fit(seen, X, y)  # fmt: skip
    net = SubSelNet(
        mode="transductive", on_novel="ignore", memory=str(folder / "cache"), random_state=0
    ).fit(seen, zoo)
    return net, float(zoo.train_times_.sum()) + sum(net.fit_times_.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("nas"))
    parser.add_argument("--budgets", type=float, nargs="+", default=[0.1, 0.2, 0.4])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--final-epochs", type=int, default=6)
    parser.add_argument("--zoo", type=int, default=6, help="networks trained for SubSelNet")
    parser.add_argument("--drawn", type=int, default=3, help="architectures without a search")
    args = parser.parse_args()
    print(describe(), flush=True)
    args.folder.mkdir(parents=True, exist_ok=True)
    X, y, X_test, y_test = load(args.images)
    recipe = ArchitectureClassifier(build=DARTS(**SIZES).build, max_epochs=args.final_epochs)
    rows = Rows(args.folder / "nas.csv", ["method", "budget", "seed"])

    def keep(arch, genotype, seconds, preparation=0.0, **named):
        start = time.perf_counter()
        model = clone(recipe).set_params(architecture=arch, random_state=named["seed"])
        error = 1 - model.fit(X, y).score(X_test, y_test)
        rows.add(
            **named, error=error, seconds=seconds, final_seconds=time.perf_counter() - start,
            n_parameters=model.n_parameters_, preparation=preparation, genotype=genotype,
        )  # fmt: skip

    net, preparation = fit_net(X, y, recipe, args.zoo, args.folder)
    selectors = {
        "random": Random(),
        "class-balanced random": Random(stratify="equal"),
        "SubSelNet, transductive": net,
    }
    drawn = DARTS(**SIZES).sample(args.drawn, random_state=1)
    for seed in args.seeds:
        jobs = [(name, budget) for budget in sorted(args.budgets) for name in selectors]
        for name, budget in [*jobs, (FULL, 1.0)]:
            if rows.has(name, budget, seed):
                continue
            search = DARTSSearch(
                selectors.get(name), budget=budget, max_epochs=args.epochs, refit=False,
                checkpoint=args.folder / f"{name} {budget:g} {seed}.pt", random_state=seed,
                verbose=1, **SIZES,
            ).fit(X, y)  # fmt: skip
            keep(
                search.best_architecture_, str(search.genotype_),
                sum(epoch["seconds"] for epoch in search.history_),
                preparation if name.startswith("SubSelNet") else 0.0,
                method=name, budget=budget, seed=seed,
            )  # fmt: skip
    for place, arch in enumerate(drawn):
        if not rows.has(DRAWN, 0.0, place):
            keep(arch, "", 0.0, method=DRAWN, budget=0.0, seed=place)
    table = rows.table
    print(table.drop(columns="genotype").to_string(index=False, float_format="{:.4f}".format))
    plot_errors(
        table.assign(share=100 * table.budget), "share", "images searched on (%)",
        args.folder / "nas.png", references=(FULL, DRAWN),
    )  # fmt: skip


if __name__ == "__main__":
    main()
