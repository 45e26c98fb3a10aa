"""Bottom-b-loss, with and without Gumbel noise."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Any

from sklearn.utils._param_validation import Interval

from sksubsel.baselines.score_base import BaseScoreSelector, document

if TYPE_CHECKING:
    import numpy as np

__all__ = ["BottomLoss"]


@document
class BottomLoss(BaseScoreSelector):
    """Instances of smallest loss, or a draw that prefers them.

    The paper's two ablations (Jain et al., NeurIPS 2023, E.1): the B smallest cross-entropies, and
    the same after adding Gumbel noise. Noise goes on ``-loss / lam``, so that the draw is that of
    Plackett and Luce with weights ``exp(-loss / lam)``. In the paper losses are those predicted
    for an architecture: pass its predicted probabilities as `proba`. Without, a network is
    trained here.

    Parameters
    ----------
    budget : int or float, default=0.1
        How many instances to select: an int is a count, a float in (0, 1] a fraction.
    gumbel : bool, default=False
        Draw, instead of taking the smallest losses.
    lam : float, default=1.0
        Temperature of the draw: large ones approach a uniform one.
    {parameters}

    Attributes
    ----------
    {attributes}

    Notes
    -----
    The smallest losses are near copies of what is easiest, often of a few classes: far worse than
    a random choice at small budgets, though not attracted by wrong labels. The draw is near a
    random one that leaves out what is probably mislabelled. Add quotas to either.

    Time: one training of a small network, O(N log N) besides; memory O(N C).

    Examples
    --------
    >>> from sksubsel.baselines.bottom_loss import BottomLoss
    >>> proba = [[0.9, 0.1], [0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]
    >>> BottomLoss(2).fit([[0], [1], [2], [3]], [0, 1, 1, 0], proba=proba).sample_indices_
    array([0, 2])
    """

    _parameter_constraints: dict = {
        **BaseScoreSelector._parameter_constraints,
        "gumbel": ["boolean"],
        "lam": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        budget: int | float = 0.1,
        *,
        gumbel: bool = False,
        lam: float = 1.0,
        stratify: str | None = None,
        estimator: Any = None,
        max_epochs: int | None = None,
        n_repeats: int = 1,
        random_state: int | np.random.RandomState | None = None,
    ):
        self.budget = budget
        self.gumbel = gumbel
        self.lam = lam
        self.stratify = stratify
        self.estimator = estimator
        self.max_epochs = max_epochs
        self.n_repeats = n_repeats
        self.random_state = random_state

    def _scorer(self):
        return "loss", {}

    def _sampler(self):
        return ("gumbel", {"temperature": self.lam}) if self.gumbel else ("top", {})

    def _easy_first(self):
        return True
