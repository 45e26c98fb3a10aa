import copy
import gc
import os
import pickle
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, train_test_split
from skorch.callbacks import EarlyStopping, EpochTimer
from torch import nn

from sksubsel import ArchitectureClassifier, ModelZoo
from sksubsel.architectures import Architecture
from sksubsel.baselines import SubsetCallback
from sksubsel.baselines.adaptive import RS2Strategy
from sksubsel.datasets import load_digits_images
from sksubsel.networks import count_parameters
from sksubsel.zoo import ArchitectureRegressor, CorruptEntryWarning, TrainingFailedWarning
from sksubsel.zoo.store import architecture_key
from sksubsel.zoo.training import seed_of, train_architecture

_SMALL = {"stem_channels": 4, "n_stacks": 1, "n_cells": 1}
_CONV, _WIDE, _POOL = "conv1x1-bn-relu", "conv3x3-bn-relu", "maxpool3x3"
# fixed cells, so that the pool of all need not be enumerated
_CELLS = [
    Architecture.from_matrix(
        np.eye(len(ops) + 2, k=1, dtype=int), ["input", *ops, "output"], space="nasbench101"
    )
    for ops in [
        (_CONV,),
        (_WIDE,),
        (_POOL,),
        (_WIDE, _WIDE),
        (_CONV, _POOL),
        (_WIDE, _CONV, _WIDE),
    ]
]
_BROKEN = Architecture.from_matrix(
    [[0, 1, 0], [0, 0, 1], [0, 0, 0]], ["input", "conv99x99", "output"], space="nasbench101"
)


def logging_build(arch, in_shape, n_outputs):
    """A linear network; each building leaves a file in a folder of the environment."""
    name = f"{architecture_key(arch)}-{time.time_ns()}"
    Path(os.environ["SKSUBSEL_TEST_LOG"], name).touch()
    return nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(in_shape)), n_outputs))


@pytest.fixture
def trainings(tmp_path, monkeypatch):
    """A function that counts the trainings of each architecture by `logging_build`."""
    folder = tmp_path / "log"
    folder.mkdir()
    monkeypatch.setenv("SKSUBSEL_TEST_LOG", str(folder))

    def count():
        names = [path.name.split("-")[0] for path in folder.iterdir()]
        return {name: names.count(name) for name in names}

    return count


@pytest.fixture(scope="module")
def data():
    X, y = load_digits_images(return_X_y=True)
    rows = np.flatnonzero(y < 3)[:140]
    return X[rows[:100]], y[rows[:100]], X[rows[100:]], y[rows[100:]]


def _estimator(**params):
    return ArchitectureClassifier(**{"network_params": _SMALL, "max_epochs": 1} | params)


def _zoo(estimator=None, **params):
    return ModelZoo(estimator or _estimator(), **{"random_state": 0} | params)


def _logging_zoo(**params):
    return _zoo(_estimator(build=logging_build), **params)


@pytest.fixture(scope="module")
def zoo(data):
    return _zoo().fit(_CELLS, *data)


def test_attributes(zoo, data):
    assert len(zoo) == 6 and zoo.shape == (6,) and bool(zoo)
    assert zoo.predictions_.shape == (6, 100, 3) and zoo.predictions_.dtype == np.float16
    np.testing.assert_allclose(zoo.predictions_.astype(float).sum(-1), 1, atol=2e-3)
    assert zoo.trained_.dtype == np.int64 and zoo.trained_.tolist() == list(range(6))
    for name in ("accuracies_", "train_accuracies_", "train_times_"):
        value = getattr(zoo, name)
        assert value.shape == (6,) and value.dtype == np.float64 and (value >= 0).all()
    assert (zoo.train_times_ > 0).all()
    assert zoo.n_parameters_.dtype == np.int64
    assert zoo.n_parameters_.tolist() == [
        count_parameters(arch, (1, 8, 8), 3, **_SMALL) for arch in _CELLS
    ]
    assert zoo.task_ == "classification" and zoo.classes_.tolist() == [0, 1, 2]
    assert zoo.errors_ == {} and zoo.architectures_ == _CELLS
    np.testing.assert_array_equal(zoo.X_, data[0])
    np.testing.assert_array_equal(zoo.y_, data[1])


def test_accuracies_are_those_of_the_predictions(zoo, data):
    X, y, X_val, y_val = data
    expected = (zoo.predictions_.argmax(-1) == y).mean(1)
    np.testing.assert_allclose(zoo.train_accuracies_, expected, atol=0.02)  # ties of float16
    model = zoo.train(_CELLS[3])
    assert zoo.accuracies_[3] == pytest.approx(model.score(X_val, y_val))
    assert zoo.train_accuracies_[3] == pytest.approx(model.score(X, y))
    without = _zoo().fit(_CELLS[:2], X, y)
    np.testing.assert_array_equal(without.accuracies_, without.train_accuracies_)
    assert without.X_val_ is None and without.y_val_ is None


def test_the_zoo_trains_like_its_estimator(zoo, data):
    model = _estimator(architecture=_CELLS[1], random_state=seed_of(_CELLS[1], zoo._seed))
    proba = model.fit(*data[:2]).predict_proba(data[0])
    np.testing.assert_array_equal(proba.astype(np.float16), zoo.predictions_[1])


