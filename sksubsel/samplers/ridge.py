"""A ridge regression that grows row by row, and what each further row would do for it.

With features phi (d,) and labels y (C,) of the rows chosen so far, ``A = lam I + sum phi phi^T``
and ``W = A^-1 sum phi y^T``. It is judged by how well it reproduces targets p_j on all rows,
``E(W) = mean_j |p_j - W^T phi_j|^2``, of which only ``K = mean_j phi_j phi_j^T`` and
``Q = mean_j phi_j (p_j - W^T phi_j)^T`` need to be known. Choosing row i as well lowers E by::

    2 t_i^T r_i / (1 + h_i) - s_i |r_i|^2 / (1 + h_i)^2,

    r_i = y_i - W^T phi_i,   h_i = phi_i^T M phi_i,   s_i = phi_i^T M K M phi_i,
    t_i = Q^T M phi_i,       M = A^-1,

which is exact. A wrong label is refused by itself, for its residual r_i points away from t_i.
Giving up row i, once chosen, raises E by ``2 t_i^T r_i / (1 - h_i) + s_i |r_i|^2 / (1 - h_i)^2``.
The features are principal components, so that K is diagonal.
"""

from __future__ import annotations

import numpy as np
from sklearn.utils import gen_batches

from sksubsel._blas import for_chunks

__all__ = ["GrowingRidge", "one_hot"]

_CHUNK_VALUES = 1 << 20  # 4 MiB of features, which a core's cache may hold
_N_WATCHED = 64  # candidates whose gains are also computed afresh


