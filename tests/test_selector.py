import copy
import itertools

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sksubsel import (
    ArchitectureRegressor,
    ModelApproximator,
    ModelZoo,
    SubSelNet,
    SubsetSelector,
)
from sksubsel.samplers.out_of_fold import out_of_fold
from sksubsel.samplers.quotas import allocate

MODES = ("transductive", "inductive", "hybrid")
OPTIONS = list(
    itertools.product(
        MODES,
        ("exact", "gradient"),
        ("entropy", "coverage"),
        ("sample", "top", "poisson"),
        ("proportional", "equal", None),
    )
)
OPTIONS += itertools.product(
    MODES, ["exact"], ["design"], ["sample"], ("proportional", "equal", None)
)


def fit(tiny, **params):
    given = {"mode": "transductive", "diversity": "entropy", "budget": 30, "max_epochs": 1}
    return SubsetSelector(**{**given, "oof_weight": 0, "random_state": 0, **params}).fit(
        tiny.seen_predictions, tiny.zoo
    )


@pytest.mark.parametrize(("mode", "solver", "diversity", "sampling", "stratify"), OPTIONS)
def test_rows_of_every_combination(tiny, mode, solver, diversity, sampling, stratify):
    selector = fit(
        tiny, mode=mode, solver=solver, diversity=diversity, sampling=sampling, stratify=stratify
    )
    rows = selector.select(tiny.predictions[0], 37)
    assert rows.dtype == np.int64
    assert rows.shape == (37,)
    assert (np.diff(rows) > 0).all()
    assert 0 <= rows[0] <= rows[-1] < 150
    assert (rows == selector.select(tiny.predictions[0], 37)).all()
    counts = np.bincount(tiny.zoo.y_[rows], minlength=10)
    if stratify == "equal":
        assert set(counts) <= {3, 4}
    elif stratify == "proportional":
        share = np.bincount(tiny.zoo.y_) * 37 / 150
        assert (np.abs(counts - share) < 1).all()


@pytest.mark.parametrize(("budget", "count"), [(1, 1), (150, 150), (0.1, 15), (1.0, 150)])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("diversity", ["design", "entropy"])
def test_budgets(tiny, mode, diversity, budget, count):
    selector = fit(tiny, mode=mode, diversity=diversity)
    assert len(selector.select(tiny.predictions[0], budget)) == count


@pytest.mark.parametrize("budget", [0, -1, 1.5, 151, 0.0, "10", True, float("nan")])
def test_impossible_budgets(tiny, budget):
    with pytest.raises((ValueError, TypeError), match="budget"):
        fit(tiny).select(tiny.predictions[0], budget)
    with pytest.raises((ValueError, TypeError), match="budget"):
        fit(tiny, budget=budget)


def test_plain_arrays(tiny):
    array = np.asarray(tiny.seen_predictions)
    selector = SubsetSelector(budget=20, random_state=0).fit(array, tiny.zoo)
    unseen = np.asarray(tiny.predictions)
    assert (selector.select(unseen[0]) == selector.transform(unseen)[0]).all()
    with pytest.raises(ValueError, match="embeddings"):
        SubsetSelector("inductive", budget=20, diversity="entropy").fit(array, tiny.zoo)


def test_bad_predictions(tiny):
    array = np.asarray(tiny.seen_predictions)
    selector = SubsetSelector(budget=20).fit(array, tiny.zoo)
    spoilt = array[:1].copy()
    spoilt[0, 3, 2] = np.nan
    with pytest.raises(ValueError, match=r"predictions\[0\] must be finite"):
        selector.select(spoilt)
    with pytest.raises(ValueError, match="N=150"):
        selector.select(array[:1, :100])
    with pytest.raises(ValueError, match="C=10"):
        selector.select(array[:1, :, :4])
    with pytest.raises(ValueError, match="one architecture"):
        selector.select(array)
    with pytest.raises(ValueError, match="a zoo of 4"):
        SubsetSelector(budget=20).fit(array, tiny.zoo[:4])
    with pytest.raises(NotFittedError):
        SubsetSelector().select(array[:1])


