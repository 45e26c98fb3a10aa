import copy
import itertools
import json
import re
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Lock

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.utils._param_validation import InvalidParameterError

from sksubsel import ArchitectureClassifier, ArchitectureRegressor, ModelZoo, SubSelNet
from sksubsel._net import seeded
from sksubsel.architectures import Architecture
from sksubsel.baselines import CRAIG, EL2N, GradMatch, Herding, Random, RidgeDesign, SubsetCallback
from sksubsel.baselines.adaptive import InfoBatchStrategy, RS2Strategy, TurnsStrategy
from sksubsel.benchmark import FULL_DATA, InTurns, compare, read_table, tasks
from sksubsel.benchmark.meter import Meter
from sksubsel.benchmark.records import (
    DamagedRecordWarning,
    append,
    data_key,
    read,
    run_key,
    selector_key,
)
from sksubsel.benchmark.tasks import _start
from sksubsel.encoder import ArchitectureEncoder
from sksubsel.features import FeatureExtractor
from sksubsel.samplers.design import DesignIndex
from sksubsel.spaces import NASBench101
from sksubsel.zoo.zoo import TrainingFailedWarning

TIMES = ["setup_time", "selection_time", "training_time", "speedup", "gb_minutes", "energy"]


@pytest.fixture(scope="module")
def selectors(tiny):
    net = SubSelNet(
        mode="transductive", encoder=ArchitectureEncoder(max_epochs=1),
        approximator=tiny.approximator, random_state=0,
    )  # fmt: skip
    return {"random": Random(stratify="equal"), "net": net.fit(tiny.archs, tiny.zoo)}


@pytest.fixture
def longer(tiny):
    """Trainings long enough to tell one subset from another by the test accuracy."""
    tiny.zoo.estimator_.set_params(min_steps=60)
    yield
    tiny.zoo.estimator_.set_params(min_steps=0)


def run(tiny, selectors, **params):
    return compare(
        selectors, tiny.unseen, tiny.zoo, tiny.X_test, tiny.y_test,
        **{"budgets": (20, 0.5), "seeds": (0, 1)} | params,
    )  # fmt: skip


@pytest.fixture(scope="module")
def recorded(tiny, selectors, tmp_path_factory):
    """A table, and the lines of its file of records, for those who look at them."""
    path = tmp_path_factory.mktemp("compare") / "records.jsonl"
    table = run(tiny, selectors, soft_targets=("net",), records_file=path)
    return table, path.read_text().splitlines()


def same(first, second):
    pd.testing.assert_frame_equal(first.drop(columns=TIMES), second.drop(columns=TIMES))


def test_rows(tiny, recorded):
    table, _ = recorded
    assert len(table) == 4 + 3 * 2 * 4
    assert set(table.method) == {"full data", "random", "net", "net + soft targets"}
    assert set(table.n_selected) == {150, 20, 75}
    assert set(table.budget) == {1.0, 20, 0.5}
    # two epochs of batches of 16
    assert table.groupby("n_selected").n_steps.unique().map(list).to_dict() == {
        20: [4], 75: [10], 150: [20]
    }  # fmt: skip
    assert table.accuracy.between(0, 1).all()
    full = table[table.method == FULL_DATA].groupby("arch").mean(numeric_only=True)
    row = table[table.method == "net"].iloc[0]
    assert row.rar == pytest.approx(1 - row.accuracy / full.accuracy[row.arch])
    spent = row.selection_time + row.training_time
    assert row.speedup == pytest.approx(full.training_time[row.arch] / spent)
    assert row.selection_time > 0
    shared = table.groupby("method").shared.unique().map(list)
    assert shared.to_dict() == {
        "full data": [False], "random": [True], "net": [False], "net + soft targets": [False]
    }  # fmt: skip
    zoo_time = tiny.zoo.train_times_.sum()
    assert (table[table.method == "net"].setup_time > zoo_time).all()
    assert (table[table.method == "random"].setup_time == 0).all()


def test_a_row_is_what_a_training_by_hand_gives(tiny, selectors, longer):
    net = selectors["net"]
    table = run(
        tiny, selectors, budgets=(30,), seeds=(1,), soft_targets={"net": net, "random": [net]}
    )
    arch = tiny.unseen[1]
    rows = Random(30, stratify="equal", random_state=1).fit(tiny.X, tiny.y).sample_indices_
    chosen = net.select(arch, 30)
    wanted = {
        "random": tiny.zoo.train(arch, rows, random_state=1),
        "random + soft targets": tiny.zoo.train(
            arch, rows, net.soft_targets(arch, rows), random_state=1
        ),
        "net": tiny.zoo.train(arch, chosen, random_state=1),
        "net + soft targets": tiny.zoo.train(
            arch, chosen, net.soft_targets(arch, chosen), random_state=1
        ),
        FULL_DATA: tiny.zoo.train(arch, random_state=1),
    }
    for method, model in wanted.items():
        found = table[(table.method == method) & (table.arch == arch.hash)]
        assert found.accuracy.item() == model.score(tiny.X_test, tiny.y_test)
    assert table[table.arch == arch.hash].accuracy.nunique() > 3  # not all alike
    fitted = tiny.zoo.train(arch, rows, random_state=1).score(tiny.X[rows], tiny.y[rows])
    found = table[(table.method == "random") & (table.arch == arch.hash)]
    assert found.train_accuracy.item() == fitted


