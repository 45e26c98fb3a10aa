"""A transformer that has the features of its instances already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import ArrayLike
    from typing_extensions import Self


class StoredFeatures(TransformerMixin, BaseEstimator):
    """Features from a file, for the instances that they were extracted from.

    For `features=` of :class:`~sksubsel.SubSelNet`, :class:`~sksubsel.ModelApproximator` and the
    baselines: whatever X is, it is not looked at beyond its length.

    Parameters
    ----------
    path : str or path
        A ``.npy`` file of shape (N, F), as :func:`extract_features` makes it.

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

    def __init__(self, path: str | Path):
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
            If it is no two-dimensional ``.npy`` file, or of another number of rows.
        """
        self.shape_ = self._load(X).shape
        return self

    def transform(self, X: ArrayLike) -> np.memmap:
        """The features, memory-mapped.

        Parameters
        ----------
        X : array-like of length N
            The instances of `fit`, all and in their order.

        Returns
        -------
        memmap of shape (N, F)

        Raises
        ------
        ValueError
            If X is of another length.
        """
        check_is_fitted(self)
        return self._load(X)

    def _load(self, X):
        try:
            # copy-on-write, since torch warns of what it cannot write to
            features = np.load(self.path, mmap_mode="c", allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise ValueError(f"{self.path} is no .npy file, or damaged: {error}") from error
        if features.ndim != 2 or features.dtype.kind != "f":
            raise ValueError(
                f"{self.path} must hold floating numbers of shape (N, F); got {features.dtype} of "
                f"shape {features.shape}"
            )
        n_rows = X.shape[0] if hasattr(X, "shape") else len(X)
        if n_rows != len(features):
            raise ValueError(
                f"{self.path} has the features of {len(features)} instances, X has {n_rows}; "
                "stored features are of all instances in their order"
            )
        return features
