"""Architecture embeddings to the class probabilities a trained network would give."""

from __future__ import annotations

import copy
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from sksubsel._net import epochs_of, fit_net, seeded, shared_tensor
from sksubsel._validation import check_device, check_trained, fit_context
from sksubsel.features import InstanceFeatures
from sksubsel.nn.approximator import SUMMARIES, ApproximatorNet, split_padding
from sksubsel.nn.pairs import MAX_ARCHS, MIN_PROBA, PairLoss
from sksubsel.predictions import Predictions, check_features, check_instances_of_fit, fit_features

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from typing_extensions import Self

    from sksubsel.zoo import ModelZoo

_BATCH_SIZES = 2048, 16384  # least and most pairs of a step
_MAX_JUDGED = 4096  # instances that judge the architectures held out
_MAX_HIDDEN = 2**30  # bytes of the layer of instances beyond which it is computed when asked for
_MAX_BASE = 2**30  # bytes of the zoo's mean as float32 beyond which it is kept as float16


class ModelApproximator(TransformerMixin, BaseEstimator):
    """Predicts the outputs of a trained network on the training instances, without training it.

    Attention over an architecture's BFS-ordered node embeddings gives one vector; together with
    an instance's features it goes through a feed-forward net to the class probabilities. It
    generalises to unseen architectures, not to unseen instances: it is only ever asked about the
    training set. Because the instances are fixed, the default also knows what the zoo's networks
    say of each on average, and learns how an architecture departs from that.

    Parameters
    ----------
    approximator : {"attention", "feedforward", "lstm"}, default="attention"
        How the nodes are summed up; the last two are the paper's ablations.
    residual : bool, default=True
        Learn ``t(z) log mean_p_i + g(z, [x_i, log mean_p_i, y_i])`` (in training, the mean over
        the other architectures) instead of the paper's ``g(z, x_i)``. From one trained
        architecture nothing is learned: its outputs are predicted for all.
    features : transformer or None, default=None
        From X to (N, F), fitted with the labels; None is
        :class:`~sksubsel.features.InstanceFeatures`.
    hidden_dim : int, default=256
    dropout : float, default=0.3
    max_epochs : int or None, default=None
        None: as many as give about 1,000 optimiser steps, at least 5. 0, which needs `residual`:
        nothing is learned, and the zoo's mean is predicted for every architecture.
    early_stopping : bool, default=True
        Find the number of epochs on architectures held out, then train on all of them for that
        many (none, if the zoo's mean is never improved upon). With fewer than
        five trained architectures none is held out.
    validation_fraction : float, default=0.2
        Fraction of the trained architectures that is held out for that.
    n_iter_no_change : int, default=5
        Epochs without improvement after which to stop.
    batch_size : int or None, default=None
        (architecture, instance) pairs per step. None: as many as leave about 200 steps an epoch,
        but 2,048 to 16,384.
    lr : float, default=1e-3
        AdamW's learning rate; it follows a cosine to zero.
    weight_decay : float, default=5e-3
    callbacks : list of skorch callbacks or None, default=None
    device : str, default="cpu"
    random_state : int, RandomState instance or None, default=None
    verbose : int, default=0

    Attributes
    ----------
    module_ : torch.nn.Module
        The fitted :class:`~sksubsel.nn.approximator.ApproximatorNet`.
    features_ : ndarray of shape (N, F), float32 or float16
        As the transformer gives them: a memory-mapped array of these dtypes is not copied.
    feature_transformer_ : transformer
    shape_ : tuple
        (N, C).
    base_ : ndarray of shape (N, C), float32, or float16 where that would take more than 1 GiB
        Log of the zoo's mean probabilities (its mean output for regression).
    hidden_ : ndarray of shape (N, hidden_dim), float32, or None
        First layer of what depends on the instances alone, computed once; None where it would take
        more than 1 GiB: then it is computed, chunk by chunk, with each prediction.
    n_epochs_ : int
        Epochs of the final training.
    history_ : list of dict
        Its epochs.
    validation_history_ : list of dict
        The epochs of the training with architectures held out.

    Notes
    -----
    Time O(A N (F + C) hidden_dim) an epoch of training; O(N C hidden_dim) per architecture
    predicted, O(N hidden_dim (F + C)) where ``hidden_`` is None. Memory O(N (F + C + hidden_dim)),
    and where they are large only the 2 N C bytes of ``base_`` beside what is memory-mapped; no
    (architecture, instance) array and no one-hot label outlives a batch.

    References
    ----------
    Jain et al., NeurIPS 2023, section 4.2, Eq. 5-7 and appendix D.3.

    Examples
    --------
    >>> from sksubsel import ArchitectureClassifier, ArchitectureEncoder
    >>> from sksubsel import ModelApproximator, ModelZoo
    >>> from sksubsel.datasets import load_digits_images
    >>> from sksubsel.spaces import MLP
    >>> X, y = load_digits_images(return_X_y=True)
    >>> archs = MLP(depths=(1, 2), widths=(8, 16)).sample(6, random_state=0)
    >>> recipe = ArchitectureClassifier(max_epochs=2)
    >>> zoo = ModelZoo(recipe, random_state=0).fit(archs[:4], X[:200], y[:200])
    >>> embeddings = ArchitectureEncoder(max_epochs=5, random_state=0).fit_transform(archs)
    >>> approximator = ModelApproximator(max_epochs=2, random_state=0).fit(embeddings[:4], zoo)
    >>> approximator.transform(embeddings[4:])  # networks that were not trained
    Predictions(shape=(2, 200, 10))
    """

    _parameter_constraints: dict = {
        "approximator": [StrOptions(set(SUMMARIES))],
        "residual": ["boolean"],
        "features": [HasMethods(["fit", "transform"]), None],
        "hidden_dim": [Interval(Integral, 1, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "max_epochs": [Interval(Integral, 0, None, closed="left"), None],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "callbacks": [list, None],
        "device": [str, torch.device],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        approximator: Any = "attention",
        *,
        residual: bool = True,
        features: Any = None,
        hidden_dim: int = 256,
        dropout: float = 0.3,
        max_epochs: int | None = None,
        early_stopping: bool = True,
        validation_fraction: float = 0.2,
        n_iter_no_change: int = 5,
        batch_size: int | None = None,
        lr: float = 1e-3,
        weight_decay: float = 5e-3,
        callbacks: list | None = None,
        device: str | torch.device = "cpu",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ):
        self.approximator = approximator
        self.residual = residual
        self.features = features
        self.hidden_dim = hidden_dim
        self.dropout = dropout
        self.max_epochs = max_epochs
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.batch_size = batch_size
        self.lr = lr
        self.weight_decay = weight_decay
        self.callbacks = callbacks
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, embeddings: np.ndarray, zoo: ModelZoo) -> Self:
        """Learn from the zoo's trained networks.

        Parameters
        ----------
        embeddings : ndarray of shape (A, V, D)
            Of the zoo's architectures, NaN at the front for missing nodes.
        zoo : ModelZoo
            Fitted; A architectures, of which any number is trained.

        Returns
        -------
        self
        """
        device = check_device(self.device)
        embeddings = _check_embeddings(embeddings, zoo)
        if self.max_epochs == 0 and not self.residual:
            raise ValueError("max_epochs must be at least 1 without residual; got 0")
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        self.task_ = zoo.task_
        features = clone(self.features) if self.features is not None else InstanceFeatures()
        self.feature_transformer_ = features
        self.features_ = fit_features(features, zoo.X_, zoo.y_)
        self.y_ = zoo.y_
        if self.task_ != "classification":
            self.location_, self.scale_ = float(zoo.y_.mean()), float(zoo.y_.std()) or 1.0
        targets = self._targets(zoo)
        self.shape_ = targets.shape[1:]
        self.latent_dim_ = embeddings.shape[2]
        pairs = self._pairs(embeddings[zoo.trained_], targets)
        held_out = self._held_out(len(targets), seed)
        self.validation_history_ = []
        # of one architecture the zoo's mean is its own answer, and there is no departure from it
        self.n_epochs_ = 0 if self.residual and len(targets) == 1 else self.max_epochs
        if len(held_out):
            _, net = self._train(pairs, held_out, None, device, seed)
            self.validation_history_ = epochs_of(net)
            self.n_epochs_ = self._best_epoch(pairs, held_out, device, seed)
        nobody = np.empty(0, dtype=np.int64)
        self.module_, net = self._train(pairs, nobody, self.n_epochs_, device, seed)
        self.history_ = [] if net is None else epochs_of(net)
        self.n_epochs_ = len(self.history_)
        self.device_ = device
        self._cache: list[torch.Tensor] | None = None
        self._fit_instances(targets)
        return self

    @fit_context(prefer_skip_nested_validation=False)
    def partial_fit(
        self, embeddings: np.ndarray, zoo: ModelZoo, *, features: ArrayLike | None = None
    ) -> Self:
        """Go on with a zoo over more instances; the first are those known so far.

        Features are made as `fit` has learned to make them. The network is trained on from where
        it stands, on all instances, for a share of the epochs so far that is the new instances'
        share of them, at least one (for none, where the zoo's mean was never improved upon).

        Parameters
        ----------
        embeddings : ndarray of shape (A, V, D)
            Of the zoo's architectures, by the same encoder.
        zoo : ModelZoo
            What :meth:`ModelZoo.append` returns.
        features : array-like of shape (M, F) or None, default=None
            Of the M new instances, where the transformer cannot make them, as
            :class:`~sksubsel.extraction.StoredFeatures`. None: the transformer makes them.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the embeddings' length, the task, the number of outputs or the labels of the first
            instances are others than before, or `features` are of other instances or another
            number; then nothing is changed.

        Notes
        -----
        The first call, without a `fit`, is a `fit`. Features that `fit` has memory-mapped are
        copied into memory.
        """
        if not hasattr(self, "module_"):
            return self.fit(embeddings, zoo)
        n_before = self.shape_[0]
        embeddings = _check_embeddings(embeddings, zoo)
        if embeddings.shape[2] != self.latent_dim_:
            raise ValueError(
                f"embeddings must have D={self.latent_dim_}, as in fit; got {embeddings.shape}"
            )
        n_outputs = zoo.predictions_.shape[2]
        if zoo.task_ != self.task_ or n_outputs != self.shape_[1]:
            raise ValueError(
                f"zoo must be of {self.task_} with {self.shape_[1]} outputs, as in fit; got "
                f"{zoo.task_} with {n_outputs}"
            )
        if not np.array_equal(zoo.y_[:n_before], self.y_):
            raise ValueError(
                f"zoo must begin with the {n_before} instances known so far, as "
                f"ModelZoo.append makes it; got {len(zoo.y_)} others"
            )
        n_more = len(zoo.y_) - n_before
        more = None if features is None else check_features(features, n_more, self.features_)
        if n_more == 0:
            return self
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        new = copy.copy(self)  # whatever fails or is interrupted, this one stays whole
        new.device_ = check_device(self.device)
        if more is None:
            more = self.feature_transformer_.transform(zoo.X_[n_before:])
            more = check_features(more, n_more, self.features_)
        new.features_ = np.concatenate([self.features_, more])
        new.y_ = zoo.y_
        targets = new._targets(zoo)
        new.shape_ = targets.shape[1:]
        if self.n_epochs_:
            n_epochs = max(1, round(self.n_epochs_ * (1 - n_before / len(zoo.y_))))
            pairs = new._pairs(embeddings[zoo.trained_], targets)
            nobody = np.empty(0, dtype=np.int64)
            module = copy.deepcopy(self.module_).to(new.device_)
            new.module_, net = new._train(pairs, nobody, n_epochs, new.device_, seed, module)
            rows = [{**row, "epoch": row["epoch"] + self.n_epochs_} for row in epochs_of(net)]
            new.history_ = self.history_ + rows
            new.n_epochs_ = len(new.history_)
        new._cache = None
        new._fit_instances(targets)
        self.__dict__.update(vars(new))
        return self

    def transform(self, embeddings: np.ndarray) -> Predictions:
        """Predictions for each architecture, computed when asked for.

        Parameters
        ----------
        embeddings : ndarray of shape (A, V, D)

        Returns
        -------
        Predictions
            Sized and sliceable over architectures; ``np.asarray`` gives (A, N, C).
        """
        check_is_fitted(self)
        embeddings = _check_embeddings(embeddings)
        if embeddings.shape[2] != self.latent_dim_:
            raise ValueError(
                f"embeddings must have D={self.latent_dim_}, as in fit; got {embeddings.shape}"
            )
        with torch.no_grad():
            h, mask = split_padding(shared_tensor(embeddings).to(self.device_))
            summaries = self.module_.summary(h, mask).cpu().numpy()
        return Predictions(self, embeddings, summaries)

    def predict_proba(self, embeddings: np.ndarray) -> np.ndarray:
        """Class probabilities (the outputs themselves for regression), (A, N, C) float32."""
        return np.asarray(self.transform(embeddings))

    def score(self, embeddings: np.ndarray, zoo: ModelZoo) -> float:
        """Negative mean KL(p_trained || p_predicted) over the zoo's trained architectures.

        For regression, the negative mean squared error. Higher is better; see `score_mean` for
        what the zoo's mean alone attains.

        Parameters
        ----------
        embeddings : ndarray of shape (A, V, D)
        zoo : ModelZoo
            Of the same architectures, over the instances of `fit`.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            If nothing of the zoo is trained, or it is over other instances.
        """
        check_is_fitted(self)
        check_trained(zoo)
        zoo_trained = np.asarray(zoo.trained_)
        predictions = self.transform(_check_embeddings(embeddings, zoo)[zoo_trained])
        return self._score(zoo, predictions.rows)

    def score_mean(self, zoo: ModelZoo) -> float:
        """What `score` would be if each prediction were the mean of the fitted zoo; see there."""
        check_is_fitted(self)
        check_trained(zoo)
        return self._score(zoo, lambda rows: self._mean_outputs(rows)[None])

    def _mean_outputs(self, rows) -> np.ndarray:
        """What the zoo says of some instances on average, (n, C)."""
        if self.task_ == "classification":
            mean = np.exp(self.base_[rows].astype(np.float32, copy=False))
            return mean / mean.sum(axis=1, keepdims=True)
        return self.base_[rows] * self.scale_ + self.location_

    def _score(self, zoo, predicted) -> float:
        check_instances_of_fit(zoo, self.y_)
        total, n_samples = 0.0, self.shape_[0]
        size = max(1, 16384 // len(zoo.trained_))
        for start in range(0, n_samples, size):
            rows = slice(start, start + size)
            target = np.asarray(zoo.predictions_[:, rows], dtype=np.float64)
            guess = predicted(rows).astype(np.float64)
            if self.task_ == "classification":
                ratio = np.log(np.maximum(target, 1e-12)) - np.log(np.maximum(guess, 1e-12))
                total -= (target * ratio).sum()
            else:
                total -= ((target - guess) ** 2).sum()
        return float(total / (len(zoo.trained_) * n_samples))

    def _pairs(self, embeddings, targets):
        """What `PairLoss` takes of the trained architectures (T, V, D) and their outputs."""
        return {
            "embeddings": torch.from_numpy(embeddings),
            "features": shared_tensor(self.features_),
            "labels": self._labels(slice(None)) if self.residual else None,
            "targets": shared_tensor(targets),
            "classification": self.task_ == "classification",
        }

    def _train(self, pairs, held_out, n_epochs, device, seed, module=None):
        """A module trained for `n_epochs` (None: all), and its net (None where it is untrained).

        One that is given is trained on, and its schedule is of these epochs alone.
        """
        n_samples, n_features = pairs["features"].shape
        n_outputs = self.shape_[1]  # as many columns as labels have: one-hot, or one target
        goes_on = module is not None
        if not goes_on:
            with seeded(seed):
                module = ApproximatorNet(
                    self.latent_dim_,
                    n_features + (n_outputs if self.residual else 0),
                    n_outputs,
                    self.approximator,
                    self.residual,
                    self.hidden_dim,
                    self.dropout,
                ).to(device)
        if n_epochs == 0:
            return module.eval(), None
        n_archs = min(len(pairs["targets"]), MAX_ARCHS)
        batch_size = self.batch_size
        if batch_size is None:
            batch_size = int(np.clip(n_archs * n_samples // 200, *_BATCH_SIZES))
        n_instances = max(1, batch_size // n_archs)
        n_steps = -(-n_samples // n_instances)
        max_epochs = self.max_epochs or max(5, -(-1000 // n_steps))
        net = fit_net(
            PairLoss(module, **pairs, held_out=held_out),
            torch.arange(n_samples),
            loss=lambda output, *_: output,
            max_epochs=n_epochs or max_epochs,
            schedule_epochs=n_epochs if goes_on else max_epochs,
            batch_size=n_instances,
            lr=self.lr,
            optimizer="adamw",
            weight_decay=self.weight_decay,
            schedule="cosine",
            gradient_clip=5.0,
            valid=(self._judged(n_samples, seed), None) if len(held_out) else None,
            early_stopping=self.n_iter_no_change if len(held_out) else None,
            callbacks=self.callbacks,
            device=device,
            seed=seed,
            verbose=self.verbose,
            title="approximator",
        )
        return module.eval(), net

    def _held_out(self, n_archs, seed):
        """Trained architectures that choose the number of epochs, ascending."""
        if not self.early_stopping or self.max_epochs == 0 or n_archs < 5:
            return np.empty(0, dtype=np.int64)
        n_held_out = min(n_archs - 2, max(1, round(self.validation_fraction * n_archs)))
        return np.sort(np.random.default_rng(seed).permutation(n_archs)[:n_held_out])

    @staticmethod
    def _judged(n_samples, seed):
        """Instances on which the architectures held out are judged."""
        rows = np.random.default_rng(seed).permutation(n_samples)[:_MAX_JUDGED]
        return torch.from_numpy(np.sort(rows))

    def _best_epoch(self, pairs, held_out, device, seed) -> int:
        """Number of epochs with the least validation loss; 0 is the untrained module's."""
        losses = [row["valid_loss"] for row in self.validation_history_]
        best = int(np.argmin(losses)) + 1
        if not self.residual:  # untrained, the plain form knows nothing
            return best
        module, _ = self._train(pairs, held_out, 0, device, seed)
        start = PairLoss(module, **pairs, held_out=held_out).to(device)
        with torch.no_grad(), seeded(seed, device):  # of more than 64 held out some are drawn
            loss = float(start.eval()(self._judged(self.shape_[0], seed).to(device)))
        return best if losses[best - 1] < loss else 0

    def _targets(self, zoo):
        """Outputs (A, N, C) to be learned."""
        targets = zoo.predictions_
        if self.task_ == "classification":
            return targets
        return (np.asarray(targets, dtype=np.float32) - self.location_) / self.scale_

    def _labels(self, rows):
        """Some labels as the network takes them: codes (n,), or standardised targets (n, 1)."""
        labels = self.y_[rows]
        if self.task_ == "classification":
            return shared_tensor(labels)
        labels = (labels[:, None] - self.location_) / self.scale_
        return torch.from_numpy(labels.astype(np.float32))

    def _fit_instances(self, targets):
        """Compute once what every later prediction needs of the instances."""
        n_samples, n_outputs = self.shape_
        small = 4 * n_samples * n_outputs <= _MAX_BASE
        self.base_ = np.empty(self.shape_, dtype=np.float32 if small else np.float16)
        self.hidden_ = None
        if 4 * n_samples * self.hidden_dim <= _MAX_HIDDEN:
            self.hidden_ = np.empty((n_samples, self.hidden_dim), dtype=np.float32)
        size = max(1, 2**24 // n_outputs) if self.hidden_ is None else 16384
        for start in range(0, n_samples, size):
            rows = slice(start, start + size)
            mean = targets[:, rows].mean(axis=0, dtype=np.float32)
            if self.task_ == "classification":
                mean = np.log(np.maximum(mean, MIN_PROBA))
            self.base_[rows] = mean
            if self.hidden_ is not None:
                self.hidden_[rows] = self._hidden(rows, torch.from_numpy(mean)).cpu().numpy()

    def _hidden(self, rows, base):
        """The instances' layer for some rows, whose base is known, (n, hidden_dim)."""
        labels = self._labels(rows).to(self.device_) if self.residual else None
        features = shared_tensor(self.features_[rows]).to(self.device_)
        with torch.no_grad():
            return self.module_.instance_part(features, labels, base.to(self.device_))

    def _outputs(self, summaries, rows) -> np.ndarray:
        """Outputs (A, n, C) for summaries (A, D) on some instances."""
        hidden, base = self._instances(rows)
        with torch.no_grad():
            out = self.module_.combine(
                torch.from_numpy(summaries).to(hidden.device), hidden[None], base[None]
            )
            if self.task_ == "classification":
                return out.softmax(-1).cpu().numpy()
            return (out * self.scale_ + self.location_).cpu().numpy()

    def _instances(self, rows):
        """What `combine` takes of some instances: (n, hidden_dim) and (n, C), on the device."""
        if self.hidden_ is None:  # too large to be kept on a device, too
            base = shared_tensor(self.base_[rows]).to(self.device_).float()
            return self._hidden(rows, base), base
        if self._cache is None:
            self._cache = [shared_tensor(a).to(self.device_) for a in (self.hidden_, self.base_)]
        hidden, base = self._cache
        if not isinstance(rows, slice):
            rows = torch.as_tensor(np.asarray(rows), device=hidden.device)
        return hidden[rows], base[rows].float()

    def __getstate__(self):
        # a model fitted on an accelerator must load where there is none
        state = super().__getstate__().copy()
        if "module_" in state:
            state["_cache"] = None
            if self.device_ != "cpu":
                state["module_"] = _cpu_copy(self.module_)
        return state

    def __setstate__(self, state):
        super().__setstate__(state)
        if "module_" in state:
            try:
                self.device_ = check_device(self.device_)
            except ValueError:
                self.device_ = "cpu"
            self.module_.to(self.device_)


def _cpu_copy(module):
    return copy.deepcopy(module).cpu()


def _check_embeddings(embeddings, zoo=None) -> np.ndarray:
    embeddings = np.asarray(embeddings, dtype=np.float32)
    if embeddings.ndim != 3 or 0 in embeddings.shape:
        raise ValueError(f"embeddings must have shape (A, V, D); got {embeddings.shape}")
    if np.isnan(embeddings[:, -1]).any():
        raise ValueError(
            "embeddings must end with each architecture's last node (missing nodes are NaN at the "
            "front); got NaN in the last place"
        )
    if zoo is not None and len(embeddings) != len(zoo):
        raise ValueError(
            f"embeddings and zoo must be about the same architectures; got {len(embeddings)} "
            f"embeddings and a zoo of {len(zoo)}"
        )
    if zoo is not None:
        check_trained(zoo)
    return embeddings
