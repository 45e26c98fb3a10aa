import json

import pandas as pd
import pytest

from sksubsel import cli
from sksubsel.baselines import Herding

CONFIG = """
[data]
fractions = [0.2, 0.1, 0.7]
pool = 2
[space]
name = "MLP"
[architectures]
n_seen = 2
n_unseen = 2
[recipe]
max_epochs = 1
[zoo]
n_pretrained = 1
[compare]
budgets = [0.1]
seeds = [0, 1]
[selectors]
"class-balanced random" = { class = "Random", stratify = "equal" }
herding = { class = "Herding" }
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.toml").write_text(CONFIG)
    return tmp_path


def test_failed_trainings(folder, capsys, monkeypatch, check_page):
    """Exit code 3; the next run makes up for them."""

    def fail(*args):
        raise ValueError("no herd")

    with monkeypatch.context() as patch:
        patch.setattr(Herding, "_rank", fail)
        assert cli.main(["compare", "c.toml", "--n-jobs", "1", "--json"]) == 3
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert len(document["failed"]) == 1
    assert "4 trainings failed" in document["failed"][0]
    assert "sksubsel: warning: 4 trainings failed" in err
    assert "herding" not in {row["method"] for row in document["summary"]}
    assert cli.main(["compare", "c.toml", "--n-jobs", "1", "--device", "cpu", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["failed"] == []
    assert "herding" in {row["method"] for row in document["summary"]}
    assert len(pd.read_csv("c/c.csv")) == 2 * 2 * 3
    assert [(folder / name).exists() for name in document["figures"]] == [True] * 3

    assert cli.main(["report", "c/c.csv", "--html", "c.html", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["html"] == "c.html"
    captions, words = check_page(folder / "c.html")
    assert len(captions) == 3
    assert "herding" in words and "10%, steps" in words
    (row,) = (row for row in document["speedup_at"] if row["method"] == "herding")
    kinds = "", "_amortized", "_steps"
    assert set(row) == {"method", *(f"rar_0.{n}{by}" for n in "12" for by in kinds)}
    assert "class-balanced random" in words


def test_no_subset_was_trained_on(folder, capsys, monkeypatch, check_page):
    def fail(*args):
        raise ValueError("no herd")

    monkeypatch.setattr(Herding, "_rank", fail)
    only = ["--only", "herding", "--seeds", "0", "--n-jobs", "1", "--json"]
    assert cli.main(["compare", "c.toml", *only]) == 3
    document = json.loads(capsys.readouterr().out)
    assert [row["method"] for row in document["summary"]] == ["full data"]
    assert document["figures"] == document["rank_agreement"] == document["speedup_at"] == []
    assert cli.main(["report", "c/c.csv", "--html", "c.html"]) == 0
    captions, words = check_page(folder / "c.html")
    assert captions == [] and "full data" in words


def test_report_of_a_table_without_steps(folder, capsys):
    """As tables were before steps were counted."""
    assert cli.main(["compare", "c.toml", "--n-jobs", "1", "--json"]) == 0
    table = pd.read_csv("c/c.csv")
    table.drop(columns="n_steps").to_csv("old.csv")
    capsys.readouterr()
    assert cli.main(["report", "old.csv"]) == 0
    old = capsys.readouterr().out
    assert cli.main(["report", "c/c.csv"]) == 0
    assert "10%, steps" in capsys.readouterr().out and "10%, steps" not in old


def test_report_of_another_table(folder, capsys):
    (folder / "a.csv").write_text("x,y\n1,2\n")
    (folder / "b.csv").write_bytes(b"\xff\xfe\x00")
    (folder / "c.csv").write_text("")
    for name in ("a.csv", "b.csv", "c.csv"):
        assert cli.main(["report", name]) == 1
        assert name in capsys.readouterr().err


@pytest.mark.parametrize("command", ["compare c.toml", "report c/c.csv"])
@pytest.mark.parametrize("name", ["hreding", "full data"])
def test_a_reference_that_is_no_method(folder, capsys, command, name):
    """Of all data there is no row at any budget to be compared with."""
    if command.startswith("report"):
        assert cli.main(["compare", "c.toml", "--n-jobs", "1"]) == 0
    assert cli.main([*command.split(), "--reference", name]) == 1
    err = capsys.readouterr().err
    assert "--reference must be among ['class-balanced random', 'herding'" in err
    assert ("did you mean 'herding'?" in err) == (name == "hreding")
    if command.startswith("compare"):
        assert not (folder / "c").exists()


def test_report_of_a_part(folder, capsys):
    """The figures of all stay as they are; the legend names what gains are over."""
    assert cli.main(["compare", "c.toml", "--n-jobs", "1"]) == 0
    figure = folder / "c" / "c_rar_speedup.png"
    before = figure.read_bytes()
    assert before
    capsys.readouterr()
    assert cli.main(["report", "c/c.csv", "--only", "herding", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["figures"] == []
    assert figure.read_bytes() == before
    assert cli.main(["report", "c/c.csv", "--reference", "herding"]) == 0
    assert "points of accuracy over herding in the seeds" in capsys.readouterr().out


def test_report_says_what_was_prepared(folder, capsys):
    assert cli.main(["compare", "c.toml", "--n-jobs", "1"]) == 0
    assert "prepared once" not in capsys.readouterr().out
    table = pd.read_csv("c/c.csv")
    table.loc[table.method == "herding", "setup_time"] = 34.0
    table.to_csv("c/c.csv", index=False)
    assert cli.main(["report", "c/c.csv"]) == 0
    out = capsys.readouterr().out
    assert "prepared once, seconds (mean over budgets and seeds):\n      34  herding\n" in out


def test_report_of_a_comparison_s_folder(folder, capsys):
    assert cli.main(["compare", "c.toml", "--n-jobs", "1"]) == 0
    capsys.readouterr()
    assert cli.main(["report", "c"]) == 2
    assert "give the table, such as c/c.csv" in capsys.readouterr().err


def test_verbose(folder, capsys):
    """Where stderr is no terminal nothing is said unless asked for."""
    run = ["compare", "c.toml", "--n-jobs", "1", "--seeds"]
    assert cli.main([*run, "0"]) == 0
    assert "trainings" not in capsys.readouterr().err
    assert cli.main(["--traceback", "--verbose", *run, "1"]) == 0
    assert "6/6 trainings" in capsys.readouterr().err
    assert cli.main(["--verbose", "--traceback", "report", "no.csv"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_reference_that_was_not_run(folder, capsys):
    """A table without it says so; what was run is shown all the same."""
    part = ["--only", "herding", "--seeds", "0", "--n-jobs", "1"]
    assert cli.main(["compare", "c.toml", *part]) == 0
    out = capsys.readouterr().out
    assert "no gains: there is no method 'class-balanced random'" in out
    assert "herding" in out and "nan" not in out


def test_no_device(folder, capsys):
    assert cli.main(["compare", "c.toml", "--device", "gpu"]) == 1
    assert "device must be a torch device" in capsys.readouterr().err


def test_html_is_escaped():
    from sksubsel.cli._page import Page

    page = Page("<script>")
    page.heading("a & b")
    page.text('"<b>"')
    page.table(pd.DataFrame({"<i>": ["<u>", None], "n": [0.12345678, float("nan")]}))
    text = str(page)
    for raw in ("<script>", "a & b", "<b>", "<i>", "<u>"):
        assert raw not in text
    assert "<td>0.1235</td>" in text
    assert text.count("<td>-</td>") == 2
