"""A comparison described by a TOML file: data, networks, zoo, selectors, budgets."""

from __future__ import annotations

import difflib
import inspect
import sys
from pathlib import Path
from typing import Any

from sklearn.base import BaseEstimator

from sksubsel import approximator, baselines, encoder, features, selector, spaces
from sksubsel._validation import check_budget
from sksubsel.base import BaseSelector
from sksubsel.baselines import adaptive
from sksubsel.benchmark.checks import FULL_DATA, check_seeds
from sksubsel.benchmark.data import LOADERS, check_size
from sksubsel.subselnet import SubSelNet
from sksubsel.zoo import ArchitectureClassifier, ModelZoo

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["check_names", "make_selector", "make_space", "read_config"]

_MODULES = (baselines, adaptive, approximator, encoder, features, selector)
_SPACES = [
    name
    for name in spaces.__all__
    if issubclass(getattr(spaces, name), spaces.SearchSpace) and name != "SearchSpace"
]
_DATA = {"name": "digits", "fractions": [0.7, 0.1, 0.2], "judge": "test", "pool": 1,
         "label_noise": 0.0, "imbalance": 1.0, "seed": 0, "size": None,
         "path": None, "labels": None, "target": None, "transform": False}  # fmt: skip
_ARCHITECTURES = {"n_seen": 200, "n_unseen": 5, "n_validation": 0, "judge": "unseen", "seed": 0}
_COMPARE: dict = {"budgets": [0.05, 0.1], "seeds": [0, 1, 2], "recipe": {}}
_OURS = {"architecture", "build", "network_params", "callbacks", "classes", "estimator", "store",
         "n_jobs", "verbose"}  # fmt: skip
_SECTIONS = {
    "data", "space", "architectures", "recipe", "zoo", "compare", "selectors"
}  # fmt: skip


