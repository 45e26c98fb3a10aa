"""A CUDA machine beside its own CPU: equal results within a stated tolerance, and absolute times.

What is random is drawn on the CPU where the library does so, and results then agree up to rounding;
where it draws on the device (the encoder's noise, dropout), fitted weights are moved over, or the
quality reached is compared. Exit status 1 if anything differs by more than its tolerance; without
CUDA it says so and exits 0. ``--device cpu`` tries the script itself: the CPU beside the CPU.

Run: python -m benchmarks.gpu [--only encoder selector times] [--scale 0.1]
"""

from __future__ import annotations

import argparse
import copy
import sys
import time

import numpy as np
import torch
from sklearn.base import clone

from benchmarks._data import identity, planted_zoo, problem
from benchmarks._machine import describe
from sksubsel import ArchitectureEncoder, ModelApproximator, SubsetSelector
from sksubsel.features import FeatureExtractor
from sksubsel.nn.encoder import GraphVAE
from sksubsel.spaces import NASBench101

N_CELLS, N_ARCHS, N_SAMPLES, N_FEATURES, N_CLASSES = 2000, 8, 5000, 128, 10
SELECTORS = {
    f"{mode}, {diversity}": {"mode": mode, "diversity": diversity}
    for mode in ("transductive", "inductive", "hybrid")
    for diversity in ("entropy", "coverage", "design")
} | {
    f"transductive, {name}": {"mode": "transductive", "diversity": "entropy", **params}
    for name, params in {
        "gradient solver": {"solver": "gradient"},
        "Poisson": {"sampling": "poisson"},
        "top": {"sampling": "top"},
    }.items()
}


def encoder(device):
    """Embeddings by the same weights, the gradient of a step, and the loss of a fit.

    Not the cells rebuilt whole: after 30 epochs these are .08 to .62 by the seed on one CPU. The
    loss falls from some 38 to 6.2, 4.2, 5.0 and 3.7 there.
    """
    archs = NASBench101().sample(N_CELLS, random_state=0)
    first, second = (
        ArchitectureEncoder(max_epochs=30, random_state=0, device=name).fit(archs)
        for name in ("cpu", device)
    )
    graphs, vae = first.codec_.graphs(archs, "cpu"), first.module_
    here = vae.mean(graphs)
    moved = first.codec_.graphs(archs, device)
    there = copy.deepcopy(vae).to(device)
    yield "embeddings by the same weights", _relative(there.mean(moved), here), 1e-4
    gradients = [_gradient(net, some) for net, some in ((vae, graphs), (there, moved))]
    yield "gradient of the ELBO at them", _relative(*gradients), 1e-3
    losses = [fit.history_[-1]["train_loss"] for fit in (first, second)]
    yield f"loss that a fit ends with, {losses[0]:.2f} on the CPU", abs(losses[0] - losses[1]), 3.0


def _gradient(vae: GraphVAE, graphs):
    vae.zero_grad()
    elbo = vae.elbo(graphs)
    (elbo.op_log_likelihood + elbo.edge_log_likelihood - 0.005 * elbo.kl).backward()
    return torch.cat([p.grad.flatten().cpu() for p in vae.parameters() if p.grad is not None])


def approximator(device):
    """Trained without dropout from the same start; and the same weights on both."""
    (first, embeddings, _), (second, _, _) = (_approximator(name) for name in ("cpu", device))
    here, there = (fit.predict_proba(embeddings) for fit in (first, second))
    yield "probabilities, each trained on its own", np.abs(here - there).max(), 1e-2
    moved = _moved(first, device).predict_proba(embeddings)
    yield "probabilities by the same weights", np.abs(here - moved).max(), 1e-4


def _approximator(device):
    """A fitted approximator, the embeddings of the zoo's architectures, and the zoo."""
    archs = NASBench101().sample(N_ARCHS, random_state=0)
    encoder = ArchitectureEncoder(max_epochs=30, random_state=0).fit(archs)
    zoo = planted_zoo(archs, *problem(N_SAMPLES, N_FEATURES, N_CLASSES))
    embeddings = encoder.transform(archs)
    model = ModelApproximator(
        features=identity(), dropout=0.0, max_epochs=5, early_stopping=False, random_state=0,
        device=device,
    )  # fmt: skip
    return model.fit(embeddings, zoo), embeddings, zoo


def _moved(model, device):
    """A copy of a fitted approximator that predicts on another device."""
    model = copy.deepcopy(model)
    model.module_, model.device_, model._cache = model.module_.to(device), device, None
    return model


