import json
import sys
import time

import numpy as np
import pandas as pd
import pytest

from sksubsel import SubSelNet
from sksubsel.baselines import CRAIG, EL2N, Random, RidgeDesign, SubsetCallback
from sksubsel.baselines.adaptive import RS2Strategy
from sksubsel.benchmark import FULL_DATA, Meter, compare, format_table, speedup_at, summarize
from sksubsel.benchmark import meter as meter_module
from sksubsel.benchmark.records import DamagedRecordWarning, append, read, selector_key
from sksubsel.encoder import ArchitectureEncoder

TIMES = ["setup_time", "selection_time", "training_time", "speedup", "gb_minutes", "energy"]


@pytest.fixture(scope="module")
def selectors(tiny):
    net = SubSelNet(
        encoder=ArchitectureEncoder(max_epochs=1), approximator=tiny.approximator, random_state=0
    )
    return {"random": Random(stratify="equal"), "net": net.fit(tiny.archs, tiny.zoo)}


def run(tiny, selectors, **params):
    return compare(
        selectors, tiny.unseen, tiny.zoo, tiny.X_test, tiny.y_test,
        **{"budgets": (20, 0.5), "seeds": (0, 1)} | params,
    )  # fmt: skip


def same(first, second):
    pd.testing.assert_frame_equal(first.drop(columns=TIMES), second.drop(columns=TIMES))


def test_rows(tiny, selectors):
    table = run(tiny, selectors, soft_targets=("net",))
    assert len(table) == 4 + 3 * 2 * 4
    assert set(table.method) == {"full data", "random", "net", "net + soft targets"}
    assert set(table.n_selected) == {150, 20, 75}
    assert set(table.budget) == {1.0, 20, 0.5}
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


def test_a_row_is_what_a_training_by_hand_gives(tiny, selectors):
    table = run(tiny, selectors, budgets=(30,), seeds=(3,), soft_targets=("net",))
    arch = tiny.unseen[1]
    rows = Random(30, stratify="equal", random_state=3).fit(tiny.X, tiny.y).sample_indices_
    chosen = selectors["net"].select(arch, 30)
    wanted = {
        "random": tiny.zoo.train(arch, rows, random_state=3),
        "net": tiny.zoo.train(arch, chosen, random_state=3),
        "net + soft targets": tiny.zoo.train(
            arch, chosen, selectors["net"].soft_targets(arch, chosen), random_state=3
        ),
        FULL_DATA: tiny.zoo.train(arch, random_state=3),
    }
    for method, model in wanted.items():
        found = table[(table.method == method) & (table.arch == arch.hash)]
        assert found.accuracy.item() == model.score(tiny.X_test, tiny.y_test)


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
    assert 0 < row.selection_time < row.selection_time + row.training_time


@pytest.mark.parametrize("selector", [EL2N(max_epochs=2), RidgeDesign(n_components=32)])
def test_what_budgets_share_changes_no_selection(tiny, selector):
    selector.set_params(random_state=0, budget=30)
    shared = selector._shared_fit_params(tiny.X, tiny.y)
    assert shared
    rows = selector.fit(tiny.X, tiny.y, **shared).sample_indices_
    np.testing.assert_array_equal(rows, selector.fit(tiny.X, tiny.y).sample_indices_)


def test_records_resume(tiny, selectors, tmp_path, monkeypatch):
    path = tmp_path / "records.jsonl"
    whole = run(tiny, selectors, records_file=path)
    lines = path.read_text().splitlines()
    assert len(lines) == len(whole)
    # killed in the middle of a line, after half of the trainings
    path.write_text("\n".join(lines[:9]) + "\n" + lines[9][:40])
    with pytest.warns(DamagedRecordWarning, match=r"\[10\]"):
        same(run(tiny, selectors, records_file=path), whole)
    with pytest.warns(DamagedRecordWarning):
        assert len(read(path)) == len(whole)
    # nothing is trained when all is there; a further method trains its own alone
    path.write_text("\n".join(lines))
    trained = []
    train = type(tiny.zoo).train
    monkeypatch.setattr(
        type(tiny.zoo), "train", lambda *args, **kw: trained.append(1) or train(*args, **kw)
    )
    again = run(tiny, selectors, records_file=path)
    assert not trained
    pd.testing.assert_frame_equal(again, whole)
    run(tiny, {**selectors, "other name": Random(stratify="equal")}, records_file=path)
    assert not trained  # known by what they are, not by their name
    run(tiny, {**selectors, "more": Random()}, records_file=path)
    assert len(trained) == 8


