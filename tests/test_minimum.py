"""The least versions that are declared are those that `tox -e minimum` tests."""

import pathlib
import sys

from packaging.requirements import Requirement
from packaging.version import Version

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = pathlib.Path(__file__).parents[1]
NOT_OF_TESTS = {"bench", "dev", "docs"}


def declared():
    """The lower bound of each requirement of the package and of what the tests need."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    lines = [*project["dependencies"]]
    lines += [line for name in sorted(extras.keys() - NOT_OF_TESTS) for line in extras[name]]
    found = {}
    for requirement in map(Requirement, lines):
        if requirement.name != "sksubsel":
            (least,) = [part.version for part in requirement.specifier if part.operator == ">="]
            found[requirement.name] = Version(least)
    return found


def test_minimum():
    lines = (ROOT / ".ci" / "minimum.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line)
    assert {name: Version(version) for name, version in pins.items()} == declared()
    assert list(pins) == sorted(pins)
