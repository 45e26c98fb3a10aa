import inspect
import pickle
import re

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from sksubsel import ArchitectureClassifier
from sksubsel.baselines import scores
from sksubsel.baselines.aum import AUM
from sksubsel.baselines.bottom_loss import BottomLoss
from sksubsel.baselines.ccs import CCS
from sksubsel.baselines.d2_pruning import D2Pruning
from sksubsel.baselines.dual import DUAL
from sksubsel.baselines.dynamics import TrainingDynamics
from sksubsel.baselines.el2n import EL2N
from sksubsel.baselines.forgetting import Forgetting
from sksubsel.baselines.grand import GraNd
from sksubsel.baselines.pruning import Pruning
from sksubsel.baselines.recording import default_estimator
from sksubsel.baselines.sampling import beta, ccs, d2, gumbel, neighbor_graph, top
from sksubsel.baselines.score_base import SAMPLERS
from sksubsel.baselines.score_selector import ScoreSelector
from sksubsel.baselines.scores.rules import RULES
from sksubsel.baselines.selection_via_proxy import SelectionViaProxy
from sksubsel.baselines.tdds import TDDS
from sksubsel.baselines.uncertainty import Uncertainty
from sksubsel.datasets import load_digits_images
from sksubsel.features import InstanceFeatures
from sksubsel.networks.proxy import build_proxy

N = 120
CLASSES = [
    AUM, BottomLoss, CCS, D2Pruning, DUAL, EL2N, Forgetting, GraNd, Pruning, ScoreSelector,
    SelectionViaProxy, TDDS, Uncertainty,
]  # fmt: skip


@pytest.fixture(scope="module")
def data():
    """Digits 0 to 2, of which the last has one instance."""
    X, y = load_digits_images(return_X_y=True)
    rows = np.r_[
        np.flatnonzero(y == 0)[:79], np.flatnonzero(y == 1)[:40], np.flatnonzero(y == 2)[:1]
    ]
    rows = np.random.default_rng(0).permutation(rows)
    return X[rows], np.array(["nil", "one", "two"])[y[rows]]


@pytest.fixture(scope="module")
def dynamics(data):
    recipe = TrainingDynamics(max_epochs=30, record_features=True, random_state=0)
    return recipe.fit(*data)


@pytest.mark.parametrize("cls", CLASSES)
def test_given_dynamics_serve_as_a_training_of_its_own(cls, data, dynamics):
    """To the bit: one recorded training is the training of each selector by the same seed."""
    if cls is Pruning:  # its master model learns otherwise
        recipe = default_estimator().set_params(optimizer="sgd", lr=0.025)
        dynamics = TrainingDynamics(recipe, max_epochs=8, random_state=0).fit(*data)
    own = cls(20, random_state=0)
    if cls is D2Pruning:  # features are of the last epoch recorded
        own.set_params(max_epochs=30)
    if own.max_epochs is None:  # as many as the small network trains by default
        dynamics = dynamics.first(10)
    given = clone(own).fit(*data, dynamics=dynamics)
    own.fit(*data)
    np.testing.assert_array_equal(given.scores_, own.scores_)
    np.testing.assert_array_equal(given.sample_indices_, own.sample_indices_)
    np.testing.assert_array_equal(given.select(60), own.select(60))


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("score", RULES)
def test_scores_and_samplers_compose(score, sampler, data, dynamics):
    selector = ScoreSelector(31, score_func=score, sampler=sampler, random_state=0)
    if (score, sampler) == ("aum", "beta"):
        with pytest.raises(ValueError, match="scores must be at least 0 for beta"):
            selector.fit(*data, dynamics=dynamics)
        return
    selector.fit(*data, dynamics=dynamics)
    assert (np.diff(selector.scores_[selector.ranking_]) <= 0).all()
    np.testing.assert_array_equal(np.sort(selector.ranking_), np.arange(N))
    np.testing.assert_array_equal(selector.sample_weight_, np.ones(31))
    for budget in (1, 31, 100, N):
        rows = selector.select(budget)
        assert rows.shape == (budget,) and (np.diff(rows) > 0).all()
        refitted = clone(selector).set_params(budget=budget).fit(*data, dynamics=dynamics)
        np.testing.assert_array_equal(rows, refitted.sample_indices_)
    equal = selector.set_params(stratify="equal").fit(*data, dynamics=dynamics)
    labels = data[1][equal.sample_indices_]
    assert [int((labels == name).sum()) for name in ("nil", "one", "two")] == [15, 15, 1]
    assert (data[1][equal.select(N)] == data[1]).all()