def selector(device):
    """Rows of every mode, from predictions made on each device by the same weights."""
    model, embeddings, zoo = _approximator("cpu")
    here, there = (_moved(model, where).transform(embeddings) for where in ("cpu", device))
    for name, params in SELECTORS.items():
        fit = SubsetSelector(budget=0.1, random_state=0, **params).fit(here, zoo)
        rows = fit.transform(here)
        yield f"{name}: rows not in common", _apart(rows, fit.transform(there)), 0.02
        if fit.scorer_ is not None:
            own = clone(fit).set_params(device=device).fit_transform(there, zoo)
            yield f"{name}: the same, each by a scorer trained there", _apart(rows, own), 0.1


def _apart(rows, others):
    """Share of the rows for each architecture that the others lack."""
    return 1 - np.mean([len(np.intersect1d(a, b)) / len(a) for a, b in zip(rows, others)])


def classifier(device):
    """A cell's network: same start, same batches."""
    from benchmarks.stages.zoo import classifier as make
    from benchmarks.stages.zoo import images

    X, y = images(512)
    X += y[:, None, None, None] / 5  # something to learn
    first, last = [], []
    for name in ("cpu", device):
        model, _ = make(8, 32, 1, name)
        first.append(model.set_params(batch_size=512).fit(X, y).history_[0]["train_loss"])
        model.set_params(batch_size=32, max_epochs=10)
        last.append(model.fit(X, y).score(X, y))
    yield "loss of the first step, relative", abs(first[0] / first[-1] - 1), 1e-3
    yield f"accuracy after 10 epochs, {last[0]:.3f} on the CPU", abs(last[0] - last[-1]), 0.1


def features(device):
    """A layer of a frozen network."""
    from benchmarks.stages.zoo import classifier as make
    from benchmarks.stages.zoo import images

    X, _ = images(512)
    torch.manual_seed(0)
    module = make(16, 32, 1)[1]
    here, there = (FeatureExtractor(module, device=n).fit_transform(X) for n in ("cpu", device))
    yield "features", _relative(there, here), 1e-3


STAGES = {
    "encoder": encoder,
    "approximator": approximator,
    "selector": selector,
    "classifier": classifier,
    "features": features,
}


def times(device, scale):
    """The rows of ``python -m benchmarks``, ours alone, in absolute seconds on the device."""
    from benchmarks.stages import approximator as pairs
    from benchmarks.stages import encoder as cells
    from benchmarks.stages import select, zoo

    archs = NASBench101().sample(max(1000, round(scale * cells.N_CELLS)), random_state=0)
    fit = cells.encoder(device, max_epochs=2).fit(archs)
    yield f"encoder, one epoch over {len(archs):,} cells", fit.history_[-1]["dur"]
    line = cells.quality(archs, scale, device)
    yield f"encoder, {line.what} ({line.note})", line.ours
    data = pairs.Problem(max(500, round(scale * pairs.N_SAMPLES)))
    fit = data.fit(device, max_epochs=2)
    yield f"approximator, one epoch of 32 x {len(data.X):,} pairs", fit.history_[-1]["dur"]
    nets, arch = select.make(max(1000, round(scale * select.N_SAMPLES)), device=device)
    for mode, net in nets.items():
        net.select(arch)
        yield f"predict and select, {mode}, N={net.n_samples_:,}", _seconds(net.select, arch)
    X, y = zoo.images(max(128, round(scale * zoo.N_SAMPLES)))
    for stem, batch_size in zoo.SIZES:
        fit = zoo.classifier(stem, batch_size, zoo.N_EPOCHS, device)[0].fit(X, y)
        seconds = np.median([row["dur"] for row in fit.history_])
        yield f"training, stem {stem}, one epoch of {len(X):,} images", seconds


def _seconds(function, *args, n_repeats=5):
    found = []
    for _ in range(n_repeats):
        start = time.perf_counter()
        function(*args)  # its result is on the CPU: the device has finished
        found.append(time.perf_counter() - start)
    return np.median(found)


def _relative(a, b):
    """Largest difference, in units of the largest value."""
    a, b = (np.asarray(part, dtype=np.float64) for part in (a, b))
    return np.abs(a - b).max() / np.abs(b).max()


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--only", nargs="+", choices=[*STAGES, "times"])
    parser.add_argument("--scale", type=float, default=1.0, help="of the sizes that are timed")
    parser.add_argument("--device", default="cuda")
    args = parser.parse_args()
    if args.device.startswith("cuda") and not torch.cuda.is_available():
        print("torch sees no CUDA device here: nothing to compare")
        return 0
    print(describe(), flush=True)
    failed = False
    for name, stage in STAGES.items():
        if args.only and name not in args.only:
            continue
        for what, difference, tolerance in stage(args.device):
            good = difference <= tolerance  # NaN is not
            failed |= not good
            said = "" if good else "  DIFFERS"
            print(f"{name:13s} {what}: {difference:.1e} (at most {tolerance:g}){said}", flush=True)
    if not args.only or "times" in args.only:
        for what, seconds in times(args.device, args.scale):
            print(f"{seconds:9.3f} s  {what}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
