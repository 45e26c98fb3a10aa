"""Coverage-centric coreset selection."""

from __future__ import annotations

from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from sklearn.utils._param_validation import Interval, StrOptions

from sksubsel.baselines.score_base import BaseScoreSelector, document
from sksubsel.baselines.scores.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

__all__ = ["CCS"]


@document
class CCS(BaseScoreSelector):
    """Instances drawn evenly from all difficulties but the hardest.

    Zheng et al., *Coverage-centric Coreset Selection for High Pruning Rates*, ICLR 2023: the
    hardest share is cut off, what is left is cut into strata of equal width in the score, and the
    budget is spread evenly over them; see :func:`~sksubsel.baselines.sampling.ccs`.

    Parameters
    ----------
    budget : int or float, default=0.1
        How many instances to select: an int is a count, a float in (0, 1] a fraction.
    score_func : str, default="aum"
        Difficulty, by a name that ScoreSelector knows. "aum" is here, as the authors take it, the
        margin of probabilities, in [-1, 1]; that of logits, which :class:`AUM` takes, comes by
        ``ScoreSelector(score_func="aum", sampler="ccs")``.
    cutoff : float, default=0.3
        Share of the hardest rows left out, in [0, 1). The authors tune it: for CIFAR-10 0 at half
        the data, 0.1 at 20 to 30 %, 0.3 at 10 %; more where labels are wrong.
    n_strata : int, default=50
        Strata of equal width.
    {parameters}

    Attributes
    ----------
    {attributes}

    Notes
    -----
    One of the few ways by score that are meant for a tenth of the data and less. With `stratify`
    the cut-off and the strata are those of each class.

    Time: one training of a small network, O(T N C + N log N) besides; memory O(T N C) in `fit`.

    Examples
    --------
    >>> from sksubsel.baselines import CCS
    >>> proba = [
    ...     [[0.5, 0.5], [0.6, 0.4], [0.4, 0.6], [0.5, 0.5]],
    ...     [[0.7, 0.3], [0.3, 0.7], [0.3, 0.7], [0.6, 0.4]],
    ...     [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.9, 0.1]],
    ... ]  # of four rows, after each of three epochs
    >>> X, y = [[0], [1], [2], [3]], [0, 1, 0, 0]
    >>> CCS(2, cutoff=0.25, n_strata=2, random_state=0).fit(X, y, proba=proba).sample_indices_
    array([0, 3])
    """

    _parameter_constraints: dict = {
        **BaseScoreSelector._parameter_constraints,
        "score_func": [StrOptions(set(RULES))],
        "cutoff": [Interval(Real, 0, 1, closed="left")],
        "n_strata": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        budget: int | float = 0.1,
        *,
        score_func: str | Callable[..., Any] = "aum",
        cutoff: float = 0.3,
        n_strata: int = 50,
        stratify: str | None = None,
        estimator: Any = None,
        max_epochs: int | None = None,
        n_repeats: int = 1,
        random_state: int | np.random.RandomState | None = None,
    ):
        self.budget = budget
        self.score_func = score_func
        self.cutoff = cutoff
        self.n_strata = n_strata
        self.stratify = stratify
        self.estimator = estimator
        self.max_epochs = max_epochs
        self.n_repeats = n_repeats
        self.random_state = random_state

    def _scorer(self):
        return self.score_func, {"of": "probabilities"} if self.score_func == "aum" else {}

    def _sampler(self):
        return "ccs", {"cutoff": self.cutoff, "n_strata": self.n_strata}
