"""Grad-Match: few rows whose weighted gradients add up to the gradient of all."""

from __future__ import annotations

from numbers import Integral, Real
from typing import TYPE_CHECKING

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from sksubsel.baselines.adaptive.gradients import LastLayerGradients
from sksubsel.baselines.adaptive.matching import bytes_to_match, match
from sksubsel.baselines.adaptive.strategy import (
    Selection,
    Strategy,
    class_quotas,
    interleave,
)

if TYPE_CHECKING:
    from sksubsel.baselines.adaptive.strategy import View

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
    memory_limit : int or float, default=2e9
        Bytes for the matrices of the rows (of a class; with ``by="batch"`` of the batches) that
        are chosen together, 32 k^2 for k of them: 7,905 with 2e9.

    Notes
    -----
    Time for k rows out of n (of a class): O(k n C H + k^2 C H + k^3); memory O(n (C + H)) and up to
    ``32 k^2`` bytes, at most `memory_limit`.
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

    Examples
    --------
    >>> import numpy as np
    >>> from sksubsel.baselines.adaptive import LastLayerGradients, GradMatchStrategy, View
    >>> rng = np.random.RandomState(0)
    >>> y = np.repeat([0, 1], 5)
    >>> proba = rng.dirichlet([1, 1], 10)
    >>> gradients = LastLayerGradients(proba - np.eye(2)[y], rng.rand(10, 3))
    >>> view = View(10, y, gradients=lambda: gradients)
    >>> selection = GradMatchStrategy().select(view, 4, rng)
    >>> np.bincount(y[selection.rows]), selection.weights.mean().round(3).item()
    (array([2, 2]), 1.0)
    """

    _parameter_constraints: dict = {
        "by": [StrOptions({"class", "batch"}), None],
        "lam": [Interval(Real, 0, None, closed="left")],
        "gradient": [StrOptions({"last_layer", "bias"})],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "memory_limit": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        *,
        by: str | None = "class",
        lam: float = 0.5,
        gradient: str = "last_layer",
        batch_size: int = 32,
        memory_limit: int | float = 2e9,
    ):
        self.by = by
        self.lam = lam
        self.gradient = gradient
        self.batch_size = batch_size
        self.memory_limit = memory_limit

    def select(self, view: View, budget: int, rng: np.random.RandomState) -> Selection:
        # before the gradients, which may cost a training
        if self.by == "batch":
            n_batches, n_wanted = self._batch_counts(view.n_samples, budget)
            self._check_memory(n_wanted, "a larger batch_size")
            gradients = view.gradients(self.gradient)
            selection = self._select_batches(gradients, n_batches, n_wanted, budget, rng)
        else:
            stratify = None if self.by is None else "proportional"
            groups = class_quotas(view.y, view.n_samples, budget, stratify)
            remedy = 'by="class" or by="batch"' if stratify is None else 'by="batch"'
            self._check_memory(max(quota for _, quota in groups), remedy)
            gradients = view.gradients(self.gradient)
            selection = interleave([self._select_rows(gradients, *g, rng) for g in groups])
        rows, weights, gains = selection
        return Selection(rows, weights * (budget / weights.sum()), gains)

    def _check_memory(self, n_wanted, remedy):
        n_bytes = bytes_to_match(n_wanted)
        if n_bytes > self.memory_limit:
            raise MemoryError(
                f"Grad-Match with by={self.by!r} needs up to {n_bytes:.3g} bytes to choose "
                f"{n_wanted} candidates together, above memory_limit={self.memory_limit:.3g}; use "
                f"{remedy}, a smaller budget or a larger memory_limit"
            )

    def _batch_counts(self, n_samples, budget):
        """How many batches there are, and how many are surely enough for the budget."""
        n_batches = -(-n_samples // self.batch_size)
        # array_split puts the larger batches first; these are the smallest
        return n_batches, min(n_batches, -(-budget // (n_samples // n_batches)))

    def _select_rows(self, gradients, rows, quota, rng):
        atoms = gradients if len(rows) == len(gradients) else gradients.take(rows)
        target = atoms.total()
        positions, weights, _ = match(atoms, target, quota, lam=self.lam, rng=rng)
        return Selection(rows[positions], weights, atoms.dot(target)[positions])

    def _select_batches(self, gradients, n_batches, n_wanted, budget, rng):
        batches = np.array_split(rng.permutation(len(gradients)), n_batches)
        means = np.stack([gradients.total(b).ravel() / len(b) for b in batches])
        atoms = LastLayerGradients(means.astype(np.float32))
        target = gradients.total().reshape(-1, 1)
        positions, weights, _ = match(atoms, target, n_wanted, lam=self.lam, rng=rng)
        gains = atoms.dot(target)
        parts = [
            Selection(batches[i], np.full(len(batches[i]), w), np.full(len(batches[i]), gains[i]))
            for i, w in zip(positions, weights)
        ]
        return Selection(*(np.concatenate(column)[:budget] for column in zip(*parts)))
