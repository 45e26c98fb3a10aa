"""Prediction, selection and the scorer at ImageNet's size: features float16 on disk, beside memory.

The zoo is a formula, its predictions float16 on disk as those of a large `ModelZoo` are. Resident
memory counts mapped pages, which the system takes back when it needs them; the goals are about the
rest.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks._data import Planted, identity, labels_of
from benchmarks._measure import Timed, in_turn, once
from benchmarks._table import Line, beside, judged
from sksubsel import ArchitectureEncoder, ModelApproximator, SubsetSelector
from sksubsel.spaces import NASBench101

N_SAMPLES, N_CLASSES, N_ARCHS = 1_281_167, 1000, 2
N_FEATURES = {False: 512, True: 2048}  # the second with --full
GOAL_SECONDS, GOAL_MB, GOAL_FIT = 60, 4000, 900
_CHUNK = 16_384


class MappedZoo:
    """What the parts ask of a fitted zoo, for predictions (A, N, C) that lie on disk."""

    task_ = "classification"

    def __init__(self, archs, X, y, n_classes, folder):
        self.X_, self.y_, self.classes_ = X, y, np.arange(n_classes)
        self.trained_ = np.arange(len(archs))
        path = Path(folder) / "predictions.npy"
        shape = len(archs), len(X), n_classes
        out = np.lib.format.open_memmap(path, "w+", np.float16, shape)
        for place, arch in enumerate(archs):
            network = Planted(arch, classes=self.classes_).fit(X, y)
            for start in range(0, len(X), _CHUNK):
                rows = slice(start, start + _CHUNK)
                out[place, rows] = network.predict_proba(X[rows].astype(np.float32))
        out.flush()
        del out
        self.predictions_ = np.load(path, mmap_mode="r")

    def __len__(self):
        return len(self.trained_)


def write(folder, n_samples, n_features, n_classes):
    """Features (N, F) float16 written to disk by parts and mapped, and labels (N,)."""
    path = Path(folder) / "features.npy"
    out = np.lib.format.open_memmap(path, "w+", np.float16, (n_samples, n_features))
    rng = np.random.default_rng(0)
    y = np.empty(n_samples, dtype=np.int64)
    for start in range(0, n_samples, _CHUNK):
        rows = slice(start, start + _CHUNK)
        part = rng.standard_normal((len(y[rows]), n_features), dtype=np.float32)
        out[rows], y[rows] = part, labels_of(part, n_classes, rng)
    out.flush()
    del out
    return np.load(path, mmap_mode="r"), y


def run(scale, repeats, full=False):
    n_features = N_FEATURES[full]
    n_classes = N_CLASSES if scale == 1 else max(10, min(N_CLASSES, round(10 * scale * N_CLASSES)))
    n_samples = max(2 * n_classes, round(scale * N_SAMPLES))
    sizes = f"N={n_samples:,}, F={n_features}, C={n_classes}"
    archs = NASBench101().sample(N_ARCHS + 1, random_state=0)
    encoder = ArchitectureEncoder(max_epochs=20, random_state=0).fit(archs[:-1])
    seen, unseen = encoder.transform(archs[:-1]), encoder.transform(archs[-1:])
    with tempfile.TemporaryDirectory() as folder:
        mapped, y = write(folder, n_samples, n_features, n_classes)
        zoo = MappedZoo(archs[:-1], mapped, y, n_classes, folder)
        model = ModelApproximator(
            features=identity(), max_epochs=1, early_stopping=False, random_state=0
        )
        fitted = once(lambda: model.fit(seen, zoo))
        yield Line(
            "imagenet",
            f"fit of the approximator, {N_ARCHS} architectures, one epoch, {sizes}",
            "",
            ours=fitted.seconds,
            ours_mb=fitted.peak,
            note=f"no goal is set for it; {_memory(fitted)}",
        )
        yield _transductive(model, seen, unseen, zoo, repeats, scale, sizes)
        yield from _inductive(model, seen, unseen, zoo, scale, sizes)


def _transductive(model, seen, unseen, zoo, repeats, scale, sizes):
    selector = SubsetSelector("transductive", budget=0.1, diversity="entropy", random_state=0)
    selector.fit(model.transform(seen), zoo)
    mapped = model.features_

    def select(features):
        model.features_ = features
        start = time.perf_counter()
        rows = selector.select(model.transform(unseen))
        model.features_ = mapped
        return Timed(time.perf_counter() - start, rows)

    names = "ours", "float32 features in memory"
    functions = (lambda: select(mapped)), (lambda: select(np.asarray(mapped, np.float32)))
    sides = in_turn(dict(zip(names, functions)), repeats, warm_up=False)
    same = np.array_equal(*(side.result for side in sides.values()))
    line = beside(
        "imagenet",
        f"predict and select, transductive (exact), B=10%, {sizes}, float16 features on disk",
        sides,
        names,
        goal=f"<= {GOAL_SECONDS} s and <= {GOAL_MB / 1000:.0f} GB",
        note=f"{_memory(sides[names[0]])}; the same rows both ways: {'yes' if same else 'NO'}",
    )
    met = line.ours <= GOAL_SECONDS and _fits(sides[names[0]])
    line.met = judged(met and same, scale)
    return line


def _inductive(model, seen, unseen, zoo, scale, sizes):
    selector = SubsetSelector("inductive", budget=0.1, diversity="entropy", random_state=0)
    fit = once(lambda: selector.fit(model.transform(seen), zoo))
    yield Line(
        "imagenet",
        f"fit of the inductive scorer, {sizes}",
        "",
        ours=fit.seconds,
        goal=f"<= {GOAL_FIT} s and <= {GOAL_MB / 1000:.0f} GB",
        met=judged(fit.seconds <= GOAL_FIT and _fits(fit), scale),
        ours_mb=fit.peak,
        note=_memory(fit),
    )
    chosen = once(lambda: selector.select(model.transform(unseen)))
    yield Line(
        "imagenet",
        f"predict and select, inductive, {sizes}",
        "",
        ours=chosen.seconds,
        goal=f"<= {GOAL_SECONDS} s and <= {GOAL_MB / 1000:.0f} GB",
        met=judged(chosen.seconds <= GOAL_SECONDS and _fits(chosen), scale),
        ours_mb=chosen.peak,
        note=_memory(chosen),
    )


def _fits(side):
    return side.own <= GOAL_MB


def _memory(side):
    return (
        f"the whole process held up to {side.total:,.0f} MB, {side.own:,.0f} MB of its own and the "
        "rest pages of mapped files, which the system takes back at need"
    )