def test_named_methods_are_their_combinations(data, dynamics):
    X, labels = data
    y, runs = dynamics.y_, dynamics.runs_[0]
    five, ten = dynamics.first(5), dynamics.first(10)
    proba = lambda part: part.runs_[0].proba  # noqa: E731

    def rows(selector, given=dynamics):
        return selector.set_params(random_state=0).fit(X, labels, dynamics=given).sample_indices_

    def equal(selector, keys, given=dynamics):
        np.testing.assert_array_equal(rows(selector, given), top(keys, 20))

    equal(Uncertainty(20), scores.entropy(proba(dynamics)[-1]))
    equal(Uncertainty(20, measure="margin"), scores.margin(proba(dynamics)[-1]))
    equal(Pruning(20, measure="least_confidence"), scores.least_confidence(proba(five)[-1]))
    equal(SelectionViaProxy(20), scores.entropy(proba(dynamics)[-1]))
    equal(SelectionViaProxy(20, measure="forgetting"), scores.forgetting(proba(dynamics), y))
    equal(EL2N(20), scores.el2n(proba(five)[-1], y))
    equal(GraNd(20), scores.grand(proba(five)[-1], y, runs.feature_norm[4]))
    equal(Forgetting(20), scores.forgetting(proba(dynamics), y))
    equal(AUM(20), -scores.aum(proba(dynamics), y))
    equal(TDDS(20), scores.tdds(proba(dynamics), window=5, decay=0.9))
    equal(TDDS(20, window=3, decay=0.5), scores.tdds(proba(ten), window=3, decay=0.5), ten)
    equal(DUAL(20, sampler="top", window=4), scores.dual(proba(dynamics), y, window=4))
    loss = scores.loss(proba(dynamics)[-1], y)
    equal(BottomLoss(20), -loss)

    selector = CCS(20, cutoff=0.5, n_strata=7)
    got = rows(selector)
    rng = np.random.default_rng(selector._sampler_seed)
    aum = -scores.aum(proba(dynamics), y, of="probabilities")
    np.testing.assert_array_equal(selector.scores_, aum)
    assert np.abs(aum).max() <= 1
    of_logits = ScoreSelector(20, score_func="aum", sampler="ccs").fit(X, labels, dynamics=dynamics)
    np.testing.assert_array_equal(of_logits.scores_, -scores.aum(proba(dynamics), y))
    np.testing.assert_array_equal(got, ccs(aum, 20, rng=rng, cutoff=0.5, n_strata=7))
    rng = np.random.default_rng(selector._sampler_seed)  # of the same random_state
    np.testing.assert_array_equal(
        rows(BottomLoss(20, gumbel=True, lam=0.1)), gumbel(-loss, 20, rng=rng, temperature=0.1)
    )
    rng = np.random.default_rng(selector._sampler_seed)
    np.testing.assert_array_equal(
        rows(DUAL(20, exponent=4.0)),
        beta(scores.dual(proba(dynamics), y), 20, confidence=dynamics.confidence_, rng=rng,
             exponent=4.0),
    )  # fmt: skip
    graph = neighbor_graph(dynamics.features_, 3)
    difficulty = scores.el2n(proba(dynamics)[-1], y)
    np.testing.assert_array_equal(
        rows(D2Pruning(20, n_neighbors=3, gamma_reverse=0.2, max_epochs=30)),
        d2(difficulty, 20, graph=graph, gamma_reverse=0.2),
    )


