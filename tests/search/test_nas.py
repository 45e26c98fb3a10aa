import itertools
import json

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import cross_val_score

from sksubsel import ArchitectureClassifier, ArchitectureRegressor, SubSelNet
from sksubsel.baselines import Random, RidgeDesign, SubsetCallback
from sksubsel.baselines.adaptive import InfoBatchStrategy, RS2Strategy
from sksubsel.benchmark import InTurns
from sksubsel.encoder import ArchitectureEncoder
from sksubsel.search import EvolutionSearch, HalvingSearch, RandomSearch, trials
from sksubsel.spaces import MLP, NASBench101
from sksubsel.zoo import TrainingFailedWarning
from sksubsel.zoo.training import seed_of

SPACE = MLP(widths=(4, 8, 16), depths=(1, 2, 3))
RECIPE = ArchitectureClassifier(max_epochs=2)
TIMES = ["selection_time", "training_time"]


@pytest.fixture(scope="module")
def data(tiny):
    return tiny.X[:120], np.array(list("abcdefghij"))[tiny.y[:120]]


def make(cls, **params):
    given = {"estimator": RECIPE, "selector": Random(stratify="equal"), "budget": 40,
             "random_state": 0, "refit": False}  # fmt: skip
    return cls(SPACE, **{**given, **params})


def same(first, second):
    results = (search.results_.drop(columns=TIMES) for search in (first, second))
    pd.testing.assert_frame_equal(*results)
    assert first.best_architecture_ == second.best_architecture_
    assert first.best_score_ == second.best_score_


@pytest.fixture
def made(monkeypatch):
    """Architectures that are trained, of which ``made.stop_at`` interrupts."""

    class Made(list):
        stop_at = None

    found, run_task = Made(), trials.run_task

    def spy(run, task, *args):
        found.append(task.trainings[0].arch)
        if len(found) == found.stop_at:
            raise KeyboardInterrupt
        return run_task(run, task, *args)

    monkeypatch.setattr(trials, "run_task", spy)
    return found


def test_a_trial_is_what_a_training_by_hand_gives(data):
    search = make(RandomSearch, n_trials=3, random_state=3).fit(*data)
    seed = int(np.random.RandomState(3).randint(2**31 - 1))
    X, y = data
    results = search.results_
    assert list(results.columns) == [
        "architecture", "hash", "score", "budget", "n_selected", "max_epochs", "selection_time",
        "training_time",
    ]  # fmt: skip
    assert (search.n_train_, search.n_validation_) == (96, 24)
    assert results.hash.nunique() == 3 and set(results.n_selected) == {40}
    # the same with the validation instances given, whichever they are
    given = make(RandomSearch, n_trials=3, random_state=3).fit(X[:90], y[:90], X[90:], y[90:])
    rows = Random(40, stratify="equal", random_state=seed).fit(X[:90], y[:90]).sample_indices_
    for row in given.results_.itertuples():
        model = clone(RECIPE).set_params(
            architecture=row.architecture, build=SPACE.build, classes=np.unique(y),
            random_state=seed_of(row.architecture, seed),
        )  # fmt: skip
        assert model.fit(X[rows], y[rows]).score(X[90:], y[90:]) == row.score
    best = given.results_.score.to_numpy().argmax()
    assert given.best_architecture_ == given.results_.architecture[best]
    assert given.best_score_ == given.results_.score[best]


def test_the_best_answers(data):
    search = make(RandomSearch, n_trials=2, refit=True).fit(*data)
    X, y = data
    assert is_classifier(search) and list(search.classes_) == list("abcdefghij")
    assert search.best_estimator_.architecture == search.best_architecture_
    assert search.predict_proba(X).shape == (120, 10)
    assert (search.predict(X) == search.best_estimator_.predict(X)).all()
    assert search.score(X, y) == np.mean(search.predict(X) == y)
    assert len(cross_val_score(search, X, y, cv=2)) == 2
    search.set_params(refit=False)
    assert not hasattr(search, "predict") and not hasattr(search, "score")


