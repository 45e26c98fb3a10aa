"""Grad-Match: few rows whose weighted gradients add up to the gradient of all."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from sksubsel.baselines.adaptive.gradients import LastLayerGradients
from sksubsel.baselines.adaptive.matching import match
from sksubsel.baselines.adaptive.strategy import (
    Selection,
    Strategy,
    class_quotas,
    interleave,
)

__all__ = ["GradMatchStrategy"]


class GradMatchStrategy(Strategy):
    """Orthogonal matching pursuit of the training gradient [1]_.

    Rows S and weights w >= 0 are sought for which
    ``||sum_{i in S} w_i g_i - sum_j g_j||^2 + lam s ||w||^2`` is small, with last-layer gradients
    g and s the mean of ``||g_i||^2``: greedily, one row at a time, all weights being solved for
    again after each (:func:`~sksubsel.baselines.adaptive.matching.match`).

    Parameters
    ----------
    by : {"class", "batch"} or None, default="class"
        "class" matches the gradient of each class by rows of it, with quotas in proportion;
        "batch" chooses among minibatches drawn at random, by their mean gradients (Grad-MatchPB);
        None matches the gradient of all by any rows. Without classes "class" means None.
    lam : float, default=0.5
        Weight of the ridge, which keeps single weights from growing. The published lambda is not
        relative to s; here it does not depend on the size of gradients.
    gradient : {"last_layer", "bias"}, default="last_layer"
        With "bias" there are only C numbers to match: few rows do, and the budget is filled by
        several such selections, see `match`.
    batch_size : int, default=32
        Of the candidates with ``by="batch"``.

    Notes
    -----
    Time for k rows out of n (of a class): O(k n C H + k^2 C H + k^3); memory O(n (C + H) + k^2).
    With ``by="batch"`` the candidates are N / batch_size, as many times fewer, and it is the
    fastest by far.

    Weights are scaled to a mean of one, so that the learning rate keeps its meaning; published,
    they are divided by their sum in each batch. Rows of one batch share its weight; if the budget
    is no multiple of the batch size, the last batch is cut. Rows come in the order chosen, those
    of classes interleaved.

    Use it with gradients of a network in training, selected anew every few epochs. With 10 % and
    more its weights serve full training well; at a few rows of each class they vary much.

    References
    ----------
    .. [1] K. Killamsetty, D. Sivasubramanian, G. Ramakrishnan, A. De, R. Iyer, "GRAD-MATCH:
       gradient matching based data subset selection for efficient deep model training", ICML
       2021, Eq. 5 and Algorithm 2.
    """

    _parameter_constraints: dict = {
        "by": [StrOptions({"class", "batch"}), None],
        "lam": [Interval(Real, 0, None, closed="left")],
        "gradient": [StrOptions({"last_layer", "bias"})],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, *, by="class", lam=0.5, gradient="last_layer", batch_size=32):
        self.by = by
        self.lam = lam
        self.gradient = gradient
        self.batch_size = batch_size

    def select(self, view, budget, rng):
        gradients = view.gradients(self.gradient)
        if self.by == "batch":
            selection = self._select_batches(gradients, budget, rng)
        else:
            stratify = None if self.by is None else "proportional"
            groups = class_quotas(view.y, view.n_samples, budget, stratify)
            selection = interleave([self._select_rows(gradients, *g, rng) for g in groups])
        rows, weights, gains = selection
        return Selection(rows, weights * (budget / weights.sum()), gains)

    def _select_rows(self, gradients, rows, quota, rng):
        atoms = gradients if len(rows) == len(gradients) else gradients.take(rows)
        target = atoms.total()
        positions, weights, _ = match(atoms, target, quota, lam=self.lam, rng=rng)
        return Selection(rows[positions], weights, atoms.dot(target)[positions])

    def _select_batches(self, gradients, budget, rng):
        n_samples = len(gradients)
        n_batches = -(-n_samples // self.batch_size)
        batches = np.array_split(rng.permutation(n_samples), n_batches)
        means = np.stack([gradients.total(b).ravel() / len(b) for b in batches])
        atoms = LastLayerGradients(means.astype(np.float32))
        target = gradients.total().reshape(-1, 1)
        # array_split puts the larger batches first: so many of the smallest are surely enough
        n_wanted = min(n_batches, -(-budget // len(batches[-1])))
        positions, weights, _ = match(atoms, target, n_wanted, lam=self.lam, rng=rng)
        gains = atoms.dot(target)
        parts = [
            Selection(batches[i], np.full(len(batches[i]), w), np.full(len(batches[i]), gains[i]))
            for i, w in zip(positions, weights)
        ]
        return Selection(*(np.concatenate(column)[:budget] for column in zip(*parts)))
