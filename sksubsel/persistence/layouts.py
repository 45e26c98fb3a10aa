"""How objects of one class are described in a saved net, and made again."""

from __future__ import annotations

import inspect
import re

import torch

from sksubsel._validation import check_device
from sksubsel.persistence.errors import SavedModelError
from sksubsel.persistence.kinds import arrays, maybe, real, text


class Layout:
    """A class, and what its objects consist of.

    Parameters
    ----------
    cls : type
    fields : dict of str to kind
        Attributes that are written, and what each may be.
    optional : dict of str to kind
        Those that not every object has.
    derived : tuple of str
        Attributes that `make` finds anew from the others.
    """

    is_estimator = False

    def __init__(self, cls, fields, *, optional=None, derived=()):
        self.cls, self.name = cls, cls.__name__
        self.fields, self.optional, self.derived = fields, optional or {}, derived

    def state(self, value) -> dict:
        """What is written of an object, by the names of `fields`."""
        return {k: v for k, v in vars(value).items() if k not in self.derived}

    def make(self, state: dict):
        """An object of what `state` gave."""
        value = self.cls.__new__(self.cls)
        vars(value).update(state)
        return value

    def describe(self, value, writer, path, fitted) -> dict:
        """An object's entry in the list of objects."""
        return {"state": self._describe_state(self.state(value), writer, path)}

    def restore(self, entry, reader):
        """The object of an entry.

        Raises
        ------
        SavedModelError
            If something is missing, unknown, or not what it should be.
        """
        self._check_names(entry, {"class", "state"}, reader)
        state = self._restore_state(entry["state"], reader)
        return self._guarded(reader, self.make, state)

    def _describe_state(self, state, writer, path):
        where = f"{path}." if path else ""
        strange = state.keys() - self.fields.keys() - self.optional.keys()
        if strange:
            raise TypeError(
                f"{where}{min(strange)} is an attribute that {self.name} does not have of itself, "
                "so that a folder cannot hold it; delete it, or save the net with joblib.dump"
            )
        return {name: writer.value(part, f"{where}{name}") for name, part in sorted(state.items())}

    def _restore_state(self, described, reader):
        self._check_names(described, self.fields.keys(), reader, self.optional)
        state = {name: reader.value(part) for name, part in described.items()}
        sizes: dict = {}
        for name, kind in {**self.fields, **self.optional}.items():
            problem = kind(state[name], sizes) if name in state else None
            if problem is not None:
                file = reader.file_of(state[name])
                raise reader.damage(f"{name} of {self.name} {problem}", file)
        return state

    def _check_names(self, found, wanted, reader, optional=()):
        if type(found) is not dict:
            raise reader.damage(f"an entry of {self.name} has no names")
        missing = sorted(set(wanted) - found.keys())
        unknown = sorted(found.keys() - set(wanted) - set(optional))
        for what, names in (("lacks", missing), ("has the unknown", unknown)):
            if names:
                raise reader.damage(f"{self.name} {what} {', '.join(names[:5])}")

    def _guarded(self, reader, function, *args):
        """What a function returns; what it says is wrong, with the file's name."""
        try:
            return function(*args)
        except SavedModelError:
            raise
        # our own code on values that may be anything
        except Exception as error:
            raise reader.damage(f"{self.name} cannot be made of it: {error}") from error


class EstimatorLayout(Layout):
    """The same for an estimator: the constructor's parameters, and what `fit` has learned.

    Parameters
    ----------
    cls, fields, optional, derived
        As for `Layout`.
    lost : tuple of str
        Parameters that come back as their defaults.
    holds_fitted : bool
        Whether estimators among the parameters are written as fitted, if they are.
    """

    is_estimator = True

    def __init__(self, cls, fields, *, optional=None, derived=(), lost=(), holds_fitted=False):
        super().__init__(cls, fields, optional=optional, derived=derived)
        self.lost, self.holds_fitted = lost, holds_fitted

    def state(self, value):
        params = value.get_params(deep=False)
        return {k: v for k, v in super().state(value).items() if k not in params}

    def describe(self, value, writer, path, fitted):
        entry: dict = {"params": {}}
        # sklearn writes nested parameters with two underscores; attributes end with one
        join = "" if not path else "." if path.endswith("_") else "__"
        for name, part in sorted(value.get_params(deep=False).items()):
            if name not in self.lost:
                where = f"{path}{join}{name}"
                entry["params"][name] = writer.value(part, where, fitted and self.holds_fitted)
        if fitted and self._is_fitted(value):
            entry["state"] = self._describe_state(self.state(value), writer, path)
        return entry

    def restore(self, entry, reader):
        self._check_names(entry, {"class", "params"}, reader, {"state"})
        names = inspect.signature(self.cls).parameters.keys() - set(self.lost)
        self._check_names(entry["params"], (), reader, names)
        params = {name: reader.value(part) for name, part in entry["params"].items()}
        value = self._guarded(reader, self._make_unfitted, params)
        if "state" in entry:
            state = self._restore_state(entry["state"], reader)
            vars(value).update(self._guarded(reader, self.learned, value, state))
        return value

    def learned(self, value, state: dict) -> dict:
        """Attributes of an estimator of what `state` gave."""
        return state

    def _is_fitted(self, value):
        return any(name in vars(value) for name in self.fields)

    def _make_unfitted(self, params):
        value = self.cls(**params)
        value._validate_params()
        return value


class ModuleLayout(Layout):
    """A torch module whose sizes are those of its tensors, so that nothing else need be believed.

    Parameters
    ----------
    cls : type
    arguments : callable
        ``arguments(tensors, extra) -> dict``, what the constructor takes.
    extra : callable
        ``extra(module) -> float or None``, what tensors do not tell.
    """

    def __init__(self, cls, arguments, extra=lambda module: None):
        super().__init__(cls, {"device": text, "tensors": arrays, "extra": maybe(real)})
        self.arguments, self.extra = arguments, extra

    def state(self, value):
        tensors = {k: v.detach().cpu().numpy() for k, v in value.state_dict().items()}
        device = next(value.parameters()).device
        return {"device": str(device), "tensors": tensors, "extra": self.extra(value)}

    def make(self, state):
        tensors = state["tensors"]
        with torch.device("meta"):  # takes no memory and draws no random numbers
            module = self.cls(**self.arguments(tensors, state["extra"]))
        wanted = {
            name: (tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."))
            for name, tensor in module.state_dict().items()
        }
        found = {name: (part.shape, part.dtype.name) for name, part in tensors.items()}
        for name in sorted(wanted.keys() | found.keys()):
            if wanted.get(name) != found.get(name):
                raise ValueError(
                    f"its tensor {name} should have shape and dtype {wanted.get(name)}; "
                    f"got {found.get(name)}"
                )
        # memory of torch's own, as the saved module had it
        own = {name: torch.from_numpy(part).clone() for name, part in tensors.items()}
        module.load_state_dict(own, assign=True)
        return module.eval().to(device_or_cpu(state["device"]))


def require(condition, what: str) -> None:
    """Raise ValueError, saying what is wrong, unless a condition holds."""
    if not condition:
        raise ValueError(what)


def device_or_cpu(device: str) -> str:
    """A device where it is there, else the CPU: a net fitted on a GPU must load without one."""
    try:
        return check_device(device)
    except ValueError:
        return "cpu"


def count(names, pattern: str) -> int:
    """How many names match a pattern as a whole."""
    return sum(re.fullmatch(pattern, name) is not None for name in names)
