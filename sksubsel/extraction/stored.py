"""A transformer that has the features of its instances already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from typing_extensions import Self


class StoredFeatures(TransformerMixin, BaseEstimator):
    """Features from a file, for the instances that they were extracted from.

    For `features=` of :class:`~sksubsel.SubSelNet`, :class:`~sksubsel.ModelApproximator` and the
    baselines: whatever X is, it is not looked at beyond its length.

    Parameters
    ----------
    path : str or path, or a list or tuple of these
        A ``.npy`` file of shape (N, F), as :func:`extract_features` makes it; or several whose rows
        follow one another, such as those of instances that came later.

    Attributes
    ----------
    shape_ : tuple
        (N, F).

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from sksubsel.baselines import KMeansMedoids
    >>> from sksubsel.extraction import StoredFeatures
    >>> X = np.random.default_rng(0).random((50, 3, 8, 8))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = f"{folder}/features.npy"
    ...     np.save(path, X.mean(axis=(2, 3)))
    ...     selector = KMeansMedoids(5, features=StoredFeatures(path), random_state=0).fit(X)
    >>> selector.sample_indices_.shape
    (5,)
    """

    def __init__(self, path: Any):
        self.path = path

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Check that there are as many features as instances.

        Parameters
        ----------
        X : array-like of length N
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        OSError
            If there is no such file.
        ValueError
            If it is no two-dimensional ``.npy`` file, or of another number of rows, or files
            differ in their number of features.
        """
        parts = self._open(X)
        self.shape_ = sum(map(len, parts)), parts[0].shape[1]
        return self

    def transform(self, X: ArrayLike) -> np.ndarray:
        """The features, memory-mapped where they are in one file.

        Parameters
        ----------
        X : array-like of length N
            The instances of `fit`, all and in their order. For those that were appended to them,
            see `features` of :meth:`sksubsel.SubSelNet.partial_fit`.

        Returns
        -------
        memmap or ndarray of shape (N, F)

        Raises
        ------
        ValueError
            If X is of another length.
        """
        check_is_fitted(self)
        parts = self._open(X)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _open(self, X):
        """The files' features, memory-mapped, checked to be those of X."""
        paths = list(self.path) if isinstance(self.path, (list, tuple)) else [self.path]
        if not paths:
            raise ValueError(f"path must name at least one file; got {self.path!r}")
        parts = [_load_file(path) for path in paths]
        for path, part in zip(paths, parts):
            if part.shape[1] != parts[0].shape[1]:
                raise ValueError(
                    f"all files must have as many features; got {parts[0].shape[1]} in {paths[0]} "
                    f"and {part.shape[1]} in {path}"
                )
        n_rows, n_stored = X.shape[0] if hasattr(X, "shape") else len(X), sum(map(len, parts))
        if n_rows != n_stored:
            raise ValueError(
                f"{', '.join(map(str, paths))} has the features of {n_stored} instances, X has "
                f"{n_rows}; stored features are of all instances in their order "
                "(give those of appended ones to partial_fit, or name their file as well)"
            )
        return parts


def _load_file(path):
    """The features of one file, memory-mapped."""
    try:
        # copy-on-write, since torch warns of what it cannot write to
        features = np.load(path, mmap_mode="c", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path} is no .npy file, or damaged: {error}") from error
    if features.ndim != 2 or features.dtype.kind != "f":
        raise ValueError(
            f"{path} must hold floating numbers of shape (N, F); got {features.dtype} of "
            f"shape {features.shape}"
        )
    return features
