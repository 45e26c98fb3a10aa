import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta as beta_distribution

from sksubsel.baselines.sampling import beta, bottom, ccs, d2, gumbel, moderate, top
from sksubsel.baselines.sampling.beta import _log_weights
from sksubsel.samplers.quotas import allocate

N = 60
SAMPLERS = {
    "beta": beta, "bottom": bottom, "ccs": ccs, "d2": d2, "gumbel": gumbel,
    "moderate": moderate, "top": top,
}  # fmt: skip


def draw(name, scores, budget, **params):
    rng = np.random.default_rng(7)
    if name == "beta":
        params["confidence"] = rng.random(len(scores))
        scores = scores - scores.min()
    if name == "d2":
        params["features"] = rng.random((len(scores), 3))
    return SAMPLERS[name](scores, budget, **params)


@pytest.mark.parametrize("name", SAMPLERS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_laws(name, data):
    """Exactly B distinct rows, ascending int64; quotas hold; the same again from one seed."""
    n = data.draw(st.integers(1, 40))
    values = st.sampled_from([0.0, 1.0, 1.5, -2.0, 7.0, 1e6])  # ties, and a far outlier
    scores = np.array(data.draw(st.lists(values, min_size=n, max_size=n)))
    strata = np.array(data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)))
    stratify = data.draw(st.sampled_from([None, "equal", "proportional"]))
    budget = data.draw(st.integers(1, n))
    kept = scores.copy()
    rows = draw(name, scores, budget, rng=3, strata=strata, stratify=stratify)
    assert rows.dtype == np.int64 and rows.shape == (budget,)
    assert (np.diff(rows) > 0).all() and rows[0] >= 0 and rows[-1] < n
    np.testing.assert_array_equal(scores, kept)
    if stratify is not None:
        counts = np.bincount(strata)
        expected = allocate(counts, budget, stratify)
        np.testing.assert_array_equal(np.bincount(strata[rows], minlength=len(counts)), expected)
    again = draw(name, scores, budget, rng=3, strata=strata, stratify=stratify)
    np.testing.assert_array_equal(again, rows)


@pytest.mark.parametrize("name", SAMPLERS)
def test_errors_that_all_share(name):
    scores = np.arange(5.0)
    for budget in (0, 6, 2.0):
        with pytest.raises(ValueError, match=rf"budget must be an int in \[1, N=5\]; got {budget}"):
            draw(name, scores, budget)
    with pytest.raises(ValueError, match="must be finite"):
        draw(name, np.array([0.0, np.nan, 1.0]), 1)
    with pytest.raises(ValueError, match="strata must be given"):
        draw(name, scores, 2, stratify="equal")
    with pytest.raises(ValueError, match="stratify must be"):
        draw(name, scores, 2, strata=[0, 0, 1, 1, 1], stratify="equl")


@pytest.mark.parametrize("name", ["beta", "ccs", "gumbel"])
def test_draws_differ_between_seeds_and_leave_the_global_one(name):
    scores = np.random.default_rng(0).random(N)
    before = np.random.get_state()[1].copy()
    rows = [draw(name, scores, 20, rng=seed) for seed in (0, 1)]
    assert not np.array_equal(*rows)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_top_and_bottom():
    scores = [2.0, 9.0, 2.0, 5.0, 2.0]
    assert top(scores, 3).tolist() == [0, 1, 3]
    assert bottom(scores, 2).tolist() == [0, 2]
    assert top(scores, 2, strata=[0, 1, 0, 1, 0], stratify="equal").tolist() == [0, 1]


def test_moderate_is_closest_to_the_median():
    scores = np.array([10.0, 0.0, 4.0, 5.0, 6.0, 100.0, 200.0])  # median 6
    assert moderate(scores, 3).tolist() == [2, 3, 4]
    assert moderate([0.0, 1.0, 2.0, 3.0], 1).tolist() == [1]  # 1 and 2 are equally near 1.5
    # medians of the classes: 1 and 20
    scores, strata = np.array([0.0, 1.0, 2.0, 10.0, 20.0, 30.0]), np.repeat([0, 1], 3)
    assert moderate(scores, 2, strata=strata, stratify="equal").tolist() == [1, 4]


def test_gumbel_draws_in_proportion():
    """The first row of a draw of one has the softmax's probabilities."""
    scores = np.array([0.0, 1.0, 2.0])
    hits = np.bincount(
        [gumbel(scores, 1, rng=seed, temperature=2.0)[0] for seed in range(3000)], minlength=3
    )
    p = np.exp(scores / 2)
    # standard deviation at most 0.0092
    np.testing.assert_allclose(hits / 3000, p / p.sum(), atol=0.04)
    cold = gumbel(np.arange(50.0), 5, rng=0, temperature=1e-3)
    np.testing.assert_array_equal(cold, top(np.arange(50.0), 5))
    assert set(gumbel(scores, 1, rng=5)) < set(gumbel(scores, 2, rng=5))
    with pytest.raises(ValueError, match=r"temperature must be a float in \(0, inf\); got 0"):
        gumbel(scores, 1, temperature=0)


