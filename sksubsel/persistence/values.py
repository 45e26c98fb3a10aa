"""Values as JSON and tensors, and back.

None, bool, int, float and str are themselves in JSON, and so is a list. All else is an object with
one key that says what it is: a tuple, a dict, a float that JSON lacks, an array's name among the
tensors, strings of an array, or the number of an object of a known class.
"""

from __future__ import annotations

import hashlib
import math
from numbers import Integral, Real
from types import MethodType

import numpy as np
import torch

from sksubsel.persistence.errors import SavedModelError
from sksubsel.spaces.base import SearchSpace

_DTYPES = {
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float16", "float32", "float64",
}  # fmt: skip
_NONFINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


class Writer:
    """Turns objects into entries of a list, a list of tensors, and references to both.

    What is equal is written once: an object by its identity, an array by its content.

    Parameters
    ----------
    layouts : dict of type to Layout

    Attributes
    ----------
    objects : list of dict
        An entry refers to earlier ones alone.
    tensors : dict of str to ndarray
        By the path of the attribute where each is met first.
    """

    def __init__(self, layouts):
        self.layouts = layouts
        self.objects: list[dict] = []
        self.tensors: dict[str, np.ndarray] = {}
        self._places: dict = {}
        self._names: dict = {}
        self._kept: list = []  # an id is of use only while its object lives

    def value(self, value, path: str, fitted: bool = True):
        """What stands in JSON for a value.

        Parameters
        ----------
        value : object
        path : str
            Where it was found, for messages and the tensors' names.
        fitted : bool
            Whether what an estimator has learned is written, or its parameters alone.

        Raises
        ------
        TypeError
            If it is nothing that a folder can hold; the message says where it was found.
        """
        if value is None or isinstance(value, (bool, np.bool_)):
            return value if value is None else bool(value)
        if isinstance(value, str):
            return str(value)
        if isinstance(value, Integral):
            if abs(int(value)) >= 2**64:
                raise TypeError(f"{path} must be an int of at most 64 bits; got {value}")
            return int(value)
        if isinstance(value, Real):
            return float(value) if math.isfinite(value) else {"float": str(float(value))}
        if isinstance(value, torch.device):
            return str(value)
        if type(value) is list:
            return self._parts(value, path, fitted)
        if type(value) is tuple:
            return {"tuple": self._parts(value, path, fitted)}
        if type(value) is dict:
            return {"dict": [self._pair(*pair, path, fitted) for pair in value.items()]}
        if isinstance(value, np.ndarray):
            return self._array(value, path)
        space = value.__self__ if isinstance(value, MethodType) else None
        if isinstance(space, SearchSpace) and value == space.build:
            return {"build": self.value(space, path)}
        return {"object": self._object(value, path, fitted)}

    def _pair(self, key, value, path, fitted):
        if isinstance(key, np.generic):  # of np.unique(y), say
            key = key.item()
        if type(key) not in (str, int):
            raise TypeError(f"{path} must be a dict with keys of str or int; got {key!r}")
        return [key, self.value(value, f"{path}.{key}", fitted)]

    def _parts(self, values, path, fitted):
        return [self.value(part, f"{path}[{k}]", fitted) for k, part in enumerate(values)]

    def _array(self, array, path):
        array = np.asarray(array, order="C")
        if array.dtype.kind in "UO" and array.ndim == 1:
            strings = array.tolist()
            if all(isinstance(each, str) for each in strings):
                return {"strings": strings, "dtype": "object" if array.dtype == object else "str"}
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        if array.dtype.name not in _DTYPES:
            raise TypeError(
                f"{path} is an array of dtype {array.dtype}, which a folder cannot hold (but "
                f"{', '.join(sorted(_DTYPES))}, and strings); save the net with joblib.dump"
            )
        key = array.dtype.name, array.shape, hashlib.sha256(array.data).digest()
        if key not in self._names:
            self._names[key] = path
            self.tensors[path] = array
        return {"tensor": self._names[key]}

    def _object(self, value, path, fitted):
        if type(value) not in self.layouts:
            raise TypeError(
                f"{path} is {_describe(value)}, which a folder of numbers and text cannot hold: "
                "save knows most of sksubsel's classes and some of scikit-learn's transformers. "
                "Save the net with joblib.dump instead (load that file only if you trust it)"
            )
        layout = self.layouts[type(value)]
        key = id(value), fitted or not layout.is_estimator
        if key not in self._places:
            entry = layout.describe(value, self, path, fitted)
            self._kept.append(value)
            self._places[key] = len(self.objects)
            self.objects.append({"class": layout.name, **entry})
        return self._places[key]


