import runpy
import sys
from pathlib import Path

import pytest

from sksubsel import cli, demo


def test_demo(monkeypatch):
    seen = {}
    monkeypatch.setattr(demo, "run_demo", seen.update)
    assert cli.main(["demo", "--seed", "3", "--figure", "a.png", "--n-jobs", "1"]) == 0
    assert seen == {"figure": Path("a.png"), "table": None, "n_jobs": 1, "seed": 3}


def test_errors(monkeypatch, capsys):
    def fail(**kwargs):
        raise ValueError("no room")

    monkeypatch.setattr(demo, "run_demo", fail)
    assert cli.main(["demo"]) == 1
    assert capsys.readouterr().err == "sksubsel: error: no room\n"
    with pytest.raises(SystemExit) as stop:
        cli.main(["no-such-command"])
    assert stop.value.code == 2


def test_module(monkeypatch, capsys):
    """What ``python -m sksubsel`` runs."""
    monkeypatch.setattr(sys, "argv", ["sksubsel", "--help"])
    with pytest.raises(SystemExit) as stop:
        runpy.run_module("sksubsel", run_name="__main__", alter_sys=True)
    assert not stop.value.code
    assert "demo" in capsys.readouterr().out
