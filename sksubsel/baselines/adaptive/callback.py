"""One skorch callback that trains on a subset and selects it anew every few epochs."""

from __future__ import annotations

import sys
import time
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state

from sksubsel._net import Callback
from sksubsel._validation import check_budget
from sksubsel.base import BaseSelector
from sksubsel.baselines.adaptive.strategy import Strategy, View
from sksubsel.baselines.adaptive.training import attach

__all__ = ["SubsetCallback"]

_BUDGET = 0.1  # of a strategy, which has none


class SubsetCallback(Callback):
    """Trains a skorch net on a subset, which it selects again every R epochs.

    It works in ``ArchitectureClassifier(callbacks=[...])`` and its regressor, and in stock skorch
    nets such as `skorch.NeuralNetClassifier`, which need not be subclassed. The training data are
    those that the net trains on: what a validation split leaves of them.

    Parameters
    ----------
    strategy : Strategy or selector
        How to select, such as ``RS2Strategy()`` or ``GradMatchStrategy(lam=0.1)``, or one of the
        selectors :class:`~sksubsel.baselines.CRAIG`, :class:`~sksubsel.baselines.GLISTER` and
        :class:`~sksubsel.baselines.GradMatch`, whose parameters then are the strategy's. Of a
        selector `estimator` is not used: the net in training takes its place. It is not changed;
        each training works with a strategy of its own.
    budget : int or float or None, default=None
        How many instances to select: an int is a count, a float in (0, 1] a fraction. None: that
        of the selector, or 0.1 for a Strategy, which has none.
    every : int or None, default=None
        R, epochs from one selection to the next; 0 selects once. None: the strategy's own, 20 for
        CRAIG, GLISTER and Grad-Match, 1 for RS2, InfoBatch and MILO, 0 for a warm-up.
    warm_start : int or None, default=None
        Epochs on all data before the first selection, fewer than are trained. None: the
        strategy's own, five for a warm-up and otherwise none.
    keep_rows : bool, default=True
        Keep rows and weights of all selections in `history_`. False keeps the last one alone.
    random_state : int, RandomState instance or None, default=None
        Seed of the selections. None: that of the selector, if it has one.

    Attributes
    ----------
    history_ : list of dict
        For each selection ``epoch`` (from 1, the first trained on it), ``n_selected``,
        ``seconds``, and with `keep_rows` ``rows`` and ``weights``.
    sample_indices_ : int64 ndarray of shape (B,)
        Rows of the last selection, ascending.
    sample_weight_ : float64 ndarray of shape (B,)
        Their weights.

    Notes
    -----
    Weights multiply the loss of each instance, also on top of a `sample_weight` of ours or of the
    criterion's class weights; strategies see gradients of the unweighted loss. The loss of a batch
    is still divided by its size, so that weights with a mean of one keep the learning rate's
    meaning. Gradients are taken in evaluation mode; a selection by them costs a prediction of all
    rows and the strategy's own time.

    ``net.history`` gets, for each epoch, ``n_train``, the rows trained on, and ``select_dur``,
    seconds of selecting, which ``dur`` includes.

    *Learning-rate schedules.* An epoch on a subset has fewer steps. The schedules of
    `ArchitectureClassifier` move further at each of them, so that an epoch always takes them
    equally far and the last ends them; its `min_steps` counts steps on all data. skorch's
    LRScheduler is right as it is where it moves by epochs; where it moves by steps, lay it out for
    the number that there will be.

    *Stock nets.* While `fit` runs, the instance's `get_iterator` and `get_loss` are replaced, and
    put back when it ends, also by an exception. The criterion has to have a ``reduction``, as
    torch's have; class labels have to be ints from 0. The order of batches is the iterator's own:
    ascending rows unless there is ``iterator_train__shuffle=True``. Each `fit` or `partial_fit`
    starts anew, from epoch 1.

    Examples
    --------
    >>> from sksubsel import ArchitectureClassifier
    >>> from sksubsel.baselines.adaptive import RS2Strategy, SubsetCallback
    >>> from sksubsel.datasets import load_digits_images
    >>> from sksubsel.networks.proxy import build_proxy
    >>> X, y = load_digits_images(return_X_y=True)
    >>> callback = SubsetCallback(RS2Strategy(), budget=0.2, random_state=0)
    >>> model = ArchitectureClassifier(
    ...     build=build_proxy, max_epochs=3, callbacks=[callback], random_state=0
    ... )
    >>> model = model.fit(X, y)
    >>> [row["n_train"] for row in model.history_]
    [359, 359, 359]
    """

    def __init__(
        self,
        strategy: Any,
        *,
        budget: int | float | None = None,
        every: int | None = None,
        warm_start: int | None = None,
        keep_rows: bool = True,
        random_state: int | np.random.RandomState | None = None,
    ):
        self.strategy = strategy
        self.budget = budget
        self.every = every
        self.warm_start = warm_start
        self.keep_rows = keep_rows
        self.random_state = random_state

    def check(self, n_epochs: int | None = None) -> None:
        """Look at the parameters before a training, which would find the same mistakes later.

        Parameters
        ----------
        n_epochs : int or None, default=None
            How long the training will be, where that is known.

        Raises
        ------
        ValueError
            If a parameter of it or of its strategy is out of range, or the whole training would be
            a warm start. Whether there are as many instances as a count asks for is not known yet.
        TypeError
            If the strategy is none, or `budget` no number.
        """
        strategy = _own_strategy(self.strategy)
        strategy._validate_params()
        check_budget(self._own_or_selectors("budget", _BUDGET), sys.maxsize)
        check_random_state(self._own_or_selectors("random_state", None))
        _count(self.every, "every", strategy.every)
        warm_start = _count(self.warm_start, "warm_start", strategy.warm_start)
        if n_epochs is not None:
            _check_epochs(n_epochs, warm_start)

    def on_train_begin(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        self.strategy_ = _own_strategy(self.strategy)
        self.every_ = _count(self.every, "every", self.strategy_.every)
        self.warm_start_ = _count(self.warm_start, "warm_start", self.strategy_.warm_start)
        self.rng_ = check_random_state(self._own_or_selectors("random_state", None))
        self.history_: list[dict] = []
        self.sample_indices_ = self.sample_weight_ = None
        self.epoch_, self.y_ = 0, None
        self.losses_: np.ndarray | None = None
        self.n_train_: int | None = None
        self.access_ = attach(net, lambda n_epochs: _check_epochs(n_epochs, self.warm_start_))
        self.given_ = X

    def on_epoch_begin(self, net: Any, dataset_train: Any = None, **kwargs: Any) -> None:
        self.epoch_ += 1
        if self.epoch_ == 1:
            self._first_epoch(dataset_train)
        seconds = 0.0
        since = self.epoch_ - self.warm_start_ - 1
        if since == 0 or (since > 0 and self.every_ and since % self.every_ == 0):
            start = time.perf_counter()
            self._select(net)
            seconds = time.perf_counter() - start
            self.history_[-1]["seconds"] = seconds
        net.history.record("n_train", self.n_train_)
        net.history.record("select_dur", seconds)

    def on_batch_end(
        self, net: Any, batch: Any = None, training: bool = False, y_pred: Any = None, **kwargs: Any
    ) -> None:
        if training and self.losses_ is not None:
            self.losses_[self.access_.subset.batch.numpy()] = self.access_.losses(y_pred, batch)

    def on_train_end(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        # these hold the net, the data or as much as the data
        self.given_ = self.access_ = self.strategy_ = self.losses_ = self.y_ = None

    def _first_epoch(self, dataset):
        self.access_.dataset = dataset
        given, self.given_ = self.given_, None
        if self.strategy_.knows_rows and self.access_.holds_out(given):
            raise ValueError(
                f"{type(self.strategy_).__name__} knows rows by their numbers in the data given, "
                "of which this training holds out some to validate with; train with "
                "early_stopping=False, or in skorch with train_split=None or predefined_split(...)"
            )
        self.n_train_ = len(dataset)
        budget = self._own_or_selectors("budget", _BUDGET)
        self.budget_ = check_budget(budget, len(dataset))
        self.strategy_.start(len(dataset), self.rng_)
        if self.strategy_.records_losses:
            self.losses_ = np.full(len(dataset), np.nan)

    def _own_or_selectors(self, name, default):
        value = getattr(self, name)
        return getattr(self.strategy, name, default) if value is None else value

    def _labels(self):
        if self.y_ is None:
            self.y_ = self.access_.labels()
        return self.y_

    def _select(self, net):
        access = self.access_
        view = View(
            len(access.dataset),
            self._labels,
            epoch=self.epoch_,
            max_epochs=access.n_epochs,
            losses=self.losses_,
            gradients=access.gradients,
            inputs=access.inputs,
        )
        rows, weights, _ = self.strategy_.select(view, self.budget_, self.rng_)
        order = np.argsort(rows)
        self.sample_indices_, self.sample_weight_ = rows[order], weights[order]
        access.set_subset(self.sample_indices_, self.sample_weight_)
        self.n_train_ = len(rows)
        selection: dict[str, Any] = {"epoch": self.epoch_, "n_selected": len(rows)}
        if self.keep_rows:
            selection |= {"rows": self.sample_indices_, "weights": self.sample_weight_}
        self.history_.append(selection)


def _own_strategy(strategy):
    """A strategy to work with: a clone, or the one that a selector would ask."""
    if isinstance(strategy, Strategy):
        return clone(strategy)
    # known by the method: selectors by gradients import this package
    if isinstance(strategy, BaseSelector) and hasattr(strategy, "_strategy"):
        return strategy._strategy()
    raise TypeError(
        "strategy must be a Strategy of sksubsel.baselines.adaptive, such as RS2Strategy(), or "
        f"one of the selectors CRAIG(), GLISTER() and GradMatch(); got {strategy!r}"
    )


def _check_epochs(n_epochs, warm_start):
    if 0 < n_epochs <= warm_start:
        raise ValueError(
            f"warm_start must be less than max_epochs={n_epochs}, the epochs to train (or "
            f"partial_fit's epochs), or nothing is ever selected; got {warm_start}"
        )


def _count(value, name, default):
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 0:
        raise ValueError(f"{name} must be an int in [0, inf) or None; got {value!r}")
    return int(value)