def read_config(path: str | Path) -> dict:
    """Read a configuration and fill in what it leaves out.

    A file that begins with ``extends = "OTHER.toml"``, a path as seen from the file, is that
    other one with what it says itself in place or besides: keys of each section and of ``[compare]
    recipe``, selectors by name.

    Sections and keys, all but `selectors` optional:

    - ``[data]``: ``name`` ("digits", "fashion_mnist", "cifar10", "cifar100", "tiny_imagenet",
      "caltech256" or "imagenet", see `sksubsel.datasets`), or in its place ``path``, files of your
      own: .npz with X and y, .npy with ``labels``, .parquet with ``target``, a folder with X.npy
      and y.npy or one of images for each class; ``size``, pixels a side that images of folders and
      of the last three are resized to; ``fractions``, of the instances, to
      train on, to validate with and the rest; ``judge``: "validation", or "test", which is the
      data set's own test instances, where it has none the rest; ``pool``, pixels averaged each
      way; ``transform = true``, to train behind the data set's own ``ImageTransform``;
      ``label_noise``, share of training labels made wrong; ``imbalance``, how many times rarer the
      rarest training class is than the most frequent (rarity grows geometrically); ``seed``.
    - ``[space]``: ``name`` (a class of `sksubsel.spaces`) and its parameters; of "Mixed",
      ``spaces`` is a list of such tables.
    - ``[architectures]``: ``n_unseen``, ``n_validation`` and ``n_seen``, drawn in this order;
      ``judge``: "unseen" or "validation", those that are compared on; ``seed``.
    - ``[recipe]``: parameters of :class:`~sksubsel.ArchitectureClassifier`.
    - ``[zoo]``: parameters of :class:`~sksubsel.ModelZoo`.
    - ``[compare]``: ``budgets``, ``seeds``, and ``recipe``, a table of what all compared trainings
      have different from the zoo's.
    - ``[selectors."NAME"]``: ``class``, one of `sksubsel.baselines`, a strategy of
      `sksubsel.baselines.adaptive` (``every`` and ``warm_start`` go to the SubsetCallback) or
      "SubSelNet", and its parameters; a table with a ``class`` among these is an estimator. For a
      SubSelNet also ``zoo_size``, to learn from so many of the zoo's trained networks;
      ``per_seed = true``, for a selection with each seed's own random numbers;
      ``turns = K``, for K subsets that take turns in the epochs (:class:`InTurns`); and
      ``another_kind = true``, to train each architecture on what is selected for one of another
      space. For any selector ``soft_targets = "NAME"``, to train also on the probabilities that
      the SubSelNet of that name predicts.

    Parameters
    ----------
    path : path

    Returns
    -------
    dict of dict

    Raises
    ------
    ValueError
        If the file is not TOML, or has an unknown section or key; if what it extends is missing or
        leads back to it.

    Examples
    --------
    >>> from sksubsel.benchmark import read_config
    >>> config = read_config("comparison.toml")  # doctest: +SKIP
    >>> config["compare"]["budgets"]  # doctest: +SKIP
    [0.05, 0.1]
    """
    config = _read(Path(path))
    if not config.get("selectors"):
        raise ValueError(f"{path} must have a section [selectors.NAME]; got none")
    given = set(config.get("data", {}))
    for section, defaults in (
        ("data", _DATA), ("architectures", _ARCHITECTURES), ("compare", _COMPARE)
    ):  # fmt: skip
        check_names(config.get(section, {}), defaults, f"[{section}]")
        config[section] = {**defaults, **config.get(section, {})}
    _check_data(config["data"], given)
    _one_of(config["data"]["judge"], ("validation", "test"), "[data] judge")
    _one_of(config["architectures"]["judge"], ("unseen", "validation"), "[architectures] judge")
    config["space"] = {"name": "NASBench101", **config.get("space", {})}
    space = make_space(config["space"])
    for key, kind in (("budgets", (int, float)), ("seeds", int)):
        values = config["compare"][key]
        numbers = isinstance(values, list) and all(isinstance(v, kind) for v in values)
        if not numbers or not values:
            raise ValueError(f"[compare] {key} must be a list of numbers; got {values!r}")
        if len(set(values)) < len(values):
            raise ValueError(f"[compare] {key} must be distinct; got {values!r}")
    _check_numbers(config["compare"], config["architectures"])
    recipe = set(ArchitectureClassifier().get_params()) - _OURS
    config["recipe"], config["zoo"] = config.get("recipe", {}), config.get("zoo", {})
    of_compared = config["compare"]["recipe"]
    if not isinstance(of_compared, dict):
        raise ValueError(f"[compare] recipe must be a table of parameters; got {of_compared!r}")
    check_names(config["recipe"], recipe, "[recipe]")
    check_names(of_compared, recipe, "[compare] recipe")
    for where, params in (
        ("[recipe]", config["recipe"]), ("[compare] recipe", of_compared)
    ):  # fmt: skip
        ArchitectureClassifier(**params)._validate_params()
        if isinstance(params.get("class_weight"), dict):  # whose keys would be strings in TOML
            raise ValueError(
                f"{where} class_weight must be 'balanced' in a file; got {params['class_weight']}"
            )
    check_names(config["zoo"], set(ModelZoo().get_params(deep=False)) - _OURS, "[zoo]")
    ModelZoo(**config["zoo"])._validate_params()
    if FULL_DATA in config["selectors"]:
        raise ValueError(f"[selectors] must not have {FULL_DATA!r}, the name of the reference")
    made = {name: make_selector(name, spec) for name, spec in config["selectors"].items()}
    nets = [
        name
        for name, (selector, options) in made.items()
        if isinstance(selector, SubSelNet) and not options.get("another_kind")
    ]
    for name, (_, options) in made.items():
        if options.get("another_kind") and not isinstance(space, spaces.Mixed):
            raise ValueError(
                f"[selectors.{name!r}] another_kind needs [space] name = 'Mixed'; got {space!r}"
            )
        if "turns" in options:
            _check_turns(name, options, config["recipe"] | of_compared)
        if "soft_targets" in options:
            _one_of(options["soft_targets"], nets, f"[selectors.{name!r}] soft_targets")
    return config