def test_default_estimator(data):
    zoo = ModelZoo(n_pretrained=1).fit(_CELLS[:1], data[0][:20], data[1][:20])
    assert isinstance(zoo.estimator_, ArchitectureClassifier)


def test_two_workers_give_the_same_bits(zoo, data):
    parallel = _zoo(n_jobs=2).fit(_CELLS, *data)
    np.testing.assert_array_equal(parallel.predictions_, zoo.predictions_)
    np.testing.assert_array_equal(parallel.accuracies_, zoo.accuracies_)


def test_two_workers_report_a_failure_and_keep_what_is_finished(data, tmp_path):
    archs = [_BROKEN, *_CELLS[:2]]
    with pytest.warns(TrainingFailedWarning, match="1 of 3"):
        zoo = _zoo(n_jobs=2, on_error="warn", store=tmp_path / "a").fit(archs, *data)
    assert zoo.trained_.tolist() == [1, 2]
    assert len(list((tmp_path / "a").glob("*.npz"))) == 2
    with pytest.raises(RuntimeError, match="conv99x99"):
        _zoo(n_jobs=2).fit(archs, *data)


def test_threads_give_the_same_bits(zoo, data):
    """Torch's generator is shared by threads, so that trainings must not mix there."""
    before = torch.get_rng_state()
    with joblib.parallel_config("threading"):
        threaded = _zoo(n_jobs=2).fit(_CELLS, *data)
    np.testing.assert_array_equal(threaded.predictions_, zoo.predictions_)
    assert torch.equal(before, torch.get_rng_state())


def test_networks_that_work_in_place_leave_the_data(data):
    def build(arch, in_shape, n_outputs):
        return nn.Sequential(nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(64, n_outputs))

    X, y, X_val, y_val = (data[0] - 0.5, data[1], data[2] - 0.5, data[3])
    before = X.copy(), X_val.copy()
    X_val.flags.writeable = False
    zoo = _zoo(_estimator(build=build)).fit(_CELLS[:2], X, y, X_val, y_val)
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(X_val, before[1])
    one = _zoo(_estimator(build=build)).fit(_CELLS[1:2], X, y)
    np.testing.assert_array_equal(one.predictions_[0], zoo.predictions_[1])


def test_neither_order_nor_company_matters(zoo, data):
    order = [4, 1, 5]
    part = _zoo().fit([_CELLS[i] for i in order], *data)
    np.testing.assert_array_equal(part.predictions_, zoo.predictions_[order])
    np.testing.assert_array_equal(part.n_parameters_, zoo.n_parameters_[order])


def test_seeds(zoo, data):
    again = _zoo().fit(_CELLS[:2], *data)
    np.testing.assert_array_equal(again.predictions_, zoo.predictions_[:2])
    other = _zoo(random_state=1).fit(_CELLS[:2], *data)
    assert not np.array_equal(other.predictions_, zoo.predictions_[:2])


def test_global_generators_and_threads_are_untouched(data):
    torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()
    n_threads = torch.get_num_threads()
    _zoo().fit(_CELLS[:2], *data)
    assert torch.equal(torch_before, torch.get_rng_state())
    np.testing.assert_array_equal(numpy_before, np.random.get_state()[1])
    assert torch.get_num_threads() == n_threads


@pytest.mark.parametrize("arch, fails", [(_CELLS[0], False), (_BROKEN, True)])
def test_threads_are_restored_after_a_training(data, arch, fails):
    before = torch.get_num_threads()
    record = train_architecture(_estimator(), arch, data, [0], before + 1, None)
    assert ("error" in record) == fails
    assert torch.get_num_threads() == before


def test_duplicates_are_trained_once(data, trainings):
    twice = [_CELLS[0], _CELLS[1], copy.deepcopy(_CELLS[0])]
    zoo = _logging_zoo().fit(twice, *data)
    assert sorted(trainings().values()) == [1, 1]
    assert len(zoo) == 3 and zoo.trained_.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(zoo.predictions_[0], zoo.predictions_[2])


def test_architectures_as_matrix_and_ops(data, trainings):
    pairs = [arch.to_matrix() for arch in _CELLS[:2]]
    zoo = _logging_zoo().fit(pairs, *data)
    assert zoo.architectures_ == [Architecture.from_matrix(*pair) for pair in pairs]
    zoo.check_architectures(pairs)


def test_labels_of_strings(data):
    names = np.array(["two", "one", "zero"])
    zoo = _zoo().fit(_CELLS[:1], data[0], names[data[1]], data[2], names[data[3]])
    assert zoo.classes_.tolist() == ["one", "two", "zero"]
    np.testing.assert_array_equal(zoo.classes_[zoo.y_], names[data[1]])
    np.testing.assert_array_equal(zoo.classes_[zoo.y_val_], names[data[3]])
    assert zoo.train(_CELLS[0]).score(data[2], names[data[3]]) == pytest.approx(zoo.accuracies_[0])


def test_nothing_finished_is_trained_twice(data, tmp_path, trainings):
    store = tmp_path / "store"
    first = _logging_zoo(store=store).fit(_CELLS[:3], *data)
    times = {path.name: path.stat().st_mtime_ns for path in store.glob("*.npz")}
    assert len(times) == 3
    second = _logging_zoo(store=str(store)).fit(_CELLS[::-1], *data)
    assert sorted(trainings().values()) == [1] * 6
    for name, before in times.items():
        assert (store / name).stat().st_mtime_ns == before
    np.testing.assert_array_equal(second.predictions_[::-1][:3], first.predictions_)
    np.testing.assert_array_equal(second.accuracies_[::-1][:3], first.accuracies_)
    np.testing.assert_array_equal(second.train_times_[::-1][:3], first.train_times_)
    assert second.n_parameters_.dtype == np.int64


