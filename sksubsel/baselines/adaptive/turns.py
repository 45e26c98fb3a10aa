"""Subsets that were made before the training take turns in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sksubsel.baselines.adaptive.strategy import Selection, Strategy

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from sksubsel.baselines.adaptive.strategy import View

__all__ = ["TurnsStrategy"]


class TurnsStrategy(Strategy):
    """Each epoch is trained on the next of some subsets, the first again after the last.

    As in RS2 [1]_ a network sees other rows in each epoch, at no cost beyond that of the subsets;
    but here they are chosen, for example by
    :meth:`SubSelNet.select_disjoint <sksubsel.SubSelNet.select_disjoint>`.

    Parameters
    ----------
    subsets : array-like of shape (K, B), int
        Rows of the data trained on, in each subset distinct. B is to be the callback's budget.

    Notes
    -----
    Rows are those of the data as given to the training, which therefore must not hold out any to
    validate with (``early_stopping=True``, skorch's ``train_split``), or what is left would have
    other numbers: pass validation data of your own (skorch's ``predefined_split``) instead.

    A selection costs nothing; weights are one. By default one is made for every epoch.

    References
    ----------
    .. [1] P. Okanovic et al., "Repeated random sampling for minimizing the time-to-accuracy of
       learning", ICLR 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from sksubsel.baselines.adaptive import TurnsStrategy, View
    >>> rng, strategy = np.random.RandomState(0), TurnsStrategy([[0, 3], [1, 4]])
    >>> strategy.start(6, rng)
    >>> [strategy.select(View(6), 2, rng).rows.tolist() for _ in range(3)]
    [[0, 3], [1, 4], [0, 3]]
    """

    every = 1
    knows_rows = True

    def __init__(self, subsets: ArrayLike):
        self.subsets = subsets

    def start(self, n_samples: int, rng: np.random.RandomState) -> None:
        super().start(n_samples, rng)
        subsets = np.asarray(self.subsets)
        if subsets.ndim != 2 or 0 in subsets.shape or subsets.dtype.kind not in "iu":
            raise ValueError(
                f"subsets must be ints of shape (K, B), K and B at least 1; got {subsets.dtype} "
                f"{subsets.shape}"
            )
        if subsets.min() < 0 or subsets.max() >= n_samples:
            raise ValueError(
                f"subsets must have rows of the data trained on, in [0, {n_samples}); got some in "
                f"[{subsets.min()}, {subsets.max()}]"
            )
        if (np.diff(np.sort(subsets, axis=1), axis=1) == 0).any():
            raise ValueError("subsets must have distinct rows in each; got one with a row twice")
        self.subsets_ = subsets.astype(np.int64)
        self.turn_ = 0

    def select(self, view: View, budget: int, rng: np.random.RandomState) -> Selection:
        n_subsets, size = self.subsets_.shape
        if budget != size:
            raise ValueError(
                f"budget must be {size}, the rows of each of the subsets; got {budget}"
            )
        rows = self.subsets_[self.turn_ % n_subsets]
        self.turn_ += 1
        return Selection(rows, np.ones(size), np.zeros(size))