def test_where_d2_takes_its_features_from(data, dynamics):
    X, y = data
    selector = D2Pruning(20)
    difficulty = selector.fit(X, y, dynamics=dynamics).scores_
    own = np.random.default_rng(0).normal(size=(N, 2))
    selector.fit(X, y, dynamics=dynamics, features=own)
    np.testing.assert_array_equal(selector.sample_indices_, d2(difficulty, 20, features=own))
    proba = dynamics.runs_[0].proba[:5]
    selector.fit(X, y, proba=proba)  # nothing recorded: of the instances
    features = InstanceFeatures().fit_transform(X)
    np.testing.assert_array_equal(selector.sample_indices_, d2(difficulty, 20, features=features))
    selector.fit(X, y, dynamics=dynamics)  # recorded, but 25 epochs later
    np.testing.assert_array_equal(selector.sample_indices_, d2(difficulty, 20, features=features))
    last = selector.set_params(max_epochs=30).fit(X, y, dynamics=dynamics)
    expected = d2(last.scores_, 20, features=dynamics.features_)
    np.testing.assert_array_equal(last.sample_indices_, expected)
    with pytest.raises(ValueError, match=r"features must have shape \(N=120, H\); got \(119, 2\)"):
        selector.fit(X, y, features=own[1:])


def test_gammas_of_d2_are_inverse_widths(data, dynamics):
    """As documented: kernels so narrow leave the scores alone, the widest count all in full."""
    for doc in (D2Pruning.__doc__, d2.__doc__):
        assert "Inverse widths of the kernels ``exp(-gamma d^2)``" in " ".join(doc.split())
    narrow = D2Pruning(20, gamma_forward=1e9, gamma_reverse=1e9).fit(*data, dynamics=dynamics)
    np.testing.assert_array_equal(narrow.sample_indices_, top(narrow.scores_, 20))
    wide = D2Pruning(20, gamma_forward=0.0, gamma_reverse=1e9).fit(*data, dynamics=dynamics)
    neighbors, _ = neighbor_graph(InstanceFeatures().fit_transform(data[0]), 10)
    collected = wide.scores_ + wide.scores_[neighbors].sum(1)
    np.testing.assert_array_equal(wide.sample_indices_, top(collected, 20))


def test_max_epochs_limits_training_and_dynamics(data, dynamics):
    X, y = data
    for epochs in (2, 7):
        given = EL2N(20, max_epochs=epochs).fit(X, y, dynamics=dynamics).scores_
        expected = scores.el2n(dynamics.runs_[0].proba[epochs - 1], dynamics.y_)
        np.testing.assert_array_equal(given, expected)
    few = dynamics.first(3)  # fewer than asked for: the last
    expected = scores.el2n(few.runs_[0].proba[-1], dynamics.y_)
    np.testing.assert_array_equal(EL2N(20).fit(X, y, dynamics=few).scores_, expected)


def test_scores_are_averaged_over_repeats(data):
    X, y = data
    twice = TrainingDynamics(max_epochs=3, n_repeats=2, random_state=0).fit(X, y)
    expected = np.mean([scores.dual(run.proba, twice.y_) for run in twice.runs_], axis=0)
    for fit_params in ({}, {"dynamics": twice}):
        selector = DUAL(20, max_epochs=3, n_repeats=2, random_state=0).fit(X, y, **fit_params)
        np.testing.assert_allclose(selector.scores_, expected)


def test_probabilities_in_place_of_dynamics():
    proba = [[0.9, 0.1], [0.5, 0.5], [0.3, 0.7], [0.6, 0.4]]
    X, y = np.arange(4.0)[:, None], np.array(["a", "b", "b", "a"])
    assert EL2N(1).fit(X, y, proba=proba).sample_indices_.tolist() == [1]
    np.testing.assert_array_equal(EL2N(1).fit(X, y, proba=[proba] * 3).ranking_, [1, 3, 2, 0])
    # int labels are columns where a class is missing
    wide = np.c_[proba, np.zeros(4)]
    assert BottomLoss(1).fit(X, [0, 1, 1, 0], proba=wide).sample_indices_.tolist() == [0]
    with pytest.raises(ValueError, match="needs feature_norm"):
        GraNd(1).fit(X, y, proba=proba)


