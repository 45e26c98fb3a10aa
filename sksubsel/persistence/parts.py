"""Layouts of the encoder, the approximator and the selector, and of what they consist of."""

from __future__ import annotations

from sklearn.neighbors import NearestNeighbors

from sksubsel.approximator import ModelApproximator
from sksubsel.architectures.attributes import AttributeCoder
from sksubsel.encoder import ArchitectureEncoder
from sksubsel.nn.approximator import ApproximatorNet
from sksubsel.nn.codec import GraphCodec
from sksubsel.nn.encoder import GraphVAE
from sksubsel.nn.novelty import Novelty
from sksubsel.persistence.kinds import (
    LABELS,
    TASK,
    anything,
    array,
    flag,
    maybe,
    of_type,
    plain,
    real,
    rows_by_budget,
    text,
    whole,
    words,
)
from sksubsel.persistence.layouts import (
    EstimatorLayout,
    Layout,
    ModuleLayout,
    count,
    device_or_cpu,
    require,
)
from sksubsel.samplers.coverage import CoverageIndex
from sksubsel.samplers.design import DesignIndex
from sksubsel.samplers.inductive import InductiveScorer
from sksubsel.selector import SubsetSelector

_SUMMARY_OF = {"query.weight": "attention", "layers.0.weight": "feedforward"}


class _NoveltyLayout(Layout):
    def make(self, state):
        value = super().make(state)
        value.neighbors_ = NearestNeighbors().fit(value.points_)
        return value


class _EncoderLayout(EstimatorLayout):
    def learned(self, value, state):
        codec, vae = state["codec_"], state["module_"]
        require(
            vae.n_ops == len(codec.vocabulary) + 1
            and vae.init_node[0].in_features == vae.n_ops + codec.n_attributes
            and state["novelty_"].center_.shape == (vae.mu.out_features,),
            "the network does not fit its vocabulary or its novelty",
        )
        return {**state, "vocabulary_": codec.vocabulary}


class _ApproximatorLayout(EstimatorLayout):
    def learned(self, value, state):
        net, hidden, (n_features, n_outputs) = state["module_"], state["hidden_"], _widths(state)
        n_inputs = n_features + (n_outputs if net.residual else 0)
        require(
            net.from_instance.in_features == n_inputs
            and net.output.out_features == n_outputs
            and (hidden is None or net.output.in_features == hidden.shape[1])
            and net.from_architecture.in_features == state["latent_dim_"]
            and state["shape_"] == state["base_"].shape,
            "the network does not fit the instances",
        )
        return {**state, "device_": device_or_cpu(state["device_"]), "_cache": None}


class _SelectorLayout(EstimatorLayout):
    def restore(self, entry, reader):
        value = super().restore(entry, reader)
        if "state" in entry and "oof_weight" not in entry["params"]:
            value.oof_weight = 0  # saved before there was a second opinion, it goes on without
        return value

    def learned(self, value, state):
        n_samples, scorer = state["n_samples_"], state["scorer_"]
        for name in ("coverage_", "design_"):
            index = state[name]
            require(index is None or index.n_samples == n_samples, f"{name} has another N")
        if state["design_"] is not None:
            missing = {"_mean", "_all_shared", "_shared"} - state.keys()
            require(not missing, f"it lacks {sorted(missing)}")
        for rows in state.get("_shared", {}).values():
            require(
                rows.ndim == 1 and (len(rows) == 0 or 0 <= rows.min() <= rows.max() < n_samples),
                "a shared design has rows that are not there",
            )
        if scorer is not None:
            require(len(scorer.instance_part) == n_samples, "the scorer has another N")
            require(
                scorer.module.from_prediction.in_features == state["n_outputs_"] + 1,
                "the scorer has another C",
            )
            scorer.losses = value._losses
        state = {"oof_gain_": None, "label_noise_": None, **state}
        if state["design_"] is None:
            return state
        return {"_oof": None, **state, "_of_parts": {}}


def _vae_sizes(tensors, _):
    latent_dim, hidden_dim = tensors["mu.weight"].shape
    attributes = tensors.get("attribute_decoder.weight")
    return {
        "n_ops": tensors["op_decoder.weight"].shape[0],
        "latent_dim": latent_dim,
        "hidden_dim": hidden_dim,
        "n_rounds": count(tensors, r"rounds\.\d+\.update\.0\.weight"),
        "n_attributes": 0 if attributes is None else attributes.shape[0],
    }


def _approximator_sizes(tensors, dropout):
    n_outputs, hidden_dim = tensors["output.weight"].shape
    kinds = [kind for name, kind in _SUMMARY_OF.items() if f"summary.{name}" in tensors]
    return {
        "latent_dim": tensors["from_architecture.weight"].shape[1],
        "n_features": tensors["from_instance.weight"].shape[1],
        "n_outputs": n_outputs,
        "summary": kinds[0] if kinds else "lstm",
        "residual": "from_base.weight" in tensors,
        "hidden_dim": hidden_dim,
        "dropout": dropout,
    }


def _widths(state):
    return state["features_"].shape[1], state["base_"].shape[1]


PART_LAYOUTS = [
    Layout(GraphCodec, {"vocabulary": words, "attributes": of_type(AttributeCoder)}),
    Layout(AttributeCoder, {"numeric_": plain, "categories_": plain}),
    ModuleLayout(GraphVAE, _vae_sizes),
    _NoveltyLayout(
        Novelty,
        {
            "points_": array("A D", "float32"),
            "center_": array("D", "float32"),
            "unit_": real,
            "limit_": real,
        },
        derived=("neighbors_",),
    ),
    _EncoderLayout(
        ArchitectureEncoder,
        {
            "codec_": of_type(GraphCodec),
            "module_": of_type(GraphVAE),
            "history_": plain,
            "sizes_": array("S", "int64"),
            "size_counts_": array("S", "int64"),
            "novelty_": of_type(Novelty),
        },
        derived=("vocabulary_",),
    ),
    ModuleLayout(ApproximatorNet, _approximator_sizes, lambda module: module.dropout.p),
    _ApproximatorLayout(
        ModelApproximator,
        {
            "task_": TASK,
            "feature_transformer_": anything,
            "y_": LABELS,
            "features_": array("N F", "float32", "float16"),
            "base_": array("N C", "float32", "float16"),
            "hidden_": maybe(array("N H", "float32")),
            "shape_": plain,
            "latent_dim_": whole(1),
            "module_": of_type(ApproximatorNet),
            "device_": text,
            "n_epochs_": whole(),
            "history_": plain,
            "validation_history_": plain,
        },
        optional={"location_": real, "scale_": real},
        derived=("_cache",),
    ),
    _SelectorLayout(
        SubsetSelector,
        {
            "task_": TASK,
            "n_samples_": whole(1, "N"),
            "n_outputs_": whole(1, "C"),
            "y_": LABELS,
            "strata_": array("N", "int64"),
            "features_": array("N F", "float32", "float16"),
            "seed_": whole(),
            "coverage_": maybe(of_type(CoverageIndex)),
            "design_": maybe(of_type(DesignIndex)),
            "scorer_": maybe(of_type(InductiveScorer)),
        },
        optional={
            "_mean": maybe(array("N C", "float32")),
            "_oof": maybe(array("N C", "float32")),
            "oof_gain_": maybe(real),
            "label_noise_": maybe(real),
            "_all_shared": flag,
            "_shared": rows_by_budget,
        },
        derived=("_of_parts",),
    ),
]
