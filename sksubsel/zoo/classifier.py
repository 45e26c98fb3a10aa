"""A network built from an architecture, trained as a scikit-learn classifier or regressor."""

from __future__ import annotations

import copy
import math
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.model_selection import train_test_split
from sklearn.utils import assert_all_finite, check_random_state, column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted
from torch import nn

from sksubsel._net import as_tensor, epochs_of, fit_net, predict_net, seeded
from sksubsel._validation import check_device, check_finite, fit_context, label_codes
from sksubsel.architectures import as_architecture
from sksubsel.base import InstancesMixin
from sksubsel.networks import PROXY_PARAMS, build_network

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike
    from typing_extensions import Self

_PREDICT_BATCH = 1024
_UNIT = ":unit"  # mean and deviation of a regressor's targets; no parameter's name has a colon
_NORM_BATCH, _NORM_ROWS = 256, 8192  # instances that batch statistics are estimated from

_PARAMETERS = """Parameters
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

_ATTRIBUTES = """module_ : torch.nn.Module
        The trained network.
    net_ : skorch net
        Its ``history`` has the losses and seconds of each epoch.
    history_ : list of dict
        ``train_loss`` and ``dur`` in seconds of each epoch; with `early_stopping` ``valid_loss``
        and, of classifiers, ``valid_accuracy``.
    n_parameters_ : int
    n_features_in_, shape_in_ : int, tuple
        Of one instance."""


def _accuracy(output, targets):
    """Share of right answers; the right one of soft targets is the most probable."""
    labels = targets if targets.ndim == 1 else targets.argmax(1)
    return (output.argmax(1) == labels).float().mean()


class _ArchitectureEstimator(InstancesMixin, BaseEstimator):
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
            return self.build(None, in_shape, n_outputs)
        arch = as_architecture(self.architecture)
        if self.build is not None:
            return self.build(arch, in_shape, n_outputs)
        params = PROXY_PARAMS.get(arch.space, {})
        return build_network(arch, in_shape, n_outputs, **(self.network_params or params))

    def _train(self, X, targets, loss, n_outputs, sample_weight, strata):
        """Build the network and train it on X (N, ...) and targets (N,) or (N, C)."""
        device = check_device(self.device)
        seed = self._draw_seed()
        with seeded(seed, device):
            module = self._build(X.shape[1:], n_outputs)
        X, targets = _tensor(X), torch.from_numpy(targets)
        weight = None
        if sample_weight is not None:
            weight = _tensor(sample_weight / sample_weight.mean())
        valid = None
        if self.early_stopping:
            fit, held_out = _split(len(X), self.validation_fraction, strata, seed)
            valid = X[held_out], targets[held_out]
            X, targets = X[fit], targets[fit]
            weight = None if weight is None else weight[fit]
        self.net_ = fit_net(
            module,
            X,
            targets,
            loss=loss,
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
        )
        self.module_ = self.net_.module_
        self.history_ = epochs_of(self.net_)
        _estimate_batch_norm(self.module_, X, self.net_.n_steps_, seed)
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
        _estimate_batch_norm(ended.module_, X, n_steps, self._draw_seed())
        return ended

    def _draw_seed(self):
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _outputs(self, X) -> np.ndarray:
        check_is_fitted(self)
        X = self._check_instances(X, reset=False)
        device = next(self.module_.parameters()).device
        out = predict_net(self.module_, _tensor(X), batch_size=_PREDICT_BATCH, device=device)
        return out.float().numpy()

    def _check_fit(self, X, y, sample_weight) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        X = self._check_instances(X, reset=True)
        if y is None:
            raise ValueError("requires y to be passed, but the target y is None")
        y = column_or_1d(y, warn=True)
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


class ArchitectureClassifier(ClassifierMixin, _ArchitectureEstimator):  # noqa: D101 (below)
    __doc__ = f"""Classifier that builds a network from an architecture and trains it.

    It supervises SubSelNet as a member of the zoo, and is what is trained on the subset in the
    end. Batches are slices of tensors that lie on the device as a whole.

    {_PARAMETERS}
    label_smoothing : float, default=0.0
    classes : array-like of shape (C,) or None, default=None
        All labels there are, so that a network trained on a subset that lacks one still has its
        output. None takes those in y.

    Attributes
    ----------
    classes_ : ndarray of shape (C,)
        Sorted labels, the order of the outputs.
    {_ATTRIBUTES}

    Examples
    --------
    >>> from sksubsel import ArchitectureClassifier
    >>> from sksubsel.datasets import load_digits_images
    >>> from sksubsel.spaces import MLP
    >>> X, y = load_digits_images(return_X_y=True)
    >>> arch = MLP().make(widths=[32], activation="relu", norm="batch", dropout=0.0, skip=False)
    >>> model = ArchitectureClassifier(arch, max_epochs=5, random_state=0)
    >>> model = model.fit(X[:1000], y[:1000])
    >>> model.score(X[1000:], y[1000:]) > 0.8, model.n_parameters_
    (True, 2442)
    """

    _parameter_constraints: dict = {
        **_ArchitectureEstimator._parameter_constraints,
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "classes": ["array-like", None],
    }
    _valid_scores = {"accuracy": _accuracy}

    def __init__(
        self,
        architecture: Any = None,
        *,
        build: Callable[..., Any] | None = None,
        network_params: dict[str, Any] | None = None,
        optimizer: str = "adamw",
        lr: float = 1e-2,
        momentum: float = 0.9,
        nesterov: bool = False,
        weight_decay: float = 5e-4,
        schedule: str | None = "onecycle",
        step_size: float = 0.3,
        gamma: float = 0.1,
        max_epochs: int = 20,
        min_steps: int = 0,
        batch_size: int = 32,
        gradient_clip: float | None = None,
        label_smoothing: float = 0.0,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        mixed_precision: bool = False,
        classes: ArrayLike | None = None,
        callbacks: list | None = None,
        device: str | torch.device = "cpu",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ):
        self.architecture = architecture
        self.build = build
        self.network_params = network_params
        self.optimizer = optimizer
        self.lr = lr
        self.momentum = momentum
        self.nesterov = nesterov
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.step_size = step_size
        self.gamma = gamma
        self.max_epochs = max_epochs
        self.min_steps = min_steps
        self.batch_size = batch_size
        self.gradient_clip = gradient_clip
        self.label_smoothing = label_smoothing
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.mixed_precision = mixed_precision
        self.classes = classes
        self.callbacks = callbacks
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        soft_targets: ArrayLike | None = None,
    ) -> Self:
        """Build the network and train it.

        Parameters
        ----------
        X : array of shape (N, F) or (N, channels, height, width)
        y : array of shape (N,)
            Labels of any dtype.
        sample_weight : array of shape (N,) or None
        soft_targets : array of shape (N, C) or None
            Probabilities, in the order of ``classes_``, to train on instead of the labels.

        Returns
        -------
        self
        """
        X, y, sample_weight = self._check_fit(X, y, sample_weight)
        check_classification_targets(y)
        self.classes_ = np.unique(y if self.classes is None else np.asarray(self.classes))
        if len(self.classes_) < 2:
            raise ValueError(
                "Classifier can't train when only one class is present; y holds "
                f"{self.classes_.tolist()} (name all in classes= to train on a part of them)"
            )
        codes, strange = label_codes(y, self.classes_)
        if len(strange):
            raise ValueError(f"y holds labels that are not in classes: {strange.tolist()}")
        targets = codes.astype(np.int64)
        if soft_targets is not None:
            targets = np.asarray(soft_targets, dtype=np.float32)
            check_finite(targets, "soft_targets")
            if targets.shape != (len(X), len(self.classes_)) or targets.min() < 0:
                raise ValueError(
                    f"soft_targets must be probabilities of shape (N, C)=({len(X)}, "
                    f"{len(self.classes_)}); got shape {targets.shape}"
                )
        counts = np.bincount(codes)
        strata = codes if counts[counts > 0].min() > 1 else None
        return self._train(X, targets, self._loss, len(self.classes_), sample_weight, strata)

    def _loss(self, output, inputs, targets, weight):
        loss = F.cross_entropy(
            output,
            targets,
            label_smoothing=self.label_smoothing,
            reduction="mean" if weight is None else "none",
        )
        return loss if weight is None else (loss * weight).mean()

    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """Class probabilities, (N, C) float32."""
        return torch.from_numpy(self._outputs(X)).softmax(1).numpy()

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Most probable labels, (N,)."""
        codes = self._outputs(X).argmax(1)  # first: it checks that there was a fit
        return self.classes_[codes]


