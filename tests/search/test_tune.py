"""Tuning, on a real Ray of this machine; what is slow there is done once for all tests."""

import builtins
import json
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from sksubsel import ArchitectureClassifier, ArchitectureRegressor
from sksubsel.baselines import Random, SubsetCallback
from sksubsel.baselines.adaptive import RS2Strategy
from sksubsel.benchmark.tasks import Chosen
from sksubsel.search import tune
from sksubsel.search.scored_training import Shared, TrialTask, is_rung, run_trial
from sksubsel.search.trials import Trainer
from sksubsel.spaces import MLP
from sksubsel.zoo import TrainingFailedWarning
from sksubsel.zoo.training import seed_of

ARCHS = MLP(widths=(4, 8), depths=(1, 2)).sample(3, random_state=0)
RECIPE = ArchitectureClassifier(max_epochs=4)
TIMES = ["selection_time", "training_time", "scoring_time"]


@pytest.fixture(scope="module")
def data(tiny):
    return tiny.X[:120], np.array(list("abcdefghij"))[tiny.y[:120]]


@pytest.fixture(scope="module")
def ray():
    pytest.importorskip("optuna")
    pytest.importorskip("pyarrow")
    ray = pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")
        patch.setenv("PYTHONPATH", ":".join(filter(None, sys.path)))
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
        try:
            yield ray
        finally:
            ray.shutdown()


def run(data, **params):
    given = {"budget": 40, "estimator": RECIPE, "n_trials": 6, "n_startup_trials": 3, "factor": 2,
             "random_state": 0, "refit": False}  # fmt: skip
    archs = params.pop("archs", ARCHS)
    selector = params.pop("selector", Random(stratify="equal"))
    return tune(archs, selector, *data, **{**given, **params})


def same(first, second):
    pd.testing.assert_frame_equal(*(one.results.drop(columns=TIMES) for one in (first, second)))
    assert first.best_params == second.best_params
    assert first.best_architecture == second.best_architecture
    assert first.best_score == second.best_score


@pytest.fixture(scope="module")
def found(ray, data, tmp_path_factory):
    """A search and its store."""
    store = tmp_path_factory.mktemp("tune") / "new folder" / "trials.jsonl"
    return run(data, store=store), store


# What a worker does, without Ray


def share(data, **params):
    X, y = data
    codes = np.unique(y, return_inverse=True)[1]
    trainer = Trainer(RECIPE, None, X[:90], codes[:90], np.unique(y), "classification")
    chosen = {ARCHS[0].hash: Chosen(np.arange(0, 90, 2))}
    given = {"budget": 45, "seed": 3, "grace_period": 1, "factor": 2}
    return Shared(trainer, X[90:], y[90:], chosen, **{**given, **params})


def reports_of(shared, known=(), **params):
    reports = []
    run_trial(shared, TrialTask(0, "", ARCHS[0], params, list(known)), reports.append)
    return reports


def timeless(reports):
    return [{k: v for k, v in found.items() if "time" not in k} for found in reports]


@pytest.mark.parametrize(
    "grace_period, factor, rungs",
    [(1, 2, [1, 2, 4, 8]), (2, 3, [2, 6]), (1, None, []), (3, 2, [3, 6])],
)
def test_rungs(grace_period, factor, rungs):
    assert [epoch for epoch in range(1, 12) if is_rung(epoch, grace_period, factor)] == rungs


def test_scores_are_those_of_trainings_that_end_there(data):
    X, y = data
    shared = share(data)
    reports = reports_of(shared, lr=0.02, schedule=None)
    assert [(found["epoch"], found["ended"]) for found in reports] == [
        (1, False),
        (2, False),
        (4, True),
    ]
    for found in reports:
        model = clone(RECIPE).set_params(
            architecture=ARCHS[0], lr=0.02, schedule=None, max_epochs=found["epoch"],
            random_state=seed_of(ARCHS[0], 3), classes=np.unique(y),
        )  # fmt: skip
        rows = np.arange(0, 90, 2)
        assert model.fit(X[rows], y[rows]).score(X[90:], y[90:]) == found["score"]
    times = [found["training_time"] for found in reports]
    assert times == sorted(times)


