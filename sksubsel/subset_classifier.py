"""Estimators that train on a selected part of the data."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    MetaEstimatorMixin,
    RegressorMixin,
    clone,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline
from sklearn.utils import assert_all_finite, column_or_1d, get_tags
from sklearn.utils._param_validation import HasMethods, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from sksubsel._validation import available_where, fit_context, plain_labels
from sksubsel.baselines import Random

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from typing_extensions import Self

__all__ = ["SubsetClassifier", "SubsetRegressor"]


def _answers(name):
    """Whether the estimator, fitted or to be fitted, has a method."""

    def check(self):
        estimator = getattr(self, "estimator_", self.estimator)
        return hasattr(self._plain() if estimator is None else estimator, name)

    return check


def _weight_parameter(estimator):
    """Name under which `fit` takes weights of rows, for a pipeline those of its last step."""
    if isinstance(estimator, Pipeline):
        name, last = estimator.steps[-1]
        inner = None if last in (None, "passthrough") else _weight_parameter(last)
        return None if inner is None else f"{name}__{inner}"
    return "sample_weight" if has_fit_parameter(estimator, "sample_weight") else None


class _SubsetEstimator(MetaEstimatorMixin):
    """Select in fit, train a clone on the part, and let it answer.

    It comes before scikit-learn's mixins, whose `score` is not the estimator's own.
    """

    _parameter_constraints: dict = {
        "estimator": [HasMethods(["fit"]), None],
        "selector": [HasMethods(["fit_resample"]), None],
        "sample_weight": [StrOptions({"auto"}), None],
    }

    def __init__(
        self, estimator: Any = None, selector: Any = None, *, sample_weight: str | None = "auto"
    ):
        self.estimator = estimator
        self.selector = selector
        self.sample_weight = sample_weight

    def _check_y(self, y):
        if y is None:
            raise ValueError(f"{self!r} requires y to be passed, but the target y is None")
        y = column_or_1d(y, warn=True)
        if y.dtype.kind == "O":
            y = plain_labels(y)
        assert_all_finite(y, input_name="y")
        return y

    def _fit(self, X, y, selector_params):
        """Set `selector_`, `estimator_` and what they know of the data."""
        for name in ("sample_indices_", "n_features_in_", "feature_names_in_"):
            self.__dict__.pop(name, None)  # of a fit before
        if not hasattr(X, "shape"):
            X = np.asarray(X)
        self.selector_ = clone(self.selector) if self.selector is not None else self._all_purpose()
        estimator = clone(self.estimator) if self.estimator is not None else self._plain()
        # In the containers of X and y: the estimator may want names of columns, or images.
        X_part, y_part = self.selector_.fit_resample(X, y, **selector_params)
        self._check_part(y_part, y)
        weights = getattr(self.selector_, "sample_weight_", np.ones(len(y_part)))
        fit_params = {}
        if self.sample_weight == "auto" and (weights != 1).any():
            name = _weight_parameter(estimator)
            if name is None:
                warnings.warn(
                    f"the selector's weights are not used: fit of {type(estimator).__name__} has "
                    "no parameter sample_weight (sample_weight=None says that this is meant)",
                    UserWarning,
                    stacklevel=4,
                )
            else:
                fit_params[name] = weights
        self.sample_weight_ = np.array(next(iter(fit_params.values()), np.ones(len(y_part))))
        self.estimator_ = estimator.fit(X_part, y_part, **fit_params)
        if hasattr(self.selector_, "sample_indices_"):
            self.sample_indices_ = self.selector_.sample_indices_.copy()
        for name in ("n_features_in_", "feature_names_in_"):
            for part in (self.estimator_, self.selector_):
                if hasattr(part, name):
                    setattr(self, name, getattr(part, name))
                    break
        return self

    def _check_part(self, y_part, y):
        pass

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        estimator = self._plain() if self.estimator is None else self.estimator
        selector = self._all_purpose() if self.selector is None else self.selector
        of_estimator = get_tags(estimator).input_tags
        tags.input_tags.three_d_array = of_estimator.three_d_array
        tags.input_tags.sparse = of_estimator.sparse and get_tags(selector).input_tags.sparse
        tags.input_tags.allow_nan = False  # selectors refuse it
        return tags

    @available_where(_answers("predict"))
    def predict(self, X: Any) -> np.ndarray:
        """Predict with the estimator trained on the subset.

        Parameters
        ----------
        X : array-like of shape (N, ...)

        Returns
        -------
        ndarray of shape (N,)
        """
        check_is_fitted(self)
        return self.estimator_.predict(X)

    def score(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Score of the estimator trained on the subset; without one its accuracy, or R^2.

        Parameters
        ----------
        X : array-like of shape (N, ...)
        y : array-like of shape (N,)
        sample_weight : array-like of shape (N,) or None
            For an estimator whose `score` takes it.

        Returns
        -------
        float
        """
        check_is_fitted(self)
        if not hasattr(self.estimator_, "score"):
            return super().score(X, y, sample_weight)  # the mixin's
        given = {} if sample_weight is None else {"sample_weight": sample_weight}
        return self.estimator_.score(X, y, **given)


