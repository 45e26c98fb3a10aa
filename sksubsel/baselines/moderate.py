"""Moderate coreset: rows at the typical distance from the centre of their class."""

from __future__ import annotations

from typing import Any

import numpy as np

from sksubsel.baselines._geometry import GeometricSelector, centre

__all__ = ["Moderate"]


class Moderate(GeometricSelector):
    """Rows whose distance from the centre of their class is nearest to the class's median [1]_.

    Neither the most typical rows nor the outliers: with mu_c the mean of class c and
    ``d_i = ||x_i - mu_c||``, those with the smallest ``|d_i - median_c d|``.

    Parameters
    ----------
    budget : int or float, default=0.1
        How many instances to select: an int is a count, a float in (0, 1] a fraction.
    stratify : {"proportional", "equal"} or None, default="proportional"
        Quotas of the classes: each its share of the data, as published, or the same number each
        as far as they have as many. None takes all rows as one class, with one centre, and needs
        no labels. Continuous targets are cut into ten quantile bins.
    features : transformer or None, default=None
        From X to (N, F); a clone is fitted. None flattens X. Published with the last hidden
        layer of a trained network: :class:`~sksubsel.features.FeatureExtractor`.

    Attributes
    ----------
    sample_indices_ : int64 ndarray of shape (B,)
        Rows selected, ascending.
    ranking_ : int64 ndarray of shape (N,)
        All rows, nearest to their class's median distance first.
    scores_ : float64 ndarray of shape (N,)
        ``-|d_i - median_c d|``.
    sample_weight_ : float64 ndarray of shape (B,)
        Ones.

    Notes
    -----
    Time O(N F + N log N), memory O(n F) for a centred copy of the largest class. Deterministic.

    Use it for medium budgets (20 % and more) on features of a trained network, also where some
    labels are wrong. With raw pixels the distance is little more than brightness; at budgets of
    a few rows of each class it leaves the centre of the class out.

    References
    ----------
    .. [1] X. Xia, J. Liu, J. Yu, X. Shen, B. Han, T. Liu, "Moderate coreset: a universal method
       of data selection for real-world data-efficient deep learning", ICLR 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from sksubsel.baselines import Moderate
    >>> X = np.array([[0.0], [1.0], [4.0], [5.0], [15.0]])  # 5, 4, 1, 0, 10 from the mean
    >>> Moderate(2, stratify=None).fit(X).ranking_
    array([1, 0, 2, 3, 4])
    """

    _ranks_all = True

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
        distances = np.sqrt(np.einsum("nf,nf->n", X, X, dtype=np.float64))
        scores = -np.abs(distances - np.median(distances))
        positions = np.argsort(-scores, kind="stable")
        return positions, scores[positions]