def test_a_run_without_a_seed_resumes(data, tmp_path, trainings):
    first = _logging_zoo(store=tmp_path / "store", random_state=None).fit(_CELLS[:2], *data)
    second = _logging_zoo(store=tmp_path / "store", random_state=None).fit(_CELLS[:3], *data)
    assert sorted(trainings().values()) == [1, 1, 1]
    np.testing.assert_array_equal(second.predictions_[:2], first.predictions_)
    other = _logging_zoo(random_state=None).fit(_CELLS[:2], *data)
    assert not np.array_equal(other.predictions_, first.predictions_)


def test_a_failure_keeps_what_was_finished(data, tmp_path, trainings):
    with pytest.raises(RuntimeError, match="conv99x99"):
        _zoo(store=tmp_path / "store").fit([*_CELLS[:2], _BROKEN, _CELLS[2]], *data)
    assert len(list((tmp_path / "store").glob("*.npz"))) == 2


_SCRIPT = """
import os, sys, time
import numpy as np
from pathlib import Path
from torch import nn
from sksubsel import ArchitectureClassifier, ModelZoo
from sksubsel.architectures import Architecture

def build(arch, in_shape, n_outputs):
    log = Path(os.environ["SKSUBSEL_TEST_LOG"])
    if os.environ.get("SKSUBSEL_TEST_HANG") and len(list(log.iterdir())) == 2:
        Path(log.parent, "hangs").touch()
        time.sleep(600)
    Path(log, f"{arch.n_nodes}-{time.time_ns()}").touch()
    return nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(in_shape)), n_outputs))

def fit(store):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 6)), np.arange(40) % 2
    archs = [Architecture(("x",) * n, tuple((i, i + 1) for i in range(n - 1)))
             for n in range(2, 6)]
    estimator = ArchitectureClassifier(build=build, max_epochs=1)
    return ModelZoo(estimator, store=store, random_state=0).fit(archs, X, y)

"""


def test_a_killed_run_resumes(tmp_path, trainings, monkeypatch):
    """Killed where nothing can be tidied up, while it trains the third of four."""
    (tmp_path / "sksubsel_killed_run.py").write_text(_SCRIPT)
    store = tmp_path / "store"
    run = f"import sksubsel_killed_run as m; m.fit({str(store)!r})"
    environment = os.environ | {
        "SKSUBSEL_TEST_HANG": "1",
        "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]),
        "OMP_NUM_THREADS": "1",
    }
    process = subprocess.Popen([sys.executable, "-c", run], env=environment)
    try:
        deadline = time.monotonic() + 120
        while not (tmp_path / "hangs").exists():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == -signal.SIGKILL
    assert len(list(store.glob("*.npz"))) == 2

    monkeypatch.syspath_prepend(tmp_path)
    import sksubsel_killed_run

    try:
        resumed = sksubsel_killed_run.fit(store)
        assert trainings() == {"2": 1, "3": 1, "4": 1, "5": 1}
        fresh = sksubsel_killed_run.fit(None)
    finally:
        del sys.modules["sksubsel_killed_run"]
    np.testing.assert_array_equal(resumed.predictions_, fresh.predictions_)


def test_a_corrupted_entry_is_trained_again(data, tmp_path, trainings):
    store = tmp_path / "store"
    first = _logging_zoo(store=store).fit(_CELLS[:3], *data)
    key = architecture_key(_CELLS[1])
    entry = store / f"{key}.npz"
    entry.write_bytes(entry.read_bytes()[:100])
    with pytest.warns(CorruptEntryWarning, match=key):
        second = _logging_zoo(store=store).fit(_CELLS[:3], *data)
    assert trainings()[key] == 2 and sum(trainings().values()) == 4
    np.testing.assert_array_equal(second.predictions_, first.predictions_)


def test_a_store_of_something_else(data, tmp_path):
    X, y, X_val, y_val = data
    store = tmp_path / "store"
    _zoo(store=store).fit(_CELLS[:1], *data)
    changed = X.copy()
    changed[50, 0, 3, 3] += 0.5
    for zoo, content in [
        (_zoo(store=store), (changed, y, X_val, y_val)),
        (_zoo(store=store), (X, np.roll(y, 1), X_val, y_val)),
        (_zoo(store=store), (X, y)),
        (_zoo(store=store, n_seeds=2), data),
        (_zoo(store=store, random_state=1), data),
        (_zoo(_estimator(max_epochs=2), store=store), data),
        (_zoo(_estimator(network_params=_SMALL | {"n_cells": 2}), store=store), data),
        (_zoo(_estimator(callbacks=[EarlyStopping(patience=1)]), store=store), data),
    ]:
        with pytest.raises(ValueError, match="was made for other"):
            zoo.fit(_CELLS[:1], *content)
    # nothing that matters
    quiet = _estimator(verbose=0, random_state=5, device="cpu", callbacks=[])
    _zoo(quiet, store=store, n_jobs=1, on_error="warn", device="cpu").fit(_CELLS[:2], *data)


