"""A comparison from its configuration to its tables, in a folder that keeps what is done."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, clone

from sksubsel._parallel import Progress
from sksubsel._validation import check_budget, warn_caller
from sksubsel.baselines import SubsetCallback
from sksubsel.benchmark import records
from sksubsel.benchmark.checks import FULL_DATA, check_budgets, check_callback
from sksubsel.benchmark.compare import SOFT, as_table, compare, named_by, row_name
from sksubsel.benchmark.config import check_names, make_selector, make_space, read_config
from sksubsel.benchmark.data import load_data
from sksubsel.benchmark.turns import InTurns
from sksubsel.selector import SubsetSelector
from sksubsel.subselnet import SubSelNet
from sksubsel.zoo import ArchitectureClassifier, ModelZoo

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    import torch

__all__ = [
    "compared_architectures",
    "fit_selector",
    "fit_zoo",
    "run_config",
    "table_path",
    "with_recipe",
]

_SELECTION = sorted(set(SubsetSelector().get_params()) & set(SubSelNet().get_params())
                    - {"features", "random_state", "device", "verbose"})  # fmt: skip


def run_config(
    path: str | Path,
    folder: str | Path,
    *,
    only: Sequence[str] | None = None,
    budgets: Sequence[int | float] | None = None,
    seeds: Sequence[int] | None = None,
    validation: bool = False,
    soft_targets: bool = True,
    n_jobs: int | None = None,
    device: str | torch.device | None = None,
    verbose: int = 1,
) -> pd.DataFrame:
    """Run a comparison, or go on with it, and write its tables into a folder.

    Parameters
    ----------
    path : path
        See :func:`read_config`.
    folder : path
        Gets ``zoo/``, ``cache/``, ``records.jsonl`` and the table, a CSV file with the name of the
        configuration's. Configurations with the same data, architectures, recipe and zoo may share
        a folder.
    only : list of str or None
        Names of selectors to run now; the table has what is in the records of the others, too. The
        zoo is trained where one of them, or what gives it soft targets, is a SubSelNet.
    budgets, seeds : lists or None
        A part of the configuration's to run now.
    validation : bool, default=False
        Compare on the validation architectures and instances, to choose settings by, whatever the
        configuration says; the table's name ends with ``_validation`` then.
    soft_targets : bool, default=True
        False: train on labels alone, also where the configuration names soft targets.
    n_jobs : int or None
    device : str or None
        Where all of it computes; None: as the configuration says.
    verbose : int

    Returns
    -------
    DataFrame
        See :func:`compare`.

    Warns
    -----
    UserWarning
        If rows are left out of the table, since they are of a selector that had the name of one
        before that was edited; of one with ``per_seed`` this is looked at seed by seed. The
        smallest of the budgets is a parameter of a SubSelNet by design, which so is another one
        where a smaller one is added.

    Examples
    --------
    >>> from sksubsel.benchmark import run_config
    >>> table = run_config("comparison.toml", "comparison", n_jobs=2)  # doctest: +SKIP
    """
    config, folder = read_config(path), Path(folder)
    if validation:
        _judge_by_validation(config)
    specs = config["selectors"]
    only = list(specs) if only is None else only
    check_names(only, specs, "selectors to run")
    chosen: dict[str, Any] = {"budgets": budgets, "seeds": seeds}
    for key, values in chosen.items():
        own = config["compare"][key]
        check_names(values or [], own, key)
        chosen[key] = own if values is None else [own[own.index(value)] for value in values]
    seeds = chosen["seeds"]
    folder.mkdir(parents=True, exist_ok=True)
    asked = [name for name in only if specs[name].get("another_kind")]
    if asked and len({arch.space for arch in compared_architectures(config)}) < 2:
        raise ValueError(
            f"selectors {asked} need compared architectures of two or more spaces (another_kind); "
            "got one (a larger n_unseen or n_validation draws more)"
        )
    selectors, soft = {}, {}
    softly = [name for name in only if soft_targets and "soft_targets" in specs[name]]
    names = list(dict.fromkeys([*only, *sorted({specs[name]["soft_targets"] for name in softly})]))
    data = load_data(**config["data"])
    counts = check_budgets(config["compare"]["budgets"], len(data.y))
    made = {name: make_selector(name, specs[name])[0] for name in names}
    _check_callbacks(config, made, [counts[budget] for budget in chosen["budgets"]], len(data.y))
    nets = [name for name, one in made.items() if isinstance(one, SubSelNet)]
    drawn, seen, zoo = fit_zoo(config, data, folder, n_jobs, verbose, device, train=bool(nets))
    with Progress("nets", "fitted", len(nets), verbose) as progress:
        for name in names:
            if name in nets:
                progress.say(f"{name} learns from the zoo")
            selectors[name], options = fit_selector(
                name, config, data, drawn, seen, zoo, folder, seeds, device
            )
            if name in softly:
                soft[name] = options["soft_targets"]
            if name in nets:
                progress.step()
    recipe = config["compare"]["recipe"]
    judged = with_recipe(zoo, recipe if device is None else {**recipe, "device": device})
    records_file = folder / "records.jsonl"
    compare(
        {name: selectors[name] for name in only}, drawn, judged, data.X_test, data.y_test,
        **chosen,
        validation=data.validation,
        soft_targets={name: selectors[source] for name, source in soft.items()},
        records_file=records_file, on_error="warn", n_jobs=n_jobs, verbose=verbose,
    )  # fmt: skip
    table = as_table(_asked_for(config, records_file, judged, drawn, data), records_file)
    table.to_csv(table_path(path, folder, validation), index=False)
    return table


def _check_callbacks(config, made, counts, n_samples):
    """What `compare` would find out about them after the zoo's trainings."""
    estimator = ArchitectureClassifier(**config["recipe"] | config["compare"]["recipe"])
    for name, selector in made.items():
        if isinstance(selector, SubsetCallback):
            try:
                check_callback(selector, estimator, counts, n_samples)
            except ValueError as error:
                raise ValueError(f"[selectors.{name!r}]: {error}") from error


def table_path(config: str | Path, folder: str | Path, validation: bool = False) -> Path:
    """Where :func:`run_config` writes the table of a configuration's file."""
    return Path(folder) / f"{Path(config).stem}{'_validation' if validation else ''}.csv"


def _asked_for(config, records_file, zoo, archs, data):
    """Records of a configuration, but for those of selectors that had a method's name before.

    A record from before they named the selector tells by its key whether that is the present one.
    """
    specs, compared = config["selectors"], config["compare"]
    test = data.X_test, data.y_test
    run = records.run_key(zoo, archs, *test, data.validation)
    recipe = records.recipe_key(zoo, *test)
    known = {FULL_DATA, *specs, *(name + SOFT for name in specs)}
    found = [
        one for one in records.read(records_file) if one["run"] == run and one["method"] in known
    ]
    per_seed = {name for name, spec in specs.items() if spec.get("per_seed")}
    per_seed |= {
        name + SOFT for name, one in specs.items() if {name, one.get("soft_targets")} & per_seed
    }
    present = {named_by(one, per_seed): one["selector"] for one in found if "selector" in one}
    by_hash = {arch.hash: arch for arch in archs}

    def is_present(record):
        name = named_by(record, per_seed)
        if name not in present:
            return True
        own, _, giver = present[name].partition(" ")
        arch, seed = by_hash[record["arch"]], record["seed"]
        counts = check_budget(record["budget"], len(data.y)), None  # of all data, or of no account
        return record["key"] in [
            records.record_key(recipe, own, arch, count, seed, giver or None) for count in counts
        ]

    budgets = [1.0, *compared["budgets"]]
    found = [one for one in found if one["budget"] in budgets and one["seed"] in compared["seeds"]]
    kept = [one for one in found if is_present(one)]
    of_others = {row_name(one) for one in found} - {row_name(one) for one in kept}
    if of_others:
        warn_caller(
            f"{len(of_others)} rows are left out, of selectors that have been edited since under "
            f"the same names, {sorted({method for _, method, *_ in of_others})} (a SubSelNet's "
            "budget is the smallest of [compare] budgets); run these again for all budgets and "
            "seeds"
        )
    return kept


def _judge_by_validation(config):
    fractions, count = config["data"]["fractions"], config["architectures"]["n_validation"]
    none = isinstance(fractions, list) and len(fractions) == 3 and fractions[1] == 0
    if none or not count:  # others than three are load_data's to refuse
        raise ValueError(
            "validation needs a second share in [data] fractions, and [architectures] "
            f"n_validation, above 0; got {fractions} and {count}"
        )
    config["data"]["judge"] = config["architectures"]["judge"] = "validation"


def fit_zoo(config, data, folder, n_jobs, verbose, device=None, *, train=True):
    """The architectures to compare on, those seen, and their zoo; not to `train` it is of data and
    recipe alone.
    """
    compared, seen = _draw(config)
    space = make_space(config["space"])
    build = space.build if data.transform is None else data.transform.before(space.build)
    recipe = ArchitectureClassifier(build=build, **config["recipe"])
    given = {"store": folder / "zoo", "random_state": 0, "n_jobs": n_jobs, "verbose": verbose}
    zoo = ModelZoo(recipe, **given | config["zoo"])
    if device is not None:
        zoo.set_params(device=device)
    fit = zoo.fit if train else zoo._without_training
    return compared, seen, fit(seen, data.X, data.y)


def compared_architectures(config):
    """The architectures that a configuration compares on."""
    return _draw(config)[0]


def _draw(config):
    """Architectures to compare on, and those seen."""
    sizes = config["architectures"]
    judged = "n_unseen" if sizes["judge"] == "unseen" else "n_validation"
    if sizes[judged] == 0:
        raise ValueError(
            f"[architectures] {judged} must be at least 1 where these are compared on; got 0"
        )
    counts = [sizes["n_unseen"], sizes["n_validation"], sizes["n_seen"]]
    drawn = make_space(config["space"]).sample(sum(counts), random_state=sizes["seed"])
    unseen, validation, seen = (
        drawn[end - count : end] for count, end in zip(counts, np.cumsum(counts))
    )
    return (unseen if sizes["judge"] == "unseen" else validation), seen


def fit_selector(name, config, data, drawn, seen, zoo, folder, seeds, device=None):
    """A configuration's selector, nets fitted (a list, one a seed, if `per_seed`), its options."""
    prototype, options = make_selector(name, config["selectors"][name])
    if device is not None and hasattr(prototype, "get_params"):
        names = [n for n in prototype.get_params() if n.rpartition("__")[2] == "device"]
        prototype.set_params(**dict.fromkeys(names, device))
    if not isinstance(prototype, SubSelNet):
        return prototype, options
    prototype.set_params(memory=str(folder / "cache"))
    if prototype.diversity == "design" and prototype.selector is None:
        # a design learns nothing of the budget but prepares it: the smallest costs least
        smallest = min(config["compare"]["budgets"], key=lambda b: check_budget(b, len(data.y)))
        prototype.set_params(budget=smallest)
    if prototype.random_state is None:
        prototype.set_params(random_state=0)
    each = [seen, zoo] if "zoo_size" not in options else _part(zoo, options["zoo_size"])
    fitted = [_fit_net(prototype, each, s) for s in (seeds if options.get("per_seed") else [None])]
    if "turns" in options:
        fitted = [InTurns(net, options["turns"]) for net in fitted]
    if options.get("another_kind"):
        fitted = [ForAnotherKind(net, drawn) for net in fitted]
    return (fitted if options.get("per_seed") else fitted[0]), options


class ForAnotherKind(BaseEstimator):
    """Rows that a net selects for an architecture of another space than the one asked about.

    To a comparison it is a function: what the net has cost is told beside the net itself.

    Parameters
    ----------
    net : SubSelNet
        Fitted.
    archs : list of Architecture
        From them the next one of another space is taken, going round.
    """

    def __init__(self, net, archs):
        self.net = net
        self.archs = archs

    def __call__(self, arch, budget, seed):
        """Rows (B,)."""
        place = next(k for k, one in enumerate(self.archs) if one.hash == arch.hash)
        others = self.archs[place:] + self.archs[:place]
        other = next(one for one in others if one.space != arch.space)
        return self.net.select(other, budget, seed)


def with_recipe(zoo, recipe):
    """The zoo with a recipe that differs in some parameters; the one given keeps its own."""
    judged = copy.copy(zoo)
    judged.estimator_ = clone(zoo.estimator_).set_params(**recipe)
    return judged


def _part(zoo, size):
    """The architectures of a zoo but for trained ones beyond the first few, and their zoo."""
    part = zoo[np.setdiff1d(np.arange(len(zoo)), zoo.trained_[size:])]
    return [part.architectures_, part]


def _fit_net(net, each, seed):
    """The net fitted; with a seed of its selector alone, so that the other parts are cached."""
    net = clone(net)
    if seed is not None:
        selector = net.selector
        if selector is None:
            given = {name: getattr(net, name) for name in (*_SELECTION, "device", "verbose")}
            selector = SubsetSelector(**given)
            defaults = SubsetSelector().get_params()
            net.set_params(**{name: defaults[name] for name in _SELECTION})
        net.set_params(selector=clone(selector).set_params(random_state=seed))
    return net.fit(*each)
