"""GLISTER: rows whose gradient step helps validation data most, of one model."""

from __future__ import annotations

from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from sklearn.utils._param_validation import Interval, StrOptions

from sksubsel.base import BaseSelector
from sksubsel.baselines._gradient_selector import GradientSelector
from sksubsel.baselines.adaptive.glister import GLISTERStrategy

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike
    from typing_extensions import Self

__all__ = ["GLISTER"]


class GLISTER(GradientSelector):
    """Rows that are best for a validation set after one gradient step on them [1]_, selected once.

    The strategy, with objective and equations, is
    :class:`~sksubsel.baselines.adaptive.GLISTERStrategy`. This class trains a model, asks it once
    and keeps the answer.

    Parameters
    ----------
    budget : int or float, default=0.1
        How many instances to select: an int is a count, a float in (0, 1] a fraction.
    stratify : {"proportional", "equal"} or None, default="proportional"
        Quotas of the classes: each its share of the data, or the same number each as far as they
        have as many. None is as published, and can lose classes at small
        budgets.
    eta : float, default=1.0
        Rate of the simulated gradient step.
    n_rounds : int, default=15
        How often the validation gradient is computed again.
    validation_fraction : float or None, default=0.1
        Part of the rows drawn at random as validation set where `fit` is given none; they are
        selected only where the others do not suffice. None: all rows validate, and all may be
        selected.
    gradient : {"last_layer", "bias"}, default="last_layer"
        Gradients of the last layer's weights and bias, or of the bias alone, ``p - onehot(y)``,
        which do not tell wrong labels from right ones.
    estimator : classifier or None, default=None
        Whose gradients are taken, cloned and fitted on X and y. Of an
        :class:`~sksubsel.ArchitectureClassifier` they are those of the network's last linear
        layer; any other classifier counts as a linear layer on X, flattened and standardised. None:
        logistic regression on that, of at most 50 iterations. Not used where `fit` is given
        `proba`.
    random_state : int, RandomState instance or None, default=None
        Seed of the model and of the validation rows.

    Attributes
    ----------
    sample_indices_ : int64 ndarray of shape (B,)
        Rows selected, ascending.
    ranking_ : int64 ndarray of shape (B,)
        Rows selected, in the order chosen, classes interleaved.
    scores_ : float64 ndarray of shape (N,)
        B for the first row of `ranking_`, 1 for the last; NaN for rows not selected.
    gains_ : float64 ndarray of shape (B,)
        How much the validation likelihood was to rise by each row of `ranking_`.
    sample_weight_ : float64 ndarray of shape (B,)
        Ones.

    Notes
    -----
    Time that of the model and O(n_rounds (N + N_V) C H); memory O((N + N_V) (C + H)), with
    standardised copies of X and X_val. The model is trained on all rows of X, those held out as
    well, and on none of X_val.

    Use it where training rows cannot be trusted (wrong labels, other class frequencies) and there
    are some that can: give them to `fit` as `X_val` and `y_val`. Rows held out of X by
    `validation_fraction` are no better than the others; they only keep the selection from fitting
    the very rows that it is measured on. Selected rows are much alike: at small budgets prefer
    methods that cover the data.

    References
    ----------
    .. [1] K. Killamsetty, D. Sivasubramanian, G. Ramakrishnan, R. Iyer, "GLISTER: generalization
       based data subset selection for efficient and robust learning", AAAI 2021.

    Examples
    --------
    >>> from sksubsel.baselines.glister import GLISTER
    >>> from sksubsel.datasets import load_digits_images
    >>> X, y = load_digits_images(return_X_y=True)
    >>> selector = GLISTER(50, random_state=0).fit(X, y)
    >>> selector.sample_indices_.shape
    (50,)
    """

    _parameter_constraints: dict = {
        **GradientSelector._parameter_constraints,
        "stratify": [StrOptions({"proportional", "equal"}), None],
        "eta": [Interval(Real, 0, None, closed="neither")],
        "n_rounds": [Interval(Integral, 1, None, closed="left")],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither"), None],
    }

    def __init__(
        self,
        budget: int | float = 0.1,
        *,
        stratify: str | None = "proportional",
        eta: float = 1.0,
        n_rounds: int = 15,
        validation_fraction: float | None = 0.1,
        gradient: str = "last_layer",
        estimator: Any = None,
        random_state: int | np.random.RandomState | None = None,
    ):
        self.budget = budget
        self.stratify = stratify
        self.eta = eta
        self.n_rounds = n_rounds
        self.validation_fraction = validation_fraction
        self.gradient = gradient
        self.estimator = estimator
        self.random_state = random_state

    def fit(  # type: ignore[override]  # what `fit_params` stands for
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        X_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
        proba: ArrayLike | None = None,
        features: ArrayLike | None = None,
    ) -> Self:
        """Select instances by the gradients of a model trained on them.

        Parameters
        ----------
        X : array-like of shape (N, F) or (N, channels, height, width)
        y : array-like of shape (N,)
            Class labels of any dtype.
        X_val : array-like of shape (N_V, F) or (N_V, channels, height, width), default=None
            Rows that are to be predicted well: the gradients of the model's loss on them say what
            helps. None of them is selected. None: rows of X, see `validation_fraction`.
        y_val : array-like of shape (N_V,), default=None
            Their labels, all of them in y.
        proba : array-like of shape (N, C), default=None
            Probabilities of the classes, in sorted order, from a model trained elsewhere;
            `estimator` is not used. Where y lacks some of its classes, labels have to be ints in
            [0, C), the columns. Not together with `X_val`.
        features : array-like of shape (N, H), default=None
            What the last layer of that model sees. None: X, flattened and standardised. Not
            together with `X_val`.

        Returns
        -------
        self
        """
        validation = {"X_val": X_val, "y_val": y_val}
        return BaseSelector.fit(self, X, y, proba=proba, features=features, **validation)

    @property
    def _quotas(self):
        return self.stratify

    def _strategy(self):
        return GLISTERStrategy(
            eta=self.eta,
            n_rounds=self.n_rounds,
            validation_fraction=self.validation_fraction,
            gradient=self.gradient,
            stratify=self.stratify,
        )
