"""Is it the architecture? What a comparison's networks predict for unseen ones, and select.

On the data, zoo and unseen architectures of a comparison's file (its folder is used, and gets what
the unseen ones say when trained on all data, twice, each time with as many seeds as the zoo's):

1. Mean KL(p_trained || p_predicted) on the training instances, over the unseen architectures: of
   another training of the same architecture, the zoo's mean, one proxy network, the mean of the
   eight nearest by embedding, and the approximators of the paper's Tables 3 and 14, with what the
   zoo says on average (residual) and without (the paper's).
2. Accuracy on test instances of the paper's approximators, which see instances of their own alone,
   beside that of the unseen networks trained on all data (paper, Table 2).
3. Overlap of the subsets of different unseen architectures (Jaccard, appendix E.5).
4. Where the time goes (appendix E.6): seconds of the fits, and of embedding, prediction and
   selection for one unseen architecture.

Prints it as it comes, and writes architecture.csv in the folder.

Run: python benchmarks/protocol/architecture.py benchmarks/protocol/fashion_cells.toml
     [--folder fashion_cells] [--budgets 0.01 0.1] [--jobs 2]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from _common import describe, open_folder
from sklearn.base import clone

from sksubsel import ArchitectureEncoder, ModelApproximator, ModelZoo, SubSelNet
from sksubsel.metrics import jaccard

APPROXIMATORS = {
    f"{kind}{', residual' * residual}": ModelApproximator(kind, residual=residual, random_state=0)
    for residual in (True, False)
    for kind in ("attention", "lstm", "feedforward")
}


class Found:
    """What was found, printed as it comes and kept for a table."""

    def __init__(self):
        self.rows = []

    def section(self, title, quantity):
        print(f"\n{title}", flush=True)
        self.quantity = quantity

    def add(self, name, value, error=np.nan, *, budget=np.nan, note=""):
        row = {"quantity": self.quantity, "name": name, "budget": budget, "value": value}
        self.rows.append({**row, "error": error, "note": note})
        parts = [f"{name:32s}", "" if np.isnan(budget) else f"{budget:5.0%} ", f"{value:.4f}"]
        parts += ["" if np.isnan(error) else f" +- {error:.4f}", f"   {note}"]
        print("".join(parts).rstrip(), flush=True)

    def save(self, path):
        table = pd.DataFrame(self.rows).assign(run=describe())
        table.to_csv(path, index=False, float_format="%.6g")


def kl(trained, predicted):
    """Mean over architectures and instances of KL(p_trained || p_predicted), and its spread."""
    trained = np.asarray(trained, dtype=np.float32).clip(1e-6)
    log_ratio = np.log(trained) - np.log(np.asarray(predicted, dtype=np.float32).clip(1e-6))
    each = (trained * log_ratio).sum(axis=-1).mean(axis=-1)  # (A,)
    return each.mean(), each.std(ddof=1) / np.sqrt(len(each))


def nearest(embeddings, seen, proba, n_nearest=8):
    """Mean of what the networks nearest by mean embedding say, for each architecture."""
    centres = [np.nanmean(part, axis=1) for part in (embeddings, seen)]
    distance = np.square(centres[0][:, None] - centres[1]).sum(axis=-1)
    return proba[np.argsort(distance, axis=1)[:, :n_nearest]].mean(axis=1, dtype=np.float32)


def test_accuracy(approximator, embeddings, data, classes):
    """Accuracy (A,) of what an approximator predicts for instances that it was not fitted on."""
    summaries = approximator.transform(embeddings)._summaries
    features = approximator.feature_transformer_.transform(data.X_test)
    with torch.no_grad():
        hidden = approximator.module_.instance_part(torch.as_tensor(features), None, None)
        out = approximator.module_.combine(torch.as_tensor(summaries), hidden[None], None)
    found = classes[out.argmax(dim=-1).numpy()]
    return (found == data.y_test).mean(axis=1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--budgets", type=float, nargs="+", default=[0.01, 0.1])
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    print(describe(), flush=True)
    data, unseen, seen, zoo, folder = open_folder(args.config, args.folder, args.jobs)
    first, second = (
        ModelZoo(clone(zoo.estimator_), n_seeds=zoo.n_seeds, n_jobs=args.jobs,
                 store=folder / f"unseen_{seed}", random_state=seed, verbose=1)
        .fit(unseen, data.X, data.y, X_val=data.X_test, y_val=data.y_test)
        for seed in (1, 2)
    )  # fmt: skip
    trained = first.predictions_
    encoder = ArchitectureEncoder(random_state=0).fit(seen)
    embeddings, known = encoder.transform(unseen), encoder.transform(seen)
    proba = zoo.predictions_
    found = Found()
    found.section("KL to the trained unseen networks (mean over them, +- standard error)", "KL")
    found.add("another training of the same", *kl(trained, second.predictions_))
    found.add("zoo's mean", *kl(trained, proba.mean(axis=0, dtype=np.float32)[None]))
    found.add("one proxy network", *kl(trained, proba[:1]))
    near = nearest(embeddings, known[zoo.trained_], proba)
    found.add("mean of the 8 nearest", *kl(trained, near))
    for name, approximator in APPROXIMATORS.items():
        approximator.fit(known, zoo)
        predicted = approximator.predict_proba(embeddings)
        found.add(name, *kl(trained, predicted), note=f"{approximator.n_epochs_} epochs")

    found.section("Accuracy on test instances (mean over the unseen networks)", "test accuracy")
    found.add("trained on all data", first.accuracies_.mean())
    for name, approximator in APPROXIMATORS.items():
        if not approximator.residual:  # which asks the zoo's networks about an instance, too
            found.add(name, test_accuracy(approximator, embeddings, data, zoo.classes_).mean())

    pairs = np.triu_indices(len(unseen), 1)
    nets = {}
    found.section("Overlap of the subsets of two unseen architectures, mean over pairs", "Jaccard")
    for mode in ("transductive", "hybrid"):
        for diversity in ("design", "entropy"):
            net = SubSelNet(mode=mode, diversity=diversity, memory=str(folder / "cache"))
            net.set_params(random_state=0).fit(seen, zoo)
            if mode == "transductive":
                nets[f"{diversity}, {mode}"] = net
            for budget in args.budgets:
                chosen = np.array(net.select(unseen, budget))
                overlap = jaccard(chosen[:, None], chosen)[pairs].mean()
                found.add(f"{diversity}, {mode}", overlap, budget=budget)

    found.section("Where the time goes", "seconds")
    for name in nets:
        for step, budget, value in seconds(nets[name], unseen[0], args.budgets):
            found.add(f"{name}: {step}", value, budget=budget)
    found.save(folder / "architecture.csv")


def seconds(net, arch, budgets):
    """Seconds of the fits, and for one architecture of each step: names, budgets and seconds."""
    for name, value in net.fit_times_.items():
        yield f"fit, {name}", np.nan, value
    for budget in budgets:
        net.prepare(budget)
        marks = [time.perf_counter()]
        embeddings = net.encoder_.transform([arch])
        marks.append(time.perf_counter())
        predictions = net.approximator_.transform(embeddings)
        np.asarray(predictions)
        marks.append(time.perf_counter())
        net.selector_.select(predictions, budget)
        marks.append(time.perf_counter())
        yield from zip(
            ("embedding", "prediction", "selection"), [budget] * 3, np.diff(marks), strict=True
        )


if __name__ == "__main__":
    main()