def test_validation(tiny, longer):
    held_out = tiny.X_test[:40], tiny.y_test[:40]
    given = {"budgets": (30,), "seeds": (0,)}
    table = run(tiny, {"random": Random()}, validation=held_out, **given)
    without = run(tiny, {"random": Random()}, **given)
    assert without.validation_accuracy.isna().all()
    same(
        table.drop(columns="validation_accuracy"),
        without.drop(columns="validation_accuracy"),
    )
    rows = Random(30, random_state=0).fit(tiny.X, tiny.y).sample_indices_
    model = tiny.zoo.train(tiny.unseen[0], rows, random_state=0)
    found = table[(table.method == "random") & (table.arch == tiny.unseen[0].hash)]
    assert found.validation_accuracy.item() == model.score(*held_out)
    with pytest.raises(ValueError, match="validation must be a pair"):
        run(tiny, {"random": Random()}, validation=held_out[0])
    with pytest.raises(ValueError, match="validation y must be of the classes trained on"):
        run(tiny, {"random": Random()}, validation=(held_out[0], held_out[1] + 100))


def test_records_know_the_validation_instances(tiny, longer, tmp_path):
    """One file, asked for two sets of validation instances, and for none."""
    half = len(tiny.X_test) // 2
    pairs = [(tiny.X_test[:half], tiny.y_test[:half]), (tiny.X_test[half:], tiny.y_test[half:])]
    given = {"budgets": (30,), "seeds": (0,), "records_file": tmp_path / "records.jsonl"}
    for validation in (*pairs, None, *pairs):
        table = run(tiny, {"random": Random()}, validation=validation, **given)
        new = run(tiny, {"random": Random()}, validation=validation, budgets=(30,), seeds=(0,))
        same(table, new)
    assert len({record["run"] for record in read(given["records_file"])}) == 3


def test_workers_change_no_result(tiny, selectors):
    same(*(run(tiny, selectors, n_jobs=n, seeds=(0,)) for n in (1, 2)))


def test_every_kind_of_selector(tiny, selectors):
    asked = []

    def first_rows(arch, budget, seed):
        asked.append((arch, budget, seed))
        return np.arange(budget)[::-1]

    table = run(
        tiny,
        {
            "callback": SubsetCallback(RS2Strategy()),
            "callable": first_rows,
            "by seed": [selectors["net"], selectors["net"]],
            "weighted": CRAIG(),
        },
        budgets=(24,),
    )
    assert (table[table.method != FULL_DATA].n_selected == 24).all()
    assert {(arch.hash, *rest) for arch, *rest in asked} == {
        (arch.hash, 24, seed) for arch in tiny.unseen for seed in (0, 1)
    }
    net = run(tiny, {"net": selectors["net"]}, budgets=(24,))
    np.testing.assert_array_equal(
        table[table.method == "by seed"].accuracy, net[net.method == "net"].accuracy
    )
    # weights of the selector are used in the training
    craig = CRAIG(24, random_state=1).fit(tiny.X, tiny.y)
    model = tiny.zoo.train(
        tiny.unseen[0], craig.sample_indices_, random_state=1, sample_weight=craig.sample_weight_
    )
    row = table[(table.method == "weighted") & (table.seed == 1)].iloc[0]
    assert row.accuracy == model.score(tiny.X_test, tiny.y_test)


def test_adaptive_methods_get_as_many_steps(tiny):
    zoo = tiny.zoo
    callback = SubsetCallback(RS2Strategy(), budget=32, random_state=0)
    recipe = zoo.estimator_.get_params()
    assert (recipe["max_epochs"], recipe["batch_size"], recipe["min_steps"]) == (2, 16, 0)
    zoo.estimator_.set_params(min_steps=12)
    try:
        table = run(tiny, {"rs2": SubsetCallback(RS2Strategy())}, budgets=(32,), seeds=(0,))
        model = zoo.train(tiny.unseen[0], random_state=0, callbacks=[callback], max_epochs=6)
        one_shot = zoo.train(tiny.unseen[0], rows=np.arange(32))
    finally:
        zoo.estimator_.set_params(min_steps=0)
    assert len(model.history_) == len(one_shot.history_) == 6
    row = table[table.method == "rs2"].iloc[0]
    assert row.accuracy == model.score(tiny.X_test, tiny.y_test)
    assert row.n_steps == 12 and row.n_selected == 32
    assert 0 < row.selection_time < row.selection_time + row.training_time


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (SubsetCallback(RS2Strategy(), every=-1), "every must be an int in .*; got -1"),
        (SubsetCallback(InfoBatchStrategy(ratio=2)), "'ratio' parameter of InfoBatchStrategy"),
        (SubsetCallback(GradMatch(lam=-1)), "'lam' parameter of GradMatchStrategy"),
        (SubsetCallback(RS2Strategy(), warm_start=2), "less than max_epochs=2, .*; got 2"),
    ],
)
def test_callbacks_are_checked_before_anything_is_trained(tiny, monkeypatch, callback, message):
    monkeypatch.setattr(type(tiny.zoo), "train", pytest.fail)
    with pytest.raises(ValueError, match=message):
        run(tiny, {"callback": callback})


