"""Subsets on which many neural networks train nearly as well as on all data."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from sksubsel._version import __version__ as __version__

if TYPE_CHECKING:
    from sksubsel.approximator import ModelApproximator
    from sksubsel.architectures import Architecture
    from sksubsel.encoder import ArchitectureEncoder
    from sksubsel.selector import SubsetSelector
    from sksubsel.subselnet import SubSelNet
    from sksubsel.subset_classifier import SubsetClassifier, SubsetRegressor
    from sksubsel.zoo import ArchitectureClassifier, ArchitectureRegressor, ModelZoo

__all__ = [
    "Architecture",
    "ArchitectureClassifier",
    "ArchitectureEncoder",
    "ArchitectureRegressor",
    "ModelApproximator",
    "ModelZoo",
    "SubSelNet",
    "SubsetClassifier",
    "SubsetRegressor",
    "SubsetSelector",
]

# Imported when first asked for: torch takes seconds, and a search space or `--help` needs none.
_MODULE_OF = {
    "Architecture": "architectures",
    "ArchitectureClassifier": "zoo",
    "ArchitectureEncoder": "encoder",
    "ArchitectureRegressor": "zoo",
    "ModelApproximator": "approximator",
    "ModelZoo": "zoo",
    "SubSelNet": "subselnet",
    "SubsetClassifier": "subset_classifier",
    "SubsetRegressor": "subset_classifier",
    "SubsetSelector": "selector",
}
_MODULES = (
    "approximator",
    "architectures",
    "base",
    "baselines",
    "benchmark",
    "datasets",
    "encoder",
    "extraction",
    "features",
    "metrics",
    "networks",
    "nn",
    "persistence",
    "plotting",
    "predictions",
    "samplers",
    "scoring",
    "search",
    "selector",
    "spaces",
    "subselnet",
    "subset_classifier",
    "tracing",
    "zoo",
)

if not TYPE_CHECKING:  # to which any name would be there

    def __getattr__(name):
        if name in _MODULES:
            return importlib.import_module(f"sksubsel.{name}")
        if name not in _MODULE_OF:
            raise AttributeError(f"module 'sksubsel' has no attribute {name!r}")
        found = getattr(importlib.import_module(f"sksubsel.{_MODULE_OF[name]}"), name)
        globals()[name] = found  # the next time it is found without this function
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})
