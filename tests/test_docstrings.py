"""Every public name has types, and a numpydoc docstring that knows all of its parameters."""

import importlib
import inspect
import pkgutil
import re

import pytest

import sksubsel

_SECTION = re.compile(r"\n(\w[\w ]*)\n-{3,}\n")
_PARAMETER = re.compile(r"^(\*{0,2}\w+(?:, \*{0,2}\w+)*)(?: :.*)?$", re.MULTILINE)


def public_modules():
    """The package, its modules and its packages, as docs/deprecation.md says what is public."""
    yield sksubsel
    for info in pkgutil.walk_packages(sksubsel.__path__, "sksubsel."):
        parts = info.name.split(".")
        hidden = any(part.startswith("_") for part in parts) or parts[1] in {"cli", "nn"}
        if not hidden and (info.ispkg or len(parts) == 2):
            yield importlib.import_module(info.name)


def public_objects():
    """Functions and classes that are in some `__all__`, by the place where they are made."""
    found = {}
    for module in public_modules():
        for name in getattr(module, "__all__", ()):
            value = getattr(module, name)
            if inspect.isclass(value) or inspect.isfunction(value):
                found[f"{value.__module__}.{value.__qualname__}"] = value
    return found


OBJECTS = public_objects()
MAIN = {
    f"{value.__module__}.{value.__qualname__}"
    for value in (getattr(sksubsel, name) for name in sksubsel.__all__)
}
METHODS = {
    f"{path}.{name}": method
    for path, cls in OBJECTS.items()
    if inspect.isclass(cls)
    for name, method in vars(cls).items()
    if not name.startswith("_")
    and inspect.isfunction(inspect.unwrap(getattr(method, "__func__", method)))
    and not isinstance(method, property)
}


def typed_functions():
    """What a user may call of the objects, by the place where it is made: inherited ones, too."""
    found = {}
    for value in OBJECTS.values():
        members = [value]
        if inspect.isclass(value):
            names = [name for name in dir(value) if name == "__init__" or not name.startswith("_")]
            members = [inspect.getattr_static(value, name) for name in names]
        for member in members:
            member = member.fget if isinstance(member, property) else member
            member = inspect.unwrap(getattr(member, "__func__", member))
            if inspect.isfunction(member) and member.__module__.startswith("sksubsel."):
                found[f"{member.__module__}.{member.__qualname__}"] = member
    return found


TYPED = typed_functions()


def parameters_of(value):
    """Names in a signature, without `self` and `cls`."""
    if inspect.isclass(value):
        value = value.__init__
        if not inspect.isfunction(value):  # none of its own
            return []
    value = inspect.unwrap(getattr(value, "__func__", value))
    names = []
    for name, parameter in inspect.signature(value).parameters.items():
        stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}
        names.append(stars.get(parameter.kind, "") + name)
    return [name for name in names if name not in {"self", "cls"}]


def documented(doc):
    """Names under "Parameters", None without such a section."""
    parts = _SECTION.split(inspect.cleandoc(doc))
    sections = dict(zip(parts[1::2], parts[2::2]))
    if "Parameters" not in sections:
        return None
    groups = _PARAMETER.findall(sections["Parameters"])
    return [name for group in groups for name in group.split(", ")]


def without_stars(names):
    return sorted(name.lstrip("*") for name in names)


@pytest.mark.parametrize("path", OBJECTS)
def test_all_parameters_are_documented(path):
    value = OBJECTS[path]
    assert value.__doc__, f"{path} has no docstring"
    names = parameters_of(value)
    if inspect.isclass(value) and issubclass(value, (Warning, Exception)):
        return
    if names:
        found = documented(value.__doc__)
        assert found is not None, f"{path} has no section Parameters, but {names}"
        assert without_stars(found) == without_stars(names)


@pytest.mark.parametrize("path", METHODS)
def test_documented_parameters_of_methods(path):
    """A list of parameters is the whole; of a few methods of parts' classes a line will do."""
    doc = inspect.getdoc(METHODS[path])
    if doc is None:
        cls = OBJECTS[path.rpartition(".")[0]]
        doc = inspect.getdoc(getattr(cls, path.rpartition(".")[2]))  # from a base class
    assert doc, f"{path} has no docstring"
    found = documented(doc)
    names = parameters_of(METHODS[path])
    if found is None:
        of_main = path.rpartition(".")[0] in MAIN
        assert not (of_main and len(names) > 1), f"{path} has no section Parameters, but {names}"
    else:
        assert without_stars(found) == without_stars(names)


@pytest.mark.parametrize("path", TYPED)
def test_all_parameters_have_types(path):
    signature = inspect.signature(TYPED[path])
    without = [
        name
        for name, parameter in signature.parameters.items()
        if parameter.annotation is parameter.empty and name not in {"self", "cls"}
    ]
    assert without == []
    if not path.endswith(".__init__"):
        assert signature.return_annotation is not signature.empty


def test_the_list_is_whole():
    """The checks above would pass on anything if nothing were found."""
    for name in ("sksubsel.subselnet.SubSelNet", "sksubsel.baselines.random.Random"):
        assert name in OBJECTS
    assert "sksubsel.benchmark.compare.compare" in OBJECTS
    assert "sksubsel.subselnet.SubSelNet.select" in METHODS
    for name in (
        "sksubsel.benchmark.compare.compare",
        "sksubsel.subselnet.SubSelNet.load",
        "sksubsel.subset_classifier._SubsetEstimator.__init__",
        "sksubsel.search.base.BaseSearch.fit",
        "sksubsel.zoo.zoo.ModelZoo.fit",
        "sksubsel.zoo.zoo.ModelZoo.predictions_",
    ):
        assert name in TYPED
    doc = "One.\n\nParameters\n----------\na, b : int\n    A.\n**c\n\nNotes\n-----\nd : e"
    assert documented(doc) == ["a", "b", "**c"]
