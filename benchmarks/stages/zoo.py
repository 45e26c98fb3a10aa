"""Training speed: ArchitectureClassifier beside a bare PyTorch loop, two workers beside one.

Both sides train the same network on the same images, with the same optimiser, schedule and batch
size.
"""

from __future__ import annotations

import time

import numpy as np
import torch

from benchmarks._measure import Timed, in_turn
from benchmarks._table import beside, judged
from sksubsel import ArchitectureClassifier, ModelZoo
from sksubsel.spaces import NASBench101

N_SAMPLES, N_EPOCHS, N_ARCHS = 2048, 5, 6
SIZES = (8, 32), (16, 64)  # stem channels, batch
GOAL, GOAL_WORKERS = 0.95, 1.6


def images(n_samples):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_samples, 1, 28, 28)).astype(np.float32)
    return X, rng.permutation(np.arange(n_samples) % 10)


def classifier(stem, batch_size, n_epochs, device="cpu"):
    """The estimator, and an untrained network of its own."""
    space = NASBench101(stem_channels=stem, n_cells=1)
    arch = space.sample(1, random_state=0)[0]
    model = ArchitectureClassifier(
        arch, build=space.build, max_epochs=n_epochs, batch_size=batch_size, random_state=0,
        device=device,
    )  # fmt: skip
    return model, space.build(arch, (1, 28, 28), 10)


def bare_loop(module, X, y, epochs, batch_size):
    """Seconds of the shortest loop that trains the same network in the same way."""
    X, y = torch.from_numpy(X), torch.from_numpy(y)
    n_batches = -(-len(X) // batch_size)
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-2, weight_decay=5e-4, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 1e-2, total_steps=epochs * n_batches + 1
    )
    module.train()
    start = time.perf_counter()
    for _ in range(epochs):
        for rows in torch.tensor_split(torch.randperm(len(X)), n_batches):
            optimizer.zero_grad(set_to_none=True)
            torch.nn.functional.cross_entropy(module(X[rows]), y[rows]).backward()
            optimizer.step()
            schedule.step()
    return time.perf_counter() - start


def run(scale, repeats, full=False):
    X, y = images(max(128, round(scale * N_SAMPLES)))
    for stem, batch_size in SIZES:
        whole: list = []
        names = "ours", "bare PyTorch loop"
        functions = (
            lambda stem=stem, size=batch_size, whole=whole: ours(stem, size, X, y, whole),
            lambda stem=stem, size=batch_size: Timed(
                bare_loop(classifier(stem, size, N_EPOCHS)[1], X, y, N_EPOCHS, size)
            ),
        )
        sides = in_turn(dict(zip(names, functions)), repeats)
        n_images = N_EPOCHS * len(X)
        speeds = [n_images / side.seconds for side in sides.values()]
        line = beside(
            "zoo",
            f"training a cell's network, stem {stem}, {len(X):,} images, batch {batch_size}",
            sides,
            names,
            goal=f">= {GOAL} times as fast",
            note=f"{speeds[0]:,.0f} and {speeds[1]:,.0f} images/s; the whole fit, batch statistics "
            f"estimated anew, {np.median(whole[1:]):.2f} s",
        )
        line.met = judged(line.ratio >= GOAL, scale)
        yield line
    yield workers(X, y, max(1, round(N_EPOCHS * min(1, 2 * scale))), repeats, scale)


def ours(stem, batch_size, X, y, whole):
    """Seconds of the epochs; those of the whole fit are noted."""
    model, _ = classifier(stem, batch_size, N_EPOCHS)
    start = time.perf_counter()
    model.fit(X, y)
    whole.append(time.perf_counter() - start)
    return Timed(sum(row["dur"] for row in model.history_))


def workers(X, y, n_epochs, repeats, scale):
    """A zoo by two workers, each on a core of its own, beside one worker on one core."""
    space = NASBench101(stem_channels=8, n_cells=1)
    archs = space.sample(N_ARCHS, random_state=1)
    recipe = ArchitectureClassifier(build=space.build, max_epochs=n_epochs, batch_size=32)

    def fit(n_jobs):
        ModelZoo(recipe, n_jobs=n_jobs, random_state=0).fit(archs, X, y)

    names = "two workers", "one worker"
    functions = (lambda: fit(2)), (lambda: fit(1))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # else one worker has both cores already
    sides = in_turn(dict(zip(names, functions)), repeats)
    torch.set_num_threads(threads)
    line = beside(
        "zoo",
        f"a zoo of {N_ARCHS} by two workers, {n_epochs} epochs of {len(X):,} images",
        sides,
        names,
        goal=f">= {GOAL_WORKERS} times as fast",
        ours_mb=None,
        note="one thread of torch for each worker; memory of worker processes is not counted",
    )
    line.met = judged(line.ratio >= GOAL_WORKERS, scale)
    return line