def test_callables(data, dynamics):
    X, y = data
    seen = {}

    def score(proba, codes, power=1):
        seen["shape"] = proba.shape
        return proba[-1, :, 0] ** power

    def sampler(values, budget, *, rng, strata, stratify, skip=0):
        seen["strata"] = strata
        return np.argsort(-values, kind="stable")[skip : skip + budget]

    selector = ScoreSelector(
        5, score_func=score, sampler=sampler, score_params={"power": 3}, sampler_params={"skip": 2},
        stratify="equal",
    )  # fmt: skip
    selector.fit(X, y, dynamics=dynamics)
    cubes = dynamics.runs_[0].proba[-1, :, 0] ** 3
    np.testing.assert_array_equal(selector.scores_, cubes)
    np.testing.assert_array_equal(selector.sample_indices_, np.sort(selector.ranking_[2:7]))
    assert seen["shape"] == (30, N, 3)
    np.testing.assert_array_equal(seen["strata"], dynamics.y_)

    bad = ScoreSelector(5, score_func=lambda proba, codes: np.ones(3))
    with pytest.raises(ValueError, match=r"score_func must return shape \(120,\); got \(3,\)"):
        bad.fit(X, y, dynamics=dynamics)
    bad = ScoreSelector(5, score_func=lambda proba, codes: np.full(N, np.nan))
    with pytest.raises(ValueError, match="scores must be finite"):
        bad.fit(X, y, dynamics=dynamics)
    for rows in ([0, 0, 1, 2, 3], [0, 1], [0, 1, 2, 3, N]):
        bad = ScoreSelector(5, sampler=lambda *args, rows=rows, **kwargs: rows)
        with pytest.raises(ValueError, match=r"sampler must return 5 distinct rows in \[0, 120\)"):
            bad.fit(X, y, dynamics=dynamics)


def test_bottom_is_the_other_end(data, dynamics):
    X, y = data
    high = ScoreSelector(30, score_func="loss").fit(X, y, dynamics=dynamics)
    low = ScoreSelector(30, score_func="loss", sampler="bottom").fit(X, y, dynamics=dynamics)
    np.testing.assert_array_equal(low.scores_, -high.scores_)
    same = BottomLoss(30).fit(X, y, dynamics=dynamics)
    np.testing.assert_array_equal(low.sample_indices_, same.sample_indices_)
    assert high.scores_[high.sample_indices_].min() >= -low.scores_[low.sample_indices_].min()


@pytest.mark.parametrize("cls", CLASSES)
def test_seeds_pickles_and_globals(cls, data):
    X, y = data[0].reshape(N, -1), data[1]
    torch.manual_seed(1)
    before = np.random.get_state()[1].copy(), torch.get_rng_state()
    params = {"random_state": 3, "max_epochs": 3}
    first = cls(20, **params).fit(X, y)
    np.testing.assert_array_equal(np.random.get_state()[1], before[0])
    assert torch.equal(torch.get_rng_state(), before[1])
    torch.manual_seed(2)
    again = cls(20, **params).fit(X, y)
    np.testing.assert_array_equal(again.sample_indices_, first.sample_indices_)
    copy = pickle.loads(pickle.dumps(first))
    np.testing.assert_array_equal(copy.select(50), first.select(50))
    params["random_state"] = 4
    assert not np.array_equal(cls(20, **params).fit(X, y).scores_, first.scores_)
    streams = [np.random.RandomState(0), np.random.RandomState(0)]
    rows = [cls(20, max_epochs=3, random_state=stream).fit(X, y) for stream in streams]
    np.testing.assert_array_equal(rows[0].sample_indices_, rows[1].sample_indices_)