def test_ccs_drops_the_hardest_and_fills_strata_evenly():
    rng = np.random.default_rng(0)
    scores = np.r_[rng.random(900) * 0.1, 0.1 + 0.9 * rng.random(100)]  # most are easy
    rows = ccs(scores, 100, rng=0, cutoff=0.02, n_strata=10)
    hardest = np.argsort(-scores)[:20]
    assert not set(rows) & set(hardest)
    kept = np.delete(scores, hardest)
    edges = np.linspace(kept.min(), kept.max(), 11)
    strata = np.clip(np.searchsorted(edges, scores, side="right") - 1, 0, 9)
    counts = np.bincount(np.delete(strata, hardest), minlength=10)
    chosen = np.bincount(strata[rows], minlength=10)
    assert chosen.sum() == 100
    # small strata are taken whole, and those that are not differ by at most one
    level = chosen.max()
    assert ((chosen == counts) | (chosen >= level - 1)).all()
    assert (chosen < counts).any() and (chosen == counts).any()


def test_ccs_by_hand():
    # cut: 9; strata of [0, 1]: {0, .1, .4, .45} and {.5, 1}
    scores = np.array([0.0, 0.1, 9.0, 0.4, 0.45, 0.5, 1.0])
    picks = [ccs(scores, 3, rng=seed, cutoff=0.2, n_strata=2) for seed in range(200)]
    easy = np.array([[0, 1, 3, 4][k] for k in range(4)])
    for rows in picks:
        assert 2 not in rows
        assert np.isin(rows, easy).sum() == 2  # what is left over goes to the easier stratum
    seen = np.bincount(np.concatenate(picks), minlength=7)
    assert (seen[easy] > 60).all() and (seen[[5, 6]] > 60).all()  # 100 expected, s.d. 7


def test_ccs_cuts_less_where_the_budget_needs_it():
    scores = np.arange(10.0)
    assert ccs(scores, 10, cutoff=0.5).tolist() == list(range(10))
    assert ccs(scores, 8, cutoff=0.5, rng=0).tolist() == list(range(8))
    np.testing.assert_array_equal(ccs(np.zeros(10), 7, cutoff=0.3), np.arange(7))  # ties
    assert len(ccs([-1e308, 0.0, 1e308], 2, cutoff=0)) == 2  # a range beyond float64
    # within classes: the hardest of each is cut
    strata = np.repeat([0, 1], 5)
    rows = ccs(scores, 8, cutoff=0.2, strata=strata, stratify="equal")
    assert rows.tolist() == [0, 1, 2, 3, 5, 6, 7, 8]


def test_ccs_errors():
    with pytest.raises(ValueError, match=r"cutoff must be a float in \[0, 1\); got 1"):
        ccs(np.arange(5.0), 2, cutoff=1)
    with pytest.raises(ValueError, match=r"n_strata must be an int in \[1, inf\); got 0"):
        ccs(np.arange(5.0), 2, n_strata=0)


def test_beta_weights_are_score_times_density():
    rng = np.random.default_rng(0)
    scores, confidence = rng.random(N), rng.random(N)
    for budget in (6, 30, 60):
        anchor = confidence[np.argsort(-scores)[:10]].mean()
        b = 15 * (1 - anchor) * (1 - (1 - budget / N) ** 5.5)
        expected = scores * beta_distribution.pdf(confidence, 16 - b, b)
        got = np.exp(_log_weights(scores, budget, confidence, 15.0, 5.5))
        np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_beta_leans_to_confident_rows_as_the_budget_shrinks():
    confidence = np.linspace(0, 1, 1000)
    scores = confidence * (1 - confidence)  # informative in the middle
    few = confidence[beta(scores, 50, confidence=confidence, rng=0)].mean()
    many = confidence[beta(scores, 500, confidence=confidence, rng=0)].mean()
    assert few > many + 0.1


def test_beta_takes_rows_of_no_score_last_and_extreme_confidence():
    scores = np.r_[np.zeros(5), np.ones(5)]
    assert beta(scores, 5, confidence=np.full(10, 0.5), rng=0).tolist() == [5, 6, 7, 8, 9]
    assert len(beta(np.ones(10), 4, confidence=np.repeat([0.0, 1.0], 5), rng=0)) == 4
    assert len(beta(np.zeros(10), 10, confidence=np.ones(10), rng=0)) == 10


def test_beta_errors():
    scores, confidence = np.ones(4), np.full(4, 0.5)
    with pytest.raises(ValueError, match=r"confidence must have shape \(4,\); got \(3,\)"):
        beta(scores, 2, confidence=confidence[1:])
    with pytest.raises(ValueError, match=r"confidence must be in \[0, 1\]; got values .* to 1.5"):
        beta(scores, 2, confidence=confidence * 3)
    with pytest.raises(ValueError, match="scores must be at least 0 for beta sampling; got -1"):
        beta(-scores, 2, confidence=confidence)
    for name in ("concentration", "exponent"):
        with pytest.raises(ValueError, match=rf"{name} must be a float in \(0, inf\); got 0"):
            beta(scores, 2, confidence=confidence, **{name: 0})
