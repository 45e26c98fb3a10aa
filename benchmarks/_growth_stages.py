"""The stages that benchmarks/growth.py runs: along each axis, a size to a piece of work.

None in place of work: the size is too large to be run.
"""

from __future__ import annotations

import numpy as np

from benchmarks._data import Planted, identity, planted_zoo, problem
from sksubsel import (
    ArchitectureClassifier,
    ArchitectureEncoder,
    ModelApproximator,
    ModelZoo,
    SubsetSelector,
)
from sksubsel.architectures import Architecture
from sksubsel.baselines.submodular import FacilityLocation
from sksubsel.features import InstanceFeatures
from sksubsel.spaces import MLP, NASBench101

N_FEATURES, N_CLASSES, LATENT = 32, 10, 16
N, A, V = 2000, 8, 7  # where they are not what grows
N_EPOCHS, MAX_BUDGET = 3, 1000  # of the encoder; of choices whose time grows with B
MAX_DENSE = 32_000  # rows: a dense kernel of more is over 4 GB


def cells(n):
    return NASBench101().sample(n, random_state=0)


def graphs(n, n_nodes):
    """Random DAGs: a chain of all nodes, and an edge more for every second one."""
    rng = np.random.default_rng(0)
    ops = ("conv", "norm", "relu", "pool")
    found = []
    for _ in range(n):
        inner = [ops[k] for k in rng.integers(len(ops), size=n_nodes - 2)]
        edges = {(v, v + 1) for v in range(n_nodes - 1)}
        pairs = np.sort(rng.integers(n_nodes, size=(n_nodes // 2, 2)), axis=1)
        edges |= {(int(u), int(v)) for u, v in pairs if u < v}
        found.append(Architecture(["input", *inner, "output"], sorted(edges)))
    return found


def encode(archs):
    """The fit of an encoder: so many epochs whatever the size."""
    return lambda: ArchitectureEncoder(max_epochs=N_EPOCHS, random_state=0).fit(archs)


def embed(archs):
    encoder = ArchitectureEncoder(max_epochs=1, random_state=0).fit(archs[:10])
    return lambda: encoder.transform(archs)


def parts(n_samples=N, n_archs=A, n_nodes=V):
    """Random embeddings, a planted zoo and an approximator of one epoch."""
    rng = np.random.default_rng(0)
    embeddings = rng.standard_normal((n_archs, n_nodes, LATENT)).astype(np.float32)
    zoo = planted_zoo(cells(n_archs), *problem(n_samples, N_FEATURES, N_CLASSES))
    model = ModelApproximator(
        features=identity(), max_epochs=1, early_stopping=False, random_state=0
    )
    return embeddings, zoo, model


def approximate(**sizes):
    embeddings, zoo, model = parts(**sizes)
    return lambda: model.fit(embeddings, zoo)


def predict(**sizes):
    """Predictions for all architectures, chunk by chunk, kept nowhere."""
    n_archs = sizes.pop("n_archs", A)
    embeddings, zoo, model = parts(**sizes)
    model.fit(embeddings, zoo)
    unseen = np.repeat(embeddings, -(-n_archs // A), axis=0)[:n_archs]

    def work():
        for _ in model.transform(unseen).chunks():
            pass

    return work


def selector(mode="transductive", diversity="entropy", **params):
    def make(n_samples):
        embeddings, zoo, model = parts(n_samples)
        predictions = model.fit(embeddings, zoo).transform(embeddings)
        budget = n_samples // 10
        if diversity != "entropy":
            budget = min(MAX_BUDGET, budget)
        chooser = SubsetSelector(mode, diversity=diversity, budget=budget, random_state=0, **params)
        return chooser, predictions, zoo

    return make


def fit_selector(**params):
    def stage(n_samples):
        chooser, predictions, zoo = selector(**params)(n_samples)
        return lambda: chooser.fit(predictions, zoo)

    return stage


def select(**params):
    def stage(n_samples):
        chooser, predictions, zoo = selector(**params)(n_samples)
        chooser.fit(predictions, zoo)
        return lambda: chooser.select(predictions[0])

    return stage


def select_for(n_archs):
    """Entropy's subsets for many architectures, one after another."""
    chooser, predictions, zoo = selector()(N)
    chooser.fit(predictions, zoo)
    many = predictions[np.arange(n_archs) % A]
    return lambda: chooser.transform(many)


def features(n_samples):
    X, _ = problem(n_samples, 128, N_CLASSES)
    return lambda: InstanceFeatures(32).fit_transform(X)


def train(n_samples=N, depth=2):
    """One epoch of an MLP, and its predictions."""
    space = MLP(depths=(depth,), widths=(32,))
    arch = space.make(widths=(32,) * depth, activation="relu", norm="none", dropout=0.0, skip=False)
    X, y = problem(n_samples, N_FEATURES, N_CLASSES)
    model = ArchitectureClassifier(
        arch, build=space.build, max_epochs=1, batch_size=64, random_state=0
    )
    return lambda: model.fit(X, y).predict_proba(X)


def keep(n_archs):
    """A zoo of networks that cost nothing: what is left is what keeps them."""
    archs = cells(n_archs)
    X, y = problem(N, N_FEATURES, N_CLASSES)
    return lambda: ModelZoo(Planted(), random_state=0).fit(archs, X, y)


def facility_location(mode):
    def stage(n_samples):
        if mode == "dense" and n_samples > MAX_DENSE:
            return None
        X, _ = problem(n_samples, N_FEATURES, N_CLASSES)
        model = FacilityLocation(
            min(MAX_BUDGET, n_samples // 10), mode=mode, memory_limit=None, random_state=0
        )
        return lambda: model.fit(X)

    return stage


STAGES = {
    "encoder fit": {
        "A": lambda n: encode(cells(n)),
        "V": lambda n: encode(graphs(32, n)),
    },
    "encoder transform": {
        "A": lambda n: embed(cells(n)),
        "V": lambda n: embed(graphs(32, n)),
    },
    "approximator fit": {
        "N": lambda n: approximate(n_samples=n),
        "A": lambda n: approximate(n_archs=n),
        "V": lambda n: approximate(n_nodes=n),
    },
    "predict": {
        "N": lambda n: predict(n_samples=n),
        "A": lambda n: predict(n_archs=n),
        "V": lambda n: predict(n_nodes=n),
    },
    "scorer fit": {"N": fit_selector(mode="inductive", max_epochs=1)},
    "select, transductive": {"N": select(), "A": select_for},
    "select, gradient solver": {"N": select(solver="gradient")},
    "select, Poisson": {"N": select(sampling="poisson")},
    "select, inductive": {"N": select(mode="inductive", max_epochs=1)},
    "select, hybrid": {"N": select(mode="hybrid", max_epochs=1)},
    "select, coverage": {"N": select(diversity="coverage")},
    "select, design": {"N": select(diversity="design")},
    "features": {"N": features},
    "training": {"N": lambda n: train(n_samples=n), "V": lambda n: train(depth=max(1, n // 2))},
    "zoo": {"A": keep},
    "facility location, sparse": {"N": facility_location("sparse")},
    "facility location, dense": {"N": facility_location("dense")},
}