def test_a_store_knows_callbacks_by_their_parameters(data, tmp_path):
    """And not by what they noted in the trainings before."""

    def fit(every, callback=None):
        callback = callback or SubsetCallback(RS2Strategy(), budget=20, every=every)
        estimator = _estimator(callbacks=[("subset", callback), EpochTimer])
        _zoo(estimator, store=tmp_path).fit(_CELLS[:1], *data)
        return callback

    used = fit(1)
    fit(1, used)
    fit(1)
    with pytest.raises(ValueError, match="was made for other"):
        fit(2)


def test_a_store_with_another_file_in_it(data, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="give an empty folder"):
        _zoo(store=tmp_path).fit(_CELLS[:1], *data)
    with pytest.raises(ValueError, match="is a file"):
        _zoo(store=tmp_path / "mine.txt").fit(_CELLS[:1], *data)


def test_on_error_raise_names_the_architecture(data):
    with pytest.raises(RuntimeError, match="conv99x99.* could not be trained") as caught:
        _zoo().fit([_CELLS[0], _BROKEN], *data)
    assert "on_error='warn'" in str(caught.value)


def test_on_error_warn_goes_on(zoo, data):
    with pytest.warns(TrainingFailedWarning, match="1 of 3 architectures"):
        part = _zoo(on_error="warn").fit([_CELLS[0], _BROKEN, _CELLS[1]], *data)
    assert part.trained_.tolist() == [0, 2] and len(part) == 3
    assert list(part.errors_) == [1] and "conv99x99" in part.errors_[1]
    np.testing.assert_array_equal(part.predictions_, zoo.predictions_[:2])
    assert part.accuracies_.shape == part.n_parameters_.shape == (2,)
    sliced = part[[1, 2]]
    assert sliced.trained_.tolist() == [1] and list(sliced.errors_) == [0]
    np.testing.assert_array_equal(sliced.predictions_, zoo.predictions_[1:2])
    assert part[[1]].predictions_.shape == (0, 100, 3)


def test_diverging_is_reported(data):
    estimator = _estimator(optimizer="sgd", lr=1e30, max_epochs=20)
    with pytest.warns(TrainingFailedWarning), pytest.raises(RuntimeError, match="a smaller lr"):
        _zoo(estimator, on_error="warn").fit(_CELLS[:1], *data)


class _Lost(nn.Linear):
    """It learns, and what it predicts is none."""

    def forward(self, X):
        out = super().forward(X.flatten(1))
        return out if self.training else out * torch.nan


@pytest.mark.parametrize("validated", [True, False])
def test_predictions_that_are_none_are_an_error(data, tmp_path, validated):
    X, y, *held_out = data

    def build(arch, in_shape, n_outputs):
        return _Lost(64, n_outputs)

    zoo = _zoo(_estimator(build=build), store=tmp_path)
    with pytest.raises(RuntimeError, match=r"predictions must be finite \(a smaller lr"):
        zoo.fit(_CELLS[:1], X, y, *(held_out if validated else []))
    assert not list(tmp_path.glob("*.npz"))


def test_all_failing(data):
    with (
        pytest.warns(TrainingFailedWarning, match="1 of 1"),
        pytest.raises(
            RuntimeError, match="no architecture could be trained; the first error: .*conv99x99"
        ),
    ):
        _zoo(on_error="warn").fit([_BROKEN], *data)


@pytest.mark.parametrize(
    "n_pretrained, n_trained", [(1, 1), (2, 2), (6, 6), (0.5, 3), (1.0, 6), (0.01, 1), (None, 6)]
)
def test_n_pretrained(data, trainings, n_pretrained, n_trained):
    zoo = _logging_zoo(n_pretrained=n_pretrained).fit(_CELLS, *data)
    assert len(zoo) == 6 and len(zoo.trained_) == len(zoo.predictions_) == n_trained
    assert (np.diff(zoo.trained_) > 0).all()


