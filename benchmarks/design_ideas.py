"""Ideas to make selection by design better, tried on the validation rows of mixed_pool.py.

    NTK              the kernel's features are gradients of the judged network at two random starts
                     (Jacot et al., 2018), random directions of the outputs, sketched to 1,024
    features + NTK   both, as two blocks of equal weight
    held-out         bandwidth and lam by the error, on all rows, of a regression on as many random
                     rows as are to be selected; no network is trained for that
    two bandwidths   the mean of two kernels: every second feature has a third of the bandwidth
    imitation        a scorer (gradient boosting on features, probabilities and losses) learns from
                     a design of one half of the rows which of them are selected, scores the other
                     half, and the other way round; the highest of each class, with Gumbel noise
    soft, ...        training on the pool's mean probabilities instead of labels: of class-balanced
                     random rows, of the design for labels, of the design whose regression gets the
                     probabilities too, and of that with the targets that its regression would want
                     most (least squares over all rows, then clipped to probabilities)

Progress is kept in a folder, that of mixed_pool.py by default: a run that was stopped goes on.

Run: python benchmarks/design_ideas.py [--only NTK] [--seeds 4] [--budgets 200 1000]
     [--store mixed_pool] [--jobs 2]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from _machine import describe
from _pool import KINDS, fit, of_pool
from joblib import Parallel, delayed
from mixed_pool import JUDGED, load, random_rows
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits
from torch.func import functional_call, grad, vmap

from sksubsel.samplers.design import DesignIndex
from sksubsel.samplers.objective import cross_entropy

SKETCH, CHUNK = 1024, 250
GRID = [(bandwidth, lam) for bandwidth in (0.1, 0.2, 0.3, 0.5) for lam in (0.1, 0.3, 1.0, 3.0)]


def gradient_features(kind, X, seed):
    """Gradients of two untrained networks, sketched by random signs: float32 (N, 2 * SKETCH)."""
    blocks = []
    for start in (2 * seed, 2 * seed + 1):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(start)
            model = KINDS[kind][0](X.shape[1:], 10)
            model(torch.as_tensor(X[:2000]))  # statistics of batch normalisation
            model.eval()
            weights = {name: p.detach() for name, p in model.named_parameters()}
            n_weights = sum(p.numel() for p in weights.values())
            place, sign = torch.randint(SKETCH, (n_weights,)), torch.randn(n_weights).sign()
            directions = torch.randn(len(X), 10)

        def answer(weights, x, direction, model=model):
            return functional_call(model, weights, x[None])[0] @ direction

        gradients = vmap(grad(answer), (None, 0, 0))
        block = np.empty((len(X), SKETCH), dtype=np.float32)
        for first in range(0, len(X), CHUNK):
            part = slice(first, first + CHUNK)
            g = gradients(weights, torch.as_tensor(X[part]), directions[part])
            flat = torch.cat([v.flatten(1) for v in g.values()], 1) * sign
            sums = torch.zeros(len(flat), SKETCH).index_add_(1, place, flat)
            block[part] = sums.numpy()
        blocks.append(block / np.linalg.norm(block, axis=1, keepdims=True).clip(1e-12))
    return np.concatenate(blocks, axis=1)


def unit(block):
    block = block - block.mean(axis=0)
    return block / np.sqrt(np.square(block).sum(axis=1).mean())


def held_out(data, budget, seed):
    """The (bandwidth, lam) of the grid with the least error, mean over three random subsets."""
    _, y, mean, features = data
    target = mean**2 / np.square(mean).sum(axis=1, keepdims=True)
    errors = np.zeros(len(GRID))
    for bandwidth in dict.fromkeys(b for b, _ in GRID):
        index = DesignIndex(features, y, proba=mean, bandwidth=bandwidth, random_state=seed)
        phi = index.prepare(budget)._pool_of_all.phi
        for draw in range(3):
            rows = random_rows(y, budget, 100 * seed + draw)
            A, b = phi[rows].T @ phi[rows], phi[rows].T @ np.eye(10, dtype=np.float32)[y[rows]]
            for k, (width, lam) in enumerate(GRID):
                if width == bandwidth:
                    W = np.linalg.solve(A + lam * np.eye(len(A), dtype=np.float32), b)
                    errors[k] += np.square(target - phi @ W).sum(axis=1).mean() / 3
    return GRID[int(errors.argmin())]


def two_bandwidths(data, budget, seed):
    _, y, mean, features = data
    index = DesignIndex(features, y, proba=mean, random_state=seed)
    index.fourier.waves[:, ::2] *= np.sqrt(3.0)
    return index.select(mean, budget).rows


def imitate(data, budget, seed):
    _, y, mean, features = data
    rng = np.random.default_rng(seed)
    half = rng.permutation(len(y)) % 2
    losses = cross_entropy(mean, y)
    known = np.column_stack([features, np.log(mean.clip(1e-6)), losses, y])
    score = np.empty(len(y))
    for side in (0, 1):
        rows = np.flatnonzero(half == side)
        design = of_pool("design", mean[rows], features[rows], y[rows], seed)(budget)
        model = HistGradientBoostingClassifier(random_state=seed)
        model.fit(known[rows], np.isin(np.arange(len(rows)), design))
        score[half != side] = model.predict_proba(known[half != side])[:, 1]
    score = np.log(score.clip(1e-9)) + rng.gumbel(size=len(y))
    ranked = np.argsort(-score)
    return np.concatenate([ranked[y[ranked] == c][: budget // 10] for c in range(10)])


def design_of_values(data, budget, seed):
    """Rows of the design whose regression learns from probabilities, and its index."""
    _, y, mean, features = data
    index = DesignIndex(features, mean, y, proba=mean, random_state=seed)
    return index.select(mean, budget).rows, index


def best_targets(index, rows, mean):
    """Targets of the rows from which the index's regression reproduces `mean` best."""
    phi = index._pool_of_all.phi.astype(np.float64)
    gram = phi[rows].T @ phi[rows] + index.lam * np.eye(phi.shape[1])
    answer = phi @ np.linalg.solve(gram, phi[rows].T)  # (N, B): predictions of unit targets
    normal = answer.T @ answer
    normal[np.diag_indices_from(normal)] += 1e-3 * normal.trace() / len(normal)
    targets = np.linalg.solve(normal, answer.T @ mean).clip(0.0)
    return targets / targets.sum(axis=1, keepdims=True).clip(1e-9)


