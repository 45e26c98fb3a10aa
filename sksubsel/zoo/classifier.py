"""A network built from an architecture, trained as a scikit-learn classifier."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.base import ClassifierMixin
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets

from sksubsel._validation import (
    check_finite,
    check_probabilities,
    fit_context,
    label_codes,
    plain_labels,
)
from sksubsel.zoo.estimator import ATTRIBUTES, PARAMETERS, ArchitectureEstimator

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike
    from typing_extensions import Self


def _weights_of(class_weight, codes, classes):
    """Weight of each instance by its label, (N,); 1 where a dict has none."""
    if class_weight == "balanced":
        return compute_sample_weight("balanced", codes)
    weights = list(class_weight.values())
    good = all(isinstance(weight, Real) and 0 <= weight < np.inf for weight in weights)
    if not good or not class_weight.keys() <= set(classes.tolist()):
        raise ValueError(
            f"class_weight must give labels of {classes.tolist()} finite weights of at least 0; "
            f"got {class_weight}"
        )
    return np.array([float(class_weight.get(label, 1.0)) for label in classes.tolist()])[codes]


def _accuracy(output, targets):
    """Share of right answers; the right one of soft targets is the most probable."""
    labels = targets if targets.ndim == 1 else targets.argmax(1)
    return (output.argmax(1) == labels).float().mean()


class ArchitectureClassifier(ClassifierMixin, ArchitectureEstimator):  # noqa: D101 (below)
    __doc__ = f"""Classifier that builds a network from an architecture and trains it.

    It supervises SubSelNet as a member of the zoo, and is what is trained on the subset in the
    end. Batches are slices of tensors that lie on the device as a whole.

    {PARAMETERS}
    label_smoothing : float, default=0.0
    class_weight : dict, "balanced" or None, default=None
        Weights in the loss by an instance's label, also where there are soft targets. "balanced":
        N over the number of classes in y times that of instances in the class; a label that a dict
        leaves out has 1. They multiply `sample_weight`; a validation split has no weights.
    stratify_batches : bool, default=False
        Whether the classes of y are dealt out evenly, so that each batch has them in the
        proportions of all (also where there are soft targets), as far as a batch can. What is left
        to chance in a gradient is then within classes [1]_. Networks that see the rows a few times
        gain by it, convolutional ones most, and nearly all where classes are rare; those that see
        balanced classes 80 times or more gain nothing or lose.
    classes : array-like of shape (C,) or None, default=None
        All labels there are, so that a network trained on a subset that lacks one still has its
        output. None takes those in y.

    Attributes
    ----------
    classes_ : ndarray of shape (C,)
        Sorted labels, the order of the outputs.
    {ATTRIBUTES}

    References
    ----------
    .. [1] P. Zhao, T. Zhang, "Accelerating minibatch stochastic gradient descent using stratified
       sampling", arXiv:1405.3080, 2014.

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
        **ArchitectureEstimator._parameter_constraints,
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "stratify_batches": ["boolean"],
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
        class_weight: dict[Any, float] | str | None = None,
        stratify_batches: bool = False,
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
        self.class_weight = class_weight
        self.stratify_batches = stratify_batches
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
        X, y, weight = self._check_fit(X, y, sample_weight)
        check_classification_targets(y)
        known = y if self.classes is None else plain_labels(np.asarray(self.classes), "classes")
        self.classes_ = np.unique(known)
        if len(self.classes_) < 2:
            raise ValueError(
                "Classifier can't train when only one class is present; y holds "
                f"{self.classes_.tolist()} (name all in classes= to train on a part of them)"
            )
        codes, strange = label_codes(y, self.classes_)
        if len(strange):
            raise ValueError(f"y holds labels that are not in classes: {strange.tolist()}")
        targets = codes = codes.astype(np.int64)
        if soft_targets is not None:
            targets = np.asarray(soft_targets, dtype=np.float32)
            check_finite(targets, "soft_targets")
            if targets.shape != (len(X), len(self.classes_)):
                raise ValueError(
                    f"soft_targets must be probabilities of shape (N, C)=({len(X)}, "
                    f"{len(self.classes_)}); got shape {targets.shape}"
                )
            check_probabilities(targets, "soft_targets")
        if self.class_weight is not None:
            of_class = _weights_of(self.class_weight, codes, self.classes_)
            weight = of_class if weight is None else weight * of_class
            if not weight.any():
                raise ValueError(
                    "class_weight must leave an instance of y a positive weight; got "
                    f"{self.class_weight}"
                )
        counts = np.bincount(codes)
        strata = codes if counts[counts > 0].min() > 1 else None
        of_batches = codes if self.stratify_batches else None
        return self._train(X, targets, self._loss, len(self.classes_), weight, strata, of_batches)

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