def test_logits_are_no_probabilities(tiny):
    array = np.asarray(tiny.seen_predictions)
    selector = SubsetSelector(budget=20, random_state=0).fit(array, tiny.zoo)
    for wrong in (np.log(array), 2 * array):
        with pytest.raises(ValueError, match=r"predictions\[0\] must be probabilities"):
            SubsetSelector(budget=20).fit(wrong, tiny.zoo)
        for method in (selector.select, selector.transform, selector.sampling_proba):
            with pytest.raises(ValueError, match=r"predictions\[0\] must be probabilities"):
                method(wrong[:1])


@pytest.mark.parametrize("scoring", ["probe", "train"])
def test_score_of_another_zoo(tiny, scoring):
    selector = fit(tiny, scoring=scoring)
    reversed_rows = copy.copy(tiny.zoo)
    reversed_rows.y_ = tiny.zoo.y_[::-1]
    with pytest.raises(ValueError, match="over the N=150 instances of fit, in their order"):
        selector.score(tiny.seen_predictions, reversed_rows)
    with pytest.raises(ValueError, match="got 6 predictions and a zoo of 3"):
        selector.score(tiny.seen_predictions, tiny.zoo[:3])


def test_features_are_made_with_the_labels(tiny):
    array = np.asarray(tiny.seen_predictions)
    flat = FunctionTransformer(lambda X: X.reshape(len(X), -1))
    lda = make_pipeline(flat, LinearDiscriminantAnalysis(n_components=3))
    selector = fit(tiny, features=lda)
    expected = clone(lda).fit_transform(tiny.zoo.X_, tiny.zoo.y_)
    np.testing.assert_array_equal(selector.features_, expected.astype(np.float32))
    twice = FunctionTransformer(lambda X: np.ones((2 * len(X), 2)))
    with pytest.raises(ValueError, match=r"features must .* N=150 instances; got \(300, 2\)"):
        SubsetSelector(budget=20, features=twice).fit(array, tiny.zoo)


@pytest.mark.parametrize("changes", [{"mode": "inductive"}, {"mode": "hybrid"},
                                     {"solver": "gradient"}])  # fmt: skip
def test_no_entropy_needs_the_transductive_mode_and_the_exact_solver(tiny, changes):
    with pytest.raises(ValueError, match="lam must be positive"):
        fit(tiny, lam=0, **changes)
    fit(tiny, lam=0, **{**changes, "diversity": "design"})  # which does not use it


def test_lam_goes_from_the_smallest_losses_to_uniform(tiny):
    p = np.asarray(tiny.predictions)[0]
    losses = -np.log(p[np.arange(150), tiny.zoo.y_])
    rows = fit(tiny, lam=0, stratify=None).select(tiny.predictions[0])
    assert losses[rows].max() <= np.delete(losses, rows).min()
    proba = fit(tiny, lam=1e6).sampling_proba(tiny.predictions)
    np.testing.assert_allclose(proba, 1 / 150, rtol=1e-4)
    weights = np.exp(-losses / 0.5)
    proba = fit(tiny, lam=0.5).sampling_proba(tiny.predictions)
    np.testing.assert_allclose(proba[0], weights / weights.sum(), rtol=1e-4)


def test_solvers_agree(tiny):
    exact = fit(tiny).sampling_proba(tiny.predictions)
    gradient = fit(tiny, solver="gradient").sampling_proba(tiny.predictions)
    assert exact.shape == (2, 150)
    np.testing.assert_allclose(exact.sum(1), 1)
    assert np.abs(exact - gradient).sum(1).max() / 2 < 0.01


def test_inductive_scores_rank_as_the_optimum_does(tiny):
    exact = fit(tiny).sampling_proba(tiny.predictions)
    learned = fit(tiny, mode="inductive", max_epochs=300).sampling_proba(tiny.predictions)
    for a in range(2):
        assert spearmanr(exact[a], learned[a]).statistic > 0.8


def test_hybrid_ends_are_the_other_modes(tiny):
    selected = {mode: fit(tiny, mode=mode).select(tiny.predictions[0]) for mode in MODES[:2]}
    for fraction, mode in ((0.0, "transductive"), (1.0, "inductive")):
        rows = fit(tiny, mode="hybrid", hybrid_fraction=fraction).select(tiny.predictions[0])
        assert (rows == selected[mode]).all()