def test_regression(data):
    X, y = data[0], np.linspace(0, 1, 120)
    estimator = ArchitectureRegressor(max_epochs=2)
    search = make(RandomSearch, estimator=estimator, selector=Random(), n_trials=2).fit(X, y)
    assert is_regressor(search) and search.results_.score.notna().all()
    with pytest.raises(ValueError, match="estimator must be an ArchitectureClassifier"):
        make(RandomSearch).fit(X, y)


def test_all_data_is_the_budget_of_no_selector(data):
    search = make(RandomSearch, selector=None, n_trials=1).fit(*data)
    assert search.results_.n_selected[0] == search.results_.budget[0] == 96


def test_a_selector_of_rows_is_fitted_once(data, monkeypatch):
    fits, fit = [], Random.fit
    monkeypatch.setattr(Random, "fit", lambda *args, **kw: fits.append(0) or fit(*args, **kw))
    make(RandomSearch, n_trials=3).fit(*data)
    assert len(fits) == 1


@pytest.mark.parametrize(
    "selector", [SubsetCallback(RS2Strategy()), lambda arch, budget, seed: range(budget)]
)
def test_other_selectors(data, selector):
    search = make(RandomSearch, selector=selector, n_trials=2).fit(*data)
    assert set(search.results_.n_selected) == {40}


def test_a_subselnet_selects_for_each(tiny, data):
    space = NASBench101(stem_channels=4, n_stacks=1, n_cells=1)
    net = SubSelNet(
        encoder=ArchitectureEncoder(max_epochs=1), approximator=tiny.approximator, random_state=0,
        mode="transductive", diversity="entropy", on_novel="ignore",
    ).fit(tiny.archs, tiny.zoo)  # fmt: skip
    search = RandomSearch(
        space, estimator=tiny.recipe, selector=FrozenEstimator(net), budget=30, n_trials=2,
        random_state=0, refit=False,
    )  # fmt: skip
    found = clone(search).fit(tiny.X, tiny.y, tiny.X_test, tiny.y_test)
    assert set(found.results_.n_selected) == {30}
    seed = int(np.random.RandomState(0).randint(2**31 - 1))
    for row in found.results_.itertuples():
        rows = net.select(row.architecture, 30, seed)
        model = clone(tiny.recipe).set_params(
            architecture=row.architecture, classes=range(10),
            random_state=seed_of(row.architecture, seed),
        )  # fmt: skip
        model.fit(tiny.X[rows], tiny.y[rows])
        assert model.score(tiny.X_test, tiny.y_test) == row.score
    turns = clone(search).set_params(selector=FrozenEstimator(InTurns(net, 2)))
    turns.fit(tiny.X, tiny.y, tiny.X_test, tiny.y_test)
    assert set(turns.results_.n_selected) == {30}
    assert turns.results_.score.tolist() != found.results_.score.tolist()
    turns.set_params(estimator=clone(tiny.recipe).set_params(early_stopping=True))
    with pytest.raises(ValueError, match="InTurns needs a recipe"):
        turns.fit(tiny.X, tiny.y, tiny.X_test, tiny.y_test)
    with pytest.raises(ValueError, match="selector must be fitted on the 120 instances"):
        search.fit(tiny.X, tiny.y)  # of which it would select only among a part
    with pytest.raises(ValueError, match=r"fitted SubSelNet; .*FrozenEstimator"):
        make(RandomSearch, selector=clone(net)).fit(*data)


def evolve(**params):
    given = {"n_trials": 11, "population_size": 5, "tournament_size": 3, "n_children": 2}
    return make(EvolutionSearch, **{**given, **params})


@pytest.fixture(scope="module")
def evolved(data):
    return evolve().fit(*data)


def test_evolution(evolved):
    results = evolved.results_
    assert len(results) == 11 and (results.parent[:5] == -1).all()
    for k, row in results[5:].iterrows():
        state = k - (k - 5) % 2  # trials that were known when this one was made
        assert state - 5 <= row.parent < state  # one of the youngest five
        assert row.architecture in SPACE.neighbors(results.architecture[row.parent])