def test_subsets_in_turns(tiny, selectors):
    """As a training by hand: its steps are those of one subset, each epoch has another one."""
    net = selectors["net"]
    turns = {"turns": InTurns(net, 2)}
    table = run(tiny, turns, budgets=(32,), seeds=(0,), soft_targets=("turns",))
    trained = table.set_index(["method", "arch"])
    kinds = {"turns": False, "turns + soft targets": True}
    for (method, soft), arch in itertools.product(kinds.items(), tiny.unseen):
        subsets = net.select_disjoint(arch, 2, 32)
        rows = np.sort(subsets, axis=None)  # batch statistics are of all of them
        callback = SubsetCallback(TurnsStrategy(np.searchsorted(rows, subsets)), budget=32)
        targets = net.soft_targets(arch, rows) if soft else None
        model = tiny.zoo.train(
            arch, rows, targets, random_state=0, callbacks=[callback], max_epochs=2
        )
        again = tiny.zoo.train(
            arch, subsets, net.soft_targets(arch, subsets) if soft else None, random_state=0
        )
        np.testing.assert_array_equal(again.predict_proba(tiny.X), model.predict_proba(tiny.X))
        row = trained.loc[method, arch.hash]
        assert row.accuracy == model.score(tiny.X_test, tiny.y_test)
        assert row.train_accuracy == model.score(tiny.X[rows], tiny.y[rows])
        assert row.n_selected == 32 and row.selection_time > 0
        trained_on = [np.sort(rows[one["rows"]]) for one in model.callbacks[-1].history_]
        np.testing.assert_array_equal(trained_on, subsets)


def test_a_net_is_prepared_when_its_turn_comes(tiny, selectors, monkeypatch, capsys):
    nets, done = [selectors["net"], copy.copy(selectors["net"])], []
    prepare, train = SubSelNet.prepare, type(tiny.zoo).train
    monkeypatch.setattr(
        SubSelNet,
        "prepare",
        lambda net, budget: done.append(nets.index(net)) or prepare(net, budget),
    )
    monkeypatch.setattr(
        type(tiny.zoo), "train", lambda *args, **kw: done.append("train") or train(*args, **kw)
    )
    table = run(tiny, {"net": nets}, n_jobs=1, verbose=1)
    n_each = len(tiny.unseen) * 2  # by budgets, and on all data by seeds
    assert done[:n_each] == n_each * ["train"]
    assert done[: done.index(1)].count("train") == 2 * n_each
    assert (table.setup_time[table.method == "net"] > 0).all()
    assert "net, seed 1, prepared for 20 rows, 0 s" in capsys.readouterr().err


def test_a_net_that_cannot_be_prepared_leaves_the_others(tiny, selectors, monkeypatch):
    def fails(self, budget):
        raise MemoryError("too little")

    monkeypatch.setattr(SubSelNet, "prepare", fails)
    both = {"net": selectors["net"], "random": Random()}
    with pytest.warns(TrainingFailedWarning, match=r"8 trainings .*\['net'\].*too little"):
        table = run(tiny, both, on_error="warn")
    assert set(table.method) == {"full data", "random"} and len(table) == 12
    with pytest.raises(MemoryError):
        run(tiny, both)


def test_the_start_of_a_process_touches_no_seed():
    _start.cache_clear()
    before = torch.get_rng_state()
    _start("cpu")
    assert torch.equal(torch.get_rng_state(), before) and _start.cache_info().currsize == 1


def test_soft_targets_of_what_selects_in_training(tiny, selectors):
    net, arch = selectors["net"], tiny.unseen[0]
    callback = SubsetCallback(RS2Strategy(), budget=32, random_state=0)
    table = compare(
        {"RS2": clone(callback)}, [arch], tiny.zoo, tiny.X_test, tiny.y_test,
        budgets=(32,), seeds=(0,), soft_targets={"RS2": net},
    )  # fmt: skip
    targets = net.soft_targets(arch, np.arange(len(tiny.X)))
    model = tiny.zoo.train(
        arch, soft_targets=targets, random_state=0, callbacks=[callback], max_epochs=2
    )
    row = table.set_index("method").loc["RS2 + soft targets"]
    assert row.accuracy == model.score(tiny.X_test, tiny.y_test)
    assert row.setup_time > 0


@pytest.mark.parametrize("selector", [EL2N(max_epochs=2), RidgeDesign(n_components=32)])
def test_what_budgets_share_changes_no_selection(tiny, selector):
    selector.set_params(random_state=0, budget=30)
    shared = selector._shared_fit_params(tiny.X, tiny.y)
    assert shared
    rows = selector.fit(tiny.X, tiny.y, **shared).sample_indices_
    np.testing.assert_array_equal(rows, selector.fit(tiny.X, tiny.y).sample_indices_)


