"""Scores of instances, each a function of probabilities (.., N, C) that one training run gives."""

from sksubsel.baselines.scores.aum import aum
from sksubsel.baselines.scores.dual import confidence, dual
from sksubsel.baselines.scores.el2n import el2n
from sksubsel.baselines.scores.forgetting import forgetting
from sksubsel.baselines.scores.grand import grand
from sksubsel.baselines.scores.loss import loss
from sksubsel.baselines.scores.tdds import tdds
from sksubsel.baselines.scores.uncertainty import entropy, least_confidence, margin

__all__ = [
    "aum",
    "confidence",
    "dual",
    "el2n",
    "entropy",
    "forgetting",
    "grand",
    "least_confidence",
    "loss",
    "margin",
    "tdds",
]
