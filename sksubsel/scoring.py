"""How good a selection is: by a cheap probe, or by training the architecture on it."""

from __future__ import annotations

import numpy as np
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.pipeline import make_pipeline

_MAX_JUDGED = 5_000


def probe_score(features, y, rows, task: str, seed: int) -> float:
    """Score on the instances left out of a kernel ridge model fitted on those selected.

    Accuracy for classification, R^2 for regression. The model (Nystroem features of a Gaussian
    kernel at the mean squared distance, then ridge) is the same for any selection, so that scores
    can be compared; it costs O(min(N, 5000) m F) with m <= 256, and trains no network.

    Parameters
    ----------
    features : ndarray of shape (N, F)
    y : ndarray of shape (N,)
    rows : ndarray of shape (B,), int64
        What was selected; at most 5,000 of the other instances judge it, the same for a `seed`.
    task : {"classification", "regression"}
    seed : int

    Returns
    -------
    float
        NaN if everything was selected, or nothing but one class.
    """
    rest = np.setdiff1d(np.random.default_rng(seed).permutation(len(y))[: 2 * _MAX_JUDGED], rows)
    rest = rest[:_MAX_JUDGED]
    if len(rest) == 0 or (task == "classification" and len(np.unique(y[rows])) < 2):
        return float("nan")
    # of float16 the sum overflows
    gamma = 1 / (2 * features.var(axis=0, dtype=np.float64).sum() + 1e-12)
    probe = make_pipeline(
        Nystroem(gamma=gamma, n_components=min(256, len(rows)), random_state=seed),
        RidgeClassifier(alpha=0.1) if task == "classification" else Ridge(alpha=0.1),
    )
    return float(probe.fit(features[rows], y[rows]).score(features[rest], y[rest]))


def train_score(zoo, arch, rows, seed: int) -> float:
    """Validation score of one architecture trained on the selected rows with the zoo's recipe.

    Judged on the zoo's validation set, or on the rows left out where it has none.
    """
    X, y = zoo.X_val_, zoo.y_val_
    if X is None:
        rest = np.setdiff1d(np.arange(len(zoo.y_)), rows)
        if len(rest) == 0:
            return float("nan")
        X, y = zoo.X_[rest], zoo.y_[rest]
    return float(zoo.train(arch, rows=rows, random_state=seed).score(X, _labels(zoo, y)))


def _labels(zoo, y):
    """The labels that the zoo's codes stand for."""
    return y if zoo.classes_ is None else np.asarray(zoo.classes_)[y]
