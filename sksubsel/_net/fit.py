"""Training a module, and asking it."""

from __future__ import annotations

import torch
from skorch.callbacks import EarlyStopping
from torch import nn

from sksubsel._interrupts import interrupts_raised
from sksubsel._net.callbacks import StepSchedule, check_callbacks
from sksubsel._net.net import Net
from sksubsel._net.tensors import Tensors, is_map
from sksubsel._net.torch_state import seeded, torch_threads

__all__ = ["fit_net", "predict_net"]

_OPTIMIZERS = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
}


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
    strata=None,
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
    strata : int64 Tensor of shape (N,) or None
        Codes of the items, from 0, which all batches have in the same proportions; on the CPU.
        Only with `shuffle`.
    n_threads : int or None
        Of torch meanwhile; 1 pays for small modules, whose result then is the same to the bit
        in a worker that has fewer threads.

    Returns
    -------
    Net
        In evaluation mode; it holds no training data.

    Raises
    ------
    TypeError
        If something among `callbacks` is none.
    KeyboardInterrupt
        If it was interrupted; callbacks that raise it only end the training.
    """
    check_callbacks(callbacks)
    if strata is not None and not shuffle:
        raise ValueError("strata must be None without shuffle")
    dataset = Tensors(_to(inputs, device), _to(targets, device), _to(sample_weight, device))
    valid_set = (
        None if valid is None else Tensors(_to(valid[0], device), _to(valid[1], device), None)
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
        steps = StepSchedule(schedule, lr, total_steps, epoch_steps, step_size, gamma)
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
        strata=strata,
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
    with seeded(seed, device), torch_threads(n_threads), interrupts_raised():
        net.fit(dataset)
    module.eval()
    net.train_split = None
    net.optimizer_ = net.scaler_ = net.strata = None
    return net


def predict_net(module, inputs, *, batch_size, device="cpu") -> torch.Tensor:
    """Outputs of a module in evaluation mode, batch after batch, on the CPU."""
    module = module.to(device).eval()
    out = []
    with torch.no_grad():
        for start in range(0, len(inputs), batch_size):
            # copies, as a module may work in place
            batch = inputs[start : start + batch_size].to(device, copy=True)
            out.append(module(batch).cpu())
    return torch.cat(out)


def _silent(*_):
    pass  # a function of the module, so that the net can be pickled


def _to(inputs, device):
    if inputs is None:
        return None
    if is_map(inputs):
        return {name: tensor.to(device) for name, tensor in inputs.items()}
    return inputs.to(device)