class Reader:
    """Makes the objects again, one after another; nothing is looked up but in the registry.

    Parameters
    ----------
    layouts : dict of str to Layout
        By the names of classes.
    tensors : dict of str to (ndarray, Path)
        Arrays, and the files they come from.
    path : Path
        The JSON file, for messages.
    """

    def __init__(self, layouts, tensors, path):
        self.layouts, self.tensors, self.path = layouts, tensors, path
        self.objects: list = []
        self.used: set[str] = set()

    def read(self, entries) -> list:
        """All objects of a list of entries."""
        if type(entries) is not list or not entries:
            raise self.damage("it lists no objects")
        for number, entry in enumerate(entries):
            name = entry.get("class") if type(entry) is dict else None
            if type(name) is not str or name not in self.layouts:
                raise self.damage(f"object {number} has the unknown class {name!r}")
            self.objects.append(self.layouts[name].restore(entry, self))
        return self.objects

    def value(self, value):
        """The value that JSON stands for."""
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        if isinstance(value, list):
            return [self.value(part) for part in value]
        tag, part = next(iter(value.items()), (None, None))
        names = ["strings", "dtype"] if tag == "strings" else [tag]
        if list(value) != names or tag not in self._TAGS:
            raise self.damage(f"it has a value with the unknown keys {list(value)[:5]}")
        return self._TAGS[tag](self, part, value.get("dtype"))

    def damage(self, what: str, path=None) -> SavedModelError:
        """The error to raise for a file."""
        return SavedModelError(f"{path or self.path} is damaged: {what}")

    def file_of(self, array):
        """The file that an array comes from, None for any other value."""
        files = (file for own, file in self.tensors.values() if own is array)
        return next(files, None)

    def _tuple(self, parts, _):
        return tuple(self.value(self._list(parts)))

    def _dict(self, pairs, _):
        found: dict = {}
        for pair in self._list(pairs):
            if type(pair) is not list or len(pair) != 2 or type(pair[0]) not in (str, int):
                raise self.damage("a dict must be a list of pairs of a name and a value")
            if pair[0] in found:
                raise self.damage(f"a dict has the key {pair[0]!r} more than once")
            found[pair[0]] = self.value(pair[1])
        return found

    def _float(self, name, _):
        if type(name) is not str or name not in _NONFINITE:
            raise self.damage(f"a number is {name!r}")
        return _NONFINITE[name]

    def _tensor(self, name, _):
        if type(name) is not str or name not in self.tensors:
            raise self.damage(f"tensor {name!r} is in none of the files")
        self.used.add(name)
        return self.tensors[name][0]

    def _strings(self, strings, dtype):
        if dtype not in ("str", "object") or not all(
            type(each) is str for each in self._list(strings)
        ):
            raise self.damage("an array of strings holds something else")
        return np.array(strings, dtype=object if dtype == "object" else str)

    def _build(self, space, _):
        space = self.value(space)
        if not isinstance(space, SearchSpace):
            raise self.damage("what builds networks is no search space")
        return space.build

    def _object(self, number, _):
        if type(number) is not int or not 0 <= number < len(self.objects):
            raise self.damage(f"it refers to an object {number!r} that does not come before")
        return self.objects[number]

    def _list(self, parts):
        if type(parts) is not list:
            raise self.damage("a list is something else")
        return parts

    _TAGS = {
        "tuple": _tuple, "dict": _dict, "float": _float, "tensor": _tensor,
        "strings": _strings, "build": _build, "object": _object,
    }  # fmt: skip


def _describe(value):
    """What a value is, in few words, without what its own repr might do."""
    if isinstance(value, type):
        return f"the class {value.__module__}.{value.__qualname__}"
    name = getattr(value, "__qualname__", None)
    if callable(value) and isinstance(name, str):
        return f"the function {getattr(value, '__module__', None)}.{name}"
    return f"an object of class {type(value).__module__}.{type(value).__qualname__}"