def _read(path, extending=()):
    """Sections of a file and of those that it extends."""
    try:
        config = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not TOML: {error}") from error
    check_names(config, _SECTIONS | {"extends"}, f"sections of {path}")
    extended = config.pop("extends", None)
    for section, values in config.items():
        if not isinstance(values, dict):
            raise ValueError(f"{section} of {path} must be a section [{section}]; got {values!r}")
    if extended is None:
        return config
    if not isinstance(extended, str) or not (path.parent / extended).is_file():
        raise ValueError(
            f"extends of {path} must be the path of a file, as seen from there; got {extended!r}, "
            "where there is none"
        )
    extending = (*extending, path.resolve())
    other = path.parent / extended
    if other.resolve() in extending:
        raise ValueError(f"extends of {path} must not lead back to a file itself; got {extended!r}")
    base = _read(other, extending)
    merged = {
        section: {**base.get(section, {}), **config.get(section, {})}
        for section in dict.fromkeys([*base, *config])
    }
    recipes = [one.get("compare", {}).get("recipe", {}) for one in (base, config)]
    if all(isinstance(recipe, dict) for recipe in recipes) and any(recipes):
        merged["compare"]["recipe"] = {**recipes[0], **recipes[1]}
    return merged


def _check_numbers(compared, sizes):
    """Budgets and seeds, and numbers of architectures to draw."""
    budgets = compared["budgets"]
    for budget in budgets:
        try:
            check_budget(budget, sys.maxsize)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"[compare] budgets must be ints of at least 1 or floats in (0, 1]; got {budgets!r}"
            ) from error
    try:
        check_seeds(compared["seeds"])
    except ValueError as error:
        raise ValueError(f"[compare] {error}") from error
    for key, least in (("n_unseen", 0), ("n_validation", 0), ("n_seen", 1), ("seed", 0)):
        number = sizes[key]
        if not isinstance(number, int) or isinstance(number, bool) or number < least:
            raise ValueError(
                f"[architectures] {key} must be an int of at least {least}; got {number!r}"
            )


def _check_turns(name, options, recipe):
    turns, where = options["turns"], f"[selectors.{name!r}] turns"
    if not isinstance(turns, int) or isinstance(turns, bool) or turns < 1:
        raise ValueError(f"{where} must be an int of at least 1; got {turns!r}")
    if options.get("another_kind"):
        raise ValueError(f"{where} does not go with another_kind; got {options['another_kind']!r}")
    if recipe.get("early_stopping"):
        raise ValueError(
            f"{where} need a recipe with early_stopping = false, which trains on all rows given "
            "and so knows them by their numbers; got true"
        )


def _check_data(data, given):
    """A data set by its name, or files by their path; they are read later."""
    if not isinstance(data["transform"], bool):
        raise ValueError(f"[data] transform must be true or false; got {data['transform']!r}")
    if data["transform"] and data["path"] is not None:
        raise ValueError("[data] transform belongs to a data set's name; got a path")
    if data["path"] is None:
        for key in sorted(given & {"labels", "target"}):
            raise ValueError(f"[data] {key} belongs to a path; got {data[key]!r} without one")
        _one_of(data["name"], LOADERS, "[data] name")
        check_size(data["name"], data["size"])
        return
    if "name" in given:
        raise ValueError(
            f"[data] must have a name or a path; got both, {data['name']!r} and {data['path']!r}"
        )
    check_size(None, data["size"])


def make_space(spec, where="[space]"):
    """A search space as a section describes it."""
    if not isinstance(spec, dict):
        raise ValueError(f"{where} must be a table with a name; got {spec!r}")
    params = dict(spec)
    cls = getattr(spaces, _one_of(params.pop("name", None), _SPACES, f"{where} name"))
    check_names(params, set(inspect.signature(cls).parameters), where)
    if cls is spaces.Mixed:
        each = params.get("spaces", [])
        if not isinstance(each, list):
            raise ValueError(f"{where} spaces must be a list of tables; got {each!r}")
        params["spaces"] = [make_space(one, f"{where} spaces[{k}]") for k, one in enumerate(each)]
    try:
        space = cls(**params)
        len(space)  # looks at what it was given
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: {error}") from error
    return space


