"""A SubSelNet whose subsets take turns in each training."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, Any

from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from sksubsel._validation import check_budget
from sksubsel.subselnet import SubSelNet

if TYPE_CHECKING:
    import numpy as np
    from typing_extensions import Self

__all__ = ["InTurns", "check_turns", "net_of"]


class InTurns(BaseEstimator):
    """Has a training see other rows in each epoch: K disjoint selections of a net take turns.

    For :func:`compare` and the searches, where a SubSelNet may stand.

    Parameters
    ----------
    net : SubSelNet
        Fitted.
    n_subsets : int, default=4
        K; where a budget leaves rows for fewer, as many as there are rows for. More than there are
        epochs are of no use.

    Notes
    -----
    It selects with :meth:`SubSelNet.select_disjoint <sksubsel.SubSelNet.select_disjoint>` and
    trains as :meth:`ModelZoo.train <sksubsel.ModelZoo.train>` does on what that gives, and so not
    where the recipe holds out rows of those trained on (``early_stopping=True``). A budget is that
    of each subset: over a training up to K times as many rows are seen.

    Examples
    --------
    >>> from sksubsel.benchmark import InTurns
    >>> selectors = {"SubSelNet": net, "SubSelNet, in turns": InTurns(net)}  # doctest: +SKIP
    """

    _parameter_constraints: dict = {
        "net": [SubSelNet],
        "n_subsets": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, net: SubSelNet, n_subsets: int = 4):
        self.net = net
        self.n_subsets = n_subsets

    @property
    def fit_times_(self) -> dict[str, float]:
        """Seconds of the net's fits."""
        return self.net.fit_times_

    def prepare(self, budget: int | float | None = None) -> Self:
        """Select now what all architectures share."""
        self.net.prepare(budget, self._n_subsets(budget))
        return self

    def select(
        self, arch: Any, budget: int | float | None = None, random_state: Any = None
    ) -> np.ndarray:
        """Disjoint subsets for one architecture, int64 (K, B)."""
        return self.net.select_disjoint(arch, self._n_subsets(budget), budget, random_state)

    def _n_subsets(self, budget):
        check_is_fitted(self.net)
        given = self.net.selector_.budget if budget is None else budget
        return min(self.n_subsets, self.net.n_samples_ // check_budget(given, self.net.n_samples_))


def check_turns(selector: InTurns, estimator: Any) -> None:
    """Check an InTurns, and that a recipe lets it be.

    Raises
    ------
    ValueError
        If a parameter is wrong, or the recipe holds out rows, among which others have its numbers.
    """
    selector._validate_params()
    if getattr(estimator, "early_stopping", False):
        raise ValueError(
            "InTurns needs a recipe with early_stopping=False, which trains on all rows given and "
            "so knows them by their numbers; got early_stopping=True"
        )


def net_of(selector: Any) -> SubSelNet | None:
    """The net that a selector selects with; None: it has none."""
    if isinstance(selector, InTurns):
        return selector.net
    return selector if isinstance(selector, SubSelNet) else None
