"""Layouts of the zoo, its recipes and the spaces that build their networks."""

from __future__ import annotations

import inspect
from types import MethodType

import numpy as np

from sksubsel.datasets import ImageTransform
from sksubsel.datasets.transformed import TransformedBuild
from sksubsel.persistence.architectures import pack_architectures, unpack_architectures
from sksubsel.persistence.kinds import (
    LABELS,
    TASK,
    any_array,
    anything,
    array,
    maybe,
    of_type,
    plain,
    whole,
)
from sksubsel.persistence.layouts import EstimatorLayout, Layout, require
from sksubsel.spaces import DARTS, MLP, Mixed, NASBench101, NASBench201, Transformer
from sksubsel.zoo import ArchitectureClassifier, ArchitectureRegressor, ModelZoo


class _ZooLayout(EstimatorLayout):
    """Of a slice, its own predictions alone."""

    def state(self, value):
        state = super().state(value)
        if "_base" not in state:
            return {}
        state["architectures"] = pack_architectures(state.pop("architectures_"))
        del state["_base"], state["_rows"]
        return {**state, "predictions": value.predictions_}

    def learned(self, value, state):
        archs = unpack_architectures(state.pop("architectures"))
        trained, base = state["trained_"], state.pop("predictions")
        require(
            len(trained) == len(np.unique(trained)) and set(trained) <= set(range(len(archs))),
            "its trained architectures are not all there",
        )
        require(len(state["X_"]) == len(state["y_"]), "X and y have different lengths")
        return {
            **state,
            "architectures_": archs,
            "_base": base,
            "_rows": np.arange(len(base)),
        }

    def _is_fitted(self, value):
        return "_base" in vars(value)


class _SpaceLayout(Layout):
    """A search space or a transform, by what its constructor takes, which checks it."""

    def __init__(self, cls, kind=plain):
        super().__init__(cls, dict.fromkeys(inspect.signature(cls).parameters, kind))

    def state(self, value):
        return {name: getattr(value, name) for name in self.fields}

    def make(self, state):
        return self.cls(**state)


def _packed(value, sizes):
    """What `pack_architectures` gives, by its types; the rest is found when it is unpacked."""
    kinds = {
        "ops": array("M", "int64"),
        "edges": array("E 2", "int64"),
        "sizes": array("A", "int64"),
        "n_edges": array("A", "int64"),
        "space_of": array("A", "int64"),
        "attributes_of": array("M", "int64"),
        "vocabulary": plain,
        "spaces": plain,
        "attributes": plain,
    }
    if type(value) is not dict or value.keys() != kinds.keys():
        return f"must have {sorted(kinds)}"
    own: dict = {}
    problems = (kind(value[name], own) for name, kind in kinds.items())
    return next((problem for problem in problems if problem is not None), None)


ZOO_LAYOUTS = [
    # of a trained network the prototype is all that a zoo needs
    EstimatorLayout(ArchitectureClassifier, {}),
    EstimatorLayout(ArchitectureRegressor, {}),
    _ZooLayout(
        ModelZoo,
        {
            "architectures": _packed,
            "estimator_": of_type(ArchitectureClassifier, ArchitectureRegressor),
            "task_": TASK,
            "classes_": maybe(any_array),
            "X_": any_array,
            "y_": LABELS,
            "X_val_": maybe(any_array),
            "y_val_": maybe(array("V", "int64", "float32")),
            "trained_": array("T", "int64"),
            "predictions": array("T N C", "float16", "float32"),
            "accuracies_": array("T", "float64"),
            "train_accuracies_": array("T", "float64"),
            "train_times_": array("T", "float64"),
            "n_parameters_": array("T", "int64"),
            "errors_": plain,
            "_seed": whole(),
        },
        optional={"_appended": plain},
        derived=("_store",),
        lost=("store", "keep_weights"),  # a place on some disk, and what is kept there
    ),
    *map(_SpaceLayout, (DARTS, MLP, NASBench101, NASBench201, Transformer)),
    _SpaceLayout(Mixed, anything),
    _SpaceLayout(ImageTransform),
    Layout(TransformedBuild, {"transform": of_type(ImageTransform), "build": of_type(MethodType)}),
]
