"""A SubSelNet whose subsets take turns in each training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sklearn.base import BaseEstimator

from sksubsel.subselnet import SubSelNet

if TYPE_CHECKING:
    import numpy as np
    from typing_extensions import Self

__all__ = ["InTurns", "net_of"]


class InTurns(BaseEstimator):
    """Has a training see other rows in each epoch: K disjoint selections of a net take turns.

    For :func:`compare` and the searches, where a SubSelNet may stand.

    Parameters
    ----------
    net : SubSelNet
        Fitted.
    n_subsets : int, default=4
        K, at most as many as epochs are of use.

    Notes
    -----
    It selects with :meth:`SubSelNet.select_disjoint <sksubsel.SubSelNet.select_disjoint>` and
    trains with :class:`~sksubsel.baselines.adaptive.TurnsStrategy`.

    Examples
    --------
    >>> from sksubsel.benchmark import InTurns
    >>> selectors = {"SubSelNet": net, "SubSelNet, in turns": InTurns(net)}  # doctest: +SKIP
    """

    def __init__(self, net: SubSelNet, n_subsets: int = 4):
        self.net = net
        self.n_subsets = n_subsets

    @property
    def fit_times_(self) -> dict[str, float]:
        """Seconds of the net's fits."""
        return self.net.fit_times_

    def prepare(self, budget: int | float | None = None) -> Self:
        """Select now what all architectures share."""
        self.net.prepare(budget, self.n_subsets)
        return self

    def select(
        self, arch: Any, budget: int | float | None = None, random_state: Any = None
    ) -> np.ndarray:
        """Disjoint subsets for one architecture, int64 (K, B)."""
        return self.net.select_disjoint(arch, self.n_subsets, budget, random_state)


def net_of(selector: Any) -> SubSelNet | None:
    """The net that a selector selects with; None: it has none."""
    if isinstance(selector, InTurns):
        return selector.net
    return selector if isinstance(selector, SubSelNet) else None
