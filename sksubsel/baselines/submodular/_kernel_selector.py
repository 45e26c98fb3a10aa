"""What the submodular selectors share that see rows through their likeness to each other."""

from __future__ import annotations

from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from sksubsel.baselines._geometry import instance_features
from sksubsel.baselines.submodular._selector import MAX_DENSE_ROWS, SubmodularSelector
from sksubsel.baselines.submodular.similarity import (
    FeatureSimilarity,
    PrecomputedSimilarity,
    check_memory,
    dense_bytes,
    sparse_bytes,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from typing_extensions import Self

_MIN_REFERENCES = 100


class KernelSelector(SubmodularSelector):
    """A submodular selector that sees rows through their likeness to each other."""

    _parameter_constraints: dict = {
        **SubmodularSelector._parameter_constraints,
        "features": [HasMethods(["fit", "transform"]), None],
        "kernel": [StrOptions({"rbf", "cosine", "precomputed"})],
        "gamma": [Interval(Real, 0, None, closed="neither"), None],
    }

    @property
    def _accept_sparse(self):
        return self.kernel == "precomputed"

    def _instances(self, X):
        if self.kernel != "precomputed":
            return instance_features(X, self.features)
        X = check_kernel(X)
        self._check_kernel(X)
        return X

    def _check_kernel(self, X):
        """Raise ValueError for what a precomputed kernel must not hold."""

    def _open(self, X, rows, n_wanted):
        if self.kernel == "precomputed":
            if rows is None:
                return PrecomputedSimilarity(X)
            return PrecomputedSimilarity(PrecomputedSimilarity(X).dense(rows, rows))
        return FeatureSimilarity(X if rows is None else X[rows], self.kernel, self.gamma)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = self.kernel == "precomputed"
        return tags


class CoverSelector(KernelSelector):
    """A kernel selector whose kernel may be dense or of nearest neighbours, by its size."""

    _parameter_constraints: dict = {
        **KernelSelector._parameter_constraints,
        "mode": [StrOptions({"auto", "dense", "per_class", "sparse"})],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "neighbors": [StrOptions({"auto", "exact", "approximate"})],
    }
    _stores_kernel = True

    def fit(  # type: ignore[override]  # what `fit_params` stands for
        self, X: Any, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Rank the instances and select `budget` of them.

        Parameters
        ----------
        X : array-like of shape (N, F) or (N, channels, height, width)
            With ``kernel="precomputed"`` an array or sparse matrix of shape (N, N).
        y : array-like of shape (N,), default=None
            Needed with `stratify` and ``mode="per_class"``.
        sample_weight : array-like of shape (N,), default=None
            How much each instance counts among those to be covered, at least 0. None: alike.

        Returns
        -------
        self

        Raises
        ------
        MemoryError
            If an estimate is above `memory_limit`, before anything of that size is allocated.
        """
        return super().fit(X, y, sample_weight=sample_weight)

    def _requires_y(self):
        return self._by_class()

    def _by_class(self):
        return self.stratify is not None or self.mode == "per_class"

    def _instances(self, X):
        if self.kernel != "precomputed" and (self.mode, self.optimizer) == ("sparse", "partition"):
            raise ValueError(
                'mode must not be "sparse" with optimizer="partition", whose parts are dense'
            )
        return super()._instances(X)

    def _check_kernel(self, X):
        if X.min() < 0:
            raise ValueError(f'X must be at least 0 with kernel="precomputed"; got {X.min()}')

    def _split(self, y, n_samples):
        if self.mode == "per_class" and self.task_ != "classification":
            raise ValueError(
                'mode="per_class" needs class labels in y; got continuous targets. Use '
                'mode="auto", or stratify, which bins them'
            )
        return super()._split(y, n_samples)

    def _check_size(self, X, sizes, wanted):
        limit, largest, n_features = self.memory_limit, int(sizes.max()), X.shape[1]
        if self.kernel == "precomputed":
            self.mode_ = "sparse" if sparse.issparse(X) else "dense"
            return
        name = type(self).__name__
        if self.optimizer == "partition":
            self.mode_ = "dense"
            self._check_partitions(name, sizes, wanted)
            return
        features = 4 * largest * n_features
        dense = features + (dense_bytes(largest, largest) if self._stores_kernel else 0)
        fits = largest <= MAX_DENSE_ROWS and (limit is None or dense <= limit)
        if self.mode == "sparse" or (self.mode == "auto" and not fits):
            self.mode_ = "sparse"
            check_memory(
                sparse_bytes(largest, self.n_neighbors, n_features),
                limit,
                f"{name}: a graph of {self.n_neighbors} neighbours of {largest} rows",
                "lower n_neighbors, or set stratify to take a class at a time",
            )
            return
        self.mode_ = "dense"
        what = f"{name}: a dense kernel of {largest} rows"
        check_memory(dense, limit, what, 'use mode="sparse", or "per_class" with labels')

    def _check_partitions(self, name, sizes, wanted):
        for n_rows, n_wanted in zip(sizes, wanted):
            n_partitions, n_references = self._partitions(n_rows, max(n_wanted, 1))
            part = -(-n_rows // n_partitions)
            union = min(n_rows, n_partitions * min(n_wanted, part))
            needed = dense_bytes(part, part)
            if n_references < min(n_rows, _MIN_REFERENCES):
                needed = max(needed, dense_bytes(union, min(n_rows, _MIN_REFERENCES)))
            what = f"{name}: {n_partitions} parts of {n_rows} rows"
            check_memory(needed, self.memory_limit, what, 'use mode="sparse"')

    def _kernel(self, similarity, candidates, references):
        """Likeness of candidates and references, dense or CSR; None: all."""
        everything = np.arange(len(similarity))
        candidates = everything if candidates is None else candidates
        references = everything if references is None else references
        if self.mode_ == "dense" or self.kernel == "precomputed":
            return similarity.dense(candidates, references)
        seed = self._rng.randint(2**31 - 1)
        return similarity.nearest(self.n_neighbors, self.neighbors, seed)


def part_weights(weights, n_rows, references):
    """Weights of reference rows, scaled so that they stand for all rows: float64."""
    weights = np.ones(n_rows) if weights is None else weights
    if references is None:
        return weights
    part = weights[references]
    total = part.sum()
    return part * (weights.sum() / total) if total > 0 else part


def check_kernel(X):
    """A precomputed kernel: square, float32 or float64; a copy only to change its dtype."""
    if X.ndim != 2 or X.shape[0] != X.shape[1]:
        raise ValueError(
            f'X must be of shape (n_samples, n_samples) with kernel="precomputed"; got {X.shape}'
        )
    if X.dtype not in (np.float32, np.float64):  # sums over rows are beyond float16
        X = X.astype(np.result_type(X.dtype, np.float32))
    if sparse.issparse(X) and not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    return X