def test_records_resume(tiny, selectors, recorded, tmp_path, monkeypatch):
    path = tmp_path / "records.jsonl"
    whole, lines = recorded
    assert len(lines) == len(whole) == 28
    params = {"soft_targets": ("net",), "records_file": path}
    # killed in the middle of a line, after most of the trainings
    path.write_text("\n".join(lines[:21]) + "\n" + lines[21][:40])
    with pytest.warns(DamagedRecordWarning, match=r"\[22\]"):
        same(run(tiny, selectors, **params), whole)
    with pytest.warns(DamagedRecordWarning):
        assert len(read(path)) == len(whole)
    # nothing is trained when all is there; a further method trains its own alone
    path.write_text("\n".join(lines))
    trained = []
    train = type(tiny.zoo).train
    monkeypatch.setattr(
        type(tiny.zoo), "train", lambda *args, **kw: trained.append(1) or train(*args, **kw)
    )
    again = run(tiny, selectors, **params)
    assert not trained
    pd.testing.assert_frame_equal(again, whole)
    run(tiny, {**selectors, "other name": Random(stratify="equal")}, **params)
    assert not trained  # known by what they are, not by their name
    methods = {"full data", "random", "net", "net + soft targets", "other name"}
    assert set(read_table(path).method) == methods
    run(tiny, {**selectors, "more": Random()}, **params)
    assert len(trained) == 8


def test_whether_a_second_judge_counts_is_told_apart(selectors):
    """Where rows differ from those of before it was measured, and nowhere else."""
    net = copy.copy(selectors["net"])
    net.selector_ = copy.copy(net.selector_)

    def key(gain, n_samples, weight="auto", noise=0.0):
        net.selector_.oof_gain_, net.selector_.n_samples_ = gain, n_samples
        net.selector_.label_noise_ = noise
        net.selector_.set_params(oof_weight=weight)
        return selector_key(net)

    before = key(None, 4096)
    assert before == key(0.01, 4096) == key(0.01, 150) == key(0.0, 4095) == key(-0.01, 4095)
    assert len({before, key(0.03, 150), key(-0.01, 4096)}) == 3
    assert key(0.01, 150, noise=0.2) == key(0.03, 150)
    assert key(0.03, 150) == key(0.04, 4096) and key(0.0, 4096) == key(-0.01, 10**6)
    assert key(0.03, 150, weight=0.5) == key(-0.01, 4096, weight=0.5)


def test_selectors_are_known_by_what_they_are(tiny, selectors):
    net = selectors["net"]
    assert selector_key(Random(5, random_state=1)) == selector_key(Random(9, random_state=2))
    assert selector_key(Random()) != selector_key(Random(stratify="equal"))
    assert selector_key(net) == selector_key(net.prepare(33))
    other = SubSelNet(mode="inductive", encoder=net.encoder, approximator=net.approximator)
    other.set_params(random_state=0).fit(tiny.archs, tiny.zoo)
    assert selector_key(net) != selector_key(other)
    again = clone(net)
    assert selector_key(again.fit(tiny.archs, tiny.zoo)) == selector_key(net)
    again.set_params(random_state=1).fit(tiny.archs, tiny.zoo)
    assert selector_key(again) != selector_key(net)
    few = clone(net).fit(tiny.archs[:5], tiny.zoo[:5])
    assert selector_key(net) != selector_key(few)
    rs2 = SubsetCallback(RS2Strategy())
    assert selector_key(rs2) != selector_key(SubsetCallback(RS2Strategy(), every=2))
    assert selector_key(rs2) == selector_key(SubsetCallback(RS2Strategy(), budget=0.3))
    keys = {selector_key(InTurns(net, 2)), selector_key(InTurns(net, 3)), selector_key(net)}
    assert len({*keys, selector_key(InTurns(few, 2))}) == 4
    assert selector_key(InTurns(again, 2)) not in keys
    inside = {selector_key(partial(chosen_by, one)) for one in (net, again, few)}
    assert len(inside) == 3
    before = selector_key(net)
    net.set_params(on_novel="mean")
    assert selector_key(net) != before
    net.set_params(on_novel="ignore")
    assert selector_key(net) == before
    net.set_params(on_novel="warn")


def test_frozen_parts_are_known_by_what_they_learned(tiny, selectors):
    net = selectors["net"]
    part = tiny.zoo[:4]
    embeddings = net.encoder_.transform(part.architectures_)
    other = clone(tiny.approximator).fit(embeddings, part)
    frozen = [clone(net).set_params(approximator=FrozenEstimator(one)) for one in
              (net.approximator_, copy.deepcopy(net.approximator_), other)]  # fmt: skip
    keys = [selector_key(one.fit(tiny.archs, tiny.zoo)) for one in frozen]
    assert keys[0] == keys[1] != keys[2]


