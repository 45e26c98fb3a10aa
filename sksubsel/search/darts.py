"""Differentiable architecture search, on the subset for the architecture that it leads to."""

from __future__ import annotations

import time
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from sksubsel._digest import digest
from sksubsel._parallel import Progress
from sksubsel._validation import check_budget, check_device, check_instances, fit_context
from sksubsel._version import __version__
from sksubsel.benchmark.records import selector_key
from sksubsel.benchmark.tasks import Selections, Training, kind_of
from sksubsel.benchmark.turns import InTurns
from sksubsel.search.base import COUNT, BestEstimator
from sksubsel.search.checkpoint import read_checkpoint, write_checkpoint
from sksubsel.search.derivation import derive_genotype
from sksubsel.search.supernet_training import SupernetTraining
from sksubsel.search.trials import Trainer, check_selector
from sksubsel.spaces import DARTS
from sksubsel.zoo import ArchitectureClassifier
from sksubsel.zoo.batches import float_tensor, validation_split

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from typing_extensions import Self

__all__ = ["DARTSSearch"]

_POSITIVE = Interval(Real, 0, None, closed="neither")
_NOT_NEGATIVE = Interval(Real, 0, None, closed="left")
_NOT_CONTENT = ("selector", "estimator", "refit", "checkpoint", "device", "random_state", "verbose")


