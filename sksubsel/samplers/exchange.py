"""Greedy choice of the rows that a ridge regression learns most from, and exchange of the least.

Both work with the exact gains of :class:`~sksubsel.samplers.ridge.GrowingRidge`. Greedy alone is
short-sighted: the first rows are chosen for a regression that knows nothing else. So it is
followed by sweeps in which the rows that would be missed least are given up and as many are chosen
again, given all others (as in Fedorov's exchange algorithm for designs of experiments, 1972).
"""

from __future__ import annotations

import numpy as np

from sksubsel.samplers.quotas import allocate, places

__all__ = ["exchange", "grow"]

_FEW, _MANY = 10, 64  # rows of a round: at first, and later
_MAX_DRIFT = 0.05  # of the gains, as a share of the largest, before they are computed afresh
_SHORTLIST = 4  # candidates looked at for each row of a round
_SHARE = 0.2  # of the rows given up in a sweep, at first


def grow(ridge, groups, free, quotas, n_known=0):
    """Add rows of the largest gains, in rounds.

    Candidates of the largest gains are shortlisted and chosen from one at a time, each with the
    former ones taken into account. Rounds are of 10 rows at first, later of 64.

    Parameters
    ----------
    ridge : GrowingRidge
        Gets the rows.
    groups : ndarray of shape (m,), int64
        Of the candidates, from 0.
    free : ndarray of shape (m,), bool
        Which of them may be chosen; gets False for those that are.
    quotas : ndarray of shape (S,), int64
        How many to add of each group, at most the free ones.
    n_known : int, default=0
        Rows that the regression has already.

    Returns
    -------
    rows : ndarray of shape (B,), int64
        Candidates in the order chosen.
    gains : ndarray of shape (B,), float64

    Raises
    ------
    FloatingPointError
        If a gain is NaN.
    """
    budget, taken = int(quotas.sum()), np.zeros_like(quotas)
    chosen, gains, n_chosen = [], [], 0
    while n_chosen < budget:
        n_round = int(np.clip((n_known + n_chosen) // 20, _FEW, _MANY))
        n_round = min(n_round, budget - n_chosen)
        # groups keep pace with one another, so that a head of the order is balanced too
        room = -(-quotas * (n_chosen + n_round) // budget) - taken
        _renew_where_wrong(ridge, n_known + n_chosen)
        shortlist = _shortlist(ridge.gains, groups, free, room)
        rows, more = ridge.greedy(shortlist, groups[shortlist], room, n_round)
        ridge.add(ridge.phi[rows], ridge.labels[rows])
        free[rows] = False
        taken += np.bincount(groups[rows], minlength=len(taken))
        n_chosen += len(rows)
        chosen.append(rows)
        gains.append(more)
    return np.concatenate(chosen), np.concatenate(gains)


def exchange(ridge, groups, free, chosen, n_sweeps, n_known=0):
    """Give up the rows that would be missed least and choose as many again, sweep by sweep.

    A sweep is of a fifth of the rows, in proportion to the groups; of half as many after a sweep
    that brought nothing.

    Parameters
    ----------
    ridge, groups, free : as in :func:`grow`
        As they are after it.
    chosen : ndarray of shape (B,), int64
        The rows that were added.
    n_sweeps : int
    n_known : int, default=0
        Rows in the regression besides, which stay.

    Returns
    -------
    ndarray of shape (B,), int64
        The best rows of all sweeps; of each group as many as before.
    """
    share, explained = _SHARE, ridge.explained()
    best = chosen
    if not free.any():  # there is nothing to exchange them for
        return best
    counts = np.bincount(groups[chosen], minlength=groups.max() + 1)
    for _ in range(n_sweeps):
        n_given_up = round(share * len(chosen))
        if n_given_up == 0:
            break
        quotas = allocate(counts, n_given_up)
        chosen = chosen[np.argsort(ridge.losses[chosen], kind="stable")]
        given_up = places(groups[chosen]) < quotas[groups[chosen]]
        rows, chosen = chosen[given_up], chosen[~given_up]
        ridge.remove(ridge.phi[rows], ridge.labels[rows])
        free[rows] = True
        rows, _ = grow(ridge, groups, free, quotas, n_known + len(chosen))
        chosen = np.concatenate([chosen, rows])
        now = ridge.explained()
        if now > explained:
            best, explained = chosen, now
        else:
            share /= 2
    return best


def _renew_where_wrong(ridge, n_chosen):
    """Have the gains computed afresh where their rounding errors have come to matter."""
    drift = ridge.drift()
    if np.isnan(drift):  # it would choose the first rows, and nobody would see it
        raise FloatingPointError(
            f"the gains of {np.isnan(ridge.gains).sum()} of {len(ridge.gains)} rows are NaN after "
            f"{n_chosen} rows were chosen: features or targets are too large for float32"
        )
    if drift > _MAX_DRIFT:
        ridge.renew()


def _shortlist(gains, groups, free, room):
    """Candidates of each group with the largest gains, four for each row there is room for."""
    rows = np.flatnonzero(free & (room[groups] > 0))
    rows = rows[np.argsort(-gains[rows], kind="stable")]
    return np.sort(rows[places(groups[rows]) < _SHORTLIST * room[groups[rows]]])
