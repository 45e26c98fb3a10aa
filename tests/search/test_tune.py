"""Tuning, on a real Ray of this machine; what is slow there is done once for all tests."""

import builtins
import json
import signal
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from sksubsel import (
    ArchitectureClassifier,
    ArchitectureEncoder,
    ArchitectureRegressor,
    ModelApproximator,
    ModelZoo,
    SubSelNet,
)
from sksubsel.baselines import Random, SubsetCallback
from sksubsel.baselines.adaptive import RS2Strategy
from sksubsel.benchmark import InTurns
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
    ray = pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")
        patch.setenv("RAY_worker_niceness", "0")  # 15 else, which a busy machine leaves nothing
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


def test_a_network_that_ends_useless_has_no_score(data):
    X, _ = data
    trainer = Trainer(
        ArchitectureRegressor(optimizer="sgd", lr=1e4, max_epochs=3), None, X[:90],
        X[:90].mean(axis=tuple(range(1, X.ndim))), None, "regression",
    )  # fmt: skip
    chosen = {ARCHS[0].hash: Chosen(np.arange(90))}
    y_val = X[90:].mean(axis=tuple(range(1, X.ndim)))
    shared = Shared(trainer, X[90:], y_val, chosen, 90, 3, 1, None)
    (found,) = reports_of(shared)
    assert found["diverged"] and "score" not in found


# What `tune` makes of that, one trial after the other in this process


@pytest.fixture
def here(monkeypatch):
    """Trials made here, by Optuna alone."""
    optuna = pytest.importorskip("optuna")
    ray_tune = pytest.importorskip("sksubsel.search.ray_tune")

    def run_here(plan, shared, *, n_trials, n_startup_trials, n_jobs, resources):
        sampler = optuna.samplers.TPESampler(n_startup_trials=n_startup_trials, seed=shared.seed)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        for _ in range(n_trials):
            trial = study.ask()
            task = plan.task(trial)
            run_trial(shared, task, lambda found, task=task: plan.report(task.number, found))
            plan.finish(task.number)
            study.tell(trial, plan._reports[task.number][-1].get("score", 0.0))
        if plan.error is not None:
            raise RuntimeError(plan.error)

    monkeypatch.setattr(ray_tune, "run", run_here)


def test_a_trial_is_what_a_training_by_hand_gives(here, data):
    X, y = data
    space = {"lr": [0.003, 0.01, 0.03]}
    given = run((X[:90], y[:90]), validation=(X[90:], y[90:]), param_space=space, n_trials=3,
                random_state=3, refit=True)  # fmt: skip
    assert not given.results.stopped_early.any()
    seed = int(np.random.RandomState(3).randint(2**31 - 1))
    rows = Random(40, stratify="equal", random_state=seed).fit(X[:90], y[:90]).sample_indices_
    for row in given.results.itertuples():
        assert row.params == {"lr": row.param_lr} and row.hash == row.architecture.hash
        model = clone(RECIPE).set_params(
            architecture=row.architecture, classes=np.unique(y), **row.params,
            random_state=seed_of(row.architecture, seed),
        )  # fmt: skip
        assert model.fit(X[rows], y[rows]).score(X[90:], y[90:]) == row.score
    best = given.best_estimator
    place = given.results.score.argmax()
    assert given.best_score == given.results.score[place]
    assert given.best_params == given.results.params[place]
    assert best.architecture == given.best_architecture == given.results.architecture[place]
    assert best.get_params()["lr"] == given.best_params["lr"]
    again = clone(best).fit(X[:90], y[:90])
    assert (best.predict_proba(X) == again.predict_proba(X)).all()


def test_rows_are_selected_once_for_each_architecture(here, data):
    asked = []

    def selector(arch, budget, seed):
        asked.append(arch.hash)
        return range(budget)

    result = run(data, selector=selector, n_trials=4, budget=0.25)
    assert sorted(asked) == sorted(arch.hash for arch in ARCHS)
    assert set(result.results.n_selected) == {24}
    assert (result.n_train, result.n_validation) == (96, 24)


def test_one_architecture_all_rows_and_regression(here, data):
    X, y = data[0], np.linspace(0, 1, 120)
    estimator = ArchitectureRegressor(max_epochs=2)
    result = run((X, y), archs=ARCHS[0], selector=None, n_trials=2, estimator=estimator)
    assert set(result.results.hash) == {ARCHS[0].hash}
    assert result.results.score.notna().all() and set(result.results.n_selected) == {96}


def test_adaptive_selection(here, data):
    result = run(data, selector=SubsetCallback(RS2Strategy()), n_trials=1)
    assert result.results.n_selected[0] == 40


def test_subsets_in_turns(here, data):
    (X, y), validation = (part[:90] for part in data), tuple(part[90:] for part in data)
    zoo = ModelZoo(RECIPE, random_state=0).fit(ARCHS, X, y)
    net = SubSelNet(
        encoder=ArchitectureEncoder(max_epochs=1), approximator=ModelApproximator(max_epochs=0),
        random_state=0,
    ).fit(ARCHS, zoo)  # fmt: skip
    given = {"validation": validation, "param_space": {"lr": [0.01]}, "n_trials": 1}
    result = run((X, y), selector=InTurns(net, 2), **given)
    row = result.results.iloc[0]
    assert row.n_selected == 40
    seed = int(np.random.RandomState(0).randint(2**31 - 1))
    subsets = net.select_disjoint(row.architecture, 2, 40)
    model = zoo.train(row.architecture, subsets, random_state=seed, lr=0.01)
    assert model.score(*validation) == row.score


