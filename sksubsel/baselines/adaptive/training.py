"""How a callback reaches into a net in training: what it trains on, its weights, its outputs."""

from __future__ import annotations

import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.data import Subset, default_collate

from sksubsel._net import Net, TrainingSubset
from sksubsel.baselines.adaptive.gradients import GradientRecorder
from sksubsel.zoo.batches import estimate_batch_norm

__all__ = ["attach"]

_BATCH = 1024


def attach(net, check_epochs):
    """The way into a net, in place until its `fit_loop` ends, however that ends.

    `check_epochs` is called with the number of epochs to come before anything is changed.
    """
    return (_OwnNet if isinstance(net, Net) else _SkorchNet)(net, check_epochs)


class _Access(ABC):
    """What strategies need of a net, whatever kind it is.

    The net's `fit_loop`, which skorch calls right after ``on_train_begin``, is replaced on the
    instance by one that makes our changes, runs the original and takes them back, also when it
    raises. Nothing that belongs to the net's parameters is touched, so that a net can be cloned
    at any time.
    """

    def __init__(self, net, check_epochs):
        self.net, self.subset = net, TrainingSubset()
        self.dataset: Any = None
        if isinstance(getattr(net.fit_loop, "__self__", None), _Access):
            del net.fit_loop  # of a fit that another callback ended before its loop
        self._fit_loop, self._check_epochs = net.fit_loop, check_epochs
        net.fit_loop = self._run

    def _run(self, *args, **kwargs):
        del self.net.fit_loop
        # only here it is known: partial_fit hands on its `epochs`
        epochs = inspect.signature(self._fit_loop).bind(*args, **kwargs).arguments.get("epochs")
        self.n_epochs = self.net.max_epochs if epochs is None else epochs
        self._check_epochs(self.n_epochs)
        self._enter()
        try:
            return self._fit_loop(*args, **kwargs)
        finally:
            self._leave()
            self.dataset = None

    def set_subset(self, rows, weights):
        """Train on these rows (None: all) with these weights (None: ones) from now on."""
        self.subset.rows = self.subset.weight = None
        if rows is None:
            return
        self.subset.rows = torch.from_numpy(np.sort(rows))
        if not np.all(weights == 1):
            weight = np.ones(len(self.dataset), dtype=np.float32)
            weight[rows] = weights
            self.subset.weight = torch.from_numpy(weight)

    @abstractmethod
    def _enter(self):
        """Change what has to be changed in the net."""

    @abstractmethod
    def _leave(self):
        """Take that back."""

    @abstractmethod
    def _batches(self):
        """Inputs and targets of all instances, in their order."""

    @abstractmethod
    def holds_out(self, given):
        """Whether the training is on a part of what it was given."""

    def inputs(self):
        """Instances as vectors: (N, F)."""
        parts = [_flat(inputs) for inputs, _ in self._batches()]
        return torch.cat(parts).numpy()


class _OwnNet(_Access):
    """`sksubsel._net.Net`, which knows subsets."""

    def _enter(self):
        self.net.subset = self.subset

    def _leave(self):
        self.net.subset = None

    def holds_out(self, given):
        return self.net.train_split is not None

    def _batches(self):
        for rows in torch.arange(len(self.dataset)).split(_BATCH):
            inputs, (targets, _) = self.dataset.batch(rows)
            yield inputs, targets

    def labels(self):
        targets = self.dataset.targets
        if targets is None:
            return None
        if targets.ndim == 2:
            targets = targets.argmax(1)  # soft ones
        return None if targets.is_floating_point() else targets.cpu().numpy()

    def gradients(self):
        if torch.is_tensor(self.dataset.inputs):
            # few steps into a training with slow batch normalisation, its statistics aren't true
            with _unchanged_buffers(self.net.module_):
                estimate_batch_norm(self.net.module_, self.dataset.inputs, self.net.n_steps_, 0)
                return self._gradients()
        return self._gradients()

    def _gradients(self):
        with GradientRecorder(self.net.module_) as recorder:
            for inputs, targets in self._batches():
                one = torch.ones(len(targets), device=targets.device)
                recorder.add(
                    lambda inputs=inputs: self.net.infer(inputs),
                    lambda output, inputs=inputs, targets=targets, one=one: (
                        self.net.loss(output, inputs, targets, one) * len(one)
                    ),
                )
        return recorder.gradients()

    def losses(self, output, batch):
        """Loss of each instance of a batch: float64 (n,)."""
        targets = batch[1][0]
        with torch.no_grad():
            if targets.ndim == 1 and targets.is_floating_point():
                losses = (output.float()[:, 0] - targets).square()
            else:
                losses = F.cross_entropy(output.float(), targets, reduction="none")
        return losses.double().cpu().numpy()


