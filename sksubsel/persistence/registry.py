"""All classes that a saved net may hold: nothing else is written, and nothing else is made."""

from __future__ import annotations

import numpy as np
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from sksubsel.features import InstanceFeatures
from sksubsel.persistence.kinds import (
    any_array,
    anything,
    array,
    either,
    maybe,
    plain,
    real,
    text,
    whole,
)
from sksubsel.persistence.layouts import EstimatorLayout, Layout
from sksubsel.persistence.parts import PART_LAYOUTS
from sksubsel.persistence.samplers import SAMPLER_LAYOUTS
from sksubsel.persistence.zoo import ZOO_LAYOUTS


class _RandomStateLayout(Layout):
    """NumPy's RandomState, by its numbers."""

    def state(self, value):
        state = value.get_state(legacy=False)
        if state["bit_generator"] != "MT19937":
            raise TypeError(
                "random_state must be an int, None or a RandomState of an MT19937; got one of a "
                f"{state['bit_generator']}, which a folder cannot hold"
            )
        return {**state["state"], "has_gauss": state["has_gauss"], "gauss": state["gauss"]}

    def make(self, state):
        if state["key"].shape != (624,) or state["pos"] > 624:
            raise ValueError("its state is none of an MT19937")  # NumPy does not check the place
        inner = {name: state.pop(name) for name in ("key", "pos")}
        value = np.random.RandomState(0)
        value.set_state({**state, "bit_generator": "MT19937", "state": inner})
        return value


_TABLE = {"n_features_in_": whole(1)}
_NAMES = {"feature_names_in_": array("P")}
_COLUMN = maybe(array("P", "float64", "float32"))

TRANSFORMER_LAYOUTS = [
    EstimatorLayout(
        InstanceFeatures,
        {
            "mean_": array("P", "float64"),
            "projection_": either(array("P", "float64"), array("P G", "float64")),
            "shape_in_": plain,
            "_n_features_out": whole(1),
            **_TABLE,
        },
        optional={"feature_names_in_": any_array},
    ),
    EstimatorLayout(
        StandardScaler,
        {
            "mean_": _COLUMN,
            "var_": _COLUMN,
            "scale_": _COLUMN,
            "n_samples_seen_": either(real, any_array),
            **_TABLE,
        },
        optional=_NAMES,
    ),
    EstimatorLayout(
        MinMaxScaler,
        {
            **dict.fromkeys(("min_", "scale_", "data_min_", "data_max_", "data_range_"), _COLUMN),
            "n_samples_seen_": real,
            **_TABLE,
        },
        optional=_NAMES,
    ),
    EstimatorLayout(
        PCA,
        {
            "components_": array("G P", "float64", "float32"),
            "explained_variance_": array("G", "float64", "float32"),
            "explained_variance_ratio_": array("G", "float64", "float32"),
            "singular_values_": array("G", "float64", "float32"),
            "mean_": array("P", "float64", "float32"),
            "n_components_": whole(1, "G"),
            "n_samples_": whole(1),
            "noise_variance_": real,
            "_fit_svd_solver": text,
            **_TABLE,
        },
        optional=_NAMES,
    ),
    # what its steps have learned is their own; `memory` is a place that pickles are read from
    EstimatorLayout(Pipeline, {}, lost=("memory",), holds_fitted=True),
]

LAYOUTS = [
    Layout(FrozenEstimator, {"estimator": anything}),
    _RandomStateLayout(
        np.random.RandomState,
        {"key": array("K", "uint32"), "pos": whole(), "has_gauss": whole(), "gauss": real},
    ),
    *TRANSFORMER_LAYOUTS,
    *PART_LAYOUTS,
    *SAMPLER_LAYOUTS,
    *ZOO_LAYOUTS,
]