@pytest.mark.parametrize("cls", CLASSES)
def test_one_class_and_copies_of_rows(cls):
    X = np.zeros((12, 2))  # all equal, all constant
    one = cls(5, random_state=0).fit(X, np.ones(12))
    np.testing.assert_array_equal(one.scores_, np.zeros(12))
    assert len(np.unique(one.sample_indices_)) == 5
    copies = cls(12, random_state=0, max_epochs=3).fit(X, np.arange(12) % 2)
    np.testing.assert_array_equal(copies.sample_indices_, np.arange(12))
    single = cls(1).fit(X[:1], [3])
    assert single.sample_indices_.tolist() == [0]
    lone = cls(6, stratify="equal", max_epochs=3, random_state=0).fit(X, np.arange(12))
    assert len(np.unique(lone.sample_indices_)) == 6  # a class for each row


@pytest.mark.parametrize("cls", CLASSES)
def test_constructor_and_documentation(cls):
    signature = inspect.signature(cls.__init__).parameters
    defaults = {k: p.default for k, p in signature.items() if k != "self"}
    assert vars(cls()) == defaults and defaults["budget"] == 0.1
    assert set(cls._parameter_constraints) == set(defaults)
    section = re.search(r"\nParameters\n-+\n(.*?)\n\n\w[^\n]*\n-+\n", cls.__doc__, re.DOTALL)[1]
    names = re.findall(r"^(\w+(?:, \w+)*) : (.*)$", section, re.MULTILINE)
    documented = [name for group, _ in names for name in group.split(", ")]
    assert documented == list(defaults)
    for group, kind in names:
        for name in group.split(", "):
            if "default=" in kind:
                said = kind.split("default=")[1].strip('"')
                assert said == str(defaults[name]), name
    assert "{" + "parameters}" not in cls.__doc__ and "{" + "attributes}" not in cls.__doc__


class NeverTrain(LogisticRegression):
    def fit(self, X, y, sample_weight=None):
        raise AssertionError("work was lost")


@pytest.mark.parametrize("params, message", [
    ({"score_params": {"windw": 3}, "score_func": "dual"}, r"score_params of dual must be among"),
    ({"score_params": {"window": 1}, "score_func": "dual"}, r"window must be an int in \[2"),
    ({"sampler_params": {"cutoff": 2}, "sampler": "ccs"}, r"cutoff must be a float in \[0, 1\)"),
    ({"sampler_params": {"cut": 0}, "sampler": "ccs"}, r"sampler_params of ccs must be among"),
    ({"sampler_params": {"rng": 0}, "sampler": "gumbel"}, r"sampler_params of gumbel must be"),
    ({"score_func": "el3n"}, "score_func"),
    ({"sampler": "tip"}, "sampler"),
    ({"stratify": "equl"}, "stratify"),
    ({"budget": 1.5}, r"budget must be an int in \[1, n_samples=120\]"),
    ({"max_epochs": 0}, "max_epochs"),
])  # fmt: skip
def test_bad_parameters_cost_no_training(params, message, data):
    with pytest.raises(ValueError, match=message):
        ScoreSelector(estimator=NeverTrain()).set_params(**params).fit(*data)
    with pytest.raises(AssertionError, match="work was lost"):
        ScoreSelector(estimator=NeverTrain()).fit(*data)


class NeverPass(NeverTrain):
    def partial_fit(self, X, y, classes=None):
        raise AssertionError("work was lost")


COMPARING = [
    (Forgetting, "forgetting", 2), (DUAL, "dual", 2), (TDDS, "tdds", 3),
    (SelectionViaProxy, "forgetting", 2), (CCS, "dual", 2), (D2Pruning, "tdds", 3),
    (ScoreSelector, "dual", 2),
]  # fmt: skip