@pytest.mark.parametrize("stratify", ["proportional", "equal"])
@pytest.mark.parametrize("diversity", ["design", "entropy", "coverage"])
def test_the_parts_of_a_hybrid_share_the_quotas_of_all(tiny, diversity, stratify):
    A = tiny.predictions[0]
    params = {"mode": "hybrid", "diversity": diversity, "stratify": stratify}
    rows = fit(tiny, **params).select(A, 10)
    np.testing.assert_array_equal(np.bincount(tiny.zoo.y_[rows]), np.ones(10))
    uneven = copy.copy(tiny.zoo)
    uneven.y_ = np.repeat([0, 1, 2], [64, 64, 22])
    assert allocate([64, 64, 22], 10)[2] > allocate([64, 64, 22], 11)[2]
    selector = fit(tiny, hybrid_fraction=0.9, **params).fit(tiny.seen_predictions, uneven)
    for budget in (11, 2, 100, 149):
        counts = np.bincount(uneven.y_[selector.select(A, budget)], minlength=3)
        np.testing.assert_array_equal(counts, allocate([64, 64, 22], budget, stratify))
    for rows in selector.select_disjoint(A, 3, 11):
        counts = np.bincount(uneven.y_[rows], minlength=3)
        assert np.abs(counts - allocate([64, 64, 22], 11, stratify)).max() <= 1


def test_noise(tiny):
    selector = fit(tiny)
    first = selector.select(tiny.predictions[0])
    selector.select(tiny.predictions[1], random_state=7)
    assert (selector.select(tiny.predictions[0]) == first).all()
    assert (selector.select(tiny.predictions[0], random_state=7) != first).any()
    assert (clone(selector).set_params(random_state=1).fit(
        tiny.seen_predictions, tiny.zoo).select(tiny.predictions[0]) != first).any()  # fmt: skip
    assert (selector.transform(tiny.predictions)[0] == first).all()


@pytest.mark.parametrize("scoring", ["probe", "train"])
def test_score_prefers_varied_rows(tiny, scoring):
    """Random rows of all classes train better than the easiest ones without quotas."""
    good = fit(tiny, lam=1e6, scoring=scoring, score_archs=2, budget=50)
    bad = fit(tiny, lam=0, stratify=None, scoring=scoring, score_archs=2, budget=50)
    scores = [s.score(tiny.predictions, _unseen_zoo(tiny)) for s in (good, bad)]
    assert 0 < min(scores) <= max(scores) <= 1
    if scoring == "probe":  # two epochs on 50 images are too noisy to tell
        assert scores[1] < scores[0]


def test_score_of_everything_is_not_a_number(tiny):
    assert np.isnan(fit(tiny, budget=150).score(tiny.seen_predictions, tiny.zoo))


def _unseen_zoo(tiny):
    return tiny.zoo[:2]


def test_design(tiny):
    """What is shared by all architectures, and what each of them changes."""
    A, B = tiny.predictions[0], tiny.predictions[1]
    assert SubsetSelector().diversity == SubSelNet().diversity == "design"
    assert SubsetSelector().mode == SubSelNet().mode == "inductive"
    own = fit(tiny, diversity="design")
    assert own.scorer_ is None
    index = own.design_
    assert (own.select(A) == np.sort(index.select(np.asarray(A)[0], 30).rows)).all()
    shared = fit(tiny, mode="inductive", diversity="design")
    assert (shared.select(A) == shared.select(B)).all()
    mean = tiny.zoo.predictions_.mean(axis=0, dtype=np.float32)  # of the trained networks
    assert (shared.select(A) == np.sort(index.select(mean, 30).rows)).all()
    half = fit(tiny, mode="hybrid", diversity="design").select(A)
    first = fit(tiny, mode="inductive", diversity="design", budget=15).select(A)
    assert np.isin(first, half).all()
    assert len(shared.select(A, 44)) == 44
    proba = shared.sampling_proba(tiny.predictions)
    np.testing.assert_allclose(proba.sum(axis=1), 1)


