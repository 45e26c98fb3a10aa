"""The main job from end to end on small images, as the command line and the examples run it."""

from __future__ import annotations

import datetime
import os
import platform
import time
from pathlib import Path
from typing import Any

from sklearn.base import clone
from sklearn.model_selection import train_test_split

from sksubsel.baselines import Random
from sksubsel.benchmark import LEGEND, compare, format_table, summarize
from sksubsel.datasets import load_digits_images
from sksubsel.spaces import NASBench101
from sksubsel.subselnet import SubSelNet
from sksubsel.zoo import ArchitectureClassifier, ModelZoo

_BUDGETS = 0.05, 0.1


def run_demo(*, figure=None, table=None, n_jobs=2, seed=0, device="cpu", verbose=1):
    """SubSelNet's three modes beside random subsets, on scikit-learn's digits.

    Twelve NAS-Bench-101 cells are trained as the zoo; subsets of 5 % and 10 % are selected for
    three cells outside it, which are trained on them with three seeds.

    Parameters
    ----------
    figure : path or None
        Where to save the trade-off figure (needs the extra ``plot``).
    table : path or None
        Where to write the rows of :func:`~sksubsel.benchmark.compare` as CSV.
    n_jobs : int
    seed : int
    device : str
    verbose : int
        1 shows progress with the remaining time.

    Returns
    -------
    DataFrame
        One row per training.

    Raises
    ------
    ValueError
        If the folder of a file to write is not there, before anything is trained.
    """
    for name, path in (("figure", figure), ("table", table)):
        if path is not None and not Path(path).absolute().parent.is_dir():
            raise ValueError(f"{name} must be in a folder that is there; got {str(path)!r}")
    X, y = load_digits_images(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=500, stratify=y, random_state=seed
    )
    space = NASBench101(stem_channels=8, n_stacks=2, n_cells=1)
    cells = space.sample(515, random_state=seed)
    unseen, seen = cells[:3], cells[3:]
    estimator = ArchitectureClassifier(
        build=space.build,
        max_epochs=10,
        min_steps=120,
        lr=1e-2,
        stratify_batches=True,
        random_state=seed,
    )
    zoo = ModelZoo(
        estimator, n_pretrained=12, n_jobs=n_jobs, device=device, random_state=seed, verbose=verbose
    )
    print(machine())
    print(f"{len(X_train):,} training and {len(X_test):,} test instances; budgets {_BUDGETS}")
    start = time.perf_counter()
    zoo = zoo.fit(seen, X_train, y_train)
    print(
        f"zoo: {len(zoo.trained_)} of {len(seen)} architectures trained in "
        f"{time.perf_counter() - start:.1f} s, mean training accuracy {zoo.accuracies_.mean():.3f}"
    )
    nets: dict[str, SubSelNet] = {}
    settings: dict[str, dict[str, Any]] = {
        "SubSelNet, transductive": {"mode": "transductive"},
        "SubSelNet, inductive": {"mode": "inductive"},
        "SubSelNet, hybrid": {"mode": "hybrid"},
        "SubSelNet, entropy, transductive": {"mode": "transductive", "diversity": "entropy"},
        "SubSelNet, entropy, inductive": {"diversity": "entropy", "mode": "inductive"},
        "SubSelNet, coverage": {"mode": "transductive", "diversity": "coverage"},
    }
    for name, params in settings.items():
        start = time.perf_counter()
        net = SubSelNet(**params, device=device, random_state=seed)
        if nets:  # the encoder and the approximator do not depend on the mode
            first = next(iter(nets.values()))
            net = fit_selector(net, first, seen, zoo)
        else:
            net.fit(seen, zoo)
        nets[name] = net
        shared = "" if len(nets) > 1 else ", with the parts that the next ones share"
        print(f"{name}: fitted in {time.perf_counter() - start:.1f} s{shared}")
    selectors = {
        "random": Random(),
        "class-balanced random": Random(stratify="equal"),
        **nets,
    }
    rows = compare(
        selectors, unseen, zoo, X_test, y_test, budgets=_BUDGETS, seeds=(0, 1, 2),
        soft_targets=("SubSelNet, transductive",), n_jobs=n_jobs, verbose=verbose,
    )  # fmt: skip
    print(format_table(summarize(rows)))
    print(LEGEND)
    if table is not None:
        rows.to_csv(table, index=False)
        print(f"rows written to {table}")
    if figure is not None:
        from sksubsel.plotting import TradeoffDisplay

        display = TradeoffDisplay.from_frame(rows[rows.budget < 1]).plot()
        display.figure_.savefig(figure, dpi=150, bbox_inches="tight")
        print(f"figure saved to {figure}")
    return rows


def fit_selector(net, fitted, archs, zoo):
    """Fit a SubSelNet that shares the encoder and the approximator of one fitted already."""
    from sklearn.frozen import FrozenEstimator

    return clone(net).set_params(
        encoder=FrozenEstimator(fitted.encoder_),
        approximator=FrozenEstimator(fitted.approximator_),
    ).fit(archs, zoo)  # fmt: skip


def machine() -> str:
    """One line on the machine and the date, for measured tables."""
    import torch

    return (
        f"{datetime.date.today()}, {platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, torch {torch.__version__}"
    )
