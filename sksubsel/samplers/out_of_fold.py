"""What a model says of each row when it has not seen it."""

from __future__ import annotations

import warnings
from contextlib import nullcontext

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.utils import gen_batches

from sksubsel._blas import one_blas_thread
from sksubsel._interrupts import interrupts_raised
from sksubsel._validation import check_finite
from sksubsel.samplers.ridge import one_hot

__all__ = ["out_of_fold"]

_BATCH, _STEPS, _EPOCHS = 128, 1500, (15, 100)  # training of the default model
_ASKED = 65536  # rows that a model is asked about at once


def out_of_fold(
    features, y, n_classes, *, seed, cv=3, estimator=None, max_rows=65536
) -> np.ndarray:
    """Predictions for each row by a model fitted on the other folds.

    Parameters
    ----------
    features : float array of shape (N, F)
        May be memory-mapped, and of half precision.
    y : array of shape (N,)
        Classes, from 0, or values.
    n_classes : int or None
        C. None: `y` are values.
    seed : int
        Of the folds, and of the default model.
    cv : int, default=3
        Folds, shuffled; at most N.
    estimator : classifier, regressor or None, default=None
        Cloned. None: a network with one hidden layer of 128, the same whatever the threads of BLAS.
        It sees features as kernels do, whatever their units: centred, and scaled to a root mean
        square of one. Those which nearly are, as
        :class:`~sksubsel.features.InstanceFeatures` gives them, it takes as they are.
    max_rows : int, default=65536
        A model is fitted on so many rows at most, drawn at random from those of the other folds.

    Returns
    -------
    float32 ndarray of shape (N, C), or (N, 1) for values
        Labels as they are where there is but one row.

    Raises
    ------
    ValueError
        If a prediction is not finite.

    Notes
    -----
    Time of the default model O(cv n F) for each of its 15 to 100 epochs, fewer the more rows, n
    being ``min(N, max_rows)``, and O(N F) to ask it; memory O(n (F + C)) and 65,536 rows of
    features beside what is returned.
    """
    n_samples, n_folds = len(y), min(cv, len(y))
    out = np.zeros((n_samples, n_classes or 1), dtype=np.float32)
    if n_folds < 2:
        return one_hot(y, n_classes) if n_classes else np.reshape(y, (-1, 1)).astype(np.float32)
    for fit, rest in KFold(n_folds, shuffle=True, random_state=seed).split(y):
        if len(fit) > max_rows:
            drawn = np.random.RandomState(seed).permutation(len(fit))[:max_rows]
            fit = fit[np.sort(drawn)]
        present = np.unique(y[fit])
        if n_classes and len(present) == 1:
            out[rest, present[0]] = 1.0
            continue
        # for each fold anew, that other threads get a turn between
        with one_blas_thread() if estimator is None else nullcontext(), interrupts_raised():
            known, change = np.asarray(features[fit], dtype=np.float32), None
            if estimator is None:
                change = _units(known)
                model = _fit_network(_changed(known, change), y[fit], n_classes, seed)
            else:
                model = clone(estimator).fit(known, y[fit])
            for part in gen_batches(len(rest), _ASKED):
                asked = np.asarray(features[rest[part]], dtype=np.float32)
                _ask(model, _changed(asked, change), rest[part], n_classes, out)
    own = "what a network predicts from the features"
    check_finite(out, own if estimator is None else "predictions of estimator")
    return out


def _units(known):
    """Centre (F,) and scale of features; None where they are as they should be."""
    centre = known.mean(axis=0, dtype=np.float64)
    scale = float(np.sqrt(np.mean(np.var(known, axis=0, dtype=np.float64)))) or 1.0
    if np.abs(centre).max(initial=0) <= 0.5 * scale and 0.5 <= scale <= 2:
        return None
    return centre.astype(np.float32), scale


def _changed(features, change):
    return features if change is None else (features - change[0]) / np.float32(change[1])


def _ask(model, asked, rows, n_classes, out):
    """Write what a model says of some rows."""
    if not n_classes:
        out[rows, 0] = np.reshape(model.predict(asked), -1)
    elif hasattr(model, "predict_proba"):
        out[np.ix_(rows, model.classes_)] = model.predict_proba(asked)
    else:
        out[rows, model.predict(asked)] = 1.0


def _fit_network(features, y, n_classes, seed):
    network = (MLPClassifier if n_classes else MLPRegressor)(
        hidden_layer_sizes=(128,),
        learning_rate_init=3e-3,
        batch_size=min(_BATCH, len(y)),
        max_iter=int(np.clip(_STEPS * _BATCH / len(y), *_EPOCHS)),
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # its epochs are limited on purpose
        return network.fit(features, y)
