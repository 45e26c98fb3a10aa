"""From data to a page, on 200 digits and perceptrons."""

import json
import shutil

import numpy as np
import pytest

from sksubsel import ArchitectureEncoder, ModelApproximator, SubSelNet, cli
from sksubsel.cli._architectures import read_architectures
from sksubsel.cli._data import read_data
from sksubsel.cli._zoo_folder import ZooFolder
from sksubsel.datasets import load_digits_images
from sksubsel.zoo import TrainingFailedWarning, training, zoo

N = 200
ZOO = [
    "--store", "zoo", "--space", "mlp", "--space-option", "depths=[1, 2]", "widths=[16, 32]",
    "--n-architectures", "12", "--n-pretrained", "4", "--epochs", "3", "--n-jobs", "1",
]  # fmt: skip


def run(capsys, *argv):
    """The document that a command writes."""
    assert cli.main([*argv, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Data, a trained zoo, a net without it and one with it."""
    path = tmp_path_factory.mktemp("chain")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        X, y = load_digits_images(return_X_y=True)
        np.savez("digits.npz", X=X[:N], y=y[:N])
        assert cli.main(["zoo", "digits.npz", *ZOO]) == 0
        fit = ["fit", "digits.npz", "--zoo", "zoo", "--budget", "30", "--epochs", "2"]
        assert cli.main([*fit, "--out", "net"]) == 0
        own = ["--diversity", "entropy", "--mode", "inductive", "--include-zoo"]
        assert cli.main([*fit, "--out", "whole", *own]) == 0
    return path


@pytest.fixture(autouse=True)
def inside(folder, monkeypatch):
    monkeypatch.chdir(folder)


def test_a_zoo_in_stratified_batches(capsys, tmp_path):
    """And one begun before there were any goes on as it was begun."""
    made = {}
    for name, more in (("stratified", ["--stratify-batches"]), ("old", [])):
        argv = [str(tmp_path / name) if word == "zoo" else word for word in ZOO] + more
        run(capsys, "zoo", "digits.npz", *argv)
        data = read_data("digits.npz", None, None, None)
        _, made[name] = ZooFolder(tmp_path / name).load(*data, device="cpu")
    assert made["stratified"].estimator_.stratify_batches
    assert (made["old"].predictions_ != made["stratified"].predictions_).any()
    settings = tmp_path / "old" / "zoo.json"
    content = json.loads(settings.read_text())
    assert content["settings"]["recipe"].pop("stratify_batches") is False
    settings.write_text(json.dumps(content))
    assert run(capsys, "zoo", "digits.npz", *argv)["n_trained"] == 4
    assert cli.main(["zoo", "digits.npz", *argv, "--stratify-batches"]) == 1
    assert "'stratify_batches': True" in capsys.readouterr().err


def test_a_regression_has_no_classes_to_stratify_by(capsys, tmp_path):
    X = load_digits_images(return_X_y=True)[0][:60]
    np.savez(tmp_path / "data.npz", X=X, y=X.mean(axis=(1, 2, 3)))
    argv = [str(tmp_path / "zoo") if word == "zoo" else word for word in ZOO]
    assert cli.main(["zoo", str(tmp_path / "data.npz"), *argv, "--stratify-batches"]) == 1
    assert "--stratify-batches must be left out for a regression" in capsys.readouterr().err
    assert not (tmp_path / "zoo").exists()
    assert cli.main(["zoo", str(tmp_path / "data.npz"), *argv]) == 0


def test_zoo_goes_on(folder, capsys, monkeypatch):
    """Nothing that is in the store is trained again; what is missing is."""
    trained = []

    def count(*args):
        trained.append(args)
        return training.train_architecture(*args)

    monkeypatch.setattr(zoo, "train_architecture", count)
    shutil.copytree("zoo", "copy")
    again = ["copy" if word == "zoo" else word for word in ZOO]
    first = run(capsys, "zoo", "digits.npz", *again)
    assert (first["n_architectures"], first["n_trained"], first["n_samples"]) == (12, 4, N)
    assert trained == []
    next((folder / "copy" / "store").glob("*.npz")).unlink()
    assert run(capsys, "zoo", "digits.npz", *again)["accuracy"] == first["accuracy"]
    assert len(trained) == 1


def test_zoo_goes_on_without_what_failed(capsys, monkeypatch, tmp_path):
    """The folder was begun with ``--on-error raise``, and is of the new choice from then on."""
    trained = []

    def fail_fourth(*args):
        if len(trained) == 3:
            return {"error": "too large", "traceback": ""}
        trained.append(args)
        return training.train_architecture(*args)

    monkeypatch.setattr(zoo, "train_architecture", fail_fourth)
    argv = ["zoo", "digits.npz", *(str(tmp_path / "z") if word == "zoo" else word for word in ZOO)]
    assert cli.main(argv) == 1
    assert "too large" in capsys.readouterr().err
    assert cli.main([*argv, "--on-error", "warn", "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["n_trained"] == len(trained) == 3
    with pytest.warns(TrainingFailedWarning, match="1 of 4 architectures"):
        ZooFolder(tmp_path / "z").load(*read_data("digits.npz", None, None, None), device="cpu")


def test_zoo_interrupted(capsys, monkeypatch, tmp_path):
    """A stopped run keeps its settings, and `fit` says that it is not finished."""

    def stop(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(zoo, "train_architecture", stop)
    here = [str(tmp_path / "z") if word == "zoo" else word for word in ZOO]
    assert cli.main(["zoo", "digits.npz", *here]) == 130
    fit = ["fit", "digits.npz", "--zoo", str(tmp_path / "z"), "--out", "n"]
    assert cli.main(fit) == 1
    assert "is not finished" in capsys.readouterr().err


def test_a_first_mistake_does_not_pin_the_folder(tmp_path, capsys):
    here = [str(tmp_path / "z") if word == "zoo" else word for word in ZOO]
    place = here.index("--n-pretrained")
    wrong = [*here[:place], "--n-pretrained", "99", *here[place + 2 :]]
    assert cli.main(["zoo", "digits.npz", *wrong]) == 1
    assert "--n-pretrained must be at most" in capsys.readouterr().err
    assert not (tmp_path / "z").exists()
    odd = [*here, "--lr", "-1"]
    assert cli.main(["zoo", "digits.npz", *odd]) != 0
    assert cli.main(["zoo", "digits.npz", *here]) == 0


def test_the_usage_has_arguments_first(capsys):
    assert cli.main(["select", "--help"]) == 0
    assert "select NET [OPTIONS]" in capsys.readouterr().out


def test_zoo_of_other_settings(capsys):
    assert cli.main(["zoo", "digits.npz", *ZOO, "--seed", "1"]) == 1
    assert "zoo was begun with seed 0; got 1" in capsys.readouterr().err
    assert cli.main(["zoo", "digits", *ZOO]) == 1
    assert "made for other data" in capsys.readouterr().err
    assert cli.main(["fit", "digits", "--zoo", "zoo", "--out", "n"]) == 1
    assert "zoo was made for other data: DATA, --labels, --target" in capsys.readouterr().err


def test_zoo_of_a_file(capsys, tmp_path):
    """Architectures that another zoo has written, and one that cannot be trained."""
    bad = '{"ops": ["input", "what", "output"], "edges": [[0, 1], [1, 2]], "space": "mlp"}\n'
    lines = tmp_path / "a.jsonl"
    with open("zoo/architectures.jsonl") as file:
        two = file.readline() + file.readline()
    lines.write_text(two + bad)
    argv = ["zoo", "digits.npz", "--store", str(tmp_path / "z"), "--space", str(lines),
            "--n-pretrained", "3", "--epochs", "1", "--n-jobs", "1"]  # fmt: skip
    assert cli.main([*argv, "--on-error", "warn", "--json"]) == 3
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert (document["n_architectures"], document["n_trained"]) == (3, 2)
    assert list(document["errors"]) == ["2"]
    assert err.startswith("sksubsel: warning: 1 of 3 architectures could not be trained")
    copied = [one.hash for one in read_architectures(tmp_path / "z" / "architectures.jsonl")]
    assert copied == [one.hash for one in read_architectures(lines)]


def test_fit(folder):
    net = SubSelNet.load("net")
    assert net.get_params()["budget"] == 30
    assert net.n_samples_ == N
    assert not hasattr(net, "zoo_")
    assert len(SubSelNet.load("whole").zoo_) == 12
    archs = read_architectures("zoo/architectures.jsonl")
    X, _ = load_digits_images(return_X_y=True)
    same = SubSelNet(
        budget=30,
        encoder=ArchitectureEncoder(max_epochs=2),
        approximator=ModelApproximator(max_epochs=2),
        random_state=0,
    ).fit(archs, SubSelNet.load("whole").zoo_)
    np.testing.assert_array_equal(net.select(archs[0]), same.select(archs[0]))
    np.testing.assert_array_equal(SubSelNet.load("whole").zoo_.X_, X[:N])


def test_fit_with_rare_classes(capsys, tmp_path):
    """Of one class there are ten rows in a hundred."""
    X, y = load_digits_images(return_X_y=True)
    rows = np.concatenate([np.flatnonzero(y == 0)[:90], np.flatnonzero(y == 1)[:10]])
    np.savez(tmp_path / "rare.npz", X=X[rows], y=y[rows])
    data, store = str(tmp_path / "rare.npz"), str(tmp_path / "zoo")
    assert cli.main(["zoo", data, *[store if word == "zoo" else word for word in ZOO]]) == 0
    capsys.readouterr()
    counts = {}
    for stratify in ("proportional", "equal", "none"):
        net = str(tmp_path / stratify)
        fit = ["fit", data, "--zoo", store, "--out", net, "--budget", "18", "--epochs", "1"]
        said = run(capsys, *fit, "--stratify", stratify)["stratify"]
        assert said == (None if stratify == "none" else stratify)
        loaded = SubSelNet.load(net)
        assert loaded.stratify == said
        chosen = loaded.select(read_architectures(tmp_path / "zoo" / "architectures.jsonl")[0])
        counts[stratify] = int((y[rows][chosen] == 1).sum())
    assert counts["proportional"] == 2
    assert counts["equal"] == 9
    assert counts["none"] != 9


def test_fit_does_not_replace(capsys):
    assert cli.main(["fit", "digits.npz", "--zoo", "zoo", "--out", "net"]) == 1
    assert "must be empty" in capsys.readouterr().err


def test_select(capsys):
    archs = read_architectures("zoo/architectures.jsonl")
    wanted = SubSelNet.load("whole").select(archs, 20)
    given = ["select", "whole", "--architecture", "zoo/architectures.jsonl", "--budget", "20"]
    document = run(capsys, *given, "--out", "rows.npy")
    assert document["n_selected"] == 20
    assert [one["rows"] for one in document["selections"]] == [rows.tolist() for rows in wanted]
    assert [one["architecture"] for one in document["selections"]] == [a.hash for a in archs]
    np.testing.assert_array_equal(np.load("rows.npy"), np.stack(wanted))
    assert cli.main([*given, "--out", "rows.json"]) == 0
    with open("rows.json") as file:
        assert json.load(file) == document
    assert cli.main([*given, "--out", "rows.csv"]) == 0
    with open("rows.csv") as file:
        lines = file.read().splitlines()
    assert lines[0] == "architecture,row"
    assert lines[1] == f"{archs[0].hash},{wanted[0][0]}"
    assert len(lines) == 1 + 20 * len(archs)
    capsys.readouterr()
    assert cli.main(given) == 0
    out = capsys.readouterr().out.splitlines()
    assert [list(map(int, line.split())) for line in out] == [rows.tolist() for rows in wanted]
    fresh = run(capsys, *given, "--seed", "5")["selections"][0]["rows"]
    assert fresh == SubSelNet.load("whole").select(archs[0], 20, 5).tolist() != wanted[0].tolist()


@pytest.mark.filterwarnings("always:operations:UserWarning")
def test_an_unknown_operation_is_said_once(capsys):
    with open("zoo/architectures.jsonl") as lines, open("odd.jsonl", "w") as file:
        file.write(lines.readline().replace('"linear"', '"odd"', 1))
    assert cli.main(["select", "net", "--architecture", "odd.jsonl"]) == 0
    assert capsys.readouterr().err.count("'odd'") == 1


def test_a_page_in_no_folder(capsys):
    assert cli.main(["report", "net", "--html", "nowhere/net.html"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and "'nowhere/net.html' must be in a folder that is there" in err


def test_device(capsys):
    archs = "zoo/architectures.jsonl"
    for given in (["select", "net", "--architecture", archs], ["report", "net"]):
        assert run(capsys, *given, "--device", "cpu") == run(capsys, *given)
        assert cli.main([*given, "--device", "nowhere"]) == 1
        assert "device must be a torch device" in capsys.readouterr().err


def test_report(capsys, folder, check_page):
    document = run(capsys, "report", "net", "--html", "net.html")
    assert document["instances"] == N
    assert sum(row["instances"] for row in document["selection"]) == N
    assert sum(row["selected"] for row in document["selection"]) == 30
    selector = SubSelNet.load(folder / "net").selector_
    assert document["gain of a second judge"] == round(selector.oof_gain_, 4)
    assert document["share of labels that sure judges contradict"] == round(
        selector.label_noise_, 4
    )
    captions, words = check_page(folder / "net.html")
    assert len(captions) == 2 + 1  # two trainings, and the scores
    assert "saved without its zoo" in words


def test_report_with_the_zoo(capsys, folder, check_page):
    run(capsys, "report", "whole", "--html", "whole.html", "--budget", "20")
    captions, words = check_page(folder / "whole.html")
    # architectures, map, calibration, trainings, scores, images
    assert len(captions) == 4 + 1 + 1 + 3 + 1 + 1
    assert "saved without its zoo" not in words
    assert "20 of 200 rows" in words


def test_report_of_a_shared_selection(capsys):
    document = run(capsys, "report", "net", "--budget", "20")
    assert document["selected for"] == "any architecture, by a design that all share"


def test_report_of_an_architecture(capsys):
    archs = read_architectures("zoo/architectures.jsonl")
    with open("zoo/architectures.jsonl") as lines, open("one.json", "w") as file:
        file.write(lines.readline())
    document = run(capsys, "report", "whole", "--architecture", "one.json")
    assert archs[0].hash in document["selected for"]
    assert "html" not in document
