"""What the classifier and the regressor of an architecture share: building and training it."""

from __future__ import annotations

import copy
import functools
import math
from contextlib import contextmanager
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils import assert_all_finite, check_random_state, column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted
from torch import nn

from sksubsel._net import epochs_of, fit_net, predict_net, seeded
from sksubsel._validation import check_device, plain_labels
from sksubsel.architectures import as_architecture
from sksubsel.base import InstancesMixin
from sksubsel.networks import PROXY_PARAMS, build_network
from sksubsel.zoo.batches import estimate_batch_norm, float_tensor, validation_split

__all__ = ["ATTRIBUTES", "PARAMETERS", "ArchitectureEstimator"]

_PREDICT_BATCH = 1024

PARAMETERS = """Parameters
    ----------
    architecture : architecture or None, default=None
        Anything :func:`~sksubsel.architectures.as_architecture` takes; None only with a `build`
        that needs none.
    build : callable or None, default=None
        ``build(architecture, in_shape, n_outputs) -> torch.nn.Module``, such as
        ``NASBench101(stem_channels=32).build``. None builds the network of the architecture's own
        space, made small enough to train on a CPU (for NAS-Bench-101 stem_channels=16, n_cells=1;
        the benchmark itself has 128 and 3).
    network_params : dict or None, default=None
        Replaces these sizes, where `build` is None.
    optimizer : {"adamw", "adam", "sgd", "rmsprop"}, default="adamw"
    lr : float, default=1e-2
        The largest learning rate.
    momentum : float, default=0.9
        For "sgd" and "rmsprop"; "onecycle" moves it between 0.85 and 0.95, whatever it is.
    nesterov : bool, default=False
        Nesterov's momentum, for "sgd".
    weight_decay : float, default=5e-4
    schedule : {"onecycle", "cosine", "step"} or None, default="onecycle"
    step_size : float, default=0.3
        For "step": share of the training after which the learning rate is multiplied by `gamma`,
        again and again.
    gamma : float, default=0.1
    max_epochs : int, default=20
    min_steps : int, default=0
        More epochs are made until there are so many optimiser steps, so that a small subset is
        not undertrained.
    batch_size : int, default=32
    gradient_clip : float or None, default=None
        Largest norm of the gradient.
    early_stopping : bool, default=False
        Stop when the loss on a validation split no longer falls, and take the best weights.
    validation_fraction : float, default=0.1
    n_iter_no_change : int, default=5
        Epochs without improvement after which to stop.
    mixed_precision : bool, default=False
        float16 where `device` is CUDA; elsewhere without effect.
    callbacks : list of skorch callbacks or None, default=None
    device : str, default="cpu"
    random_state : int, RandomState instance or None, default=None
        Of the initial weights, the order of batches and the validation split.
    verbose : int, default=0"""

ATTRIBUTES = """module_ : torch.nn.Module
        The trained network.
    net_ : skorch net
        Its ``history`` has the losses and seconds of each epoch.
    history_ : list of dict
        ``train_loss`` and ``dur`` in seconds of each epoch; with `early_stopping` ``valid_loss``
        and, of classifiers, ``valid_accuracy``.
    n_parameters_ : int
    n_features_in_, shape_in_ : int, tuple
        Of one instance."""