def test_networks_and_data_are_known_by_their_values(tiny):
    """Not by where they lie in memory."""
    module = torch.nn.Linear(3, 2)
    copied = copy.deepcopy(module)
    keys = [selector_key(Herding(features=FeatureExtractor(one))) for one in (module, copied)]
    copied.weight.data += 1
    keys.append(selector_key(Herding(features=FeatureExtractor(copied))))
    assert keys[0] == keys[1] != keys[2]
    zoo = copy.copy(tiny.zoo)
    zoo.X_ = np.asfortranarray(tiny.zoo.X_)
    assert zoo.X_.strides != tiny.zoo.X_.strides and data_key(zoo) == data_key(tiny.zoo)


def test_a_net_without_its_zoo_is_refused(tiny, selectors, tmp_path):
    selectors["net"].save(tmp_path / "net")
    net = SubSelNet.load(tmp_path / "net")
    with pytest.raises(
        ValueError, match=r"selectors\['net'\] must have its zoo, .*include_zoo=True"
    ):
        run(tiny, {"net": net})
    with pytest.raises(ValueError, match="a SubSelNet must have its zoo"):
        selector_key(partial(chosen_by, net))


def chosen_by(net, arch, budget, seed):
    return net.select(arch, budget)


def test_functions_may_use_threads_of_their_own(tiny):
    """Which take turns with other trainings, but not with the task that waits for them."""

    def drawn(budget):
        with seeded(0):
            return np.arange(budget)

    def chosen(arch, budget, seed):
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(drawn, budget).result()

    assert len(run(tiny, {"own": chosen}, budgets=(20,), seeds=(0,))) == 4


def test_functions_are_known_by_their_code():
    def first(arch, budget, seed, *, start=0):
        return np.arange(start, start + budget)

    def second(arch, budget, seed, *, start=1):
        return np.arange(start, start + budget)

    def renamed(arch, budget, seed, *, start=0):
        return np.arange(start, start + budget)

    assert selector_key(first) == selector_key(renamed) != selector_key(second)
    moved = [partial(first, start=k) for k in (5, 6)]
    assert len({selector_key(function) for function in (first, *moved)}) == 3
    closures = [(lambda arch, budget, seed, k=k: np.arange(k, k + budget)) for k in (0, 1)]
    assert selector_key(closures[0]) != selector_key(closures[1])

    class Rows:
        def __call__(self, arch, budget, seed):
            return np.arange(budget)

    unknown = Rows()
    unknown.lock = Lock()
    with pytest.raises(ValueError, match="picklable"):
        selector_key(unknown)


def test_a_name_means_what_it_was_last_given(tiny, tmp_path, longer):
    path = tmp_path / "records.jsonl"
    tables = [
        run(tiny, {"m": Random(stratify=stratify)}, budgets=(20,), seeds=(0,), records_file=path)
        for stratify in ("equal", None, "equal")
    ]
    assert (tables[0].accuracy != tables[1].accuracy).any()
    same(tables[0], tables[2])
    last = read_table(path).sort_values(["method", "budget", "arch", "seed"], ignore_index=True)
    wanted = tables[2].sort_values(["method", "budget", "arch", "seed"], ignore_index=True)
    same(last, wanted)


def test_a_failure_leaves_the_others(tiny, tmp_path):
    def fails(arch, budget, seed):
        raise MemoryError("too little")

    params = {"budgets": (20,), "seeds": (0,)}
    with pytest.raises(MemoryError):
        run(tiny, {"bad": fails}, **params)
    with pytest.warns(TrainingFailedWarning, match=r"2 trainings .*\['bad'\].*too little"):
        table = run(tiny, {"bad": fails, "random": Random()}, on_error="warn", **params)
    assert set(table.method) == {"full data", "random"} and len(table) == 4


def test_steps_that_nobody_counted(tiny, recorded, tmp_path):
    """Of an estimator of one's own, and in records made before steps were counted."""

    class Own(ArchitectureClassifier):
        def fit(self, X, y, **params):
            super().fit(X, y, **params)
            del self.net_
            return self

    zoo = ModelZoo(Own(max_epochs=1), random_state=0).fit(tiny.archs[:2], tiny.X, tiny.y)
    table = compare({"random": Random()}, tiny.unseen, zoo, tiny.X_test, tiny.y_test, seeds=(0,))
    assert len(table) == 6 and table.n_steps.isna().all()
    _, lines = recorded
    path = tmp_path / "records.jsonl"
    for line in lines:
        append(path, {k: v for k, v in json.loads(line).items() if k != "n_steps"})
    assert read_table(path).n_steps.isna().all()


def test_a_machine_that_stood_still_is_told(recorded, tmp_path):
    _, lines = recorded
    found = [json.loads(line) for line in lines]
    path, stalled = tmp_path / "records.jsonl", found[-1]
    for seed in (2, 3):  # with two seeds nobody could tell which of them is usual
        append(path, {**stalled, "seed": seed})
    for one in found[:-1]:
        append(path, one)
    append(path, {**stalled, "training_time": stalled["training_time"] + 2000})
    message = rf"1 trainings took .*'{re.escape(stalled['method'])}'.* 2000 s"
    with pytest.warns(UserWarning, match=message):
        read_table(path)


