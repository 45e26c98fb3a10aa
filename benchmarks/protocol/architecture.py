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

Run: python benchmarks/protocol/architecture.py benchmarks/protocol/fashion_cells.toml
     [--folder fashion_cells] [--budgets 0.01 0.1] [--jobs 2]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
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
    print("\nKL to the trained unseen networks (mean over them, +- standard error)")
    rows = {
        "another training of the same": second.predictions_,
        "zoo's mean": proba.mean(axis=0, dtype=np.float32)[None],
        "one proxy network": proba[:1],
        "mean of the 8 nearest": nearest(embeddings, known[zoo.trained_], proba),
    }
    for name, predicted in rows.items():
        print("{:32s} {:.4f} +- {:.4f}".format(name, *kl(trained, predicted)), flush=True)
    for name, approximator in APPROXIMATORS.items():
        approximator.fit(known, zoo)
        value, error = kl(trained, approximator.predict_proba(embeddings))
        print(
            f"{name:32s} {value:.4f} +- {error:.4f}   {approximator.n_epochs_} epochs", flush=True
        )
    print("\nAccuracy on test instances (mean over the unseen networks)")
    print(f"{'trained on all data':32s} {first.accuracies_.mean():.4f}")
    for name, approximator in APPROXIMATORS.items():
        if not approximator.residual:  # which asks the zoo's networks about an instance, too
            accuracy = test_accuracy(approximator, embeddings, data, zoo.classes_)
            print(f"{name:32s} {accuracy.mean():.4f}", flush=True)

    print("\nJaccard overlap of the subsets of two unseen architectures (mean over pairs)")
    pairs = np.triu_indices(len(unseen), 1)
    for mode in ("transductive", "hybrid"):
        for diversity in ("design", "entropy"):
            net = SubSelNet(mode=mode, diversity=diversity, memory=str(folder / "cache"))
            net.set_params(random_state=0).fit(seen, zoo)
            for budget in args.budgets:
                chosen = np.array(net.select(unseen, budget))
                overlap = jaccard(chosen[:, None], chosen)[pairs].mean()
                print(f"{diversity}, {mode:16s} {budget:6.0%}  {overlap:.3f}", flush=True)
            if mode == "transductive":
                times(net, unseen[0], diversity, args.budgets)


def times(net, arch, diversity, budgets):
    """Seconds of the fits, and for one architecture of each step."""
    spent = ", ".join(f"{name} {seconds:.2f}" for name, seconds in net.fit_times_.items())
    print(f"  seconds of {diversity}: fit: {spent}")
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
        steps = zip(("embedding", "prediction", "selection"), np.diff(marks))
        print(
            f"  {budget:.0%}: " + ", ".join(f"{name} {sec:.4f}" for name, sec in steps), flush=True
        )


if __name__ == "__main__":
    main()
