"""Ablation: which approximator, which sampler, as in the paper's Table 3.

Each of the three approximators of the paper, and ours, beside each way of choosing B instances
from what it predicts: the most uncertain (largest entropy), the largest loss, SubSelNet's entropy
objective (inductive and transductive) and its design (transductive). On the data, zoo and unseen
architectures of a comparison's file, trained by its recipe; its records are ablation.jsonl in the
same folder. architecture.py has the approximators' KL.

Run: python benchmarks/protocol/ablation.py benchmarks/protocol/digits_cells.toml
     [--folder digits_cells] [--budgets 0.05 0.1] [--seeds 0 1 2] [--jobs 2]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from _common import describe, open_folder
from sklearn.base import BaseEstimator

from sksubsel import ModelApproximator, SubSelNet
from sksubsel.benchmark import LEGEND, compare, format_table, read_config, summarize
from sksubsel.benchmark.run import with_recipe
from sksubsel.samplers.objective import cross_entropy

APPROXIMATORS = {
    "feedforward": {"approximator": "feedforward", "residual": False},
    "LSTM": {"approximator": "lstm", "residual": False},
    "attention": {"approximator": "attention", "residual": False},
    "residual attention (ours)": {"approximator": "attention", "residual": True},
}
SAMPLERS = {
    "inductive": {"mode": "inductive", "diversity": "entropy"},
    "transductive": {"mode": "transductive", "diversity": "entropy"},
    "design (ours)": {"mode": "transductive", "diversity": "design"},
}


class TopPredicted(BaseEstimator):
    """The B instances of largest predicted "uncertainty" (entropy) or "loss".

    Parameters
    ----------
    net : SubSelNet
        Fitted.
    by : {"uncertainty", "loss"}
    """

    def __init__(self, net, by):
        self.net = net
        self.by = by

    def __call__(self, arch, budget, seed):
        """Rows (B,), the same for every seed."""
        proba = self.net.predict_proba(arch)
        if self.by == "loss":
            scores = cross_entropy(proba, self.net.zoo_.y_)
        else:
            scores = -(proba * np.log(proba.clip(1e-12))).sum(axis=1)
        return np.sort(np.argpartition(-scores, budget - 1)[:budget])


def make_selectors(seen, zoo, folder):
    """All combinations, fitted, by name."""
    selectors = {}
    for kind, params in APPROXIMATORS.items():
        for sampler, options in SAMPLERS.items():
            approximator = ModelApproximator(**params)
            net = SubSelNet(
                approximator=approximator, memory=str(folder / "cache"), random_state=0, **options
            )
            selectors[f"{kind} + {sampler}"] = net.fit(seen, zoo)
        for by in ("uncertainty", "loss"):
            selectors[f"{kind} + {by}"] = TopPredicted(net, by)
    return selectors


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--budgets", type=float, nargs="+", default=[0.05, 0.1])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    print(describe(), flush=True)
    data, unseen, seen, zoo, folder = open_folder(args.config, args.folder, args.jobs)
    judged = with_recipe(zoo, read_config(args.config)["compare"]["recipe"])
    table = compare(
        make_selectors(seen, zoo, folder), unseen, judged, data.X_test, data.y_test,
        validation=data.validation, budgets=args.budgets, seeds=args.seeds,
        records_file=folder / "ablation.jsonl", n_jobs=args.jobs, verbose=1,
    )  # fmt: skip
    table.to_csv(folder / "ablation.csv", index=False)
    print(format_table(summarize(table, reference=None)))
    print(LEGEND)


if __name__ == "__main__":
    main()
