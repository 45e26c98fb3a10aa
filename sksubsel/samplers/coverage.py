"""Facility location in each class, with the losses as demand (paper, Eq. 1).

Rows S are chosen greedily to maximise ``sum_c sum_{j in c} d_j max_{i in S and c} k(i, j)``: each
instance j asks, in proportion to its demand d_j (``exp(-l_j / T)`` of its predicted loss), for a
selected row of its own class that is like it. The kernel k is Gaussian at the median distance
within the class, over two blocks: the instances' features, and ``block_weight`` times the log of
the probabilities predicted for this architecture, each centred and scaled to mean squared row norm
1 (unit RMS). Greedy is within 1 - 1/e of the best (Nemhauser, Wolsey and Fisher, 1978); it is done
lazily (Minoux, 1978), with gains that are out of date re-evaluated a batch at a time.
"""

from __future__ import annotations

import numpy as np
from sklearn.utils import check_random_state

from sksubsel._validation import check_finite
from sksubsel.samplers.facility import add_distances, chunks, lazy_greedy
from sksubsel.samplers.kernels import check_candidates, log_block, unit_block
from sksubsel.samplers.quotas import as_quotas, rows_of_each
from sksubsel.samplers.transductive import check_strata

__all__ = ["CoverageIndex", "coverage"]


