"""What a `SubsetSelector` does by design: one design for all architectures, or one for each."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score, balanced_accuracy_score
from sklearn.utils import gen_batches

from sksubsel._validation import check_budget, check_trained
from sksubsel.predictions import ArrayPredictions
from sksubsel.samplers.design import DesignIndex, balancing
from sksubsel.samplers.out_of_fold import out_of_fold

__all__ = ["DesignSelection"]

_MAX_LOG_CLASSES = 128  # beyond, a design's kernel is of the features alone: N x C may be large
_MANY = 4  # rows chosen for each component of the kernel, from which a second opinion counts
_WORTH = 0.02  # of the labels that it must set right in order to count for fewer rows, too
_NOISY = 0.05  # of the surest rows' labels; where more are wrong, it is to set right so many:
_WORTH_IN_NOISE = 0.005
_LEAST_SURE = 100  # rows
_MAX_JUDGED_CLASSES = 128  # that a small network is asked about
_AT_ONCE = 65536  # rows


class DesignSelection:
    """Part of `SubsetSelector`: its attributes are the selector's."""

    mode: str
    budget: int | float
    hybrid_fraction: float
    stratify: str | None
    oof_weight: Any
    task_: str
    y_: np.ndarray
    features_: np.ndarray
    strata_: np.ndarray
    prepare: Callable
    n_samples_: int
    n_outputs_: int
    seed_: int
    _quotas: Callable
    _labels: Callable
    _standardised: Callable
    design_: DesignIndex | None
    oof_gain_: float | None
    label_noise_: float | None
    _mean: np.ndarray | None

    def _fit_design(self, predictions, zoo, budget):
        """Prepare the design's instance part, and the design that the zoo's mean asks for."""
        classes = self.task_ == "classification"
        use_log = classes and self.n_outputs_ <= _MAX_LOG_CLASSES
        self._mean, self._all_shared = None, predictions.same_for_all
        keep_mean = self.mode != "transductive" or self._all_shared
        if keep_mean or use_log:
            # of what was trained: over predictions for all that is known it is no better, and dear
            check_trained(zoo)
            trained = ArrayPredictions(zoo.predictions_)
            self._mean = np.concatenate([part.mean(axis=0) for _, part in trained.chunks()])
        self.design_ = DesignIndex(
            self.features_,
            self.y_ if classes else self._labels(),
            self.strata_,
            proba=self._mean if use_log else None,
            random_state=self.seed_,
        )
        self._shared: dict[int, np.ndarray] = {}
        self._of_parts: dict[tuple, np.ndarray] = {}  # or of other quotas; not in saved nets
        self._oof: np.ndarray | None = None
        if self.oof_weight == "auto" and self._has_judges:
            self.oof_gain_, self.label_noise_ = self._gain_and_noise()
            if self._oof_weight(self.n_samples_) == 0:
                self._oof = None  # (N, C) that no number of rows has use for
        self.prepare(budget)
        if not keep_mean:
            self._mean = None  # (N, C) that nothing needs any more

    @contextmanager
    def _as_fitted(self):
        """Forget designs that were made since `fit`, so that they are made anew; then know all."""
        if self.design_ is None:
            yield
            return
        shared, of_parts = self._shared, self._of_parts
        in_fit = self._n_shared(check_budget(self.budget, self.n_samples_))
        self._shared, self._of_parts = {n: shared[n] for n in shared if n == in_fit}, {}
        try:
            yield
        finally:
            self._shared, self._of_parts = shared | self._shared, of_parts | self._of_parts

    def _by_design(self, predictions, budget, part=None):
        """Rows of a design, ascending: shared ones first, then those for this architecture."""
        n_shared = self._n_shared(budget)
        first = self._shared_design(budget, part)
        if n_shared == budget:
            return np.sort(first)
        assert self.design_ is not None  # as `diversity` says
        weight = self._oof_weight(self._whole(n_shared) if n_shared else budget)
        _, quotas = self._quotas(n_shared, budget, part)
        rows = self.design_.select(
            lambda rows: self._target(predictions.rows(rows)[0], weight, rows),
            budget - n_shared,
            stratify=self.stratify,
            quotas=quotas,
            candidates=self._rows_of(part),
            selected=first,
        ).rows
        return np.sort(np.concatenate([first, rows]))

    def _shared_design(self, budget, part=None):
        """The shared rows: the design for the zoo's mean, kept for each size asked for."""
        n_shared = self._n_shared(budget)
        if n_shared == 0:
            return np.empty(0, dtype=np.int64)
        quotas, _ = self._quotas(n_shared, budget, part)
        kept: dict[Any, np.ndarray] = self._shared if part is None else self._of_parts
        key: Any = n_shared if part is None else (n_shared, *part)
        if quotas is not None:
            kept, key = self._of_parts, (key, tuple(quotas))
        if key not in kept:
            assert self.design_ is not None  # as `diversity` says
            mean, weight = self._mean, self._oof_weight(self._whole(n_shared))
            assert mean is not None  # as the mode says
            design = self.design_.select(
                lambda rows: self._target(mean[rows], weight, rows),
                n_shared,
                stratify=self.stratify,
                quotas=quotas,
                candidates=self._rows_of(part),
            )
            kept[key] = design.rows
        return kept[key]

    def _whole(self, n_shared):
        """Rows of the subset of which so many are shared, the same for all that share them."""
        if self._all_shared or self.mode != "hybrid":
            return n_shared
        return round(n_shared / self.hybrid_fraction)

    def _target(self, outputs, weight, rows):
        """What a design has to reproduce on some rows: predictions, and a second opinion."""
        outputs = self._standardised(outputs)
        if weight == 0:
            return outputs
        return (1 - weight) * outputs + weight * self._out_of_fold()[rows]

    def _oof_weight(self, budget):
        """Weight of the out-of-fold network in a subset of so many rows."""
        if self.oof_weight != "auto":
            return float(self.oof_weight)
        if not self._has_judges:
            return 0.0
        gain = self.oof_gain_  # unknown of nets saved before it was measured
        for_many = self._many(budget) and (gain is None or gain > 0)
        return 0.5 if for_many or self._in_doubt else 0.0

    @property
    def _has_judges(self):
        """Whether a small network is asked about the labels at all."""
        return self.task_ == "classification" and self.n_outputs_ <= _MAX_JUDGED_CLASSES

    def _many(self, n_rows):
        """Whether so many rows teach the regression little more."""
        assert self.design_ is not None  # as `diversity` says
        return n_rows >= _MANY * self.design_.n_components

    @property
    def _in_doubt(self):
        """Whether labels are so much in doubt that a second judge counts for few rows, too."""
        noisy = (self.label_noise_ or 0.0) > _NOISY
        return (self.oof_gain_ or 0.0) > (_WORTH_IN_NOISE if noisy else _WORTH)

    @property
    def _second_opinion(self):
        """For a digest, what tells its designs from those made before the gain was measured."""
        if self.oof_weight != "auto" or self.oof_gain_ is None:
            return ()
        if self._in_doubt:
            return ("in doubt",)
        never = self.oof_gain_ <= 0 and self._many(self.n_samples_)
        return ("one judge",) if never else ()

    def _gain_and_noise(self):
        """`oof_gain_` and `label_noise_`."""
        y, n_classes = self.y_, self.n_outputs_
        score, factors = accuracy_score, np.float32(1)
        if self.stratify == "equal":
            score = balanced_accuracy_score
            factors = balancing(np.bincount(y, minlength=n_classes), n_classes)
        alone = score(y, _most_probable([self._mean], factors)[0])
        if alone == 1:
            return 0.0, None
        both, sureness = _most_probable([self._mean, self._out_of_fold()], factors)
        n_surest = max(len(y) // 10, min(len(y), _LEAST_SURE))
        surest = np.argpartition(sureness, -n_surest)[-n_surest:]
        noise = np.mean(both[surest] != y[surest])
        return float(score(y, both) - alone), float(noise)

    def _out_of_fold(self):
        """What a network says of rows that it has not seen, as `_standardised` gives it."""
        if self._oof is None:
            classes = self.task_ == "classification"
            self._oof = out_of_fold(
                self.features_,
                self.y_ if classes else self._standardised(self.y_),
                self.n_outputs_ if classes else None,
                seed=self.seed_,
            )
        return self._oof

    def _parts(self, n_subsets):
        """The k-th of K parts for each k, as `_by_design` takes them; None: all rows, undivided."""
        return [None] if n_subsets is None else [(k, n_subsets) for k in range(n_subsets)]

    def _rows_of(self, part):
        """Rows of the k-th of K parts; None: no other than all."""
        assert self.design_ is not None  # as `diversity` says
        return None if part is None else self.design_.part(*part)

    def _n_shared(self, budget):
        if self._all_shared:  # a design of its own would be the same for each architecture
            return budget
        share = {"transductive": 0.0, "inductive": 1.0, "hybrid": self.hybrid_fraction}
        return round(share[self.mode] * budget)


def _most_probable(judges, factors):
    """The class that all judges, (N, C) each, together hold for most probable, and how probable.

    `factors`, (C,), take the classes' frequencies out of what they say, as a design does.
    """
    n_rows = len(judges[0])
    classes, largest = np.empty(n_rows, dtype=np.int64), np.empty(n_rows, dtype=np.float32)
    for part in gen_batches(n_rows, _AT_ONCE):
        proba = sum(judge[part] for judge in judges) * factors
        classes[part] = proba.argmax(axis=1)
        largest[part] = proba.max(axis=1) / np.maximum(proba.sum(axis=1), np.float32(1e-12))
    return classes, largest
