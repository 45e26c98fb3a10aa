"""Training of torch modules by skorch, on slices of tensors; the only file that knows skorch."""

from __future__ import annotations

import sys
import types
from collections.abc import Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, EarlyStopping, EpochTimer, PrintLog
from skorch.dataset import unpack_data
from torch import nn

from sksubsel._parallel import Progress

_OPTIMIZERS = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
}


class _Tensors:
    """Items of aligned tensors, as skorch's dataset."""

    def __init__(self, inputs, targets, weight):
        self.inputs, self.targets, self.weight = inputs, targets, weight

    def __len__(self):
        return len(next(iter(self.inputs.values())) if _is_map(self.inputs) else self.inputs)

    def batch(self, index):
        pick = {k: v[index] for k, v in self.inputs.items()} if _is_map(self.inputs) else (
            self.inputs[index]
        )  # fmt: skip
        targets = None if self.targets is None else self.targets[index]
        weight = None if self.weight is None else self.weight[index]
        return pick, (targets, weight)


class TrainingSubset:
    """The items that the next epoch trains on, which a callback may change between epochs.

    Attributes
    ----------
    rows : int64 Tensor of shape (B,) or None
        None: all items.
    weight : float32 Tensor of shape (N,) or None
        Factor of each item's weight in the loss.
    batch : int64 Tensor
        Items of the batch in training, set by whoever makes the batches.
    """

    def __init__(self):
        self.rows = self.weight = self.batch = None


