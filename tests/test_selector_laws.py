"""One list of selectors of instances, one list of laws.

To add a selector, add a line to CASES. The first test fails until every selector that
`sksubsel.baselines` exports has one.
"""

import functools
import inspect
import pathlib
import pickle
import random
import re

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from sksubsel import baselines
from sksubsel.base import BaseSelector
from sksubsel.baselines import (
    AUM,
    CCS,
    CRAIG,
    DUAL,
    EL2N,
    GLISTER,
    TDDS,
    BottomLoss,
    D2Pruning,
    FacilityLocation,
    FeatureBased,
    Forgetting,
    GradMatch,
    GraNd,
    GraphCut,
    Herding,
    KCenterGreedy,
    KMeansMedoids,
    LogDeterminant,
    Moderate,
    Pruning,
    Random,
    RidgeDesign,
    SaturatedCoverage,
    ScoreSelector,
    SelectionViaProxy,
    SieveStreaming,
    Uncertainty,
    adaptive,
)

LAWS_WITH_EXCEPTIONS = {
    "head": "a selection is the head of the ranking, or of that of each class",
    "descending": "scores never grow along the ranking",
    "nested": "select(b) gives what a fit with budget b gives",
    "permutation": "the order of rows does not matter",
    "flattening": "images give the same rows as when flattened",
    "seed": "another seed gives other rows (of selectors that have one)",
}


class Case:
    """A class, the parameters it is judged with, and the laws it does not claim to keep."""

    def __init__(self, cls, *exceptions, **params):
        assert set(exceptions) <= set(LAWS_WITH_EXCEPTIONS)
        self.cls, self.params, self.exceptions = cls, params, exceptions

    def make(self, budget=12, **params):
        selector = self.cls(budget, **self.params)
        if "random_state" in selector.get_params():
            selector.set_params(random_state=0)
        return selector.set_params(**params)


TRAINS = "permutation", "flattening"  # a network, by batches; another one for images
SAMPLES = *TRAINS, "head"  # and its sampler does not take the top

FEW = {"max_epochs": 4}  # no law asks for more, and each law trains anew

TIES = "seed", "permutation"  # two rows near each other alone gain the same: the lower index

CASES = {
    "Random": Case(Random, "permutation"),
    "Random-equal": Case(Random, "permutation", stratify="equal"),
    "Herding": Case(Herding),
    "Herding-equal": Case(Herding, stratify="equal"),
    "Herding-all": Case(Herding, stratify=None),
    "KCenterGreedy": Case(KCenterGreedy, "seed"),
    "KCenterGreedy-class": Case(KCenterGreedy, "seed", stratify="proportional"),
    "KCenterGreedy-random": Case(KCenterGreedy, "permutation", first="random"),
    "KMeansMedoids": Case(KMeansMedoids, "permutation", "nested"),
    "KMeansMedoids-class": Case(
        KMeansMedoids, "permutation", "nested", stratify="equal", weighted=True
    ),
    "Moderate": Case(Moderate),
    "Moderate-equal": Case(Moderate, stratify="equal"),
    "Moderate-all": Case(Moderate, stratify=None),
    "FacilityLocation": Case(FacilityLocation, *TIES),
    "FacilityLocation-equal": Case(FacilityLocation, *TIES, stratify="equal", weighted=True),
    "FacilityLocation-sparse": Case(FacilityLocation, *TIES, mode="sparse", n_neighbors=8),
    "FacilityLocation-stochastic": Case(
        FacilityLocation, "permutation", "nested", "descending", optimizer="stochastic"
    ),
    "FacilityLocation-partition": Case(
        FacilityLocation, "permutation", "nested", optimizer="partition", n_partitions=3
    ),
    "GraphCut": Case(GraphCut, "seed"),
    "GraphCut-class": Case(GraphCut, "seed", stratify="proportional"),
    "LogDeterminant": Case(LogDeterminant, *TIES),
    "LogDeterminant-equal": Case(LogDeterminant, *TIES, stratify="equal"),
    "FeatureBased": Case(FeatureBased, "seed"),
    "FeatureBased-log": Case(FeatureBased, "seed", concave="log", stratify="equal"),
    "SaturatedCoverage": Case(SaturatedCoverage, *TIES),
    "SieveStreaming": Case(SieveStreaming, "permutation", "nested", "descending", "seed"),
    "CRAIG": Case(CRAIG, "seed"),
    "GLISTER": Case(GLISTER, "permutation"),
    "GradMatch": Case(GradMatch, "seed"),
    "GradMatch-batch": Case(GradMatch, "permutation", by="batch", batch_size=4),
    "GradMatch-all": Case(GradMatch, "seed", by=None),
    "RidgeDesign": Case(
        RidgeDesign, *TRAINS, "nested", n_components=64, estimator=LogisticRegression()
    ),
    "ScoreSelector": Case(ScoreSelector, *TRAINS, **FEW),
    "ScoreSelector-moderate": Case(
        ScoreSelector, *SAMPLES, sampler="moderate", stratify="equal", **FEW
    ),
    "Uncertainty": Case(Uncertainty, *TRAINS, **FEW),
    "Pruning": Case(Pruning, *TRAINS, **FEW),
    "SelectionViaProxy": Case(SelectionViaProxy, *TRAINS, **FEW),
    "EL2N": Case(EL2N, *TRAINS, **FEW),
    "EL2N-equal": Case(EL2N, *TRAINS, stratify="equal", **FEW),
    "GraNd": Case(GraNd, *TRAINS, **FEW),
    "Forgetting": Case(Forgetting, *TRAINS, **FEW),
    "AUM": Case(AUM, *TRAINS, **FEW),
    "TDDS": Case(TDDS, *TRAINS, **FEW),
    "DUAL": Case(DUAL, *SAMPLES, window=3, **FEW),
    "BottomLoss": Case(BottomLoss, *TRAINS, **FEW),
    "BottomLoss-gumbel": Case(BottomLoss, *SAMPLES, gumbel=True, **FEW),
    "CCS": Case(CCS, *SAMPLES, **FEW),
    "CCS-equal": Case(CCS, *SAMPLES, stratify="equal", **FEW),
    "D2Pruning": Case(D2Pruning, *SAMPLES, **FEW),
}