def test_pretrained_are_spread_over_parameter_counts(data):
    zoo = _zoo(n_pretrained=3).fit(_CELLS, *data)
    counts = [count_parameters(arch, (1, 8, 8), 3, **_SMALL) for arch in _CELLS]
    ranks = np.argsort(np.argsort(counts, kind="stable"), kind="stable")
    assert sorted(ranks[zoo.trained_] // 2) == [0, 1, 2]  # one of each third
    np.testing.assert_array_equal(zoo.n_parameters_, np.array(counts)[zoo.trained_])


@pytest.mark.parametrize("on_error", ["raise", "warn"])
def test_sizes_of_networks_that_need_values_to_be_built(data, on_error):
    """They cannot be counted on torch's meta device."""

    def build(arch, in_shape, n_outputs):
        places = [int(rate.item()) for rate in torch.linspace(64, 64, 2)]
        width = 10 * arch.n_nodes
        return nn.Sequential(
            nn.Flatten(), nn.Linear(places[0], width, device="cpu"), nn.Linear(width, n_outputs)
        )

    archs = [_CELLS[i] for i in (0, 3, 1, 4)]  # of 3, 4, 3 and 4 nodes
    before = torch.get_rng_state()
    zoo = _zoo(_estimator(build=build), n_pretrained=2, on_error=on_error).fit(archs, *data)
    assert zoo.trained_.tolist() == [2, 3]
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("n_pretrained", [0, -1, 0.0, 1.5, "all"])
def test_n_pretrained_out_of_range(data, n_pretrained):
    with pytest.raises(ValueError, match="n_pretrained"):
        _zoo(n_pretrained=n_pretrained).fit(_CELLS, *data)


def test_more_pretrained_than_there_are(data):
    with pytest.raises(ValueError, match=r"n_pretrained must be an int in \[1, n_archs=6\].*got 7"):
        _zoo(n_pretrained=7).fit(_CELLS, *data)


@pytest.mark.parametrize(
    "index, rows",
    [
        (2, [2]),
        (-1, [5]),
        (np.int64(3), [3]),
        (slice(1, 5, 2), [1, 3]),
        ([5, 0], [5, 0]),
        ([3, 3], [3, 3]),
        (np.array([4, 2, 1]), [4, 2, 1]),
        (np.array([True, False, False, True, False, False]), [0, 3]),
        ((np.array([1, 2]), ...), [1, 2]),
        ((slice(None), ...), [0, 1, 2, 3, 4, 5]),
        ([], []),
    ],
    ids=str,
)
def test_slicing(zoo, index, rows):
    part = zoo[index]
    assert len(part) == len(rows) and part.shape == (len(rows),)
    assert part.architectures_ == [_CELLS[i] for i in rows]
    assert part.trained_.tolist() == list(range(len(rows)))
    np.testing.assert_array_equal(part.predictions_, zoo.predictions_[rows])
    for name in ("accuracies_", "train_accuracies_", "train_times_", "n_parameters_"):
        np.testing.assert_array_equal(getattr(part, name), getattr(zoo, name)[rows])
    assert part.X_ is zoo.X_ and part.y_ is zoo.y_
    assert len(zoo) == 6  # the parent stays whole


def test_slices_of_slices_and_of_partly_trained_zoos(data):
    zoo = _zoo(n_pretrained=3).fit(_CELLS, *data)
    first, second, third = zoo.trained_
    part = zoo[::-1]
    assert part.trained_.tolist() == [5 - third, 5 - second, 5 - first]
    np.testing.assert_array_equal(part.predictions_, zoo.predictions_[::-1])
    np.testing.assert_array_equal(part[::-1].predictions_, zoo.predictions_)
    one = part[[5 - second]]
    np.testing.assert_array_equal(one.predictions_, zoo.predictions_[1:2])
    assert one.accuracies_.tolist() == [zoo.accuracies_[1]]
    assert one.check_architectures([_CELLS[second]]) is None


def test_slicing_out_of_range(zoo):
    for index in (6, [0, 6], np.ones(5, dtype=bool)):
        with pytest.raises(IndexError):
            zoo[index]


def test_splitters_take_it_as_y(zoo):
    seen, unseen, zoo_seen, zoo_unseen = train_test_split(_CELLS, zoo, random_state=0)
    zoo_seen.check_architectures(seen)
    zoo_unseen.check_architectures(unseen)
    assert len(seen) == 4 and len(zoo_unseen) == 2
    for fit, held_out in KFold(3).split(_CELLS, zoo):
        assert zoo[fit].architectures_ == [_CELLS[i] for i in fit]
        zoo[held_out].check_architectures([_CELLS[i] for i in held_out])


def test_check_architectures(zoo):
    zoo.check_architectures(_CELLS)
    with pytest.raises(ValueError, match="got 5 architectures and a zoo of 6"):
        zoo.check_architectures(_CELLS[:5])
    with pytest.raises(ValueError, match="number 0 is"):
        zoo.check_architectures(_CELLS[::-1])
    with pytest.raises(ValueError, match="number 1 is"):
        zoo.check_architectures([_CELLS[0], *_CELLS[2:], _CELLS[1]])
    with pytest.raises(TypeError, match="an architecture must be"):
        zoo.check_architectures(["cell"] * 6)


@pytest.fixture
def no_training(monkeypatch):
    """What is wrong with the data must be found before anything is trained."""

    def train(*args):
        raise AssertionError("something was trained")

    monkeypatch.setattr("sksubsel.zoo.zoo.train_architecture", train)


def _with(array, place, value):
    array = array.copy()
    array[place] = value
    return array


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda X, y, Xv, yv: (_with(X, 7, np.nan), y, Xv, yv), "X must be finite; got nan in row"),
        (lambda X, y, Xv, yv: (_with(X, 7, np.inf), y, Xv, yv), "X must be finite; got inf in row"),
        (lambda X, y, Xv, yv: (X, y[:-1], Xv, yv), "X and y must have the same number"),
        (lambda X, y, Xv, yv: (X[:0], y[:0], Xv, yv), "X must not be empty"),
        (lambda X, y, Xv, yv: (X[:, 0, 0, 0], y, Xv, yv), "X must have shape"),
        (lambda X, y, Xv, yv: (X, np.ones_like(y), Xv, yv), "at least two classes"),
        (lambda X, y, Xv, yv: (X, _with(y, 7, 9), Xv, yv), "class .*9.* has 1"),
        (lambda X, y, Xv, yv: (X, y, Xv, None), "X_val and y_val must be given together"),
        (lambda X, y, Xv, yv: (X, y, None, yv), "X_val and y_val must be given together"),
        (lambda X, y, Xv, yv: (X, y, Xv[:, :, :4], yv), r"instance shape \(1, 8, 8\) of X"),
        (lambda X, y, Xv, yv: (X, y, Xv[:-1], yv), "the length of y_val"),
        (lambda X, y, Xv, yv: (X, y, Xv[:0], yv[:0]), "X_val must not be empty"),
        (lambda X, y, Xv, yv: (X, y, Xv, _with(yv, 3, 9)), r"labels that the zoo lacks: \[9\]"),
        (lambda X, y, Xv, yv: (X, y, Xv, yv[:, None]), "y_val must have shape"),
        (lambda X, y, Xv, yv: (X, y, _with(Xv, 3, np.nan), yv), "X_val must be finite"),
    ],
)
def test_bad_instances_are_found_before_training(data, no_training, change, message):
    with pytest.raises(ValueError, match=message):
        _zoo().fit(_CELLS, *change(*data))