class ArchitectureRegressor(RegressorMixin, _ArchitectureEstimator):  # noqa: D101 (below)
    __doc__ = f"""Regressor that builds a network from an architecture and trains it.

    The loss is squared error; targets are standardised inside.

    {_PARAMETERS}

    Attributes
    ----------
    {_ATTRIBUTES}

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sksubsel import ArchitectureRegressor
    >>> from sksubsel.spaces import MLP
    >>> X, y = load_diabetes(return_X_y=True)
    >>> arch = MLP().make(widths=[32], activation="relu", norm="none", dropout=0.0, skip=False)
    >>> model = ArchitectureRegressor(arch, max_epochs=5, random_state=0).fit(X, y)
    >>> model.predict(X[:3]).shape
    (3,)
    """

    def __init__(
        self,
        architecture: Any = None,
        *,
        build: Callable[..., Any] | None = None,
        network_params: dict[str, Any] | None = None,
        optimizer: str = "adamw",
        lr: float = 1e-2,
        momentum: float = 0.9,
        nesterov: bool = False,
        weight_decay: float = 5e-4,
        schedule: str | None = "onecycle",
        step_size: float = 0.3,
        gamma: float = 0.1,
        max_epochs: int = 20,
        min_steps: int = 0,
        batch_size: int = 32,
        gradient_clip: float | None = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        mixed_precision: bool = False,
        callbacks: list | None = None,
        device: str | torch.device = "cpu",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ):
        self.architecture = architecture
        self.build = build
        self.network_params = network_params
        self.optimizer = optimizer
        self.lr = lr
        self.momentum = momentum
        self.nesterov = nesterov
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.step_size = step_size
        self.gamma = gamma
        self.max_epochs = max_epochs
        self.min_steps = min_steps
        self.batch_size = batch_size
        self.gradient_clip = gradient_clip
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.mixed_precision = mixed_precision
        self.callbacks = callbacks
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Build the network and train it.

        Parameters
        ----------
        X : array of shape (N, F) or (N, channels, height, width)
        y : array of shape (N,)
            Targets.
        sample_weight : array of shape (N,) or None

        Returns
        -------
        self
        """
        X, y, sample_weight = self._check_fit(X, y, sample_weight)
        y = y.astype(np.float64)
        self.y_mean_, self.y_scale_ = float(y.mean()), float(y.std()) or 1.0
        targets = ((y - self.y_mean_) / self.y_scale_).astype(np.float32)
        return self._train(X, targets, _squared_error, 1, sample_weight, None)

    def _arrays(self):
        unit = np.array([self.y_mean_, self.y_scale_])
        return {**super()._arrays(), _UNIT: unit}

    def _restore(self, arrays, in_shape, classes):
        self.y_mean_, self.y_scale_ = map(float, arrays[_UNIT])
        own = {name: part for name, part in arrays.items() if name != _UNIT}
        return super()._restore(own, in_shape, classes)

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Predicted targets, (N,) float64."""
        return self._outputs(X)[:, 0].astype(np.float64) * self.y_scale_ + self.y_mean_


