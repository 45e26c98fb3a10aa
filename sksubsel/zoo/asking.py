"""What the trained networks of a zoo say of instances that they were not trained on."""

from __future__ import annotations

import numpy as np
from sklearn.base import clone

from sksubsel._validation import check_finite, check_probabilities
from sksubsel.zoo.training import outputs_of


def new_outputs(zoo, X, predictions=None):
    """Outputs on further instances, given or asked for.

    Parameters
    ----------
    zoo : ModelZoo
        Fitted.
    X : array of M instances
    predictions : array-like of shape (A_trained, M, C) or None
        None asks the networks that the zoo's store has kept.

    Returns
    -------
    array or iterator of A_trained arrays of shape (M, C)

    Raises
    ------
    ValueError
        If `predictions` have another shape, are not finite or, of classes, no probabilities; if no
        networks were kept, or, when they are asked, their weights cannot be read or what they say
        is not finite.
    """
    shape = len(zoo.trained_), len(X), zoo.predictions_.shape[2]
    if predictions is None:
        return _asked(zoo, X)
    predictions = np.asarray(predictions)
    if predictions.shape != shape or predictions.dtype.kind != "f":
        raise ValueError(
            f"predictions must be a float array of shape (A_trained, M, C)={shape}; got "
            f"{predictions.dtype} of shape {predictions.shape}"
        )
    check_finite(predictions, "predictions")
    if zoo.classes_ is not None:
        check_probabilities(predictions, "predictions")
    return predictions


def _asked(zoo, X):
    store = getattr(zoo, "_store", None)  # a zoo of a saved net knows no place on a disk
    if store is None:
        raise ValueError(
            "predictions must be given for a zoo whose networks were not kept; got None "
            "(ModelZoo(store=..., keep_weights=True) keeps their weights)"
        )
    archs = [zoo.architectures_[place] for place in zoo.trained_]
    return (_outputs(zoo, arch, store.read_networks(arch), X) for arch in archs)


def _outputs(zoo, arch, networks, X):
    """Mean outputs (M, C) of the networks of one architecture, one a seed."""
    total = np.zeros((), np.float32)
    for arrays in networks:
        model = clone(zoo.estimator_).set_params(architecture=arch)
        total = total + outputs_of(model._restore(arrays, X.shape[1:], zoo.classes_), X)
    check_finite(total, "predictions", f" where the networks of {arch!r} are asked")
    return total / len(networks)
