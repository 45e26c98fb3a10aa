"""The zoo: trained architectures and what is known about them."""

from __future__ import annotations

import copy
import warnings
from contextlib import closing
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from joblib import delayed
from sklearn.base import BaseEstimator, clone, is_classifier, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from sksubsel._digest import digest
from sksubsel._parallel import Progress, run_tasks, threads_of_each
from sksubsel._validation import (
    available_where,
    check_device,
    check_instances,
    check_X,
    fit_context,
    float_targets,
    label_codes,
    plain_labels,
)
from sksubsel.architectures import as_architecture, as_architectures
from sksubsel.networks import count_parameters
from sksubsel.zoo.asking import new_outputs
from sksubsel.zoo.classifier import ArchitectureClassifier
from sksubsel.zoo.folders import is_url
from sksubsel.zoo.regressor import ArchitectureRegressor
from sksubsel.zoo.stack import OutputStack, empty_outputs
from sksubsel.zoo.store import (
    Store,
    architecture_key,
    callback_settings,
    kept_seed,
    recipe_settings,
)
from sksubsel.zoo.training import seed_of, train_architecture, train_on_rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike
    from typing_extensions import Self

_MAX_COUNTED = 5_000  # architectures among which the trained ones are spread by their parameters
_NOT_CONTENT = ("architecture", "verbose", "device", "callbacks", "random_state", "classes")


class TrainingFailedWarning(UserWarning):
    """Some architectures of a zoo could not be trained."""


def _is_data(zoo) -> bool:
    """Whether there is something in it; then it can be a y, which must not have a `fit`."""
    return "_base" in vars(zoo)


def _can_fit(zoo) -> bool:
    if _is_data(zoo):
        raise AttributeError(
            "this zoo is fitted: to scikit-learn it is the y of its architectures, and a y must "
            "have no fit; train another one with sklearn.base.clone(zoo).fit(...)"
        )
    return True


