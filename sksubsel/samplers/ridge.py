"""A ridge regression that grows row by row, and what each further row would do for it.

With features phi (d,) and labels y (C,) of the rows chosen so far, ``A = lam I + sum phi phi^T``
and ``W = A^-1 sum phi y^T``. It is judged by how well it reproduces targets p_j on all rows,
``E(W) = mean_j |p_j - W^T phi_j|^2``, of which only ``K = mean_j phi_j phi_j^T`` and
``Q = mean_j phi_j (p_j - W^T phi_j)^T`` need to be known. Choosing row i as well lowers E by::

    2 t_i^T r_i / (1 + h_i) - s_i |r_i|^2 / (1 + h_i)^2,

    r_i = y_i - W^T phi_i,   h_i = phi_i^T M phi_i,   s_i = phi_i^T M K M phi_i,
    t_i = Q^T M phi_i,       M = A^-1,

which is exact. A wrong label is refused by itself, for its residual r_i points away from t_i.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import cholesky, solve_triangular

__all__ = ["GrowingRidge", "one_hot"]

_CHUNK_VALUES = 1 << 22


class GrowingRidge:
    """State of the regression, and the gain of each candidate kept up to date.

    Parameters
    ----------
    phi : ndarray of shape (n, d), float32
        Features of the candidates.
    labels : ndarray of shape (n,), int64, or (n, C), float
        Classes of the candidates, or their values.
    gram : ndarray of shape (d, d), float64
        K.
    cross : ndarray of shape (d, C), float64
        ``mean_j phi_j p_j^T``: Q while nothing is chosen.
    lam : float
        Ridge penalty, positive.
    start : tuple of two ndarrays of shape (n,), or None, default=None
        ``|phi_i|^2`` and ``phi_i^T K phi_i``, as :meth:`quadratics` gives them, where they are
        known from an earlier regression on the same features.

    Attributes
    ----------
    gains : float64 ndarray of shape (n,)
        How much each candidate would lower the error.
    inverse : float64 ndarray of shape (d, d)
        M.
    coef : float64 ndarray of shape (d, C)
        W.

    Notes
    -----
    `add` of b rows takes time O(n d (b + C) + d^2 b) and memory O(d^2) beside the features. d x d
    matrices are float64; products with the features float32, accumulated in float64. M is
    downdated, not computed afresh: by rows of norm 1 its error stays of order 1e-14 over tens of
    thousands of them.
    """

    def __init__(self, phi, labels, gram, cross, lam, start=None):
        self.phi, self.labels, self.gram = phi, labels, gram
        self._gram32 = gram.astype(np.float32)
        self.residual_cross = np.array(cross, dtype=np.float64)  # Q
        self.inverse = np.eye(phi.shape[1]) / lam
        self.coef = np.zeros_like(self.residual_cross)
        squares, curved = self.quadratics(phi, gram) if start is None else start
        self._h, self._s = squares / lam, curved / lam**2
        self._update(np.empty((phi.shape[1], 0)), np.empty((phi.shape[1], 0)), np.empty((0, 0)))

    @staticmethod
    def quadratics(phi, gram):
        """``|phi_i|^2`` and ``phi_i^T K phi_i``: two float64 ndarrays (n,). Time O(n d^2)."""
        squares, curved = np.empty((2, len(phi)))
        gram = gram.astype(np.float32)
        for part in _chunks(phi):
            squares[part] = np.einsum("nd,nd->n", phi[part], phi[part])
            curved[part] = np.einsum("nd,nd->n", phi[part] @ gram, phi[part])
        return squares, curved

    def add(self, phi, labels):
        """Take rows into the regression: their features (b, d), and their labels as in `phi`'s."""
        phi = phi.astype(np.float64)
        weighted = self.inverse @ phi.T  # M Phi^T, (d, b)
        lower = cholesky(np.eye(len(phi)) + phi @ weighted, lower=True)
        Z = solve_triangular(lower, weighted.T, lower=True).T  # M - Z Z^T is the new inverse
        residual = one_hot(labels, self.coef.shape[1]) - phi @ self.coef
        E = solve_triangular(lower, residual, lower=True)  # Z E is what W grows by
        KZ = self.gram @ Z
        MKZ = self.inverse @ KZ
        self.coef += Z @ E
        self.residual_cross -= KZ @ E
        self.inverse -= Z @ Z.T
        self._update(Z, MKZ, Z.T @ KZ)

    def explained(self):
        """How much lower the error is than with nothing chosen: float."""
        started = self.residual_cross + self.gram @ self.coef  # what Q was at first
        return float(np.sum(self.coef * (self.residual_cross + started)))

    def _update(self, Z, MKZ, ZKZ):
        """Bring h, s and the gains up to date, in one pass over the candidates' features."""
        b, C = Z.shape[1], self.coef.shape[1]
        pull = self.inverse @ self.residual_cross  # M Q
        right = np.concatenate([Z, MKZ, pull, self.coef], axis=1).astype(np.float32)
        self.gains = np.empty(len(self.phi))
        for part in _chunks(self.phi, right.shape[1]):
            product = self.phi[part] @ right
            a = product[:, :b].astype(np.float64)
            self._h[part] -= np.einsum("nb,nb->n", a, a)
            self._s[part] -= np.einsum("nb,nb->n", a, 2.0 * product[:, b : 2 * b] - a @ ZKZ)
            t, fitted = product[:, 2 * b : 2 * b + C], product[:, 2 * b + C :]
            self.gains[part] = _gains(
                t, one_hot(self.labels[part], C) - fitted, self._h[part], self._s[part]
            )

    def greedy(self, shortlist, groups, room, n_wanted):
        """Choose rows among a few, one at a time, each with the former ones taken into account.

        Parameters
        ----------
        shortlist : ndarray of shape (m,), int64
            Candidates.
        groups : ndarray of shape (m,), int64
            Their classes, from 0.
        room : ndarray of shape (S,), int64
            How many rows each class may still get.
        n_wanted : int

        Returns
        -------
        chosen : ndarray of shape (b,), int64
            Candidates in the order chosen; fewer than `n_wanted` if there is no room.
        gains : ndarray of shape (b,), float64

        Notes
        -----
        Time O(d^2 m + b m^2), memory O(m (m + d)). The state is left as it is.
        """
        phi, C = self.phi[shortlist], self.coef.shape[1]
        weighted = self.inverse.astype(np.float32) @ phi.T  # (d, m)
        H = (phi @ weighted).astype(np.float64)  # Phi M Phi^T
        S = (weighted.T @ (self._gram32 @ weighted)).astype(np.float64)
        T = weighted.T @ self.residual_cross  # (m, C)
        R = one_hot(self.labels[shortlist], C) - phi @ self.coef
        free, room = np.ones(len(shortlist), dtype=bool), np.array(room)
        chosen, gains = [], []
        while len(chosen) < n_wanted:
            gain = _gains(T, R, H.diagonal(), S.diagonal())
            gain[~free | (room[groups] < 1)] = -np.inf
            best = int(gain.argmax())
            if gain[best] == -np.inf:
                break
            chosen.append(best)
            gains.append(gain[best])
            free[best] = False
            room[groups[best]] -= 1
            # the equations of `add` and `_update` for one row, within the shortlist
            scale = 1.0 / (1.0 + H[best, best])
            a, s = H[best] * np.sqrt(scale), S[best] * np.sqrt(scale)
            e, t, zkz = R[best] * np.sqrt(scale), T[best] * np.sqrt(scale), S[best, best] * scale
            T += np.outer(a, zkz * e - t) - np.outer(s, e)
            R -= np.outer(a, e)
            H -= np.outer(a, a)
            S += np.outer(a, zkz * a - s) - np.outer(s, a)
        return shortlist[chosen], np.array(gains)


def _gains(t, r, h, s):
    """The module's formula for all candidates: float64 (n,)."""
    linear = np.einsum("nc,nc->n", t, r, dtype=np.float64)
    square = np.einsum("nc,nc->n", r, r, dtype=np.float64)
    return 2.0 * linear / (1.0 + h) - s * square / (1.0 + h) ** 2


def one_hot(labels, n_classes):
    """Labels as rows of numbers, (n, C): classes one-hot, values as they are."""
    if labels.ndim == 2:
        return labels
    out = np.zeros((len(labels), n_classes), dtype=np.float32)
    out[np.arange(len(labels)), labels] = 1.0
    return out


def _chunks(phi, n_columns=0):
    step = max(256, _CHUNK_VALUES // max(phi.shape[1], n_columns))
    return [slice(start, start + step) for start in range(0, len(phi), step)]
