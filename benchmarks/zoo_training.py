"""Training speed: ArchitectureClassifier beside a bare PyTorch loop, and two workers beside one.

Both sides train the same network on the same images, with the same optimiser, schedule and batch
size, in turn; medians over repeats. Aims: at most 10 % slower than the bare loop; two workers on
two cores faster than one.

Run: python benchmarks/zoo_training.py [--rows 2048 --epochs 5 --repeats 3]
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
import torch
from _machine import describe

from sksubsel import ArchitectureClassifier, ModelZoo
from sksubsel.spaces import NASBench101


def bare_loop(module, X, y, epochs, batch_size):
    """Seconds of the shortest loop that trains the same network in the same way."""
    X, y = torch.from_numpy(X), torch.from_numpy(y)
    n_batches = -(-len(X) // batch_size)
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-2, weight_decay=5e-4)
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


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=2048)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--n-archs", type=int, default=6, help="of the comparison of workers")
    args = parser.parse_args()

    rng = np.random.default_rng(0)
    X = rng.standard_normal((args.rows, 1, 28, 28)).astype(np.float32)
    y = rng.integers(10, size=args.rows)
    print(describe())
    for stem, batch_size in ((8, 32), (16, 64)):
        space = NASBench101(stem_channels=stem, n_cells=1)
        arch = space.sample(1, random_state=0)[0]
        model = ArchitectureClassifier(
            arch, build=space.build, max_epochs=args.epochs, batch_size=batch_size, random_state=0
        )
        loops, epochs, fits = [], [], []
        for _ in range(args.repeats + 1):
            module = space.build(arch, X.shape[1:], 10)
            loops.append(bare_loop(module, X, y, args.epochs, batch_size))
            start = time.perf_counter()
            model.fit(X, y)
            fits.append(time.perf_counter() - start)
            epochs.append(sum(row["dur"] for row in model.history_))
        loop, epoch, fit = (statistics.median(times[1:]) for times in (loops, epochs, fits))
        print(
            f"stem {stem}, batch {batch_size}: bare loop {loop:.2f} s, ours {epoch:.2f} s (ratio "
            f"{epoch / loop:.3f}, to be under 1.10); the whole fit, batch statistics estimated "
            f"anew, {fit:.2f} s (ratio {fit / loop:.3f})"
        )

    space = NASBench101(stem_channels=8, n_cells=1)
    archs = space.sample(args.n_archs, random_state=1)
    recipe = ArchitectureClassifier(build=space.build, max_epochs=args.epochs, batch_size=32)
    times = {1: [], 2: []}
    for _ in range(3):
        for n_jobs, values in times.items():
            zoo = ModelZoo(recipe, n_jobs=n_jobs, random_state=0)
            start = time.perf_counter()
            zoo.fit(archs, X, y)
            values.append(time.perf_counter() - start)
    one, two = (statistics.median(values) for values in times.values())
    print(
        f"zoo of {args.n_archs}: 1 worker {one:.1f} s, 2 workers {two:.1f} s (speed-up "
        f"{one / two:.2f}, to be over 1)"
    )


if __name__ == "__main__":
    main()
