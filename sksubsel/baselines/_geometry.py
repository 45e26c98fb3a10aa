"""What the selectors that look at where instances lie share: features, classes, quotas."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from sklearn.base import clone
from sklearn.utils._param_validation import HasMethods, StrOptions

from sksubsel._validation import check_finite
from sksubsel.base import BaseSelector
from sksubsel.samplers.quotas import allocate, make_strata, most_of_each, rows_of_each

__all__ = ["GeometricSelector", "centre"]


class GeometricSelector(BaseSelector):
    """A selector that orders the rows of each class by their features.

    A child has the parameters `budget`, `stratify` and `features` and implements `_order`. The
    base finds the features, splits them by class, asks for as many rows of each class as its
    quota can need, and answers for any smaller budget with the heads of these orders.
    """

    _parameter_constraints: dict = {
        **BaseSelector._parameter_constraints,
        "stratify": [StrOptions({"proportional", "equal"}), None],
        "features": [HasMethods(["fit", "transform"]), None],
    }
    _ranks_all = False  # whether ordering a whole class costs no more than ordering a part

    def _requires_y(self):
        return self.stratify is not None

    @abstractmethod
    def _order(self, features, n_wanted, rows):
        """Order the rows of one class.

        Parameters
        ----------
        features : floating ndarray of shape (n, F)
            Of these rows; a view of X where the class is all of it, so not to be written to.
        n_wanted : int
            At most the number of candidates.
        rows : int64 ndarray of shape (n,), ascending

        Returns
        -------
        positions : int ndarray of shape (m,), m >= n_wanted, best first
        scores : float ndarray of shape (m,), never increasing
        """

    def _rank(self, X, y, budget):
        features = instance_features(X, self.features)
        members = self._split(y, len(X))
        self._counts = self._candidates(members)
        wanted = self._counts if self._ranks_all else self._most_of_each(budget)
        self._limit = len(X) if self._ranks_all else budget
        scores = np.full(len(X), np.nan)
        self._orders = []
        for rows, n_wanted in zip(members, wanted):
            block = features if len(rows) == len(X) else features[rows]
            positions, values = self._order(block, int(n_wanted), rows)
            self._orders.append(rows[positions])
            scores[rows[positions]] = values
        # In the order of rows, so that the stable sort gives ties to the lower one.
        ranked = np.flatnonzero(~np.isnan(scores))
        return ranked[np.argsort(-scores[ranked], kind="stable")], scores

    def _select(self, budget):
        self._check_ranked(budget, self._limit)
        heads = [order[:n] for order, n in zip(self._orders, self._quotas(budget))]
        rows = np.concatenate(heads)
        if len(rows) < budget:
            # A class has no more rows ordered than a larger budget gave it: others fill up.
            rest = self.ranking_[np.isin(self.ranking_, rows, invert=True)]
            rows = np.append(rows, rest[: budget - len(rows)])
        return np.sort(rows)

    def _split(self, y, n_samples):
        """Rows of each class, ascending; all rows where nothing is stratified."""
        if self.stratify is None:
            return [np.arange(n_samples)]
        return rows_of_each(make_strata(y, self.task_))

    def _candidates(self, members):
        """How many rows of each class may be chosen: int64 (C,)."""
        return np.array([len(rows) for rows in members], dtype=np.int64)

    def _quotas(self, budget):
        return allocate(self._counts, budget, self.stratify or "proportional")

    def _most_of_each(self, budget):
        """The most rows that a budget up to `budget` can ask of each class: int64 (C,)."""
        if len(self._counts) == 1:
            return np.array([budget])
        return most_of_each(self._counts, budget, self.stratify)


def instance_features(X, transformer=None) -> np.ndarray:
    """Features of instances as a floating array of shape (N, F); X itself where it is one.

    Raises
    ------
    ValueError
        If the transformer's output is not finite or not of shape (N, F), or values are so large
        that squared distances overflow.
    """
    if transformer is None:
        features = X.reshape(len(X), -1)
    else:
        features = np.asarray(clone(transformer).fit_transform(X))
        if features.ndim != 2 or len(features) != len(X):
            raise ValueError(
                f"features must turn X into an array of shape (N, F) with N={len(X)}; "
                f"got {features.shape}"
            )
    if features.dtype not in (np.float32, np.float64):
        features = features.astype(np.result_type(features.dtype, np.float32))
    if transformer is not None:
        check_finite(features, "features of X")
    largest = np.sqrt(np.finfo(features.dtype).max / features.shape[1]) / 8
    if max(features.max(), -features.min()) > largest:
        raise ValueError(
            f"features of X must be at most {largest:.2g} in absolute value, or their squared "
            f"distances overflow {features.dtype}; got {np.abs(features).max():.2g}. Scale X first"
        )
    return features


def centre(features):
    """Features minus their mean, a new array of the same dtype.

    Distances do not change, and what is left of them after cancellation is more exact.
    """
    mean = features.mean(axis=0, dtype=np.float64)
    return features - mean.astype(features.dtype)
