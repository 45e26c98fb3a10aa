"""CRAIG: medoids of the gradients, each with the weight of its cluster."""

from __future__ import annotations

from numbers import Integral, Real
from typing import TYPE_CHECKING

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from sksubsel.baselines.adaptive.strategy import Selection, Strategy, class_quotas
from sksubsel.samplers.facility import chunks, lazy_greedy

if TYPE_CHECKING:
    from sksubsel.baselines.adaptive.strategy import View

__all__ = ["CRAIGStrategy"]


class CRAIGStrategy(Strategy):
    """Facility location on the distances of gradients, weighted by cluster sizes [1]_.

    In each class, rows S are chosen greedily to maximise ``sum_j (d_max - min_{i in S} d_ij)``
    with ``d_ij = ||g_i - g_j||`` of last-layer gradients, d_max being the largest distance. The
    error of ``sum_{i in S} gamma_i g_i`` as an estimate of the class's gradient is at most
    ``sum_j min_i d_ij``, gamma_i being the number of rows of the class that are nearest to i.

    Parameters
    ----------
    gradient : {"last_layer", "bias"}, default="last_layer"
        Gradients of the last layer's weights and bias, or of the bias alone, ``p - onehot(y)``.
    stratify : {"proportional", "equal"} or None, default="proportional"
        Quotas of the classes. None takes all rows as one class.
    max_reference : int, default=8192
        A larger class is represented by so many of its rows, drawn at random; all of its rows
        stay candidates, and weights are counted over all.
    memory_limit : int or float, default=2**30
        Bytes for the kernel of one class; larger classes get fewer references.

    Notes
    -----
    Time O(sum_c n_c r_c (C + H) + B b max_c r_c) with ``r_c = min(n_c, max_reference)`` and b
    (tens) gains for one choice; memory ``4 n_c r_c`` bytes, at most `memory_limit`, beside the
    gradients.

    In training, the weights are scaled to a mean of one, so that the learning rate keeps its
    meaning. Use it with a network that was trained for some epochs: gradients at random weights
    say little. Medoids of large clusters are typical, easy rows; wrong labels form clusters of
    their own, with small weights.

    References
    ----------
    .. [1] B. Mirzasoleiman, J. Bilmes, J. Leskovec, "Coresets for data-efficient training of
       machine learning models", ICML 2020, Eq. 10 and Algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> from sksubsel.baselines.adaptive import LastLayerGradients, CRAIGStrategy, View
    >>> rng = np.random.RandomState(0)
    >>> y = np.repeat([0, 1], 5)
    >>> proba = rng.dirichlet([1, 1], 10)
    >>> gradients = LastLayerGradients(proba - np.eye(2)[y], rng.rand(10, 3))
    >>> view = View(10, y, gradients=lambda: gradients)
    >>> selection = CRAIGStrategy().select(view, 4, rng)
    >>> np.bincount(y[selection.rows]), selection.weights.mean().round(3).item()
    (array([2, 2]), 1.0)
    """

    _parameter_constraints: dict = {
        "gradient": [StrOptions({"last_layer", "bias"})],
        "stratify": [StrOptions({"proportional", "equal"}), None],
        "max_reference": [Interval(Integral, 1, None, closed="left")],
        "memory_limit": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        *,
        gradient: str = "last_layer",
        stratify: str | None = "proportional",
        max_reference: int = 8192,
        memory_limit: int | float = 2**30,
    ):
        self.gradient = gradient
        self.stratify = stratify
        self.max_reference = max_reference
        self.memory_limit = memory_limit

    def select(self, view: View, budget: int, rng: np.random.RandomState) -> Selection:
        groups = class_quotas(view.y, view.n_samples, budget, self.stratify)
        for rows, _ in groups:  # before the gradients, which may cost a training
            self._n_references(len(rows))
        gradients = view.gradients(self.gradient)
        parts = []
        for rows, quota in groups:
            reference = self._references(rows, rng)
            kernel, scale = _kernel(gradients, rows, reference)
            weights = np.full(len(reference), scale * len(rows) / len(reference))
            everything, nothing = np.ones(len(rows), bool), np.zeros(len(rows), bool)
            positions, gains = lazy_greedy(
                kernel, weights.astype(np.float32), quota, everything, nothing, -np.inf
            )
            del kernel
            chosen = rows[positions]
            parts.append(Selection(chosen, cluster_sizes(gradients, rows, chosen), gains))
        joint = Selection(*(np.concatenate(columns) for columns in zip(*parts)))
        order = np.argsort(-joint.gains, kind="stable")  # gains of a class never increase
        rows, weights, gains = (column[order] for column in joint)
        return Selection(rows, weights * (budget / weights.sum()), gains)

    def _n_references(self, n_rows):
        n_wanted = min(n_rows, self.max_reference, int(self.memory_limit // (4 * n_rows)))
        if n_wanted < min(n_rows, self.max_reference, 64):
            raise ValueError(
                f"memory_limit must be at least {4 * n_rows * min(n_rows, 64)} bytes for a "
                f"class of {n_rows} rows; got {self.memory_limit}"
            )
        return n_wanted

    def _references(self, rows, rng):
        n_wanted = self._n_references(len(rows))
        if n_wanted == len(rows):
            return rows
        return np.sort(rng.choice(rows, n_wanted, replace=False))


def _kernel(gradients, rows, reference):
    """``1 - d / d_max`` and d_max, which the gains are multiplied by."""
    kernel = gradients.distances(rows, reference)
    if reference is rows:
        np.fill_diagonal(kernel, 0)
    scale = float(kernel.max()) or 1.0
    kernel /= -scale
    kernel += 1
    return kernel, scale


def cluster_sizes(gradients, rows, chosen):
    """How many of the rows are nearest to each chosen one: float64 (B,), with sum n.

    A chosen row belongs to itself; ties go to the lower chosen row.
    """
    order = np.sort(chosen)
    nearest = np.empty(len(rows), dtype=np.int64)
    for part in chunks(len(rows), len(chosen)):
        nearest[part] = gradients.distances(rows[part], order).argmin(axis=1)
    nearest[np.searchsorted(rows, order)] = np.arange(len(order))
    counts = np.bincount(nearest, minlength=len(order)).astype(np.float64)
    return counts[np.searchsorted(order, chosen)]
