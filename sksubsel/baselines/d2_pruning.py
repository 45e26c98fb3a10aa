"""D2 pruning."""

from __future__ import annotations

from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from sklearn.utils._param_validation import Interval, StrOptions

from sksubsel.baselines.score_base import BaseScoreSelector, document
from sksubsel.baselines.scores.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

__all__ = ["D2Pruning"]


@document
class D2Pruning(BaseScoreSelector):
    """Hard instances, spread over a nearest-neighbour graph by message passing.

    Maharana, Yadav and Bansal, *D2 Pruning: Message Passing for Balancing Diversity and
    Difficulty in Data Pruning*, ICLR 2024; see :func:`~sksubsel.baselines.sampling.d2`.
    Neighbours are sought by the trained network's last features, as the authors do, by `features`
    passed to `fit`, or by the default features of X where `dynamics` hold none: nothing but
    probabilities was recorded, or the training went on beyond `max_epochs` and the features
    recorded are those of its end.

    Parameters
    ----------
    budget : int or float, default=0.1
        How many instances to select: an int is a count, a float in (0, 1] a fraction.
    score_func : str, default="el2n"
        Difficulty, by a name that ScoreSelector knows. The authors take forgetting events, which
        mostly tie at 0 in short trainings.
    n_neighbors : int, default=10
        Of each row; the authors try 1 to 15.
    gamma_forward, gamma_reverse : float, default=1.0
        Inverse widths of the kernels ``exp(-gamma d^2)`` by which scores are collected and taken
        back, of squared distances in units of their mean over all neighbours: at 0 all neighbours
        count in full, at large values hardly any. Smaller reverse ones spread the choice more
        widely.
    {parameters}

    Attributes
    ----------
    {attributes}

    Notes
    -----
    More varied than the score alone, yet still drawn to the hard end: where labels are wrong or
    budgets small, prefer CCS. Time: a training, an exact neighbour graph in O(N^2 H), computed in
    blocks, and O((N + B K) log N); memory O(N (H + K)).

    Examples
    --------
    >>> from sksubsel.baselines import D2Pruning
    >>> proba = [[0.9, 0.1], [0.6, 0.4], [0.5, 0.5], [0.5, 0.5]]
    >>> X, y = [[0.0], [1.0], [5.0], [5.1]], [0, 0, 1, 1]
    >>> selector = D2Pruning(2, n_neighbors=1).fit(X, y, proba=proba, features=X)
    >>> selector.sample_indices_  # not both of the two hardest, which are neighbours
    array([1, 2])
    """

    _parameter_constraints: dict = {
        **BaseScoreSelector._parameter_constraints,
        "score_func": [StrOptions(set(RULES))],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "gamma_forward": [Interval(Real, 0, None, closed="left")],
        "gamma_reverse": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        budget: int | float = 0.1,
        *,
        score_func: str | Callable[..., Any] = "el2n",
        n_neighbors: int = 10,
        gamma_forward: float = 1.0,
        gamma_reverse: float = 1.0,
        stratify: str | None = None,
        estimator: Any = None,
        max_epochs: int | None = 5,
        n_repeats: int = 1,
        random_state: int | np.random.RandomState | None = None,
    ):
        self.budget = budget
        self.score_func = score_func
        self.n_neighbors = n_neighbors
        self.gamma_forward = gamma_forward
        self.gamma_reverse = gamma_reverse
        self.stratify = stratify
        self.estimator = estimator
        self.max_epochs = max_epochs
        self.n_repeats = n_repeats
        self.random_state = random_state

    def _scorer(self):
        return self.score_func, {}

    def _sampler(self):
        return "d2", {
            "n_neighbors": self.n_neighbors,
            "gamma_forward": self.gamma_forward,
            "gamma_reverse": self.gamma_reverse,
        }
