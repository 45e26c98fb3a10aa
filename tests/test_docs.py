"""README and docs: every public name is in the API, code is Python, examples run."""

import doctest
import importlib
import pathlib
import pkgutil
import re

import pytest

import sksubsel

DOCS = pathlib.Path(__file__).parents[1] / "docs"
PAGES = [DOCS.parent / "README.md"]
PAGES += sorted(page for page in DOCS.rglob("*.md") if "_build" not in page.parts)
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def public_names():
    """Names of the package, its modules and their packages that say in `__all__` what is public."""
    found = [importlib.import_module("sksubsel")]
    for _, name, is_package in pkgutil.walk_packages(sksubsel.__path__, "sksubsel."):
        inside = name.split(".")[1:]
        private = inside[0] == "cli" or any(part.startswith("_") for part in inside)
        if (is_package or len(inside) == 1) and not private:
            found.append(importlib.import_module(name))
    return [
        (f"{module.__name__}.{name}", getattr(module, name))
        for module in found
        for name in getattr(module, "__all__", ())
    ]


def listed_names():
    """Names under autosummary and py:data in docs/api."""
    for page in sorted((DOCS / "api").glob("*.rst")):
        module, inside = "", False
        for line in page.read_text(encoding="utf-8").splitlines():
            if line.startswith((".. module:: ", ".. currentmodule:: ")):
                module = line.split(":: ")[1]
            elif line.startswith(".. py:data:: "):
                yield f"{module}.{line.split(':: ')[1]}"
            elif line and not line.startswith(" "):
                inside = line.startswith(".. autosummary::")
            elif inside and re.fullmatch(r" {3}[\w.]+", line):
                yield f"{module}.{line.strip()}"


def find(name):
    """The object of a dotted name."""
    parts = name.split(".")
    for k in range(len(parts) - 1, 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:k]))
        except ModuleNotFoundError:
            continue
        for part in parts[k:]:
            found = getattr(found, part)
        return found
    raise AssertionError(f"{name} is not there")


def test_the_api_lists_every_public_name_once():
    listed = list(listed_names())
    assert len(listed) > 140 and len(set(listed)) == len(listed)
    objects = [find(name) for name in listed]
    assert len({id(each) for each in objects}) == len(objects), "the same thing under two names"
    missing = [name for name, each in public_names() if id(each) not in set(map(id, objects))]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS.parent).as_posix())
def test_nothing_is_left_to_be_filled_in(page):
    assert not re.findall(r"\b(?:TODO|FIXME|TBD|XXX)\b|@@", page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS.parent).as_posix())
def test_blocks_of_python_are_python(page):
    for language, code in FENCE.findall(page.read_text(encoding="utf-8")):
        if language == "python" and ">>> " not in code:
            compile(code, str(page), "exec")


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if ">>> " in page.read_text(encoding="utf-8")],
    ids=lambda page: page.relative_to(DOCS.parent).as_posix(),
)
def test_examples_of_pages_run(page, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    text = re.sub(r"^```.*$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    test = doctest.DocTestParser().get_doctest(text, {}, page.name, str(page), 0)
    report: list = []
    runner = doctest.DocTestRunner(
        optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE, verbose=False
    )
    runner.run(test, out=report.append)
    assert runner.failures == 0, "".join(report)
