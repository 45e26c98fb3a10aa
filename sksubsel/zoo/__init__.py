"""Architectures trained as scikit-learn estimators, one by one and as a zoo."""

from sksubsel._parallel import WorkerDiedError, WorkerDiedWarning
from sksubsel.zoo.classifier import ArchitectureClassifier
from sksubsel.zoo.regressor import ArchitectureRegressor
from sksubsel.zoo.store import CorruptEntryWarning
from sksubsel.zoo.zoo import ModelZoo, TrainingFailedWarning

__all__ = [
    "ArchitectureClassifier",
    "ArchitectureRegressor",
    "CorruptEntryWarning",
    "ModelZoo",
    "TrainingFailedWarning",
    "WorkerDiedError",
    "WorkerDiedWarning",
]