class GrowingRidge:
    """State of the regression, and what each candidate is worth to it, kept up to date.

    Parameters
    ----------
    phi : ndarray of shape (m, d), float32
        Features of the candidates.
    labels : ndarray of shape (m,), int64, or (m, C), float
        Classes of the candidates, or their values.
    spectrum : ndarray of shape (d,)
        The diagonal of K.
    cross : ndarray of shape (d, C), float64
        ``mean_j phi_j p_j^T``: Q while nothing is chosen.
    lam : float
        Ridge penalty, positive.
    start : tuple of two ndarrays of shape (m,), or None, default=None
        ``|phi_i|^2`` and ``phi_i^T K phi_i``, as :meth:`quadratics` gives them, where they are
        known from an earlier regression on the same features.

    Attributes
    ----------
    inverse : float64 ndarray of shape (d, d)
        M.
    coef : float64 ndarray of shape (d, C)
        W.

    Notes
    -----
    `add` and `remove` of b rows take time O(m d (b + C) + d^2 b) and memory O(d^2 + m) beside the
    features. M, W and Q are float64; products with the candidates' features float32, accumulated
    in float64. M is downdated, not computed afresh: by rows of norm 1 its error stays of order
    1e-14 over tens of thousands of them. h and s are downdated in float32, and where `lam` is small
    and many rows are chosen what is left of s is rounding error; :meth:`renew` makes both afresh.
    """

    def __init__(self, phi, labels, spectrum, cross, lam, start=None):
        self.phi, self.labels = phi, labels
        self.spectrum = np.asarray(spectrum, dtype=np.float64)
        self._cross = np.array(cross, dtype=np.float64)
        self.residual_cross = self._cross.copy()  # Q
        self.inverse = np.eye(phi.shape[1]) / lam
        self._product = np.empty_like(self.inverse)
        self.coef = np.zeros_like(self._cross)
        squares, curved = self.quadratics(phi, spectrum) if start is None else start
        self._h, self._s = squares / lam, curved / lam**2
        self._linear, self._square = np.empty((2, len(phi)))  # t^T r and |r|^2
        none = np.empty((phi.shape[1], 0))
        self._update(none, none, np.empty((0, 0)), 1)

    @staticmethod
    def quadratics(phi, spectrum):
        """``|phi_i|^2`` and ``phi_i^T K phi_i``: two float64 ndarrays (n,). Time O(n d)."""
        squares, curved = np.empty((2, len(phi)))
        spectrum = np.asarray(spectrum, dtype=np.float32)

        def of_chunk(part):
            squares[part] = np.einsum("nd,nd->n", phi[part], phi[part])
            curved[part] = np.einsum("nd,nd,d->n", phi[part], phi[part], spectrum)

        for_chunks(of_chunk, row_chunks(phi))
        return squares, curved

    @property
    def gains(self):
        """How much each candidate, chosen once (more), would lower the error: float64 (m,)."""
        return _gains(self._linear, self._square, self._h, self._s)

    @property
    def losses(self):
        """How much giving up each candidate, once chosen, would raise it: float64 (m,)."""
        # 1 - h is at least lam / (lam + |phi|^2), but for rounding where lam is minute
        h = np.minimum(self._h, 1.0 - 1e-6)
        return _gains(self._linear, self._square, -h, -self._s)

    def drift(self):
        """How far the gains have come from what they should be, as a share of the largest: float.

        Looked at for 64 candidates. NaN if any gain at all is NaN. Time O(d^2 + m).
        """
        gains = self.gains
        if np.isnan(gains).any():
            return np.nan
        watched = np.linspace(0, len(gains) - 1, min(_N_WATCHED, len(gains))).astype(np.int64)
        phi, C = self.phi[watched], self.coef.shape[1]
        exact = _gains(
            *self._residuals(phi @ self._pull_and_coef(), one_hot(self.labels[watched], C)),
            *self._leverages(phi),
        )
        return float(np.abs(gains[watched] - exact).max() / max(np.abs(exact).max(), 1e-30))

    def renew(self):
        """Compute h and s afresh, whose rounding errors add up, and the rest. Time O(m d^2)."""

        def of_chunk(part):
            self._h[part], self._s[part] = self._leverages(self.phi[part])

        for_chunks(of_chunk, row_chunks(self.phi))
        none = np.empty((self.phi.shape[1], 0))
        self._update(none, none, np.empty((0, 0)), 1)

    def _leverages(self, phi):
        """``h`` and ``s`` of rows by their definition."""
        weighted = phi @ self.inverse.astype(np.float32)
        curved = weighted * self.spectrum.astype(np.float32)
        return np.einsum("nd,nd->n", phi, weighted), np.einsum("nd,nd->n", curved, weighted)

    def add(self, phi, labels):
        """Take rows into the regression: their features (b, d), and their labels as in `phi`'s."""
        self._change(phi, labels, 1)

    def remove(self, phi, labels):
        """Take rows out of it that were added before."""
        self._change(phi, labels, -1)

    def _change(self, phi, labels, sign):
        phi = phi.astype(np.float64)
        weighted = self.inverse @ phi.T  # M Phi^T, (d, b)
        # not scipy's triangular solver, since its BLAS and NumPy's would fight for the cores
        root = np.linalg.inv(np.linalg.cholesky(np.eye(len(phi)) + sign * (phi @ weighted)))
        Z = weighted @ root.T  # M -+ Z Z^T is the new inverse
        residual = one_hot(labels, self.coef.shape[1]) - phi @ self.coef
        E = sign * (root @ residual)  # Z E is what W grows by
        KZ = self.spectrum[:, None] * Z
        MKZ = self.inverse @ KZ
        self.coef += Z @ E
        self.residual_cross -= KZ @ E
        self.inverse -= np.matmul(Z, sign * Z.T, out=self._product)
        self._update(Z, MKZ, Z.T @ KZ, sign)

    def explained(self):
        """How much lower the error is than with nothing chosen: float."""
        return float(np.sum(self.coef * (self.residual_cross + self._cross)))

    def _update(self, Z, MKZ, ZKZ, sign):
        """Bring h, s, t^T r and |r|^2 up to date, in one pass over the candidates' features."""
        b, C = Z.shape[1], self.coef.shape[1]
        right = np.concatenate(
            [Z.astype(np.float32), MKZ.astype(np.float32), self._pull_and_coef()], axis=1
        )
        ZKZ = ZKZ.astype(np.float32)

        def of_chunk(part):
            product = self.phi[part] @ right
            # Without a change nothing is to be summed: an einsum over an empty axis is 0 times
            # whatever lies in memory (NumPy 2.4), and that may be NaN.
            if b:
                a = product[:, :b]
                self._h[part] -= sign * np.einsum("nb,nb->n", a, a)
                change = a @ ZKZ - (2.0 * sign) * product[:, b : 2 * b]
                self._s[part] += np.einsum("nb,nb->n", a, change)
            labels = one_hot(self.labels[part], C)
            self._linear[part], self._square[part] = self._residuals(product[:, 2 * b :], labels)

        for_chunks(of_chunk, row_chunks(self.phi, right.shape[1]))

    def _pull_and_coef(self):
        """M Q and W side by side: float32 (d, 2 C)."""
        pull = self.inverse @ self.residual_cross
        return np.concatenate([pull, self.coef], axis=1).astype(np.float32)

    @staticmethod
    def _residuals(product, labels):
        """``t^T r`` and ``|r|^2``, from features times :meth:`_pull_and_coef`."""
        C = labels.shape[1]
        t, r = product[:, :C], labels - product[:, C:]
        return np.einsum("nc,nc->n", t, r), np.einsum("nc,nc->n", r, r)

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
        Time O(d^2 m + d m^2 + b m (b + C)), memory O(m (m + d)). The state is left as it is.
        """
        phi, C = self.phi[shortlist], self.coef.shape[1]
        weighted = self.inverse.astype(np.float32) @ phi.T  # (d, m)
        H = phi @ weighted  # Phi M Phi^T
        S = weighted.T @ (self.spectrum.astype(np.float32)[:, None] * weighted)
        T = weighted.T @ self.residual_cross  # (m, C)
        R = one_hot(self.labels[shortlist], C) - phi @ self.coef
        h, s = H.diagonal().astype(np.float64), S.diagonal().astype(np.float64)
        # H and S less the sums of a a^T, and of a v^T + v a^T - (zkz a) a^T, of the rows chosen
        a, u, v = np.empty((3, n_wanted, len(shortlist)))
        free, room = np.ones(len(shortlist), dtype=bool), np.array(room)
        chosen, gains = [], []
        for k in range(n_wanted):
            gain = _gains(np.einsum("nc,nc->n", T, R), np.einsum("nc,nc->n", R, R), h, s)
            gain[~free | (room[groups] < 1)] = -np.inf
            best = int(gain.argmax())
            if gain[best] == -np.inf:
                break
            chosen.append(best)
            gains.append(gain[best])
            free[best] = False
            room[groups[best]] -= 1
            # the equations of `_change` and `_update` for one row, within the shortlist
            scale = 1.0 / np.sqrt(1.0 + h[best])
            zkz = s[best] * scale**2
            e, t = R[best] * scale, T[best] * scale
            a[k] = scale * (H[best] - a[:k, best] @ a[:k])
            v[k] = scale * (S[best] + a[:k, best] @ u[:k] - v[:k, best] @ a[:k])
            u[k] = zkz * a[k] - v[k]
            T += np.outer(a[k], zkz * e - t) - np.outer(v[k], e)
            R -= np.outer(a[k], e)
            h -= a[k] ** 2
            s += a[k] * (u[k] - v[k])
        return shortlist[chosen], np.array(gains)


def _gains(linear, square, h, s):
    """The module's formula, from t^T r and |r|^2: float64 (n,)."""
    return 2.0 * linear / (1.0 + h) - s * square / (1.0 + h) ** 2


def one_hot(labels, n_classes):
    """Labels as rows of numbers, (n, C): classes one-hot, values as they are."""
    if labels.ndim == 2:
        return labels
    out = np.zeros((len(labels), n_classes), dtype=np.float32)
    out[np.arange(len(labels)), labels] = 1.0
    return out


def row_chunks(phi, n_columns=0):
    """Slices of rows of about 4 MiB, or of as much in `n_columns` columns beside them."""
    step = max(256, _CHUNK_VALUES // max(phi.shape[1], n_columns))
    return list(gen_batches(len(phi), step))