def test_selectors_are_known_by_what_they_are(tiny, selectors):
    net = selectors["net"]
    assert selector_key(Random(5, random_state=1)) == selector_key(Random(9, random_state=2))
    assert selector_key(Random()) != selector_key(Random(stratify="equal"))
    assert selector_key(net) == selector_key(net.prepare(33))
    other = SubSelNet(mode="inductive", encoder=net.encoder, approximator=net.approximator)
    other.set_params(random_state=0).fit(tiny.archs, tiny.zoo)
    assert selector_key(net) != selector_key(other)
    few = SubSelNet(encoder=net.encoder, approximator=net.approximator, random_state=0)
    few.fit(tiny.archs[:5], tiny.zoo[:5])
    assert selector_key(net) != selector_key(few)
    rs2 = SubsetCallback(RS2Strategy())
    assert selector_key(rs2) != selector_key(SubsetCallback(RS2Strategy(), every=2))
    assert selector_key(rs2) == selector_key(SubsetCallback(RS2Strategy(), budget=0.3))


def test_several_machines_are_told(tiny, selectors, tmp_path):
    path = tmp_path / "records.jsonl"
    run(tiny, selectors, records_file=path)
    first, *rest = (json.loads(line) for line in path.read_text().splitlines())
    path.unlink()
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


def made_up(**columns):
    """A table of two methods, two architectures and three seeds at 10 %."""
    accuracy = {
        ("class-balanced random", "a"): [0.50, 0.54, 0.52],
        ("class-balanced random", "b"): [0.90, 0.90, 0.90],
        ("m", "a"): [0.52, 0.58, 0.57],
        ("m", "b"): [0.90, 0.92, 0.91],
    }
    rows = [
        (method, 0.1, arch, seed, value)
        for (method, arch), values in accuracy.items()
        for seed, value in enumerate(values)
    ]
    table = pd.DataFrame(rows, columns=["method", "budget", "arch", "seed", "accuracy"])
    costs = {"setup_time": 0.0, "gb_minutes": 0.5, "energy": np.nan}
    return table.assign(
        rar=0.2, selection_time=1.0, training_time=3.0, speedup=5.0, **costs, **columns
    )


def test_summary():
    base, method = summarize(made_up()).itertuples()
    assert base.accuracy == pytest.approx(0.71)
    # variance within architectures: 4e-4 and 0, on average 2e-4, of six runs
    assert base.accuracy_se == pytest.approx(np.sqrt(2e-4 / 6))
    assert base.training_time == 3
    assert np.isnan(base.gain) and np.isnan(base.p_value)
    gains = np.array([1.0, 3.0, 3.0])  # means of (2, 0), (4, 2) and (5, 1) points
    assert method.gain == pytest.approx(gains.mean())
    assert method.gain_se == pytest.approx(gains.std(ddof=1) / np.sqrt(3))
    t = gains.mean() / (gains.std(ddof=1) / np.sqrt(3))  # of 2 degrees of freedom
    assert method.p_value == pytest.approx(2 * (0.5 - t / (2 * np.sqrt(2 + t**2))))


def test_summary_without_its_reference():
    table = made_up()
    assert summarize(table, reference=None).gain.isna().all()
    alone = summarize(table[table.method == "m"])
    assert alone.gain.isna().all()
    one = summarize(table[table.seed == 0])
    assert one.gain.iloc[1] == pytest.approx(1.0) and np.isnan(one.p_value.iloc[1])