class _SkorchNet(_Access):
    """Any skorch net whose iterator is a DataLoader and whose criterion has a `reduction`."""

    def _enter(self):
        self._get_iterator, self._get_loss = self.net.get_iterator, self.net.get_loss
        self.net.get_iterator, self.net.get_loss = self._iterator, self._weighted_loss

    def _leave(self):
        del self.net.get_iterator, self.net.get_loss

    def holds_out(self, given):
        # skorch's splits make one; else the data set given is taken, or one is made of all of it
        return isinstance(self.dataset, Subset) and self.dataset is not given

    def _iterator(self, dataset, training=False):
        if not training:
            return self._get_iterator(dataset, training=False)
        factory = self.net.iterator_train
        self.net.iterator_train = functools.partial(_Loader, self.subset, factory)
        try:
            return self._get_iterator(dataset, training=True)
        finally:
            self.net.iterator_train = factory

    def _weighted_loss(self, y_pred, y_true, *args, training=False, **kwargs):
        weight = self.subset.weight
        if not training or weight is None:
            return self._get_loss(y_pred, y_true, *args, training=training, **kwargs)
        losses = self._each(y_pred, y_true, *args, training=True, **kwargs)
        weighted = losses * weight[self.subset.batch].to(losses)
        if self.net.criterion_.reduction == "sum":
            return weighted.sum()
        return weighted.sum() / self._norm(y_true, losses)

    def _norm(self, y_true, losses):
        """What the criterion divides the sum of losses by: their number, or their weights."""
        class_weight = getattr(self.net.criterion_, "weight", None)
        if class_weight is None:
            return losses.numel()
        return class_weight[torch.as_tensor(y_true, device=class_weight.device)].sum()

    def _reduced(self, reduction, *args, **kwargs):
        criterion = self.net.criterion_
        before = getattr(criterion, "reduction", None)
        if before not in {"mean", "sum"}:
            raise TypeError(
                "criterion must have reduction='mean' or 'sum', as those of torch do, for "
                f"instances to be weighted and for gradients of each; got {criterion!r}"
            )
        criterion.reduction = reduction
        try:
            return self._get_loss(*args, **kwargs)
        finally:
            criterion.reduction = before

    def _each(self, y_pred, y_true, *args, **kwargs):
        losses = self._reduced("none", y_pred, y_true, *args, **kwargs)
        if losses.ndim == 0 or len(losses) != len(y_true):
            raise TypeError(
                f"the loss must have one value for each of the {len(y_true)} instances with "
                f"reduction='none'; got shape {tuple(losses.shape)}"
            )
        return losses if losses.ndim == 1 else losses.flatten(1).mean(1)

    def _batches(self):
        for batch in self._get_iterator(self.dataset, training=False):
            inputs, targets = batch
            yield inputs, targets

    def labels(self):
        parts = [torch.as_tensor(targets) for _, targets in self._batches()]
        targets = torch.cat(parts)
        if targets.is_floating_point() or targets.ndim != 1:
            return None
        if len(targets) and int(targets.min()) < 0:
            raise ValueError(f"y must hold classes from 0; got {int(targets.min())}")
        return targets.long().numpy()

    def gradients(self):
        with GradientRecorder(self.net.module_) as recorder:
            for inputs, targets in self._batches():
                recorder.add(
                    lambda inputs=inputs: self.net.infer(inputs),
                    lambda output, targets=targets, inputs=inputs: self._reduced(
                        "sum", output, targets, X=inputs, training=False
                    ),
                )
        return recorder.gradients()

    def losses(self, output, batch):
        with torch.no_grad():
            losses = self._each(output, batch[1], X=batch[0], training=False)
        return losses.double().cpu().numpy()


class _Loader:
    """A DataLoader over the rows of a subset, made anew when they change."""

    def __init__(self, subset, factory, dataset, **kwargs):
        for name in ("sampler", "batch_sampler"):
            if kwargs.get(name) is not None:
                raise ValueError(
                    f"iterator_train__{name} draws from all rows, so that it can't be combined "
                    "with SubsetCallback; use iterator_train__shuffle"
                )
        self.subset, self.factory, self.dataset, self.kwargs = subset, factory, dataset, kwargs
        self.kwargs["collate_fn"] = _CollateNumbered(kwargs.get("collate_fn") or default_collate)
        self._loader, self._rows = None, None

    def _current(self):
        rows = self.subset.rows
        if self._loader is None or rows is not self._rows:
            self._rows = rows
            self._loader = self.factory(_Numbered(self.dataset, rows), **self.kwargs)
        return self._loader

    def __len__(self):
        return len(self._current())

    def __iter__(self):
        for batch, rows in self._current():
            self.subset.batch = rows
            yield batch


class _Numbered:
    """Items of some rows of a dataset, each with its row."""

    def __init__(self, dataset, rows):
        self.dataset, self.rows = dataset, rows

    def __len__(self):
        return len(self.dataset if self.rows is None else self.rows)

    def __getitem__(self, i):
        row = i if self.rows is None else int(self.rows[i])
        return self.dataset[row], row


class _CollateNumbered:
    def __init__(self, collate):
        self.collate = collate

    def __call__(self, items):
        return self.collate([item for item, _ in items]), torch.tensor([row for _, row in items])


class _unchanged_buffers:
    """Puts a module's buffers back at the end."""

    def __init__(self, module):
        self.module = module

    def __enter__(self):
        self.before = {name: b.clone() for name, b in self.module.named_buffers()}
        self.was_training = self.module.training

    def __exit__(self, *_):
        with torch.no_grad():
            for name, buffer in self.module.named_buffers():
                buffer.copy_(self.before[name])
        self.module.train(self.was_training)


def _flat(inputs):
    if isinstance(inputs, Mapping) or not torch.is_tensor(inputs):
        raise ValueError(
            "instances that are no single tensor can't be turned into vectors; give the "
            "strategy features="
        )
    return inputs.reshape(len(inputs), -1).float().cpu()