@pytest.mark.parametrize("cls, score, needed", COMPARING)
def test_too_few_epochs_to_compare(cls, score, needed, data, dynamics):
    """They would score all rows the same."""
    X, y = data
    selector = cls(20, random_state=0)
    for name in ("score_func", "measure"):
        if name in selector.get_params():
            selector.set_params(**{name: score})
    message = rf"^{score} compares epochs of training: it needs at least {needed} of them, got "
    few = needed - 1
    for part in ({"dynamics": dynamics.first(few)}, {"proba": dynamics.runs_[0].proba[:few]}):
        with pytest.raises(ValueError, match=message + str(few)):
            selector.fit(X, y, **part)
    with pytest.raises(ValueError, match=message + str(few)):  # of a longer record
        clone(selector).set_params(max_epochs=few).fit(X, y, dynamics=dynamics)
    # before any training
    for params, n_epochs in [
        ({"estimator": NeverTrain()}, 1),
        ({"estimator": NeverPass(), "max_epochs": few}, few),
        ({"estimator": None, "max_epochs": few}, few),
    ]:
        with pytest.raises(ValueError, match=message + rf"{n_epochs}\. Set max_epochs to"):
            clone(selector).set_params(**params).fit(X, y)
    enough = selector.fit(X, y, dynamics=dynamics.first(needed))
    if score != "forgetting":
        assert len(np.unique(enough.scores_)) > 1


def test_errors_of_fit(data, dynamics):
    X, y = data
    with pytest.raises(ValueError, match="EL2N needs class labels; y holds continuous targets"):
        EL2N().fit(X, np.linspace(0, 1, N))
    with pytest.raises(ValueError, match="requires y to be passed"):
        EL2N().fit(X)
    with pytest.raises(ValueError, match="at most one of dynamics and proba"):
        EL2N().fit(X, y, dynamics=dynamics, proba=dynamics.proba_)
    with pytest.raises(TypeError, match="dynamics must be a TrainingDynamics; got ndarray"):
        EL2N().fit(X, y, dynamics=dynamics.proba_)
    with pytest.raises(ValueError, match="dynamics must be of the same 100 instances.* 120"):
        EL2N().fit(X[:100], y[:100], dynamics=dynamics)
    with pytest.raises(ValueError, match="dynamics must be of the same labels as y"):
        EL2N().fit(X, y[::-1], dynamics=dynamics)
    with pytest.raises(ValueError, match="proba must hold probabilities"):
        EL2N().fit(X, y, proba=3 * dynamics.proba_[0])
    with pytest.raises(ValueError, match="NaN"):
        EL2N().fit(np.full((N, 2), np.nan), y)


def test_estimators_of_other_kinds(data):
    X, y = data
    model = ArchitectureClassifier(build=build_proxy, max_epochs=2)
    assert len(EL2N(12, estimator=model, random_state=0).fit(X, y).sample_indices_) == 12
    plain = Uncertainty(12, estimator=LogisticRegression(max_iter=2000)).fit(X, y)
    flat = X.reshape(N, -1)
    proba = LogisticRegression(max_iter=2000).fit(flat, y).predict_proba(flat)
    np.testing.assert_allclose(plain.scores_, scores.entropy(proba), rtol=1e-3, atol=1e-6)


def test_hard_rows_are_the_mislabelled_ones_and_the_easy_end_avoids_them():
    """What EL2N-high and the loss's low end are known for, and what CCS is for."""
    X, y = load_digits_images(return_X_y=True)
    X, y = X[:600], y[:600].copy()
    wrong = np.random.default_rng(0).choice(600, 60, replace=False)
    y[wrong] = (y[wrong] + 1) % 10
    dynamics = TrainingDynamics(max_epochs=5, random_state=0).fit(X, y)

    def share(selector):
        rows = selector.set_params(random_state=0).fit(X, y, dynamics=dynamics).sample_indices_
        return np.isin(rows, wrong).mean()

    assert share(EL2N(60)) > 0.5
    assert share(AUM(60)) > 0.5
    assert share(BottomLoss(60)) == 0
    assert share(BottomLoss(60, gumbel=True, lam=0.2)) < 0.05  # of a uniform draw .1
    assert share(CCS(60, cutoff=0.3)) == 0
