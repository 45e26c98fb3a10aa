"""Training one architecture of a zoo: the unit of work that joblib hands out."""

from __future__ import annotations

import hashlib
import time
import traceback

import numpy as np
from sklearn.base import clone

from sksubsel._interrupts import interrupts_raised
from sksubsel._net import EpochEnd, Turns, torch_threads
from sksubsel._validation import check_finite
from sksubsel.zoo.store import architecture_key


def seed_of(arch, random_seed: int, repeat: int = 0) -> int:
    """Seed of an architecture's training: by what it is, not by its place in a list."""
    text = f"{architecture_key(arch)}-{random_seed}-{repeat}"
    return int(hashlib.sha256(text.encode()).hexdigest()[:7], 16)


def train_on_rows(
    estimator, arch, X, y, classes, rows, seed, *,
    soft_targets=None, sample_weight=None, on_epoch=None, **params,
):  # fmt: skip
    """Train an architecture on some of the instances.

    Parameters
    ----------
    estimator : ArchitectureClassifier or ArchitectureRegressor
        Prototype; `params` are changed in it.
    arch : Architecture
    X, y : arrays of N instances and their codes, or targets
    classes : ndarray of shape (C,) or None
        Labels that the codes stand for.
    rows : int array of shape (B,) or (K, B), mask of shape (N,), or None
        None takes all; K subsets take turns in the epochs.
    seed : int
        See `seed_of`.
    soft_targets, sample_weight : arrays of shape (B, C) and (B,) or None
        Of K subsets (K, B, C) and (K, B).
    on_epoch : callable or None
        ``on_epoch(estimator, module, epoch)`` after each epoch, counted from 1, with the
        estimator in training.

    Returns
    -------
    ArchitectureClassifier or ArchitectureRegressor
        Fitted.

    Raises
    ------
    ValueError
        If `rows` are none, or there are soft targets in a regression.
    """
    if soft_targets is not None and classes is None:
        raise ValueError(
            "soft_targets must be None in a regression, whose estimator takes values as y; got "
            f"shape {np.shape(soft_targets)}"
        )
    model = clone(estimator)
    model.set_params(architecture=arch, random_state=seed_of(arch, seed), **params)
    if on_epoch is not None:
        hook = EpochEnd(lambda module, epoch: on_epoch(model, module, epoch))
        model.set_params(callbacks=[*(model.callbacks or []), hook])
    given = {"soft_targets": soft_targets, "sample_weight": sample_weight}
    given = {name: values for name, values in given.items() if values is not None}
    if rows is not None:
        rows = check_training_rows(rows, len(X))
        if rows.ndim == 2:
            return _train_in_turns(model, X, y, classes, rows, given)
        X, y = X[rows], y[rows]
    if classes is not None:
        y = classes[y]
    return _fit(model, X, y, **given)


def _fit(model, X, y, **given):
    """Fit an estimator, which may be of one's own and end quietly where it is interrupted."""
    with interrupts_raised():
        return model.fit(X, y, **given)


def check_training_rows(rows, n_samples) -> np.ndarray:
    """Rows to train on, as they are given, int64; of a mask those that it holds.

    Raises
    ------
    ValueError
        Unless they are of shape (B,) or (K, B), and in range.
    """
    rows = np.asarray(rows)
    if rows.dtype.kind == "b" and rows.shape == (n_samples,):
        rows = np.flatnonzero(rows)
    if rows.ndim not in (1, 2) or not rows.size or rows.dtype.kind not in "iu":
        raise ValueError(
            f"rows must be ints of shape (B,), of shape (K, B) for K subsets that take turns, or a "
            f"mask of shape (N={n_samples},), and not empty; got {rows.dtype} {rows.shape}"
        )
    if rows.min() < 0 or rows.max() >= n_samples:
        raise ValueError(
            f"rows must be in [0, N={n_samples}); got some in [{rows.min()}, {rows.max()}]"
        )
    return rows.astype(np.int64)


