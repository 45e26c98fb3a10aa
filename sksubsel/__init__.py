"""Subsets on which many neural networks train nearly as well as on all data."""

from sksubsel.architectures import Architecture
from sksubsel.encoder import ArchitectureEncoder
from sksubsel.zoo import ArchitectureClassifier, ArchitectureRegressor, ModelZoo
from sksubsel.approximator import ModelApproximator
from sksubsel.selector import SubsetSelector
from sksubsel.subselnet import SubSelNet
from sksubsel.subset_classifier import SubsetClassifier, SubsetRegressor

__version__ = "0.1.0"

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