CLASSES = list(dict.fromkeys(case.cls for case in CASES.values()))
CHOOSING = pathlib.Path(__file__).parents[1] / "docs" / "choosing.md"
N = 60
BUDGETS = [1, 2, 7, 29, N - 1, N, 0.001, 0.25, 1.0]


def law(exception=None):
    """Run a test with each case that does not except itself from the law."""
    assert exception is None or exception in LAWS_WITH_EXCEPTIONS
    names = [name for name, case in CASES.items() if exception not in case.exceptions]
    if exception == "seed":
        names = [name for name in names if "random_state" in CASES[name].make().get_params()]
    return pytest.mark.parametrize("name", names)


@functools.cache
def data():
    """X float64 (60, 4) and y of three classes of 30, 20 and 10 rows, shuffled; read-only.

    X is positive, as a few selectors ask.
    """
    rng = np.random.default_rng(0)
    y = rng.permutation(np.repeat([0, 1, 2], [30, 20, 10]))
    X = rng.gamma(3, 0.5, size=(N, 4)) + 2 * np.eye(4)[y]
    X.setflags(write=False)
    y.setflags(write=False)
    return X, y


@functools.lru_cache(maxsize=None, typed=True)  # 1 is a count, 1.0 a fraction
def _fitted(name, budget):
    return CASES[name].make(budget).fit(*data())


def fitted(name, budget=12):
    """A selector fitted on the data, to look at and not to change."""
    return _fitted(name, budget)


def outcome(function, *args):
    """What a call returns, or the message of its ValueError."""
    try:
        return function(*args), None
    except ValueError as error:
        return None, str(error)


def assert_selection(rows, n_wanted, n_samples=N):
    assert rows.dtype == np.int64
    assert rows.shape == (n_wanted,)
    assert (np.diff(rows) > 0).all()
    assert rows[0] >= 0
    assert rows[-1] < n_samples


def test_the_list_is_complete():
    exported = {
        name
        for name in baselines.__all__
        if inspect.isclass(getattr(baselines, name))
        and issubclass(getattr(baselines, name), BaseSelector)
        and not inspect.isabstract(getattr(baselines, name))
    }
    assert exported
    assert exported - {case.cls.__name__ for case in CASES.values()} == set()
    for name, case in CASES.items():
        assert name.split("-")[0] == case.cls.__name__


