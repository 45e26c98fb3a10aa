"""Selection by design: the rows from which a network's answer can best be learned.

Rows S are chosen so that a kernel ridge regression fitted on their labels reproduces, on all
rows, the probabilities that the network would give when trained on all of them (see
:mod:`~sksubsel.samplers.ridge` for the error and its exact greedy step). The kernel is Gaussian,
by random Fourier features, over two blocks: the instances' features, and ``block_weight`` times
log-probabilities, each centred and scaled to mean squared row norm 1.

All of it but the target is about the instances alone, so it is prepared once and serves every
architecture: an architecture costs one product with the features and the greedy steps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import check_random_state, gen_batches

from sksubsel._blas import for_chunks, map_chunks, one_blas_thread
from sksubsel._validation import check_finite
from sksubsel.samplers.exchange import exchange, grow
from sksubsel.samplers.kernels import FourierFeatures, check_candidates, log_block, unit_block
from sksubsel.samplers.quotas import allocate, as_quotas, places
from sksubsel.samplers.ridge import GrowingRidge, row_chunks

__all__ = ["MIN_LAM", "Design", "DesignIndex", "balancing"]

MIN_LAM = 1e-4  # with less, what is left after downdating 1 / lam in float32 is rounding error

_MAX_CLASSES = 128  # of one regression; more are cut into blocks
_GRAM_ROWS = 8192  # whose products of features are summed as float32
_OVERSAMPLING = 2  # random features drawn for each principal component kept


class Design(NamedTuple):
    """What `DesignIndex.select` has chosen.

    Attributes
    ----------
    rows : int64 ndarray of shape (B,)
        In the order in which greedy chooses them, among themselves.
    gains : float64 ndarray of shape (B,)
        How much each lowered the error when it was chosen; the last ones may be negative.
    errors : float64 ndarray of shape (B,)
        Mean squared error of the regression after each; with more than 128 classes, of the
        regression of the row's own block of classes.
    """

    rows: np.ndarray
    gains: np.ndarray
    errors: np.ndarray


@dataclass
class _Pool:
    """Rows that may be chosen and are to be reproduced, and what the regression needs of them."""

    rows: np.ndarray  # (n,)
    basis: np.ndarray  # (random features, d)
    phi: np.ndarray | None  # (n, d); None in a pickle
    spectrum: np.ndarray  # (d,)
    start: Any  # what GrowingRidge.quadratics gives


class DesignIndex:
    """What selection by design needs of the instances alone, prepared once for all architectures.

    Parameters
    ----------
    features : array-like of shape (N, F)
    labels : int array-like of shape (N,), or float array-like of shape (N,) or (N, C)
        Classes, from 0; or values to regress on, best standardised.
    strata : int array-like of shape (N,) or None, default=None
        Groups, from 0, that quotas are for. None: the classes, or one group for values.
    proba : array-like of shape (N, C) or None, default=None
        Probabilities for the kernel's second block, such as the zoo's mean. None: features alone.
    block_weight : float, default=0.5
        Of the log-probabilities against the features.
    n_components : int, default=1024
        d, the principal components kept of twice as many random features.
    bandwidth : float, default=0.3
        Squared width of the kernel, in median squared distances.
    lam : float, default=1.0
        Ridge penalty, at least 1e-4, below which rounding decides; a row's features have norm 1.
    temperature : float, default=0.5
        Targets that are probabilities are sharpened, ``p ** (1 / temperature)``: the labels of the
        rows chosen are all the regression has, and what it must get right is the class.
    n_sweeps : int, default=4
        Sweeps of exchange after the greedy choice; 0: greedy alone.
    max_rows : int, default=65536
        Of N rows, or those of a block of classes, so many are drawn within the strata, as
        candidates and as targets. Of a stratum of which a budget needs more than half of those
        drawn, all are taken.
    random_state : int, RandomState instance or None, default=None

    Raises
    ------
    ValueError
        If a shape is wrong, a value is not finite or a parameter is out of its range.

    Notes
    -----
    Preparation takes time O(n d (d + F) + d^3), memory ``4 n d`` bytes and twice as much while it
    lasts, n being ``min(N, max_rows)``. More than 128 classes are cut into blocks of about equal
    size, each with a regression of its own, whose features are made anew for each selection:
    memory is that of one block.
    """

    @one_blas_thread()
    def __init__(
        self,
        features,
        labels,
        strata=None,
        *,
        proba=None,
        block_weight: float = 0.5,
        n_components: int = 1024,
        bandwidth: float = 0.3,
        lam: float = 1.0,
        temperature: float = 0.5,
        n_sweeps: int = 4,
        max_rows: int = 65536,
        random_state=None,
    ):
        features = np.asarray(features, dtype=np.float32)
        if features.ndim != 2 or len(features) == 0:
            raise ValueError(f"features must have shape (N, F), N >= 1; got {features.shape}")
        check_finite(features, "features")
        counts = ("n_components", n_components, 1), ("max_rows", max_rows, 1)
        for name, count, least in (*counts, ("n_sweeps", n_sweeps, 0)):
            if count < least:
                raise ValueError(f"{name} must be an int in [{least}, inf); got {count}")
        for name, value in (("bandwidth", bandwidth), ("temperature", temperature)):
            if not 0 < value < np.inf:
                raise ValueError(f"{name} must be a float in (0, inf); got {value}")
        for name, value, floor in (("lam", lam, MIN_LAM), ("block_weight", block_weight, 0.0)):
            if not floor <= value < np.inf:
                raise ValueError(f"{name} must be a float in [{floor}, inf); got {value}")
        self.n_samples, self.n_components = len(features), n_components
        self.lam, self.temperature = lam, temperature
        self.n_sweeps, self.max_rows = n_sweeps, max_rows
        self.labels = _check_labels(labels, self.n_samples)
        if strata is None:
            strata = self.labels if self.labels.ndim == 1 else np.zeros(self.n_samples, np.int64)
        self.strata = np.asarray(strata)
        if self.strata.shape != (self.n_samples,):
            raise ValueError(f"strata must have shape ({self.n_samples},); got {np.shape(strata)}")
        if self.strata.dtype.kind not in "iu" or self.strata.min() < 0:
            raise ValueError(f"strata must be int codes from 0; got dtype {self.strata.dtype}")
        self.inputs = unit_block(features)
        if proba is not None and block_weight > 0:
            logs = log_block(proba, self.n_samples, block_weight)
            self.inputs = np.concatenate([self.inputs, logs], axis=1)
        rng = check_random_state(random_state)
        n_features = _OVERSAMPLING * n_components
        self.fourier = FourierFeatures(self.inputs, n_features, bandwidth, rng)
        #: place of each row in a random order of its stratum: a pool is those that come first
        order = rng.permutation(self.n_samples)
        self._turn = np.empty(self.n_samples, dtype=np.int64)
        self._turn[order] = places(self.strata[order])
        n_classes = self.labels.max() + 1 if self.labels.ndim == 1 else 1
        #: first class of each block of classes, and the end of the last
        self._edges = np.linspace(0, n_classes, -(-n_classes // _MAX_CLASSES) + 1).astype(int)
        if len(self._edges) > 2:
            n_blocks = len(self._edges) - 1
            blocks = np.searchsorted(self._edges[1:-1], self.labels, side="right")
            # strata that come with more than one block
            strata = np.unique(self.strata * n_blocks + blocks) // n_blocks
            mixed = strata[1:][strata[1:] == strata[:-1]]
            if len(mixed):
                raise ValueError(
                    "strata must be the classes, or parts of them, where there are more than "
                    f"{_MAX_CLASSES} classes; stratum {mixed[0]} holds several"
                )
        self._pool_of_all: _Pool | None = None

    def __getstate__(self):
        # features are larger than all the rest and quick to compute again
        pool = self._pool_of_all
        return {**self.__dict__, "_pool_of_all": pool and replace(pool, phi=None)}

    @one_blas_thread()
    def prepare(self, budget: int, *, stratify: str | None = "proportional"):
        """Compute now, and not in the first selection, what selections of a budget share."""
        if len(self._edges) == 2:  # with blocks of classes it is made for each selection
            quotas = allocate(np.bincount(self.strata), int(budget), stratify or "proportional")
            self._pool(slice(None), quotas, np.ones(self.n_samples, dtype=bool))
        return self

    @one_blas_thread()
    def select(
        self,
        target,
        budget: int,
        *,
        stratify: str | None = "proportional",
        quotas=None,
        candidates=None,
        selected=None,
    ) -> Design:
        """Choose B rows from which one architecture's answer can be learned.

        Parameters
        ----------
        target : array-like of shape (N, C), or callable
            Its predicted probabilities (or values) for all instances; or
            ``target(rows) -> (n, C)``, which is asked for the rows drawn alone.
        budget : int
            B in [1, number of candidates].
        stratify : {"proportional", "equal"} or None, default="proportional"
            Quotas of the strata, counted among the candidates. None: the largest gain of all
            each time (blocks of classes, where there are several, keep their share). "equal" says
            that classes matter alike, and asks for the probabilities of a network to which they
            were equally frequent: those given over the classes' shares of the rows [1]_.
        quotas : array-like of shape (S,), int, or None, default=None
            In place of those that `stratify` gives.
        candidates : array-like of rows or None, default=None
            Rows that may be chosen. None: all.
        selected : array-like of rows or None, default=None
            Rows chosen before: the regression has them already, and they are no candidates.

        Returns
        -------
        Design

        Raises
        ------
        ValueError
            If `target` has a wrong shape or is not finite, `budget` exceeds the candidates, or
            `quotas` do not fit.

        Notes
        -----
        Time O(n d C) for the target and O(B (n d + d^2)) for the choice, n being the rows drawn,
        about as much again for two sweeps; memory O(n + d^2) beside what is prepared. See
        ``sksubsel.samplers.exchange`` for how rows are chosen.

        References
        ----------
        .. [1] A. K. Menon, S. Jayasumana, A. S. Rawat, H. Jain, A. Veit, S. Kumar, "Long-tail
           learning via logit adjustment", ICLR 2021.
        """
        if not callable(target):
            target = self._check_target(target)
        allowed, selected = check_candidates(self.n_samples, candidates, selected, budget)
        free = np.bincount(self.strata[allowed], minlength=self.strata.max() + 1)
        quotas = as_quotas(quotas, free, int(budget), stratify or "proportional")
        shares = None
        if stratify == "equal" and self.labels.ndim == 1:
            shares = np.bincount(self.labels)
        n_blocks = len(self._edges) - 1
        if n_blocks == 1:
            pool = self._pool(slice(None), quotas, allowed)
            groups = self.strata
            if stratify is None:
                groups, quotas = np.zeros_like(groups), np.array([budget])
            columns = slice(None)
            return self._design(
                pool, self.labels, target, shares, columns, groups, quotas, allowed, selected
            )
        designs = []
        for first, end in zip(self._edges[:-1], self._edges[1:]):
            inside = (self.labels >= first) & (self.labels < end)
            share = np.bincount(self.strata[inside], minlength=len(quotas)).astype(bool) * quotas
            if not share.any():
                continue
            pool = self._pool(inside, share, allowed)
            groups = self.strata
            if stratify is None:
                groups, share = np.zeros_like(groups), share.sum(keepdims=True)
            designs.append(
                self._design(
                    pool,
                    self.labels - first,
                    target,
                    shares,
                    slice(first, end),
                    groups,
                    share,
                    allowed & inside,
                    selected[inside[selected]],
                )
            )
        # blocks keep pace with one another, so that a head of the order has its share of each
        pace = [(np.arange(len(design.rows)) + 0.5) / len(design.rows) for design in designs]
        order = np.argsort(np.concatenate(pace), kind="stable")
        return Design(*(np.concatenate(parts)[order] for parts in zip(*designs)))

    def part(self, place: int, n_parts: int) -> np.ndarray:
        """One of so many parts to which the rows are dealt out at random.

        Parameters
        ----------
        place : int
            Which of them, from 0.
        n_parts : int
            At least 1.

        Returns
        -------
        int64 ndarray
            Ascending. The sizes of parts, and of each stratum in them, differ by one at most.
        """
        order = np.lexsort((self._turn, self.strata))
        return np.sort(order[place::n_parts])

    def _design(self, pool, labels, target, shares, columns, groups, quotas, allowed, selected):
        """Choice of ``quotas`` rows of each group from a pool."""
        if callable(target):
            target = self._check_target(target(pool.rows), len(pool.rows))
        else:
            target = target[pool.rows]
        target = self._sharpen(target.astype(np.float32), shares)[:, columns]
        cross = (pool.phi.T @ target).astype(np.float64) / len(target)
        error = np.einsum("nc,nc->", target, target, dtype=np.float64) / len(target)

        def regression(places):
            ridge = GrowingRidge(
                pool.phi if len(places) == len(pool.rows) else pool.phi[places],
                labels[pool.rows[places]],
                pool.spectrum,
                cross,
                self.lam,
                tuple(part[places] for part in pool.start),
            )
            if len(selected):
                ridge.add(self.fourier(self.inputs[selected]) @ pool.basis, labels[selected])
            return ridge

        places, groups, known = np.arange(len(pool.rows)), groups[pool.rows], len(selected)
        may = np.flatnonzero(allowed[pool.rows])
        if 2 * len(may) <= len(places):  # else a copy of most features is dearer than their gains
            places = may
        ridge, free = regression(places), allowed[pool.rows[places]]
        error -= ridge.explained()
        chosen, gains = grow(ridge, groups[places], free, quotas, known)
        if self.n_sweeps:
            chosen = exchange(ridge, groups[places], free, chosen, self.n_sweeps, known)
            # in the order in which greedy would have chosen them
            places = np.sort(places[chosen])
            chosen, gains = grow(
                regression(places), groups[places], np.ones(len(places), bool), quotas, known
            )
        return Design(pool.rows[places[chosen]], gains, error - np.cumsum(gains))

    def _pool(self, inside, quotas, allowed):
        """The pool for a block of classes; the last one of all classes is kept."""
        rows = np.arange(self.n_samples)[inside]
        if len(rows) > self.max_rows:
            share = self.max_rows / len(rows)
            counts = np.bincount(self.strata[rows])
            drawn = rows[self._turn[rows] < np.ceil(share * counts[self.strata[rows]])]
            room = np.bincount(self.strata[drawn[allowed[drawn]]], minlength=len(quotas))
            free = np.bincount(self.strata[rows[allowed[rows]]], minlength=len(quotas))
            short = room < np.minimum(2 * quotas, free)
            # and all that may be chosen of the strata of which too few were drawn
            rows = np.union1d(drawn, rows[allowed[rows] & short[self.strata[rows]]])
        if len(self._edges) > 2:
            return self._make_pool(rows)
        pool = self._pool_of_all
        if pool is None or not np.array_equal(pool.rows, rows):
            pool = self._make_pool(rows)
        elif pool.phi is None:  # first use since it was unpickled
            pool = replace(pool, phi=_project(self.fourier(self.inputs[rows]), pool.basis))
        self._pool_of_all = pool
        return pool

    def _make_pool(self, rows):
        phi = self.fourier(self.inputs[rows])
        basis = _principal(phi, self.n_components)
        phi = _project(phi, basis)
        spectrum = np.einsum("nd,nd->d", phi, phi, dtype=np.float64) / len(rows)
        return _Pool(rows, basis, phi, spectrum, GrowingRidge.quadratics(phi, spectrum))

    def _sharpen(self, proba, shares):
        """Probabilities with classes' `shares` taken out of them, to the power 1 / temperature."""
        as_given = shares is None or (len(shares) == proba.shape[1] and (shares == shares[0]).all())
        if (self.temperature == 1.0 and as_given) or self.labels.ndim == 2:
            return proba
        if not as_given:
            proba = proba * balancing(shares, proba.shape[1])
        largest = np.maximum(proba.max(axis=1, keepdims=True), np.float32(1e-12))
        proba = np.clip(proba / largest, 0.0, None) ** np.float32(1.0 / self.temperature)
        return proba / np.maximum(proba.sum(axis=1, keepdims=True), np.float32(1e-12))

    def _check_target(self, target, n_rows=None):
        target = np.asarray(target)  # as it is: it may be large, and only a part is needed
        if target.ndim == 1:
            target = target[:, None]
        n_rows = self.n_samples if n_rows is None else n_rows
        one_hot = self.labels.ndim == 1
        n_outputs = int(self.labels.max()) + 1 if one_hot else self.labels.shape[1]
        fits = target.shape[1] >= n_outputs if one_hot else target.shape[1] == n_outputs
        if len(target) != n_rows or not fits:
            raise ValueError(
                f"target must have shape (N={n_rows}, C={n_outputs}); got {target.shape}"
            )
        check_finite(target, "target")
        return target