def test_what_is_known_is_told_again_and_goes_on_where_it_was(data, monkeypatch):
    shared = share(data)
    whole = reports_of(shared)
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "train", None)  # nothing is trained
        assert reports_of(shared, known=whole) == whole
    assert timeless(reports_of(shared, known=whole[:1])) == timeless(whole)


def test_a_training_that_fails_tells_why(data):
    shared = share(data)
    *_, diverged = reports_of(shared, optimizer="sgd", lr=1e30)
    assert diverged["diverged"] and diverged["ended"] and "NaN" in diverged["error"]
    (failed,) = reports_of(shared, build=len)
    assert not failed["diverged"] and failed["error"].startswith("TypeError")
    assert "score" not in failed


# On Ray


def test_results(ray, data, found):
    result, _ = found
    table = result.results
    assert len(table) == 6 and table.error.isna().all()
    assert (result.n_train, result.n_validation) == (96, 24)
    assert set(table.n_selected) == {40} and set(table.hash) <= {arch.hash for arch in ARCHS}
    assert set(table.param_optimizer) <= {"sgd", "adam", "rmsprop"}
    assert (table.n_epochs[~table.stopped_early] == 4).all()
    assert table.n_epochs[table.stopped_early].isin([1, 2]).all()
    assert table.stopped_early.any(), "ASHA must end some of them"
    ended = table[~table.stopped_early]
    assert result.best_score == ended.score.max()
    assert result.best_params == ended.params[ended.score.idxmax()]
    assert result.best_estimator is None
    assert all(row.params["lr"] == row.param_lr for row in table.itertuples())


def test_a_trial_is_what_a_training_by_hand_gives(ray, data):
    X, y = data
    space = {"lr": [0.003, 0.01, 0.03]}
    given = run((X[:90], y[:90]), validation=(X[90:], y[90:]), param_space=space, n_trials=3,
                factor=None, random_state=3, refit=True)  # fmt: skip
    assert not given.results.stopped_early.any()
    seed = int(np.random.RandomState(3).randint(2**31 - 1))
    rows = Random(40, stratify="equal", random_state=seed).fit(X[:90], y[:90]).sample_indices_
    for row in given.results.itertuples():
        model = clone(RECIPE).set_params(
            architecture=row.architecture, classes=np.unique(y), **row.params,
            random_state=seed_of(row.architecture, seed),
        )  # fmt: skip
        assert model.fit(X[rows], y[rows]).score(X[90:], y[90:]) == row.score
    best = given.best_estimator
    assert best.architecture == given.best_architecture
    assert {name: best.get_params()[name] for name in given.best_params} == given.best_params
    again = clone(best).fit(X[:90], y[:90])
    assert (best.predict_proba(X) == again.predict_proba(X)).all()


def test_the_same_seed_gives_the_same_trials(ray, data, found):
    state = np.random.get_state()[1].tolist()
    same(run(data), found[0])
    assert np.random.get_state()[1].tolist() == state, "numpy's global generator is left alone"
    other = run(data, random_state=1, n_trials=2)
    assert other.results.param_lr[0] != found[0].results.param_lr[0]


