"""MILO: explore subsets that were made before training, first easy ones, then diverse ones."""

from __future__ import annotations

from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from sksubsel.baselines.adaptive.strategy import (
    Selection,
    Strategy,
    class_quotas,
    interleave,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from sksubsel.baselines.adaptive.strategy import View

__all__ = ["MILOStrategy", "disparity_order", "graph_cut"]


class MILOStrategy(Strategy):
    """Stochastic-greedy exploration, then weighted random exploration, without a model [1]_.

    In the first part ``kappa`` of the epochs, a subset is the stochastic-greedy maximiser of
    graph cut, ``sum_{i in S} sum_j s_ij - lam sum_{i, j in S} s_ij``, another one each time:
    representative, easy rows. After that, rows are drawn without replacement with probabilities
    in proportion to ``1 + e_i + e_i^2 / 2`` (Taylor-softmax), e_i being what row i added to the
    disparity-min of a greedy order of its class, its distance from all rows before it. Both are
    done in each class, with quotas in proportion. Similarities are ``s = (1 + cosine) / 2`` of the
    instances' features, distances ``1 - s``.

    Parameters
    ----------
    features : array-like of shape (N, F) or None, default=None
        Of the training rows, in their order; published with those of a large pretrained network.
        None: the instances themselves, flattened and centred.
    kappa : float, default=1/6
        Part of the epochs on graph-cut subsets.
    lam : float, default=0.4
        Of graph cut; it is monotone up to 0.5.
    epsilon : float, default=0.01
        Stochastic greedy looks at ``n_c / quota log(1 / epsilon)`` random rows for each choice.
    max_class : int, default=5000
        The disparity-min order takes time in the square of a class's size: larger ones are split
        at random into parts of at most so many rows, each with an order of its own.
    stratify : {"proportional", "equal"} or None, default="proportional"

    Notes
    -----
    Graph cut takes O(N log(1 / epsilon) F) for a selection and O(N F) memory, with no kernel: sums
    of cosines are inner products with sums of vectors. The disparity-min order takes
    O(N max_class F) once. Selections then cost O(N). By default one is made for every epoch.
    Weights are one.

    Use it where many models are to be trained on the same data and features are good. On raw
    pixels the diverse rows are outliers and noise.

    References
    ----------
    .. [1] K. Killamsetty, A. V. Evfimievski, T. Pedapati, K. Kate, L. Popa, R. Iyer, "MILO:
       model-agnostic subset selection framework for efficient model training and tuning", 2023,
       Algorithms 1 and 2. Of it the first row of a disparity-min order is the most central one
       here, with the largest distance for its importance, and graph-cut subsets are made when
       they are needed.

    Examples
    --------
    >>> import numpy as np
    >>> from sksubsel.baselines.adaptive import MILOStrategy, View
    >>> rng = np.random.RandomState(0)
    >>> X, y = rng.rand(20, 3), np.repeat([0, 1], 10)
    >>> strategy = MILOStrategy()
    >>> strategy.start(20, rng)
    >>> for epoch in (1, 12):  # of 12: graph cut at first, then drawn by importance
    ...     view = View(20, y, epoch=epoch, max_epochs=12, inputs=lambda: X)
    ...     np.bincount(y[strategy.select(view, 6, rng).rows])
    array([3, 3])
    array([3, 3])
    """

    _parameter_constraints: dict = {
        "features": ["array-like", None],
        "kappa": [Interval(Real, 0, 1, closed="both")],
        "lam": [Interval(Real, 0, None, closed="left")],
        "epsilon": [Interval(Real, 0, 1, closed="neither")],
        "max_class": [Interval(Integral, 2, None, closed="left")],
        "stratify": [StrOptions({"proportional", "equal"}), None],
    }
    every = 1

    def __init__(
        self,
        *,
        features: ArrayLike | None = None,
        kappa: float = 1 / 6,
        lam: float = 0.4,
        epsilon: float = 0.01,
        max_class: int = 5000,
        stratify: str | None = "proportional",
    ):
        self.features = features
        self.kappa = kappa
        self.lam = lam
        self.epsilon = epsilon
        self.max_class = max_class
        self.stratify = stratify

    def start(self, n_samples: int, rng: np.random.RandomState) -> None:
        super().start(n_samples, rng)
        self.directions_: Any = None
        self.importance_: Any = None

    def select(self, view: View, budget: int, rng: np.random.RandomState) -> Selection:
        if self.directions_ is None:
            self.directions_ = self._directions(view)
        groups = class_quotas(view.y, view.n_samples, budget, self.stratify)
        if view.epoch <= self.kappa * view.max_epochs:
            parts = []
            for rows, quota in groups:
                positions, gains = graph_cut(
                    self.directions_[rows], quota, self.lam, self.epsilon, rng
                )
                parts.append(Selection(rows[positions], np.ones(quota), gains))
            return interleave(parts)
        if self.importance_ is None:
            self.importance_ = self._importance(view, rng)
        e = self.importance_
        # the rows with the largest log(u) / p are a draw without replacement (Efraimidis, Spirakis)
        keys = np.log(1 - rng.random_sample(view.n_samples)) / (1 + e + e**2 / 2)
        parts = []
        for rows, quota in groups:
            drawn = rows[np.argsort(-keys[rows], kind="stable")[:quota]]
            parts.append(Selection(drawn, np.ones(quota), e[drawn]))
        return interleave(parts)

    def _directions(self, view):
        """Features at length one (zero where they are zero): float32 (N, F)."""
        if self.features is None:
            X = np.array(view.inputs(), dtype=np.float32)
            X -= X.mean(axis=0)
        else:
            X = np.array(self.features, dtype=np.float32)
            if X.ndim != 2 or len(X) != view.n_samples:
                raise ValueError(
                    f"features must have shape (N, F) with N={view.n_samples}, the rows trained "
                    f"on; got {X.shape}"
                )
            if not np.isfinite(X).all():
                raise ValueError("features must be finite")
        norms = np.sqrt(np.einsum("nf,nf->n", X, X))[:, None]
        return np.divide(X, norms, out=X, where=norms > 0)

    def _importance(self, view, rng):
        """What each row adds to the disparity-min of its class, or part of one: float64 (N,)."""
        e = np.zeros(view.n_samples)
        for rows, _ in class_quotas(view.y, view.n_samples, view.n_samples, self.stratify):
            n_parts = -(-len(rows) // self.max_class)
            parts = np.array_split(rng.permutation(rows), n_parts) if n_parts > 1 else [rows]
            for part in parts:
                order, gains = disparity_order(self.directions_[part])
                e[part[order]] = gains
        return e


def graph_cut(directions, n_wanted, lam, epsilon, rng):
    """Stochastic-greedy maximiser of graph cut with similarity ``(1 + cosine) / 2``.

    Parameters
    ----------
    directions : ndarray of shape (n, F)
        Of length one.
    n_wanted : int
    lam, epsilon : float
    rng : RandomState

    Returns
    -------
    positions : int64 ndarray of shape (n_wanted,)
    gains : float64 ndarray of shape (n_wanted,)
    """
    n = len(directions)
    to_all = (n + directions @ directions.sum(axis=0, dtype=np.float64)) / 2
    size = min(n, int(np.ceil(n / n_wanted * np.log(1 / epsilon))))
    left = rng.permutation(n)  # those chosen are swapped to the end
    selected = np.zeros(directions.shape[1])
    positions, gains = np.empty(n_wanted, dtype=np.int64), np.empty(n_wanted)
    for k in range(n_wanted):
        n_left = n - k
        places = np.arange(n_left)
        if size < n_left:
            places = np.unique(rng.randint(n_left, size=size))
        sample = left[places]
        block = directions[sample]
        # s_ii = 1 unless a row is zero
        itself = (1 + np.einsum("nf,nf->n", block, block)) / 2
        to_selected = (k + block @ selected) / 2
        values = to_all[sample] - lam * (2 * to_selected + itself)
        ties = np.flatnonzero(values == values.max())
        best = ties[sample[ties].argmin()]
        positions[k], gains[k] = sample[best], values[best]
        selected += directions[sample[best]]
        place = places[best]
        left[[place, n_left - 1]] = left[[n_left - 1, place]]
    return positions, gains


def disparity_order(directions):
    """Greedy order by disparity-min, the distance ``(1 - cosine) / 2`` from all rows before.

    The most central row comes first, and counts as far from all as the farthest of the others.
    Time O(n^2 F), memory O(n).

    Returns
    -------
    order : int64 ndarray of shape (n,)
    gains : float64 ndarray of shape (n,), never increasing
    """
    n = len(directions)
    order, gains = np.empty(n, dtype=np.int64), np.zeros(n)
    nearest = np.full(n, np.inf)
    current = int((directions @ directions.sum(axis=0)).argmax())
    for k in range(n):
        order[k], gains[k] = current, nearest[current]
        distances = np.maximum(1 - directions @ directions[current], 0) / 2
        np.minimum(nearest, distances, out=nearest)
        nearest[current] = -np.inf
        current = int(nearest.argmax())
    gains[0] = gains[1] if n > 1 else 0.0
    return order, gains
