"""How far from the known points others lie, in units of what is usual."""

from __future__ import annotations

import numpy as np
from scipy import stats
from sklearn.neighbors import NearestNeighbors

_MANY = 500  # distances whose own 99th percentile is good enough


class Novelty:
    """Distances to the nearest of some points, 1 being a limit that few new ones exceed.

    Parameters
    ----------
    points : ndarray of shape (A, D)
    held_out : ndarray or None
        `relative` distances of points drawn alike which took no part in what made the space. They
        say where the limit lies: fitted points lie closer together than new ones. None takes the
        points themselves, each left out in turn.
    """

    def __init__(self, points, held_out=None):
        self.points_ = points
        self.neighbors_ = NearestNeighbors().fit(points)
        spread = np.linalg.norm(points.std(axis=0))
        own = np.array([spread])
        if len(points) > 1:
            own, _ = self.neighbors_.kneighbors(n_neighbors=1)
        # copies of one another are no measure of distance
        self.unit_ = max(float(np.median(own)), 1e-3 * float(spread))
        if self.unit_ <= 1e-6 * max(1.0, float(np.abs(points).max())):  # all alike but for rounding
            self.unit_ = 1.0
        self.center_ = points.mean(axis=0)
        if held_out is None:
            held_out = own.ravel() / self.unit_
        if len(held_out) < _MANY:
            self.limit_ = upper_limit(held_out)
        else:
            self.limit_ = max(float(np.percentile(held_out, 99)), 1e-3)

    def relative(self, points) -> np.ndarray:
        """Distance to the nearest point in units of the usual one, (A,)."""
        distance, _ = self.neighbors_.kneighbors(points, n_neighbors=1)
        return distance[:, 0] / self.unit_

    def __call__(self, points) -> np.ndarray:
        """The same in units of the limit."""
        return self.relative(points) / self.limit_


def upper_limit(distances, level=0.99) -> float:
    """What a further distance exceeds with probability 1 - level, if their logarithms are normal.

    The bound of a prediction interval, which a small sample makes wider.
    """
    log = np.log(np.maximum(distances, 1e-3))
    n = len(log)
    if n < 2:
        return float(np.exp(log.max()) * 2)
    width = stats.t.ppf(level, n - 1) * log.std(ddof=1) * np.sqrt(1 + 1 / n)
    return float(np.exp(log.mean() + width))
