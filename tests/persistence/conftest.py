"""Nets to save, fitted once a module."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sksubsel import (
    ArchitectureClassifier,
    ArchitectureEncoder,
    ArchitectureRegressor,
    ModelApproximator,
    ModelZoo,
    SubSelNet,
    SubsetSelector,
)
from sksubsel.features import InstanceFeatures
from sksubsel.spaces import MLP

MODES = ("transductive", "inductive", "hybrid")


def quick(mode="transductive", **params):
    """A net that is fitted in a fraction of a second."""
    own = {"encoder", "approximator", "zoo", "random_state", "on_novel"}
    rest = {name: params.pop(name) for name in own & params.keys()}
    return SubSelNet(
        **{
            "selector": SubsetSelector(mode, **{"budget": 30, "max_epochs": 2} | params),
            "encoder": ArchitectureEncoder(max_epochs=2),
            "approximator": ModelApproximator(max_epochs=2, early_stopping=False),
            "random_state": 0,
        }
        | rest
    )


@pytest.fixture(scope="module")
def net(tiny):
    """One net by design, with all that it has."""
    return quick("hybrid").fit(tiny.archs, tiny.zoo)


@pytest.fixture(scope="module")
def nets(tiny):
    """Nets of all kinds by name, each with a zoo."""
    encoder, approximator = FrozenEstimator(tiny.encoder), FrozenEstimator(tiny.approximator)
    frozen = {"encoder": encoder, "approximator": approximator}
    made = {
        f"{mode}-{diversity}": quick(mode, diversity=diversity, **frozen)
        for mode in MODES
        for diversity in ("design", "entropy", "coverage")
    }
    made["transductive-entropy"].set_params(selector__sampling="top", selector__stratify="equal")
    made["transductive-design"].set_params(selector__oof_weight=0.5)
    made["inductive-design"].set_params(selector__oof_weight=0)
    made["inductive-entropy"].set_params(encoder=ArchitectureEncoder(max_epochs=2))
    part = ModelApproximator("lstm", max_epochs=1, early_stopping=False, residual=False)
    made["lstm"] = quick(approximator=part, encoder=encoder, on_novel="mean")
    made["mean"] = quick(approximator=ModelApproximator(max_epochs=0), encoder=encoder)
    part = ModelApproximator("feedforward", max_epochs=1, hidden_dim=8, features=InstanceFeatures())
    made["own-features"] = quick("hybrid", approximator=part, features=InstanceFeatures(8))
    nets = {name: net.fit(tiny.archs, tiny.zoo) for name, net in made.items()}
    y = tiny.X.mean(axis=(1, 2, 3)) * 3 + tiny.y
    recipe = ArchitectureRegressor(build=tiny.space.build, max_epochs=1)
    zoo = ModelZoo(recipe, random_state=0).fit(tiny.archs[:3], tiny.X, y)
    net = quick("hybrid", encoder=encoder)
    nets["regression-design"] = net.fit(tiny.archs[:3], zoo)
    gradient = {"solver": "gradient", "sampling": "poisson", "stratify": None}
    net = quick("hybrid", diversity="entropy", encoder=encoder, **gradient)
    nets["regression-entropy"] = net.fit(tiny.archs[:3], zoo)
    nets["mlp"] = of_a_table(tiny)
    return nets


def of_a_table(tiny):
    """Perceptrons, whose nodes have attributes, on a table with labels that are words."""
    X, labels = tiny.X.reshape(len(tiny.X), -1), np.array([f"digit {k}" for k in range(10)])
    space = MLP(depths=(1, 2, 3), activations=("relu",), norms=("none",), skips=(False,))
    archs = space.sample(5, random_state=1)[:3]
    recipe = ArchitectureClassifier(build=space.build, max_epochs=1)
    zoo = ModelZoo(recipe, n_pretrained=2, random_state=0)
    zoo.fit(archs, X, labels[tiny.y], X[:20], labels[tiny.y[:20]])
    features = make_pipeline(StandardScaler(), PCA(8, random_state=0))
    part = ModelApproximator(max_epochs=1, features=features)
    random_state = np.random.RandomState(5)
    return quick(approximator=part, zoo=zoo, random_state=random_state).fit(archs, zoo)
