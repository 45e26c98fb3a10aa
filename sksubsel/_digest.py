"""A digest of any object's content that is the same in every process."""

from __future__ import annotations

import pickle
import sys
import types

import numpy as np
from joblib.hashing import NumpyHasher

_OF_A_CLASS = {"__doc__", "__firstlineno__", "__module__", "__qualname__"}  # not what it does


def digest(*parts) -> str:
    """MD5 of what the parts would be pickled as, arrays and tensors by their values.

    joblib's digests with three additions: an array counts by its values alone, however they lie in
    memory or in a file, and so does a tensor (as pickled it holds an address); a function or class
    that cannot be imported by its name and code.

    Raises
    ------
    TypeError
        If a part holds something that cannot be pickled, such as an open file.
    """
    return digest_of(parts)


def digest_of(content) -> str:
    """`digest` of one object: `joblib.hash` of it, where that depends on nothing but values."""
    try:
        return _Hasher("md5", coerce_mmap=True).hash(content)
    except (pickle.PicklingError, AttributeError, TypeError, RuntimeError) as error:
        raise TypeError(f"no digest can be made of it: {error}") from error


def stable(constant):
    """A constant of code: of a set, which each process has in another order, its sorted items."""
    if isinstance(constant, tuple):
        return tuple(map(stable, constant))
    if isinstance(constant, frozenset):
        return "frozenset", tuple(sorted(map(repr, map(stable, constant))))
    return constant


class _Hasher(NumpyHasher):
    def save(self, obj):
        torch = sys.modules.get("torch")  # nothing is a tensor where torch was never imported
        if torch is not None and isinstance(obj, torch.Tensor):
            flat = obj.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
            obj = ("tensor", str(obj.dtype), tuple(obj.shape), flat.numpy())
        elif isinstance(obj, np.ndarray) and not obj.dtype.hasobject:
            # the strides count, too, also of an axis of length 1, which has any
            obj = np.ascontiguousarray(obj).reshape(-1).reshape(obj.shape)
        elif isinstance(obj, (types.FunctionType, type)) and not _is_importable(obj):
            obj = _code(obj)
        super().save(obj)


def _is_importable(obj):
    found = sys.modules.get(obj.__module__)
    if obj.__module__ == "__main__":  # another script's may have the same name
        return False
    for name in obj.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is obj


def _code(obj):
    """What stands for a function or a class that pickle would not find by its name."""
    name = obj.__module__, obj.__qualname__
    if isinstance(obj, type):
        members = [
            (key, _member(value))
            for key, value in sorted(vars(obj).items())
            if key not in _OF_A_CLASS
        ]
        return [*name, obj.__bases__, [(key, told) for key, told in members if told is not None]]
    # a class's methods have the class itself in their closure, by `super()`
    closure = [cell.cell_contents for cell in obj.__closure__ or ()]
    closure = [value for value in closure if not isinstance(value, type)]
    keywords = sorted((obj.__kwdefaults__ or {}).items())
    return [*name, _instructions(obj.__code__), obj.__defaults__, keywords, closure]


def _instructions(code):
    """What a function does, those inside it among it."""
    constants = [
        _instructions(one) if isinstance(one, types.CodeType) else stable(one)
        for one in code.co_consts
    ]
    return [code.co_code, code.co_names, constants]


def _member(value):
    """What a class's function or property does, or a plain value; None of all else."""
    if isinstance(value, property):
        value = [one for one in (value.fget, value.fset, value.fdel) if one is not None]
        return [_code(one) for one in value if isinstance(one, types.FunctionType)]
    # what holds a function, such as a static method, a cached property or a cached function
    value = getattr(value, "__func__", None) or getattr(value, "func", None) or value
    value = getattr(value, "__wrapped__", value)
    if isinstance(value, types.FunctionType):
        return _code(value)
    return ("value", repr(stable(value))) if _is_plain(value) else None


def _is_plain(value):
    if type(value) in (tuple, frozenset):
        return all(map(_is_plain, value))
    return type(value) in (bool, int, float, complex, str, bytes)
