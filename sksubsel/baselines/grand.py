"""GraNd: the length of the last layer's gradient early in training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sksubsel.baselines.score_base import BaseScoreSelector, document

if TYPE_CHECKING:
    import numpy as np

__all__ = ["GraNd"]


@document
class GraNd(BaseScoreSelector):
    """Instances with the longest last-layer gradients early in training.

    ``||p - onehot(y)|| ||[h, 1]||``, h the input of the last linear layer, after a few epochs
    (Paul, Ganguli and Dziugaite, *Deep Learning on a Data Diet*, NeurIPS 2021; of the last layer
    after five epochs as in the paper's comparison, D.2). `estimator` must end in a
    `torch.nn.Linear`, and `dynamics` hold the feature norms.

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

    Time: one training of a small network, O(N log N) besides; memory O(N C).

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sksubsel.baselines import GraNd
    >>> X, y = load_iris(return_X_y=True)
    >>> GraNd(10, max_epochs=2, random_state=0).fit(X, y).sample_indices_.shape
    (10,)
    """

    def __init__(
        self,
        budget: int | float = 0.1,
        *,
        stratify: str | None = None,
        estimator: Any = None,
        max_epochs: int | None = 5,
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
        return "grand", {}