class SubsetClassifier(_SubsetEstimator, ClassifierMixin, BaseEstimator):
    """A classifier that is trained on the rows which a selector chooses.

    Parameters
    ----------
    estimator : classifier or None, default=None
        What is trained; a clone is fitted. None is scikit-learn's LogisticRegression.
    selector : selector or None, default=None
        What chooses rows; a clone is fitted. Any of :mod:`sksubsel.baselines`, or an
        under-sampler of imbalanced-learn. None is ``Random(0.5, stratify="equal",
        random_state=0)``, to try things out.
    sample_weight : {"auto"} or None, default="auto"
        "auto" trains with the selector's `sample_weight_` if they are not all one and `fit` of
        the estimator, or of a pipeline's last step, has a parameter `sample_weight`; it warns
        where there is none. None trains without.

    Attributes
    ----------
    selector_ : selector
        Fitted on all rows.
    estimator_ : classifier
        Fitted on the subset.
    sample_indices_ : int64 ndarray of shape (B,)
        Rows trained on, if the selector tells them; of our selectors ascending.
    sample_weight_ : float64 ndarray of shape (B,)
        Their weights in the training.
    classes_ : ndarray of shape (C,)
        All labels of y, sorted, also those that the subset lacks.
    n_features_in_ : int
    feature_names_in_ : ndarray
        Only after a fit on a table with names of columns.

    Notes
    -----
    Rows are selected in `fit` only. Whatever takes (X, y) can hold it: Pipeline, GridSearchCV
    (over ``selector__budget``, say), cross_val_score, in which each fold's rows are selected from
    its training part.

    A class of which no row was selected is warned of. It is never predicted; it keeps its column
    in `predict_proba`, of zeros, and in `decision_function`, of the smallest number there is. A
    quota for each class (``stratify``) and a larger budget prevent it.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.svm import SVC
    >>> from sksubsel.baselines import Random
    >>> from sksubsel.subset_classifier import SubsetClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> model = SubsetClassifier(SVC(), Random(200, stratify="equal", random_state=0)).fit(X, y)
    >>> len(model.sample_indices_), len(model.estimator_.support_) <= 200
    (200, True)
    """

    @fit_context(prefer_skip_nested_validation=False)  # the estimator and the selector check
    def fit(self, X: Any, y: ArrayLike, **selector_params: Any) -> Self:
        """Select rows and train on them.

        Parameters
        ----------
        X : array-like of shape (N, F) or (N, channels, height, width)
        y : array-like of shape (N,)
            Class labels of any dtype.
        **selector_params : dict
            What the selector's `fit` takes besides, such as predicted probabilities.

        Returns
        -------
        self
        """
        y = self._check_y(y)
        check_classification_targets(y)
        self.classes_ = np.unique(y)
        return self._fit(X, y, selector_params)

    def _check_part(self, y_part, y):
        missing = np.setdiff1d(self.classes_, y_part)
        if len(missing):
            some = ", ".join(repr(label) for label in missing[:10].tolist())
            warnings.warn(
                f"no row was selected of {len(missing)} of {len(self.classes_)} classes ({some}"
                f"{', ...' if len(missing) > 10 else ''}), which will not be predicted: give the "
                "selector a larger budget, or quotas with stratify",
                UserWarning,
                stacklevel=4,
            )

    @available_where(_answers("predict_proba"))
    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities of all classes of `fit`.

        Parameters
        ----------
        X : array-like of shape (N, ...)

        Returns
        -------
        ndarray of shape (N, C)
            In the order of `classes_`; zero for classes that the subset lacks.
        """
        check_is_fitted(self)
        return self._all_classes(self.estimator_.predict_proba(X), 0)

    @available_where(_answers("predict_log_proba"))
    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Logarithm of `predict_proba`.

        Parameters
        ----------
        X : array-like of shape (N, ...)

        Returns
        -------
        ndarray of shape (N, C)
            Minus infinity for classes that the subset lacks.
        """
        check_is_fitted(self)
        return self._all_classes(self.estimator_.predict_log_proba(X), -np.inf)

    @available_where(_answers("decision_function"))
    def decision_function(self, X: Any) -> np.ndarray:
        """Decision values of the estimator, completed for classes that the subset lacks.

        Parameters
        ----------
        X : array-like of shape (N, ...)

        Returns
        -------
        ndarray
            As the estimator gives it where the subset has all classes, otherwise (N, C).
        """
        check_is_fitted(self)
        values = self.estimator_.decision_function(X)
        n_found = len(self.estimator_.classes_)
        if n_found == len(self.classes_):
            return values
        if n_found == 2 and values.ndim == 1:
            values = np.column_stack([-values, values])
        if values.ndim != 2 or values.shape[1] != n_found:
            raise ValueError(
                f"the subset has rows of {n_found} of the {len(self.classes_)} classes, and "
                f"decision values of shape {values.shape} cannot be completed for the others"
            )
        return self._all_classes(values, np.finfo(values.dtype).min)

    def _all_classes(self, values, fill):
        """Columns of `estimator_` (N, C') at their places among `classes_` (N, C)."""
        found = self.estimator_.classes_
        if len(found) == len(self.classes_):
            return values
        full = np.full((len(values), len(self.classes_)), fill, dtype=values.dtype)
        full[:, np.searchsorted(self.classes_, found)] = values
        return full

    def _plain(self):
        return LogisticRegression()

    def _all_purpose(self):
        return Random(0.5, stratify="equal", random_state=0)


