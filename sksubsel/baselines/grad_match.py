"""Grad-Match: few rows whose weighted gradients add up to that of all, of one model."""

from __future__ import annotations

from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from sklearn.utils._param_validation import Interval, StrOptions

from sksubsel.baselines._gradient_selector import GradientSelector
from sksubsel.baselines.adaptive.gradmatch import GradMatchStrategy

if TYPE_CHECKING:
    import numpy as np

__all__ = ["GradMatch"]


class GradMatch(GradientSelector):
    """Orthogonal matching pursuit of a model's gradient [1]_, selected once.

    The strategy, with objective and equations, is
    :class:`~sksubsel.baselines.adaptive.GradMatchStrategy`. This class trains a model, asks it
    once and keeps the answer.

    Parameters
    ----------
    budget : int or float, default=0.1
        How many instances to select: an int is a count, a float in (0, 1] a fraction.
    by : {"class", "batch"} or None, default="class"
        "class" matches the gradient of each class by rows of it, with quotas in proportion;
        "batch" chooses among minibatches drawn at random, by their mean gradients; None matches
        the gradient of all by any rows.
    lam : float, default=0.5
        Weight of the ridge, which keeps single weights from growing, relative to the mean squared
        length of the gradients.
    gradient : {"last_layer", "bias"}, default="last_layer"
        Gradients of the last layer's weights and bias, or of the bias alone, ``p - onehot(y)``.
    batch_size : int, default=32
        Of the candidates with ``by="batch"``.
    memory_limit : int or float, default=2e9
        Bytes for the matrices of the rows (of a class; with ``by="batch"`` of the batches) that
        are chosen together, 32 k^2 for k of them: 7,905 with 2e9.
    estimator : classifier or None, default=None
        Whose gradients are taken, cloned and fitted on X and y. Of an
        :class:`~sksubsel.ArchitectureClassifier` they are those of the network's last linear
        layer; any other classifier counts as a linear layer on X, flattened and standardised. None:
        logistic regression on that, of at most 50 iterations. Not used where `fit` is given
        `proba`.
    random_state : int, RandomState instance or None, default=None
        Seed of the model, of the minibatches and of rows drawn where none helps.

    Attributes
    ----------
    sample_indices_ : int64 ndarray of shape (B,)
        Rows selected, ascending.
    ranking_ : int64 ndarray of shape (B,)
        Rows selected, in the order chosen, classes interleaved.
    scores_ : float64 ndarray of shape (N,)
        B for the first row of `ranking_`, 1 for the last; NaN for rows not selected.
    gains_ : float64 ndarray of shape (B,)
        Inner product of each row's gradient (``by="batch"``: of its batch) with the one that is
        matched, in the order of `ranking_`.
    sample_weight_ : float64 ndarray of shape (B,)
        Those of the pursuit, scaled to a mean of one.

    Notes
    -----
    Time that of the model and, for k rows out of n (of a class), O(k n C H + k^2 C H + k^3);
    memory O(N (C + H)), with a standardised copy of X, and up to ``32 k^2`` bytes, at most
    `memory_limit` (a MemoryError otherwise, before the model is trained). ``by="batch"`` has
    batch_size times fewer candidates.

    Use it with its weights, or not at all: without them the rows match nothing. The gradient of
    a model that is fully trained is nearly zero, which says nothing of what to train on: prefer
    an estimator of a few epochs.

    References
    ----------
    .. [1] K. Killamsetty, D. Sivasubramanian, G. Ramakrishnan, A. De, R. Iyer, "GRAD-MATCH:
       gradient matching based data subset selection for efficient deep model training", ICML
       2021.

    Examples
    --------
    >>> from sksubsel.baselines.grad_match import GradMatch
    >>> from sksubsel.datasets import load_digits_images
    >>> X, y = load_digits_images(return_X_y=True)
    >>> selector = GradMatch(50, random_state=0).fit(X, y)
    >>> float(selector.sample_weight_.mean().round(6))
    1.0
    """

    _parameter_constraints: dict = {
        **GradientSelector._parameter_constraints,
        "by": [StrOptions({"class", "batch"}), None],
        "lam": [Interval(Real, 0, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "memory_limit": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        budget: int | float = 0.1,
        *,
        by: str | None = "class",
        lam: float = 0.5,
        gradient: str = "last_layer",
        batch_size: int = 32,
        memory_limit: int | float = 2e9,
        estimator: Any = None,
        random_state: int | np.random.RandomState | None = None,
    ):
        self.budget = budget
        self.by = by
        self.lam = lam
        self.gradient = gradient
        self.batch_size = batch_size
        self.memory_limit = memory_limit
        self.estimator = estimator
        self.random_state = random_state

    @property
    def _quotas(self):
        return "proportional" if self.by == "class" else None

    def _strategy(self):
        return GradMatchStrategy(
            by=self.by,
            lam=self.lam,
            gradient=self.gradient,
            batch_size=self.batch_size,
            memory_limit=self.memory_limit,
        )