def test_what_the_store_knows_is_not_trained_again(here, data, tmp_path, monkeypatch):
    store = tmp_path / "new folder" / "trials.jsonl"
    whole = run(data, store=store)
    lines = store.read_text().splitlines()
    assert len(lines) == 6 and set(json.loads(lines[0])["params"]) == set(whole.results.params[0])
    same(run(data), whole)
    train, trained = Trainer.train, []
    monkeypatch.setattr(
        Trainer, "train", lambda *args, **kw: trained.append(0) or train(*args, **kw)
    )
    same(run(data, store=str(store)), whole)
    assert not trained and store.read_text().splitlines() == lines
    for change in (
        {"budget": 41},
        {"grace_period": 2},
        {"selector": Random()},
        {"random_state": 1},
    ):
        run(data, store=store, n_trials=1, **change)
    assert len(trained) == 4
    other = run(data, store=store, n_trials=1, random_state=1)
    assert other.results.param_lr[0] != whole.results.param_lr[0]


def test_trainings_that_fail(here, data):
    space = {"lr": [1e30, 0.01], "optimizer": ["sgd"]}
    result = run(data, param_space=space, archs=ARCHS[0], n_trials=4)
    diverged = result.results.param_lr == 1e30
    assert 0 < diverged.sum() < 4
    assert result.results.score.isna().tolist() == diverged.tolist()
    assert result.results.error[diverged].str.contains("NaN").all()
    assert result.best_params["lr"] == 0.01
    estimator = clone(RECIPE).set_params(build=len)
    with (
        pytest.warns(TrainingFailedWarning, match="1 trainings failed"),
        pytest.raises(RuntimeError, match="no training succeeded; .*: TypeError: len"),
    ):
        run(data, estimator=estimator, on_error="warn", n_trials=1)


def test_progress(here, data, capsys):
    run(data, n_trials=1, verbose=1)
    said = capsys.readouterr().err
    assert "tune: 1/1 trials" in said and "best score" in said


# On Ray, where a worker takes seconds to start


def test_an_interrupted_search_comes_to_the_same_result(ray, data, tmp_path, monkeypatch):
    from sksubsel.search.ray_tune import _Watch

    state, handler = np.random.get_state()[1].tolist(), signal.getsignal(signal.SIGINT)
    whole = run(data)
    table = whole.results
    assert len(table) == 6 and table.error.isna().all()
    assert set(table.param_optimizer) <= {"sgd", "adam", "rmsprop"}
    assert table.stopped_early.any(), "ASHA must end some of them"
    assert table.n_epochs[table.stopped_early].isin([1, 2]).all()
    assert (table.n_epochs[~table.stopped_early] == 4).all()
    assert whole.best_score == table.score[~table.stopped_early].max()
    assert whole.best_estimator is None

    store = tmp_path / "trials.jsonl"
    complete = _Watch.on_trial_complete

    def interrupted(self, *args, **info):
        complete(self, *args, **info)
        if self.plan.n_finished == 3:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(_Watch, "on_trial_complete", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(data, store=store)
    assert len(store.read_text().splitlines()) == 3
    same(run(data, store=store), whole)
    keys = [json.loads(line)["key"] for line in store.read_text().splitlines()]
    assert len(set(keys)) == len(keys) == 6
    assert ray.is_initialized(), "which was there before"
    assert np.random.get_state()[1].tolist() == state, "numpy's global generator is left alone"
    assert signal.getsignal(signal.SIGINT) is handler


def test_side_by_side_until_one_fails(ray, data):
    estimator = clone(RECIPE).set_params(build=len)
    with pytest.raises(RuntimeError, match=r"trial [01] with .*: TypeError: len"):
        run(data, estimator=estimator, n_jobs=2)


@pytest.mark.parametrize("resources", [{"cpu": 3}, {"cpu": 1, "gpu": 1}])
def test_resources_that_no_trial_could_have(ray, data, resources):
    with pytest.raises(ValueError, match="resources must be on the Ray cluster"):
        run(data, resources=resources)


def test_trials_of_more_epochs_are_compared_after_all_their_rungs(ray, data):
    """Whatever the recipe's own epochs are."""
    space = {"max_epochs": [8], "lr": [1e-5, 3e-2, 1e-4, 1e-2, 1e-3]}
    found = run(
        data, estimator=clone(RECIPE).set_params(max_epochs=1), param_space=space,
        archs=MLP(depths=(1,), widths=(64,)).sample(1, random_state=0)[0], n_trials=10,
        n_startup_trials=10,
    ).results  # fmt: skip
    assert found.n_epochs[found.stopped_early].isin([1, 2, 4]).all()
    assert found.n_epochs[found.stopped_early].max() > 1
    assert (found.n_epochs[~found.stopped_early] == 8).all()


def wrong_on_one_branch(trial):
    optimizer = trial.suggest_categorical("optimizer", ["sgd", "adam", "rmsprop"])
    return {"optimizer": optimizer, **({"depth": 1} if optimizer == "rmsprop" else {})}


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
        ({"param_space": wrong_on_one_branch}, ValueError, r"got \['depth'\]"),
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