def balancing(counts, n_classes):
    """Factors (C,) of probabilities that take the classes' shares of the rows out of them."""
    factors = np.zeros(n_classes, dtype=np.float32)  # a class without rows is not asked for
    known = np.flatnonzero(counts)
    factors[known] = counts.max() / counts[known]
    return factors


def _project(phi, basis):
    """``phi @ basis``, overwriting phi, for it is the largest array of all."""
    d = basis.shape[1]

    def of_chunk(part):
        phi[part, :d] = phi[part] @ basis

    for_chunks(of_chunk, row_chunks(phi))
    return np.ascontiguousarray(phi[:, :d])


def _principal(phi, n_components):
    """Leading principal axes (uncentred) of n rows of features: float32 (F, d), orthonormal.

    Time O(n F min(n, F) + min(n, F)^3).
    """
    n_rows, n_features = phi.shape
    n_components = min(n_components, n_rows)
    wide = n_rows < n_features
    if wide:
        gram = (phi @ phi.T).astype(np.float64)
    else:
        gram = np.zeros((n_features, n_features))
        chunks = list(gen_batches(n_rows, _GRAM_ROWS))
        for part in map_chunks(lambda rows: phi[rows].T @ phi[rows], chunks):
            gram += part
    values, vectors = np.linalg.eigh(gram)  # not scipy's, whose BLAS fights NumPy's for the cores
    values, vectors = values[-n_components:], vectors[:, -n_components:]
    if wide:  # from the left singular vectors to the right ones
        sizes = np.sqrt(np.maximum(values, 0.0))
        real = sizes > 1e-5 * sizes[-1]
        vectors = phi.T @ (vectors[:, real] / sizes[real])
    return vectors[:, ::-1].astype(np.float32)


def _check_labels(labels, n_samples):
    labels = np.asarray(labels)
    if len(labels) != n_samples or labels.ndim not in (1, 2):
        raise ValueError(f"labels must have shape (N={n_samples},) or (N, C); got {labels.shape}")
    if labels.dtype.kind in "iu":
        if labels.ndim != 1 or labels.min() < 0:
            raise ValueError("labels must be classes of shape (N,), from 0; got others")
        return labels.astype(np.int64)
    labels = labels.astype(np.float32).reshape(n_samples, -1)
    check_finite(labels, "labels")
    return labels
