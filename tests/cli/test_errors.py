"""Exit codes, and one line on stderr for whatever goes wrong."""

import sys
import warnings

import pytest

from sksubsel import cli, demo


@pytest.fixture
def failing(monkeypatch):
    """Lets `demo` end with an error."""

    def fail_with(error):
        def fail(**params):
            raise error

        monkeypatch.setattr(demo, "run_demo", fail)

    return fail_with


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (ValueError("no room"), 1, "sksubsel: error: no room\n"),
        (RuntimeError("it failed\nTraceback ..."), 1, "sksubsel: error: it failed\n"),
        (OSError(2, "Gone", "a"), 1, "sksubsel: error: [Errno 2] Gone: 'a'\n"),
        (FloatingPointError("gains are NaN"), 1, "sksubsel: error: gains are NaN\n"),
        (MemoryError(), 1, "sksubsel: error: MemoryError\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)  # fmt: skip
def test_errors(failing, error, code, line, capsys):
    failing(error)
    assert cli.main(["demo", "--json"]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.lstrip("\n") == line


def test_an_error_of_ours_is_not_hidden(failing):
    failing(ZeroDivisionError("a bug"))
    with pytest.raises(ZeroDivisionError):
        cli.main(["demo"])


def test_traceback(failing, capsys):
    failing(RuntimeError("it failed\nhow"))
    assert cli.main(["--traceback", "demo"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("Traceback (most recent call last):")
    assert "how" in err
    assert err.endswith("sksubsel: error: it failed\n")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "sksubsel: error: Missing command (see sksubsel --help)\n"),
        (["no-such"], "sksubsel: error: No such command 'no-such'"),
        (["demo", "--no-such"], "sksubsel demo: error: No such option"),
        (["demo", "--seed", "-1"], "sksubsel demo: error: Invalid value for '--seed'"),
        (["fit", "digits"], "sksubsel fit: error: Missing option '--zoo'"),
        (["zoo", "digits", "--store", "s", "--space", "mobile"], "sksubsel zoo: error: "),
        (["zoo", "digits", "--store", "s", "--space-option", "a"], "sksubsel zoo: error: "),
        (["compare", "a.toml", "--budgets", "0.1", "1.5"], "sksubsel compare: error: Invalid"),
        (["select", "net", "--architecture", "a", "--out", "a.txt"], "sksubsel select: error: "),
        (["report", "a.csv", "--budget", "3"], "sksubsel report: error: --architecture, --budget"),
    ],
)
def test_wrong_arguments(argv, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(said)
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["zoo", "no.npz", "--store", "s"], "there is no 'no.npz'"),
        (["zoo", "digits", "--store", "s", "--device", "gpu"], "device must be a torch device"),
        (["zoo", "digits", "--store", "s", "--space-option", "rooms=8"], "--space-option must be"),
        (["zoo", "digits", "--store", "s", "--space", "no.jsonl"], "there is no file"),
        (["fit", "digits", "--zoo", "z", "--out", "n"], "no folder that `sksubsel zoo` has"),
        (["select", "n", "--architecture", "|nor_conv_3x3~0|"], "must"),
        (["report", "no.csv"], "No such file"),
        (["compare", "no.toml"], "No such file"),
    ],
)
def test_errors_before_any_work(argv, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(argv) == 1
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_warnings_are_lines(monkeypatch, capsys):
    def run_demo(**params):
        warnings.warn("mind this\nand that", stacklevel=1)
        raise ValueError("enough")

    monkeypatch.setattr(demo, "run_demo", run_demo)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert cli.main(["demo"]) == 1
    err = capsys.readouterr().err
    assert err == "sksubsel: warning: mind this\nsksubsel: error: enough\n"


def test_without_click(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "click", None)
    assert cli.main(["demo"]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "pip install 'sksubsel[cli]'" in err


@pytest.mark.parametrize(
    ("given", "spread"),
    [
        (["c", "--seeds", "0", "1"], (0, 1)),
        (["--seeds", "0", "--seeds", "1", "--n-jobs", "1", "c"], (0, 1)),
        (["c", "--seeds=0", "--seeds", "-1", "2"], (0, -1, 2)),
    ],
)
def test_options_of_several_values(given, spread, monkeypatch):
    from sksubsel.cli.compare import compare

    context = compare.make_context("compare", given)
    assert context.params["seeds"] == spread
    assert str(context.params["config"]) == "c"


def test_files_that_are_not_there_or_in_the_way(tmp_path, capsys):
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "mine.txt").write_text("kept")
    fit = ["fit", "digits", "--zoo", str(tmp_path / "zoo"), "--out", str(tmp_path / "net")]
    assert cli.main(fit) == 1
    assert "--out must be empty" in capsys.readouterr().err
    select = ["select", str(tmp_path / "net"), "--architecture", str(tmp_path / "no.json")]
    assert cli.main(select) == 1
    assert "architectures: there is no file" in capsys.readouterr().err
