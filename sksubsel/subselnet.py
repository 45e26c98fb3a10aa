"""The three parts composed: encoder, approximator, selector."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from numbers import Integral
from typing import TYPE_CHECKING, Any, cast, overload

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, StrOptions
from sklearn.utils.validation import check_is_fitted, check_memory

from sksubsel._digest import digest
from sksubsel._validation import (
    check_budget,
    check_device,
    check_trained,
    fit_context,
    warn_caller,
)
from sksubsel._version import __version__
from sksubsel.approximator import ModelApproximator
from sksubsel.architectures import as_architectures
from sksubsel.encoder import ArchitectureEncoder
from sksubsel.selector import SubsetSelector
from sksubsel.zoo import ModelZoo
from sksubsel.zoo.training import check_training_rows

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import ArrayLike
    from typing_extensions import Self

_SELECTOR_PARAMS = (
    "mode",
    "budget",
    "lam",
    "beta",
    "hybrid_fraction",
    "solver",
    "diversity",
    "sampling",
    "stratify",
    "scoring",
    "score_archs",
)
_SELECTOR_DEFAULTS = SubsetSelector().get_params()


_NO_NOVELTY = (
    'on_novel="mean" needs an encoder with `novelty_of` and an approximator that returns '
    "Predictions; got {} and {}"
)


class NovelArchitectureWarning(UserWarning):
    """An architecture is unlike all those that the net was fitted on."""


class SubSelNet(TransformerMixin, BaseEstimator):
    """Chooses training subsets for architectures it has never seen, without training them.

    ``fit`` trains a zoo of architectures (or takes one), learns to embed architectures and to
    predict their outputs on the training instances; ``select`` then chooses the instances to
    train any other architecture on: in milliseconds by entropy or where architectures share a
    subset, in about two seconds for 1,000 of 20,000 instances by a design of its own.

    To scikit-learn, the list of architectures is X and the zoo is y: folds, searches and
    pipelines split over architectures.

    Parameters
    ----------
    mode : {"transductive", "inductive", "hybrid"}, default="inductive"
        See :class:`SubsetSelector`, as for the parameters up to `score_archs`.
    budget : int or float, default=0.1
        A count of instances, or a fraction of them.
    lam, beta : float, default=0.5, 1.0
        Weights of the entropy and of the budget regulariser; "design" has no use for them.
    hybrid_fraction : float, default=0.5
    solver : {"exact", "gradient"}, default="exact"
    diversity : {"design", "entropy", "coverage"}, default="design"
        "entropy" is the paper's own.
    sampling : {"sample", "top", "poisson"}, default="sample"
    stratify : {"proportional", "equal"} or None, default="proportional"
    scoring : {"probe", "train"}, default="probe"
    score_archs : int, default=3
    encoder : ArchitectureEncoder or None, default=None
        Cloned in `fit`. Wrap a fitted one in :class:`sklearn.frozen.FrozenEstimator` to keep it.
    approximator : ModelApproximator or None, default=None
    selector : SubsetSelector or None, default=None
        Where given, it brings the selection's settings, and the eleven parameters above must be
        left at their defaults; tune ``selector__lam`` instead of ``lam``.
    zoo : ModelZoo or None, default=None
        Prototype of what ``fit(archs, X, y)`` trains.
    features : transformer or None, default=None
        From X to (N, F), for the approximator that is made where none is given.
    on_novel : {"warn", "mean", "ignore"}, default="warn"
        What to do for an architecture whose `novelty` is above 1, of which the fitted ones say
        little: warn; take the zoo's mean prediction in place of its own; or nothing. Where all
        architectures share their rows, as by default, `select` has nothing to warn of. An encoder
        of the user's own that has no `novelty_` knows no novel ones.
    memory : str, joblib.Memory or None, default=None
        Caches the fitted encoder and approximator, so that a search over `lam` and `beta` fits
        them once per fold; another version of sksubsel does not find them. It needs an int
        `random_state`: with None each fit has seeds of its own, and nothing is found again.
    n_jobs : int or None, default=None
        Networks of the zoo trained side by side, where no `zoo` is given.
    device : str, default="cpu"
        Of the parts that are not given.
    random_state : int, RandomState instance or None, default=None
        Seeds the parts that have no `random_state` of their own.
    verbose : int, default=0

    Attributes
    ----------
    encoder_, approximator_, selector_ : fitted parts
    zoo_ : ModelZoo
    n_samples_ : int
        N.
    fit_times_ : dict
        Seconds that "zoo", "encoder", "approximator" and "selector" took: of the zoo the sum of
        its trainings, and of what came from `memory` what it took when it was made.

    References
    ----------
    Jain, Nandy, Aggarwal, Tendulkar, Iyer, De. Efficient Data Subset Selection to Generalize
    Training Across Models: Transductive and Inductive Networks. NeurIPS 2023.

    Examples
    --------
    >>> from sksubsel import ArchitectureClassifier, ArchitectureEncoder
    >>> from sksubsel import ModelApproximator, ModelZoo, SubSelNet
    >>> from sksubsel.datasets import load_digits_images
    >>> from sksubsel.spaces import MLP
    >>> X, y = load_digits_images(return_X_y=True)
    >>> *seen, unseen = MLP(depths=(1, 2), widths=(8, 16)).sample(21, random_state=0)
    >>> recipe = ArchitectureClassifier(max_epochs=2)
    >>> zoo = ModelZoo(recipe, n_pretrained=4, random_state=0).fit(seen, X[:200], y[:200])
    >>> quick = {"encoder": ArchitectureEncoder(max_epochs=5), "on_novel": "ignore"}
    >>> quick["approximator"] = ModelApproximator(max_epochs=2)  # left out, both take longer
    >>> net = SubSelNet(budget=20, **quick, random_state=0).fit(seen, zoo)
    >>> net.select(unseen).shape
    (20,)
    """

    _parameter_constraints: dict = {
        **{name: SubsetSelector._parameter_constraints[name] for name in _SELECTOR_PARAMS},
        "encoder": [HasMethods(["fit", "transform"]), None],
        "approximator": [HasMethods(["fit", "transform"]), None],
        "selector": [HasMethods(["fit", "select"]), None],
        "zoo": [HasMethods(["train"]), None],
        "features": [HasMethods(["fit", "transform"]), None],
        "on_novel": [StrOptions({"warn", "mean", "ignore"})],
        "memory": [str, HasMethods(["cache"]), None],
        "n_jobs": [Integral, None],
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
        scoring: str = "probe",
        score_archs: int = 3,
        encoder: Any = None,
        approximator: Any = None,
        selector: Any = None,
        zoo: ModelZoo | None = None,
        features: Any = None,
        on_novel: str = "warn",
        memory: Any = None,
        n_jobs: int | None = None,
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
        self.scoring = scoring
        self.score_archs = score_archs
        self.encoder = encoder
        self.approximator = approximator
        self.selector = selector
        self.zoo = zoo
        self.features = features
        self.on_novel = on_novel
        self.memory = memory
        self.n_jobs = n_jobs
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        archs: Iterable[Any],
        X: Any,
        y: ArrayLike | None = None,
        *,
        X_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
    ) -> Self:
        """Train the zoo (unless one is given) and the three parts.

        Parameters
        ----------
        archs : list of architectures
        X : ModelZoo, or array of shape (N, F) or (N, channels, height, width)
            A fitted zoo of these very architectures; or the instances to train one on.
        y : array of shape (N,) or None
            The instances' labels; None with a zoo.
        X_val, y_val : arrays or None
            Validation instances for the zoo's accuracies.

        Returns
        -------
        self
        """
        archs = as_architectures(archs)
        device = check_device(self.device)
        rng = check_random_state(self.random_state)
        selector = self._make_selector(device)
        encoder = self._make(self.encoder, ArchitectureEncoder, device)
        approximator = self._make(self.approximator, ModelApproximator, device)
        if self.approximator is None:
            approximator.set_params(features=self.features)
        if self.on_novel == "mean" and not hasattr(encoder, "novelty_of"):
            raise ValueError(_NO_NOVELTY.format(type(encoder).__name__, "its approximator"))
        for part in (encoder, approximator, selector):
            _seed(part, rng)
        if isinstance(X, ModelZoo):
            if y is not None:
                raise ValueError("y must be None where a zoo is given: it holds the labels")
            zoo = X
            zoo.check_architectures(archs)
            check_trained(zoo)
            check_budget(selector.budget, len(zoo.y_))
        else:
            if y is None:
                raise ValueError(
                    "fit takes (archs, X, y) with the instances' labels y, or (archs, zoo) with "
                    f"a fitted ModelZoo; got no y and {type(X).__name__} in the zoo's place"
                )
            check_budget(selector.budget, len(X))  # before hours of training are spent
            zoo = ModelZoo(n_jobs=self.n_jobs) if self.zoo is None else clone(self.zoo)
            _seed(zoo, rng)
            if self.zoo is None:
                zoo.set_params(verbose=self.verbose, device=device)
            zoo.fit(archs, X, y, X_val=X_val, y_val=y_val)
        memory = check_memory(self.memory)
        # joblib would tell networks, as in FeatureExtractor, by where they lie in memory
        fit_parts = memory.cache(_fit_parts, ignore=["encoder", "approximator", "archs", "zoo"])
        given = encoder, approximator, archs, zoo
        key = None if self.memory is None else digest(*given, __version__)
        self.encoder_, self.approximator_, embeddings, self.fit_times_ = fit_parts(*given, key)
        start = time.perf_counter()
        predictions = self.approximator_.transform(embeddings)
        self._check_novelty(predictions)
        self.selector_ = selector.fit(predictions, zoo)
        self.fit_times_ = {
            "zoo": float(zoo.train_times_.sum() * zoo.n_seeds),
            **self.fit_times_,
            "selector": time.perf_counter() - start,
        }
        self.zoo_ = zoo
        self.n_samples_ = len(zoo.y_)
        return self

    @fit_context(prefer_skip_nested_validation=False)
    def partial_fit(
        self,
        archs: Iterable[Any],
        X: Any,
        y: ArrayLike | None = None,
        *,
        features: ArrayLike | None = None,
    ) -> Self:
        """Take in instances that have come since `fit`; no network of the zoo is trained.

        The encoder stays as it is. The zoo's networks are asked about the new instances, the
        approximator is trained on for a few epochs (:meth:`ModelApproximator.partial_fit`), and
        the selector is fitted anew on all instances, so that a `budget` that is a fraction grows.

        Parameters
        ----------
        archs : list of architectures
            Those of the zoo, as in `fit`.
        X : array of shape (M, F) or (M, channels, height, width), or ModelZoo
            The new instances alone, which the networks are asked about
            (``ModelZoo(store=..., keep_weights=True)``); or what :meth:`ModelZoo.append` returns.
        y : array of shape (M,) or None
            The new instances' labels; None with a zoo.
        features : array-like of shape (M, F) or None, default=None
            The new instances' features for the approximator, where its own are read from a file
            (:class:`~sksubsel.extraction.StoredFeatures`) and not computed from X. A selector that
            has `features` of its own asks these for all instances.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the instances, the zoo or `features` do not fit those of `fit`, or the networks were
            not kept; then nothing is changed.
        TypeError
            If the approximator or the selector is frozen, or has no ``partial_fit``.

        Notes
        -----
        The new instances come last: row N of the selections is the first of them. The first call,
        without a `fit`, is a `fit`.
        """
        if not hasattr(self, "encoder_"):
            if features is not None:
                raise ValueError("features must be None in the first partial_fit, which is a fit")
            return self.fit(archs, X, y)
        for part in (self.approximator_, self.selector_):
            if isinstance(part, FrozenEstimator):
                raise TypeError(
                    f"partial_fit must change the net's {type(part.estimator).__name__}, which is "
                    "frozen"
                )
        if not hasattr(self.approximator_, "partial_fit"):
            raise TypeError(
                "approximator must have a partial_fit to go on with more instances; got "
                f"{type(self.approximator_).__name__}"
            )
        archs = as_architectures(archs)
        if isinstance(X, ModelZoo):
            if y is not None:
                raise ValueError("y must be None where a zoo is given: it holds the labels")
            zoo = X
        else:
            zoo = self.zoo_.append(X, cast("ArrayLike", y))  # no labels are an error there
        zoo.check_architectures(archs)
        check_budget(self.selector_.budget, len(zoo.y_))
        times = [time.perf_counter()]
        embeddings = self.encoder_.transform(archs)
        given = {} if features is None else {"features": features}
        approximator = copy.copy(self.approximator_).partial_fit(embeddings, zoo, **given)
        times.append(time.perf_counter())
        selector = clone(self.selector_).fit(approximator.transform(embeddings), zoo)
        times.append(time.perf_counter())
        zoo = copy.copy(zoo)  # which tells this net from one fitted anew on the same zoo
        zoo._appended = digest(getattr(zoo, "_appended", ""), "partial_fit", self.n_samples_)
        self.approximator_, self.selector_, self.zoo_ = approximator, selector, zoo
        self.n_samples_ = len(zoo.y_)
        seconds = {"approximator": times[1] - times[0], "selector": times[2] - times[1]}
        self.fit_times_ = {
            name: before + seconds.get(name, 0.0) for name, before in self.fit_times_.items()
        }
        return self

    def prepare(self, budget: int | float | None = None, n_subsets: int | None = None) -> Self:
        """Compute now, and not in the next `select`, what all architectures share.

        It is kept, and changes no result. A net loaded from a file, or asked for another budget
        than that of the constructor, would otherwise be slow the first time.

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
        if n_subsets is None:  # a selector of the user's own may know no other
            self.selector_.prepare(budget)
        else:
            self.selector_.prepare(budget, n_subsets)
        return self

    @overload
    def select(
        self,
        arch: list[Any],
        budget: int | float | None = None,
        random_state: int | np.random.Generator | None = None,
    ) -> list[np.ndarray]: ...

    @overload
    def select(
        self,
        arch: Any,
        budget: int | float | None = None,
        random_state: int | np.random.Generator | None = None,
    ) -> np.ndarray: ...

    def select(
        self,
        arch: Any,
        budget: int | float | None = None,
        random_state: int | np.random.Generator | None = None,
    ) -> np.ndarray | list[np.ndarray]:
        """Rows of X to train an architecture on; nothing is trained.

        Parameters
        ----------
        arch : architecture, or list of architectures
        budget : int, float or None
            None: that of the constructor.
        random_state : int, Generator or None
            Fresh sampling noise instead of that fixed in `fit`; a design has none.

        Returns
        -------
        ndarray of shape (B,), int64, or a list of these
            Ascending, without repetition.

        Warns
        -----
        NovelArchitectureWarning
            If an architecture is unlike all that were fitted, its rows depend on it, and
            ``on_novel="warn"``.
        """
        predictions, single = self._predict(arch, self._is_shared(budget))
        rows = [
            self.selector_.select(predictions[a], budget, random_state)
            for a in range(len(predictions))
        ]
        return rows[0] if single else rows

    def select_disjoint(
        self,
        arch: Any,
        n_subsets: int,
        budget: int | float | None = None,
        random_state: int | np.random.Generator | None = None,
    ) -> np.ndarray:
        """Subsets with no row in common, for a training in which they take turns.

        Where a small subset would be seen in many epochs, others in between teach more than the
        same again, and a training on them takes no longer; what is paid for are more selections,
        which by default are shared by all architectures.

        Parameters
        ----------
        arch : architecture
        n_subsets : int
            K.
        budget : int, float or None
            B, of each subset. None: that of the constructor.
        random_state : int, Generator or None
            As in `select`.

        Returns
        -------
        ndarray of shape (K, B), int64
            Each ascending. :meth:`ModelZoo.train <sksubsel.ModelZoo.train>` takes them as they are;
            other skorch nets train on them by
            :class:`~sksubsel.baselines.adaptive.TurnsStrategy`.

        Raises
        ------
        ValueError
            If `n_subsets` is no int of at least 1, or K subsets of B rows are more than there are.
        TypeError
            If `arch` is a list.

        Warns
        -----
        NovelArchitectureWarning
            As in `select`.
        """
        if not _as_list(arch)[1]:
            raise TypeError("select_disjoint takes one architecture; got a list")
        predictions, _ = self._predict(arch, self._is_shared(budget))
        return self.selector_.select_disjoint(predictions, n_subsets, budget, random_state)

    def transform(self, archs: Any) -> np.ndarray:
        """Rows for each architecture, int64 (A, B)."""
        predictions, _ = self._predict(archs, self._is_shared())
        return self.selector_.transform(predictions)

    def get_support(self, arch: Any, indices: bool = False) -> np.ndarray:
        """Which instances are selected for one architecture.

        Parameters
        ----------
        arch : architecture
        indices : bool, default=False
            Whether to return rows in place of a mask.

        Returns
        -------
        ndarray of shape (N,), bool; of shape (B,), int64, if `indices`
        """
        rows = self._one(arch, "get_support")
        if indices:
            return rows
        support = np.zeros(self.n_samples_, dtype=bool)
        support[rows] = True
        return support

    def sampling_proba(self, arch: Any) -> np.ndarray:
        """Probability of each instance to be drawn first, (N,); (A, N) for a list."""
        predictions, single = self._predict(arch)
        proba = self.selector_.sampling_proba(predictions)
        return proba[0] if single else proba

    def predict_proba(self, arch: Any) -> np.ndarray:
        """Predicted class probabilities on the training instances, (N, C); (A, N, C) for a list."""
        predictions, single = self._predict(arch)
        proba = np.asarray(predictions)
        return proba[0] if single else proba

    def soft_targets(self, arch: Any, rows: ArrayLike) -> np.ndarray:
        """Predicted probabilities of one architecture on some rows, to train it on.

        Parameters
        ----------
        arch : architecture
        rows : int array of shape (B,) or (K, B), or mask of shape (N,)

        Returns
        -------
        ndarray of shape (B, C) or (K, B, C), float32
            For ``ArchitectureClassifier.fit(X[rows], y[rows], soft_targets=...)`` or
            ``ModelZoo.train(arch, rows, soft_targets)``. Of a regression the predicted targets,
            with C = 1, for ``ArchitectureRegressor.fit(X[rows], soft_targets[:, 0])``.

        Raises
        ------
        ValueError
            If `rows` are none, or out of range.
        """
        predictions, single = self._predict(arch)
        if not single:
            raise TypeError("soft_targets takes one architecture; got a list")
        rows = check_training_rows(rows, self.n_samples_)
        return predictions.rows(rows.ravel())[0].reshape(*rows.shape, -1)

    def novelty(self, archs: Any) -> np.ndarray:
        """How unlike the fitted architectures each is; see ``ArchitectureEncoder.novelty``."""
        check_is_fitted(self)
        return self.encoder_.novelty(_as_list(archs)[0])

    def score(self, archs: Iterable[Any], zoo: ModelZoo) -> float:
        """How well the subsets selected for architectures train; see ``SubsetSelector.score``.

        Parameters
        ----------
        archs : list of architectures
        zoo : ModelZoo
            Of these architectures, over the instances of `fit`.
        """
        check_is_fitted(self)
        if not isinstance(zoo, ModelZoo):
            raise TypeError(
                f"zoo must be a ModelZoo of the architectures, which stands for y; got {type(zoo)}"
            )
        archs = as_architectures(archs)
        zoo.check_architectures(archs)
        predictions, _ = self._predict(archs, self._is_shared())
        return self.selector_.score(predictions, zoo)

    def save(
        self, folder: str | Path, *, include_zoo: bool = False, overwrite: bool = False
    ) -> None:
        """Write the fitted net to a folder of safetensors and JSON, which runs no code when loaded.

        A loaded net selects, predicts and scores to the bit as this one does, and has its
        parameters, so that it can be fitted again. The folder appears whole or not at all.

        Parameters
        ----------
        folder : path
            New or empty.
        include_zoo : bool, default=False
            Whether to write the zoo too: its instances, predictions and recipe. `zoo_`,
            comparisons and searches need it.
        overwrite : bool, default=False
            Replace a net that was saved in `folder`. A folder with anything else in it is left.

        Raises
        ------
        FileExistsError
            If `folder` is a file, or is not empty and may not be replaced.
        TypeError
            If a part is not sksubsel's own or one of scikit-learn's StandardScaler, MinMaxScaler,
            PCA and Pipeline, a parameter is a function, or there are callbacks; the message names
            it. joblib.dump takes them all. Raised before anything is written.

        Notes
        -----
        Parameters that name a place where pickles or files are kept, `memory` and the zoo's
        `store`, are None when loaded. Parts given as parameters come back unfitted, but for frozen
        ones.

        Size: about ``N (4 F + 4 C + 1,032)`` bytes for N instances with F features and C classes,
        of which the approximator's hidden layer is 1,024; ``N (4 F + 8 C + 32)`` and up to 9 MB
        more for a design (``4 N C`` again where a second judge may count, see `oof_weight` of
        SubsetSelector), ``N (4 F + 8)`` for coverage, 256 N for an inductive scorer; and what the
        networks and the features' transformer take. With the zoo, X as it is and ``2 N C`` bytes
        for each trained architecture. What is equal is written once. See ``docs/saving.md``.
        """
        from sksubsel.persistence import save_net

        save_net(self, folder, SubSelNet, include_zoo=include_zoo, overwrite=overwrite)

    @staticmethod
    def load(folder: str | Path, *, device: str | torch.device | None = None) -> SubSelNet:
        """The net that `save` has written to a folder.

        Files are checked before anything is made, parts as they are made; only classes of a fixed
        list are made, and no code of the folder is run. So a damaged or malicious folder gives an
        error; what the numbers in it are worth depends on where they come from.

        Parameters
        ----------
        folder : path
        device : str or None, default=None
            Where all of its parts compute from now on. None: where they were fitted, and on the CPU
            where this machine has no such device.

        Returns
        -------
        SubSelNet

        Raises
        ------
        SavedModelError
            A ValueError which names the file that is missing, damaged, or of a newer version.
        ValueError
            If this machine has no such `device`.

        Notes
        -----
        Memory: twice the files, for a moment.
        """
        from sksubsel.persistence import load_net

        return load_net(folder, SubSelNet, device)

    def __getattr__(self, name):
        if name == "zoo_" and "encoder_" in vars(self):
            raise AttributeError(
                "this net was saved without its zoo; save(folder, include_zoo=True) writes it too, "
                "and partial_fit takes what the append of a ModelZoo returns"
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _predict(self, arch, shared=False):
        """Predictions for a list of architectures, and whether one alone was given.

        `shared` says that what is made of them is the same for all architectures.
        """
        check_is_fitted(self)
        archs, single = _as_list(arch)
        embeddings = self.encoder_.transform(archs)
        predictions = self.approximator_.transform(embeddings)
        if self.on_novel == "ignore" or not hasattr(self.encoder_, "novelty_"):
            return predictions, single
        if shared or getattr(predictions, "same_for_all", False):
            return predictions, single
        novelty = self.encoder_.novelty_of(archs, embeddings)
        novel = novelty > 1
        if novel.any() and self.on_novel == "mean":
            predictions = predictions.with_mean(novel, self.encoder_.novelty_.center_)
        elif novel.any():
            warn_caller(
                f"{novel.sum()} of {len(archs)} architectures are unlike all that were fitted "
                f"(novelty up to {novelty.max():.1f}, where 1 is what one in a hundred exceeds), "
                'so that predictions for them may be wrong; on_novel="mean" takes the zoo\'s mean',
                NovelArchitectureWarning,
            )
        return predictions, single

    def _is_shared(self, budget=None):
        """Whether all architectures get the same rows."""
        check_is_fitted(self)
        return isinstance(self.selector_, SubsetSelector) and self.selector_.is_shared(budget)

    def _check_novelty(self, predictions):
        """That the parts can do what `on_novel` asks."""
        if self.on_novel == "mean" and not hasattr(predictions, "with_mean"):
            names = [type(part).__name__ for part in (self.encoder_, self.approximator_)]
            raise ValueError(_NO_NOVELTY.format(*names))

    def _one(self, arch, method):
        if _as_list(arch)[1]:
            return self.select(arch)
        raise TypeError(f"{method} takes one architecture; got a list")

    def _make(self, prototype, default, device):
        if prototype is not None:
            return clone(prototype)
        return default(device=device, verbose=self.verbose)

    def _make_selector(self, device):
        given = {name: getattr(self, name) for name in _SELECTOR_PARAMS}
        if self.selector is None:
            return SubsetSelector(**given, device=device, verbose=self.verbose)
        changed = [name for name, value in given.items() if value != _SELECTOR_DEFAULTS[name]]
        if changed:
            raise ValueError(
                f"{', '.join(changed)} must be set on the selector that was given "
                f"(selector__{changed[0]}), not beside it"
            )
        return clone(self.selector)


def _fit_parts(encoder, approximator, archs, zoo, key):
    """Fit the parts that do not depend on how instances are selected (cached by `memory`).

    The cache knows `key`, a digest of the other arguments and the version, and this function, but
    not what it calls.
    """
    times = [time.perf_counter()]
    embeddings = encoder.fit(archs, zoo).transform(archs)
    times.append(time.perf_counter())
    approximator.fit(embeddings, zoo)
    times.append(time.perf_counter())
    seconds = {"encoder": times[1] - times[0], "approximator": times[2] - times[1]}
    return encoder, approximator, embeddings, seconds


def _as_list(arch):
    """A list of architectures, and whether one alone was given."""
    try:
        return as_architectures(arch), False
    except TypeError as error:
        if error.__cause__ is not None or isinstance(arch, Iterator):  # an item is none
            raise
    return as_architectures([arch]), True


def _seed(estimator, rng):
    """Draw a seed for an estimator that has none; the draw is made in any case."""
    seed = int(rng.randint(2**31 - 1))
    params = estimator.get_params(deep=False)
    if "random_state" in params and params["random_state"] is None:
        estimator.set_params(random_state=seed)