class ModelZoo(BaseEstimator):
    """Trains architectures and keeps what they predict for the training instances.

    To scikit-learn, a zoo is the y of a list of architectures: sized, sliceable
    (``zoo[indices]`` keeps X and y whole and slices what belongs to architectures).

    Parameters
    ----------
    estimator : ArchitectureClassifier, ArchitectureRegressor or None, default=None
        Prototype of each training. None: one with default settings, by the labels. One of your own
        has the parameters ``architecture``, ``random_state``, ``device`` and, of a classifier,
        ``classes``, and sets ``n_parameters_``.
    n_pretrained : int, float or None, default=None
        How many (or which fraction) of the architectures are trained, spread evenly over the
        ranks of their parameter counts (paper, D.1). None trains all. The others still teach
        the encoder what architectures look like.
    n_seeds : int, default=1
        Trainings of each architecture, over which its predictions are averaged.
    store : path, URL or None, default=None
        Folder where each finished architecture is kept: a killed run resumes from it. The workers
        of a cluster write to it, too. A URL, such as ``"s3://bucket/zoo"``, is of a filesystem
        known to fsspec (``pip install "sksubsel[distributed]"``); ``memory://`` is of one process.
    keep_weights : bool, default=False
        Whether the store, which must be given, keeps the networks' weights too (4 bytes a
        parameter), so that `append` can ask the networks about instances that come later. What
        the store has without weights is trained again.
    on_error : {"raise", "warn"}, default="raise"
        Whether an architecture that cannot be trained stops `fit`, or is reported in
        ``errors_`` and left out of ``trained_``.
    n_jobs : int or None, default=None
        Architectures trained side by side, through joblib and whatever backend is set there, also
        a Dask or Ray cluster (``docs/scaling_out.md``). The cores are shared out among the workers.
    device : str or None, default=None
        Replaces the estimator's.
    random_state : int, RandomState instance or None, default=None
        Each architecture's seed comes from this and from the architecture, so that it does not
        depend on the list's order, on slicing, or on what was resumed.
    verbose : int, default=0
        1 shows progress with the remaining time.

    Attributes
    ----------
    architectures_ : list of Architecture, length A
    trained_ : ndarray of shape (A_trained,), int64
        Places in ``architectures_`` of those trained, ascending. What follows is in this order.
    predictions_ : ndarray of shape (A_trained, N, C)
        float16 probabilities, or float32 outputs (C=1) for regression, on the training
        instances; memory-mapped when large.
    accuracies_ : ndarray of shape (A_trained,)
        On the validation instances, or on the training instances where there are none (R^2 for
        regression).
    train_accuracies_, train_times_, n_parameters_ : ndarrays of shape (A_trained,)
        Times in seconds.
    errors_ : dict of int to str
        What went wrong, by place in ``architectures_``.
    X_, y_, X_val_, y_val_ : ndarrays
        The instances; labels are codes of ``classes_``, or float32 targets.
    classes_ : ndarray of shape (C,) or None
    task_ : {"classification", "regression"}
    estimator_ : the prototype used

    Notes
    -----
    Once fitted, a zoo is data and has no ``fit`` any more (scikit-learn refuses a y that has one):
    ``clone(zoo).fit(...)`` trains another.

    Memory: A_trained N C 2 bytes of predictions; X is not copied.

    Examples
    --------
    >>> from sksubsel import ArchitectureClassifier, ModelZoo
    >>> from sksubsel.datasets import load_digits_images
    >>> from sksubsel.spaces import MLP
    >>> X, y = load_digits_images(return_X_y=True)
    >>> archs = MLP(depths=(1, 2), widths=(8, 16)).sample(5, random_state=0)
    >>> recipe = ArchitectureClassifier(max_epochs=2)
    >>> zoo = ModelZoo(recipe, n_pretrained=3, random_state=0).fit(archs, X[:200], y[:200])
    >>> zoo.shape, zoo.predictions_.shape
    ((5,), (3, 200, 10))
    >>> len(zoo[:4])
    4
    """

    _parameter_constraints: dict = {
        "estimator": [HasMethods(["fit", "predict"]), None],
        "n_pretrained": [
            Interval(Integral, 1, None, closed="left"),
            Interval(Real, 0, 1, closed="right"),
            None,
        ],
        "n_seeds": [Interval(Integral, 1, None, closed="left")],
        "store": [str, Path, None],
        "keep_weights": ["boolean"],
        "on_error": [StrOptions({"raise", "warn"})],
        "n_jobs": [Integral, None],
        "device": [str, torch.device, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }
    accuracies_: np.ndarray
    train_accuracies_: np.ndarray
    train_times_: np.ndarray
    n_parameters_: np.ndarray

    def __init__(
        self,
        estimator: Any = None,
        *,
        n_pretrained: int | float | None = None,
        n_seeds: int = 1,
        store: str | Path | None = None,
        keep_weights: bool = False,
        on_error: str = "raise",
        n_jobs: int | None = None,
        device: str | torch.device | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ):
        self.estimator = estimator
        self.n_pretrained = n_pretrained
        self.n_seeds = n_seeds
        self.store = store
        self.keep_weights = keep_weights
        self.on_error = on_error
        self.n_jobs = n_jobs
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    @available_where(_can_fit)
    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        archs: Iterable[Any],
        X: ArrayLike,
        y: ArrayLike,
        X_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
    ) -> Self:
        """Train the architectures that the store does not hold yet.

        Parameters
        ----------
        archs : list of architectures
        X : array of shape (N, F) or (N, channels, height, width)
        y : array of shape (N,)
        X_val, y_val : arrays or None
            Validation instances.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If something is wrong with the data, before anything is trained.
        RuntimeError
            If an architecture cannot be trained and ``on_error="raise"``. What was finished
            before is in the store.
        """
        if self.keep_weights and self.store is None:
            raise ValueError("store must be given where keep_weights=True; got None")
        chosen = self._begin(archs, X, y, X_val, y_val)
        store = None if self.store is None else self._open_store()
        if self.keep_weights:
            self._store = store
        unique = {architecture_key(arch): arch for arch in (self.architectures_[i] for i in chosen)}
        keys = [architecture_key(self.architectures_[i]) for i in chosen]
        stack = OutputStack(len(unique), self._folder())
        records = self._records(unique, store, self._seed, stack)
        self.errors_ = {
            int(i): records[key]["error"] for i, key in zip(chosen, keys) if "error" in records[key]
        }
        if self.errors_:
            warnings.warn(
                f"{len(self.errors_)} of {len(chosen)} architectures could not be trained; see "
                f"errors_. The first: {next(iter(self.errors_.values()))}",
                TrainingFailedWarning,
                stacklevel=2,
            )
        good = [(i, key) for i, key in zip(chosen, keys) if "error" not in records[key]]
        if not good:
            raise RuntimeError(
                f"no architecture could be trained; the first error: {self.errors_[int(chosen[0])]}"
            )
        self.trained_ = np.array([i for i, _ in good], dtype=np.int64)
        trained = [key for key in unique if "error" not in records[key]]
        row_of = {key: row for row, key in enumerate(trained)}
        self._rows = np.array([row_of[key] for _, key in good], dtype=np.int64)
        place_of = {key: place for place, key in enumerate(unique)}
        self._base = stack.of([place_of[key] for key in trained])
        for name, field in _PER_ARCHITECTURE.items():
            setattr(self, name, np.array([float(records[key][field]) for _, key in good]))
        self.n_parameters_ = self.n_parameters_.astype(np.int64)
        return self

    def _begin(self, archs, X, y, X_val, y_val):
        """Take up all that is known before a training; gives the places to train, ascending."""
        self.architectures_ = as_architectures(archs)
        self.X_, self.y_, self.task_, self.classes_ = check_instances(X, y)
        self._check_validation(X_val, y_val)
        self.estimator_ = self._prototype()
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        if self.store is not None and self.random_state is None:
            kept = kept_seed(self.store)  # so that a run without a seed resumes, too
            seed = seed if kept is None else kept
        self._seed = seed
        for name in ("_store", "_appended"):  # of a fit before
            self.__dict__.pop(name, None)
        return self._choose()

    def _open_store(self):
        settings = recipe_settings(self.estimator_, _NOT_CONTENT)
        settings += callback_settings(getattr(self.estimator_, "callbacks", None))
        try:
            key = digest(
                self.X_, self.y_, self.X_val_, self.y_val_, settings, self.n_seeds, self._seed
            )
        except TypeError as error:
            raise TypeError(
                f"with a store, the estimator's parameters must be picklable; {error}"
            ) from error
        return Store(self.store, key, self._seed, self.keep_weights)

    def _without_training(self, archs, X, y):
        """Data and recipe alone, for `train` and comparisons of what asks no trained network."""
        chosen = self._begin(archs, X, y, None, None)
        if self.store is not None and kept_seed(self.store) is not None:
            self._open_store()  # raises if it is of other data or another recipe
        self.trained_ = np.empty(0, dtype=np.int64)
        self.errors_ = {int(place): "not trained, for nothing asked for it" for place in chosen}
        self._rows = self.trained_
        n_outputs = 1 if self.classes_ is None else len(self.classes_)
        self._base = np.empty((0, len(self.y_), n_outputs), dtype=np.float16)
        for name in _PER_ARCHITECTURE:
            setattr(self, name, np.empty(0))
        return self

    @property
    def predictions_(self) -> np.ndarray:
        """Outputs of the trained architectures on the training instances, (A_trained, N, C)."""
        self._check_is_fitted()
        if len(self._rows) == len(self._base) and (self._rows == np.arange(len(self._base))).all():
            return self._base
        return self._base[self._rows]

    @property
    def shape(self) -> tuple[int]:
        """(A,), as scikit-learn asks of a y."""
        self._check_is_fitted()
        return (len(self.architectures_),)

    def __len__(self):
        return len(self.architectures_) if hasattr(self, "architectures_") else 0

    def __bool__(self):
        return True

    def __getitem__(self, index):
        """The zoo of some of the architectures; X, y and the predictions are shared."""
        self._check_is_fitted()
        if isinstance(index, tuple):  # scikit-learn slices arrays as y[index, ...]
            index = index[0]
        index = np.atleast_1d(np.arange(len(self))[index])
        place = np.full(len(self), -1)
        place[self.trained_] = np.arange(len(self.trained_))
        kept = place[index]
        part = copy.copy(self)
        part.architectures_ = [self.architectures_[i] for i in index]
        part.trained_ = np.flatnonzero(kept >= 0)
        kept = kept[kept >= 0]
        part._rows = self._rows[kept]
        for name in _PER_ARCHITECTURE:
            setattr(part, name, getattr(self, name)[kept])
        part.errors_ = {k: self.errors_[i] for k, i in enumerate(index) if i in self.errors_}
        return part

    def _check_is_fitted(self):
        if not _is_data(self):
            raise NotFittedError("This ModelZoo is not fitted yet; call 'fit' before using it.")

    def check_architectures(self, archs: Any) -> None:
        """Raise ValueError unless `archs` are the zoo's, in its order."""
        self._check_is_fitted()
        if len(archs) != len(self):
            raise ValueError(
                f"the zoo must be of the architectures passed; got {len(archs)} architectures and "
                f"a zoo of {len(self)} (of a zoo of more, pass the slice: zoo[places])"
            )
        for i, (given, own) in enumerate(zip(archs, self.architectures_)):
            given = as_architecture(given)
            if given != own:
                raise ValueError(
                    f"the zoo must be of the architectures passed; number {i} is {given}, in the "
                    f"zoo {own}"
                )

    def train(
        self,
        arch: Any,
        rows: ArrayLike | None = None,
        soft_targets: ArrayLike | None = None,
        random_state: int | None = None,
        *,
        sample_weight: ArrayLike | None = None,
        **params: Any,
    ) -> ArchitectureClassifier | ArchitectureRegressor:
        """Train one architecture with the zoo's recipe.

        Parameters
        ----------
        arch : architecture
            Any, of the zoo or not.
        rows : int array of shape (B,) or (K, B), mask of shape (N,), or None
            Training instances; None takes all. Of K subsets, such as
            :meth:`SubSelNet.select_disjoint <sksubsel.SubSelNet.select_disjoint>` gives, each
            epoch takes the next, the first again after the last, for as many epochs as one of B
            rows is trained; of more subsets than epochs the first count.
        soft_targets : array of shape (B, C) or (K, B, C), or None
            Probabilities to train on instead of the labels. They and weights are a row's, the same
            in whichever subset it is.
        random_state : int or None
            None: the zoo's.
        sample_weight : array of shape (B,) or (K, B), or None
            Of the training instances.
        **params : dict
            Parameters of the recipe to change, such as ``callbacks=[SubsetCallback(...)]``.

        Returns
        -------
        ArchitectureClassifier or ArchitectureRegressor
            Fitted.

        Raises
        ------
        ValueError
            If `rows` are none, or out of range; if soft targets are given in a regression; if there
            are K subsets of rows and one has a row twice, the recipe has ``early_stopping=True``,
            which holds out rows, or a SubsetCallback is to choose them as well.
        """
        self._check_is_fitted()
        return train_on_rows(
            self.estimator_,
            as_architecture(arch),
            self.X_,
            self.y_,
            self.classes_,
            rows,
            self._seed if random_state is None else random_state,
            soft_targets=soft_targets,
            sample_weight=sample_weight,
            **params,
        )

    def append(
        self, X: ArrayLike, y: ArrayLike, *, predictions: ArrayLike | None = None
    ) -> ModelZoo:
        """The same zoo over further instances, which its networks are asked about.

        They are not trained on them: a network's outputs there are those on instances that it has
        never seen. `accuracies_` and times stay those of `fit`.

        Parameters
        ----------
        X : array of shape (M, F) or (M, channels, height, width)
        y : array of shape (M,)
            Labels, of classes that the zoo knows; or targets.
        predictions : float array of shape (A_trained, M, C) or None, default=None
            What the trained networks say of these instances, probabilities or outputs. None asks
            the networks, whose weights must be in the store (``keep_weights=True``).

        Returns
        -------
        ModelZoo
            Of N + M instances, those of this one first; this one stays as it is.

        Raises
        ------
        ValueError
            If the instances do not fit those of `fit`, `predictions` have another shape, are not
            finite or, of classes, no probabilities, or there are no weights to be asked.

        Notes
        -----
        Time of a forward pass over X of each trained network; nothing is trained.
        """
        self._check_is_fitted()
        X, y = self._check_more(X, y, "X", "y")
        outputs = new_outputs(self, X, predictions)
        old = self.predictions_
        both = copy.copy(self)
        both.X_, both.y_ = np.concatenate([self.X_, X]), np.concatenate([self.y_, y])
        both._base = empty_outputs(
            (len(old), len(both.y_), old.shape[2]), old.dtype, self._folder()
        )
        told = [getattr(self, "_appended", ""), len(old[0])]
        for place, after in enumerate(outputs):
            both._base[place] = np.concatenate([old[place], after])
            told.append(digest(np.asarray(after)))
        both._appended = digest(told)  # it is not what a zoo trained on all of them would be
        both._rows = np.arange(len(old))
        return both

    def _labels(self, y):
        return y if self.classes_ is None or y is None else self.classes_[y]

    def _check_validation(self, X_val, y_val):
        if (X_val is None) != (y_val is None):
            raise ValueError("X_val and y_val must be given together")
        self.X_val_ = self.y_val_ = None
        if X_val is None:
            return
        self.X_val_, self.y_val_ = self._check_more(X_val, y_val, "X_val", "y_val")

    def _check_more(self, X, y, X_name, y_name):
        """Further instances of the kind of X_, and their codes or targets."""
        X, y = check_X(X, X_name), np.asarray(y)
        if y.ndim != 1:
            shape = y_name.replace("y", "N", 1)
            raise ValueError(f"{y_name} must have shape ({shape},); got {y.shape}")
        if len(X) != len(y) or X.shape[1:] != self.X_.shape[1:]:
            raise ValueError(
                f"{X_name} must have the instance shape {self.X_.shape[1:]} of X and the length of "
                f"{y_name}; got {X.shape} and {y.shape}"
            )
        y = plain_labels(y, y_name)
        if self.classes_ is None:
            return X, float_targets(y, y_name)
        codes, strange = label_codes(y, self.classes_)
        if len(strange):
            raise ValueError(f"{y_name} holds labels that the zoo lacks: {strange.tolist()}")
        return X, codes

    def _prototype(self):
        if self.estimator is None:
            default = (
                ArchitectureClassifier if self.task_ == "classification" else ArchitectureRegressor
            )
            estimator = default()
        else:
            estimator = clone(self.estimator)
        right = is_classifier if self.task_ == "classification" else is_regressor
        if not right(estimator):
            raise ValueError(
                f"y holds {self.task_} labels, which {type(estimator).__name__} is not made for"
            )
        needed = {"architecture", "random_state", "device"}
        if self.task_ == "classification":
            needed.add("classes")
        lacking = needed - estimator.get_params().keys()
        if lacking:
            raise ValueError(
                "estimator must train an architecture, as ArchitectureClassifier and "
                f"ArchitectureRegressor do; {type(estimator).__name__} lacks the parameters "
                f"{sorted(lacking)}"
            )
        if self.device is not None:
            estimator.set_params(device=self.device)
        if self.task_ == "classification":
            estimator.set_params(classes=self.classes_)
        check_device(estimator.get_params()["device"])
        if self.keep_weights and not hasattr(estimator, "_arrays"):
            raise ValueError(
                "keep_weights must be False for an estimator other than ArchitectureClassifier and "
                f"ArchitectureRegressor; got {type(estimator).__name__}"
            )
        return estimator

    def _choose(self):
        """Places of the architectures to train, ascending."""
        n_archs = len(self.architectures_)
        if self.n_pretrained is None:
            return np.arange(n_archs)
        n_chosen = self.n_pretrained
        if not isinstance(n_chosen, Integral):
            n_chosen = max(1, round(n_chosen * n_archs))
        if n_chosen > n_archs:
            raise ValueError(
                f"n_pretrained must be an int in [1, n_archs={n_archs}] or a float in (0, 1]; "
                f"got {n_chosen}"
            )
        pool = np.linspace(0, n_archs - 1, min(n_archs, max(_MAX_COUNTED, n_chosen)))
        pool = np.unique(pool.round().astype(np.int64))
        n_outputs = 1 if self.classes_ is None else len(self.classes_)
        sizes = [self._count(self.architectures_[i], n_outputs) for i in pool]
        by_size = pool[np.argsort(sizes, kind="stable")]
        places = (np.arange(n_chosen) + 0.5) * len(by_size) / n_chosen  # middle of each quantile
        return np.sort(by_size[places.astype(np.int64)])

    def _count(self, arch, n_outputs):
        params = self.estimator_.get_params(deep=False)
        build = params.get("build")
        try:
            return count_parameters(arch, self.X_.shape[1:], n_outputs, build=build)
        except Exception:
            if self.on_error == "raise":
                raise
            return np.inf  # it will fail in training, and be reported there

    def _records(self, unique, store, seed, stack):
        """Records of architectures by key, from the store or from training.

        Their predictions go to the stack as they come, in the order of `unique`.
        """
        place_of = {key: place for place, key in enumerate(unique)}
        records = {}

        def keep(key, record):
            if "predictions" in record:
                stack.put(place_of[key], record.pop("predictions"))
            records[key] = record

        if store is not None:
            for key, arch in unique.items():
                record = store.read(arch)
                if record is not None:
                    keep(key, record)
        missing = [key for key in unique if key not in records]
        data = (self.X_, self._labels(self.y_), self.X_val_, self._labels(self.y_val_))
        n_threads = threads_of_each(self.n_jobs, len(missing))
        jobs = (
            delayed(_keyed)(key, self.estimator_, unique[key], data,
                            [seed_of(unique[key], seed, k) for k in range(self.n_seeds)],
                            n_threads, store)
            for key in missing
        )  # fmt: skip
        progress = Progress("zoo", "architectures trained", len(missing), self.verbose)
        if records:
            progress.say(f"{len(records)} architectures are in the store")
        shared = [self.estimator_, data]
        with progress, closing(run_tasks(jobs, self.n_jobs, shared, on_lost=_lost)) as results:
            for key, record in results:
                if "error" in record and self.on_error == "raise":
                    raise RuntimeError(
                        f"{unique[key]} could not be trained: {record['error']}\n"
                        f"{record['traceback']}(on_error='warn' goes on without it)"
                    )
                keep(key, record)
                progress.step()
        return records

    def _folder(self):
        """Where large arrays of outputs go: beside the store, where it is a folder here."""
        return None if self.store is None or is_url(self.store) else self.store


_PER_ARCHITECTURE = {
    "accuracies_": "accuracy",
    "train_accuracies_": "train_accuracy",
    "train_times_": "train_time",
    "n_parameters_": "n_parameters",
}


def _keyed(key, *args):
    return key, train_architecture(*args)


def _lost(key, *_, error):
    return key, {"error": f"{type(error).__name__}: {error}", "traceback": ""}