def test_text():
    text = format_table(summarize(made_up()))
    header, base, method = text.splitlines()
    assert "10%" in base and "+2.33" not in base
    assert "+2.33 +- 0.67 " in method and "*" not in method  # p = .073
    table = made_up()
    table.loc[table.method == "m", "accuracy"] += 0.2
    assert "*" in format_table(summarize(table))
    assert len({len(line) for line in (header, base, method)}) == 1


def test_speedup_at():
    table = pd.DataFrame(
        {
            "method": ["full data"] + ["m"] * 3 + ["bad"],
            "budget": [1.0, 0.1, 0.02, 0.05, 0.1],
            "rar": [0.0, 0.05, 0.25, 0.15, 0.3],
            "speedup": [1.0, 8.0, 64.0, 16.0, 9.0],
        }
    )
    found = speedup_at(table, (0.1, 0.15, 0.2, 0.5))
    assert list(found.index) == ["m", "bad"]
    # half way from .05 to .15: the geometric mean of 8 and 16
    np.testing.assert_allclose(found.loc["m"], [np.sqrt(128), 16, 32, 64])
    np.testing.assert_allclose(found.loc["bad"], [np.nan, np.nan, np.nan, 9])


def test_meter_integrates_memory(monkeypatch):
    monkeypatch.setattr(meter_module, "_memory_reader", lambda device: lambda: 3e9)
    with Meter(interval=0.01) as meter:
        time.sleep(0.1)
    assert meter.seconds >= 0.1
    assert meter.gb_minutes == pytest.approx(3 * meter.seconds / 60, rel=0.2)
    monkeypatch.setattr(meter_module, "_memory_reader", lambda device: None)
    with Meter() as meter:
        pass
    assert meter.seconds > 0 and np.isnan(meter.gb_minutes)


def test_meter_reads_memory_of_the_process():
    pytest.importorskip("psutil")
    with Meter(interval=0.001) as meter:
        time.sleep(0.05)
    gigabytes = meter.gb_minutes / (meter.seconds / 60)
    assert 0.02 < gigabytes < 100


def test_memory_needs_no_psutil(monkeypatch):
    monkeypatch.setitem(sys.modules, "psutil", None)
    assert meter_module._memory_reader("cpu") is None


def test_meter_reads_energy(tmp_path, monkeypatch):
    for name, before in (("intel-rapl:0", 900), ("intel-rapl:1", 10), ("intel-rapl:0:0", 5)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "max_energy_range_uj").write_text("999")
        (tmp_path / name / "energy_uj").write_text(f"{before}\n")
    counters = meter_module._energy_counters(tmp_path)
    assert [path.parent.name for path, _ in counters] == ["intel-rapl:0", "intel-rapl:1"]
    monkeypatch.setattr(meter_module, "_energy_counters", lambda: counters)
    with Meter() as meter:
        (tmp_path / "intel-rapl:0" / "energy_uj").write_text("100")  # past its largest value
        (tmp_path / "intel-rapl:1" / "energy_uj").write_text("40")
    assert meter.energy == pytest.approx((200 + 30) / 1e6)
    with Meter() as meter:
        (tmp_path / "intel-rapl:1" / "energy_uj").unlink()
    assert np.isnan(meter.energy)
    monkeypatch.setattr(meter_module, "_energy_counters", lambda: [])
    with Meter() as meter:
        pass
    assert np.isnan(meter.energy)


def test_errors(tiny, selectors, tmp_path):
    net = selectors["net"]
    with pytest.raises(ValueError, match="budget"):
        run(tiny, selectors, budgets=(151,))
    with pytest.raises(ValueError, match="'random'"):
        run(tiny, selectors, soft_targets=("random",))
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
    with pytest.raises(ValueError, match="folder"):
        run(tiny, selectors, records_file=tmp_path)
    with pytest.raises(ValueError, match=r"rows must be in \[0, N=150\)"):
        run(tiny, {"x": lambda arch, budget, seed: np.array([150])}, budgets=(1,))