def _squared_error(output, inputs, targets, weight):
    loss = (output[:, 0] - targets).square()
    return loss.mean() if weight is None else (loss * weight).mean()


def _tensor(X):
    """A float32 tensor that shares the array's memory where it can.

    Its strides are the canonical ones: numpy leaves that of an axis of length 1 to chance, by
    which torch would choose other kernels, and other last bits.
    """
    X = np.ascontiguousarray(X, dtype=np.float32)
    return as_tensor(X.reshape(-1).reshape(X.shape))


def _estimate_batch_norm(module, X, n_steps, seed):
    """Set the running statistics of batch normalisation to those of the trained weights.

    NAS-Bench-101's moving average (momentum 0.003) needs thousands of steps to forget the
    initial ones; a short training would be judged with statistics that were never true. Nothing
    is done where they weigh under 1 %.
    """
    norms = [m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    momenta = [m.momentum for m in norms if m.track_running_stats and m.momentum is not None]
    if not momenta or (1 - min(momenta)) ** n_steps < 0.01:
        return
    rows = np.random.default_rng(seed).permutation(len(X))[:_NORM_ROWS]
    device = next(module.parameters()).device
    n_batches = -(-len(rows) // _NORM_BATCH)
    batches = (X[part].to(device) for part in np.array_split(rows, n_batches))
    with seeded(seed, device):  # dropout is on
        torch.optim.swa_utils.update_bn(batches, module)
    module.eval()


def _split(n_samples, fraction, strata, seed):
    """Rows to fit and rows to validate on."""
    n_held_out = max(1, round(fraction * n_samples))
    if strata is not None:
        n_classes = len(np.unique(strata))
        n_held_out = max(n_held_out, n_classes)
        if n_samples - n_held_out < n_classes:
            strata = None
    return train_test_split(
        np.arange(n_samples), test_size=n_held_out, stratify=strata, random_state=seed
    )
