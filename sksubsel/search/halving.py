"""Successive halving, by rows or by epochs."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from sksubsel.search.base import (
    COUNT,
    SHARED_ATTRIBUTES,
    SHARED_PARAMETERS,
    SHARED_SETTINGS,
    BaseSearch,
    check_size,
)

if TYPE_CHECKING:
    from pathlib import Path

    from sksubsel.spaces.base import SearchSpace

__all__ = ["HalvingSearch"]


class _Rung(NamedTuple):
    """One round of a successive halving."""

    n_archs: int
    budget: int | None
    params: tuple


class HalvingSearch(BaseSearch):  # noqa: D101 (below)
    __doc__ = f"""Successive halving: all architectures get a little, the better ones more.

    Each round trains those that are left from the beginning, with `factor` times as much of the
    resource as the last one, and keeps the best ``1 / factor`` of them. The last round has all of
    the resource.

    Parameters
    ----------
    {SHARED_PARAMETERS} With None,
        `resource` must be "epochs".
    budget : int or float, default=0.1
        Rows to select for a trial, of the last round if `resource` is "rows"; a count, or a
        fraction of those there are; of no account without a selector.
    n_candidates : int, default=27
        Architectures drawn at random, all distinct.
    factor : int, default=3
        eta, at least 2.
    resource : {{"rows", "epochs"}}, default="rows"
        What the first rounds have less of: rows, or epochs of the estimator's `max_epochs` (its
        `min_steps` shrink with them).
    n_rounds : int or None, default=None
        None: until fewer than `factor` are left. Fewer rounds begin with more of the resource.
    {SHARED_SETTINGS}

    Attributes
    ----------
    {SHARED_ATTRIBUTES}

    Notes
    -----
    ``results_`` has the column ``round``, from 0. The best one is of the last round. With n
    candidates, K rounds and r of the resource in all, round k trains
    ``max(1, n // factor**k)`` architectures on ``round(r / factor**(K - 1 - k))``.

    References
    ----------
    Jamieson, Talwalkar. Non-stochastic Best Arm Identification and Hyperparameter Optimization.
    AISTATS 2016.

    Examples
    --------
    >>> from sksubsel import ArchitectureClassifier
    >>> from sksubsel.baselines import Random
    >>> from sksubsel.datasets import load_digits_images
    >>> from sksubsel.search import HalvingSearch
    >>> from sksubsel.spaces import MLP
    >>> X, y = load_digits_images(return_X_y=True)
    >>> search = HalvingSearch(
    ...     MLP(depths=(1, 2), widths=(8, 64)), estimator=ArchitectureClassifier(max_epochs=2),
    ...     selector=Random(stratify="equal"), budget=0.2, n_candidates=4,
    ...     factor=2, random_state=0,
    ... ).fit(X[:500], y[:500])
    >>> search.results_.groupby("round").n_selected.agg(["count", "max"]).to_numpy()
    array([[ 4, 20],
           [ 2, 40],
           [ 1, 80]])
    """

    _parameter_constraints: dict = {
        **BaseSearch._parameter_constraints,
        "n_candidates": [COUNT],
        "factor": [Interval(Integral, 2, None, closed="left")],
        "resource": [StrOptions({"rows", "epochs"})],
        "n_rounds": [COUNT, None],
    }

    def __init__(
        self,
        space: SearchSpace,
        *,
        estimator: Any = None,
        selector: Any = None,
        budget: int | float = 0.1,
        n_candidates: int = 27,
        factor: int = 3,
        resource: str = "rows",
        n_rounds: int | None = None,
        validation_fraction: float = 0.2,
        refit: bool = True,
        store: str | Path | None = None,
        on_error: str = "raise",
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ):
        self.space = space
        self.estimator = estimator
        self.selector = selector
        self.budget = budget
        self.n_candidates = n_candidates
        self.factor = factor
        self.resource = resource
        self.n_rounds = n_rounds
        self.validation_fraction = validation_fraction
        self.refit = refit
        self.store = store
        self.on_error = on_error
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def _plan(self, trainer, selector, budget):
        check_size(self.space, "n_candidates", self.n_candidates)
        if self.resource == "rows" and selector is None:
            raise ValueError(
                'selector must be given for resource="rows", such as Random(stratify="equal"); '
                'got None (resource="epochs" halves on all instances)'
            )
        n_rounds = 1
        while self.n_candidates >= self.factor**n_rounds:
            n_rounds += 1
        if self.n_rounds is not None:
            if self.n_rounds > n_rounds:
                raise ValueError(
                    f"n_rounds must be at most {n_rounds} for n_candidates={self.n_candidates} and "
                    f"factor={self.factor}; got {self.n_rounds}"
                )
            n_rounds = self.n_rounds
        recipe = trainer.estimator_.get_params(deep=False)
        whole = budget if self.resource == "rows" else recipe["max_epochs"]
        shares = [self.factor ** (n_rounds - 1 - k) for k in range(n_rounds)]
        if whole < shares[0]:
            what = "budget" if self.resource == "rows" else "max_epochs of the estimator"
            raise ValueError(
                f"{what} must be at least {shares[0]} for {n_rounds} rounds with "
                f"factor={self.factor}, so that the first has one; got {whole}"
            )
        counts = [max(1, self.n_candidates // self.factor**k) for k in range(n_rounds)]
        if self.resource == "rows":
            return [_Rung(n, round(whole / share), ()) for n, share in zip(counts, shares)]
        return [
            _Rung(n, budget, (
                ("max_epochs", round(whole / share)),
                ("min_steps", round(recipe["min_steps"] / share)),
            ))
            for n, share in zip(counts, shares)
        ]  # fmt: skip

    def _n_trials(self, plan):
        return sum(rung.n_archs for rung in plan)

    def _search(self, plan, rng):
        archs = self.space.sample(self.n_candidates, rng)
        scores = np.zeros(len(archs))
        for k, rung in enumerate(plan):
            best = np.argsort(-scores, kind="stable")[: rung.n_archs]  # NaN comes last
            archs = [archs[i] for i in np.sort(best)]
            scores = self._try(archs, rung.budget, rung.params, round=[k] * len(archs))

    def _last(self, results):
        return results[results["round"] == results["round"].max()]
