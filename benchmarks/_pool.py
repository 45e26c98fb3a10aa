"""A pool of networks of many kinds, one training recipe, and what its predictions select."""

from __future__ import annotations

import numpy as np
import torch
from joblib import Parallel, delayed
from scipy.stats import ttest_1samp
from sklearn.base import clone
from torch import nn

from sksubsel import ArchitectureClassifier
from sksubsel.samplers.coverage import CoverageIndex
from sksubsel.samplers.design import DesignIndex
from sksubsel.samplers.objective import cross_entropy
from sksubsel.samplers.transductive import gumbel_top, solve_exact


def block(n_in, n_out, stride=1):
    """Convolution, batch normalisation and ReLU."""
    conv = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(n_out), nn.ReLU())


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

    def __init__(self, kind, n_out, width=48):
        super().__init__()
        self.kind, self.embed = kind, nn.Conv2d(1, width, 7, 7)
        self.out = nn.Linear(width, n_out)
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


class Lines(nn.Module):
    """An LSTM that reads an image line by line."""

    def __init__(self, n_columns, n_out):
        super().__init__()
        self.lstm, self.out = nn.LSTM(n_columns, 64, batch_first=True), nn.Linear(64, n_out)

    def forward(self, x):
        return self.out(self.lstm(x[:, 0])[0].mean(1))


def mlp(*widths, norm=False, act=nn.ReLU):
    def make(shape, n_out):
        sizes = (int(np.prod(shape)), *widths)
        layers = [nn.Flatten()]
        for n_in, n_next in zip(sizes, widths):
            layers += [nn.Linear(n_in, n_next), *([nn.BatchNorm1d(n_next)] * norm), act()]
        return nn.Sequential(*layers, nn.Linear(sizes[-1], n_out))

    return make


def cnn(n_last, *layers):
    def make(shape, n_out):
        pooled = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(n_last, n_out)
        return nn.Sequential(*(layer() for layer in layers), *pooled)

    return make


def lenet(shape, n_out):
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 84), nn.ReLU(), nn.Linear(84, n_out),
    )  # fmt: skip


def blocks(*sizes):
    return [
        lambda n_in=n_in, n_out=n_out, stride=stride: block(n_in, n_out, stride)
        for n_in, n_out, stride in sizes
    ]


KINDS = {  # how to make it from (shape of an instance, number of classes); largest learning rate
    "linear": (mlp(), 3e-3),
    "mlp": (mlp(128), 3e-3),
    "mlp3": (mlp(64, 64, norm=True), 5e-3),
    "mlp4": (mlp(96, 64, 32, act=nn.GELU), 3e-3),
    "lenet": (lenet, 3e-3),
    "cnn4": (cnn(8, *blocks((1, 4, 2), (4, 8, 2), (8, 8, 1))), 1e-2),
    "cnn16": (cnn(32, *blocks((1, 16, 2), (16, 32, 2), (32, 32, 1))), 1e-2),
    "resnet": (
        cnn(
            32,
            lambda: block(1, 8, 2),
            lambda: Residual(8, 8, 1),
            lambda: Residual(8, 16, 2),
            lambda: Residual(16, 32, 2),
        ),
        1e-2,
    ),
    "vit": (lambda shape, n_out: Patches("vit", n_out), 3e-3),
    "lstm": (lambda shape, n_out: Lines(shape[-1], n_out), 5e-3),
    "mixer": (lambda shape, n_out: Patches("mixer", n_out), 3e-3),
}


def fit(kind, X, y, seed, n_classes=10, targets=None, **params):
    """One network, trained with the recipe of all: AdamW, one-cycle, 20 epochs or 400 steps.

    `targets` are probabilities to train on in place of the labels.
    """
    torch.set_num_threads(1)
    make, lr = KINDS[kind]
    model = ArchitectureClassifier(
        build=lambda arch, in_shape, n_outputs: make(in_shape, n_outputs),
        lr=lr, weight_decay=1e-2, classes=np.arange(n_classes), random_state=seed,
        **({"max_epochs": 20, "min_steps": 400, "batch_size": 32} | params),
    )  # fmt: skip
    return model.fit(X, y, soft_targets=targets)


def rows_of(selector, X, y, budget, seed, made):
    """Rows that a selector of (X, y) selects.

    `made`, a dict to be handed on from budget to budget, keeps what does not depend on the budget,
    such as RidgeDesign's target or a recorded training.
    """
    selector = clone(selector).set_params(budget=budget)
    if "random_state" in selector.get_params():
        selector.set_params(random_state=seed)
    if not made:
        made.update(selector._shared_fit_params(X, y))
    return selector.fit(X, y, **made).sample_indices_


def of_pool(method, proba, features, y, seed, **params):
    """Selection from the pool's mean predictions: a function of the budget.

    `params` are those of DesignIndex.
    """
    losses = cross_entropy(proba, y)
    if method == "entropy":
        rng = np.random.default_rng(seed)
        weights = solve_exact(losses, 0.5)
        return lambda budget: gumbel_top(weights, budget, rng, strata=y, stratify="proportional")
    if method == "coverage":
        index = CoverageIndex(features, y, random_state=seed)

        def cover(budget):
            temperature = 0.5 if budget < 0.025 * len(y) else 1.0
            return index.select(np.exp(-losses / temperature), budget, proba=proba)[0]

        return cover
    index = DesignIndex(features, y, proba=proba, random_state=seed, **params)
    return lambda budget: index.select(proba, budget).rows


def gain_cells(gains):
    """Texts of gains (seeds, columns): mean and error over seeds, * p < .05 in a t-test of them."""
    errors = gains.std(axis=0, ddof=1) / np.sqrt(len(gains))
    stars = ["*" if p < 0.05 else " " for p in ttest_1samp(gains, 0).pvalue]
    return [
        f"{gain:+.2f} +- {error:.2f}{star}"
        for gain, error, star in zip(gains.mean(axis=0), errors, stars)
    ]


def print_gains(title, found, budgets, seeds, base):
    """A table of points over the method `base`, a line a method.

    Parameters
    ----------
    title : str
    found : dict of str to ndarray of shape (seeds, budgets, networks, 2)
        Accuracies, and seconds of the selections.
    """
    reference = 100 * found[base][..., 0]
    print(
        f"\n{title}: test accuracy less that of {base}, {len(seeds)} seeds; * p < .05 in a paired"
    )
    print("t-test over seeds; and the slowest selection in seconds")
    print(f"{'':28s}" + "".join(f"{budget:>16.0%}" for budget in budgets))
    for method, values in found.items():
        gains = (100 * values[..., 0] - reference).mean(axis=2)  # (seeds, budgets)
        cells = [f"({value:.2f})" for value in reference.mean(axis=(0, 2))]
        if method != base:
            cells = gain_cells(gains)
        slowest = values[..., 1].max()
        print(f"{method:28s}" + "".join(f"{cell:>16s}" for cell in cells) + f"  {slowest:.1f} s")


def predictions_of_kinds(kinds, X, y, store, n_jobs, n_classes=10):
    """Probabilities on X of each kind, mean of two trainings on all of it: dict of (N, C)."""

    def train(kind):
        path = store / f"{kind}.npy"
        if not path.exists():
            models = [fit(kind, X, y, s, n_classes, max_epochs=8, batch_size=64) for s in (0, 1)]
            np.save(path, np.mean([model.predict_proba(X) for model in models], axis=0))
        return np.load(path)

    store.mkdir(parents=True, exist_ok=True)
    return dict(zip(kinds, Parallel(n_jobs)(delayed(train)(kind) for kind in kinds)))
