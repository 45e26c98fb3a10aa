"""A digest of any object's content that is the same in every process."""

from __future__ import annotations

import pickle
import sys
import types

from joblib.hashing import NumpyHasher


def digest(*parts) -> str:
    """MD5 of what the parts would be pickled as, arrays and tensors by their values.

    joblib's digests with two additions: a tensor counts by its values (as pickled it holds an
    address), and a function or class that cannot be imported by its name and code.

    Raises
    ------
    TypeError
        If a part holds something that cannot be pickled, such as an open file.
    """
    try:
        return _Hasher("md5", coerce_mmap=True).hash(parts)
    except (pickle.PicklingError, AttributeError, TypeError, RuntimeError) as error:
        raise TypeError(f"no digest can be made of it: {error}") from error


class _Hasher(NumpyHasher):
    def save(self, obj):
        torch = sys.modules.get("torch")  # nothing is a tensor where torch was never imported
        if torch is not None and isinstance(obj, torch.Tensor):
            flat = obj.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
            obj = ("tensor", str(obj.dtype), tuple(obj.shape), flat.numpy())
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
    if isinstance(obj, type):
        own = [value for value in vars(obj).values() if isinstance(value, types.FunctionType)]
        return [obj.__module__, obj.__qualname__, [_code(value) for value in own]]
    code = obj.__code__
    constants = [const for const in code.co_consts if not isinstance(const, types.CodeType)]
    # a class's methods have the class itself in their closure, by `super()`
    closure = [cell.cell_contents for cell in obj.__closure__ or ()]
    closure = [value for value in closure if not isinstance(value, type)]
    inside = [code.co_code, code.co_names, constants, obj.__defaults__, closure]
    return [obj.__module__, obj.__qualname__, *inside]
