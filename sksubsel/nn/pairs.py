"""The loss that the approximator is trained on: over pairs of an architecture and an instance."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from sksubsel.nn.approximator import split_padding

__all__ = ["MAX_ARCHS", "MIN_PROBA", "PairLoss"]

MAX_ARCHS = 64  # architectures in one training step
MIN_PROBA = 1e-4  # log-probabilities are cut here: beyond it a zoo's mean is noise


class PairLoss(nn.Module):
    """Mean loss over the pairs of (up to 64 of) the architectures and a batch of instances.

    In evaluation mode, of the architectures held out. Only what belongs to a batch is laid out:
    no one-hot label and no mean over the zoo is kept for all instances.

    Parameters
    ----------
    net : ApproximatorNet
    embeddings : Tensor of shape (A, V, D)
    features : Tensor of shape (N, F), any float type
    labels : Tensor, as `ApproximatorNet.instance_part` takes them
    targets : Tensor of shape (A, N, C)
    classification : bool
    held_out : int64 ndarray
        Architectures that judge and are not learned from.
    """

    h: torch.Tensor
    mask: torch.Tensor
    features: torch.Tensor
    labels: torch.Tensor | None
    targets: torch.Tensor
    fitted: torch.Tensor
    held_out: torch.Tensor

    def __init__(self, net, embeddings, features, labels, targets, classification, held_out):
        super().__init__()
        self.net, self.classification = net, classification
        h, mask = split_padding(embeddings)
        fitted = np.setdiff1d(np.arange(len(targets)), held_out)
        tensors = {
            "h": h,
            "mask": mask,
            "features": features,
            "labels": labels,
            "targets": targets,
            "fitted": torch.from_numpy(fitted),
            "held_out": torch.from_numpy(held_out),
        }
        for name, tensor in tensors.items():
            self.register_buffer(name, tensor, persistent=False)

    def forward(self, index):
        everyone = self.targets.index_select(1, index).float()  # (all, n, C)
        fitted = everyone if len(self.held_out) == 0 else everyone[self.fitted]
        archs, targets = self.fitted, fitted
        if not self.training:
            archs, targets = self.held_out, everyone[self.held_out]
        if len(archs) > MAX_ARCHS:
            drawn = torch.randperm(len(archs), device=index.device)[:MAX_ARCHS]
            archs, targets = archs[drawn], targets[drawn]
        base = self._base(targets, fitted) if self.net.residual else None
        labels = None if self.labels is None else self.labels[index]
        out = self.net(self.h[archs], self.mask[archs], self.features[index], labels, base)
        if not self.classification:
            return F.mse_loss(out, targets)
        # KL(p_trained || p_predicted), paper Eq. 7
        return F.kl_div(out.log_softmax(-1), targets, reduction="none").sum(-1).mean()

    def _base(self, targets, fitted):
        """What the other fitted architectures say of each instance, (A or 1, n, C)."""
        total, n_fitted = fitted.sum(0), len(fitted)
        if not self.training:
            mean = (total / n_fitted).unsqueeze(0)
        elif n_fitted == 1:
            mean = torch.full_like(targets, 1 / targets.shape[-1] if self.classification else 0.0)
        else:
            mean = (total - targets) / (n_fitted - 1)
        return mean.clamp_min(MIN_PROBA).log() if self.classification else mean
