"""Callbacks of a net: the learning rate of each step, a bar, a function after each epoch."""

from __future__ import annotations

from typing import Any

import torch
from skorch.callbacks import Callback

from sksubsel._net.tensors import TrainingSubset
from sksubsel._parallel import Progress

__all__ = ["Callback", "EpochBar", "EpochEnd", "StepSchedule", "Turns", "check_callbacks"]


def check_callbacks(callbacks) -> None:
    """Raise TypeError for what skorch would only stumble over in the training."""
    for entry in callbacks or []:
        named = isinstance(entry, (tuple, list)) and len(entry) == 2
        one = entry[1] if named else entry
        if named and one is None:  # skorch's way to switch one off
            continue
        kind = one if isinstance(one, type) else type(one)
        if not issubclass(kind, Callback):
            hint = " (what selects goes into a SubsetCallback)" if hasattr(one, "select") else ""
            raise TypeError(
                "callbacks must hold instances or classes of skorch.callbacks.Callback, or pairs "
                f"(name, callback); got {entry!r}{hint}"
            )


class StepSchedule(Callback):
    """A learning-rate schedule that moves at every optimiser step.

    It is laid out for epochs of `epoch_steps` steps. In an epoch on a part of the data, which
    has fewer, each step moves it further, so that an epoch always takes it equally far and it
    ends where it should.
    """

    schedule_: Any  # torch's, None after training

    def __init__(self, kind, lr, total_steps, epoch_steps, step_size=0.3, gamma=0.1):
        self.kind, self.lr = kind, lr
        self.total_steps, self.epoch_steps = total_steps, epoch_steps
        self.step_size, self.gamma = step_size, gamma

    def on_train_begin(self, net, **kwargs):
        schedules = torch.optim.lr_scheduler
        if self.kind == "cosine":
            self.schedule_ = schedules.CosineAnnealingLR(net.optimizer_, self.total_steps)
        elif self.kind == "step":
            n_steps = max(1, round(self.step_size * self.total_steps))
            self.schedule_ = schedules.StepLR(net.optimizer_, n_steps, self.gamma)
        else:
            # OneCycleLR moves the momentum too, where the optimiser has one
            defaults = net.optimizer_.defaults
            cycle = bool(defaults.get("momentum")) or "betas" in defaults
            self.schedule_ = schedules.OneCycleLR(
                net.optimizer_, self.lr, total_steps=self.total_steps + 1, cycle_momentum=cycle
            )

    def on_epoch_begin(self, net, **kwargs):
        self.n_batches_ = 0

    def on_batch_end(self, net, training=False, **kwargs):
        if training:
            before = self.n_batches_ * self.epoch_steps // net.n_batches_
            self.n_batches_ += 1
            for _ in range(before, self.n_batches_ * self.epoch_steps // net.n_batches_):
                self.schedule_.step()

    def on_train_end(self, net, **kwargs):
        self.schedule_ = None  # it holds the optimiser's state


class EpochEnd(Callback):
    """Calls ``function(module, epoch)`` after each epoch of training, epochs counted from 1."""

    def __init__(self, function):
        self.function = function

    def on_epoch_end(self, net, **kwargs):
        self.function(net.module_, len(net.history))


class Turns(Callback):
    """Trains each epoch on the next of K subsets, int64 (K, B), the first again after the last."""

    def __init__(self, subsets):
        self.subsets = subsets

    def on_train_begin(self, net, **kwargs):
        self.subset_ = net.subset = TrainingSubset()

    def on_epoch_begin(self, net, **kwargs):
        if net.subset is not self.subset_:
            raise ValueError(
                "rows of shape (K, B) say what each epoch trains on, and so cannot go with another "
                "callback that does, such as a SubsetCallback"
            )
        turn = (len(net.history) - 1) % len(self.subsets)
        self.subset_.rows = torch.from_numpy(self.subsets[turn])
        net.history.record("n_train", self.subsets.shape[1])

    def on_train_end(self, net, **kwargs):
        net.subset = None
        del self.subset_


class EpochBar(Callback):
    """A bar of epochs on a terminal, in place of skorch's lines."""

    def __init__(self, title):
        self.title = title

    def on_train_begin(self, net, **kwargs):
        self.progress_ = Progress(self.title, "epochs", net.max_epochs, net.verbose)

    def on_epoch_end(self, net, **kwargs):
        self.progress_.step()

    def on_train_end(self, net, **kwargs):
        self.progress_.close()
        del self.progress_  # a net is pickled without its bar
