"""Orthogonal matching pursuit with weights that are not negative, on factorised gradients."""

from __future__ import annotations

import numpy as np
from scipy.linalg import cholesky, solve_triangular

__all__ = ["bytes_to_match", "match"]

_TOLERANCE = 1e-6  # of the largest correlation at the start: below it there is nothing to match


def match(atoms, target, n_wanted, *, lam, rng):
    """Choose atoms, and weights of them, whose weighted sum is near a target.

    ``E(w) = ||target - sum_i w_i g_i||^2 + lam s sum_i w_i^2`` over w >= 0, s being the mean of
    ``||g_i||^2``: an atom is added where the residual points most along it (the largest
    ``<residual, g_i>``), then the weights of all are solved for again; atoms whose weight would
    turn negative are set free. That is Lawson and Hanson's active-set method stopped at
    `n_wanted` atoms, so that E falls with each step.

    When no atom helps any more before there are enough (with C gradients of the bias, after C
    atoms or so), the pursuit begins anew on the remaining atoms with the same target. The
    weights of each such round are multiplied by its share of the atoms, so that the sum still is
    near the target. If not even a first atom helps, the rest is drawn at random and shares what
    weight is left.

    Parameters
    ----------
    atoms : LastLayerGradients
        n of them.
    target : ndarray of shape (C, H + 1), float64
    n_wanted : int
        At most n.
    lam : float
    rng : RandomState

    Returns
    -------
    positions : int64 ndarray of shape (n_wanted,)
        Distinct, in the order chosen.
    weights : float64 ndarray of shape (n_wanted,)
        Positive.
    errors : list of list of float
        E after each step, for each round.

    Notes
    -----
    Time for k = n_wanted: O(k n C H + k^2 C H + k^3); memory O(C H) and up to ``32 k^2``
    bytes beside the atoms.
    """
    ridge = lam * float(atoms.squared_norms().mean())
    floor = _TOLERANCE * float(np.abs(atoms.dot(target)).max())
    free = np.ones(len(atoms), dtype=bool)
    rounds, errors = [], []
    n_left = n_wanted
    while n_left:
        pursuit = _Pursuit(atoms, target, n_left, ridge, floor)
        pursuit.run(free.copy())
        if not pursuit.chosen:
            rest = rng.permutation(np.flatnonzero(free))[:n_left]
            rounds.append((rest, np.full(n_left, len(atoms) / n_left)))
            break
        errors.append(pursuit.errors)
        chosen = np.array(pursuit.chosen)
        free[chosen] = False
        n_left -= len(chosen)
        rounds.append((chosen, pursuit.weights))
    positions = np.concatenate([chosen for chosen, _ in rounds]).astype(np.int64)
    weights = np.concatenate([w * (len(w) / n_wanted) for _, w in rounds])
    return positions, weights, errors


def bytes_to_match(n_wanted):
    """Memory that `match` takes at most beside the atoms, but for what is linear in their number.

    Gram matrix and factor, and as much again while they are enlarged or solved with.
    """
    return 4 * 8 * int(n_wanted) ** 2


class _Pursuit:
    """One round: the atoms chosen so far, their weights and the Cholesky factor of their Gram."""

    def __init__(self, atoms, target, n_wanted, ridge, floor):
        self.atoms, self.target = atoms, target
        self.n_wanted, self.ridge, self.floor = n_wanted, ridge, floor
        self.chosen, self.weights, self.errors = [], np.zeros(0), []
        size = min(16, n_wanted)
        self.gram = np.zeros((size, size))  # with the ridge on its diagonal; grows
        self.factor = np.zeros((size, size))  # lower triangular
        self.goal = np.zeros(0)  # inner products of the chosen atoms with the target

    def run(self, free):
        correlations = self.atoms.dot(self.target)
        targets = correlations.copy()
        # each step lowers the error, so this only guards against rounding
        for _ in range(3 * self.n_wanted + 10):
            if len(self.chosen) == self.n_wanted:
                return
            best = int(np.where(free, correlations, -np.inf).argmax())
            if not (free[best] and correlations[best] > self.floor):
                return
            free[best] = False
            if not self._add(best, targets[best]):
                continue  # depends on those chosen: never looked at again in this round
            for dropped in self._solve():
                free[dropped] = dropped != best
            residual = self.target - self._sum()
            error = np.square(residual).sum() + self.ridge * (self.weights @ self.weights)
            self.errors.append(float(error))
            correlations = self.atoms.dot(residual)

    def _sum(self):
        if not self.chosen:
            return np.zeros_like(self.target)
        return self.atoms.total(np.array(self.chosen), self.weights)

    def _add(self, atom, goal):
        """Append an atom with weight zero; False where it depends on those there are."""
        k = len(self.chosen)
        if k == len(self.gram):
            size = min(2 * k, self.n_wanted)
            self.gram, self.factor = (_enlarged(m, size) for m in (self.gram, self.factor))
        column = self.atoms.gram([*self.chosen, atom], [atom])[:, 0]
        column[k] += self.ridge
        below = self._forward(column[:k])
        pivot = column[k] - below @ below
        if pivot <= 1e-12 * column[k]:
            return False
        self.gram[k, : k + 1] = self.gram[: k + 1, k] = column
        self.factor[k, :k], self.factor[k, k] = below, np.sqrt(pivot)
        self.chosen.append(atom)
        self.weights = np.append(self.weights, 0.0)
        self.goal = np.append(self.goal, goal)
        return True

    def _solve(self):
        """Best weights that are not negative, of the atoms there are; those dropped for it."""
        dropped = []
        while self.chosen:
            k = len(self.chosen)
            best = solve_triangular(
                self.factor[:k, :k], self._forward(self.goal), lower=True, trans=1
            )
            if best.min() > 0:
                self.weights = best
                break
            # as far towards the best as all weights stay non-negative
            falling = best <= 0
            now = self.weights[falling]
            ratios = np.zeros_like(now)
            np.divide(now, now - best[falling], out=ratios, where=now > 0)
            self.weights = self.weights + ratios.min() * (best - self.weights)
            gone = falling & (self.weights <= 1e-12 * self.weights.max(initial=0))
            if not gone.any():
                gone[np.flatnonzero(falling)[ratios.argmin()]] = True
            dropped += [self.chosen[i] for i in np.flatnonzero(gone)]
            self._keep(np.flatnonzero(~gone))
        return dropped

    def _keep(self, places):
        k = len(places)
        self.chosen = [self.chosen[i] for i in places]
        self.weights, self.goal = self.weights[places], self.goal[places]
        self.gram[:k, :k] = self.gram[np.ix_(places, places)]
        if k:
            self.factor[:k, :k] = cholesky(self.gram[:k, :k], lower=True)

    def _forward(self, right):
        k = len(right)
        if k == 0:
            return right
        return solve_triangular(self.factor[:k, :k], right, lower=True)


def _enlarged(matrix, size):
    larger = np.zeros((size, size))
    larger[: len(matrix), : len(matrix)] = matrix
    return larger