class ArchitectureEstimator(InstancesMixin, BaseEstimator):
    """What the classifier and the regressor share: building and training the network."""

    _parameter_constraints: dict = {
        "architecture": "no_validation",
        "build": [callable, None],
        "network_params": [dict, None],
        "optimizer": [StrOptions({"adamw", "adam", "sgd", "rmsprop"})],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "nesterov": ["boolean"],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "schedule": [StrOptions({"onecycle", "cosine", "step"}), None],
        "step_size": [Interval(Real, 0, 1, closed="right")],
        "gamma": [Interval(Real, 0, 1, closed="right")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "min_steps": [Interval(Integral, 0, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "gradient_clip": [Interval(Real, 0, None, closed="neither"), None],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "mixed_precision": ["boolean"],
        "callbacks": [list, None],
        "device": [str, torch.device],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    _valid_scores: dict | None = None  # recorded beside the validation loss

    def _build(self, in_shape, n_outputs):
        if self.architecture is None:
            if self.build is None:
                raise ValueError(
                    "architecture must be given (or a build= that makes a network without one); "
                    "got None"
                )
            return _built(self.build, None, in_shape, n_outputs)
        arch = as_architecture(self.architecture)
        if self.build is not None:
            return _built(self.build, arch, in_shape, n_outputs)
        params = PROXY_PARAMS.get(arch.space, {})
        return build_network(arch, in_shape, n_outputs, **(self.network_params or params))

    def _train(self, X, targets, loss, n_outputs, sample_weight, strata, batch_strata=None):
        """Build the network and train it on X (N, ...) and targets (N,) or (N, C).

        `strata` and `batch_strata`, codes (N,) or None, are for the validation split and batches.
        """
        device = check_device(self.device)
        seed = self._draw_seed()
        with seeded(seed, device):
            module = self._build(X.shape[1:], n_outputs)
        X, targets = float_tensor(X), torch.from_numpy(targets)
        if batch_strata is not None:
            batch_strata = torch.from_numpy(batch_strata)
        weight = None
        if sample_weight is not None:
            weight = float_tensor(sample_weight / sample_weight.mean())
        valid = None
        if self.early_stopping:
            fit, held_out = validation_split(len(X), self.validation_fraction, strata, seed)
            valid = X[held_out], targets[held_out]
            X, targets = X[fit], targets[fit]
            weight = None if weight is None else weight[fit]
            batch_strata = None if batch_strata is None else batch_strata[fit]
        with _single_instances():
            self.net_ = fit_net(
                module,
                X,
                targets,
                loss=functools.partial(_checked_loss, loss, n_outputs),
                max_epochs=self._n_epochs(len(X)),
                batch_size=self.batch_size,
                lr=self.lr,
                optimizer=self.optimizer,
                weight_decay=self.weight_decay,
                momentum=self.momentum,
                nesterov=self.nesterov,
                schedule=self.schedule,
                step_size=self.step_size,
                gamma=self.gamma,
                gradient_clip=self.gradient_clip,
                sample_weight=weight,
                valid=valid,
                valid_scores=self._valid_scores,
                early_stopping=self.n_iter_no_change if self.early_stopping else None,
                mixed_precision=self.mixed_precision,
                callbacks=self.callbacks,
                device=device,
                seed=seed,
                verbose=self.verbose,
                strata=batch_strata,
            )
        self.module_ = self.net_.module_
        self.history_ = epochs_of(self.net_)
        estimate_batch_norm(self.module_, X, self.net_.n_steps_, seed)
        self.n_parameters_ = sum(p.numel() for p in module.parameters())
        return self

    def _arrays(self) -> dict:
        """What was learned, as arrays by name."""
        return {name: part.cpu().numpy() for name, part in self.module_.state_dict().items()}

    def _restore(self, arrays, in_shape, classes):
        """Become what `_arrays` was taken of, without its history."""
        device = check_device(self.device)
        with seeded(0, device):  # the weights drawn are replaced
            module = self._build(in_shape, 1 if classes is None else len(classes))
        module.load_state_dict({name: torch.from_numpy(part) for name, part in arrays.items()})
        self.module_ = module.to(device).eval()
        self.shape_in_, self.n_features_in_ = tuple(in_shape), math.prod(in_shape)
        if classes is not None:
            self.classes_ = classes
        return self

    def _n_epochs(self, n_samples):
        """Epochs of a training on so many instances, as `min_steps` may ask for more."""
        n_batches = -(-n_samples // self.batch_size)
        return max(self.max_epochs, -(-self.min_steps // n_batches))

    def _as_if_ended(self, module, X, n_steps):
        """A copy of this estimator, in its training, as it would be if that ended now.

        Parameters
        ----------
        module : nn.Module
            In training; what is seen of it later leaves it as it is.
        X : Tensor of shape (N, ...)
            All instances that it trains on.
        n_steps : int
            Optimiser steps made.
        """
        ended = copy.copy(self)
        ended.module_ = copy.deepcopy(module).eval()
        estimate_batch_norm(ended.module_, X, n_steps, self._draw_seed())
        return ended

    def _draw_seed(self):
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _outputs(self, X) -> np.ndarray:
        check_is_fitted(self)
        X = self._check_instances(X, reset=False)
        device = next(self.module_.parameters()).device
        out = predict_net(self.module_, float_tensor(X), batch_size=_PREDICT_BATCH, device=device)
        return out.float().numpy()

    def _check_fit(self, X, y, sample_weight) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        X = self._check_instances(X, reset=True)
        if y is None:
            raise ValueError("requires y to be passed, but the target y is None")
        y = column_or_1d(y, warn=True)
        if y.dtype.kind == "O":
            y = plain_labels(y)
        assert_all_finite(y, input_name="y")
        if len(y) != len(X):
            raise ValueError(
                f"Found input variables with inconsistent numbers of samples: X has {len(X)} "
                f"instances and y {len(y)}"
            )
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X, ensure_non_negative=True)
            if not sample_weight.any():
                raise ValueError("sample_weight must hold a positive weight; got zeros alone")
        return X, y, sample_weight

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.non_deterministic = False
        return tags


def _built(build, arch, in_shape, n_outputs):
    module = build(arch, in_shape, n_outputs)
    if not isinstance(module, nn.Module):
        raise TypeError(f"build must return a torch.nn.Module; got {type(module).__name__}")
    return module


@contextmanager
def _single_instances():
    """Say what batch normalisation cannot do with a batch of one instance."""
    try:
        yield
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise ValueError(
            "X must have at least two instances for each batch of a network with batch "
            "normalisation; got a batch of one"
        ) from error


def _checked_loss(loss, n_outputs, output, inputs, targets, weight):
    """A loss of what has as many outputs as it and the predictions need."""
    shape = (len(targets), n_outputs)
    if not isinstance(output, torch.Tensor) or output.shape != shape:
        tensor = isinstance(output, torch.Tensor)
        given = tuple(output.shape) if tensor else f"a {type(output).__name__}"
        raise ValueError(
            f"build must return a network whose output for {len(targets)} instances is a tensor of "
            f"shape (N, n_outputs)={shape}; got {given}"
        )
    return loss(output, inputs, targets, weight)