def test_numbers_as_objects(zoo, data):
    X, y, X_val, y_val = data
    again = _zoo().fit(_CELLS[:1], X, y.astype(object), X_val, y_val.astype(object))
    np.testing.assert_array_equal(again.predictions_, zoo.predictions_[:1])
    assert again.classes_.dtype == y.dtype
    np.testing.assert_array_equal(again.y_val_, y_val)


def test_validation_labels_of_another_kind(data, no_training):
    X, y, X_val, y_val = data
    names = np.array(["a", "b", "c"], dtype=object)
    with pytest.raises(ValueError, match=r"labels that the zoo lacks: \[0, 1, 2\]"):
        _zoo().fit(_CELLS, X, names[y], X_val, y_val)


def test_bad_validation_targets_of_a_regression(data, no_training):
    target, held_out = data[0].mean((1, 2, 3)), data[2].mean((1, 2, 3))
    zoo = _zoo(ArchitectureRegressor())
    with pytest.raises(ValueError, match="y_val must be finite"):
        zoo.fit(_CELLS, data[0], target, data[2], _with(held_out, 3, np.nan))
    with pytest.raises(ValueError, match="y must be finite"):
        zoo.fit(_CELLS, data[0], _with(target, 3, np.nan))


@pytest.mark.parametrize(
    "params, archs, error, message",
    [
        ({"device": "abacus"}, _CELLS, ValueError, "device must be a torch device"),
        ({"device": "cuda"}, _CELLS, ValueError, "torch sees no CUDA device"),
        ({"on_error": "ignore"}, _CELLS, ValueError, "on_error"),
        ({"n_seeds": 0}, _CELLS, ValueError, "n_seeds"),
        ({"estimator": ArchitectureRegressor()}, _CELLS, ValueError, "which ArchitectureRegressor"),
        ({"estimator": _estimator(device="cuda")}, _CELLS, ValueError, "no CUDA device"),
        ({"estimator": LogisticRegression()}, _CELLS, ValueError, r"lacks .*\['architecture'"),
        ({}, [], ValueError, "at least one architecture"),
        ({}, _CELLS[0], TypeError, "wrap it"),
        ({}, [_CELLS[0], "cell"], TypeError, r"archs\[1\]"),
        ({}, [([[0, 1], [1, 0]], ["input", "output"])], ValueError, r"archs\[0\].*cycl"),
    ],
)
def test_bad_settings_are_found_before_training(
    data, no_training, monkeypatch, params, archs, error, message
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(error, match=message):
        ModelZoo(**{"estimator": _estimator()} | params).fit(archs, *data)


def test_unfitted():
    zoo = ModelZoo()
    assert len(zoo) == 0 and bool(zoo)
    with pytest.raises(NotFittedError):
        zoo[0]
    with pytest.raises(NotFittedError):
        zoo.check_architectures(_CELLS)
    with pytest.raises(NotFittedError):
        zoo.train(_CELLS[0])
    for name in ("predictions_", "shape"):
        with pytest.raises(NotFittedError):
            getattr(zoo, name)


def test_n_seeds_averages(zoo, data):
    X, y, X_val, y_val = data
    mean = _zoo(n_seeds=3).fit(_CELLS[:1], *data)
    models = [
        _estimator(architecture=_CELLS[0], random_state=seed_of(_CELLS[0], zoo._seed, k)).fit(X, y)
        for k in range(3)
    ]
    expected = np.mean([model.predict_proba(X) for model in models], axis=0)
    np.testing.assert_allclose(mean.predictions_[0], expected, atol=1e-3)
    assert not np.allclose(mean.predictions_[0], zoo.predictions_[0], atol=1e-3)
    valid = np.mean([model.predict_proba(X_val) for model in models], axis=0)
    assert mean.accuracies_[0] == pytest.approx((valid.argmax(1) == y_val).mean())


@pytest.mark.parametrize("keep", [False, True])
def test_large_predictions_are_memory_mapped(zoo, data, tmp_path, monkeypatch, keep):
    monkeypatch.setattr("sksubsel.zoo.stack._MAX_IN_MEMORY", 0)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    store = tmp_path / "store" if keep else None
    mapped = _zoo(store=store).fit(_CELLS[:3], *data)
    assert isinstance(mapped.predictions_, np.memmap)
    expected = zoo.predictions_[:3]
    np.testing.assert_array_equal(mapped.predictions_, expected)
    joblib.dump(mapped, tmp_path / "zoo.joblib")
    content = pickle.dumps(mapped)
    part, copied = mapped[[2, 0]], copy.deepcopy(mapped)
    assert list(tmp_path.rglob("predictions.npy"))
    del mapped
    gc.collect()
    np.testing.assert_array_equal(part.predictions_, expected[[2, 0]])
    np.testing.assert_array_equal(part[1].predictions_, expected[:1])
    np.testing.assert_array_equal(copied.predictions_, expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(part)).predictions_, expected[[2, 0]])
    del part, copied
    gc.collect()
    assert not list(tmp_path.rglob("predictions.npy"))  # nobody needs it any more
    np.testing.assert_array_equal(pickle.loads(content).predictions_, expected)
    np.testing.assert_array_equal(joblib.load(tmp_path / "zoo.joblib").predictions_, expected)
    if keep:  # the folder of predictions must not make the store a foreign one
        np.testing.assert_array_equal(
            _zoo(store=store).fit(_CELLS[:3], *data).predictions_, expected
        )