def _train_in_turns(model, X, y, classes, subsets, given):
    """Train on subsets (K, B) of X that take turns, as many epochs as one of them is trained."""
    if model.early_stopping:
        raise ValueError(
            "rows of shape (K, B) need a recipe with early_stopping=False, which holds out none of "
            "them; got early_stopping=True"
        )
    if (np.diff(np.sort(subsets, axis=1), axis=1) == 0).any():
        raise ValueError("rows of shape (K, B) must be distinct in each subset; got one twice")
    n_epochs = model._n_epochs(subsets.shape[1])
    trained = subsets[:n_epochs]  # the turn of others never comes
    rows, first, places = np.unique(trained, return_index=True, return_inverse=True)
    of_rows = {}
    for name, values in given.items():
        values = np.asarray(values)
        if values.shape[:2] != subsets.shape:
            raise ValueError(f"{name} must be of rows of shape {subsets.shape}; got {values.shape}")
        values = values[:n_epochs].reshape(trained.size, *values.shape[2:])
        of_rows[name] = values[first]
        if not np.array_equal(of_rows[name][places.ravel()], values):
            raise ValueError(
                f"{name} must be the same for a row in whichever subset it is; got others"
            )
    y = y[rows] if classes is None else classes[y[rows]]
    own = {"max_epochs": model.max_epochs, "callbacks": model.callbacks}
    turns = Turns(places.reshape(trained.shape))
    model.set_params(max_epochs=n_epochs, callbacks=[*(model.callbacks or []), turns])
    try:
        return _fit(model, X[rows], y, **of_rows)
    finally:
        model.set_params(**own)  # of other data the turns know nothing


def train_architecture(estimator, arch, data, seeds, n_threads, store) -> dict:
    """Train an architecture (once a seed) and record its outputs on the training instances.

    Parameters
    ----------
    estimator : ArchitectureClassifier or ArchitectureRegressor
        Prototype.
    arch : Architecture
    data : tuple (X, labels, X_val, labels_val)
    seeds : list of int
        The predictions are averaged over them.
    n_threads : int or None
        Threads of torch meanwhile.
    store : Store or None

    Returns
    -------
    dict
        The record, or ``{"error": message}``.
    """
    X, y, X_val, y_val = data
    try:
        with torch_threads(n_threads):
            outputs, valid = np.zeros((), np.float32), np.zeros((), np.float32)
            seconds, networks = 0.0, []
            for seed in seeds:
                model = clone(estimator).set_params(architecture=arch, random_state=seed)
                start = time.perf_counter()
                _fit(model, X, y)
                seconds += time.perf_counter() - start
                if store is not None and store.keep_weights:
                    networks.append(model._arrays())
                outputs = outputs + outputs_of(model, X) / len(seeds)
                if X_val is not None:
                    valid = valid + outputs_of(model, X_val) / len(seeds)
            for said in (outputs, valid):
                check_finite(said, "predictions", " (a smaller lr or gradient_clip usually helps)")
    except Exception as error:  # one architecture must not take the others down
        return {"error": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()}
    train_accuracy = _score(model, outputs, y)
    record = {
        # outputs of a regressor may lie beyond what float16 holds
        "predictions": outputs.astype(np.float16 if hasattr(model, "classes_") else np.float32),
        "accuracy": train_accuracy if X_val is None else _score(model, valid, y_val),
        "train_accuracy": train_accuracy,
        "train_time": seconds / len(seeds),
        "n_parameters": model.n_parameters_,
    }
    if store is not None:
        store.write(arch, record, networks)
    return record


def outputs_of(model, X):
    """Probabilities (N, C) of a fitted classifier; of a regressor its outputs (N, 1), float32."""
    if hasattr(model, "predict_proba"):
        return model.predict_proba(X)
    return model.predict(X)[:, None].astype(np.float32)


def _score(model, outputs, y):
    """Accuracy, or R^2."""
    if hasattr(model, "classes_"):
        return float((model.classes_[outputs.argmax(1)] == y).mean())
    residual = ((y - outputs[:, 0]) ** 2).sum()
    return float(1 - residual / max(((y - y.mean()) ** 2).sum(), 1e-12))
