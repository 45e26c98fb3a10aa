"""The examples in docstrings run, and every public estimator and function has one."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

import sksubsel

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
MODULES = sorted(
    name
    for _, name, _ in pkgutil.walk_packages(sksubsel.__path__, "sksubsel.")
    if not name.endswith("__main__")
)
NEEDS = {"sksubsel.datasets.image_files": "PIL", "sksubsel.datasets.image_folder": "PIL"}
# Made by others, not called by users; or with nothing to show but a file on somebody's disk.
EXTRAS = {"click", "optuna", "ray", "ray.tune"}  # what a module of the package imports at the top
NO_EXAMPLE = {"TuneResult", "SavedModelError", "load_net", "save_net"}
PUBLIC = [
    name
    for name in ["sksubsel", *MODULES]
    if (name.count(".") < 2 or name.startswith("sksubsel.baselines."))
    and "._" not in name
    and hasattr(importlib.import_module(name), "__path__")
    and hasattr(importlib.import_module(name), "__all__")
] + ["sksubsel.base", "sksubsel.features", "sksubsel.metrics"]


def examples_of(name):
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        if error.name not in EXTRAS:
            raise
        return []
    return [test for test in doctest.DocTestFinder().find(module, name) if test.examples]


@pytest.mark.parametrize("name", [name for name in MODULES if examples_of(name)])
def test_examples_run(name, tmp_path, monkeypatch):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    if ".plotting." in name:
        pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)  # what an example writes
    runner = doctest.DocTestRunner(optionflags=FLAGS, verbose=False)
    report: list = []
    for test in examples_of(name):
        runner.run(test, out=report.append)
    assert runner.failures == 0, "".join(report)
    assert runner.tries > 0


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_have_examples(name):
    module = importlib.import_module(name)
    without = [
        public
        for public in set(module.__all__) - NO_EXAMPLE
        if callable(thing := getattr(module, public))
        and not (inspect.isclass(thing) and issubclass(thing, Exception))
        and ">>> " not in thing.__doc__
    ]
    assert without == []
