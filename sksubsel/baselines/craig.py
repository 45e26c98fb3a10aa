"""CRAIG: medoids of the gradients of one model, weighted by the rows they stand for."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from sksubsel.baselines._gradient_selector import GradientSelector
from sksubsel.baselines.adaptive.craig import CRAIGStrategy

__all__ = ["CRAIG"]


class CRAIG(GradientSelector):
    """Coreset of medoids in the space of last-layer gradients [1]_, selected once.

    The strategy, with objective and equations, is
    :class:`~sksubsel.baselines.adaptive.CRAIGStrategy`: greedy facility location on the distances
    of gradients in each class. This class trains a model, asks it once and keeps the answer.

    Parameters
    ----------
    budget : int or float, default=0.1
        How many instances to select: an int is a count, a float in (0, 1] a fraction.
    stratify : {"proportional", "equal"} or None, default="proportional"
        Quotas of the classes: each its share of the data, or the same number each as far as they
        have as many. None takes all rows as one class.
    gradient : {"last_layer", "bias"}, default="last_layer"
        Gradients of the last layer's weights and bias, or of the bias alone, ``p - onehot(y)``.
    max_reference : int, default=8192
        A larger class is represented by so many of its rows, drawn at random; all of its rows
        stay candidates.
    memory_limit : int or float, default=2**30
        Bytes for the kernel of one class; larger classes get fewer references.
    estimator : classifier or None, default=None
        Whose gradients are taken, cloned and fitted on X and y. Of an
        :class:`~sksubsel.ArchitectureClassifier` they are those of the network's last linear
        layer; any other classifier counts as a linear layer on X, flattened and standardised. None:
        logistic regression on that, of at most 50 iterations. Not used where `fit` is given
        `proba`.
    random_state : int, RandomState instance or None, default=None
        Seed of the model and of reference rows.

    Attributes
    ----------
    sample_indices_ : int64 ndarray of shape (B,)
        Rows selected, ascending.
    ranking_ : int64 ndarray of shape (B,)
        Rows selected, in order of their gains.
    scores_ : float64 ndarray of shape (N,)
        Gains; NaN for rows not selected.
    gains_ : float64 ndarray of shape (B,)
        What each row of `ranking_` added when it was chosen, never increasing.
    sample_weight_ : float64 ndarray of shape (B,)
        Cluster sizes: for how many rows of its class each one stands.

    Notes
    -----
    Time that of the model and O(sum_c n_c r_c (C + H) + B b max_c r_c), with ``r_c = min(n_c,
    max_reference)`` and b (tens) gains for one choice; memory ``4 n_c r_c`` bytes, at most
    `memory_limit`, and a standardised copy of X.

    Use it, with its weights, where the final model is like the one whose gradients were taken.
    Without weights it is facility location on features that know the labels.

    References
    ----------
    .. [1] B. Mirzasoleiman, J. Bilmes, J. Leskovec, "Coresets for data-efficient training of
       machine learning models", ICML 2020.

    Examples
    --------
    >>> from sksubsel.baselines.craig import CRAIG
    >>> from sksubsel.datasets import load_digits_images
    >>> X, y = load_digits_images(return_X_y=True)
    >>> selector = CRAIG(50, random_state=0).fit(X, y)
    >>> int(selector.sample_weight_.sum())
    1797
    """

    _parameter_constraints: dict = {
        **GradientSelector._parameter_constraints,
        "stratify": [StrOptions({"proportional", "equal"}), None],
        "max_reference": [Interval(Integral, 1, None, closed="left")],
        "memory_limit": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        budget: int | float = 0.1,
        *,
        stratify: str | None = "proportional",
        gradient: str = "last_layer",
        max_reference: int = 8192,
        memory_limit: int | float = 2**30,
        estimator: Any = None,
        random_state: int | np.random.RandomState | None = None,
    ):
        self.budget = budget
        self.stratify = stratify
        self.gradient = gradient
        self.max_reference = max_reference
        self.memory_limit = memory_limit
        self.estimator = estimator
        self.random_state = random_state

    @property
    def _quotas(self):
        return self.stratify

    def _strategy(self):
        return CRAIGStrategy(
            gradient=self.gradient,
            stratify=self.stratify,
            max_reference=self.max_reference,
            memory_limit=self.memory_limit,
        )

    def _scores_in_order(self, gains):
        return gains

    def _weigh(self, rows):
        weights = super()._weigh(rows)
        served = np.ones(len(self._codes), bool)  # rows of classes that were given a quota
        if self.stratify is not None:
            served = np.isin(self._codes, self._codes[rows])
        return weights * (served.sum() / weights.sum())
