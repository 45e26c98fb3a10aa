"""What each named score takes of a training run, and which of its ends is hard."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sksubsel.baselines import scores

__all__ = ["RULES", "Rule"]


@dataclass(frozen=True)
class Rule:
    """How a score is computed from one recorded run.

    Attributes
    ----------
    function : callable
        One of :mod:`sksubsel.baselines.scores`.
    whole : bool
        It takes all epochs (T, N, C); otherwise the probabilities after the last one.
    labels, norms : bool
        It takes the labels, and the norms of the last layer's inputs.
    sign : int
        1 where large is hard, -1 where small is.
    min_epochs : int
        With fewer epochs all rows score the same.
    """

    function: Callable
    whole: bool = False
    labels: bool = True
    norms: bool = False
    sign: int = 1
    min_epochs: int = 1

    def check_epochs(self, n_epochs):
        """Raise ValueError where so many epochs are too few."""
        if n_epochs < self.min_epochs:
            raise ValueError(
                f"{self.function.__name__} compares epochs of training: it needs at least "
                f"{self.min_epochs} of them, got {n_epochs}. Set max_epochs to "
                f"{self.min_epochs} or more, take an estimator that trains by epochs (one with "
                "partial_fit, or an ArchitectureClassifier), or pass dynamics or proba "
                "(T, N, C) of more epochs"
            )

    def __call__(self, run, y, **params):
        """Difficulty of each row, large is hard: float64 (N,)."""
        if run.proba.shape[2] > 1:  # of one class alone nothing is trained: all rows are equal
            self.check_epochs(len(run.proba))
        part = slice(None) if self.whole else slice(-1, None)
        arrays = [run.proba[part]]
        if self.labels:
            arrays.append(y)
        if self.norms:
            if run.feature_norm is None:
                raise ValueError(
                    "this score needs feature_norm, the norms of the last linear layer's inputs, "
                    "which were not recorded: pass dynamics with them, or train a network that "
                    "ends in torch.nn.Linear"
                )
            arrays.append(run.feature_norm[part])
        return self.sign * self.function(*arrays, **params)


RULES = {
    "aum": Rule(scores.aum, whole=True, sign=-1),
    "dual": Rule(scores.dual, whole=True, min_epochs=2),
    "el2n": Rule(scores.el2n),
    "entropy": Rule(scores.entropy, labels=False),
    "forgetting": Rule(scores.forgetting, whole=True, min_epochs=2),
    "grand": Rule(scores.grand, norms=True),
    "least_confidence": Rule(scores.least_confidence, labels=False),
    "loss": Rule(scores.loss),
    "margin": Rule(scores.margin, labels=False),
    "tdds": Rule(scores.tdds, whole=True, labels=False, min_epochs=3),
}
"""Scores by name."""