def test_the_first_selection_of_a_process_takes_no_longer(tiny, selectors, monkeypatch):
    """What it imports is loaded by an embedding before the clock is started."""
    events = []

    class Told(Meter):
        def __enter__(self):
            events.append("clock")
            return super().__enter__()

    def transform(self, archs):
        events.append("embedding")
        return embed(self, archs)

    embed = ArchitectureEncoder.transform
    monkeypatch.setattr(tasks, "Meter", Told)
    monkeypatch.setattr(ArchitectureEncoder, "transform", transform)
    run(tiny, {"net": selectors["net"]}, budgets=(20,), seeds=(0,))
    first = events.index("embedding")
    assert events[first : first + 3] == ["embedding", "clock", "embedding"]


def test_strategies_without_a_budget_are_trained_once(tiny, tmp_path):
    path = tmp_path / "records.jsonl"
    table = run(
        tiny, {"InfoBatch": SubsetCallback(InfoBatchStrategy())}, seeds=(0,), records_file=path
    )
    rows = table[table.method == "InfoBatch"]
    assert rows.budget.value_counts().to_dict() == {20: 2, 0.5: 2}
    assert rows.groupby("arch").accuracy.nunique().max() == 1
    assert len({record["key"] for record in read(path)}) == 4
    callback = SubsetCallback(InfoBatchStrategy(), random_state=0)
    model = tiny.zoo.train(tiny.unseen[0], random_state=0, callbacks=[callback])
    row = rows.iloc[0]
    assert row.accuracy == model.score(tiny.X_test, tiny.y_test)
    n_rows = [epoch["n_train"] for epoch in model.history_]
    assert row.n_selected == round(np.mean(n_rows))
    assert row.n_steps == sum(-(-n // 16) for n in n_rows)


def test_setup_is_what_is_spent_before_the_first(tiny, selectors):
    net = selectors["net"]
    shared = SubSelNet(mode="inductive", encoder=net.encoder, approximator=net.approximator)
    shared.set_params(random_state=0).fit(tiny.archs, tiny.zoo)
    soft = {"random": net, "shared": net}
    table = run(
        tiny, {"random": Random(), "shared": shared}, soft_targets=soft, seeds=(0,)
    ).groupby(["method", "budget"])
    spent = table.setup_time.unique()
    assert all(len(times) == 1 for times in spent)
    assert spent["random", 20] == spent["random", 0.5] == 0
    fit = sum(net.fit_times_.values())
    assert spent["random + soft targets", 20][0] == pytest.approx(fit)
    own = spent["shared", 20][0]
    assert own > sum(shared.fit_times_.values())
    both = spent["shared + soft targets", 20][0]  # one zoo serves both nets
    assert both == pytest.approx(own + fit - net.fit_times_["zoo"])


def test_setup_counts_what_was_prepared_before(tiny, selectors, monkeypatch):
    net = selectors["net"]
    shared = SubSelNet(mode="inductive", encoder=net.encoder, approximator=net.approximator)
    shared.set_params(random_state=0, budget=30).fit(tiny.archs, tiny.zoo)
    rows = {budget: shared.select(tiny.unseen[0], budget) for budget in (20, 30)}
    made, select = [], DesignIndex.select

    def counted(self, target, budget, **params):
        made.append(budget)
        return select(self, target, budget, **params)

    monkeypatch.setattr(DesignIndex, "select", counted)
    run(tiny, {"shared": shared, "turns": InTurns(shared, 2)}, budgets=(20, 30), seeds=(0,))
    assert made == [20, 20, 20, 30, 30]  # one of 30 rows was made in the fit
    for budget, chosen in rows.items():
        np.testing.assert_array_equal(shared.select(tiny.unseen[0], budget), chosen)
    assert len(made) == 5


def test_regression():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((120, 1, 8, 8)).astype(np.float32)
    y = X[:, 0, 0, 0] + 5.0
    space = NASBench101(stem_channels=4, n_stacks=1, n_cells=1)
    archs = space.sample(2, random_state=0)
    recipe = ArchitectureRegressor(build=space.build, max_epochs=1)
    zoo = ModelZoo(recipe, random_state=0).fit(archs[:1], X, y)
    table = compare({"random": Random()}, archs[1:], zoo, X, y, budgets=(30,), seeds=(0,))
    assert len(table) == 2 and (table.accuracy == table.balanced_accuracy).all()
    for wrong, message in (
        (np.where(np.arange(120) == 7, np.nan, y), "y_test must be finite; got nan in row 7"),
        (y.astype(str), "y_test must be numeric for a regression; got dtype <U"),
    ):
        with pytest.raises(ValueError, match=message):
            compare({"random": Random()}, archs[1:], zoo, X, wrong)
    with pytest.raises(ValueError, match="soft_targets must be empty for regression"):
        compare({"random": Random()}, archs[1:], zoo, X, y, soft_targets={"random": None})


def test_several_machines_are_told(tiny, selectors, recorded, tmp_path):
    path = tmp_path / "records.jsonl"
    first, *rest = map(json.loads, recorded[1])
    for record in [{**first, "machine": "another"}, *rest]:
        append(path, record)
    with pytest.warns(UserWarning, match="2 machines"):
        run(tiny, selectors, records_file=path)


def test_progress(tiny, selectors, tmp_path, capsys):
    params = {"budgets": (20,), "seeds": (0,), "records_file": tmp_path / "r", "verbose": 1}
    run(tiny, selectors, **params)
    run(tiny, selectors, **params)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("compare: 0 of 6 trainings are in ")
    assert "compare: 6/6 trainings, " in "\n".join(lines)
    assert lines[-1].startswith("compare: 6 of 6 trainings are in ")


def test_errors(tiny, selectors, tmp_path):
    net = selectors["net"]
    with pytest.raises(ValueError, match="budget"):
        run(tiny, selectors, budgets=(151,))
    with pytest.raises(ValueError, match="'random'"):
        run(tiny, selectors, soft_targets=("random",))
    with pytest.raises(ValueError, match="'nobody'"):
        run(tiny, selectors, soft_targets={"nobody": net})
    for soft_targets in ("net", net, None):
        with pytest.raises(ValueError, match="soft_targets must be a list of names, or a dict"):
            run(tiny, selectors, soft_targets=soft_targets)
    with pytest.raises(ValueError, match="'random' must come from a SubSelNet.*got 'net'"):
        run(tiny, selectors, soft_targets={"random": "net"})
    turns = SubsetCallback(TurnsStrategy(np.arange(20).reshape(1, -1)))
    with pytest.raises(ValueError, match=r"'turns'\] has subsets of one size.*InTurns"):
        run(tiny, {"turns": turns})
    with pytest.raises(ValueError, match="on_error must be 'raise' or 'warn'; got 'rais'"):
        run(tiny, selectors, on_error="rais")
    with pytest.raises(ValueError, match="selectors must be a dict of them by name"):
        run(tiny, [Random()])
    for name, given in {"budgets": 0.1, "seeds": 3}.items():
        with pytest.raises(ValueError, match=f"{name} must be a list of .*; got {given}"):
            run(tiny, selectors, **{name: given})
    with pytest.raises(ValueError, match="zoo must be a fitted ModelZoo"):
        compare(selectors, tiny.unseen, net, tiny.X_test, tiny.y_test)
    with pytest.raises(NotFittedError):
        InTurns(SubSelNet()).select(tiny.unseen[0])
    with pytest.raises(ValueError, match="'turns'. must be fitted"):
        run(tiny, {"turns": InTurns(SubSelNet())})
    for wrong in (InTurns(None), InTurns(net, 0), InTurns(net, 1.5)):
        with pytest.raises(InvalidParameterError, match="of InTurns must be"):
            run(tiny, {"turns": wrong})
    tiny.zoo.estimator_.set_params(early_stopping=True)
    try:
        with pytest.raises(ValueError, match="InTurns needs a recipe with early_stopping=False"):
            run(tiny, {"turns": InTurns(net)})
    finally:
        tiny.zoo.estimator_.set_params(early_stopping=False)
    with pytest.raises(ValueError, match="X_test"):
        compare(selectors, tiny.unseen, tiny.zoo, np.full((2, 1, 8, 8), np.nan), [0, 1])
    with pytest.raises(ValueError, match="seeds"):
        run(tiny, selectors, seeds=())
    with pytest.raises(ValueError, match="full data"):
        run(tiny, {"full data": Random()})
    with pytest.raises(ValueError, match=r"\['x'\].*got 3"):
        run(tiny, {"x": 3})
    with pytest.raises(ValueError, match=r"\['x'\]"):
        run(tiny, {"x": Random})
    with pytest.raises(ValueError, match="fitted"):
        run(tiny, {"x": SubSelNet()})
    with pytest.raises(ValueError, match="2 seeds; got 1"):
        run(tiny, {"x": [net]})
    with pytest.raises(ValueError, match="2 seeds; got 1"):
        run(tiny, selectors, soft_targets={"random": [net]})
    other = ModelZoo(tiny.recipe, random_state=0).fit(tiny.archs[:2], tiny.X[::-1], tiny.y)
    with pytest.raises(ValueError, match=r"'x'\] must be fitted on the instances and labels"):
        compare({"x": net}, tiny.unseen, other, tiny.X_test, tiny.y_test)
    with pytest.raises(InvalidParameterError, match="'stratify'"):
        run(tiny, {"x": Random(stratify="equall")})
    for seeds in ((0, 0), (-1,), (0.5,), (True,)):
        with pytest.raises(ValueError, match="seeds must be one or more distinct ints"):
            run(tiny, selectors, seeds=seeds)
    with pytest.raises(ValueError, match="budgets must be distinct; got 0.2 for 30"):
        run(tiny, selectors, budgets=(30, 0.2))
    for X_test, y_test in ((tiny.X_test[:, :, 1:], tiny.y_test), (tiny.X_test, tiny.y_test[1:])):
        with pytest.raises(ValueError, match="X_test must have the instance shape"):
            compare(selectors, tiny.unseen, tiny.zoo, X_test, y_test)
    with pytest.raises(ValueError, match="y_test must be of the classes trained on"):
        compare(selectors, tiny.unseen, tiny.zoo, tiny.X_test, tiny.y_test + 100)
    with pytest.raises(NotFittedError):
        compare(selectors, tiny.unseen, ModelZoo(), tiny.X_test, tiny.y_test)
    with pytest.raises(ValueError, match="archs"):
        compare(selectors, [], tiny.zoo, tiny.X_test, tiny.y_test)
    with pytest.warns(UserWarning, match="has learned from 1 of the 1 architectures"):
        compare(
            {"net": net}, tiny.archs[:1], tiny.zoo, tiny.X_test, tiny.y_test,
            budgets=(20,), seeds=(0,),
        )  # fmt: skip


def test_numpy_numbers_and_a_new_folder(tiny, tmp_path):
    path = tmp_path / "new" / "records.jsonl"
    params = {"budgets": np.array([20]), "seeds": np.arange(1), "records_file": path}
    table = run(tiny, {"random": Random()}, **params)
    same(table, run(tiny, {"random": Random()}, **params))
    assert len(read(path)) == len(table) == 4
    for line in path.read_text().splitlines():
        json.loads(line, parse_constant=pytest.fail)


def test_threads_do_not_depend_on_what_is_left(tiny, selectors, tmp_path):
    path = tmp_path / "records.jsonl"
    params = {"records_file": path, "n_jobs": 2, "seeds": (0,), "budgets": (20,)}
    run(tiny, {"random": Random()}, **params)
    table = run(tiny, {"random": Random(), "more": Random(stratify="equal")}, **params)
    assert table.machine.nunique() == 1


def test_errors_of_records(tiny, selectors, tmp_path):
    with pytest.raises(ValueError, match="folder"):
        run(tiny, selectors, records_file=tmp_path)
    with pytest.raises(ValueError, match=r"rows must be in \[0, N=150\)"):
        run(tiny, {"x": lambda arch, budget, seed: np.array([150])}, budgets=(1,))


@pytest.mark.parametrize("n_pretrained", [None, 2])
def test_a_zoo_without_training_belongs_to_the_same_run(tiny, n_pretrained):
    """Also where some of its networks cannot be trained, which it does not know."""
    zoo = clone(tiny.zoo).set_params(on_error="warn", n_pretrained=n_pretrained, store=None)
    archs = tiny.archs[:4]
    if n_pretrained is None:
        ops = ("input", "conv99x99", "output")
        archs = [*archs, Architecture(ops, ((0, 1), (1, 2)), space="NASBench101")]
        with pytest.warns(TrainingFailedWarning, match="1 of 5 architectures"):
            trained = clone(zoo).fit(archs, tiny.X, tiny.y)
    else:
        trained = clone(zoo).fit(archs, tiny.X, tiny.y)
    untrained, fewer = (
        clone(zoo).set_params(n_pretrained=n)._without_training(archs, tiny.X, tiny.y)
        for n in (n_pretrained, 1)
    )
    assert len(trained.trained_) == (n_pretrained or 4) and len(untrained.trained_) == 0
    keys = [
        run_key(one, tiny.unseen, tiny.X_test, tiny.y_test) for one in (trained, untrained, fewer)
    ]
    assert keys[0] == keys[1] != keys[2]
    table = compare(
        {"random": Random()}, tiny.unseen, untrained, tiny.X_test, tiny.y_test,
        budgets=(20,), seeds=(0,),
    )  # fmt: skip
    assert len(table) == 2 * len(tiny.unseen)
    both = [one.train(tiny.unseen[0], [0, 50, 100, 149]) for one in (trained, untrained)]
    np.testing.assert_array_equal(*(model.predict_proba(tiny.X_test) for model in both))
    part = untrained[[0, 1]]
    assert len(part) == 2 and part.predictions_.shape[:2] == (0, len(tiny.y))


def test_a_table_from_records_alone(recorded, tmp_path):
    path = tmp_path / "records.jsonl"
    whole, lines = recorded
    path.write_text("\n".join(lines) + "\n")
    order = ["method", "budget", "arch", "seed"]
    found = read_table(path)
    pd.testing.assert_frame_equal(
        found.sort_values(order, ignore_index=True), whole.sort_values(order, ignore_index=True)
    )
    # of two with the same name the later counts
    *_, last = read(path)
    append(path, {**last, "key": "made up", "accuracy": 0.125})
    again = read_table(path)
    assert len(again) == len(whole) and (again.accuracy == 0.125).sum() == 1
    # another recipe in the same file
    append(path, {**last, "key": "another", "run": "another"})
    with pytest.raises(ValueError, match="run must name one"):
        read_table(path)
    assert len(read_table(path, run=last["run"])) == len(whole)
    with pytest.raises(ValueError, match="on all data"):
        read_table(path, run="another")
    with pytest.raises(ValueError, match="on all data"):
        read_table(tmp_path / "nothing")
