"""All displays, on scikit-learn's digits: the pictures of docs/displays.md.

Trains a small zoo of NAS-Bench-101 cells and what the pictures need besides, in one to two
minutes on two cores that do nothing else.

Run: python examples/plot_displays.py [--folder pictures]
"""

import argparse
import time
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from sklearn.base import clone
from sklearn.model_selection import train_test_split

from sksubsel import (
    ArchitectureClassifier,
    ArchitectureEncoder,
    ModelApproximator,
    ModelZoo,
    SubSelNet,
)
from sksubsel.baselines import AUM, Random
from sksubsel.benchmark import compare
from sksubsel.datasets import load_digits_images
from sksubsel.plotting import (
    AmortizationDisplay,
    ApproximatorCalibrationDisplay,
    ArchitectureDisplay,
    LatentMapDisplay,
    ScoreDistributionDisplay,
    SubsetDisplay,
    TradeoffDisplay,
    TrainingDisplay,
)
from sksubsel.spaces import DARTS, NASBench101


def draw_training(recipe, archs, X, y):
    """Loss and accuracy of two networks, judged on a tenth that is held out."""
    models = {
        f"cell {k}": clone(recipe)
        .set_params(architecture=arch, early_stopping=True, n_iter_no_change=10, random_state=0)
        .fit(X, y)
        for k, arch in enumerate(archs, start=1)
    }
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.0), layout="constrained")
    TrainingDisplay.from_estimators(models).plot(axes[0])
    TrainingDisplay.from_estimators(models, measure="accuracy").plot(axes[1])
    return figure


def draw_architectures(space):
    """A cell, and a DARTS network with all its cells written out."""
    cell = ArchitectureDisplay.from_architecture(space.sample(2, random_state=0)[1]).plot()
    darts = DARTS(stem_channels=8, n_layers=4)
    whole = darts.lower(darts.sample(1, random_state=0)[0], (1, 8, 8), 10)
    network = ArchitectureDisplay.from_architecture(whole).plot()
    return [("cell", cell.figure_), ("network", network.figure_)]


def draw_comparison(net, zoo, unseen, X_test, y_test):
    """Accuracy against time, and what each method costs with the number of networks served."""
    table = compare(
        {"class-balanced random": Random(stratify="equal"), "SubSelNet": net},
        unseen, zoo, X_test, y_test, budgets=(0.05, 0.1), seeds=(0,),
    )  # fmt: skip
    return [
        ("tradeoff", TradeoffDisplay.from_frame(table[table["budget"] < 1]).plot().figure_),
        ("amortization", AmortizationDisplay.from_frame(table, budget=0.1).plot().figure_),
    ]


def draw_all():
    """Pairs of a name and a figure, as they are made."""
    X, y = load_digits_images(return_X_y=True)
    X, X_test, y, y_test = train_test_split(
        X, y, train_size=800, test_size=500, stratify=y, random_state=0
    )
    space = NASBench101(stem_channels=4, n_stacks=2, n_cells=1, bn_momentum=0.1)
    cells = space.sample(122, random_state=0)
    unseen, seen = cells[:2], cells[2:]
    recipe = ArchitectureClassifier(build=space.build, max_epochs=5, min_steps=100)
    yield from draw_architectures(space)
    yield "training", draw_training(recipe, unseen, X, y)

    aum = AUM(0.1, random_state=0).fit(X, y)
    subset = SubsetDisplay.from_selection(
        X, y, aum.sample_indices_, aum.scores_, n_per_class=6, classes=range(5)
    )
    yield "subset", subset.plot().figure_
    yield "scores", ScoreDistributionDisplay.from_selector(aum, y).plot().figure_

    zoo = ModelZoo(recipe, n_pretrained=12, random_state=0).fit(seen, X, y)
    net = SubSelNet(
        mode="inductive",
        budget=0.1,
        encoder=ArchitectureEncoder(max_epochs=150),
        approximator=ModelApproximator(max_epochs=30),
        random_state=0,
    ).fit(seen, zoo)
    yield "latent_map", LatentMapDisplay.from_zoo(net, zoo).plot().figure_
    judges = ModelZoo(recipe, random_state=0).fit(unseen, X, y)
    calibration = ApproximatorCalibrationDisplay.from_estimator(net, unseen, judges)
    yield "calibration", calibration.plot().figure_
    yield from draw_comparison(net, zoo, unseen, X_test, y_test)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("."))
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    for name, figure in draw_all():
        path = args.folder / f"display_{name}.png"
        figure.savefig(path, dpi=90, pil_kwargs={"optimize": True})
        print(f"{time.perf_counter() - start:.0f} s: saved {path}", flush=True)


if __name__ == "__main__":
    main()