def test_the_shared_design_is_for_the_trained_networks_of_the_zoo(tiny):
    """Also of some of them; whatever is predicted for the architectures."""
    part, places = tiny.zoo[[4, 1, 2]], [4, 1, 2]
    anything = np.full((3, 150, 10), 0.1, dtype=np.float32)
    selector = fit(tiny, mode="inductive", diversity="design").fit(anything, part)
    mean = tiny.zoo.predictions_[places].mean(axis=0, dtype=np.float32)
    rows = np.sort(selector.design_.select(mean, 30).rows)
    np.testing.assert_array_equal(selector.select(anything[0]), rows)
    none = copy.copy(tiny.zoo[:3])
    none.trained_ = np.empty(0, dtype=int)
    with pytest.raises(ValueError, match="at least one trained architecture"):
        fit(tiny, mode="inductive", diversity="design").fit(anything, none)


def _labels_out_of_fold(selector):
    return out_of_fold(selector.features_, selector.y_, 10, seed=selector.seed_)


@pytest.mark.parametrize("weight", [0, 0.25, 1])
@pytest.mark.parametrize("mode", MODES)
def test_second_opinion(tiny, mode, weight):
    """A design reproduces what is predicted, and what a network says out of fold."""
    A = tiny.predictions[0]
    selector = fit(tiny, mode=mode, diversity="design", oof_weight=weight)
    second, index = _labels_out_of_fold(selector), selector.design_
    mean = tiny.zoo.predictions_.mean(axis=0, dtype=np.float32)
    shared, own = ((1 - weight) * part + weight * second for part in (mean, np.asarray(A)[0]))
    n_shared = {"transductive": 0, "hybrid": 15, "inductive": 30}[mode]
    first = index.select(shared, n_shared).rows if n_shared else np.empty(0, dtype=np.int64)
    wanted = first
    if n_shared < 30:
        rest = index.select(own, 30 - n_shared, selected=first).rows
        wanted = np.concatenate([first, rest])
    np.testing.assert_array_equal(selector.select(A), np.sort(wanted))


@pytest.mark.parametrize("mode", MODES)
def test_second_opinion_where_many_rows_are_chosen(tiny, mode, monkeypatch):
    """Many in all: also the part of a hybrid's rows that is shared goes by the whole."""
    A = tiny.predictions[0]
    plain, half = (fit(tiny, mode=mode, diversity="design", oof_weight=w) for w in (0, 0.5))
    monkeypatch.setattr("sksubsel._selector_design._MANY", 40 / 1024)
    monkeypatch.setattr("sksubsel._selector_design._WORTH", 1.0)
    auto = fit(tiny, mode=mode, diversity="design", oof_weight="auto")
    np.testing.assert_array_equal(auto.select(A, 38), plain.select(A, 38))
    auto.prepare(40)
    auto.prepare(40, 3)
    monkeypatch.setattr("sksubsel._selector_design.out_of_fold", None)  # to call it would fail
    np.testing.assert_array_equal(auto.select(A, 40), half.select(A, 40))
    assert (auto.select(A, 40) != plain.select(A, 40)).any()
    subsets = auto.select_disjoint(A, 3, 40)
    np.testing.assert_array_equal(subsets, half.select_disjoint(A, 3, 40))
    assert len(np.unique(subsets)) == 120
    np.testing.assert_array_equal(auto.select_disjoint(A, 4, 36), plain.select_disjoint(A, 4, 36))


@pytest.mark.parametrize(
    ("gain", "noise", "weights"),
    [
        (0.03, 0.0, [0.5, 0.5]),
        (0.03, None, [0.5, 0.5]),
        (0.01, 0.04, [0, 0.5]),
        (0.01, 0.1, [0.5, 0.5]),
        (0.01, 0.2, [0.5, 0.5]),
        (0.004, 0.2, [0, 0.5]),
        (None, None, [0, 0.5]),
        (0.0, None, [0, 0]),
        (-0.01, 0.2, [0, 0]),
    ],
)
def test_how_many_rows_are_many(tiny, monkeypatch, gain, noise, weights):
    selector = fit(tiny, diversity="design", oof_weight="auto")
    selector.oof_gain_, selector.label_noise_ = gain, noise
    assert [selector._oof_weight(n) for n in (4095, 4096)] == weights
    monkeypatch.setattr("sksubsel._selector_design._MAX_JUDGED_CLASSES", 9)  # of ten
    assert selector._oof_weight(10**6) == 0
    assert fit(tiny, diversity="design", oof_weight=0.3)._oof_weight(1) == 0.3
    for wrong in (-0.1, 1.1, np.nan, "half", None):
        with pytest.raises(ValueError, match="'oof_weight' parameter"):
            fit(tiny, diversity="design", oof_weight=wrong)


