import json
import runpy
import sys
from pathlib import Path

import pandas as pd
import pytest

from sksubsel import __version__, cli, demo

ROWS = pd.DataFrame(
    {
        "method": ["random", "class-balanced random"] * 2,
        "budget": 0.1,
        "arch": "a",
        "seed": [0, 0, 1, 1],
        "accuracy": [0.5, 0.6, 0.5, 0.7],
    }
)


@pytest.fixture
def asked(monkeypatch):
    """What the command asks for, in place of the minutes that it takes."""
    seen = {}

    def run_demo(**params):
        seen.update(params)
        print("a table")
        return ROWS

    monkeypatch.setattr(demo, "run_demo", run_demo)
    return seen


def test_demo(asked, capsys):
    assert cli.main(["demo", "--seed", "3", "--figure", "a.png", "--n-jobs", "1"]) == 0
    assert asked == {
        "figure": Path("a.png"), "table": None, "n_jobs": 1, "seed": 3, "device": "cpu",
        "verbose": 0,
    }  # fmt: skip
    assert capsys.readouterr() == ("a table\n", "")


@pytest.mark.parametrize("name", ["figure", "table"])
def test_a_folder_that_is_not_there_costs_no_training(name, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo, "load_digits_images", pytest.fail)
    assert cli.main(["demo", f"--{name}", "none/file"]) == 1
    assert f"{name} must be in a folder that is there; got 'none/file'" in capsys.readouterr().err


def test_json_is_all_of_stdout(asked, capsys):
    assert cli.main(["demo", "--json"]) == 0
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert err == "a table\n"
    assert document["figure"] == "sksubsel_demo.png"
    methods = {row["method"]: row for row in document["summary"]}
    assert methods["random"]["gain"] == pytest.approx(-15)
    assert methods["class-balanced random"]["gain"] is None  # NaN


def test_module(monkeypatch, capsys):
    """What ``python -m sksubsel`` runs."""
    monkeypatch.setattr(sys, "argv", ["sksubsel", "--help"])
    with pytest.raises(SystemExit) as stop:
        runpy.run_module("sksubsel", run_name="__main__", alter_sys=True)
    assert not stop.value.code
    out = capsys.readouterr().out
    assert all(name in out for name in ("demo", "zoo", "fit", "select", "compare", "report"))


def test_version(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"{__version__}\n"
