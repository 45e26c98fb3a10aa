"""What the submodular selectors share: classes and quotas, optimisers, what is given already."""

from __future__ import annotations

from abc import abstractmethod
from numbers import Integral, Real

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight

from sksubsel.base import BaseSelector
from sksubsel.baselines.k_center import check_rows
from sksubsel.baselines.submodular.optimizers import naive, partition, stochastic
from sksubsel.samplers.facility import lazy
from sksubsel.samplers.quotas import allocate, make_strata, most_of_each, rows_of_each

MAX_DENSE_ROWS = 20_000


class SubmodularSelector(BaseSelector):
    """Greedy maximisation of a submodular function of the selected rows, overall or by class.

    A child implements `_open` (the data of one class) and `_objective` (the function on some of
    its rows), and may bound its memory in `_check_size`.
    """

    _parameter_constraints: dict = {
        **BaseSelector._parameter_constraints,
        "stratify": [StrOptions({"proportional", "equal"}), None],
        "optimizer": [StrOptions({"lazy", "naive", "stochastic", "partition"})],
        "epsilon": [Interval(Real, 0, 1, closed="neither")],
        "n_partitions": [Interval(Integral, 1, None, closed="left"), None],
        "initial_subset": ["array-like", None],
        "memory_limit": [Interval(Real, 0, None, closed="neither"), None],
        "random_state": ["random_state"],
    }

    def _instances(self, X):
        """Instances as `_open` wants them, once all else was checked."""
        return X

    @abstractmethod
    def _open(self, X, rows, n_wanted):
        """Data of the rows of one class, for `_objective`; rows is None for all of them."""

    @abstractmethod
    def _objective(self, data, candidates, references, weights):
        """The function on candidates, to cover references: both int arrays, or None for all."""

    def _check_size(self, X, sizes, wanted):
        """Raise MemoryError where a class of such sizes does not fit."""

    def _represent(self, X, members, selected, initial, sample_weight):
        """Find out which row stands for which, where a child wants to know."""

    def _requires_y(self):
        return self.stratify is not None

    def _by_class(self):
        return self.stratify is not None

    def _rank(self, X, y, budget, sample_weight=None):
        n_samples = X.shape[0]
        initial = check_rows(self.initial_subset, n_samples)
        if budget > n_samples - len(initial):
            raise ValueError(
                f"budget must be at most {n_samples - len(initial)}, the number of instances that "
                f"are not in initial_subset; got {budget}"
            )
        if sample_weight is not None:
            sample_weight = _check_sample_weight(
                sample_weight, X, dtype=np.float64, ensure_non_negative=True
            )
            if not sample_weight.any():
                raise ValueError("sample_weight must have at least one non-zero number")
        X = self._instances(X)
        self._limit = budget
        members = self._split(y, n_samples)
        allowed = np.isin(np.arange(n_samples), initial, invert=True)
        self._counts = np.array([allowed[rows].sum() for rows in members])
        wanted = self._most_of_each(budget)
        self._check_size(X, np.array([len(rows) for rows in members]), wanted)

        rng = check_random_state(self.random_state)
        self._rng = rng
        self._orders: list[np.ndarray] = []
        gains: list[np.ndarray] = []
        for rows, n_wanted in zip(members, wanted):
            n_before = sum(map(len, gains))
            at_least = -np.inf  # below this a row cannot be among the B largest gains
            if self.stratify is None and n_before >= budget:
                at_least = np.sort(np.concatenate(gains))[n_before - budget]
            positions, values = self._maximize(
                self._open(X, None if len(rows) == n_samples else rows, int(n_wanted)),
                int(n_wanted),
                allowed[rows],
                None if sample_weight is None else sample_weight[rows],
                rng,
                at_least,
            )
            self._orders.append(rows[positions])
            gains.append(values)
        del self._rng
        ranking, values = np.concatenate(self._orders), np.concatenate(gains)
        if len(members) > 1:
            # By gain, without breaking the order within a class where gains rise.
            keys = np.concatenate([np.minimum.accumulate(part) for part in gains])
            best = np.argsort(-keys, kind="stable")
            best = best[:budget] if self.stratify is None else best
            ranking, values = ranking[best], values[best]
        scores = np.full(n_samples, np.nan)
        scores[ranking] = values
        self.gains_ = values
        self._represent(X, members, self._head(ranking, budget), initial, sample_weight)
        return ranking, scores

    def _select(self, budget):
        self._check_ranked(budget, self._limit)
        return self._head(self.ranking_, budget)

    def _head(self, ranking, budget):
        if self.stratify is None:
            return np.sort(ranking[:budget])
        quotas = allocate(self._counts, budget, self.stratify)
        return np.sort(np.concatenate([o[:n] for o, n in zip(self._orders, quotas)]))

    def _split(self, y, n_samples):
        """Rows of each class, ascending; all rows where classes play no part."""
        if not self._by_class():
            return [np.arange(n_samples)]
        return rows_of_each(make_strata(y, self.task_))

    def _most_of_each(self, budget):
        """The most rows that a budget up to `budget` can ask of each class: int64 (C,)."""
        if self.stratify is None:
            return np.minimum(self._counts, budget)
        return most_of_each(self._counts, budget, self.stratify)

    def _maximize(self, data, n_wanted, allowed, weights, rng, at_least):
        """Positions and gains of the greedy choice in one class."""
        if n_wanted == 0:
            return np.empty(0, dtype=np.int64), np.empty(0)
        taken = ~allowed
        if self.optimizer == "partition":

            def make(candidates, references):
                return self._objective(data, candidates, references, weights)

            n_partitions, n_references = self._partitions(len(allowed), n_wanted)
            return partition(make, n_wanted, allowed, taken, n_partitions, n_references, rng)
        objective = self._objective(data, None, None, weights)
        for position in np.flatnonzero(taken):
            objective.add(position)
        if self.optimizer == "naive":
            return naive(objective, n_wanted, allowed)
        if self.optimizer == "stochastic":
            return stochastic(objective, n_wanted, allowed, self.epsilon, rng)
        return lazy(objective, n_wanted, allowed, at_least)

    def _partitions(self, n_rows, n_wanted):
        """Number of parts, and of reference rows of the second round, that fit in memory."""
        limit = np.inf if self.memory_limit is None else self.memory_limit
        n_partitions = self.n_partitions
        if n_partitions is None:
            n_partitions = max(2, int(np.ceil(n_rows / np.sqrt(limit / 4))))
            n_partitions = max(n_partitions, -(-n_rows // MAX_DENSE_ROWS))
        n_partitions = min(n_partitions, n_rows)
        n_part = -(-n_rows // n_partitions)
        n_union = min(n_rows, n_partitions * min(n_wanted, n_part))
        n_references = int(min(n_rows, MAX_DENSE_ROWS, limit / 4 / n_union))
        return n_partitions, n_references