@pytest.mark.parametrize("stratify", ["proportional", "equal", None])
def test_second_opinion_where_it_sets_labels_right(tiny, monkeypatch, stratify):
    """For few rows, too, where both judges are right on more labels than the zoo alone."""
    monkeypatch.setattr("sksubsel._selector_design._NOISY", 1.0)
    rare = copy.copy(tiny.zoo)
    rare.y_ = np.where((tiny.zoo.y_ == 3) & (np.arange(150) % 4 > 0), 8, tiny.zoo.y_)
    auto, half, plain = (
        SubsetSelector(oof_weight=weight, stratify=stratify, random_state=0)
        .fit(tiny.seen_predictions, rare)
        for weight in ("auto", 0.5, 0)
    )  # fmt: skip
    judges = [rare.predictions_.mean(axis=0, dtype=np.float32), _labels_out_of_fold(auto)]
    shares = []
    for proba in (judges[0], sum(judges)):
        if stratify == "equal":
            proba = proba / np.bincount(rare.y_)
        right = proba.argmax(axis=1) == rare.y_
        of_class = [right[rare.y_ == c].mean() for c in range(10)]
        shares.append(np.mean(of_class) if stratify == "equal" else right.mean())
    assert auto.oof_gain_ == pytest.approx(shares[1] - shares[0])
    assert half.oof_gain_ is plain.oof_gain_ is None
    A = tiny.predictions[0]
    monkeypatch.setattr("sksubsel._selector_design._WORTH", auto.oof_gain_ - 1e-6)
    np.testing.assert_array_equal(auto.select(A, 41), half.select(A, 41))
    monkeypatch.setattr("sksubsel._selector_design._WORTH", auto.oof_gain_ + 1e-6)
    np.testing.assert_array_equal(auto.select(A, 43), plain.select(A, 43))
    assert (plain.select(A, 41) != half.select(A, 41)).any()


@pytest.mark.parametrize("wrong", [0, 3, 12])
def test_the_share_of_wrong_labels(tiny, monkeypatch, wrong):
    """Is that of the rows of which judges are sure: wrong ones of the others are the judges'."""
    monkeypatch.setattr("sksubsel._selector_design._LEAST_SURE", 30)  # of 150
    y, sure = tiny.zoo.y_, np.arange(150) % 5 == 0
    said = np.eye(10)[np.where(sure, y, (y + 1) % 10)] * np.where(sure, 0.9, 0.3)[:, None]
    said = (said + 0.01) / (said + 0.01).sum(axis=1, keepdims=True)
    monkeypatch.setattr(
        "sksubsel._selector_design.out_of_fold", lambda *args, **kw: said.astype(np.float32)
    )
    zoo = copy.copy(tiny.zoo)
    zoo.y_ = y.copy()
    others = np.flatnonzero(sure)[:wrong]
    zoo.y_[others] = (y[others] + 2) % 10
    zoo._base, zoo._rows, zoo.trained_ = said[None].astype(np.float16), np.arange(1), np.arange(1)
    selector = SubsetSelector(random_state=0).fit(np.stack([said] * len(zoo)), zoo)
    assert selector.label_noise_ == wrong / 30
    assert selector.oof_gain_ == 0