@pytest.mark.parametrize("n_children", [1, 3])
def test_the_best_of_the_drawn_is_the_parent_and_the_oldest_dies(data, n_children, monkeypatch):
    scores = np.random.default_rng(0).permutation(20) / 20

    def scored(self, trials):
        start = len(self.made)
        self.made += trials
        rest = dict.fromkeys(("n_selected", "selection_time", "training_time"), 0)
        return [{"accuracy": s, **rest} for s in scores[start : start + len(trials)]]

    monkeypatch.setattr(trials.Trials, "run", scored)
    monkeypatch.setattr(trials.Trials, "made", [], raising=False)
    # so many are drawn that the best of the population is surely among them
    search = evolve(n_trials=20, population_size=4, tournament_size=200, n_children=n_children)
    parents = search.fit(*data).results_.parent
    for k in range(4, 20):
        state = k - (k - 4) % n_children
        assert parents[k] == state - 4 + scores[state - 4 : state].argmax()


def test_the_same_trials_whatever_the_number_of_workers(data, evolved):
    same(evolved, evolve(n_jobs=2).fit(*data))
    other = evolve(random_state=1).fit(*data).results_
    assert set(other.hash) != set(evolved.results_.hash)


@pytest.mark.parametrize("cls", [RandomSearch, EvolutionSearch, HalvingSearch])
def test_an_interrupted_search_comes_to_the_same_result(cls, data, made, tmp_path):
    params = {"n_candidates": 6, "factor": 2} if cls is HalvingSearch else {"n_trials": 7}
    if cls is EvolutionSearch:
        params["population_size"] = 3
    whole = make(cls, **params).fit(*data)
    n_made = len(made)
    store = tmp_path / "new folder" / "trials.jsonl"
    made.clear()
    made.stop_at = 5
    with pytest.raises(KeyboardInterrupt):
        make(cls, **params, store=store).fit(*data)
    assert len(store.read_text().splitlines()) == 4
    made.clear()
    made.stop_at = None
    same(whole, make(cls, **params, store=store).fit(*data))
    assert len(made) == n_made - 4
    made.clear()
    same(whole, make(cls, **params, store=str(store)).fit(*data))
    assert not made
    keys = [json.loads(line)["key"] for line in store.read_text().splitlines()]
    assert len(keys) == len(set(keys)) == n_made


@pytest.mark.parametrize(
    "change",
    [
        {"estimator": ArchitectureClassifier(max_epochs=1)},
        {"selector": Random()},
        {"budget": 41},
        {"random_state": 1},
        {"validation_fraction": 0.3},
    ],
)
def test_what_was_found_otherwise_is_not_taken(data, made, tmp_path, change):
    store = tmp_path / "trials.jsonl"
    make(RandomSearch, n_trials=1, store=store).fit(*data)
    make(RandomSearch, n_trials=1, store=store, verbose=0, n_jobs=1).fit(*data)
    assert len(made) == 1
    make(RandomSearch, n_trials=1, store=store, **change).fit(*data)
    assert len(made) == 2


def test_what_comes_up_again_is_not_trained_again(data, made):
    space = MLP(widths=(4, 8), depths=(1,))
    search = evolve(n_trials=20, population_size=2).set_params(space=space).fit(*data)
    assert len(search.results_) == 20
    assert len(made) == search.results_.hash.nunique() < 20
    assert (search.results_.groupby("hash").score.nunique() == 1).all()


def fail_if_narrow(arch, in_shape, n_classes):
    if any(attributes.get("channels") == 4 for attributes in arch.attributes):
        raise RuntimeError("too narrow")
    return SPACE.build(arch, in_shape, n_classes)


def test_a_training_that_fails(data):
    estimator = clone(RECIPE).set_params(build=fail_if_narrow)
    search = evolve(estimator=estimator, on_error="warn")
    with pytest.warns(TrainingFailedWarning, match="have no score. The first: RuntimeError: too"):
        search.fit(*data)
    scores = search.results_.score
    assert 0 < scores.isna().sum() < len(scores)
    assert search.best_score_ == scores.max()
    with pytest.raises(RuntimeError, match="too narrow"):
        evolve(estimator=estimator).fit(*data)
    narrow = MLP(widths=(4,))
    search.set_params(space=narrow, n_trials=2, population_size=2)
    with (
        pytest.warns(TrainingFailedWarning),
        pytest.raises(RuntimeError, match="no training that the best could be one of succeeded"),
    ):
        search.fit(*data)


