"""What selectors of instances share: the base validates and keeps containers, a child ranks."""

from __future__ import annotations

import inspect
import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils import _safe_indexing, check_consistent_length, column_or_1d
from sklearn.utils.validation import check_is_fitted, validate_data

from sksubsel._validation import (
    check_budget,
    check_X,
    fit_context,
    float_targets,
    is_continuous,
    plain_labels,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from typing_extensions import Self

__all__ = ["BaseSelector"]


class InstancesMixin:
    """Validation of instances for estimators that take tables as well as images."""

    @property
    def _accept_sparse(self):
        return False

    def _check_instances(self, X, *, reset):
        """X as an array of shape (N, F), checked by scikit-learn, or (N, ...), checked by us.

        Sets `shape_in_`, `n_features_in_` and, for tables with names, `feature_names_in_` where
        `reset`; otherwise compares with them.
        """
        if not hasattr(X, "ndim"):
            X = np.asarray(X)
        if X.ndim <= 2:
            X = validate_data(
                self, X, reset=reset, accept_sparse="csr" if self._accept_sparse else False
            )
        else:
            X = check_X(X)
        if reset:
            self.shape_in_ = X.shape[1:]
            self.n_features_in_ = math.prod(X.shape[1:])
            if X.ndim > 2 and hasattr(self, "feature_names_in_"):
                del self.feature_names_in_  # of an earlier fit on a table
        elif X.shape[1:] != self.shape_in_:
            raise ValueError(
                f"X must have instances of shape {self.shape_in_}, as in fit; got {X.shape[1:]}"
            )
        return X

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()  # type: ignore[misc]  # BaseEstimator comes behind
        tags.input_tags.three_d_array = True
        tags.input_tags.sparse = self._accept_sparse
        return tags


class BaseSelector(InstancesMixin, BaseEstimator, ABC):
    """A selector of training instances that does not depend on an architecture.

    A child has a parameter `budget` and implements `_rank`. It may override `_select` where a
    selection is more than the head of the ranking (class quotas), `_weigh` where selected rows
    do not count alike, and `_requires_y` where labels are needed.

    Parameters
    ----------
    budget : int or float
        How many instances to select: an int is a count, a float in (0, 1] a fraction.

    Attributes
    ----------
    sample_indices_ : int64 ndarray of shape (B,)
        Rows selected, ascending.
    ranking_ : int64 ndarray of shape (K,)
        Rows, best first: all that the selector can rank, at least B.
    scores_ : float ndarray of shape (N,)
        What the ranking goes by, higher first; NaN for rows that are not ranked.
    sample_weight_ : float64 ndarray of shape (B,)
        Weight of each selected row in training.
    task_ : {"classification", "regression"} or None
        By `y`; None without one.
    classes_ : ndarray of shape (C,) or None
    n_samples_ : int
        N, the number of instances seen in `fit`.
    n_features_in_ : int
    shape_in_ : tuple
        Shape of one instance.

    Examples
    --------
    >>> import numpy as np
    >>> from sksubsel.base import BaseSelector
    >>> class Brightest(BaseSelector):
    ...     def __init__(self, budget=0.1):
    ...         self.budget = budget
    ...
    ...     def _rank(self, X, y, budget):
    ...         scores = X.reshape(len(X), -1).mean(axis=1)
    ...         return np.argsort(-scores, kind="stable"), scores
    >>> selector = Brightest(2).fit([[0.1, 0.2], [0.9, 0.8], [0.5, 0.5], [0.0, 0.3]])
    >>> selector.sample_indices_, selector.select(3)
    (array([1, 2]), array([0, 1, 2]))
    """

    _parameter_constraints: dict = {"budget": "no_validation"}  # check_budget says it better

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: ArrayLike | None = None, **fit_params: Any) -> Self:
        """Rank the instances and select `budget` of them.

        Parameters
        ----------
        X : array-like of shape (N, F) or (N, channels, height, width)
        y : array-like of shape (N,), default=None
            Class labels of any dtype, or continuous targets.
        **fit_params : dict
            What a particular selector takes besides, such as predicted probabilities.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If lengths differ, values are not finite, `budget` is out of range, or labels are
            needed and not given.
        TypeError
            If the selector does not take one of `fit_params`.
        """
        own = list(inspect.signature(self._rank).parameters.values())[3:]  # after X, y and budget
        names = [one.name for one in own]
        strange = sorted(fit_params.keys() - set(names))
        if strange and all(one.kind != inspect.Parameter.VAR_KEYWORD for one in own):
            raise TypeError(
                f"fit of the selector {type(self).__name__} takes {', '.join(['X', 'y', *names])}; "
                f"got {strange}"
            )
        X, y = self._check_data(X, y)
        n_samples = X.shape[0]
        budget = check_budget(self.budget, n_samples)
        self.n_samples_ = n_samples
        ranking, scores = self._rank(X, y, budget, **fit_params)
        self.ranking_ = np.asarray(ranking, dtype=np.int64)
        self.scores_ = np.asarray(scores)
        self.sample_indices_ = self._select(budget)
        self.sample_weight_ = self._weigh(self.sample_indices_)
        return self

    @abstractmethod
    def _rank(self, X, y, budget):
        """Order the rows: the one thing that a child has to know.

        Parameters
        ----------
        X : ndarray of shape (N, ...), or CSR matrix where `_accept_sparse`
        y : int64 ndarray (N,) of codes into `classes_`, float32 ndarray (N,), or None
        budget : int
            B; rows beyond it need not be ranked.

        Returns
        -------
        ranking : int array of shape (K,), B <= K <= N, best first
        scores : float array of shape (N,), NaN for rows not ranked
        """

    def _select(self, budget):
        """Rows for `budget` from what `_rank` found, ascending: int64 (budget,)."""
        self._check_ranked(budget, len(self.ranking_))
        return np.sort(self.ranking_[:budget])

    def _check_ranked(self, budget, n_ranked):
        """Raise ValueError where more is asked for than was ranked."""
        if budget > n_ranked:
            raise ValueError(
                f"budget must be at most {n_ranked}, the number of instances ranked in fit; "
                f"got {budget}. Fit with a larger budget"
            )

    def _weigh(self, rows):
        """Weights of selected rows in training: float64 (B,)."""
        return np.ones(len(rows))

    def _shared_fit_params(self, X, y):
        """Keywords of `fit` that are the same for all budgets, such as a recorded training.

        Whoever fits with several budgets finds them once; the selections are those without.
        """
        return self._share(*self._check_data(X, y))

    def _share(self, X, y):
        """What `_shared_fit_params` gives, from X and y as `_rank` gets them."""
        return {}

    def _check_data(self, X, y):
        """X and y as `_rank` gets them; sets what is known of them."""
        X = self._check_instances(X, reset=True)
        y, self.task_, self.classes_ = self._check_labels(X, y)
        return X, y

    def _requires_y(self):
        return False

    def select(self, budget: int | float | None = None) -> np.ndarray:
        """Rows for another budget, without fitting again.

        Parameters
        ----------
        budget : int or float, default=None
            None gives the rows selected in `fit`.

        Returns
        -------
        int64 ndarray of shape (B,), ascending

        Raises
        ------
        ValueError
            If `budget` is out of range, or above the number of instances that were ranked.
        """
        check_is_fitted(self)
        if budget is None:
            return self.sample_indices_.copy()
        return self._select(check_budget(budget, self.n_samples_))

    def get_support(self, indices: bool = False) -> np.ndarray:
        """Mask, or rows, of the selection made in `fit`.

        Parameters
        ----------
        indices : bool, default=False
            Return rows instead of a mask.

        Returns
        -------
        bool ndarray of shape (N,), or int64 ndarray of shape (B,)
        """
        check_is_fitted(self)
        if indices:
            return self.sample_indices_.copy()
        mask = np.zeros(self.n_samples_, dtype=bool)
        mask[self.sample_indices_] = True
        return mask

    def fit_resample(
        self, X: Any, y: ArrayLike | None = None, **fit_params: Any
    ) -> tuple[Any, Any]:
        """Fit, and return the selected part of X and y in their own containers.

        The method by which imbalanced-learn's Pipeline knows a sampler.

        Parameters
        ----------
        X : array, DataFrame or sparse matrix of N rows
        y : array-like of shape (N,), default=None
        **fit_params : dict
            Passed to `fit`.

        Returns
        -------
        X_selected, y_selected : as X and y, with B rows
        """
        self.fit(X, y, **fit_params)
        rows = self.sample_indices_
        # Only CSR among the sparse formats is sure to be indexed by rows.
        part = X.tocsr()[rows].asformat(X.format) if sparse.issparse(X) else _safe_indexing(X, rows)
        return part, None if y is None else _safe_indexing(y, rows)

    def _check_labels(self, X, y):
        """Labels as codes or targets, the task, and the classes: None of all without labels."""
        if y is None:
            if self._requires_y():
                raise ValueError(f"{self!r} requires y to be passed, but the target y is None")
            return None, None, None
        y = column_or_1d(y, warn=True)
        check_consistent_length(X, y)
        y = plain_labels(y)
        if is_continuous(y):
            return float_targets(y), "regression", None
        classes, codes = np.unique(y, return_inverse=True)
        return codes.astype(np.int64), "classification", classes

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = self._requires_y()
        return tags
