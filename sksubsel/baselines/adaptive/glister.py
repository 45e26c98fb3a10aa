"""GLISTER: rows whose gradient step raises the likelihood of validation data most."""

from __future__ import annotations

from numbers import Integral, Real
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import softmax
from sklearn.utils._param_validation import Interval, StrOptions

from sksubsel.baselines.adaptive.strategy import (
    Selection,
    Strategy,
    class_quotas,
    interleave,
)

if TYPE_CHECKING:
    from sksubsel.baselines.adaptive.strategy import View

__all__ = ["GLISTERStrategy"]


class GLISTERStrategy(Strategy):
    """Greedy choice by the validation likelihood after one gradient step [1]_.

    Rows S are chosen to maximise ``LL_V(theta - (eta / B) sum_{i in S} g_i)``, the log-likelihood
    of validation rows after one step of rate eta on the mean loss of S, with theta and the
    gradients g_i those of the last layer. By Taylor's theorem, row i adds about
    ``(eta / B) <g_i, mean_v g_v(theta_S)>``; the validation gradient is computed again, exactly,
    after each of `n_rounds` parts of the selection, within which gains are constant.

    Parameters
    ----------
    eta : float, default=1.0
        Rate of the simulated step. The larger, the more a selection turns to what its first rows
        made worse.
    n_rounds : int, default=15
        How often the validation gradient is computed; B rounds re-evaluate after each row.
    validation_fraction : float or None, default=0.1
        Part of the rows drawn at random, at each selection, as validation set; they are selected
        only where the others do not suffice. None: all rows validate, and all may be selected.
        Not used where the view has validation rows of its own.
    gradient : {"last_layer", "bias"}, default="last_layer"
    stratify : {"proportional", "equal"} or None, default="proportional"
        Quotas of the classes. None is as published, and can lose classes at small budgets.

    Notes
    -----
    Time O(n_rounds (N + N_V) C H), memory O(N (C + H)). Weights are one.

    Use it where the training data differ from what the network is to do well on (wrong labels,
    other class frequencies) and validation rows can be trusted: rows held out of such data can
    not, so give :class:`~sksubsel.baselines.GLISTER` validation rows. It prefers rows with large
    gradients in one direction, much alike: at small budgets diversity suffers.

    References
    ----------
    .. [1] K. Killamsetty, D. Sivasubramanian, G. Ramakrishnan, R. Iyer, "GLISTER: generalization
       based data subset selection for efficient and robust learning", AAAI 2021, Eq. 5-6 and
       Algorithm 2. There the step has the sum of gradients for its direction; here their mean,
       so that eta means the same at any budget.

    Examples
    --------
    >>> import numpy as np
    >>> from sksubsel.baselines.adaptive import LastLayerGradients, GLISTERStrategy, View
    >>> rng = np.random.RandomState(0)
    >>> y = np.repeat([0, 1], 5)
    >>> proba = rng.dirichlet([1, 1], 10)
    >>> gradients = LastLayerGradients(proba - np.eye(2)[y], rng.rand(10, 3), np.log(proba))
    >>> view = View(10, y, gradients=lambda: gradients)
    >>> selection = GLISTERStrategy().select(view, 4, rng)
    >>> np.bincount(y[selection.rows]), selection.weights.mean().round(3).item()
    (array([2, 2]), 1.0)
    """

    _parameter_constraints: dict = {
        "eta": [Interval(Real, 0, None, closed="neither")],
        "n_rounds": [Interval(Integral, 1, None, closed="left")],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither"), None],
        "gradient": [StrOptions({"last_layer", "bias"})],
        "stratify": [StrOptions({"proportional", "equal"}), None],
    }

    def __init__(
        self,
        *,
        eta: float = 1.0,
        n_rounds: int = 15,
        validation_fraction: float | None = 0.1,
        gradient: str = "last_layer",
        stratify: str | None = "proportional",
    ):
        self.eta = eta
        self.n_rounds = n_rounds
        self.validation_fraction = validation_fraction
        self.gradient = gradient
        self.stratify = stratify

    def select(self, view: View, budget: int, rng: np.random.RandomState) -> Selection:
        gradients = view.gradients(self.gradient)
        held_out = np.zeros(view.n_samples, dtype=bool)
        validation = view.validation(self.gradient)
        if validation is None and self.validation_fraction is not None and view.n_samples > 1:
            n_held_out = max(1, round(self.validation_fraction * view.n_samples))
            held_out[rng.permutation(view.n_samples)[:n_held_out]] = True
        if validation is None:
            validation = gradients.take(held_out) if held_out.any() else gradients
        likelihood = _Likelihood(validation)
        groups = class_quotas(view.y, view.n_samples, budget, self.stratify)
        free = np.ones(view.n_samples, dtype=bool)
        found: list[list] = [[] for _ in groups]
        total = np.zeros(gradients.shape)
        n_rounds = min(self.n_rounds, budget)
        for k in range(n_rounds):
            gains = (
                self.eta / budget * gradients.dot(likelihood.gradient(-self.eta / budget * total))
            )
            for (rows, quota), chosen in zip(groups, found):
                n_wanted = quota * (k + 1) // n_rounds - quota * k // n_rounds
                candidates = rows[free[rows]]
                # held-out rows come last; ties go to the lower row
                order = np.lexsort((-gains[candidates], held_out[candidates]))
                best = candidates[order[:n_wanted]]
                free[best] = False
                total += gradients.total(best)
                chosen.append((best, np.ones(len(best)), gains[best]))
        return interleave(
            [Selection(*(np.concatenate(column) for column in zip(*chosen))) for chosen in found]
        )


class _Likelihood:
    """Mean log-likelihood of validation rows as a function of what is added to the last layer."""

    def __init__(self, gradients):
        self.gradients = gradients
        if gradients.logits is None:
            raise ValueError("GLISTER needs gradients with logits; got none")
        proba = softmax(gradients.logits, axis=1)
        # what the loss takes for the truth: onehot(y), smoothed or soft as it may be
        self.targets = proba - gradients.residual
        totals = self.targets.sum(axis=1)
        if np.ptp(totals) > 1e-3 or self.targets.min() < -1e-3:
            raise ValueError(
                "GLISTER needs gradients of cross-entropy, unweighted, whose last linear layer "
                "gives the logits; those given are of another loss"
            )

    def gradient(self, shift):
        """Mean gradient of the validation loss once the matrix `shift` (C, H + 1) was added."""
        logits = self.gradients.logits + self.gradients.shift(shift)
        moved = type(self.gradients)(softmax(logits, axis=1) - self.targets, self.gradients.hidden)
        return moved.total() / len(moved)