class CoverageIndex:
    """What coverage needs of the instances alone, prepared once for all architectures.

    Parameters
    ----------
    features : array-like of shape (N, F)
    strata : array-like of shape (N,), int, or None, default=None
        Codes of the classes, from 0. None: one class.
    max_reference : int, default=4096
        A larger class is represented by so many of its rows, drawn at random, with equal weights
        that keep the class's total.
    cache_bytes : int, default=2**28
        Squared feature distances, ``4 sum_c n_c min(n_c, max_reference)`` bytes, are kept if they
        fit and otherwise computed again for each architecture.
    random_state : int, RandomState instance or None, default=None
        Seed of the reference rows.

    Notes
    -----
    Time O(sum_c n_c r_c F) with ``r_c = min(n_c, max_reference)``, memory O(N F + cache_bytes).

    Raises
    ------
    ValueError
        If features are not finite or shapes disagree.
    """

    def __init__(
        self,
        features,
        strata=None,
        *,
        max_reference: int = 4096,
        cache_bytes: int = 2**28,
        random_state=None,
    ):
        features = np.asarray(features, dtype=np.float32)
        if features.ndim != 2 or len(features) == 0:
            raise ValueError(f"features must have shape (N, F), N >= 1; got {features.shape}")
        check_finite(features, "features")
        if max_reference < 1:
            raise ValueError(f"max_reference must be an int in [1, inf); got {max_reference}")
        self.n_samples = len(features)
        if strata is None:
            strata = np.zeros(self.n_samples, dtype=np.int64)
        groups = check_strata(strata, "equal", self.n_samples)
        assert groups is not None  # None only where nothing is stratified
        self.strata = groups
        rng = check_random_state(random_state)
        counts = np.bincount(self.strata)
        #: rows of each class, ascending, and positions within them of the reference rows
        self.members = rows_of_each(self.strata)
        self.references = [
            np.arange(n)
            if n <= max_reference
            else np.sort(rng.choice(n, max_reference, replace=False))
            for n in counts
        ]
        self.features = unit_block(features)
        n_cells = sum(len(m) * len(r) for m, r in zip(self.members, self.references))
        self._keep = 4 * n_cells <= cache_bytes
        self._distances = self._all_distances() if self._keep else None

    def __getstate__(self):
        # distances are larger than all the rest and quick to compute again
        return {**self.__dict__, "_distances": None}

    def select(
        self,
        demand,
        budget: int,
        *,
        stratify: str | None = "proportional",
        quotas=None,
        proba=None,
        block_weight: float = 0.5,
        candidates=None,
        selected=None,
    ):
        """Choose B rows that cover the demand of one architecture.

        Parameters
        ----------
        demand : array-like of shape (N,)
            At least 0 and finite; only ratios matter to the choice.
        budget : int
            B in [1, number of candidates].
        stratify : {"proportional", "equal"} or None, default="proportional"
            Quotas of the classes, counted among the candidates. None: the largest gain of all
            classes each time.
        quotas : array-like of shape (S,), int, or None, default=None
            In place of those that `stratify` gives; not used without it.
        proba : array-like of shape (N, C) or None, default=None
            Probabilities predicted for this architecture, clipped at 1e-6. None: features alone.
        block_weight : float, default=0.5
            Of the log-probabilities against the features.
        candidates : array-like of rows or None, default=None
            Rows that may be chosen. None: all.
        selected : array-like of rows or None, default=None
            Rows chosen before: they count as covering, and are no candidates.

        Returns
        -------
        rows : ndarray of shape (B,), int64
            Ascending, distinct.
        gains : ndarray of shape (B,), float64
            How much each row added when it was chosen; ``np.argsort(-gains, kind="stable")`` is
            the greedy order within each class (and over all, with ``stratify=None``).

        Raises
        ------
        ValueError
            If `demand` or `proba` is negative or not finite, a shape is wrong, `budget`
            exceeds the candidates, or `quotas` do not fit.

        Notes
        -----
        Time O(sum_c n_c r_c (C + 1)) for the kernels (F + C if distances were not kept), and
        O(B b max_c r_c) for the greedy choice, b (tens) being the gains re-evaluated for one
        choice. Memory: the kernel of one class at a time, ``4 n_c r_c`` bytes float32, and a
        chunk of 16 MB; never N x N.
        """
        demand = self._check_demand(demand)
        allowed, selected = check_candidates(self.n_samples, candidates, selected, budget)
        log_proba = None if proba is None else log_block(proba, self.n_samples, block_weight)
        free = np.bincount(self.strata[allowed], minlength=len(self.members))
        quotas = None if stratify is None else as_quotas(quotas, free, budget, stratify)
        taken = np.zeros(self.n_samples, dtype=bool)
        taken[selected] = True
        scale = float(demand.max()) or 1.0
        all_rows: list[np.ndarray] = []
        all_gains: list[np.ndarray] = []
        for c, members in enumerate(self.members):
            n_wanted = min(free[c], budget) if quotas is None else quotas[c]
            if n_wanted == 0:
                continue
            at_least = -np.inf  # below this a row cannot be among the B largest gains
            if quotas is None and sum(len(gains) for gains in all_gains) >= budget:
                at_least = -np.partition(-np.concatenate(all_gains), budget - 1)[budget - 1]
            references = self.references[c]
            weights = (demand[members[references]] / scale).astype(np.float32)
            positions, gains = lazy_greedy(
                self._kernel(c, log_proba),
                weights * np.float32(len(members) / len(references)),
                int(n_wanted),
                allowed[members],
                taken[members],
                at_least,
            )
            all_rows.append(members[positions])
            all_gains.append(gains)
        rows, gains = np.concatenate(all_rows), np.concatenate(all_gains)
        if quotas is None:
            best = np.argsort(-gains, kind="stable")[:budget]
            rows, gains = rows[best], gains[best]
        order = np.argsort(rows)
        return rows[order].astype(np.int64), gains[order] * scale

    def _kernel(self, c, log_proba):
        """Likeness of the members of class c (rows) and its references (columns), float32."""
        members, references = self.members[c], self.references[c]
        if self._keep:
            if self._distances is None:  # first use since it was unpickled
                self._distances = self._all_distances()
            kernel = self._distances[c].copy()
        else:
            kernel = self._feature_distances(c)
        if log_proba is not None:
            block = log_proba[members]
            add_distances(kernel, block, block[references])
        step = max(1, kernel.shape[0] // 512), max(1, kernel.shape[1] // 512)
        bandwidth = float(np.median(kernel[:: step[0], :: step[1]])) or 1.0
        for rows in chunks(*kernel.shape):
            kernel[rows] *= np.float32(-0.5 / bandwidth)
            np.exp(kernel[rows], out=kernel[rows])
        return kernel

    def _feature_distances(self, c):
        block = self.features[self.members[c]]
        return add_distances(None, block, block[self.references[c]])

    def _all_distances(self):
        return [self._feature_distances(c) for c in range(len(self.members))]

    def _check_demand(self, demand):
        demand = np.asarray(demand, dtype=np.float64)
        if demand.shape != (self.n_samples,):
            raise ValueError(f"demand must have shape ({self.n_samples},); got {demand.shape}")
        check_finite(demand, "demand")
        if demand.min() < 0:
            raise ValueError(f"demand must be at least 0; got {demand.min()}")
        return demand


def coverage(
    features,
    demand,
    budget: int,
    strata=None,
    stratify: str | None = "proportional",
    *,
    proba=None,
    block_weight: float = 0.5,
    max_reference: int = 4096,
    random_state=None,
):
    """Rows that cover the demand within their classes, for one architecture.

    The same as :class:`CoverageIndex` and its `select`, which say what the parameters are and
    serve many architectures at less cost. Without `strata` there is one class.

    Returns
    -------
    rows : ndarray of shape (B,), int64
        Ascending, distinct.
    gains : ndarray of shape (B,), float64

    Notes
    -----
    Time O(sum_c n_c r_c (F + C) + B b max_c r_c), ``r_c = min(n_c, max_reference)``; memory
    ``4 n_c r_c`` bytes for the kernel of the largest class.
    """
    index = CoverageIndex(
        features, strata, max_reference=max_reference, cache_bytes=0, random_state=random_state
    )
    return index.select(demand, budget, stratify=stratify, proba=proba, block_weight=block_weight)