def test_the_page_that_chooses_names_all():
    text = CHOOSING.read_text(encoding="utf-8")
    names = set(re.findall(r"`(\w+)[`(]", text))
    strategies = {name for name in adaptive.__all__ if name.endswith("Strategy")} - {"Strategy"}
    assert ({cls.__name__ for cls in CLASSES} | strategies) - names == set()


def test_the_page_that_chooses_runs(capsys):
    code = re.findall(r"```python\n(.*?)```", CHOOSING.read_text(encoding="utf-8"), re.DOTALL)
    exec("\n".join(code), {})
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:2]] == ["Random", "Herding"]


@law()
def test_made_without_arguments(name):
    parameters = inspect.signature(CASES[name].cls).parameters
    assert next(iter(parameters)) == "budget"
    assert parameters["budget"].default == 0.1
    kinds = {p.kind for key, p in parameters.items() if key != "budget"}
    assert kinds <= {inspect.Parameter.KEYWORD_ONLY}
    selector = CASES[name].cls()
    assert vars(selector) == {key: p.default for key, p in parameters.items()}
    assert set(selector._parameter_constraints) == set(parameters)


@pytest.mark.parametrize("cls", CLASSES)
def test_every_parameter_is_documented(cls):
    doc = inspect.cleandoc(cls.__doc__)
    section = re.search(r"\nParameters\n-+\n(.*?)\n\n\w[^\n]*\n-+\n", doc, re.DOTALL)[1]
    names = re.findall(r"^(\w+(?:, \w+)*) : ", section, re.MULTILINE)
    documented = [name for group in names for name in group.split(", ")]
    assert sorted(documented) == sorted(inspect.signature(cls).parameters)


def quick(cls):
    """One with its defaults, but for the time that it takes to train."""
    params = {"estimator": LogisticRegression()} if cls is RidgeDesign else FEW
    return cls(**{key: params[key] for key in params if key in inspect.signature(cls).parameters})


@parametrize_with_checks([quick(cls) for cls in CLASSES])
def test_sklearn_checks(estimator, check):
    check(estimator)


@law()
def test_exactly_as_many_distinct_rows(name):
    for budget in BUDGETS:
        n_wanted = budget if isinstance(budget, int) else max(1, round(budget * N))
        selector = fitted(name, budget)
        rows = selector.sample_indices_
        assert_selection(rows, n_wanted)
        np.testing.assert_array_equal(selector.get_support(indices=True), rows)
        np.testing.assert_array_equal(np.flatnonzero(selector.get_support()), rows)


@law()
def test_weights(name):
    weights = fitted(name).sample_weight_
    assert weights.shape == (12,)
    assert weights.dtype == np.float64
    assert np.isfinite(weights).all()
    assert (weights >= 0).all()
    assert weights.sum() > 0


@law()
def test_ranking_and_scores(name):
    for budget in (1, 12, N):
        selector = fitted(name, budget)
        ranking, scores = selector.ranking_, selector.scores_
        assert ranking.dtype == np.int64
        assert len(np.unique(ranking)) == len(ranking) >= budget
        assert ranking.min() >= 0
        assert ranking.max() < N
        assert set(selector.sample_indices_) <= set(ranking)
        assert scores.shape == (N,)
        assert not np.isnan(scores[ranking]).any()
        assert np.isnan(np.delete(scores, ranking)).all()


@law("descending")
def test_scores_descend_along_the_ranking(name):
    for budget in (12, N):
        scores = fitted(name, budget).scores_[fitted(name, budget).ranking_]
        assert (scores[1:] <= scores[:-1]).all()


@law("head")
def test_a_selection_is_the_head_of_the_ranking(name):
    y = data()[1]
    for budget in (1, 2, 12, 40):
        selector = fitted(name, budget)
        stratified = selector.get_params().get("stratify") is not None
        groups = y if stratified else np.zeros_like(y)
        for group in np.unique(groups):
            ranked = selector.ranking_[groups[selector.ranking_] == group]
            selected = selector.sample_indices_[groups[selector.sample_indices_] == group]
            np.testing.assert_array_equal(np.sort(ranked[: len(selected)]), selected)


