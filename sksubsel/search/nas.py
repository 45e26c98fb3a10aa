"""Random search and evolution, each trial a training on a subset."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sksubsel.architectures import Architecture
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

__all__ = ["EvolutionSearch", "RandomSearch"]

_BUDGET = """budget : int or float, default=0.1
        Rows to select for a trial, a count or a fraction of those there are; of no account
        without a selector, and for a callable what it is told."""


class RandomSearch(BaseSearch):  # noqa: D101 (below)
    __doc__ = f"""Search among architectures drawn at random.

    Parameters
    ----------
    {SHARED_PARAMETERS}
    {_BUDGET}
    n_trials : int, default=20
        Architectures drawn, all distinct.
    {SHARED_SETTINGS}

    Attributes
    ----------
    {SHARED_ATTRIBUTES}

    References
    ----------
    Li, Talwalkar. Random Search and Reproducibility for Neural Architecture Search. UAI 2019.

    Examples
    --------
    >>> from sksubsel import ArchitectureClassifier
    >>> from sksubsel.baselines import Random
    >>> from sksubsel.datasets import load_digits_images
    >>> from sksubsel.search import RandomSearch
    >>> from sksubsel.spaces import MLP
    >>> X, y = load_digits_images(return_X_y=True)
    >>> search = RandomSearch(
    ...     MLP(depths=(1, 2), widths=(8, 64)), estimator=ArchitectureClassifier(max_epochs=2),
    ...     selector=Random(stratify="equal"), budget=0.2, n_trials=3, random_state=0,
    ... ).fit(X[:500], y[:500])
    >>> search.results_.n_selected.tolist()
    [80, 80, 80]
    >>> search.predict(X[500:]).shape
    (1297,)
    """

    _parameter_constraints: dict = {**BaseSearch._parameter_constraints, "n_trials": [COUNT]}

    def __init__(
        self,
        space: SearchSpace,
        *,
        estimator: Any = None,
        selector: Any = None,
        budget: int | float = 0.1,
        n_trials: int = 20,
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
        self.n_trials = n_trials
        self.validation_fraction = validation_fraction
        self.refit = refit
        self.store = store
        self.on_error = on_error
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def _plan(self, trainer, selector, budget):
        check_size(self.space, "n_trials", self.n_trials)
        return budget

    def _n_trials(self, plan):
        return self.n_trials

    def _search(self, budget, rng):
        self._try(self.space.sample(self.n_trials, rng), budget)


class _Member(NamedTuple):
    """One of a population."""

    arch: Architecture
    score: float  # -inf where it could not be trained
    trial: int  # its row in `results_`


class EvolutionSearch(BaseSearch):  # noqa: D101 (below)
    __doc__ = f"""Regularised evolution: the best of a few mutates, the oldest dies.

    Parameters
    ----------
    {SHARED_PARAMETERS}
    {_BUDGET}
    n_trials : int, default=50
        Architectures tried, those of the first population among them.
    population_size : int, default=20
        P, drawn at random, and kept up by removing the oldest.
    tournament_size : int, default=5
        S, members drawn (one may be drawn twice) for a child, the best of which is its parent.
    n_children : int, default=2
        Children made from the same state of the population, and trained side by side. The
        population then takes them up in the order in which they were made. 1 is the published
        algorithm; the trials depend on this number, and not on `n_jobs`, of which more than this
        are of use for the first population alone.
    {SHARED_SETTINGS}

    Attributes
    ----------
    {SHARED_ATTRIBUTES}

    Notes
    -----
    ``results_`` has the column ``parent``, the row of a child's parent, -1 in the first
    population. An architecture that comes up again counts as a trial, but is not trained again.

    References
    ----------
    Real, Aggarwal, Huang, Le. Regularized Evolution for Image Classifier Architecture Search.
    AAAI 2019.

    Examples
    --------
    >>> from sksubsel import ArchitectureClassifier
    >>> from sksubsel.baselines import Random
    >>> from sksubsel.datasets import load_digits_images
    >>> from sksubsel.search import EvolutionSearch
    >>> from sksubsel.spaces import MLP
    >>> X, y = load_digits_images(return_X_y=True)
    >>> search = EvolutionSearch(
    ...     MLP(depths=(1, 2), widths=(8, 64)), estimator=ArchitectureClassifier(max_epochs=2),
    ...     selector=Random(stratify="equal"), budget=0.2, n_trials=5,
    ...     population_size=3, tournament_size=2, random_state=0,
    ... ).fit(X[:500], y[:500])
    >>> search.results_.parent.tolist()[:3]
    [-1, -1, -1]
    """

    _parameter_constraints: dict = {
        **BaseSearch._parameter_constraints,
        "n_trials": [COUNT],
        "population_size": [COUNT],
        "tournament_size": [COUNT],
        "n_children": [COUNT],
    }

    def __init__(
        self,
        space: SearchSpace,
        *,
        estimator: Any = None,
        selector: Any = None,
        budget: int | float = 0.1,
        n_trials: int = 50,
        population_size: int = 20,
        tournament_size: int = 5,
        n_children: int = 2,
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
        self.n_trials = n_trials
        self.population_size = population_size
        self.tournament_size = tournament_size
        self.n_children = n_children
        self.validation_fraction = validation_fraction
        self.refit = refit
        self.store = store
        self.on_error = on_error
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def _plan(self, trainer, selector, budget):
        check_size(self.space, "population_size", min(self.population_size, self.n_trials))
        return budget

    def _n_trials(self, plan):
        return self.n_trials

    def _search(self, budget, rng):
        population: deque[_Member] = deque(maxlen=self.population_size)  # the oldest falls out
        first = self.space.sample(min(self.population_size, self.n_trials), rng)
        self._grow(population, first, [-1] * len(first), budget)
        while len(self._rows) < self.n_trials:
            n_children = min(self.n_children, self.n_trials - len(self._rows))
            parents = [self._parent(population, rng) for _ in range(n_children)]
            children = [self.space.mutate(parent.arch, rng) for parent in parents]
            self._grow(population, children, [parent.trial for parent in parents], budget)

    def _parent(self, population, rng):
        drawn = rng.randint(len(population), size=self.tournament_size)
        return max((population[k] for k in drawn), key=lambda member: member.score)

    def _grow(self, population, archs, parents, budget):
        start = len(self._rows)
        scores = self._try(archs, budget, parent=parents)
        scores = np.where(np.isnan(scores), -np.inf, scores)
        population.extend(map(_Member, archs, scores.tolist(), range(start, len(self._rows))))