@pytest.mark.parametrize("limit", [0, 2**30])
def test_failed_and_repeated_architectures_leave_no_gap(zoo, data, tmp_path, monkeypatch, limit):
    monkeypatch.setattr("sksubsel.zoo.stack._MAX_IN_MEMORY", limit)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    archs = [_CELLS[0], _BROKEN, _CELLS[1], _CELLS[0], _CELLS[2]]
    with pytest.warns(TrainingFailedWarning):
        part = _zoo(on_error="warn").fit(archs, *data)
    assert part.trained_.tolist() == [0, 2, 3, 4]
    np.testing.assert_array_equal(part.predictions_, zoo.predictions_[[0, 1, 0, 2]])
    np.testing.assert_array_equal(part[[4, 1, 2]].predictions_, zoo.predictions_[[2, 1]])
    np.testing.assert_array_equal(part.accuracies_, zoo.accuracies_[[0, 1, 0, 2]])
    assert bool(list(tmp_path.rglob("predictions.npy"))) == (limit == 0)
    del part
    gc.collect()
    assert not list(tmp_path.rglob("predictions.npy"))


def test_an_interrupted_zoo_leaves_no_file(data, tmp_path, monkeypatch):
    monkeypatch.setattr("sksubsel.zoo.stack._MAX_IN_MEMORY", 0)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(RuntimeError, match="conv99x99"):
        _zoo().fit([_CELLS[0], _BROKEN], *data)
    gc.collect()
    assert not list(tmp_path.rglob("predictions.npy"))


def test_round_trips(zoo, tmp_path):
    joblib.dump(zoo, tmp_path / "zoo.joblib")
    for again in (joblib.load(tmp_path / "zoo.joblib"), pickle.loads(pickle.dumps(zoo[1:]))[:5]):
        assert again.architectures_[-1] == _CELLS[-1]
        np.testing.assert_array_equal(again.predictions_[-2:], zoo.predictions_[-2:])
        assert again.train(_CELLS[0]).random_state == zoo.train(_CELLS[0]).random_state
    fresh = clone(zoo)
    assert fresh.get_params()["estimator__max_epochs"] == 1 and not hasattr(fresh, "trained_")
    assert clone(zoo).set_params(estimator__max_epochs=2).estimator.max_epochs == 2


def test_regression(data):
    X, _, X_val, _ = data
    y, y_val = 1e6 * X.mean((1, 2, 3)), 1e6 * X_val.mean((1, 2, 3))  # beyond float16
    estimator = ArchitectureRegressor(network_params=_SMALL, max_epochs=5)
    zoo = _zoo(estimator).fit(_CELLS[:2], X, y, X_val, y_val)
    assert zoo.task_ == "regression" and zoo.classes_ is None
    assert zoo.predictions_.shape == (2, 100, 1) and zoo.predictions_.dtype == np.float32
    assert zoo.y_.dtype == zoo.y_val_.dtype == np.float32
    model = zoo.train(_CELLS[1])
    np.testing.assert_allclose(model.predict(X), zoo.predictions_[1, :, 0], rtol=1e-5)
    assert zoo.accuracies_[1] == pytest.approx(model.score(X_val, y_val), abs=1e-4)
    assert zoo.train_accuracies_[1] == pytest.approx(model.score(X, y), abs=1e-4)
    assert zoo.train(_CELLS[0], rows=np.arange(30)).predict(X).shape == (100,)
    with pytest.raises(ValueError, match=r"soft_targets must be None in a regression.*\(30, 1\)"):
        zoo.train(_CELLS[0], np.arange(30), zoo.predictions_[0, :30])
    default = ModelZoo(n_pretrained=1).fit(_CELLS[:1], X[:20], y[:20])
    assert isinstance(default.estimator_, ArchitectureRegressor)


def test_training_on_rows(zoo, data):
    X, y = data[:2]
    rows = np.flatnonzero(y < 2)[:40]  # a class is missing
    model = zoo.train(_CELLS[0], rows=rows)
    assert model.classes_.tolist() == [0, 1, 2] and model.predict_proba(X).shape == (100, 3)
    expected = _estimator(
        architecture=_CELLS[0], random_state=seed_of(_CELLS[0], zoo._seed), classes=[0, 1, 2]
    ).fit(X[rows], y[rows])
    np.testing.assert_array_equal(model.predict_proba(X), expected.predict_proba(X))
    other = zoo.train(_CELLS[0], rows=rows, random_state=7)
    assert not np.array_equal(other.predict_proba(X), model.predict_proba(X))