def choose(idea, kind, data, budget, seed):
    """Rows, and soft targets of them or None."""
    X, y, mean, features = data
    if idea == "held-out":
        bandwidth, lam = held_out(data, budget, seed)
        print(f"    held-out, {budget} rows, seed {seed}: bandwidth {bandwidth}, lam {lam}")
        params = {"bandwidth": bandwidth, "lam": lam}
        return of_pool("design", mean, features, y, seed, **params)(budget), None
    if idea == "two bandwidths":
        return two_bandwidths(data, budget, seed), None
    if idea == "imitation":
        return imitate(data, budget, seed), None
    if idea.endswith("NTK"):
        block = gradient_features(kind, X, seed)
        if idea.startswith("features"):
            block = np.concatenate([unit(features), unit(block)], axis=1)
        return of_pool("design", mean, block, y, seed)(budget), None
    if idea == "soft, random":
        rows = random_rows(y, budget, seed + 100)
    elif idea == "soft, design":
        rows = of_pool("design", mean, features, y, seed)(budget)
    else:
        rows, index = design_of_values(data, budget, seed)
        if idea == "soft, best targets":
            return rows, best_targets(index, rows, mean)
    return rows, mean[rows]


IDEAS = [
    "held-out", "two bandwidths", "imitation", "soft, random", "soft, design",
    "soft, design of values", "soft, best targets", "NTK", "features + NTK",
]  # fmt: skip


def judge(idea, budget, seed, data, valid):
    """Accuracies of the judged kinds, one seed."""
    X, y = data[:2]
    found, chosen = [], None
    with threadpool_limits(1):
        for kind in JUDGED:
            if chosen is None or idea.endswith("NTK"):
                chosen = choose(idea, kind, data, budget, seed)
            rows, targets = chosen
            found.append(fit(kind, X[rows], y[rows], seed, targets=targets).score(*valid))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=IDEAS, default=IDEAS)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--budgets", type=int, nargs="+", default=[200, 1000])
    parser.add_argument("--store", type=Path, default=Path("mixed_pool"))
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    print(describe())
    *data, X_valid, y_valid = load(args.store, args.jobs)
    base = {}
    for budget in args.budgets:  # the reference is mixed_pool.py's
        path = args.store / f"class-balanced random {budget}.json"
        base[budget] = json.loads(path.read_text())[: args.seeds] if path.exists() else []
        if len(base[budget]) < args.seeds:
            parser.error("run mixed_pool.py first, with these budgets and as many seeds")
    for idea in args.only:
        for budget in args.budgets:
            path = args.store / f"idea {idea} {budget}.json"
            done = json.loads(path.read_text()) if path.exists() else []
            done += Parallel(args.jobs)(
                delayed(judge)(idea, budget, seed, data, (X_valid, y_valid))
                for seed in range(len(done), args.seeds)
            )
            path.write_text(json.dumps(done))
            gain = 100 * (np.array(done[: args.seeds]) - base[budget]).mean(axis=1)
            error = gain.std(ddof=1) / np.sqrt(len(gain))
            print(f"{budget:6d} rows  {idea:24s} {gain.mean():+.2f} +- {error:.2f}", flush=True)


if __name__ == "__main__":
    main()
