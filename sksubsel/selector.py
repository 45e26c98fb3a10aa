"""Predictions to a subset: the third part of SubSelNet."""

from __future__ import annotations

from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from sksubsel._selector_design import DesignSelection
from sksubsel._validation import check_budget, check_device, fit_context
from sksubsel.features import InstanceFeatures
from sksubsel.predictions import as_predictions, check_instances_of_fit, fit_features
from sksubsel.samplers.coverage import CoverageIndex
from sksubsel.samplers.inductive import InductiveScorer
from sksubsel.samplers.objective import cross_entropy, squared_error
from sksubsel.samplers.poisson import conditional_poisson
from sksubsel.samplers.quotas import allocate, make_strata
from sksubsel.samplers.transductive import gumbel_top, solve_exact, solve_gradient, top
from sksubsel.scoring import probe_score, train_score

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from typing_extensions import Self

    from sksubsel.predictions import Predictions
    from sksubsel.zoo import ModelZoo

_DRAWS = {"sample": gumbel_top, "poisson": conditional_poisson}


class SubsetSelector(DesignSelection, TransformerMixin, BaseEstimator):
    """Chooses B training instances for an architecture from its predicted outputs.

    By default the rows from whose labels the architecture's answer can best be learned (ours,
    ``diversity="design"``). With ``diversity="entropy"``, the paper's own choice: low predicted
    loss, but diverse, which minimises the expected loss of the selected instances minus `lam`
    times the entropy of the sampling distribution (paper, Eq. 2-3).

    Parameters
    ----------
    mode : {"transductive", "inductive", "hybrid"}, default="inductive"
        Solve for each architecture (Eq. 9); score with a network trained once (Eq. 10), or by
        "design" share one subset among all architectures; or take the first ``hybrid_fraction *
        B`` by the second and the rest by the first (Fig. 4).
    budget : int or float, default=0.1
        B, a count, or a fraction of the N instances.
    lam : float, default=0.5
        Not used by "design". Weight of the entropy, in nats of loss: the sampling weights are
        ``exp(-loss / lam)``. 0 takes the smallest losses; the larger, the nearer to uniform
        sampling.
    beta : float, default=1.0
        Not used by "design". Weight of the regulariser that keeps the scores' sum at B (inductive
        and ``solver="gradient"``).
    hybrid_fraction : float, default=0.5
    solver : {"exact", "gradient"}, default="exact"
        The closed form, or the paper's Adam on the scores.
    diversity : {"design", "entropy", "coverage"}, default="design"
        "design" chooses the rows from whose labels a ridge regression can best learn the
        predictions (:class:`~sksubsel.samplers.design.DesignIndex`), with no use for `lam`, `beta`
        and `sampling`; its inductive part is one design for the zoo's mean predictions, shared by
        all architectures and made once for each budget (for the constructor's, in `fit`). Where
        the approximator found nothing better than the zoo's mean, every mode takes that design.
        "entropy" draws from the sampling distribution; "coverage" has its weights as demand and
        greedily chooses the rows that cover it best (facility location, per class).
    sampling : {"sample", "top", "poisson"}, default="sample"
        Successive draws (Gumbel-top-B, the paper's Eq. 8), the B largest weights, or the exact
        conditional Poisson draw. Of "entropy" alone.
    stratify : {"proportional", "equal"} or None, default="proportional"
        Quota of each class (of ten quantile bins for continuous labels). With "equal" a design
        reproduces what would be predicted if classes were equally frequent.
    oof_weight : float in [0, 1] or "auto", default="auto"
        Of "design" alone. Weight, beside the predictions, of what a small network on `features`
        says of rows that it was not trained on, in what a design reproduces. "auto", in
        classification with at most 128 classes: 0.5 where both together know the labels better
        than the predictions alone: by more than two points (`oof_gain_` above 0.02), by more than
        half a point where more than 5 % of the labels seem wrong (`label_noise_`), or by anything
        where the subset has at least 4,096 rows (four for each of the kernel's 1,024 components;
        in turns, each subset); else 0. The network's predictions, float32 (N, C), are kept where
        some number of rows has use for them.
    features : transformer or None, default=None
        From X to (N, F), fitted with the labels. None takes those that come with the predictions,
        or :class:`~sksubsel.features.InstanceFeatures`.
    scoring : {"probe", "train"}, default="probe"
        What `score` does: a kernel ridge probe fitted on the selected rows and judged on the
        rest, or the architecture itself trained on them.
    score_archs : int, default=3
        At most so many architectures are scored.
    max_epochs, batch_size, lr : int or None, int, float
        Of the inductive scorer's training (instances per step; Adam).
    device : str, default="cpu"
    random_state : int, RandomState instance or None, default=None
        Drawn upon once, in `fit`. All architectures share the sampling noise, so that their
        subsets differ only where their predictions do, and a selection does not depend on what
        was selected before.
    verbose : int, default=0

    Attributes
    ----------
    features_ : ndarray of shape (N, F), float32 or float16
    strata_ : ndarray of shape (N,), int64
    scorer_ : InductiveScorer or None
        None in transductive mode, and by design.
    history_ : list of dict
        ``train_loss`` and ``dur`` of each epoch of the scorer's training; empty without a scorer.
    n_samples_, n_outputs_ : int
        N and C.
    oof_gain_ : float or None
        Share of the labels that are the most probable class by the zoo's mean and the network of
        `oof_weight` together, less the same share by the zoo's mean alone; with
        ``stratify="equal"`` means over the classes, whose frequencies are taken out of the
        probabilities first. 0, and the network is not asked, where the zoo is right on all labels.
        None with a number as `oof_weight`, in regression, with more than 128 classes, without a
        design, and in nets saved before it was measured, which have a second judge from 4,096 rows
        on.
    label_noise_ : float or None
        Share of the labels that are not the most probable class by both judges together, in the
        tenth of the rows (at least 100) of which these are surest: about the share of wrong labels,
        but more where the judges err on what they are sure of. None where `oof_gain_` is None, for
        a zoo that is right on all labels, and in nets saved before it was measured.

    Notes
    -----
    Per architecture O(N C) for the losses and O(N log N) for a draw; coverage takes
    O(sum_c n_c min(n_c, 4096) F) more, design O(N d (C + B) + B d^2) with d = 1024. With
    ``oof_weight="auto"``, in classification with at most 128 classes, the fit trains its network on
    three folds, O(n (F + C)) for each of 15 epochs or more, n = min(N, 65,536), and asks it about
    all rows. After setting parameters, fit again: designs that were made are kept.

    References
    ----------
    Jain et al., NeurIPS 2023, sections 3.2 and 4.3.

    Examples
    --------
    >>> from sksubsel import ArchitectureClassifier, ModelZoo, SubsetSelector
    >>> from sksubsel.datasets import load_digits_images
    >>> from sksubsel.spaces import MLP
    >>> X, y = load_digits_images(return_X_y=True)
    >>> archs = MLP(depths=(1, 2), widths=(8, 16)).sample(3, random_state=0)
    >>> recipe = ArchitectureClassifier(max_epochs=2)
    >>> zoo = ModelZoo(recipe, random_state=0).fit(archs, X[:200], y[:200])
    >>> selector = SubsetSelector("transductive", diversity="entropy", budget=20)
    >>> selector = selector.fit(zoo.predictions_, zoo)
    >>> selector.transform(zoo.predictions_).shape
    (3, 20)
    """

    _parameter_constraints: dict = {
        "mode": [StrOptions({"transductive", "inductive", "hybrid"})],
        "budget": [
            Interval(Integral, 1, None, closed="left"),
            Interval(Real, 0, 1, closed="right"),
        ],
        "lam": [Interval(Real, 0, None, closed="left")],
        "beta": [Interval(Real, 0, None, closed="left")],
        "hybrid_fraction": [Interval(Real, 0, 1, closed="both")],
        "solver": [StrOptions({"exact", "gradient"})],
        "diversity": [StrOptions({"design", "entropy", "coverage"})],
        "sampling": [StrOptions({"sample", "top", "poisson"})],
        "stratify": [StrOptions({"proportional", "equal"}), None],
        "oof_weight": [Interval(Real, 0, 1, closed="both"), StrOptions({"auto"})],
        "features": [HasMethods(["fit", "transform"]), None],
        "scoring": [StrOptions({"probe", "train"})],
        "score_archs": [Interval(Integral, 1, None, closed="left")],
        "max_epochs": [Interval(Integral, 1, None, closed="left"), None],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "device": [str, torch.device],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        mode: str = "inductive",
        *,
        budget: int | float = 0.1,
        lam: float = 0.5,
        beta: float = 1.0,
        hybrid_fraction: float = 0.5,
        solver: str = "exact",
        diversity: str = "design",
        sampling: str = "sample",
        stratify: str | None = "proportional",
        oof_weight: float | str = "auto",
        features: Any = None,
        scoring: str = "probe",
        score_archs: int = 3,
        max_epochs: int | None = None,
        batch_size: int = 1024,
        lr: float = 1e-2,
        device: str | torch.device = "cpu",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ):
        self.mode = mode
        self.budget = budget
        self.lam = lam
        self.beta = beta
        self.hybrid_fraction = hybrid_fraction
        self.solver = solver
        self.diversity = diversity
        self.sampling = sampling
        self.stratify = stratify
        self.oof_weight = oof_weight
        self.features = features
        self.scoring = scoring
        self.score_archs = score_archs
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, predictions: Predictions | ArrayLike, zoo: ModelZoo) -> Self:
        """Prepare what depends on the instances alone; in inductive mode, train the scorer.

        Parameters
        ----------
        predictions : Predictions, or float array of shape (A, N, C)
            For the zoo's architectures. The inductive and hybrid modes need a Predictions, but for
            "design", which in inductive mode selects by the zoo's own.
        zoo : ModelZoo

        Returns
        -------
        self
        """
        device = check_device(self.device)
        n_outputs = len(zoo.classes_) if zoo.task_ == "classification" else None
        predictions = as_predictions(predictions, len(zoo.y_), n_outputs, zoo.task_)
        budget = check_budget(self.budget, len(zoo.y_))
        _check_same_architectures(predictions, zoo)
        needs_entropy = self.mode != "transductive" or self.solver == "gradient"
        if needs_entropy and self.diversity != "design" and self.lam == 0:
            raise ValueError(
                "lam must be positive in the inductive and hybrid modes, and for "
                "solver='gradient'; got 0"
            )
        self.task_, self.y_ = zoo.task_, zoo.y_
        self.n_samples_, self.n_outputs_ = predictions.shape[1:]
        self.seed_ = int(check_random_state(self.random_state).randint(2**31 - 1))
        self.strata_ = make_strata(self.y_, self.task_)
        self.features_ = self._fit_features(predictions, zoo)
        self.coverage_ = None
        if self.diversity == "coverage":
            self.coverage_ = CoverageIndex(self.features_, self.strata_, random_state=self.seed_)
        self.design_ = self.oof_gain_ = self.label_noise_ = None
        if self.diversity == "design":
            self._fit_design(predictions, zoo, budget)
        self.scorer_ = None
        if self.mode != "transductive" and self.diversity != "design":
            if predictions.embeddings is None:
                raise ValueError(
                    f"mode={self.mode!r} needs the architectures' embeddings beside their "
                    "predictions; pass what ModelApproximator.transform returns, not an array"
                )
            self.scorer_ = InductiveScorer(
                self.lam,
                self.beta,
                max_epochs=self.max_epochs,
                batch_size=self.batch_size,
                lr=self.lr,
                device=device,
                seed=self.seed_,
                verbose=self.verbose,
            ).fit(predictions, self.features_, self._labels(), self._losses, budget)
        return self

    @property
    def history_(self) -> list[dict]:
        """What each epoch of the scorer's training recorded; empty without a scorer."""
        check_is_fitted(self)
        return [] if self.scorer_ is None else self.scorer_.history

    def prepare(self, budget: int | float | None = None, n_subsets: int | None = None) -> Self:
        """Compute now, and not in the next `select`, what all architectures share.

        Parameters
        ----------
        budget : int, float or None
            None: that of the constructor.
        n_subsets : int or None, default=None
            Prepare for `select_disjoint` with so many, not for `select`.

        Returns
        -------
        self
        """
        check_is_fitted(self)
        budget = check_budget(self.budget if budget is None else budget, self.n_samples_)
        n_subsets = None if n_subsets is None else self._check_subsets(n_subsets, budget)
        if self.design_ is not None:
            if n_subsets is None:
                self.design_.prepare(budget, stratify=self.stratify)
            n_shared = self._n_shared(budget)
            if n_shared < budget and self._oof_weight(budget) > 0:
                self._out_of_fold()
            for part in self._parts(n_subsets):
                self._shared_design(budget, part)
        return self

    def select(
        self,
        predictions: Predictions | ArrayLike,
        budget: int | float | None = None,
        random_state: int | np.random.Generator | None = None,
    ) -> np.ndarray:
        """Rows to train one architecture on.

        Parameters
        ----------
        predictions : Predictions of one architecture, or float array (N, C) or (1, N, C)
        budget : int, float or None
            None: that of the constructor.
        random_state : int, Generator or None
            Fresh sampling noise instead of that fixed in `fit`; a design has none.

        Returns
        -------
        ndarray of shape (B,), int64
            Ascending.
        """
        check_is_fitted(self)
        predictions = self._check_one(predictions)
        budget = check_budget(self.budget if budget is None else budget, self.n_samples_)
        rng = np.random.default_rng(self.seed_ if random_state is None else random_state)
        if self.diversity == "design":
            return self._by_design(predictions, budget)
        if self.mode != "hybrid":
            return self._draw(
                self._log_weights(predictions, self.mode, budget), predictions, budget, rng
            )
        n_first = round(self.hybrid_fraction * budget)
        quotas, rest = self._quotas(n_first, budget)
        first = np.empty(0, dtype=np.int64)
        if n_first:
            log_weights = self._log_weights(predictions, "inductive", budget)
            first = self._sample(log_weights, n_first, rng, self.strata_, quotas)
        if n_first == budget:
            return first
        log_weights = self._log_weights(predictions, "transductive", budget)
        second = self._draw(log_weights, predictions, budget - n_first, rng, first, rest)
        return np.sort(np.concatenate([first, second]))

    def select_disjoint(
        self,
        predictions: Predictions | ArrayLike,
        n_subsets: int,
        budget: int | float | None = None,
        random_state: int | np.random.Generator | None = None,
    ) -> np.ndarray:
        """Subsets with no row in common, for a training in which they take turns.

        Other rows in each epoch teach more than the same ones again and cost no more to train on:
        see :class:`~sksubsel.baselines.adaptive.TurnsStrategy`. "design" makes a design of each of
        `n_subsets` random parts of the rows; otherwise one selection is dealt out at random.

        Parameters
        ----------
        predictions : Predictions of one architecture, or float array (N, C) or (1, N, C)
        n_subsets : int
            K.
        budget : int, float or None
            B, of each subset. None: that of the constructor.
        random_state : int, Generator or None
            As in `select`.

        Returns
        -------
        ndarray of shape (K, B), int64
            Each ascending.

        Raises
        ------
        ValueError
            If `n_subsets` is no int of at least 1, or K subsets of B rows are more than there are.

        Notes
        -----
        A design of a part takes as long as a K-th of the rows would. Where there are more rows
        than :class:`~sksubsel.samplers.design.DesignIndex` looks at, ``max_rows``, each part has to
        be prepared anew.
        """
        check_is_fitted(self)
        predictions = self._check_one(predictions)
        budget = check_budget(self.budget if budget is None else budget, self.n_samples_)
        n_subsets = self._check_subsets(n_subsets, budget)
        if self.diversity == "design":
            parts = self._parts(n_subsets)
            return np.stack([self._by_design(predictions, budget, part) for part in parts])
        rng = np.random.default_rng(self.seed_ if random_state is None else random_state)
        rows = self.select(predictions, n_subsets * budget, rng)
        rows = rows[np.lexsort((rng.random(len(rows)), self.strata_[rows]))]
        return np.sort(rows.reshape(budget, n_subsets).T, axis=1)

    def is_shared(self, budget: int | float | None = None) -> bool:
        """Whether all architectures get the same rows: a design made for the zoo's mean."""
        check_is_fitted(self)
        budget = check_budget(self.budget if budget is None else budget, self.n_samples_)
        return self.design_ is not None and self._n_shared(budget) == budget

    def transform(self, predictions: Predictions | ArrayLike) -> np.ndarray:
        """Rows for each architecture, int64 (A, B), ascending along the second axis."""
        check_is_fitted(self)
        predictions = self._check(predictions)
        return np.stack([self.select(predictions[a]) for a in range(len(predictions))])

    def sampling_proba(self, predictions: Predictions | ArrayLike) -> np.ndarray:
        """Probability of each instance to be drawn first, (A, N); each row sums to 1.

        Quotas are left out of account, and so is what makes "coverage" diverse. A design draws
        nothing: what is given for it is what "entropy" would draw by.
        """
        check_is_fitted(self)
        predictions = self._check(predictions)
        budget = check_budget(self.budget, self.n_samples_)
        mode = "transductive" if self.scorer_ is None else "inductive"
        log_weights = np.stack(
            [self._log_weights(predictions[a], mode, budget) for a in range(len(predictions))]
        )
        weights = np.exp(log_weights - log_weights.max(axis=1, keepdims=True))
        return weights / weights.sum(axis=1, keepdims=True)

    def score(self, predictions: Predictions | ArrayLike, zoo: ModelZoo) -> float:
        """How well what is selected trains, comparable across `lam`, `beta`, modes and solvers.

        Parameters
        ----------
        predictions : Predictions or array (A, N, C)
            For the zoo's architectures, best of ones not seen in `fit`.
        zoo : ModelZoo
            Over the instances of `fit`.

        Returns
        -------
        float
            Mean accuracy (R^2 for regression) over at most `score_archs` architectures.
        """
        check_is_fitted(self)
        predictions = self._check(predictions)
        _check_same_architectures(predictions, zoo)
        check_instances_of_fit(zoo, self.y_)
        n_scored = min(self.score_archs, len(predictions))
        if self.scoring == "probe" and self.is_shared():  # it would be the same for each
            n_scored = 1
        chosen = np.linspace(0, len(predictions) - 1, n_scored).round().astype(int)
        scores = []
        for a in chosen:
            rows = self.select(predictions[a])
            if self.scoring == "probe":
                scores.append(probe_score(self.features_, self.y_, rows, self.task_, self.seed_))
            else:
                scores.append(train_score(zoo, zoo.architectures_[a], rows, self.seed_))
        return float(np.mean(scores))

    def _check(self, predictions) -> Predictions:
        """Predictions for the instances of `fit`."""
        return as_predictions(predictions, self.n_samples_, self.n_outputs_, self.task_)

    def _check_one(self, predictions):
        """Predictions of one architecture."""
        predictions = self._check(predictions)
        if len(predictions) != 1:
            raise ValueError(
                f"predictions must be of one architecture; got {len(predictions)} (transform "
                "takes many)"
            )
        return predictions

    def _check_subsets(self, n_subsets, budget):
        """A number of disjoint subsets as a plain int."""
        if isinstance(n_subsets, bool) or not isinstance(n_subsets, Integral) or n_subsets < 1:
            raise ValueError(f"n_subsets must be an int of at least 1; got {n_subsets!r}")
        largest = self.n_samples_ // budget
        if n_subsets > largest:
            raise ValueError(
                f"n_subsets must be at most {largest}, the subsets of {budget} of "
                f"{self.n_samples_} rows; got {n_subsets}"
            )
        return int(n_subsets)

    def _quotas(self, n_first, budget, part=None):
        """Quotas of a first part and of the rest, which together are those of all B.

        None: those that `stratify` gives of itself.
        """
        if self.stratify is None or n_first in (0, budget):
            return None, None
        strata = self.strata_ if part is None else self.strata_[self._rows_of(part)]
        counts = np.bincount(strata, minlength=self.strata_.max() + 1)
        total, first = (allocate(counts, n, self.stratify) for n in (budget, n_first))
        if (first <= total).all():
            return None, total - first
        # by largest remainder fewer rows can ask for more of a class
        first = allocate(total, n_first, self.stratify)
        return first, total - first

    def _draw(self, log_weights, predictions, budget, rng, first=None, quotas=None):
        """B rows by the chosen diversity, none of them among the rows taken `first`."""
        if self.diversity == "entropy":
            if first is None:
                return self._sample(log_weights, budget, rng, self.strata_)
            rest = np.setdiff1d(np.arange(self.n_samples_), first)
            strata = self.strata_[rest]
            if quotas is not None:
                quotas = quotas[: strata.max() + 1]  # the last classes may have no rows left
            return rest[self._sample(log_weights[rest], budget, rng, strata, quotas)]
        demand = np.exp(log_weights - log_weights.max())
        proba = predictions.rows(slice(None))[0] if self.task_ == "classification" else None
        assert self.coverage_ is not None  # as `diversity` says
        chosen, _ = self.coverage_.select(
            demand, budget, stratify=self.stratify, quotas=quotas, proba=proba, selected=first
        )
        return chosen

    def _sample(self, log_weights, budget, rng, strata, quotas=None):
        groups = {"strata": strata, "stratify": self.stratify, "quotas": quotas}
        if self.sampling == "top":
            return top(log_weights, budget, **groups)
        return _DRAWS[self.sampling](log_weights, budget, rng, **groups)

    def _log_weights(self, predictions, mode, budget):
        """Unnormalised log-probabilities of the instances (N,), for one architecture."""
        if mode == "inductive":
            assert self.scorer_ is not None
            return self.scorer_.log_scores(predictions)[0]
        losses = np.empty(self.n_samples_)
        for rows, outputs in predictions.chunks():
            losses[rows] = self._losses(outputs, rows)[0]
        if self.solver == "exact":
            return solve_exact(losses, self.lam)
        return solve_gradient(losses, self.lam, self.beta, budget)

    def _losses(self, outputs, rows):
        """Losses (A, n) of outputs (A, n, C) on some rows."""
        if self.task_ == "classification":
            return cross_entropy(outputs, self.y_[rows])
        # in units of the labels' variance, so that lam means the same for any labels
        return squared_error(outputs, self.y_[rows]) / (float(self.y_.var()) or 1.0)

    def _labels(self):
        """Labels as the scorer takes them: codes (N,), or standardised targets (N, 1)."""
        if self.task_ == "classification":
            return self.y_
        return self._standardised(self.y_)[:, None].astype(np.float32)

    def _standardised(self, outputs):
        """Continuous outputs in units of the labels' deviation; probabilities as they are."""
        if self.task_ == "classification":
            return outputs
        return (outputs - self.y_.mean()) / (self.y_.std() or 1.0)

    def _fit_features(self, predictions, zoo):
        if self.features is None and predictions.features is not None:
            return predictions.features
        features = InstanceFeatures() if self.features is None else clone(self.features)
        return fit_features(features, zoo.X_, zoo.y_)


def _check_same_architectures(predictions, zoo):
    if len(predictions) != len(zoo):
        raise ValueError(
            f"predictions and zoo must be about the same architectures; got "
            f"{len(predictions)} predictions and a zoo of {len(zoo)}"
        )