def test_training_on_soft_targets(zoo, data):
    X, y = data[:2]
    rows = np.arange(0, 100, 2)
    hard = zoo.train(_CELLS[0], rows=rows).predict_proba(X)
    soft = zoo.train(_CELLS[0], rows=rows, soft_targets=np.eye(3)[y[rows]]).predict_proba(X)
    np.testing.assert_allclose(soft, hard, atol=1e-4)
    with pytest.raises(ValueError, match=r"\(N, C\)=\(50, 3\); got shape \(100, 3\)"):
        zoo.train(_CELLS[0], rows=rows, soft_targets=np.eye(3)[y])


def test_training_on_subsets_in_turns(zoo, data):
    """Steps as of one subset; targets and weights go with their rows; the same twice is one."""
    X, y = data[:2]
    rows = np.random.default_rng(0).permutation(100)[:60].reshape(3, 20)
    model = zoo.train(_CELLS[0], rows, min_steps=5, batch_size=20)
    assert [epoch["n_train"] for epoch in model.history_] == 5 * [20]
    assert model.net_.n_steps_ == 5 and model.net_.subset is None
    soft, weight = np.eye(3)[y[rows]], np.ones((3, 20))
    same = zoo.train(_CELLS[0], rows, soft, sample_weight=weight, min_steps=5, batch_size=20)
    np.testing.assert_allclose(same.predict_proba(X), model.predict_proba(X), atol=1e-4)
    weight[:, ::2] = 0.1
    other = zoo.train(_CELLS[0], rows, soft, sample_weight=weight, min_steps=5, batch_size=20)
    assert not np.allclose(other.predict_proba(X), model.predict_proba(X), atol=1e-4)
    once, twice = np.sort(rows[0]), np.sort(rows[[0, 0]])
    np.testing.assert_array_equal(
        zoo.train(_CELLS[0], twice).predict_proba(X), zoo.train(_CELLS[0], once).predict_proba(X)
    )
    few = [zoo.train(_CELLS[0], part, max_epochs=2) for part in (rows, rows[:2])]
    np.testing.assert_array_equal(*(one.predict_proba(X) for one in few))  # a third never comes
    again = clone(model).fit(X, y)  # as any other: its turns were of those rows
    assert again.callbacks is None and len(again.history_) == again.max_epochs
    with pytest.raises(ValueError, match=r"soft_targets must be of rows of shape \(3, 20\); got"):
        zoo.train(_CELLS[0], rows, soft[0])
    with pytest.raises(ValueError, match="soft_targets must be the same for a row"):
        zoo.train(_CELLS[0], rows[[0, 0]], soft[[0, 1]], max_epochs=2)
    with pytest.raises(ValueError, match="distinct in each subset"):
        zoo.train(_CELLS[0], np.zeros((2, 3), dtype=int))
    callback = SubsetCallback(RS2Strategy(), budget=10)
    with pytest.raises(ValueError, match="cannot go with another callback"):
        zoo.train(_CELLS[0], rows, callbacks=[callback])
    with pytest.raises(ValueError, match="early_stopping=False"):
        zoo.train(_CELLS[0], rows, early_stopping=True)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([0, 100], r"rows must be in \[0, N=100\); got some in \[0, 100\]"),
        ([-1, 3], r"got some in \[-1, 3\]"),
        (5, r"ints of shape \(B,\), .*got int64 \(\)"),
        ([], r"and not empty; got float64 \(0,\)"),
        ([0.0, 1.0], "got float64"),
        (np.zeros(99, dtype=bool), r"a mask of shape \(N=100,\).*got bool \(99,\)"),
    ],
)
def test_rows_that_are_none(zoo, rows, message):
    with pytest.raises(ValueError, match=message):
        zoo.train(_CELLS[0], rows)


def test_training_on_a_mask(zoo, data):
    mask = np.arange(100) % 3 == 0
    np.testing.assert_array_equal(
        zoo.train(_CELLS[0], mask).predict_proba(data[0]),
        zoo.train(_CELLS[0], np.flatnonzero(mask)).predict_proba(data[0]),
    )


def test_training_an_architecture_that_it_lacks(zoo, data):
    model = zoo[:2].train(_CELLS[4])
    np.testing.assert_array_equal(
        model.predict_proba(data[0]).astype(np.float16), zoo.predictions_[4]
    )


def test_progress(data, tmp_path, capfd):
    _zoo(store=tmp_path / "store").fit(_CELLS[:1], *data)
    assert capfd.readouterr() == ("", "")
    _zoo(store=tmp_path / "store", verbose=1).fit(_CELLS[:3], *data)
    out, err = capfd.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert len(lines) == 3 and "1 architectures are in the store" in lines[0]
    for k, line in enumerate(lines[1:], 1):
        assert f"{k}/2 architectures trained" in line and "s remain" in line


def test_no_warning_where_all_is_well(data, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _zoo(store=tmp_path / "store").fit(_CELLS[:2], *data)
        _zoo(store=tmp_path / "store").fit(_CELLS[:2], *data)
