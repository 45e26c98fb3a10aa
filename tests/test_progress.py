import io
import pickle
import sys

import pytest

from sksubsel import ArchitectureEncoder
from sksubsel._parallel import Progress
from sksubsel.spaces import NASBench101


class Terminal(io.StringIO):
    def isatty(self):
        return True


def terminal(monkeypatch):
    """A terminal in the place of stderr; pytest puts its own there before each test."""
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    return stream


def test_a_bar_on_a_terminal(monkeypatch):
    stream = terminal(monkeypatch)
    with Progress("zoo", "networks", 2, 1) as progress:
        progress.step()
        progress.say("half of it")
        progress.step()
    progress.say("and that was all")
    text = stream.getvalue()
    assert "zoo: 2/2 networks |" in text
    assert "\r" in text
    assert "zoo: half of it\n" in text
    assert text.endswith("\nzoo: and that was all\n")


def test_a_bar_ends_with_an_error(monkeypatch):
    stream = terminal(monkeypatch)

    def fail():
        with Progress("zoo", "networks", 3, 1) as progress:
            progress.step()
            raise ValueError

    with pytest.raises(ValueError):
        fail()
    assert stream.getvalue().endswith("\n")


def test_lines_elsewhere(capsys):
    with Progress("zoo", "networks", 2, 1) as progress:
        progress.step(2)
    err = capsys.readouterr().err
    assert err == "zoo: 2/2 networks, 0 s elapsed, about 0 s remain\n"


@pytest.mark.parametrize("n_tasks", [0, 2])
def test_silence(monkeypatch, n_tasks):
    stream = terminal(monkeypatch)
    with Progress("zoo", "networks", n_tasks, 0) as progress:
        progress.step()
    assert stream.getvalue() == ""


def test_bars_of_epochs_on_a_terminal(monkeypatch, capsys):
    cells = NASBench101().sample(20, random_state=0)
    stream = terminal(monkeypatch)
    encoder = ArchitectureEncoder(max_epochs=2, random_state=0, verbose=1).fit(cells)
    assert "encoder: 2/2 epochs |" in stream.getvalue() and stream.getvalue().endswith("\n")
    assert capsys.readouterr().out == ""  # none of skorch's lines
    assert len(pickle.loads(pickle.dumps(encoder)).history_) == 2


def test_lines_of_epochs_elsewhere(capsys):
    cells = NASBench101().sample(20, random_state=0)
    ArchitectureEncoder(max_epochs=2, random_state=0, verbose=1).fit(cells)
    assert "train_loss" in capsys.readouterr().out
