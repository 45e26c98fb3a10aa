"""Greedy maximisers besides the lazy one, all of (objective, n_wanted, allowed)."""

from __future__ import annotations

import math

import numpy as np

from sksubsel.samplers.facility import lazy

__all__ = ["naive", "partition", "stochastic"]


def naive(objective, n_wanted, allowed):
    """Evaluate every row for every choice: what :func:`~sksubsel.samplers.facility.lazy` saves.

    Time: n gains for each choice. Parameters and returns as there; ties go to the lower index.
    """
    positions = np.empty(n_wanted, dtype=np.int64)
    gains = np.empty(n_wanted)
    candidates = np.flatnonzero(allowed)
    for step in range(n_wanted):
        fresh = objective.gains(candidates)
        best = fresh.argmax()
        positions[step], gains[step] = candidates[best], fresh[best]
        objective.add(candidates[best])
        candidates = np.delete(candidates, best)
    return positions, gains


def stochastic(objective, n_wanted, allowed, epsilon, rng):
    """The best of a random sample of rows, for each choice (Mirzasoleiman et al., 2015).

    Samples have ``(n / B) log(1 / epsilon)`` rows, so that all choices together cost
    ``n log(1 / epsilon)`` gains whatever B; the value is at least ``1 - 1/e - epsilon`` of the
    best, in expectation. Gains may rise from one choice to the next.
    """
    positions = np.empty(n_wanted, dtype=np.int64)
    gains = np.empty(n_wanted)
    candidates = np.flatnonzero(allowed)
    size = math.ceil(len(candidates) / max(n_wanted, 1) * math.log(1 / epsilon))
    for step in range(n_wanted):
        n_left = len(candidates)
        if size >= n_left:
            sample = np.arange(n_left)
        elif 2 * size > n_left:
            sample = np.sort(rng.permutation(n_left)[:size])
        else:
            sample = np.unique(rng.randint(n_left, size=size))
            while len(sample) < size:  # few are missing, and n_left may be millions
                more = rng.randint(n_left, size=size - len(sample))
                sample = np.unique(np.append(sample, more))
        rows = np.sort(candidates[sample])
        fresh = objective.gains(rows)
        positions[step], gains[step] = rows[fresh.argmax()], fresh.max()
        objective.add(positions[step])
        # The last row takes the place of the chosen one: no pass over all rows.
        where = sample[np.flatnonzero(candidates[sample] == positions[step])[0]]
        candidates[where] = candidates[-1]
        candidates = candidates[:-1]
    return positions, gains


def partition(make, n_wanted, allowed, taken, n_partitions, n_references, rng):
    """Greedy on random parts, then greedy on what these chose (GreeDi; Mirzasoleiman et al., 2013).

    Each part is covered with its own rows alone; the second round covers random reference rows.
    The better of the second round and the best part is kept, as they cover the references.

    Parameters
    ----------
    make : callable
        ``make(candidates, references)`` gives an objective on these rows, ascending.
    n_wanted : int
    allowed, taken : bool ndarray of shape (n,)
        Rows that may be chosen, and rows selected before.
    n_partitions : int
    n_references : int
        Rows that the second round covers.
    rng : RandomState

    Returns
    -------
    positions : int64 ndarray of shape (n_wanted,)
    gains : float64 ndarray of shape (n_wanted,)
        As measured on the reference rows.
    """
    n_rows = len(allowed)
    before = np.flatnonzero(taken)

    def start(candidates, references):
        objective = make(candidates, references)
        for position in np.searchsorted(candidates, before):
            objective.add(position)
        return objective

    solutions = []
    for part in np.array_split(rng.permutation(np.flatnonzero(allowed)), n_partitions):
        if len(part) == 0:
            continue
        rows = np.union1d(part, before)
        positions, _ = lazy(start(rows, rows), min(n_wanted, len(part)), allowed[rows])
        solutions.append(rows[positions])
    union = np.union1d(np.concatenate(solutions), before)
    references = np.sort(rng.choice(n_rows, min(n_references, n_rows), replace=False))
    objective = start(union, references)
    best = None
    for rows in solutions:
        if len(rows) == n_wanted:
            gains = _replay(objective.fork(), np.searchsorted(union, rows))
            if best is None or gains.sum() > best[1].sum():
                best = rows, gains
    positions, gains = lazy(objective, n_wanted, allowed[union])
    if best is not None and best[1].sum() > gains.sum():
        return best
    return union[positions], gains


def _replay(objective, positions):
    """Gains of rows added in this order."""
    gains = np.empty(len(positions))
    for step, position in enumerate(positions):
        gains[step] = objective.gains(np.array([position]))[0]
        objective.add(position)
    return gains
