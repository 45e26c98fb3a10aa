"""RS2: a new random subset every epoch, until all rows had their turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sksubsel.baselines.adaptive.strategy import Selection, Strategy

if TYPE_CHECKING:
    from sksubsel.baselines.adaptive.strategy import View

__all__ = ["RS2Strategy"]


class RS2Strategy(Strategy):
    """Repeated sampling of random subsets, without replacement [1]_.

    The rows are put in random order, and each selection takes the next B of them. When all had
    their turn they are put in a new order; a selection at the seam takes what is left and goes on
    with the new cycle, of whose rows those are passed over for later that it holds already. So
    each row is selected exactly once in each cycle.

    Notes
    -----
    Time and memory O(N) for a cycle; no gradients are computed. Weights are one. By default a
    selection is made for every epoch.

    Use it first: where full training would take T epochs, RS2 over T epochs is training on all
    rows for ``T B / N`` epochs, and few methods that look at gradients beat it. It needs all of
    the data at hand, other than a fixed subset.

    References
    ----------
    .. [1] P. Okanovic, R. Waleffe, V. Mageirakos, K. E. Nikolakakis, A. Karbasi, D. Kalogerias,
       N. M. Guerel, T. Rekatsinas, "Repeated random sampling for minimizing the time-to-accuracy
       of learning", ICLR 2024, Algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> from sksubsel.baselines.adaptive import RS2Strategy, View
    >>> rng, strategy = np.random.RandomState(0), RS2Strategy()
    >>> strategy.start(6, rng)
    >>> first, second = (strategy.select(View(6), 3, rng).rows for _ in range(2))
    >>> sorted(np.concatenate([first, second]).tolist())
    [0, 1, 2, 3, 4, 5]
    """

    every = 1

    def start(self, n_samples: int, rng: np.random.RandomState) -> None:
        super().start(n_samples, rng)
        self.order_ = rng.permutation(n_samples)

    def select(self, view: View, budget: int, rng: np.random.RandomState) -> Selection:
        rows = self.order_[:budget]
        self.order_ = self.order_[budget:]
        if len(rows) < budget:
            order = rng.permutation(view.n_samples)
            head = order[~np.isin(order, rows)][: budget - len(rows)]
            self.order_ = order[~np.isin(order, head)]
            rows = np.concatenate([rows, head])
        return Selection(rows.astype(np.int64), np.ones(budget), np.zeros(budget))