def make_selector(name, spec):
    """A selector as a section describes it, and what of it is not a parameter of its class."""
    if not isinstance(spec, dict):
        raise ValueError(f"[selectors.{name!r}] must be a table with a class; got {spec!r}")
    spec = dict(spec)
    own = {"soft_targets"} | (
        {"zoo_size", "per_seed", "another_kind", "turns"}
        if spec.get("class") == "SubSelNet"
        else set()
    )
    options = {key: spec.pop(key) for key in own & set(spec)}
    cls = _class(spec, f"[selectors.{name!r}]", (SubSelNet, BaseSelector, adaptive.Strategy))
    if cls is adaptive.TurnsStrategy:
        raise ValueError(
            f"[selectors.{name!r}] class must not be 'TurnsStrategy', whose subsets are made "
            "before; turns = K of a SubSelNet makes them for each budget"
        )
    if issubclass(cls, adaptive.Strategy):
        callback = {key: spec.pop(key) for key in ("every", "warm_start") if key in spec}
        also = {"every", "warm_start", *own}
        selector = adaptive.SubsetCallback(_make(spec, name, also), **callback)
    else:
        selector = _make(spec, name, own)
    try:
        if isinstance(selector, adaptive.SubsetCallback):
            selector.check()
        else:
            selector._validate_params()
    except ValueError as error:
        raise ValueError(f"[selectors.{name!r}]: {error}") from error
    return selector, options


def _make(spec: dict, name, also=frozenset()) -> Any:
    """An object of a class in reach, with its parameters; tables with a class are made as well.

    `also` is what may be set beside its parameters, and was taken out before.
    """
    cls = _class(spec, f"[selectors.{name!r}]")
    allowed = {*inspect.signature(cls).parameters, *also} - {"self"}
    params = {key: value for key, value in spec.items() if key != "class"}
    check_names(params, allowed, f"[selectors.{name!r}], of {cls.__name__},")
    for key, value in params.items():
        if isinstance(value, dict) and "class" in value:
            params[key] = _make(value, name)
    return cls(**params)


def _class(spec, where, bases=(object,)):
    known = {"SubSelNet": SubSelNet, "ArchitectureClassifier": ArchitectureClassifier}
    for module in _MODULES:
        for name, value in vars(module).items():
            ours = inspect.isclass(value) and value.__module__.startswith("sksubsel")
            if ours and issubclass(value, BaseEstimator) and not name.startswith("_"):
                known.setdefault(name, value)
    known = {
        name: cls
        for name, cls in known.items()
        if issubclass(cls, bases) and not inspect.isabstract(cls)
    }
    if "class" not in spec:
        raise ValueError(f"{where} must have a class; got {spec}")
    return known[_one_of(spec["class"], known, f"{where} class")]


def check_names(given, allowed, where):
    """Raise ValueError for names that are not allowed."""
    unknown = [name for name in given if name not in allowed]
    if unknown:
        hint = _hint(unknown[0], allowed)
        raise ValueError(f"{where} must be among {sorted(allowed)}; got {unknown}{hint}")


def _one_of(value, allowed, where):
    if value not in allowed:
        hint = _hint(value, allowed)
        raise ValueError(f"{where} must be one of {sorted(allowed)}; got {value!r}{hint}")
    return value


def _hint(value, allowed):
    names = list(map(str, allowed))
    close = difflib.get_close_matches(str(value), names, n=1)
    begun = [name for name in names if name.startswith(str(value))]  # "RS2" of "RS2Strategy"
    if not close and len(begun) == 1:
        close = begun
    return f" (did you mean {close[0]!r}?)" if close else ""
