"""What a user's type checker sees; run by mypy alone (`tox -e types`).

A call marked as an ignored error must be one: mypy reports marks that nothing needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import sksubsel
from sksubsel import ArchitectureClassifier, ModelZoo, SubSelNet, SubsetClassifier
from sksubsel.baselines import EL2N, Random
from sksubsel.benchmark import compare, summarize
from sksubsel.extraction import StoredFeatures, extract_features
from sksubsel.spaces import MLP

if TYPE_CHECKING:
    from typing_extensions import assert_type


def use(X: np.ndarray, y: np.ndarray, extractor: Any) -> None:
    """The README's calls, and wrong ones."""
    space = MLP()
    archs = space.sample(20, random_state=0)
    recipe = ArchitectureClassifier(build=space.build, max_epochs=2)
    zoo = ModelZoo(recipe, n_pretrained=4, store="zoo").fit(archs, X, y)
    assert_type(zoo, ModelZoo)
    assert_type(zoo.accuracies_, np.ndarray)
    net = SubSelNet("inductive", budget=0.1).fit(archs, zoo)
    assert_type(net, SubSelNet)
    assert_type(net.partial_fit(archs, X, y, features=X), SubSelNet)
    assert_type(net.select(archs[0]), np.ndarray)
    assert_type(net.select(archs), list[np.ndarray])
    assert_type(SubSelNet.load("net", device="cpu"), SubSelNet)
    assert_type(Random(0.1).fit(X, y), Random)
    assert_type(EL2N(0.1).fit(X, y), EL2N)
    table = compare({"net": net, "random": Random()}, archs, zoo, X, y, soft_targets={"net": net})
    assert_type(table, pd.DataFrame)
    assert_type(summarize(table), pd.DataFrame)
    features = extract_features(X, extractor, "cache")
    StoredFeatures([features.filename, "more.npy"]).fit(X)
    SubsetClassifier(recipe, Random(10)).fit(X, y)

    sksubsel.SubselNet  # type: ignore[attr-defined]  # noqa: B018
    SubSelNet(modes="inductive")  # type: ignore[call-arg]
    SubSelNet(budget="a tenth")  # type: ignore[arg-type]
    net.fit(archs, X, y, y)  # type: ignore[call-arg]
    net.partial_fit(archs, X, y, nonsense=3)  # type: ignore[call-arg]
    ModelZoo(recipe, n_pretrained="four")  # type: ignore[arg-type]