@law()
def test_select_other_budgets(name):
    selector = fitted(name, 12)
    np.testing.assert_array_equal(selector.select(), selector.sample_indices_)
    np.testing.assert_array_equal(selector.select(12), selector.sample_indices_)
    for budget in (1, 5, 0.1, 0.2):
        n_wanted = budget if isinstance(budget, int) else round(budget * N)
        assert_selection(selector.select(budget), n_wanted)
    rows, message = outcome(selector.select, 30)
    if message is None:
        assert_selection(rows, 30)
    else:
        assert "budget must be at most" in message
        assert "got 30" in message
    selector.select()[:] = 0
    selector.get_support(indices=True)[:] = 0
    assert_selection(selector.sample_indices_, 12)


@law("nested")
def test_select_is_consistent_with_fit(name):
    selector = fitted(name, 40)
    for budget in (1, 2, 7, 12, 29):
        rows = fitted(name, budget).sample_indices_
        np.testing.assert_array_equal(selector.select(budget), rows)


@law()
def test_what_fits_with_several_budgets_share_changes_no_selection(name):
    X, y = data()
    for budget in (7, 29):
        selector = CASES[name].make(budget)
        rows = selector.fit(X, y, **selector._shared_fit_params(X, y)).sample_indices_
        np.testing.assert_array_equal(rows, fitted(name, budget).sample_indices_)


@law()
@pytest.mark.parametrize("kind", ["copies", "pairs", "equal", "zero", "constant"])
def test_degenerate_rows(name, kind):
    X, y = data()
    X = {
        "copies": lambda: np.tile(X[:20], (3, 1)),
        "pairs": lambda: np.repeat(X[:30], 2, axis=0),
        "equal": lambda: np.full((N, 4), 0.1),
        "zero": lambda: np.zeros((N, 4)),
        "constant": lambda: np.c_[X[:, :2], np.full((N, 2), 7.3)],
    }[kind]()
    for budget in (1, 25, N):
        selector = CASES[name].make(budget).fit(X, y)
        assert_selection(selector.sample_indices_, budget)
        assert not np.isnan(selector.scores_[selector.ranking_]).any()
        assert np.isfinite(selector.sample_weight_).all()


