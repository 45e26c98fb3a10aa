import numpy as np
import pandas as pd
import pytest

from sksubsel import SubSelNet
from sksubsel.baselines import Random
from sksubsel.benchmark import compare, summarize
from sksubsel.encoder import ArchitectureEncoder

TIMES = ["selection_time", "training_time", "speedup"]


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


def test_rows(tiny, selectors):
    table = run(tiny, selectors, soft_targets=("net",))
    assert len(table) == 4 + 3 * 2 * 4
    assert set(table.method) == {"full data", "random", "net", "net + soft targets"}
    assert set(table.n_selected) == {150, 20, 75}
    assert table.accuracy.between(0, 1).all()
    full = table[table.method == "full data"].groupby("arch").mean(numeric_only=True)
    row = table[table.method == "net"].iloc[0]
    assert row.rar == pytest.approx(1 - row.accuracy / full.accuracy[row.arch])
    spent = row.selection_time + row.training_time
    assert row.speedup == pytest.approx(full.training_time[row.arch] / spent)
    assert row.selection_time > 0


def test_workers_change_no_result(tiny, selectors):
    one, two = (run(tiny, selectors, n_jobs=n, seeds=(0,)) for n in (1, 2))
    pd.testing.assert_frame_equal(one.drop(columns=TIMES), two.drop(columns=TIMES))


def test_summary():
    rows = [
        ("m", 0.1, arch, seed, accuracy)
        for arch, values in {"a": (0.5, 0.7), "b": (0.9, 0.9)}.items()
        for seed, accuracy in enumerate(values)
    ]
    table = pd.DataFrame(rows, columns=["method", "budget", "arch", "seed", "accuracy"])
    table = table.assign(rar=0.2, selection_time=1.0, training_time=3.0, speedup=5.0)
    summary = summarize(table).iloc[0]
    assert summary.accuracy == pytest.approx(0.75)
    # variance within architectures: .02 and 0, on average .01, of four runs
    assert summary.accuracy_se == pytest.approx(np.sqrt(0.01 / 4))
    assert summary.training_time == 3


def test_errors(tiny, selectors):
    with pytest.raises(ValueError, match="budget"):
        run(tiny, selectors, budgets=(151,))
    with pytest.raises(ValueError, match="'random'"):
        run(tiny, selectors, soft_targets=("random",))
    with pytest.raises(ValueError, match="X_test"):
        compare(selectors, tiny.unseen, tiny.zoo, np.full((2, 1, 8, 8), np.nan), [0, 1])
