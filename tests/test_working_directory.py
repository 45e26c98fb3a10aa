"""A relative path is of the caller's working directory, whatever that of kept workers."""

import importlib
import os

import pytest
from joblib import Parallel, delayed

from sksubsel import ModelZoo
from sksubsel.baselines import Random
from sksubsel.benchmark import compare, read_table
from sksubsel.search import rank


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A working directory that the workers of `n_jobs=2` are not in."""
    monkeypatch.chdir(tmp_path)
    # what they are first asked for is not held to be memory that leaks
    Parallel(n_jobs=2)(delayed(importlib.import_module)("sksubsel.benchmark") for _ in range(2))
    workers = Parallel(n_jobs=2)(delayed(os.getcwd)() for _ in range(2))
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    assert os.getcwd() not in workers
    return tmp_path / "below"


def test_of_compare(tiny, elsewhere):
    compare(
        {"random": Random()}, tiny.unseen, tiny.zoo, tiny.X_test, tiny.y_test,
        budgets=(20,), seeds=(0, 1), n_jobs=2, records_file="kept/records.jsonl",
    )  # fmt: skip
    assert len(read_table(elsewhere / "kept" / "records.jsonl")) == 4 * len(tiny.unseen)
    assert not (elsewhere.parent / "kept").exists()


def test_of_rank(tiny, elsewhere):
    rank(
        tiny.unseen, Random(), tiny.X, tiny.y, validation=(tiny.X_test, tiny.y_test),
        estimator=tiny.recipe, budget=20, seeds=(0, 1), n_jobs=2, records_file="records.jsonl",
    )  # fmt: skip
    lines = (elsewhere / "records.jsonl").read_text().splitlines()
    assert len(lines) == 2 * len(tiny.unseen)


def test_of_a_zoo(tiny, elsewhere):
    ModelZoo(tiny.recipe, store="zoo", n_jobs=2, random_state=0).fit(
        tiny.archs[:2], tiny.X[:40], tiny.y[:40]
    )
    assert len(list((elsewhere / "zoo").glob("*.npz"))) == 2
    assert not (elsewhere.parent / "zoo").exists()