class SubsetRegressor(_SubsetEstimator, RegressorMixin, BaseEstimator):
    """A regressor that is trained on the rows which a selector chooses.

    Parameters
    ----------
    estimator : regressor or None, default=None
        What is trained; a clone is fitted. None is scikit-learn's Ridge.
    selector : selector or None, default=None
        What chooses rows; a clone is fitted. None is ``Random(0.5, random_state=0)``, to try
        things out. Targets that are all whole numbers are classes to a selector.
    sample_weight : {"auto"} or None, default="auto"
        "auto" trains with the selector's `sample_weight_` if they are not all one and `fit` of
        the estimator, or of a pipeline's last step, has a parameter `sample_weight`; it warns
        where there is none. None trains without.

    Attributes
    ----------
    selector_ : selector
        Fitted on all rows.
    estimator_ : regressor
        Fitted on the subset.
    sample_indices_ : int64 ndarray of shape (B,)
        Rows trained on, if the selector tells them; of our selectors ascending.
    sample_weight_ : float64 ndarray of shape (B,)
        Their weights in the training.
    n_features_in_ : int
    feature_names_in_ : ndarray
        Only after a fit on a table with names of columns.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sksubsel.baselines import Random
    >>> from sksubsel.subset_classifier import SubsetRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> len(SubsetRegressor(selector=Random(100)).fit(X, y).sample_indices_)
    100
    """

    @fit_context(prefer_skip_nested_validation=False)  # the estimator and the selector check
    def fit(self, X: Any, y: ArrayLike, **selector_params: Any) -> Self:
        """Select rows and train on them.

        Parameters
        ----------
        X : array-like of shape (N, F) or (N, channels, height, width)
        y : array-like of shape (N,)
            Numbers.
        **selector_params : dict
            What the selector's `fit` takes besides.

        Returns
        -------
        self
        """
        return self._fit(X, self._check_y(y), selector_params)

    def _plain(self):
        return Ridge()

    def _all_purpose(self):
        return Random(0.5, random_state=0)
