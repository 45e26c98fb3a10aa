"""A folder that keeps each finished architecture of a zoo."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pickle
import tempfile
import types
import warnings
import zipfile
import zlib
from pathlib import Path

import joblib
import numpy as np

_FORMAT = 1
_RECORD = ("predictions", "accuracy", "train_accuracy", "train_time", "n_parameters")


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


def content_key(*parts) -> str:
    """Digest of data and settings; a function that cannot be pickled counts by name and code."""
    try:
        return joblib.hash(parts)
    except (pickle.PicklingError, AttributeError, TypeError):
        return joblib.hash(_content(parts))


def _content(value):
    """What stands for a value in a digest; for a function made on the spot its name and code."""
    try:
        return joblib.hash(value)
    except (pickle.PicklingError, AttributeError, TypeError):
        pass
    if isinstance(value, (list, tuple)):
        return [_content(item) for item in value]
    if not isinstance(value, types.FunctionType):
        return f"{type(value).__module__}.{type(value).__qualname__}"
    code = value.__code__
    constants = [const for const in code.co_consts if not isinstance(const, types.CodeType)]
    closure = [cell.cell_contents for cell in value.__closure__ or ()]
    inside = [code.co_code, code.co_names, constants, value.__defaults__, closure]
    return [value.__module__, value.__qualname__, *map(_content, inside)]


def kept_seed(folder) -> int | None:
    """Seed that a store was begun with, None where there is no store (or a damaged one)."""
    try:
        return int(json.loads((Path(folder) / "manifest.json").read_text())["seed"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


class Store:
    """One ``.npz`` an architecture, written to a temporary name first and then moved into place.

    A zip file carries a checksum of each array, so that a damaged or half-written entry is seen
    on reading. The manifest says which data and settings the entries belong to.

    Parameters
    ----------
    folder : path
        Made if missing.
    key : str
        Of the data and settings.
    seed : int, default=0
        Kept beside the key, see `kept_seed`.

    Raises
    ------
    ValueError
        If the folder is a store made for other data or settings, or no store at all.
    """

    def __init__(self, folder, key: str, seed: int = 0):
        self.folder = Path(folder)
        if self.folder.exists() and not self.folder.is_dir():
            raise ValueError(f"store must be a folder; {self.folder} is a file")
        self.folder.mkdir(parents=True, exist_ok=True)
        manifest = self.folder / "manifest.json"
        if not manifest.exists():
            # a killed write of the manifest may have left a temporary file
            if any(path.suffix != ".tmp" for path in self.folder.iterdir()):
                raise ValueError(
                    f"store {self.folder} has no manifest but other files; give an empty folder"
                )
            content = json.dumps({"format": _FORMAT, "key": key, "seed": seed})
            write_atomically(manifest, lambda file: file.write(content.encode()))
        try:
            found = json.loads(manifest.read_text())
            found_key, found_format = found["key"], found["format"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"the manifest of store {self.folder} is damaged; give another folder, or delete "
                "this one"
            ) from error
        if found_format != _FORMAT or found_key != key:
            raise ValueError(
                f"store {self.folder} was made for other data, labels or training settings; give "
                "another folder, or delete this one to train anew"
            )

    def read(self, arch) -> dict | None:
        """The record of an architecture, None if it is not there or is damaged (with a warning)."""
        path = self._path(arch)
        if not path.exists():
            return None
        try:
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as entry:
                return {name: entry[name] for name in _RECORD}
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
            warnings.warn(
                f"entry {path} of the store is damaged; its architecture is trained again",
                CorruptEntryWarning,
                stacklevel=2,
            )
            return None

    def write(self, arch, record: dict) -> None:
        """Keep the record of a finished architecture."""
        write_atomically(self._path(arch), lambda file: np.savez(file, **record))

    def _path(self, arch):
        return self.folder / f"{architecture_key(arch)}.npz"


def write_atomically(path, write) -> None:
    """Write a file under a temporary name by ``write(file)``, then move it into place."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise
