"""Training the approximator, beside a DataLoader over all (architecture, instance) pairs."""

from __future__ import annotations

import statistics
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

from benchmarks._data import identity, planted_zoo, problem
from benchmarks._measure import Timed, in_turn, once
from benchmarks._table import Line, beside, judged
from sksubsel import ArchitectureEncoder, ModelApproximator
from sksubsel.nn.approximator import ApproximatorNet, split_padding
from sksubsel.spaces import NASBench101

N_ARCHS, N_HELD_OUT = 32, 8
N_SAMPLES, N_FEATURES, N_CLASSES = 50_000, 512, 10
BATCH, N_STEPS = 64, 300
GOAL, KL_ROOM = 50, 1.05  # "equal" held-out KL: at most 5 % larger
MIN_PROBA = 1e-4  # as the approximator cuts the base


class Problem:
    """Embeddings, instances and a planted zoo; the last architectures are held out."""

    def __init__(self, n_samples):
        X, y = problem(n_samples, N_FEATURES, N_CLASSES)
        archs = NASBench101().sample(N_ARCHS + N_HELD_OUT, random_state=0)
        self.embeddings = (
            ArchitectureEncoder(max_epochs=20, random_state=0).fit(archs).transform(archs)
        )
        zoo = planted_zoo(archs, X, y)
        self.zoo, self.unseen = zoo[:N_ARCHS], zoo[N_ARCHS:]
        self.X, self.labels = torch.from_numpy(X), torch.from_numpy(zoo.y_)
        self.h, self.mask = split_padding(torch.from_numpy(self.embeddings))

    def fit(self, device="cpu", **params):
        model = ModelApproximator(
            features=identity(), early_stopping=False, random_state=0, device=device, **params
        )
        return model.fit(self.embeddings[:N_ARCHS], self.zoo)


def run(scale, repeats, full=False):
    data = Problem(max(500, round(scale * N_SAMPLES)))
    n_pairs = N_ARCHS * len(data.X)
    data.fit(max_epochs=1)

    def ours():
        return Timed(statistics.median(row["dur"] for row in data.fit(max_epochs=1).history_))

    names = "ours", f"DataLoader over the pairs, batch {BATCH}"
    sides = in_turn(
        dict(zip(names, (ours, lambda: Timed(by_pairs(data, N_STEPS)[1])))), repeats, warm_up=False
    )
    line = beside(
        "approximator",
        f"an epoch of {N_ARCHS} architectures x {len(data.X):,} instances, F={N_FEATURES}, "
        f"C={N_CLASSES}",
        sides,
        names,
        goal=f">= {GOAL} times as fast, at equal held-out KL (next line)",
        note="ours: a whole epoch of its own trainer, "
        f"{n_pairs / sides[names[0]].seconds:,.0f} pairs/s; the other: DataLoader over a "
        f"TensorDataset of pairs, the same module and optimiser, {N_STEPS} steps extrapolated, "
        f"{n_pairs / sides[names[1]].seconds:,.0f} pairs/s",
    )
    line.met = judged(line.ratio >= GOAL, scale)
    yield line
    yield quality(data, scale)


def quality(data, scale):
    """Held-out KL of ours with default epochs, and of one epoch over the pairs."""
    ours = once(data.fit)
    theirs = once(lambda: by_pairs(data))
    kl = [held_out_kl(data, net) for net in (ours.result.module_, theirs.result[0], None)]
    return Line(
        "approximator",
        f"KL(trained || predicted) of {N_HELD_OUT} architectures held out",
        f"one epoch of batches of {BATCH} pairs",
        ours=ours.seconds,
        theirs=theirs.seconds,
        ratio=theirs.seconds / ours.seconds,
        goal=f"KL at most {KL_ROOM} times the other's",
        met=judged(kl[0] <= KL_ROOM * kl[1], scale),
        ours_mb=ours.peak,
        theirs_mb=theirs.peak,
        note=f"KL {kl[0]:.4f} after {ours.result.n_epochs_} epochs of ours, {kl[1]:.4f} after one "
        f"of the other, {kl[2]:.4f} of the zoo's mean",
    )


def by_pairs(data, max_steps=None):
    """The same network and optimiser on shuffled pairs: (network, seconds of an epoch).

    A batch is gathered from the tensors by its pairs' numbers; the loader hands out only these.
    """
    torch.manual_seed(0)
    targets = torch.from_numpy(np.asarray(data.zoo.predictions_))  # (A, N, C) float16
    n_archs, n_samples, n_classes = targets.shape
    total = targets.float().sum(0)
    net = ApproximatorNet(data.h.shape[2], N_FEATURES + n_classes, n_classes, "attention", True)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=5e-3, fused=True)
    pairs = TensorDataset(torch.arange(n_archs * n_samples))
    loader = DataLoader(pairs, batch_size=BATCH, shuffle=True)
    n_steps = min(len(loader), max_steps or len(loader))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, len(loader))
    batches = iter(loader)
    next(batches)  # drawing the order of all pairs is not a step's
    start = time.perf_counter()
    for step, (pair,) in enumerate(batches, start=2):
        archs, rows = pair // n_samples, pair % n_samples
        target = targets[archs, rows].float()
        base = ((total[rows] - target) / (n_archs - 1)).clamp_min(MIN_PROBA).log()
        z = net.summary(data.h[archs], data.mask[archs])
        hidden = net.instance_part(data.X[rows], data.labels[rows], base)
        out = net.combine(z, hidden.unsqueeze(1), base.unsqueeze(1)).squeeze(1)
        loss = F.kl_div(out.log_softmax(-1), target, reduction="batchmean")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        if step == n_steps:
            break
    seconds = time.perf_counter() - start
    return net.eval(), seconds / max(1, n_steps - 1) * len(loader)


@torch.no_grad()
def held_out_kl(data, net):
    """Mean KL over the architectures held out; None instead of a network: the zoo's mean."""
    mean = np.asarray(data.zoo.predictions_).mean(axis=0, dtype=np.float32)
    base = torch.from_numpy(mean).clamp_min(MIN_PROBA).log()
    total = 0.0
    for rows in torch.arange(len(data.X)).split(4096):
        target = torch.from_numpy(data.unseen.predictions_[:, rows.numpy()]).float()
        out = base[rows].expand(len(target), -1, -1)
        if net is not None:
            out = net(
                data.h[N_ARCHS:], data.mask[N_ARCHS:], data.X[rows], data.labels[rows],
                base[rows][None],
            )  # fmt: skip
        total += float(F.kl_div(out.log_softmax(-1), target, reduction="sum"))
    return total / (N_HELD_OUT * len(data.X))