def test_second_opinion_that_makes_things_worse(tiny, monkeypatch):
    """Is asked for no number of rows; nor is one where the zoo is right on all labels."""
    monkeypatch.setattr("sksubsel._selector_design._MANY", 0)
    monkeypatch.setattr(
        "sksubsel._selector_design.out_of_fold",
        lambda X, y, n_classes, seed: np.eye(n_classes, dtype=np.float32)[(y + 1) % n_classes],
    )
    selector = fit(tiny, mode="inductive", diversity="design", oof_weight="auto")
    assert selector.oof_gain_ < 0 and selector._oof_weight(150) == 0
    assert selector._oof is None  # not kept
    monkeypatch.setattr("sksubsel._selector_design.out_of_fold", None)  # to call it would fail
    knows = copy.copy(tiny.zoo)
    knows.y_ = tiny.zoo.predictions_.mean(axis=0, dtype=np.float32).argmax(axis=1)
    selector.fit(tiny.seen_predictions, knows)
    assert selector.oof_gain_ == 0 and selector._oof_weight(150) == 0
    assert selector.label_noise_ is None


def test_second_opinion_with_equal_quotas_and_after_a_refit(tiny):
    selector = fit(tiny, mode="inductive", diversity="design", stratify="equal", oof_weight=0.5)
    mean = tiny.zoo.predictions_.mean(axis=0, dtype=np.float32)
    target = (mean + _labels_out_of_fold(selector)) / 2
    wanted = selector.design_.select(target, 30, stratify="equal").rows
    np.testing.assert_array_equal(selector.select(tiny.predictions[0]), np.sort(wanted))
    other = copy.copy(tiny.zoo)
    other.y_ = np.roll(tiny.zoo.y_, 1)
    again = selector.fit(tiny.seen_predictions, other)
    fresh = clone(selector).fit(tiny.seen_predictions, other)
    np.testing.assert_array_equal(again._oof, fresh._oof)


def test_second_opinion_on_values(tiny):
    y = tiny.X.mean(axis=(1, 2, 3)) * 30 + tiny.y
    recipe = ArchitectureRegressor(build=tiny.space.build, max_epochs=1)
    zoo = ModelZoo(recipe, random_state=0).fit(tiny.archs[:2], tiny.X, y)
    outputs = np.asarray(zoo.predictions_, dtype=np.float32)
    selector = SubsetSelector(budget=20, oof_weight=1.0, random_state=0).fit(outputs, zoo)
    scaled = (y - y.mean()) / y.std()
    target = out_of_fold(selector.features_, scaled, None, seed=selector.seed_)
    wanted = np.sort(selector.design_.select(target, 20).rows)
    np.testing.assert_array_equal(selector.select(outputs[0]), wanted)
    auto = SubsetSelector(budget=20, random_state=0).fit(outputs, zoo)
    assert auto._oof_weight(10**6) == 0  # was not tried for values


@pytest.mark.parametrize("mode", MODES)
def test_a_design_that_all_would_share_is_made_once(tiny, monkeypatch, mode):
    """Where nothing is known of the architecture, no mode spends time on it."""
    embeddings = tiny.encoder.transform(tiny.archs)
    mean = ModelApproximator(max_epochs=0, random_state=0).fit(embeddings, tiny.zoo)
    selector = SubsetSelector(mode, budget=20, oof_weight=0, random_state=0)
    selector.fit(mean.transform(embeddings), tiny.zoo)
    selector.prepare(33)
    unseen = mean.transform(tiny.encoder.transform(tiny.unseen))
    wanted = {n: selector.design_.select(np.asarray(unseen)[0], n).rows for n in (20, 33)}
    monkeypatch.setattr(selector.design_, "select", None)  # to call it would fail
    for n, rows in wanted.items():
        for a in range(2):
            np.testing.assert_array_equal(selector.select(unseen[a], n), np.sort(rows))


def test_prepare_changes_no_result(tiny):
    A = tiny.predictions[0]
    for mode in MODES:
        plain, prepared = (fit(tiny, mode=mode, diversity="design") for _ in range(2))
        assert prepared.prepare(44) is prepared
        np.testing.assert_array_equal(plain.select(A, 44), prepared.select(A, 44))
    with pytest.raises(ValueError, match="budget"):
        plain.prepare(0)
    with pytest.raises(NotFittedError):
        SubsetSelector().prepare()


