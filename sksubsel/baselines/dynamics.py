"""Training dynamics: what a model said of every instance after each epoch of training on them."""

from __future__ import annotations

import copy
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from sksubsel._validation import check_finite, fit_context, plain_labels
from sksubsel.base import InstancesMixin
from sksubsel.baselines.recording import Recorder, Run, default_estimator, n_epochs_of
from sksubsel.baselines.scores import confidence, loss

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from typing_extensions import Self

__all__ = ["TrainingDynamics"]


class TrainingDynamics(InstancesMixin, BaseEstimator):
    """A record of training: each instance's predictions after each epoch.

    One record serves all scores: pass it as `dynamics` to `fit` of EL2N, Forgetting, AUM and so
    on, and the training is paid for once.

    Parameters
    ----------
    estimator : classifier or None, default=None
        What is trained, cloned. An :class:`~sksubsel.ArchitectureClassifier` is recorded
        after each of its epochs, and so is a skorch net such as `skorch.NeuralNetClassifier`; a
        classifier with `partial_fit` after each pass over the data; any other with
        `predict_proba` once, after its `fit`. None takes a small network
        (:func:`~sksubsel.networks.proxy.build_proxy`) trained by AdamW at a constant rate of 3e-3
        in batches of 64.
    max_epochs : int or None, default=None
        Epochs to train. None takes the estimator's own number, or 10.
    epochs : {"all", "last"} or array-like of int, default="all"
        Epochs to record, from 1.
    n_repeats : int, default=1
        Runs from different seeds, R. Scores are averaged over them.
    record_features : bool, default=False
        Keep the last epoch's input of the last linear layer, for methods of geometry.
    dtype : {"float32", "float16"}, default="float32"
        Of the probabilities kept. Those below 6e-8 are 0 as float16.
    memory_limit : int or float, default=2**30
        Bytes of a run's probabilities above which they lie in a temporary file that is gone with
        them.
    random_state : int, RandomState instance or None, default=None
        Seed of the runs.

    Attributes
    ----------
    runs_ : list of R Run
        The records: ``proba`` (T, N, C), ``feature_norm`` (T, N), ``features`` (N, H).
    epochs_ : int64 ndarray of shape (T,)
        Epochs recorded, from 1.
    y_ : int64 ndarray of shape (N,)
        Columns of the labels.
    classes_ : ndarray of shape (C,)
    seeds_ : list of int
        `random_state` of the estimator in each run; those of its parts, such as a Pipeline's
        steps, are drawn from it. Both replace what the estimator was given.
    n_samples_, n_features_in_ : int
    shape_in_ : tuple

    Notes
    -----
    Time: the training, and a prediction of all N instances for each epoch recorded. Memory
    R T N C numbers, 4 bytes each, and R T N. `feature_norm` is the norm of the input of the
    network's last `torch.nn.Linear`, a one appended; None where there is no such layer or its
    input is not one vector an instance. Networks with slow batch normalisation are recorded with
    the statistics of their current weights, as they will be judged in the end; the training
    itself is not touched. Where all labels are equal nothing is trained: each row has probability
    one. A skorch net is given X in its own shape as float32 and the labels as codes from 0, its
    callbacks and schedules run as in one `fit`, and its `train_split` (a fifth, by skorch's
    default) is left out of the training. Early stopping ends the record before the epoch that it
    stops at; where it ends before the first epoch asked for, the network that was kept is
    recorded.

    Examples
    --------
    >>> from sksubsel.baselines.dynamics import TrainingDynamics
    >>> from sksubsel.datasets import load_digits_images
    >>> X, y = load_digits_images(return_X_y=True)
    >>> TrainingDynamics(max_epochs=2, random_state=0).fit(X[:200], y[:200]).proba_.shape
    (2, 200, 10)
    """

    _parameter_constraints: dict = {
        "estimator": [HasMethods(["fit", "predict_proba"]), None],
        "max_epochs": [Interval(Integral, 1, None, closed="left"), None],
        "epochs": [StrOptions({"all", "last"}), "array-like"],
        "n_repeats": [Interval(Integral, 1, None, closed="left")],
        "record_features": ["boolean"],
        "dtype": [StrOptions({"float32", "float16"})],
        "memory_limit": [Interval(Real, 0, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any = None,
        *,
        max_epochs: int | None = None,
        epochs: str | ArrayLike = "all",
        n_repeats: int = 1,
        record_features: bool = False,
        dtype: str = "float32",
        memory_limit: int | float = 2**30,
        random_state: int | np.random.RandomState | None = None,
    ):
        self.estimator = estimator
        self.max_epochs = max_epochs
        self.epochs = epochs
        self.n_repeats = n_repeats
        self.record_features = record_features
        self.dtype = dtype
        self.memory_limit = memory_limit
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any) -> Self:
        """Train, and record.

        Parameters
        ----------
        X : array-like of shape (N, F) or (N, channels, height, width)
        y : array-like of shape (N,)
            Class labels of any dtype.

        Returns
        -------
        self
        """
        X = self._check_instances(X, reset=True)
        if y is None:
            raise ValueError(f"{self!r} requires y to be passed, but the target y is None")
        y = column_or_1d(y, warn=True)
        if len(y) != len(X):
            raise ValueError(
                f"Found input variables with inconsistent numbers of samples: X has {len(X)} "
                f"instances and y {len(y)}"
            )
        y = plain_labels(y)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.y_ = codes.astype(np.int64)
        self.n_samples_ = len(y)
        rng = check_random_state(self.random_state)
        self.seeds_ = [int(seed) for seed in rng.randint(2**31 - 1, size=self.n_repeats)]
        if len(self.classes_) == 1:
            ones = np.ones((1, len(y), 1), dtype=self.dtype)
            self.epochs_ = np.array([1])
            features = np.zeros((len(y), 1), np.float32) if self.record_features else None
            self.runs_ = [Run(ones, ones[:, :, 0], features)] * self.n_repeats
            return self
        estimator = default_estimator() if self.estimator is None else self.estimator
        total = n_epochs_of(estimator, self.max_epochs, len(X))
        epochs = self._epochs_to_record(total)
        self.runs_ = []
        for seed in self.seeds_:
            recorder = Recorder(self, X, epochs)
            recorder.train(clone(estimator), y, total, seed)
            self.runs_.append(recorder.run())
            epochs = np.array(recorder.written)  # fewer after early stopping
        self.epochs_ = epochs.astype(np.int64)
        self.runs_ = [run.first(len(epochs)) for run in self.runs_]
        return self

    def _epochs_to_record(self, total):
        """Ascending epochs (T,), 1 <= T <= total."""
        if isinstance(self.epochs, str):
            return np.arange(1 if self.epochs == "all" else total, total + 1)
        epochs = np.unique(np.asarray(self.epochs))
        if epochs.dtype.kind not in "iu" or not len(epochs) or epochs[0] < 1:
            raise ValueError(f"epochs must be ints in [1, {total}]; got {self.epochs!r}")
        if epochs[-1] > total:
            raise ValueError(f"epochs must be ints in [1, {total}]; got {epochs[-1]}")
        return epochs

    @classmethod
    def from_arrays(
        cls,
        proba: ArrayLike,
        y: Any,
        *,
        feature_norm: ArrayLike | None = None,
        features: Any = None,
        epochs: ArrayLike | None = None,
    ) -> Self:
        """Dynamics recorded elsewhere.

        Parameters
        ----------
        proba : array-like of shape (T, N, C) or (N, C)
            Probabilities after each epoch.
        y : array-like of shape (N,)
            Labels; columns follow their sorted order, or are the labels themselves where these
            are ints in [0, C).
        feature_norm : array-like of shape (T, N) or (N,), default=None
            Norm of the last layer's input, a one appended: what GraNd needs besides.
        features : array-like of shape (N, H), default=None
            Features of the instances, for D2.
        epochs : array-like of shape (T,), int, default=None
            Epochs, ascending, that `proba` are of. None: 1, ..., T.

        Returns
        -------
        TrainingDynamics
            As fitted; without `fit` there is no `shape_in_`.

        Raises
        ------
        ValueError
            If shapes disagree, values are not finite, or labels have no columns.
        """
        proba = np.asarray(proba)
        if proba.ndim not in (2, 3) or 0 in proba.shape or proba.dtype.kind != "f":
            raise ValueError(
                "proba must be floats of shape (T, N, C) or (N, C), none of them 0; got "
                f"{proba.shape} and dtype {proba.dtype}"
            )
        proba = proba.reshape(-1, *proba.shape[-2:])
        check_finite(proba, "proba")
        n_epochs, n_samples, n_classes = proba.shape
        y = column_or_1d(y)
        if len(y) != n_samples:
            raise ValueError(
                f"proba and y must have the same number of instances; got proba of shape "
                f"{proba.shape} and y of shape {y.shape}"
            )
        self = cls()
        self.classes_, self.y_ = _columns(y, n_classes)
        norm = None
        if feature_norm is not None:
            norm = np.asarray(feature_norm).reshape(-1, n_samples)
            if norm.shape != (n_epochs, n_samples):
                raise ValueError(
                    f"feature_norm must have shape (T, N)=({n_epochs}, {n_samples}); "
                    f"got {np.shape(feature_norm)}"
                )
            check_finite(norm, "feature_norm")
        if features is not None and len(features) != n_samples:
            raise ValueError(f"features must have {n_samples} rows; got {len(features)}")
        epochs = np.arange(1, n_epochs + 1) if epochs is None else np.asarray(epochs)
        if epochs.shape != (n_epochs,) or (np.diff(epochs) <= 0).any():
            raise ValueError(f"epochs must be {n_epochs} ascending ints; got {epochs!r}")
        self.epochs_ = epochs.astype(np.int64)
        self.n_samples_ = n_samples
        self.seeds_ = []
        self.runs_ = [Run(proba, norm, features)]
        return self

    @property
    def proba_(self) -> np.ndarray:
        """Probabilities after each epoch, mean over runs: (T, N, C)."""
        return self._mean("proba")

    @property
    def feature_norm_(self) -> np.ndarray | None:
        """Norm of [last layer's input, 1], mean over runs: (T, N), or None."""
        return self._mean("feature_norm")

    @property
    def losses_(self) -> np.ndarray:
        """Cross-entropy of the labels in the mean probabilities: float64 (T, N)."""
        return np.stack([loss(proba, self.y_) for proba in self.proba_])

    @property
    def confidence_(self) -> np.ndarray:
        """Mean probability of the label over epochs and runs: float64 (N,)."""
        return confidence(self.proba_, self.y_)

    @property
    def correct_(self) -> np.ndarray:
        """Whether the label had the largest mean probability: bool (T, N)."""
        return self.proba_.argmax(2) == self.y_

    @property
    def features_(self) -> np.ndarray | None:
        """Input of the last linear layer after the last of `epochs_`: float32 (N, H), or None.

        Of the first run that was not trained beyond that epoch.
        """
        check_is_fitted(self)
        return next((run.features for run in self.runs_ if run.features is not None), None)

    def first(self, max_epochs: int) -> TrainingDynamics:
        """The record up to an epoch, sharing memory; the whole where `max_epochs` is None.

        A part has no features: those recorded are of the last epoch, which it leaves out.
        """
        check_is_fitted(self)
        if max_epochs is None or max_epochs >= self.epochs_[-1]:
            return self
        n_epochs = int(np.searchsorted(self.epochs_, max_epochs, side="right"))
        if n_epochs == 0:
            raise ValueError(
                f"max_epochs must be at least {self.epochs_[0]}, the first epoch recorded; "
                f"got {max_epochs}"
            )
        part = copy.copy(self)
        part.epochs_ = self.epochs_[:n_epochs]
        part.runs_ = [run.first(n_epochs) for run in self.runs_]
        return part

    def _mean(self, name):
        check_is_fitted(self)
        arrays = [getattr(run, name) for run in self.runs_]
        if len(arrays) == 1 or arrays[0] is None:
            return arrays[0]
        total = arrays[0].astype(np.float32)
        for array in arrays[1:]:
            total += array
        return total / len(arrays)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


def _columns(y, n_classes):
    """Classes in the order of columns, and the column of each label."""
    classes, codes = np.unique(y, return_inverse=True)
    if len(classes) == n_classes:
        return classes, codes.astype(np.int64)
    if classes.dtype.kind in "iu" and classes[0] >= 0 and classes[-1] < n_classes:
        return np.arange(n_classes), y.astype(np.int64)
    raise ValueError(
        f"proba has C={n_classes} columns, but y holds {len(classes)} labels that are not ints "
        f"in [0, {n_classes})"
    )
