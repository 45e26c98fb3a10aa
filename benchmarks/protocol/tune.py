"""Hyper-parameters tuned on subsets: test error and speed-up of the whole search (Table 5).

On the data and the zoo of a comparison's file one unseen architecture's optimiser and schedule are
searched for with TPE and ASHA, in the paper's space (appendix D.4), on all data and on subsets of
each selector; each search has the same trials to make and as many epochs for each. Trials are
scored on the validation instances. What is found is trained on all data and judged on the test
instances; so is the recipe as it is, without a search. The time of a search is that of its
selection, trainings and scores; of SubSelNet the zoo and fit before it are told apart. Steps are
those of its optimisers, which other work on the machine cannot bend.

In the folder: trials.jsonl and tune_finals.csv, from which an interrupted run goes on; tune.csv,
one row for each search; tune_trials.csv, one for each trial; tune.png.

Run: python benchmarks/protocol/tune.py benchmarks/protocol/fashion_cells.toml
     [--folder fashion_cells] [--budgets 0.05 0.1] [--seeds 0] [--trials 12] [--epochs 6] [--arch 0]
     [--jobs 1]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
import ray
from _common import Rows, describe, open_folder, plot_errors
from sklearn.base import clone

from sksubsel import SubSelNet
from sksubsel.baselines import Random
from sksubsel.search import tune

FULL, UNTUNED = "full data", "recipe as it is"


def selectors(seen, zoo, folder):
    """By name; of the net also the seconds of its fit, and of the zoo."""
    net = SubSelNet(mode="inductive", memory=str(folder / "cache"), random_state=0).fit(seen, zoo)
    found = {"random": Random(), "class-balanced random": Random(stratify="equal"),
             "SubSelNet, inductive": net}  # fmt: skip
    return found, {"SubSelNet, inductive": sum(net.fit_times_.values())}


def search(selector, budget, seed, arch, recipe, data, args, folder):
    """The trials of one search and its best."""
    return tune(
        arch, selector, data.X, data.y, validation=data.validation, budget=budget,
        estimator=recipe, n_trials=args.trials, n_startup_trials=max(1, args.trials // 2),
        refit=False, store=folder / "trials.jsonl", n_jobs=args.jobs, random_state=seed, verbose=1,
    )  # fmt: skip


def final_error(recipe, params, arch, data, seed):
    """Test error of a training on all data, and its seconds."""
    model = clone(recipe).set_params(architecture=arch, random_state=seed, **params)
    start = time.perf_counter()
    model.fit(data.X, data.y)
    return 1 - model.score(data.X_test, data.y_test), time.perf_counter() - start


def cost(results, batch_size):
    """Seconds and optimiser steps of a search; the rows are selected once."""
    seconds = (
        results.selection_time.iloc[0] + results[["training_time", "scoring_time"]].sum().sum()
    )
    steps = (results.n_epochs * np.ceil(results.n_selected / batch_size)).sum()
    return {"seconds": float(seconds), "steps": int(steps)}


def summary(rows):
    """One row for each search, with the speed-up over the one on all data of the same seed."""
    table = rows.copy()
    full = table[table.method == FULL].set_index("seed")
    for name, what in (("speedup", "seconds"), ("step_speedup", "steps")):
        table[name] = table.seed.map(full[what]) / table[what]
    return table


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--budgets", type=float, nargs="+", default=[0.05, 0.1])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--arch", type=int, default=0, help="which unseen architecture")
    parser.add_argument("--jobs", type=int, default=1)
    args = parser.parse_args()
    print(describe(), flush=True)
    data, unseen, seen, zoo, folder = open_folder(args.config, args.folder, args.jobs)
    arch = unseen[args.arch]
    recipe = clone(zoo.estimator_).set_params(max_epochs=args.epochs, min_steps=0)
    found, before = selectors(seen, zoo, folder)
    ray.init(num_cpus=args.jobs, include_dashboard=False, log_to_driver=False)  # once for all
    rows = Rows(folder / "tune_finals.csv", ["method", "budget", "seed"])
    trials = []
    for seed in args.seeds:
        # the smallest first, so that something is there early
        jobs = [(name, budget) for budget in sorted(args.budgets) for name in found]
        for name, budget in [*jobs, (UNTUNED, 1.0), (FULL, 1.0)]:
            made = {"method": name, "budget": budget, "seed": seed}
            params, costs = {}, {"seconds": 0.0, "steps": 0}
            if name != UNTUNED:
                result = search(found.get(name), budget, seed, arch, recipe, data, args, folder)
                params, costs = result.best_params, cost(result.results, recipe.batch_size)
                trials.append(
                    result.results.drop(columns=["architecture", "params"]).assign(**made)
                )
                made["score"] = result.best_score
            if rows.has(name, budget, seed):
                continue
            error, final = final_error(recipe, params, arch, data, seed)
            rows.add(
                **made, error=error, **costs, final_seconds=final,
                preparation=before.get(name, 0.0), params=str(params),
            )  # fmt: skip
            pd.concat(trials).to_csv(folder / "tune_trials.csv", index=False)
    table = summary(rows.table)
    table.to_csv(folder / "tune.csv", index=False)
    print(table.drop(columns="params").to_string(index=False, float_format="{:.4f}".format))
    searched = table[table.method != UNTUNED]
    plot_errors(
        pd.concat([searched, table[table.method == UNTUNED].assign(speedup=1.0)]), "speedup",
        "speed-up of the whole search", folder / "tune.png", references=(UNTUNED,),
    )  # fmt: skip


if __name__ == "__main__":
    main()
