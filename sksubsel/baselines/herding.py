"""Herding: rows whose mean follows the mean of all."""

from __future__ import annotations

from typing import Any

import numpy as np

from sksubsel.baselines._geometry import GeometricSelector, centre

__all__ = ["Herding"]


class Herding(GeometricSelector):
    """Rows chosen one after another so that their mean stays closest to the mean of all.

    In each class, with mean mu and the sum s of the t rows chosen so far, the next row is the one
    that minimises ``||(t + 1) mu - s - x||^2``. That is herding, ``argmax_x <w, x>`` with
    ``w <- w + mu - x`` [1]_ [2]_, with half the squared norm of the row taken off, so that the
    choice is the best match of the mean also where rows differ in norm (where they do not, the
    two are the same). Without replacement.

    Parameters
    ----------
    budget : int or float, default=0.1
        How many instances to select: an int is a count, a float in (0, 1] a fraction.
    stratify : {"proportional", "equal"} or None, default="proportional"
        Quotas of the classes, each of which is herded on its own: its share of the data, or the
        same number each as far as they have as many. None herds all rows as one class and needs
        no labels. Continuous targets are cut into ten quantile bins.
    features : transformer or None, default=None
        From X to (N, F); a clone is fitted. None flattens X.

    Attributes
    ----------
    sample_indices_ : int64 ndarray of shape (B,)
        Rows selected, ascending.
    ranking_ : int64 ndarray of shape (K,)
        The rows herded, the first ones of all classes first: the selected ones and at most one
        more of each class.
    scores_ : float64 ndarray of shape (N,)
        Minus the place of a row in the herding of its class, from 0.5; with
        ``stratify="proportional"`` divided by the size of the class, so that the ranking takes
        the classes in proportion. NaN for rows that were not herded.
    sample_weight_ : float64 ndarray of shape (B,)
        Ones.

    Notes
    -----
    Time O(B N F) on one class, less by a factor of C on C classes of equal size; memory O(n F)
    for a centred copy of the largest class. Deterministic.

    Use it for small budgets (from a few rows of each class), where one wants typical rows, and
    with features in which the mean of a class means something. It says nothing about the spread
    of a class: at larger budgets it is no better than random, often worse. Scale the
    columns of a table first.

    References
    ----------
    .. [1] M. Welling, "Herding dynamical weights to learn", ICML 2009.
    .. [2] Y. Chen, M. Welling, A. Smola, "Super-samples from kernel herding", UAI 2010, Eq. 8.

    Examples
    --------
    >>> import numpy as np
    >>> from sksubsel.baselines import Herding
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0], [10.0]])
    >>> Herding(3, stratify=None).fit(X).ranking_  # the mean is 3.2
    array([3, 2, 1])
    """

    def __init__(
        self,
        budget: int | float = 0.1,
        *,
        stratify: str | None = "proportional",
        features: Any = None,
    ):
        self.budget = budget
        self.stratify = stratify
        self.features = features

    def _order(self, features, n_wanted, rows):
        X = centre(features)
        half_norms = np.einsum("nf,nf->n", X, X) / 2
        total = np.zeros(X.shape[1])  # s - t mu
        positions = np.empty(n_wanted, dtype=np.int64)
        for t in range(n_wanted):
            # ||total + x||^2 / 2 but for what is the same for all rows
            chosen = positions[t] = (X @ total.astype(X.dtype) + half_norms).argmin()
            half_norms[chosen] = np.inf  # not again
            total += X[chosen]
        places = np.arange(n_wanted) + 0.5
        return positions, -places / (len(X) if self.stratify == "proportional" else 1)
