"""Sieve streaming: facility location in one pass over a stream."""

from __future__ import annotations

from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from sksubsel._validation import check_budget, check_finite, fit_context
from sksubsel.base import BaseSelector
from sksubsel.baselines._geometry import instance_features
from sksubsel.baselines.submodular.similarity import FeatureSimilarity

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from typing_extensions import Self

__all__ = ["SieveStreaming"]

_BATCH = 1024


class SieveStreaming(BaseSelector):
    """Facility location of a stream: each row is seen once and then selected or forgotten.

    For each of some guesses v of the best value, a sieve takes a row that adds at least
    ``(v / 2 - f(S)) / (B - |S|)``; the best sieve is within 1/2 - epsilon of the best B rows
    [1]_. What is to be covered is a sample of reference rows:
    ``f(S) = mean_j max_{i in S} k(i, j)`` over these.

    Parameters
    ----------
    budget : int or float, default=0.1
        How many instances to select: an int is a count, a float in (0, 1] a fraction.
        In `partial_fit`, where more rows may come, a fraction of the rows of the first call.
    kernel : {"rbf", "cosine"}, default="rbf"
        Likeness k: ``exp(-gamma d^2)`` of the Euclidean distance d, or ``(1 + cos) / 2``.
    gamma : float or None, default=None
        Of the rbf kernel. None: one over twice the median squared distance of the references.
    epsilon : float in (0, 1), default=0.1
        Guesses are powers of ``1 + epsilon``.
    reference : array-like of shape (R, ...) or None, default=None
        Instances to cover. None: `n_references` drawn at random from X in `fit`, from the rows
        of the first call in `partial_fit`.
    n_references : int, default=1000
        At most so many are drawn.
    random_state : int, RandomState instance or None, default=None
        Seed of the references drawn, and of the rows that fill up.

    Attributes
    ----------
    sample_indices_ : int64 ndarray of shape (B,)
        Numbers of the rows selected in the stream, ascending; all rows while there are fewer.
    ranking_ : int64 ndarray of shape (B,)
        Those of the best sieve in the order of the stream, then, where it took fewer than B, a
        uniform sample of all other rows.
    gains_ : float64 ndarray of shape (B,)
        What each of them added to f; zero for those that fill up.
    scores_ : float64 ndarray of shape (N,)
        The same by row; NaN for rows that were not selected.
    sample_weight_ : float64 ndarray of shape (B,)
        Ones.
    reference_ : float ndarray of shape (R, F)
    n_sieves_ : int

    Notes
    -----
    Time O(N R (F + log(B) / epsilon)); memory O((R + B) log(B) / epsilon + R F), and `scores_`.

    Use it where data come once or do not fit; in memory, lazy greedy
    (:class:`FacilityLocation`) covers better. The first call of `partial_fit` should look like
    the rest of the stream unless `reference` is given.

    References
    ----------
    .. [1] A. Badanidiyuru, B. Mirzasoleiman, A. Karbasi, A. Krause, "Streaming submodular
       maximization: massive data summarization on the fly", KDD 2014, Algorithm 3.

    Examples
    --------
    >>> import numpy as np
    >>> from sksubsel.baselines.submodular import SieveStreaming
    >>> X = np.repeat([[0.0], [50.0], [100.0]], 20, axis=0)
    >>> selector = SieveStreaming(3, random_state=0)
    >>> for batch in np.array_split(X, 4):
    ...     selector = selector.partial_fit(batch)
    >>> selector.n_samples_, len(selector.sample_indices_)
    (60, 3)
    """

    _parameter_constraints: dict = {
        **BaseSelector._parameter_constraints,
        "kernel": [StrOptions({"rbf", "cosine"})],
        "gamma": [Interval(Real, 0, None, closed="neither"), None],
        "epsilon": [Interval(Real, 0, 1, closed="neither")],
        "reference": ["array-like", None],
        "n_references": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        budget: int | float = 0.1,
        *,
        kernel: str = "rbf",
        gamma: float | None = None,
        epsilon: float = 0.1,
        reference: ArrayLike | None = None,
        n_references: int = 1000,
        random_state: int | np.random.RandomState | None = None,
    ):
        self.budget = budget
        self.kernel = kernel
        self.gamma = gamma
        self.epsilon = epsilon
        self.reference = reference
        self.n_references = n_references
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """See the next rows of the stream.

        Parameters
        ----------
        X : array-like of shape (n, F) or (n, channels, height, width)
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If `budget` is out of range, or X is not finite or of another shape than before.
        """
        is_first = not hasattr(self, "_sieves")
        X = instance_features(self._check_instances(X, reset=is_first))
        if is_first:
            is_count = isinstance(self.budget, Integral) and not isinstance(self.budget, bool)
            if is_count and self.budget < 1:
                raise ValueError(f"budget must be an int in [1, inf) or a float; got {self.budget}")
            self._start(X, int(self.budget) if is_count else check_budget(self.budget, len(X)))
        self._pass(X)
        self.task_ = self.classes_ = None
        self.n_samples_ = self._sieves.n_seen
        self.ranking_, self.scores_ = self._finish()
        self.sample_indices_ = np.sort(self.ranking_)
        self.sample_weight_ = self._weigh(self.sample_indices_)
        return self

    def _rank(self, X, y, budget):
        X = instance_features(X)
        self._start(X, budget)
        self._pass(X)
        return self._finish()

    def _start(self, X, budget):
        self._rng = check_random_state(self.random_state)
        if self.reference is None:
            n_references = min(self.n_references, len(X))
            self.reference_ = X[np.sort(self._rng.permutation(len(X))[:n_references])]
        else:
            reference = np.asarray(self.reference, dtype=X.dtype)
            self.reference_ = reference.reshape(len(reference), -1)
            if self.reference_.shape[1] != X.shape[1]:
                raise ValueError(
                    f"reference must have {X.shape[1]} features, as X; got "
                    f"{self.reference_.shape[1]}"
                )
            check_finite(self.reference_, "reference")
        self._gamma = FeatureSimilarity(self.reference_, self.kernel, self.gamma).gamma
        self._sieves = Sieves(budget, len(self.reference_), self.epsilon)
        self._reservoir = np.empty(budget, dtype=np.int64)
        self._seed = self._rng.randint(2**31 - 1)

    def _pass(self, X):
        n_references, sieves = len(self.reference_), self._sieves
        for start in range(0, len(X), _BATCH):
            batch = X[start : start + _BATCH]
            rows = np.concatenate([self.reference_, batch.astype(self.reference_.dtype)])
            similarity = FeatureSimilarity(rows, self.kernel, self._gamma).dense(
                np.arange(n_references, len(rows)), np.arange(n_references)
            )
            self._fill_reservoir(sieves.n_seen + np.arange(len(batch)))
            for row in similarity:
                sieves.see(row)
        self.n_sieves_ = len(sieves.exponents)

    def _fill_reservoir(self, numbers):
        """Keep a uniform sample of the rows seen (Vitter's algorithm R)."""
        size = len(self._reservoir)
        places = np.where(numbers < size, numbers, self._rng.randint(0, numbers + 1))
        for place, number in zip(places[places < size], numbers[places < size]):
            self._reservoir[place] = number

    def _finish(self):
        rows, gains = self._sieves.best()
        n_seen = self._sieves.n_seen
        budget = min(len(self._reservoir), n_seen)
        # Places in the reservoir are not random: early rows stay where they were put.
        others = np.random.RandomState(self._seed).permutation(self._reservoir[:budget])
        others = np.sort(others[np.isin(others, rows, invert=True)][: budget - len(rows)])
        self.gains_ = np.append(gains, np.zeros(len(others)))
        ranking = np.append(rows, others)
        scores = np.full(n_seen, np.nan)
        scores[ranking] = self.gains_
        return ranking, scores


