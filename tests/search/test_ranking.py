import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from sksubsel import SubSelNet
from sksubsel.baselines import Random
from sksubsel.encoder import ArchitectureEncoder
from sksubsel.metrics import jaccard, kendall_tau
from sksubsel.search import rank, trials
from sksubsel.spaces import NASBench101
from sksubsel.zoo import TrainingFailedWarning
from sksubsel.zoo.training import seed_of

TIMES = ["selection_time", "training_time"]


@pytest.fixture(scope="module")
def archs():
    return NASBench101().sample(12, random_state=0)[8:]


@pytest.fixture(scope="module")
def net(tiny):
    return SubSelNet(
        encoder=ArchitectureEncoder(max_epochs=1), approximator=tiny.approximator, random_state=0,
        mode="transductive", diversity="entropy", on_novel="ignore",
    ).fit(tiny.archs, tiny.zoo)  # fmt: skip


def run(tiny, archs, selector, **params):
    given = {"validation": (tiny.X_test, tiny.y_test), "estimator": tiny.recipe, "budget": 40}
    return rank(archs, selector, tiny.X, tiny.y, **{**given, **params})


def same(first, second):
    pd.testing.assert_frame_equal(first.drop(columns=TIMES), second.drop(columns=TIMES))


def test_as_by_hand(tiny, archs, net):
    table = run(tiny, archs, net, seeds=(0, 5))
    assert table.accuracy.is_monotonic_decreasing and set(table.n_selected) == {40}
    assert sorted(table.place) == [0, 1, 2, 3]
    for row in table.itertuples():
        assert row.architecture == archs[row.place] and row.hash == row.architecture.hash
        accuracies = []
        for seed in (0, 5):
            rows = net.select(row.architecture, 40, seed)
            model = clone(tiny.recipe).set_params(
                architecture=row.architecture, classes=range(10),
                random_state=seed_of(row.architecture, seed),
            )  # fmt: skip
            model.fit(tiny.X[rows], tiny.y[rows])
            accuracies.append(model.score(tiny.X_test, tiny.y_test))
        assert row.accuracy == pytest.approx(np.mean(accuracies))
        assert row.accuracy_se == pytest.approx(np.std(accuracies, ddof=1) / np.sqrt(2))
    assert (table[TIMES] > 0).all().all() and table.attrs == {}


def test_agreement_with_the_truth(tiny, archs):
    truth = np.array([0.3, 0.9, 0.5, 0.7])
    table = run(tiny, archs, Random(stratify="equal"), true_accuracies=truth, k=2)
    assert table.true_accuracy.tolist() == truth[table.place].tolist()
    assert table.attrs == {
        "kendall_tau": pytest.approx(kendall_tau(table.accuracy, table.true_accuracy)),
        "jaccard": pytest.approx(jaccard(table.place[:2], np.array([1, 3]))),
        "regret": pytest.approx(0.9 - table.true_accuracy[0]),
    }


def test_all_data(tiny, archs):
    table = run(tiny, archs[:1], None)
    assert table.n_selected[0] == 150 and table.accuracy_se.isna().all()


def test_an_interrupted_run_goes_on(tiny, archs, tmp_path, monkeypatch):
    records_file = tmp_path / "rank.jsonl"
    whole = run(tiny, archs, Random())
    made, run_task = [], trials.run_task

    def interrupt(*args):
        made.append(0)
        if len(made) == 3:
            raise KeyboardInterrupt
        return run_task(*args)

    monkeypatch.setattr(trials, "run_task", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(tiny, archs, Random(), records_file=records_file)
    same(whole, run(tiny, archs, Random(), records_file=records_file))
    assert len(made) == 3 + 2


def test_one_that_fails_comes_last(tiny, archs):
    bad = archs[1]

    def build(arch, in_shape, n_classes):
        if arch == bad:
            raise RuntimeError("no such network")
        return tiny.space.build(arch, in_shape, n_classes)

    estimator = clone(tiny.recipe).set_params(build=build)
    with pytest.warns(TrainingFailedWarning, match="no such network"):
        table = run(
            tiny, archs, Random(), estimator=estimator, on_error="warn",
            true_accuracies=[0.1, 0.9, 0.2, 0.3],
        )  # fmt: skip
    assert table.architecture.iloc[-1] == bad and np.isnan(table.accuracy.iloc[-1])
    assert table.attrs["regret"] == pytest.approx(0.9 - table.true_accuracy[0])
    assert np.isnan(table.attrs["jaccard"])  # three are left to choose three from


@pytest.mark.parametrize(
    "params, problem",
    [
        ({"validation": None}, "validation must be a pair"),
        ({"budget": 1000}, "budget must be"),
        ({"seeds": (0, 0)}, "seeds must be one or more distinct"),
        ({"k": 0}, "k must be"),
        ({"on_error": "ignore"}, "on_error must be"),
        ({"true_accuracies": [0.1, 0.2]}, "true_accuracies must be 4"),
        ({"selector": Random}, "selector must be"),
    ],
)
def test_what_is_wrong_is_named(tiny, archs, params, problem):
    with pytest.raises(ValueError, match=problem):
        run(tiny, archs, **{"selector": Random(), **params})


def test_the_same_architecture_twice(tiny, archs):
    with pytest.raises(ValueError, match="archs must be one or more distinct"):
        run(tiny, [archs[0], archs[0]], Random())