class DARTSSearch(BestEstimator):
    """DARTS: all operations trained at once, mixed by parameters that are trained as well.

    The instances are halved once. The weights of a network of mixed operations are trained on
    one half, the parameters of the mixture on the other. Of both only the rows count that
    `selector` chooses for the architecture which the mixture stands for at present; it is asked
    again in the epoch after that has become another one (a SubSelNet gives other rows then with
    ``mode="transductive"``, by default the same). No row ever changes sides, so that the
    architecture is judged by instances which the weights have not seen.

    Parameters
    ----------
    selector : selector or None, default=None
        A :class:`~sksubsel.SubSelNet` fitted on DARTS's architectures and the instances of `fit`
        (in a :class:`sklearn.frozen.FrozenEstimator` where the search is cloned), an unfitted
        selector of (X, y), which is asked once, ``callable(architecture, budget, seed) -> rows``,
        or None for all instances.
    budget : int or float, default=0.1
        Rows to select, a count or a fraction; of no account without a selector.
    order : {"first", "second"}, default="first"
        Whether the gradient of the parameters takes the weights as they are, or as the next step
        makes them, which costs about three times as much.
    stem_channels : int, default=8
        Channels of each node in the first cells; the original searches with 16.
    n_layers : int, default=3
        Cells, at least 3; the original searches with 8.
    max_epochs : int, default=20
        The original has 50.
    batch_size : int, default=32
        The original has 64.
    lr, min_lr : float, default=0.025, 0.001
        Learning rate of the weights, by SGD, in the first and towards the last epoch: half a
        cosine.
    momentum : float, default=0.9
    weight_decay : float, default=3e-4
    gradient_clip : float or None, default=5.0
        Largest norm of the weights' gradient.
    arch_lr : float, default=3e-3
        Of the parameters, by Adam with betas of 0.5 and 0.999. The original has 3e-4 for some
        20,000 steps; a short search needs more.
    arch_weight_decay : float, default=1e-3
    estimator : ArchitectureClassifier or None, default=None
        Recipe of the final training; None: one with default settings, on the search's device.
        Where it has neither `build` nor `network_params`, the network has the search's size.
    refit : bool, default=True
        Train the architecture that was found, from the beginning and on all instances.
    checkpoint : path or None, default=None
        File in which the search is kept after every epoch. One that was interrupted comes to the
        same result, to the bit, when it is run again with the same file.
    device : str, default="cpu"
    random_state : int, RandomState instance or None, default=None
        Of the initial weights, the halves, the order of batches, the selections and the final
        training.
    verbose : int, default=0
        1 shows progress with the remaining time.

    Attributes
    ----------
    genotype_ : Genotype
        Of each node the two strongest edges, each with its strongest operation, "none" left out.
    best_architecture_ : Architecture
        Its graph.
    operation_weights_ : dict of "normal" and "reduce" to float32 ndarray of shape (14, 8)
        Shares of the operations in the end; rows and columns as in
        `sksubsel.networks.darts_supernet`.
    history_ : list of dict
        For each epoch: ``epoch``, from 1; ``genotype``, that it began with; ``selected``, whether
        rows were selected for it; ``n_selected``; ``train_loss``, the mean over its steps;
        ``valid_loss`` and ``valid_accuracy`` of the mixture on the selected rows of the other
        half; ``selection_time`` and ``seconds``, all of it.
    best_estimator_ : ArchitectureClassifier
        Only with `refit`.

    References
    ----------
    Liu, Simonyan, Yang. DARTS: Differentiable Architecture Search. ICLR 2019.

    Jain, Nandy, Aggarwal, Tendulkar, Iyer, De. Efficient Data Subset Selection to Generalize
    Training Across Models: Transductive and Inductive Networks. NeurIPS 2023, section 5.3.

    Examples
    --------
    >>> from sksubsel.baselines import Random
    >>> from sksubsel.datasets import load_digits_images
    >>> from sksubsel.search import DARTSSearch
    >>> X, y = load_digits_images(return_X_y=True)
    >>> search = DARTSSearch(
    ...     Random(stratify="equal"), budget=0.5, stem_channels=2, max_epochs=1, refit=False,
    ...     random_state=0,
    ... ).fit(X[:80], y[:80])
    >>> len(search.genotype_.normal), search.best_architecture_.space
    (8, 'darts')
    """

    _parameter_constraints: dict = {
        "selector": "no_validation",  # check_selector says it better
        "budget": "no_validation",
        "order": [StrOptions({"first", "second"})],
        "stem_channels": [COUNT],
        "n_layers": [Interval(Integral, 3, None, closed="left")],
        "max_epochs": [COUNT],
        "batch_size": [Interval(Integral, 2, None, closed="left")],
        "lr": [_POSITIVE],
        "min_lr": [_NOT_NEGATIVE],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "weight_decay": [_NOT_NEGATIVE],
        "gradient_clip": [_POSITIVE, None],
        "arch_lr": [_POSITIVE],
        "arch_weight_decay": [_NOT_NEGATIVE],
        "estimator": [HasMethods(["fit", "predict"]), None],
        "refit": ["boolean"],
        "checkpoint": [str, Path, None],
        "device": [str, torch.device],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        selector: Any = None,
        *,
        budget: int | float = 0.1,
        order: str = "first",
        stem_channels: int = 8,
        n_layers: int = 3,
        max_epochs: int = 20,
        batch_size: int = 32,
        lr: float = 0.025,
        min_lr: float = 0.001,
        momentum: float = 0.9,
        weight_decay: float = 3e-4,
        gradient_clip: float | None = 5.0,
        arch_lr: float = 3e-3,
        arch_weight_decay: float = 1e-3,
        estimator: Any = None,
        refit: bool = True,
        checkpoint: str | Path | None = None,
        device: str | torch.device = "cpu",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ):
        self.selector = selector
        self.budget = budget
        self.order = order
        self.stem_channels = stem_channels
        self.n_layers = n_layers
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.min_lr = min_lr
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.gradient_clip = gradient_clip
        self.arch_lr = arch_lr
        self.arch_weight_decay = arch_weight_decay
        self.estimator = estimator
        self.refit = refit
        self.checkpoint = checkpoint
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Search.

        Parameters
        ----------
        X : array of shape (N, channels, height, width)
            At least 4 pixels a side.
        y : array of shape (N,)
            Class labels of any dtype.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If something is wrong with the data, a parameter or the checkpoint, before anything is
            trained; if of the selected rows fewer than two are in one of the halves.
        """
        X, codes, task, classes = check_instances(X, y)
        if task != "classification":
            raise ValueError("y must hold class labels; got continuous targets")
        space = DARTS(stem_channels=self.stem_channels, n_layers=self.n_layers)
        device = check_device(self.device)
        estimator = (
            ArchitectureClassifier(device=device) if self.estimator is None else self.estimator
        )
        trainer = Trainer(estimator, space.build, X, codes, classes, task)
        selector = check_selector(self.selector, trainer)
        if kind_of(selector) == "callback" or isinstance(selector, InTurns):
            raise ValueError(
                "selector must not be a SubsetCallback or InTurns, whose rows change; got "
                f"{type(selector).__name__}"
            )
        settings = {**self.get_params(deep=False), "device": device}
        count = None if selector is None else check_budget(self.budget, len(X))
        kept = None if self.checkpoint is None else read_checkpoint(self.checkpoint)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        if self.random_state is None and kept is not None:
            seed = kept["seed"]  # so that a search without a seed goes on, too
        training = SupernetTraining(
            float_tensor(X), torch.from_numpy(codes), len(classes), settings, seed
        )
        state = {"seed": seed, "history": [], "genotype": "", "rows": None, "weight": None}
        if self.checkpoint is not None:
            content = sorted((k, v) for k, v in settings.items() if k not in _NOT_CONTENT)
            state["key"] = digest(
                __version__, X, codes, classes, content, count, seed, selector_key(selector)
            )
            if kept is not None:
                if kept["key"] != state["key"]:
                    raise ValueError(
                        f"checkpoint {self.checkpoint} is of a search with other data or settings; "
                        "give another file, or delete this one to start anew"
                    )
                state = kept
                training.load(kept["training"])
        halves = np.zeros(len(X), dtype=bool)
        halves[validation_split(len(X), 0.5, codes, seed)[1]] = True
        self._run(training, state, Selections(selector, trainer), count, torch.from_numpy(halves))
        self.history_ = state["history"]
        self.operation_weights_ = training.operation_weights()
        self.genotype_ = derive_genotype(**self.operation_weights_)
        self.best_architecture_ = space.from_genotype(self.genotype_)
        if self.refit:
            self.best_estimator_ = trainer.train(self.best_architecture_, random_state=seed)
        return self

    def _run(self, training, state, selections, count, halves):
        """Make the epochs that `state` lacks, and keep it after each."""
        n_done = len(state["history"])
        progress = Progress("DARTSSearch", "epochs", self.max_epochs - n_done, self.verbose)
        if n_done:
            progress.say(f"{n_done} of {self.max_epochs} epochs are in {self.checkpoint}")
        with progress:
            for epoch in range(n_done, self.max_epochs):
                start = time.perf_counter()
                genotype = derive_genotype(**training.operation_weights())
                selected = selections.kind != "full" and repr(genotype) != state["genotype"]
                # a selector of (X, y) knows no architecture, and is asked once
                selected = selected and not (state["genotype"] and selections.kind == "rows")
                if selected:
                    self._select(state, selections, genotype, count)
                selection_time = time.perf_counter() - start
                state["genotype"] = repr(genotype)
                rows = torch.arange(len(halves)) if state["rows"] is None else state["rows"]
                train_rows, valid_rows = rows[~halves[rows]], rows[halves[rows]]
                if min(len(train_rows), len(valid_rows)) < 2:
                    raise ValueError(
                        "budget must leave two rows in each half of the data at least; of "
                        f"{len(rows)} rows {len(train_rows)} and {len(valid_rows)} were left"
                    )
                weight = None if state["weight"] is None else state["weight"].to(training.X.device)
                train_loss = training.epoch(epoch, train_rows, valid_rows, weight)
                valid_loss, accuracy = training.evaluate(valid_rows)
                state["history"].append(
                    {
                        "epoch": epoch + 1,
                        "genotype": state["genotype"],
                        "selected": bool(selected),
                        "n_selected": len(rows),
                        "train_loss": train_loss,
                        "valid_loss": valid_loss,
                        "valid_accuracy": accuracy,
                        "selection_time": selection_time,
                        "seconds": time.perf_counter() - start,
                    }
                )
                if self.checkpoint is not None:
                    write_checkpoint(self.checkpoint, {**state, "training": training.state()})
                progress.step()
                progress.say(f"train loss {train_loss:.4f}, validation accuracy {accuracy:.4f}")

    def _select(self, state, selections, genotype, count):
        """Rows, and weights if they have some, for an architecture, into `state`."""
        arch = DARTS().from_genotype(genotype)
        training = Training("", "DARTSSearch", count, count, arch, state["seed"], False)
        chosen = selections.choose(training, "cpu")
        state["rows"], state["weight"] = torch.from_numpy(chosen.rows), None
        if chosen.weights is not None:
            weight = np.zeros(len(selections.zoo.y_), dtype=np.float32)
            weight[chosen.rows] = chosen.weights / chosen.weights.mean()
            state["weight"] = torch.from_numpy(weight)
