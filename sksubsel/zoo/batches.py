"""Instances as a training takes them: as tensors, split, and for batch statistics."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.model_selection import train_test_split
from torch import nn

from sksubsel._net import as_tensor, seeded

__all__ = ["estimate_batch_norm", "float_tensor", "validation_split"]

_NORM_BATCH, _NORM_ROWS = 256, 8192  # instances that batch statistics are estimated from


def float_tensor(X):
    """A float32 tensor that shares the array's memory where it can.

    Its strides are the canonical ones: numpy leaves that of an axis of length 1 to chance, by
    which torch would choose other kernels, and other last bits.
    """
    X = np.ascontiguousarray(X, dtype=np.float32)
    return as_tensor(X.reshape(-1).reshape(X.shape))


def estimate_batch_norm(module, X, n_steps, seed):
    """Set the running statistics of batch normalisation to those of the trained weights.

    NAS-Bench-101's moving average (momentum 0.003) needs thousands of steps to forget the
    initial ones; a short training would be judged with statistics that were never true. Nothing
    is done where they weigh under 1 %.
    """
    norms = [m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    momenta = [m.momentum for m in norms if m.track_running_stats and m.momentum is not None]
    if not momenta or (1 - min(momenta)) ** n_steps < 0.01:
        return
    rows = np.random.default_rng(seed).permutation(len(X))[:_NORM_ROWS]
    device = next(module.parameters()).device
    n_batches = -(-len(rows) // _NORM_BATCH)
    batches = (X[part].to(device) for part in np.array_split(rows, n_batches))
    with seeded(seed, device):  # dropout is on
        torch.optim.swa_utils.update_bn(batches, module)
    module.eval()


def validation_split(n_samples, fraction, strata, seed):
    """Rows to fit and rows to validate on."""
    n_held_out = max(1, round(fraction * n_samples))
    if strata is not None:
        n_classes = len(np.unique(strata))
        n_held_out = max(n_held_out, n_classes)
        if n_samples - n_held_out < n_classes:
            strata = None
    return train_test_split(
        np.arange(n_samples), test_size=n_held_out, stratify=strata, random_state=seed
    )
