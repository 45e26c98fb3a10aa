"""skorch's net over slices of tensors, with a function as loss."""

from __future__ import annotations

import sys
from typing import Any

import torch
from skorch import NeuralNet
from skorch.callbacks import EpochTimer, PrintLog
from skorch.dataset import unpack_data
from torch import nn

from sksubsel._net.callbacks import EpochBar
from sksubsel._net.tensors import Batches, is_map

__all__ = ["Net", "epochs_of"]


class Net(NeuralNet):
    """A skorch net whose batches are slices of tensors and whose loss is a function.

    Made by `fit_net`. ``history`` has ``train_loss``, ``dur`` and, with validation data,
    ``valid_loss`` and whatever `valid_scores` names for each epoch. A callback may set ``subset``,
    a `TrainingSubset`, before the first epoch, to choose what each epoch trains on. ``n_steps_``
    counts optimiser steps.
    """

    subset = None

    def __init__(
        self, *args, loss, valid_scores=None, generator=None, strata=None, gradient_clip=None,
        mixed=False, title=None, **kwargs,
    ):  # fmt: skip
        super().__init__(*args, **kwargs)
        self.loss = loss
        self.valid_scores = valid_scores
        self.generator = generator
        self.strata = strata
        self.gradient_clip = gradient_clip
        self.mixed = mixed
        self.title = title

    @property
    def _default_callbacks(self):
        # what is not to be printed would be laid out all the same, each epoch
        log = []
        if self.verbose:
            as_bar = self.title is not None and sys.stderr.isatty()
            log = [("print_log", EpochBar(self.title) if as_bar else PrintLog())]
        return [("epoch_timer", EpochTimer()), *log]

    def initialize_module(self):
        self.module_ = self.module.to(self.device)
        return self

    def initialize_criterion(self):
        self.criterion_ = nn.Module()  # the loss is a function
        return self

    def initialize_optimizer(self, triggered_directly=None):
        params = [p for p in self.module_.parameters() if p.requires_grad]
        self.optimizer_ = self.optimizer(params, lr=self.lr, **self.get_params_for("optimizer"))
        self.scaler_: Any = torch.amp.GradScaler("cuda", enabled=self.mixed)
        self.n_steps_ = 0
        return self

    def check_data(self, X, y=None):
        pass  # tensors made by us

    def get_split_datasets(self, X, y=None, **fit_params):
        return X, self.train_split

    def get_iterator(self, dataset, training=False):
        if not training:
            return Batches(dataset, self.batch_size)
        return Batches(dataset, self.batch_size, self.generator, self.subset, self.strata)

    def infer(self, x, **fit_params):
        with torch.autocast("cuda", enabled=self.mixed):
            return self.module_(x)

    def get_loss(self, y_pred, y_true, X=None, training=False):
        return self.loss(y_pred, X, *y_true)

    def train_step(self, batch, **fit_params):
        """One optimiser step, without the closures that only LBFGS needs."""
        self.module_.train()
        self.optimizer_.zero_grad(set_to_none=True)
        inputs, targets = unpack_data(batch)
        output = self.infer(inputs)
        loss = self.get_loss(output, targets, X=inputs, training=True)
        self.scaler_.scale(loss).backward()
        if self.gradient_clip is not None:
            self.scaler_.unscale_(self.optimizer_)
            nn.utils.clip_grad_norm_(self.module_.parameters(), self.gradient_clip)
        self.scaler_.step(self.optimizer_)
        self.scaler_.update()
        self.n_steps_ += 1
        return {"loss": loss.detach(), "y_pred": output}

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """One epoch; the mean loss is read from the device once, not at every batch."""
        if iterator is None:
            return
        if training:
            self.n_batches_ = len(iterator)
        names = ["loss"] if training else ["loss", *(self.valid_scores or {})]
        totals, n_items = dict.fromkeys(names, 0.0), 0
        for batch in iterator:
            self.notify("on_batch_begin", batch=batch, training=training)
            step = step_fn(batch)
            size = len(next(iter(batch[0].values())) if is_map(batch[0]) else batch[0])
            totals = {name: total + step[name] * size for name, total in totals.items()}
            n_items += size
            self.notify("on_batch_end", batch=batch, training=training, **step)
        means = {name: float(total) / n_items for name, total in totals.items()}
        for name, mean in means.items():
            self.history.record(f"{prefix}_{name}", mean)
        loss = means["loss"]
        if prefix == "train" and loss != loss:
            raise FloatingPointError(
                f"the training loss became NaN in epoch {len(self.history)}; a smaller lr "
                f"(now {self.lr}) or gradient clipping usually helps"
            )

    def validation_step(self, batch, **fit_params):
        self.module_.eval()
        inputs, targets = unpack_data(batch)
        with torch.no_grad():
            output = self.infer(inputs)
            scores = {
                name: of(output, targets[0]) for name, of in (self.valid_scores or {}).items()
            }
            return {"loss": self.get_loss(output, targets, X=inputs), **scores}


def epochs_of(net) -> list[dict]:
    """What each epoch recorded: ``epoch``, ``train_loss``, ``dur`` in seconds, and so on."""
    return [{k: v for k, v in row.items() if k != "batches"} for row in net.history]
