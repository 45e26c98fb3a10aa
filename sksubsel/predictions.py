"""What passes from the approximator to the selector: predictions of A architectures, on demand."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from sklearn.utils.validation import has_fit_parameter

from sksubsel._validation import check_finite, check_probabilities
from sksubsel.features import as_features

CHUNK = 16384  # instances at a time
_MAX_OUTPUTS = 2**22  # numbers at a time: with many classes, fewer instances


class Predictions:
    """Predicted outputs of A architectures on the N training instances, computed when asked for.

    A x N x C need never fit in memory: `rows` and `chunks` compute parts. Sized and sliceable over
    architectures; ``np.asarray`` gives the whole.

    Parameters
    ----------
    model : object with ``_outputs(summaries, rows) -> ndarray (A, n, C)`` and ``shape_ == (N, C)``
        The fitted approximator.
    embeddings : ndarray of shape (A, V, D)
        Node embeddings of the architectures.
    summaries : ndarray of shape (A, D)
        What the model has made of them.

    Attributes
    ----------
    shape : tuple
        (A, N, C).
    features : ndarray of shape (N, F) or None
        Instance features that the model saw.
    same_for_all : bool
        Whether all architectures are predicted alike: the zoo's mean, for want of anything better.
    """

    def __init__(self, model, embeddings, summaries, mean_for=None):
        self._model = model
        self.embeddings = embeddings
        self._summaries = summaries
        self._mean_for = np.zeros(len(summaries), dtype=bool) if mean_for is None else mean_for

    def with_mean(self, which, center) -> Predictions:
        """The same, but the zoo's mean for some architectures.

        Parameters
        ----------
        which : ndarray of shape (A,), bool
        center : ndarray of shape (D,)
            Stands for their embeddings: that of an architecture amid the zoo's.
        """
        embeddings = self.embeddings.copy()
        embeddings[which] = np.nan
        embeddings[which, -1] = center
        return Predictions(self._model, embeddings, self._summaries, which)

    @property
    def shape(self):
        return (len(self), *self._model.shape_)

    @property
    def features(self):
        return self._model.features_

    @property
    def same_for_all(self):
        return self._model.n_epochs_ == 0

    def __len__(self):
        return len(self._summaries)

    def __getitem__(self, index):
        index = np.atleast_1d(np.arange(len(self))[index])
        return type(self)(
            self._model, self.embeddings[index], self._summaries[index], self._mean_for[index]
        )

    def __array__(self, dtype=None, copy=None):
        return np.concatenate([part for _, part in self.chunks()], axis=1).astype(
            dtype or np.float32, copy=False
        )

    def rows(self, rows) -> np.ndarray:
        """Outputs on some instances, (A, n, C) float32; `rows` is a slice or int array."""
        out = self._model._outputs(self._summaries, rows)
        if self._mean_for.any():
            out[self._mean_for] = self._model._mean_outputs(rows)
        return out

    def chunks(self, size: int = CHUNK):
        """Pairs of a slice of instances and the outputs there, (A, <=size, C)."""
        _, n_samples, n_outputs = self.shape
        size = max(1, min(size, _MAX_OUTPUTS // n_outputs) // len(self))
        for start in range(0, n_samples, size):
            part = slice(start, min(start + size, n_samples))
            yield part, self.rows(part)

    def __repr__(self):
        return f"{type(self).__name__}(shape={self.shape})"


class ArrayPredictions(Predictions):
    """The same over a plain array (A, N, C), with no embeddings."""

    embeddings = None
    features = None
    same_for_all = False

    def __init__(self, array):
        self._array = array

    @property
    def shape(self):
        return self._array.shape

    def __len__(self):
        return len(self._array)

    def __getitem__(self, index):
        index = np.atleast_1d(np.arange(len(self))[index])
        return type(self)(self._array[index])

    def rows(self, rows):
        return np.asarray(self._array[:, rows], dtype=np.float32)


def as_predictions(
    predictions,
    n_samples: int | None = None,
    n_outputs: int | None = None,
    task: str | None = None,
) -> Predictions:
    """`Predictions` as they are; an array (A, N, C) or (N, C) checked and wrapped.

    Raises
    ------
    ValueError
        If the shape is not (A, N, C), N or C are not the expected ones, or values are not finite,
        or no probabilities where `task` is "classification".
    """
    array = None
    if not isinstance(predictions, Predictions):
        array = np.asarray(predictions)
        if array.ndim == 2:
            array = array[None]
        if array.ndim != 3 or array.dtype.kind != "f" or 0 in array.shape:
            raise ValueError(
                "predictions must be a float array of shape (A, N, C) or (N, C); "
                f"got shape {array.shape} and dtype {array.dtype}"
            )
        predictions = ArrayPredictions(array)
    _, n_given, c_given = predictions.shape
    if n_samples is not None and n_given != n_samples:
        raise ValueError(
            f"predictions must be about the N={n_samples} training instances; "
            f"got shape {predictions.shape}"
        )
    if n_outputs is not None and c_given != n_outputs:
        raise ValueError(
            f"predictions must have C={n_outputs} outputs; got shape {predictions.shape}"
        )
    for index, part in enumerate([] if array is None else array):
        check_finite(part, f"predictions[{index}]")
        if task == "classification":
            check_probabilities(part, f"predictions[{index}]")
    return predictions


def check_features(features, n_samples: int, known=None) -> np.ndarray:
    """What a `features` transformer gives, as it is kept: (N, F) float32 or float16.

    Parameters
    ----------
    features : array-like or sparse matrix
    n_samples : int
    known : ndarray of shape (N, F) or None, default=None
        Those of other instances, which say F and the dtype.

    Raises
    ------
    ValueError
        If the shape is another, or values are no numbers or not finite.
    """
    if sparse.issparse(features):
        features = features.toarray()
    try:
        with np.errstate(over="ignore"):  # said by what follows
            features = as_features(features)
            if known is not None:
                features = features.astype(known.dtype, copy=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"features must be numbers: {error}") from error
    if known is None:
        wanted = f"features must have shape (N, F), F >= 1, of the N={n_samples} instances"
        fits = features.ndim == 2 and len(features) == n_samples and features.shape[1] > 0
    else:
        expected = n_samples, known.shape[1]
        wanted = f"features of the new instances must have shape (M, F)={expected}"
        fits = features.shape == expected
    if not fits:
        raise ValueError(f"{wanted}; got {features.shape}")
    check_finite(features, "features", f" as {features.dtype}")
    return features


def fit_features(transformer, X, y) -> np.ndarray:
    """Fit a `features` transformer, with the labels where its `fit` takes them, and transform X."""
    if has_fit_parameter(transformer, "y"):
        return check_features(transformer.fit_transform(X, y), len(y))
    return check_features(transformer.fit(X).transform(X), len(y))


def check_instances_of_fit(zoo, y) -> None:
    """Raise ValueError unless a zoo is over the instances, in their order, whose labels are y."""
    if not np.array_equal(zoo.y_, y):
        raise ValueError(
            f"zoo must be over the N={len(y)} instances of fit, in their order; got "
            f"{len(zoo.y_)} with other labels"
        )