class _Batches:
    """Slices of tensors in a fresh random order each epoch, in place of a DataLoader."""

    def __init__(self, dataset, batch_size, generator=None, subset=None):
        self.dataset, self.batch_size, self.generator = dataset, batch_size, generator
        self.subset = subset

    def _n_items(self):
        chosen = None if self.subset is None else self.subset.rows
        return len(self.dataset if chosen is None else chosen)

    def __len__(self):
        return -(-self._n_items() // self.batch_size)

    def __iter__(self):
        n_items = self._n_items()
        if self.generator is None:
            index = torch.arange(n_items)
        else:
            index = torch.randperm(n_items, generator=self.generator)
        if self.subset is not None and self.subset.rows is not None:
            index = self.subset.rows[index]
        # near-equal batches: a last batch of one item would break batch normalisation
        for part in torch.tensor_split(index, len(self)):
            inputs, (targets, weight) = self.dataset.batch(part)
            if self.subset is not None:
                self.subset.batch = part
                if self.subset.weight is not None:
                    factor = self.subset.weight[part].to(targets.device)
                    weight = factor if weight is None else weight * factor
            yield inputs, (targets, weight)


class _StepSchedule(Callback):
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


class _EpochBar(Callback):
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


class Net(NeuralNet):
    """A skorch net whose batches are slices of tensors and whose loss is a function.

    Made by `fit_net`. ``history`` has ``train_loss``, ``dur`` and, with validation data,
    ``valid_loss`` and whatever `valid_scores` names for each epoch. A callback may set ``subset``,
    a `TrainingSubset`, before the first epoch, to choose what each epoch trains on. ``n_steps_``
    counts optimiser steps.
    """

    subset = None

    def __init__(
        self, *args, loss, valid_scores=None, generator=None, gradient_clip=None, mixed=False,
        title=None, **kwargs,
    ):  # fmt: skip
        super().__init__(*args, **kwargs)
        self.loss = loss
        self.valid_scores = valid_scores
        self.generator = generator
        self.gradient_clip = gradient_clip
        self.mixed = mixed
        self.title = title

    @property
    def _default_callbacks(self):
        # what is not to be printed would be laid out all the same, each epoch
        log = []
        if self.verbose:
            as_bar = self.title is not None and sys.stderr.isatty()
            log = [("print_log", _EpochBar(self.title) if as_bar else PrintLog())]
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
            return _Batches(dataset, self.batch_size)
        return _Batches(dataset, self.batch_size, self.generator, self.subset)

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
            size = len(next(iter(batch[0].values())) if _is_map(batch[0]) else batch[0])
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


def fit_net(
    module,
    inputs,
    targets=None,
    *,
    loss,
    max_epochs,
    batch_size,
    lr,
    optimizer="adamw",
    weight_decay=0.0,
    momentum=0.9,
    nesterov=False,
    schedule=None,
    schedule_epochs=None,
    step_size=0.3,
    gamma=0.1,
    gradient_clip=None,
    sample_weight=None,
    valid=None,
    valid_scores=None,
    early_stopping=None,
    mixed_precision=False,
    callbacks=None,
    device="cpu",
    seed=0,
    verbose=0,
    title=None,
    shuffle=True,
    n_threads=None,
) -> Net:
    """Train a module with skorch.

    Parameters
    ----------
    module : nn.Module
        Called with a batch of `inputs`; trained in place.
    inputs : Tensor or dict of str to Tensor
        First axis: items. Moved to the device as a whole, once.
    targets, sample_weight : Tensor or None
    loss : callable
        ``loss(output, inputs, targets, weight) -> scalar Tensor``.
    max_epochs, batch_size : int
        The batches of an epoch differ by at most one item in size.
    lr : float
    optimizer : {"sgd", "adam", "adamw", "rmsprop"}
    weight_decay, momentum : float
        The latter for "sgd" and "rmsprop" only.
    nesterov : bool
        Nesterov's momentum, of "sgd".
    schedule : {None, "cosine", "onecycle", "step"}
        Of the learning rate, moved at every step.
    schedule_epochs : int or None
        Epochs that the schedule is laid out for; None: `max_epochs`.
    step_size, gamma : float
        Of "step": after each such share of the training the rate is multiplied by `gamma`.
    gradient_clip : float or None
        Largest norm of the gradient.
    valid : (inputs, targets) or None
    valid_scores : dict of str to callable, or None
        ``score(output, targets) -> scalar Tensor``, a mean over items, recorded for the validation
        data as ``valid_<name>``.
    early_stopping : int or None
        Stop when the validation loss has not fallen for so many epochs, and take the best weights.
    mixed_precision : bool
        float16 autocast with loss scaling; on CUDA only, elsewhere without effect.
    callbacks : list of skorch callbacks or None
    device : str
    seed : int
        Of the batches' order and of what is random in the module; global seeds are untouched.
    verbose : int
        1 prints a line per epoch.
    title : str or None
        Of a bar that stands for these lines on a terminal.
    n_threads : int or None
        Of torch meanwhile; 1 pays for small modules, whose result then is the same to the bit
        in a worker that has fewer threads.

    Returns
    -------
    Net
        In evaluation mode; it holds no training data.
    """
    dataset = _Tensors(_to(inputs, device), _to(targets, device), _to(sample_weight, device))
    valid_set = (
        None if valid is None else _Tensors(_to(valid[0], device), _to(valid[1], device), None)
    )
    extra = {"optimizer__weight_decay": weight_decay}
    if torch.device(device).type in ("cpu", "cuda") and optimizer != "rmsprop":  # which has none
        extra["optimizer__fused"] = True  # small networks else spend a fifth of a step in it
    if optimizer in ("sgd", "rmsprop"):
        extra["optimizer__momentum"] = momentum
    if optimizer == "sgd":
        extra["optimizer__nesterov"] = nesterov
    hooks = []
    if schedule is not None:
        epoch_steps = -(-len(dataset) // batch_size)
        total_steps = (schedule_epochs or max_epochs) * epoch_steps
        steps = _StepSchedule(schedule, lr, total_steps, epoch_steps, step_size, gamma)
        hooks.append(("schedule", steps))
    if early_stopping is not None and valid is not None:
        hooks.append(("early_stopping", EarlyStopping(
            patience=early_stopping, load_best=True, sink=_silent)))  # fmt: skip
    hooks += list(callbacks or [])
    net = Net(
        module,
        nn.Module,
        loss=loss,
        valid_scores=valid_scores,
        generator=torch.Generator().manual_seed(seed) if shuffle else None,
        gradient_clip=gradient_clip,
        mixed=mixed_precision and torch.device(device).type == "cuda",
        title=title,
        optimizer=_OPTIMIZERS[optimizer],
        lr=lr,
        max_epochs=max_epochs,
        batch_size=batch_size,
        train_split=valid_set,
        callbacks=hooks,
        device=device,
        verbose=verbose,
        **extra,
    )
    with seeded(seed, device), torch_threads(n_threads):
        net.fit(dataset)
    module.eval()
    net.train_split = None
    net.optimizer_ = net.scaler_ = None
    return net


def predict_net(module, inputs, *, batch_size, device="cpu") -> torch.Tensor:
    """Outputs of a module in evaluation mode, batch after batch, on the CPU."""
    module = module.to(device).eval()
    out = []
    with torch.no_grad():
        for start in range(0, len(inputs), batch_size):
            out.append(module(inputs[start : start + batch_size].to(device)).cpu())
    return torch.cat(out)


def epochs_of(net) -> list[dict]:
    """What each epoch recorded: ``epoch``, ``train_loss``, ``dur`` in seconds, and so on."""
    return [{k: v for k, v in row.items() if k != "batches"} for row in net.history]


def as_tensor(array) -> torch.Tensor:
    """A tensor that shares the array's memory, but for read-only ones, which are copied."""
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def shared_tensor(array) -> torch.Tensor:
    """A tensor that shares the array's memory also where that is read-only: never to be written to.

    torch warns of a read-only array, once, whatever is done with it; seen through another object
    that gives its address, it is none.
    """
    if array.flags.writeable or not array.size:
        return as_tensor(array)
    seen = types.SimpleNamespace(owner=array)
    seen.__array_interface__ = {**array.__array_interface__, "data": (array.ctypes.data, False)}
    return torch.from_numpy(np.asarray(seen))


def forked_rng(device="cpu"):
    """A context after which the generators of the CPU and of a CUDA device are as before."""
    device = torch.device(device)
    return torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])


@contextmanager
def seeded(seed, device="cpu"):
    """Let the generators of the CPU and of a device start from a seed; then put them back.

    Of a device that is neither CPU nor CUDA, torch's own seeding is not put back.

    `torch.manual_seed` would seed those of all other devices too, which nobody puts back, and where
    these are not in use note the call stack each time, which takes milliseconds.
    """
    device = torch.device(device)
    with forked_rng(device):
        if device.type not in ("cpu", "cuda"):
            torch.manual_seed(seed)
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield


@contextmanager
def torch_threads(n_threads):
    """Let torch use so many threads for a while; None changes nothing."""
    before = torch.get_num_threads()
    if n_threads is not None:
        torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _silent(*_):
    pass  # a function of the module, so that the net can be pickled


def _is_map(inputs):
    return isinstance(inputs, Mapping)


def _to(inputs, device):
    if inputs is None:
        return None
    if _is_map(inputs):
        return {name: tensor.to(device) for name, tensor in inputs.items()}
    return inputs.to(device)
