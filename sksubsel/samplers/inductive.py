"""The inductive sampler: a network that scores instances, trained once on predictions."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.utils import gen_batches
from torch import nn

from sksubsel._net import epochs_of, fit_net, seeded, shared_tensor
from sksubsel.nn.scorer import ScorerNet, inductive_objective

_MAX_ARCHS = 8  # architectures in one training step
_MIN_STEPS = 600
_CHUNK = 16384  # instances at a time when scoring


class _ScorerLoss(nn.Module):
    """Eq. 10 on a batch of instances and (up to 8 of) the architectures."""

    features: torch.Tensor
    labels: torch.Tensor
    mean_h: torch.Tensor

    def __init__(self, scorer, features, labels, mean_h, predict, objective):
        super().__init__()
        self.scorer, self.predict, self.objective = scorer, predict, objective
        for name, tensor in (("features", features), ("labels", labels), ("mean_h", mean_h)):
            self.register_buffer(name, tensor, persistent=False)

    def forward(self, index):
        n_archs = len(self.mean_h)
        archs = torch.arange(n_archs)
        if n_archs > _MAX_ARCHS:
            archs = torch.randperm(n_archs)[:_MAX_ARCHS]
        predicted = self.predict(archs.numpy(), index.cpu().numpy()).to(index.device)
        logits = self.scorer.combine(
            self.mean_h[archs.to(index.device)],
            self.scorer.instance_part(self.features[index], self.labels[index]),
            predicted,
        )
        return self.objective(logits, predicted[..., -1])


class InductiveScorer:
    """Scores in (0, 1) of instances for an architecture, with nothing solved per architecture.

    Trained on ``sum_i p_i l_i - lam H(p) + beta (sum_i pi_i / B - 1)^2`` with p the normalised
    scores (paper, Eq. 10), over batches of instances. Its optimum is
    ``pi_i proportional to exp(-l_i / lam)`` with the scores' sum at B, so that sampling in
    proportion to the scores is what the exact transductive solver does.

    Parameters
    ----------
    lam, beta : float
    max_epochs : int or None
        None: as many as give about 600 optimiser steps, at least 3.
    batch_size : int
        Instances per step.
    lr : float
        Adam's learning rate.
    device : str
    seed : int
    verbose : int
    """

    def __init__(self, lam, beta, *, max_epochs, batch_size, lr, device, seed, verbose=0):
        self.lam, self.beta = lam, beta
        self.max_epochs, self.batch_size, self.lr = max_epochs, batch_size, lr
        self.device, self.seed, self.verbose = device, seed, verbose

    def fit(self, predictions, features, labels, losses, budget):
        """Train the scorer.

        Parameters
        ----------
        predictions : Predictions
            Of A architectures, with their embeddings.
        features : ndarray of shape (N, F), float32 or float16
            May be memory-mapped.
        labels : ndarray of shape (N,), int64, or (N, 1), float32
            Codes of the classes, or standardised targets.
        losses : callable
            ``losses(outputs (A, n, C), rows) -> (A, n)``.
        budget : int
            B.
        """
        self.losses = losses
        instances = shared_tensor(features), shared_tensor(labels)
        n_samples, n_outputs = predictions.shape[1:]
        mean_h = torch.from_numpy(_mean_node(predictions.embeddings))
        with seeded(self.seed):
            scorer = ScorerNet(mean_h.shape[1], features.shape[1] + n_outputs, n_outputs)
        fraction = budget / n_samples

        def predict(archs, rows):
            return self._inputs(predictions[archs].rows(rows), rows)

        def objective(logits, loss):
            return inductive_objective(logits, loss, self.lam, self.beta, fraction)

        n_batches = -(-n_samples // self.batch_size)
        net = fit_net(
            _ScorerLoss(scorer, *instances, mean_h, predict, objective),
            torch.arange(n_samples),
            loss=lambda output, *_: output,
            max_epochs=self.max_epochs or max(3, -(-_MIN_STEPS // n_batches)),
            batch_size=self.batch_size,
            lr=self.lr,
            optimizer="adam",
            schedule="cosine",
            gradient_clip=5.0,
            device=self.device,
            seed=self.seed,
            verbose=self.verbose,
            title="selector",
            n_threads=1,
        )
        self.history = epochs_of(net)
        self.module = scorer.eval()
        width = scorer.from_instance.out_features
        self.instance_part = np.empty((n_samples, width), dtype=np.float32)
        with torch.no_grad():
            for rows in gen_batches(n_samples, _CHUNK):
                part = (tensor[rows].to(self.device) for tensor in instances)
                self.instance_part[rows] = scorer.instance_part(*part).cpu().numpy()
        self.module.cpu()
        return self

    def log_scores(self, predictions) -> np.ndarray:
        """Log of the scores of every instance, (A, N) float64. Time O(A N C)."""
        if predictions.embeddings is None:
            raise ValueError(
                "the inductive scorer needs the architectures' embeddings beside their "
                "predictions; pass what ModelApproximator.transform returns, not an array"
            )
        mean_h = torch.from_numpy(_mean_node(predictions.embeddings))
        out = np.empty(predictions.shape[:2])
        with torch.no_grad():
            for rows, outputs in predictions.chunks():
                logits = self.module.combine(
                    mean_h,
                    shared_tensor(self.instance_part[rows]),
                    self._inputs(outputs, rows),
                )
                out[:, rows] = F.logsigmoid(logits.double()).numpy()
        return out

    def _inputs(self, outputs, rows):
        """Predicted outputs with their losses behind, (A, n, C + 1)."""
        loss = self.losses(outputs, rows)
        return torch.from_numpy(
            np.concatenate([outputs, loss[..., None]], axis=-1, dtype=np.float32)
        )


def _mean_node(embeddings):
    return np.nanmean(embeddings, axis=1).astype(np.float32, copy=False)