@pytest.mark.parametrize("diversity", ["design", "entropy", "coverage"])
@pytest.mark.parametrize("mode", MODES)
def test_disjoint_subsets(tiny, mode, diversity):
    A = tiny.predictions[0]
    selector = fit(tiny, mode=mode, diversity=diversity)
    subsets = selector.select_disjoint(A, 3, 40)
    assert subsets.shape == (3, 40)
    assert subsets.dtype == np.int64
    assert len(np.unique(subsets)) == 120
    assert (np.diff(subsets, axis=1) > 0).all()
    shares = np.array([np.bincount(tiny.zoo.y_[rows], minlength=10) for rows in subsets])
    assert (np.ptp(shares, axis=0) <= 2).all()
    np.testing.assert_array_equal(subsets, selector.select_disjoint(A, 3, 40))
    np.testing.assert_array_equal(
        np.sort(selector.select_disjoint(A, 5, 30), axis=None), np.arange(150)
    )
    np.testing.assert_array_equal(selector.select_disjoint(A, 1), [selector.select(A)])


def test_disjoint_designs_are_designs_of_parts(tiny):
    A, B = tiny.predictions[0], tiny.predictions[1]
    shared, own = (fit(tiny, mode=m, diversity="design") for m in ("inductive", "transductive"))
    mean = tiny.zoo.predictions_.mean(axis=0, dtype=np.float32)
    for selector, target in ((shared, mean), (own, np.asarray(A)[0])):
        index = selector.design_
        subsets = selector.select_disjoint(A, 2, 20)
        for place, rows in enumerate(subsets):
            wanted = index.select(target, 20, candidates=index.part(place, 2)).rows
            np.testing.assert_array_equal(rows, np.sort(wanted))
    assert (shared.select_disjoint(A, 2) == shared.select_disjoint(B, 2)).all()
    assert (own.select_disjoint(A, 2) != own.select_disjoint(B, 2)).any()
    half = fit(tiny, mode="hybrid", diversity="design").select_disjoint(A, 2, 20)
    first = shared.select_disjoint(A, 2, 10)
    assert all(np.isin(some, rows).all() for some, rows in zip(first, half))


def test_disjoint_subsets_prepared(tiny, monkeypatch):
    """What all architectures share is made once, and again where the zoo is another."""
    A = tiny.predictions[0]
    selector = fit(tiny, mode="inductive", diversity="design")
    wanted = clone(selector).fit(tiny.seen_predictions, tiny.zoo).select_disjoint(A, 2, 20)
    selector.prepare(20, 2)
    with monkeypatch.context() as patch:
        patch.setattr(selector.design_, "select", None)  # to call it would fail
        np.testing.assert_array_equal(selector.select_disjoint(A, 2, 20), wanted)
    part = tiny.zoo[[4, 1, 2]]
    anything = np.full((3, 150, 10), 0.1, dtype=np.float32)
    selector.fit(anything, part)
    fresh = clone(selector).fit(anything, part)
    again = selector.select_disjoint(anything[0], 2, 20)
    np.testing.assert_array_equal(again, fresh.select_disjoint(anything[0], 2, 20))
    assert (again != wanted).any()


@pytest.mark.parametrize("n_subsets", [0, -1, 1.5, True, "2"])
@pytest.mark.parametrize("diversity", ["design", "entropy"])
def test_impossible_numbers_of_subsets(tiny, n_subsets, diversity):
    selector = fit(tiny, diversity=diversity)
    with pytest.raises(ValueError, match="n_subsets must be an int"):
        selector.select_disjoint(tiny.predictions[0], n_subsets)
    with pytest.raises(ValueError, match="n_subsets must be an int"):
        selector.prepare(20, n_subsets)


def test_too_many_subsets(tiny):
    selector = fit(tiny, mode="inductive", diversity="design")
    for n_subsets in (4, np.int8(4), np.uint8(13)):
        with pytest.raises(ValueError, match=rf"at most 3, .* 40 of 150 rows; got {n_subsets}"):
            selector.select_disjoint(tiny.predictions[0], n_subsets, 40)
        with pytest.raises(ValueError, match="at most 3"):
            selector.prepare(40, n_subsets)
    three = selector.select_disjoint(tiny.predictions[0], np.int8(3), 40)
    np.testing.assert_array_equal(three, selector.select_disjoint(tiny.predictions[0], 3, 40))
    with pytest.raises(ValueError, match="one architecture"):
        fit(tiny).select_disjoint(tiny.predictions, 2)
