"""The hardest rows by GraNd or EL2N, after some epochs on all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.utils._param_validation import StrOptions

from sksubsel.baselines.adaptive.strategy import (
    Selection,
    Strategy,
    class_quotas,
    interleave,
)

if TYPE_CHECKING:
    from sksubsel.baselines.adaptive.strategy import View

__all__ = ["WarmUpStrategy"]


class WarmUpStrategy(Strategy):
    """Train on all rows for a few epochs, then on the hardest alone, fixed [1]_.

    Parameters
    ----------
    score : {"grand", "el2n"}, default="grand"
        "grand" is the norm of the last layer's gradient, ``||r_i|| sqrt(||h_i||^2 + 1)``; "el2n"
        that of its bias, ``||p_i - onehot(y_i)||``.
    stratify : {"proportional", "equal"} or None, default=None
        Quotas of the classes; None takes the hardest of all, as published.

    Notes
    -----
    Time of a selection: a prediction of all rows and O(N (C + H)). Weights are one. By default
    there are five epochs on all rows and one selection, as in the experiments of [2]_, D.2.

    Use it at moderate budgets on clean data: with a tenth of the rows or less, or with wrong
    labels, the hardest rows are the worst to train on.

    References
    ----------
    .. [1] M. Paul, S. Ganguli, G. K. Dziugaite, "Deep learning on a data diet: finding important
       examples early in training", NeurIPS 2021, Definitions 2.1 and 3.2.
    .. [2] E. Jain, T. Nandy, G. Aggarwal, A. Tendulkar, R. Iyer, A. De, "Efficient data subset
       selection to generalize training across models: transductive and inductive networks",
       NeurIPS 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from sksubsel.baselines.adaptive import LastLayerGradients, View, WarmUpStrategy
    >>> residual = np.array([[0.1, -0.1], [0.8, -0.8], [0.3, -0.3], [0.5, -0.5]])
    >>> view = View(4, gradients=lambda: LastLayerGradients(residual))
    >>> WarmUpStrategy(score="el2n").select(view, 2, None).rows
    array([1, 3])
    """

    _parameter_constraints: dict = {
        "score": [StrOptions({"grand", "el2n"})],
        "stratify": [StrOptions({"proportional", "equal"}), None],
    }
    every = 0
    warm_start = 5

    def __init__(self, *, score: str = "grand", stratify: str | None = None):
        self.score = score
        self.stratify = stratify

    def select(self, view: View, budget: int, rng: np.random.RandomState) -> Selection:
        gradients = view.gradients("last_layer" if self.score == "grand" else "bias")
        scores = np.sqrt(gradients.squared_norms())
        parts = []
        for rows, quota in class_quotas(view.y, view.n_samples, budget, self.stratify):
            best = rows[np.argsort(-scores[rows], kind="stable")[:quota]]
            parts.append(Selection(best, np.ones(quota), scores[best]))
        return interleave(parts)
