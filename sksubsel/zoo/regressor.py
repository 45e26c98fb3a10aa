"""A network built from an architecture, trained as a scikit-learn regressor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.base import RegressorMixin

from sksubsel._validation import fit_context
from sksubsel.zoo.estimator import ATTRIBUTES, PARAMETERS, ArchitectureEstimator

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike
    from typing_extensions import Self

_UNIT = ":unit"  # mean and deviation of a regressor's targets; no parameter's name has a colon


class ArchitectureRegressor(RegressorMixin, ArchitectureEstimator):  # noqa: D101 (below)
    __doc__ = f"""Regressor that builds a network from an architecture and trains it.

    The loss is squared error; targets are standardised inside.

    {PARAMETERS}

    Attributes
    ----------
    {ATTRIBUTES}

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

        Raises
        ------
        ValueError
            If the data do not fit together, or the outputs of a network that `build` makes do not
            fit them.
        TypeError
            If `build` returns no ``torch.nn.Module``.
        KeyboardInterrupt
            If it is interrupted; then nothing is kept. A callback that raises it ends the training
            and keeps the network.
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
