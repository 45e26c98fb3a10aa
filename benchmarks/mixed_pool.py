"""What design is worth to networks of many kinds, and its settings: validation rows only.

Fashion-MNIST, its training file alone: 20,000 rows to select from, 10,000 to judge by. Ten kinds
of small networks (linear, MLPs, CNNs, LeNet, ResNet, ViT, LSTM, mixer) are trained on the 20,000
rows once; the mean of all their probabilities is the selections' target. Then six kinds are
trained on what each selection chose, all in one recipe (AdamW, one-cycle, batches of 32, 20 epochs
and at least 400 steps), and compared with class-balanced random rows, seed by seed.

Progress is kept in a folder: a run that was stopped goes on where it was.

Run: python benchmarks/mixed_pool.py [--only base lam=3] [--seeds 4] [--budgets 200 1000]
     [--store mixed_pool] [--jobs 2]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from _machine import describe
from joblib import Parallel, delayed
from torch import nn

from sksubsel import ArchitectureClassifier
from sksubsel.datasets import load_fashion_mnist
from sksubsel.features import InstanceFeatures
from sksubsel.samplers.coverage import CoverageIndex
from sksubsel.samplers.design import DesignIndex

N_TRAIN, N_VALID = 20_000, 10_000
JUDGED = "linear", "mlp", "lenet", "cnn16", "resnet", "vit"
SETTINGS = {  # of DesignIndex, one change at a time
    "base": {},
    "features alone": {"block_weight": 0.0},
    "block_weight=1": {"block_weight": 1.0},
    "bandwidth=0.15": {"bandwidth": 0.15},
    "bandwidth=1": {"bandwidth": 1.0},
    "lam=0.1": {"lam": 0.1},
    "lam=0.5": {"lam": 0.5},
    "lam=3": {"lam": 3.0},
    "d=4096": {"n_components": 4096},
}


def block(n_in, n_out, stride=1):
    """Convolution, batch normalisation and ReLU."""
    conv = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(n_out), nn.ReLU())


def head(n_in, *layers):
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(n_in, 10))


class Residual(nn.Module):
    def __init__(self, n_in, n_out, stride):
        super().__init__()
        norm = nn.BatchNorm2d(n_out)
        second = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False)
        self.path = nn.Sequential(block(n_in, n_out, stride), second, norm)
        self.skip = nn.Identity() if n_in == n_out else nn.Conv2d(n_in, n_out, 1, stride)

    def forward(self, x):
        return torch.relu(self.path(x) + self.skip(x))


class Patches(nn.Module):
    """16 patches of 7 x 7, mixed by a transformer encoder or by an MLP-mixer layer."""

    def __init__(self, kind, width=48):
        super().__init__()
        self.kind, self.embed = kind, nn.Conv2d(1, width, 7, 7)
        self.out = nn.Linear(width, 10)
        self.place = nn.Parameter(torch.randn(1, 16, width) * 0.02)
        if kind == "vit":
            layer = nn.TransformerEncoderLayer(
                width, 4, 2 * width, 0.0, batch_first=True, norm_first=True
            )
            self.mix = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        else:
            self.across = nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 16))
            self.within = nn.Sequential(
                nn.LayerNorm(width), nn.Linear(width, 96), nn.GELU(), nn.Linear(96, width)
            )

    def forward(self, x):
        x = self.embed(x).flatten(2).transpose(1, 2) + self.place
        if self.kind == "vit":
            return self.out(self.mix(x).mean(1))
        x = x + self.across(x.transpose(1, 2)).transpose(1, 2)
        return self.out((x + self.within(x)).mean(1))


class Rows(nn.Module):
    """An LSTM that reads an image line by line."""

    def __init__(self):
        super().__init__()
        self.lstm, self.out = nn.LSTM(28, 64, batch_first=True), nn.Linear(64, 10)

    def forward(self, x):
        return self.out(self.lstm(x[:, 0])[0].mean(1))


def mlp(*widths, norm=False):
    layers = [nn.Flatten()]
    for n_in, n_out in zip((784, *widths), widths):
        layers += [nn.Linear(n_in, n_out), *([nn.BatchNorm1d(n_out)] * norm), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear((784, *widths)[-1], 10))


def lenet():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


KINDS = {  # how to make it, and its largest learning rate
    "linear": (mlp, 3e-3),
    "mlp": (lambda: mlp(128), 3e-3),
    "mlp3": (lambda: mlp(64, 64, norm=True), 5e-3),
    "lenet": (lenet, 3e-3),
    "cnn4": (lambda: head(8, block(1, 4, 2), block(4, 8, 2), block(8, 8)), 1e-2),
    "cnn16": (lambda: head(32, block(1, 16, 2), block(16, 32, 2), block(32, 32)), 1e-2),
    "resnet": (
        lambda: head(
            32, block(1, 8, 2), Residual(8, 8, 1), Residual(8, 16, 2), Residual(16, 32, 2)
        ),
        1e-2,
    ),
    "vit": (lambda: Patches("vit"), 3e-3),
    "lstm": (Rows, 5e-3),
    "mixer": (lambda: Patches("mixer"), 3e-3),
}


def fit(kind, X, y, seed, **params):
    torch.set_num_threads(1)
    make, lr = KINDS[kind]
    params = {"max_epochs": 20, "min_steps": 400, "batch_size": 32} | params
    model = ArchitectureClassifier(
        build=lambda arch, in_shape, n_outputs: make(), lr=lr, weight_decay=1e-2,
        classes=np.arange(10), random_state=seed, **params,
    )  # fmt: skip
    return model.fit(X, y)


def zoo_mean(X, y, store):
    """Mean probabilities (N, 10) of all kinds, two trainings each."""
    means = []
    for kind in KINDS:
        path = store / f"{kind}.npy"
        if not path.exists():
            settings = {"max_epochs": 8, "batch_size": 64}
            np.save(
                path, np.mean([fit(kind, X, y, s, **settings).predict_proba(X) for s in (0, 1)], 0)
            )
            print("trained", kind, flush=True)
        means.append(np.load(path))
    return np.mean(means, axis=0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = ["coverage", *SETTINGS]
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--budgets", type=int, nargs="+", default=[200, 1000])
    parser.add_argument("--store", type=Path, default=Path("mixed_pool"))
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    args.store.mkdir(exist_ok=True)
    print(describe())
    X, y = load_fashion_mnist(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(X))
    train, valid = order[:N_TRAIN], order[N_TRAIN : N_TRAIN + N_VALID]
    X, X_valid, y, y_valid = X[train], X[valid], y[train], y[valid]
    mean = zoo_mean(X, y, args.store)
    features = InstanceFeatures(random_state=0).fit_transform(X)
    losses = -np.log(np.clip(mean[np.arange(N_TRAIN), y], 1e-6, None))

    def select(name, budget, seed):
        if name == "class-balanced random":
            rng = np.random.default_rng(seed + 100)
            per_class = [rng.choice(np.flatnonzero(y == c), budget // 10, False) for c in range(10)]
            return np.concatenate(per_class)
        if name == "coverage":
            index = CoverageIndex(features, y, random_state=seed)
            temperature = 0.5 if budget < 500 else 1.0
            return index.select(np.exp(-losses / temperature), budget, proba=mean)[0]
        index = DesignIndex(features, y, proba=mean, random_state=seed, **SETTINGS[name])
        return index.select(mean, budget).rows

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