class Sieves:
    """One solution for each guess of the best value, all given each row in turn.

    Parameters
    ----------
    budget : int
    n_references : int
    epsilon : float
    """

    def __init__(self, budget, n_references, epsilon):
        self.budget = budget
        self.n_seen = 0
        self.exponents = np.empty(0, dtype=np.int64)  # guesses are powers of the base
        self._log_base = np.log1p(epsilon)
        self._covered = np.empty((0, n_references), dtype=np.float32)
        self._values = np.empty(0)
        self._rows: list[list[int]] = []
        self._gains: list[list[float]] = []
        self._largest = 0.0

    def see(self, similarity):
        """The next row: its likeness to the references, float32 (R,). Time O(R T), T sieves."""
        alone = float(similarity.mean(dtype=np.float64))
        if alone > self._largest:
            self._largest = alone
            self._open_and_close()
        covered = similarity - self._covered
        gains = np.maximum(covered, 0, out=covered).mean(axis=1, dtype=np.float64)
        n_left = self.budget - np.array([len(rows) for rows in self._rows], dtype=np.int64)
        wanted = np.exp(self.exponents * self._log_base) / 2 - self._values
        takes = (n_left > 0) & (gains > 0) & (gains >= wanted / np.maximum(n_left, 1))
        for sieve in np.flatnonzero(takes):
            self._rows[sieve].append(self.n_seen)
            self._gains[sieve].append(float(gains[sieve]))
        self._values[takes] += gains[takes]
        self._covered[takes] = np.maximum(self._covered[takes], similarity)
        self.n_seen += 1

    def best(self):
        """Rows and gains of the sieve of the largest value: int64 (m,), float64 (m,), m <= B."""
        if len(self._values) == 0:
            return np.empty(0, dtype=np.int64), np.empty(0)
        sieve = self._values.argmax()
        return np.array(self._rows[sieve], dtype=np.int64), np.array(self._gains[sieve])

    def _open_and_close(self):
        """Keep the guesses between the largest value of one row and 2 B times that."""
        low = int(np.ceil(np.log(self._largest) / self._log_base - 1e-9))
        high = int(np.floor(np.log(2 * self.budget * self._largest) / self._log_base))
        kept = np.flatnonzero(self.exponents >= low)
        first_new = int(self.exponents[-1]) + 1 if len(kept) else low
        new = np.arange(max(first_new, low), high + 1)
        self.exponents = np.append(self.exponents[kept], new)
        empty = np.zeros((len(new), self._covered.shape[1]), dtype=np.float32)
        self._covered = np.concatenate([self._covered[kept], empty])
        self._values = np.append(self._values[kept], np.zeros(len(new)))
        self._rows = [self._rows[k] for k in kept] + [[] for _ in new]
        self._gains = [self._gains[k] for k in kept] + [[] for _ in new]
