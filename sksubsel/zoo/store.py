"""A folder, here or at a URL, that keeps each finished architecture of a zoo."""

from __future__ import annotations

import hashlib
import json
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np

from sksubsel.zoo.folders import is_url, open_folder

_FORMAT = 1
_MANIFEST = "manifest.json"
_RECORD = ("predictions", "accuracy", "train_accuracy", "train_time", "n_parameters")
_OFF = {"nesterov": False, "class_weight": None, "stratify_batches": False}  # changes nothing
_WEIGHTS = "weights/"  # in front of a seed and a name
# RuntimeError: a flipped bit may say that the file is encrypted, or of a later version of zip
_DAMAGE = (
    OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


class CorruptEntryWarning(UserWarning):
    """An entry of a store could not be read; its architecture is trained again."""


def architecture_key(arch) -> str:
    """Name of an architecture's entry: a digest of its exact nodes and edges."""
    content = (
        arch.ops,
        arch.edges,
        arch.space,
        None if arch.attributes is None else repr(arch.attributes),
    )
    return hashlib.sha256(repr(content).encode()).hexdigest()[:32]


def recipe_settings(estimator, left_out=()) -> list:
    """Parameters (name, value) of a recipe by their names, without those that change nothing.

    So one that is added, and is of no account by default, leaves stores and records valid.
    """
    params = estimator.get_params(deep=False)
    unused = set(left_out)
    if params.keys() >= {"schedule", "step_size", "gamma", "nesterov"}:  # a recipe of ours
        if params["schedule"] != "step":
            unused |= {"step_size", "gamma"}
        unused |= {name for name, off in _OFF.items() if params.get(name, off) == off}
    return sorted((name, value) for name, value in params.items() if name not in unused)


def callback_settings(callbacks) -> list:
    """What a recipe's callbacks, which may change a training, are: their kinds and parameters.

    Not their attributes, in which they note what they have seen. Nothing where there are none.
    """
    if not callbacks:
        return []
    told: list[tuple] = []
    for entry in callbacks:
        name, one = entry if isinstance(entry, (tuple, list)) else ("", entry)
        if one is None or isinstance(one, type):
            told.append((name, one))
        else:
            told.append((name, type(one), sorted(one.get_params(deep=False).items())))
    return [("callbacks", told)]


def kept_seed(folder) -> int | None:
    """Seed that a store was begun with, None where there is no store (or a damaged one)."""
    try:
        with open_folder(folder).open(_MANIFEST) as file:
            return int(json.load(file)["seed"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


class ForeignStoreError(ValueError):
    """A store was made for other data or settings than those it is opened for."""


class Store:
    """One ``.npz`` an architecture, written to a temporary name first and then moved into place.

    A zip file carries a checksum of each array, so that a damaged or half-written entry is seen
    on reading. The manifest says which data and settings the entries belong to.

    Parameters
    ----------
    folder : path or str
        Made if missing. A URL, such as ``s3://bucket/zoo``, is of an fsspec filesystem.
    key : str
        Of the data and settings.
    seed : int, default=0
        Kept beside the key, see `kept_seed`.
    keep_weights : bool, default=False
        Whether entries are to have the networks' weights: one without counts as missing.

    Raises
    ------
    ForeignStoreError
        If the folder is a store made for other data or settings.
    ValueError
        If it is no store at all; if fsspec does not know the protocol of a URL.
    ImportError
        If fsspec, or what it needs for the protocol, is not installed.
    """

    def __init__(self, folder, key: str, seed: int = 0, keep_weights: bool = False):
        self.keep_weights = keep_weights
        self.folder = folder if is_url(folder) else Path(folder)
        self._files = open_folder(folder)
        self._files.create()
        names = self._files.names()
        if _MANIFEST not in names:
            # a killed write of the manifest may have left a temporary file
            if any(not name.endswith(".tmp") for name in names):
                raise ValueError(
                    f"store {self.folder} has no manifest but other files; give an empty folder"
                )
            content = json.dumps({"format": _FORMAT, "key": key, "seed": seed})
            self._files.write(_MANIFEST, lambda file: file.write(content.encode()))
        try:
            with self._files.open(_MANIFEST) as file:
                found = json.load(file)
            found_key, found_format = found["key"], found["format"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"the manifest of store {self.folder} is damaged; give another folder, or delete "
                "this one"
            ) from error
        if found_format != _FORMAT or found_key != key:
            raise ForeignStoreError(
                f"store {self.folder} was made for other data, labels or training settings; give "
                "another folder, or delete this one to train anew"
            )

    def read(self, arch) -> dict | None:
        """The record of an architecture, None if it is not there or is damaged (with a warning)."""
        name = _name(arch)
        try:
            with self._files.open(name) as file, np.load(file, allow_pickle=False) as entry:
                if self.keep_weights and not any(map(_is_weight, entry.files)):
                    return None
                return {field: entry[field] for field in _RECORD}
        except FileNotFoundError:
            return None
        except _DAMAGE:
            warnings.warn(
                f"entry {self._files.place(name)} of the store is damaged; its architecture is "
                "trained again",
                CorruptEntryWarning,
                stacklevel=2,
            )
            return None

    def write(self, arch, record: dict, networks=()) -> None:
        """Keep the record of a finished architecture, and its networks' arrays, a dict a seed."""
        arrays = {
            f"{_WEIGHTS}{seed}/{name}": array
            for seed, network in enumerate(networks)
            for name, array in network.items()
        }
        self._files.write(_name(arch), lambda file: np.savez(file, **record, **arrays))

    def read_networks(self, arch) -> list[dict]:
        """What `write` has kept of an architecture's networks, one dict of arrays a seed.

        Raises
        ------
        ValueError
            If the entry is missing, damaged, or has no weights.
        """
        name = _name(arch)
        networks: dict[int, dict] = {}
        try:
            with self._files.open(name) as file, np.load(file, allow_pickle=False) as entry:
                for field in filter(_is_weight, entry.files):
                    seed, _, own = field.removeprefix(_WEIGHTS).partition("/")
                    networks.setdefault(int(seed), {})[own] = entry[field]
        except _DAMAGE as error:
            raise ValueError(f"entry {self._files.place(name)} cannot be read: {error}") from error
        if not networks:
            raise ValueError(f"entry {self._files.place(name)} has no weights")
        return [networks[seed] for seed in sorted(networks)]


def _is_weight(field):
    return field.startswith(_WEIGHTS)


def _name(arch):
    return f"{architecture_key(arch)}.npz"