# scikit-learn wonders where most rows have a class of their own
@pytest.mark.filterwarnings("ignore:The number of unique classes:UserWarning")
@law()
@pytest.mark.parametrize(
    "labels",
    [
        np.repeat([0, 1], [N - 1, 1]),
        np.repeat([0, 1, 2, 3, 4], [50, 7, 1, 1, 1]),
        np.arange(N),
        np.zeros(N, dtype=int),
    ],
    ids=["one-alone", "imbalanced", "all-alone", "one-class"],
)
def test_imbalanced_classes(name, labels):
    X, _ = data()
    for budget in (1, 6, N):
        selector = CASES[name].make(budget).fit(X, labels)
        assert_selection(selector.sample_indices_, budget)
        assert np.isfinite(selector.sample_weight_).all()
        if selector.get_params().get("stratify") == "equal":
            found, counts = np.unique(labels, return_counts=True)
            quota = np.bincount(labels[selector.sample_indices_], minlength=len(found))
            assert (quota >= np.minimum(counts, budget // len(found))).all()


@law()
def test_labels_of_any_kind(name):
    X, y = data()
    rows = fitted(name).sample_indices_
    kinds = [
        np.array(["ant", "bee", "cow"])[y],
        np.array(["ant", "bee", "cow"], dtype=object)[y],
        np.array([-5, 3, 70], dtype=np.int32)[y],
        y.astype(np.float64),
        pd.Series(y),
        y.tolist(),
    ]
    for labels in kinds:
        selector = CASES[name].make().fit(X, labels)
        np.testing.assert_array_equal(selector.sample_indices_, rows)
        assert selector.task_ == "classification"


@law()
def test_without_labels(name):
    X, _ = data()
    selector = CASES[name].make()
    if get_tags(selector).target_tags.required:
        with pytest.raises(ValueError, match="requires y to be passed"):
            selector.fit(X)
    else:
        assert_selection(selector.fit(X).sample_indices_, 12)
        assert selector.task_ is None


@law()
def test_continuous_targets(name):
    X, _ = data()
    selector, message = outcome(CASES[name].make().fit, X, X[:, 0] + X[:, 1])
    if message is None:
        assert_selection(selector.sample_indices_, 12)
        assert selector.task_ == "regression"
    else:
        assert "class" in message
        assert "continuous" in message


@law()
def test_one_row(name):
    X, y = data()
    selector = CASES[name].make(1).fit(X[:1], y[:1])
    assert selector.sample_indices_.tolist() == selector.ranking_.tolist() == [0]
    assert selector.select(1.0).tolist() == [0]


@law()
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite(name, value):
    X, y = data()
    bad = X.copy()
    bad[17, 2] = value
    with pytest.raises(ValueError, match="(?i)nan|inf"):
        CASES[name].make().fit(bad, y)
    with pytest.raises(ValueError, match="(?i)nan|inf"):
        CASES[name].make().fit(bad.reshape(N, 1, 2, 2), y)
    if get_tags(CASES[name].make()).input_tags.sparse:
        with pytest.raises(ValueError, match="(?i)nan|inf"):
            CASES[name].make().fit(sparse.csr_matrix(bad), y)


@law()
@pytest.mark.parametrize("index_type", [np.int32, np.int64])
def test_sparse_tables(name, index_type):
    X, y = data()
    X = np.where(X < 1, 0, X)
    table = sparse.csr_matrix(X)
    table.indices, table.indptr = table.indices.astype(index_type), table.indptr.astype(index_type)
    selector = CASES[name].make()
    if get_tags(selector).input_tags.sparse:
        rows = selector.fit(X, y).sample_indices_
        np.testing.assert_array_equal(selector.fit(table, y).sample_indices_, rows)
        np.testing.assert_array_equal(selector.fit(sparse.coo_array(X), y).sample_indices_, rows)
    else:
        with pytest.raises(TypeError, match="(?i)sparse"):
            selector.fit(table, y)


@law()
def test_seeds(name):
    X, y = data()
    np.random.seed(3)
    random.seed(3)
    torch.manual_seed(3)
    before = np.random.get_state()[1].copy(), random.getstate(), torch.get_rng_state()
    selector = CASES[name].make()
    rows = selector.fit(X, y).sample_indices_
    assert (np.random.get_state()[1] == before[0]).all()
    assert random.getstate() == before[1]
    assert (torch.get_rng_state() == before[2]).all()
    np.random.seed(4)
    random.seed(4)
    torch.manual_seed(4)
    again = CASES[name].make().fit(X, y)
    np.testing.assert_array_equal(again.sample_indices_, rows)
    np.testing.assert_array_equal(again.ranking_, selector.ranking_)
    np.testing.assert_array_equal(again.scores_, selector.scores_)
    np.testing.assert_array_equal(again.sample_weight_, selector.sample_weight_)
    np.testing.assert_array_equal(again.fit(X, y).sample_indices_, rows)  # a second time
    if "random_state" in selector.get_params():
        first, second = (
            CASES[name].make(random_state=np.random.RandomState(7)).fit(X, y).sample_indices_
            for _ in range(2)
        )
        np.testing.assert_array_equal(first, second)


@law("seed")
def test_other_seeds(name):
    selections = {
        tuple(CASES[name].make(random_state=seed).fit(*data()).sample_indices_) for seed in range(6)
    }
    assert len(selections) > 1


@law()
def test_fitting_other_data_leaves_no_trace(name):
    X, y = data()
    selector = CASES[name].make()
    selector.fit(X[:31].reshape(31, 1, 2, 2), np.arange(31) % 5)
    selector.fit(X, y)
    expected = fitted(name)
    np.testing.assert_array_equal(selector.sample_indices_, expected.sample_indices_)
    np.testing.assert_array_equal(selector.ranking_, expected.ranking_)
    np.testing.assert_array_equal(selector.select(5), expected.select(5))
    assert vars(selector).keys() == vars(expected).keys()


@law()
def test_precision_does_not_matter(name):
    X, y = data()
    X = X.astype(np.float32)  # the same numbers
    rows = [CASES[name].make().fit(X.astype(kind), y).sample_indices_ for kind in ("f4", "f8")]
    assert len(np.intersect1d(*rows)) >= 11


@law("flattening")
def test_images_give_the_same_rows_as_flattened(name):
    X, y = data()
    for shape in [(1, 2, 2), (4, 1, 1), (2, 2)]:
        selector = CASES[name].make().fit(X.reshape(N, *shape), y)
        np.testing.assert_array_equal(selector.sample_indices_, fitted(name).sample_indices_)
        assert selector.shape_in_ == shape
        assert selector.n_features_in_ == 4


@law()
def test_images(name):
    images = np.random.default_rng(0).integers(0, 256, size=(N, 3, 8, 8), dtype=np.uint8)
    images.setflags(write=False)
    selector = CASES[name].make().fit(images, data()[1])
    assert_selection(selector.sample_indices_, 12)


@law()
def test_data_are_left_alone(name):
    for kind in (np.float64, np.float32):
        X, y = data()[0].astype(kind), data()[1].copy()
        before = X.copy(), y.copy()
        CASES[name].make().fit(X, y)
        np.testing.assert_array_equal(X, before[0])
        np.testing.assert_array_equal(y, before[1])
        for array in (X, y):
            array.setflags(write=False)
        rows = CASES[name].make().fit(X, y).sample_indices_
        X = np.asfortranarray(X)
        overlap = np.intersect1d(CASES[name].make().fit(X, y).sample_indices_, rows)
        assert len(overlap) >= 11


@law("permutation")
def test_the_order_of_rows_does_not_matter(name):
    X, y = data()
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(N)
        for budget in (12, 31):
            rows = CASES[name].make(budget).fit(X[order], y[order]).sample_indices_
            expected = fitted(name, budget).sample_indices_
            np.testing.assert_array_equal(np.sort(order[rows]), expected)


@law()
def test_fit_resample_is_indexing(name):
    X, y = data()
    rows = fitted(name).sample_indices_
    X_part, y_part = CASES[name].make().fit_resample(X, y)
    np.testing.assert_array_equal(X_part, X[rows])
    np.testing.assert_array_equal(y_part, y[rows])
    frame = pd.DataFrame(X, columns=list("uvwx"), index=np.arange(N) + 100)
    selector = CASES[name].make()
    X_part, y_part = selector.fit_resample(frame, pd.Series(y, frame.index, name="label"))
    pd.testing.assert_frame_equal(X_part, frame.iloc[rows])
    pd.testing.assert_series_equal(y_part, pd.Series(y, frame.index, name="label").iloc[rows])
    assert list(selector.feature_names_in_) == list("uvwx")


@law()
def test_pickle_and_clone(name):
    selector = fitted(name)
    again = pickle.loads(pickle.dumps(selector))
    for budget in (None, 5, 12):
        np.testing.assert_array_equal(again.select(budget), selector.select(budget))
    np.testing.assert_array_equal(again.ranking_, selector.ranking_)
    fresh = clone(selector)
    assert repr(fresh) == repr(selector)
    with pytest.raises(NotFittedError):
        fresh.select()
    with pytest.raises(NotFittedError):
        fresh.get_support()
    np.testing.assert_array_equal(fresh.fit(*data()).sample_indices_, selector.sample_indices_)


@law()
def test_silent_and_parameters_left_alone(name, capfd):
    selector = CASES[name].make()
    before = repr(selector.get_params())
    assert selector.fit(*data()) is selector
    assert repr(selector.get_params()) == before
    assert capfd.readouterr() == ("", "")


@law()
@pytest.mark.parametrize("budget", [0, -1, N + 1, 0.0, 1.5, -0.5, np.nan])
def test_budget_out_of_range(name, budget):
    message = rf"budget must be an int in \[1, n_samples={N}\].*got {budget}"
    with pytest.raises(ValueError, match=message):
        CASES[name].make(budget).fit(*data())
    with pytest.raises(ValueError, match=message):
        fitted(name).select(budget)


@law()
def test_budget_of_wrong_type(name):
    for budget in ("half", None, True, [3]):
        with pytest.raises(TypeError, match="budget must be an int"):
            CASES[name].make(budget).fit(*data())


@law()
def test_other_errors(name):
    X, y = data()
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        CASES[name].make().fit(X, y[:-1])
    parameters = CASES[name].make().get_params(deep=False)
    for parameter in sorted({"random_state", "stratify", "features"} & set(parameters)):
        with pytest.raises(ValueError, match=f"'{parameter}' parameter"):
            CASES[name].make(**{parameter: "nonsense"}).fit(X, y)
