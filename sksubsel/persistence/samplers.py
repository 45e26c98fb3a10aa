"""Layouts of what a selector has prepared: indices of design and coverage, and the scorer."""

from __future__ import annotations

import numpy as np

from sksubsel.nn.scorer import ScorerNet
from sksubsel.persistence.kinds import (
    array,
    either,
    flag,
    maybe,
    of_type,
    plain,
    real,
    text,
    whole,
)
from sksubsel.persistence.layouts import Layout, ModuleLayout, require
from sksubsel.samplers.coverage import CoverageIndex
from sksubsel.samplers.design import DesignIndex, _Pool
from sksubsel.samplers.inductive import InductiveScorer
from sksubsel.samplers.kernels import FourierFeatures
from sksubsel.samplers.quotas import rows_of_each


class _CoverageLayout(Layout):
    """Reference rows of all classes are one array, with the number of each."""

    def state(self, value):
        state = super().state(value)
        counts = [len(part) for part in value.references]
        state["references"] = np.concatenate(value.references)
        return {**state, "reference_counts": np.array(counts, dtype=np.int64)}

    def make(self, state):
        counts = state.pop("reference_counts")
        value = super().make(state)
        value.members, value._distances = rows_of_each(value.strata), None
        require(
            len(counts) == len(value.members)
            and counts.min() >= 0
            and counts.sum() == len(value.references),
            "its reference rows do not add up",
        )
        value.references = np.split(value.references, np.cumsum(counts)[:-1])
        for rows, members in zip(value.references, value.members):
            inside = len(rows) == 0 or 0 <= rows.min() <= rows.max() < len(members)
            require(inside, "it has reference rows that are not there")
        return value


class _DesignLayout(Layout):
    def make(self, state):
        pool = state["_pool_of_all"]
        n_inputs, n_waves = state["fourier"].waves.shape
        require(state["inputs"].shape[1] == n_inputs, "its inputs do not fit its features")
        if pool is not None:
            require(len(pool.basis) == 2 * n_waves, "its pool does not fit its features")
            require(0 <= pool.rows.min() <= pool.rows.max() < state["n_samples"], "its pool's rows")
        return super().make(state)


class _PoolLayout(Layout):
    """Features of the pool's rows are made anew, as those of a pickle are."""

    def state(self, value):
        state = super().state(value)
        squares, curved = state.pop("start")
        return {**state, "squares": squares, "curved": curved}

    def make(self, state):
        start = state.pop("squares"), state.pop("curved")
        return super().make({**state, "start": start, "phi": None})


def _scorer_sizes(tensors, _):
    return {
        "latent_dim": tensors["from_architecture.weight"].shape[1],
        "n_instance": tensors["from_instance.weight"].shape[1],
        "n_outputs": tensors["from_prediction.weight"].shape[1] - 1,
        "hidden_dims": (tensors["hidden.weight"].shape[1], tensors["hidden.weight"].shape[0]),
    }


SAMPLER_LAYOUTS = [
    _CoverageLayout(
        CoverageIndex,
        {
            "n_samples": whole(1, "N"),
            "strata": array("N", "int64"),
            "features": array("N F", "float32"),
            "references": array("R", "int64"),
            "reference_counts": array("S", "int64"),
            "_keep": flag,
        },
        derived=("members", "_distances"),
    ),
    Layout(FourierFeatures, {"waves": array("F W", "float32")}),
    _PoolLayout(
        _Pool,
        {
            "rows": array("M", "int64"),
            "basis": array("G D", "float32"),
            "spectrum": array("D", "float64"),
            "squares": array("M", "float64"),
            "curved": array("M", "float64"),
        },
        derived=("phi",),
    ),
    _DesignLayout(
        DesignIndex,
        {
            "n_samples": whole(1, "N"),
            "n_components": whole(1),
            "lam": real,
            "temperature": real,
            "n_sweeps": whole(),
            "max_rows": whole(1),
            "labels": either(array("N", "int64"), array("N C", "float32")),
            "strata": array("N", "int64"),
            "inputs": array("N F", "float32"),
            "fourier": of_type(FourierFeatures),
            "_turn": array("N", "int64"),
            "_edges": array("E", "int64"),
            "_pool_of_all": maybe(of_type(_Pool)),
        },
    ),
    ModuleLayout(ScorerNet, _scorer_sizes),
    Layout(
        InductiveScorer,
        {
            "lam": real,
            "beta": real,
            "max_epochs": maybe(whole(1)),
            "batch_size": whole(1),
            "lr": real,
            "device": text,
            "seed": whole(),
            "verbose": plain,
            "history": plain,
            "module": of_type(ScorerNet),
            "instance_part": array("N H", "float32"),
        },
        derived=("losses",),
    ),
]