def test_an_interrupted_search_comes_to_the_same_result(ray, data, found, tmp_path, monkeypatch):
    from sksubsel.search.ray_tune import _Watch

    store = tmp_path / "trials.jsonl"
    complete = _Watch.on_trial_complete

    def interrupted(self, *args, **info):
        complete(self, *args, **info)
        if self.plan.n_finished == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(_Watch, "on_trial_complete", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(data, store=store)
    assert len(store.read_text().splitlines()) == 3
    same(run(data, store=store), found[0])
    lines = store.read_text().splitlines()
    assert len({json.loads(line)["key"] for line in lines}) == len(lines) == 6
    trained = []
    monkeypatch.setattr("sksubsel.search.tuning_plan.records.append", lambda *a: trained.append(a))
    same(run(data, store=store), found[0])
    assert not trained
    run(data, store=store, n_trials=1, grace_period=2)
    assert len(trained) == 1, "what was scored after other epochs is not taken"


def test_a_signal_ends_it_cleanly(ray, data, monkeypatch):
    import signal

    from sksubsel.search.ray_tune import _Watch

    complete = _Watch.on_trial_complete
    handler = signal.getsignal(signal.SIGINT)

    def interrupted(self, *args, **info):
        complete(self, *args, **info)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(_Watch, "on_trial_complete", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(data, n_trials=3)
    assert signal.getsignal(signal.SIGINT) is handler
    assert ray.is_initialized()


def test_side_by_side_and_regression(ray, data):
    X, y = data[0], np.linspace(0, 1, 120)
    result = run((X, y), archs=ARCHS[0], selector=Random(), n_jobs=2, n_trials=3,
                 estimator=ArchitectureRegressor(max_epochs=2))  # fmt: skip
    assert len(result.results) == 3 and result.results.score.notna().all()
    assert set(result.results.hash) == {ARCHS[0].hash}


def test_adaptive_selection(ray, data):
    result = run(data, selector=SubsetCallback(RS2Strategy()), n_trials=1)
    assert result.results.n_selected[0] == 40


def test_trainings_that_fail(ray, data):
    space = {"lr": [1e30, 0.01], "optimizer": ["sgd"]}
    result = run(data, param_space=space, archs=ARCHS[0], n_trials=4)
    diverged = result.results.param_lr == 1e30
    assert 0 < diverged.sum() < 4
    assert result.results.score.isna().tolist() == diverged.tolist()
    assert result.results.error[diverged].str.contains("NaN").all()
    assert result.best_params["lr"] == 0.01
    estimator = clone(RECIPE).set_params(build=len)
    with pytest.raises(RuntimeError, match=r"trial 0 with .*: TypeError: len"):
        run(data, estimator=estimator)
    with (
        pytest.warns(TrainingFailedWarning, match="1 trainings failed"),
        pytest.raises(RuntimeError, match="no training succeeded; .* TypeError: len"),
    ):
        run(data, estimator=estimator, on_error="warn", n_trials=1)


def out_of_range(trial):
    return {"lr": -trial.suggest_float("lr", 0.1, 0.2)}


@pytest.mark.parametrize(
    "params, error, problem",
    [
        ({"archs": [ARCHS[0]] * 2}, ValueError, "archs must be one or more distinct"),
        ({"archs": ["resnet"]}, TypeError, "an architecture must be"),
        ({"selector": "random"}, ValueError, "selector must be"),
        ({"validation": 1.0}, ValueError, r"validation must be in \(0, 1\)"),
        ({"validation": None}, ValueError, "validation must be a float"),
        ({"validation": (1, 2, 3)}, ValueError, "validation must be a pair"),
        ({"budget": 0}, ValueError, "budget must be"),
        ({"n_trials": 0}, ValueError, "n_trials must be a positive int"),
        ({"grace_period": 0.5}, ValueError, "grace_period must be a positive int"),
        ({"factor": 1}, ValueError, "factor must be an int of at least 2"),
        ({"on_error": "ignore"}, ValueError, "on_error must be"),
        ({"resources": 2}, ValueError, "resources must be a dict"),
        ({"store": 2}, ValueError, "store must be the path"),
        ({"n_jobs": 0}, ValueError, "n_jobs must be a positive int"),
        ({"param_space": {"depth": [1]}}, ValueError, "param_space must name parameters"),
        ({"param_space": out_of_range}, ValueError, "lr"),
        ({"param_space": lambda trial: 0.1}, ValueError, "param_space must return a dict"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_before_anything_is_trained(data, params, error, problem):
    pytest.importorskip("optuna")
    pytest.importorskip("pyarrow")
    with pytest.raises(error, match=problem):
        run(data, **params)


@pytest.mark.parametrize("missing", ["ray", "optuna"])
def test_what_to_install_is_said(data, missing, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.split(".")[0] == missing:
            raise ImportError(f"No module named {name!r}")
        return real(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules, "sksubsel.search.ray_tune", raising=False)
    monkeypatch.delattr("sksubsel.search.ray_tune", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r'pip install "sksubsel\[search\]"'):
        run(data)


def test_progress(ray, data, capsys):
    run(data, n_trials=1, verbose=1)
    said = capsys.readouterr().err
    assert "tune: 1/1 trials" in said and "best score" in said
