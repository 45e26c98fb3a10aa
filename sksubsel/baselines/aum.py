"""Area under the margin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sksubsel.baselines.score_base import BaseScoreSelector, document

if TYPE_CHECKING:
    import numpy as np

__all__ = ["AUM"]


@document
class AUM(BaseScoreSelector):
    """Instances with the smallest mean margins: hard or mislabelled ones.

    The mean over epochs of the label's logit less the largest other one (Pleiss et al.,
    *Identifying Mislabeled Data using the Area Under the Margin Ranking*, NeurIPS 2020). Small
    margins come first, as in comparisons of pruning methods. To clean data, which is what Pleiss
    et al. do, keep the other end: ``ScoreSelector(score_func="aum", sampler="bottom")``.

    Parameters
    ----------
    budget : int or float, default=0.1
        How many instances to select: an int is a count, a float in (0, 1] a fraction.
    {parameters}

    Attributes
    ----------
    {attributes}

    Notes
    -----
    Hard rows first and no strata: at budgets of a tenth and less far worse than a random choice,
    and attracted by wrong labels. Good for dropping the easy tenth or quarter of clean data; for
    less, put the same score under CCS or D2Pruning. Where all labels are equal, ties go to the
    lower index.

    Time: one training of a small network, O(T N C + N log N) besides; memory O(T N C) in `fit`.

    Examples
    --------
    >>> from sksubsel.baselines import AUM
    >>> proba = [
    ...     [[0.5, 0.5], [0.6, 0.4], [0.4, 0.6], [0.5, 0.5]],
    ...     [[0.7, 0.3], [0.3, 0.7], [0.3, 0.7], [0.6, 0.4]],
    ...     [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.9, 0.1]],
    ... ]  # of four rows, after each of three epochs
    >>> X, y = [[0], [1], [2], [3]], [0, 1, 0, 0]
    >>> AUM(2).fit(X, y, proba=proba).sample_indices_
    array([1, 2])
    """

    def __init__(
        self,
        budget: int | float = 0.1,
        *,
        stratify: str | None = None,
        estimator: Any = None,
        max_epochs: int | None = None,
        n_repeats: int = 1,
        random_state: int | np.random.RandomState | None = None,
    ):
        self.budget = budget
        self.stratify = stratify
        self.estimator = estimator
        self.max_epochs = max_epochs
        self.n_repeats = n_repeats
        self.random_state = random_state

    def _scorer(self):
        return "aum", {}