@pytest.mark.parametrize("n_candidates, n_rounds", [(9, None), (11, 2), (1, None)])
def test_halving_by_rows(data, n_candidates, n_rounds):
    search = make(HalvingSearch, n_candidates=n_candidates, n_rounds=n_rounds, budget=0.75)
    results = search.fit(*data).results_
    wanted = {
        (9, None): [(9, 8), (3, 24), (1, 72)],
        (11, 2): [(11, 24), (3, 72)],
        (1, None): [(1, 72)],
    }[n_candidates, n_rounds]
    rounds = [part for _, part in results.groupby("round")]
    assert [(len(part), part.n_selected.iloc[0]) for part in rounds] == wanted
    for before, after in itertools.pairwise(rounds):
        left = before.score[before.hash.isin(after.hash)]
        assert len(left) == len(after)
        assert left.min() >= before.score[~before.hash.isin(after.hash)].max()
    assert search.best_score_ == rounds[-1].score.max()
    assert search.best_architecture_ in set(rounds[-1].architecture)


def test_halving_by_epochs(data):
    estimator = clone(RECIPE).set_params(max_epochs=4, min_steps=8)
    search = make(
        HalvingSearch, estimator=estimator, selector=None, n_candidates=4, factor=2,
        resource="epochs",
    ).fit(*data)  # fmt: skip
    assert search.results_.max_epochs.tolist() == [1] * 4 + [2] * 2 + [4]
    assert set(search.results_.n_selected) == {96}
    last = search.results_.iloc[-1]
    X, y = data
    split = make(RandomSearch, selector=None, n_trials=4, estimator=estimator).fit(X, y)
    of_all = split.results_.set_index("hash").score
    assert of_all[last.hash] == last.score  # the last round is a whole training


@pytest.mark.parametrize(
    "search, problem",
    [
        (make(RandomSearch, selector="random"), "selector must be"),
        (make(RandomSearch, selector=Random), "selector must be"),
        (make(RandomSearch, selector=RidgeDesign(lam=-1)), "lam"),
        (make(RandomSearch, selector=SubsetCallback(RS2Strategy(), every=-1)), "every must be"),
        (make(RandomSearch, selector=SubsetCallback(InfoBatchStrategy(ratio=2))), "ratio"),
        (make(RandomSearch, budget=0), "budget must be"),
        (make(RandomSearch, n_trials=10**9), "n_trials must be at most"),
        (make(RandomSearch, validation_fraction=1.0), "validation_fraction"),
        (make(RandomSearch).set_params(space=[1, 2]), "space"),
        (evolve(tournament_size=0), "tournament_size"),
        (evolve(n_children=0), "n_children"),
        (make(HalvingSearch, selector=None), 'selector must be given for resource="rows"'),
        (make(HalvingSearch, budget=8), "budget must be at least 27 for 4 rounds"),
        (make(HalvingSearch, resource="epochs"), "max_epochs of the estimator must be at least"),
        (make(HalvingSearch, n_rounds=5), "n_rounds must be at most 4"),
        (make(HalvingSearch, factor=1), "factor"),
    ],
)
def test_what_is_wrong_is_named_before_anything_is_trained(data, made, search, problem):
    with pytest.raises((ValueError, TypeError), match=problem):
        search.fit(*data)
    assert not made


def test_validation_instances_are_checked(data):
    X, y = data
    with pytest.raises(ValueError, match="given together"):
        make(RandomSearch).fit(X, y, X)
    with pytest.raises(ValueError, match="X_val must have the instance shape"):
        make(RandomSearch).fit(X, y, X[:, :, :4], y)
    with pytest.raises(ValueError, match="y_val must be of the classes"):
        make(RandomSearch).fit(X, y, X, np.full(120, "z"))
    regression = make(RandomSearch, estimator=ArchitectureRegressor(), selector=Random())
    with pytest.raises(ValueError, match="y_val must be finite; got nan in row 0"):
        regression.fit(X, np.linspace(0, 1, 120), X, np.full(120, np.nan))


def test_progress(data, capsys, tmp_path):
    make(RandomSearch, n_trials=2, verbose=1).fit(*data)
    said = capsys.readouterr().err
    assert "RandomSearch: 2/2 trials" in said and "best score" in said
