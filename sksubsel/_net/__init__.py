"""Training of torch modules by skorch, on slices of tensors; the only package that knows skorch."""

from sksubsel._net.callbacks import Callback, EpochEnd, Turns
from sksubsel._net.fit import fit_net, predict_net
from sksubsel._net.net import Net, epochs_of
from sksubsel._net.tensors import TrainingSubset, as_tensor, shared_tensor
from sksubsel._net.torch_state import forked_rng, seeded, torch_threads

__all__ = [
    "Callback",
    "EpochEnd",
    "Net",
    "TrainingSubset",
    "Turns",
    "as_tensor",
    "epochs_of",
    "fit_net",
    "forked_rng",
    "predict_net",
    "seeded",
    "shared_tensor",
    "torch_threads",
]
