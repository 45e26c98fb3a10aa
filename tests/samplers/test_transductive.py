from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sksubsel.samplers.objective import entropy, objective, plackett_luce_log_prob
from sksubsel.samplers.poisson import conditional_poisson
from sksubsel.samplers.quotas import allocate
from sksubsel.samplers.transductive import gumbel_top, solve_exact, solve_gradient, top

DRAWS = [
    lambda log_weights, budget, rng=None, *args: top(log_weights, budget, *args),
    gumbel_top,
    conditional_poisson,
]


def softmax(pi):
    p = np.exp(pi - pi.max())
    return p / p.sum()


def total_variation(first, second):
    return 0.5 * np.abs(softmax(first) - softmax(second)).sum()


@pytest.mark.parametrize("draw", DRAWS)
@given(st.data())
@settings(max_examples=40, deadline=None)
def test_draws_return_exactly_budget_ascending_distinct_rows(draw, data):
    n = data.draw(st.integers(1, 30))
    budget = data.draw(st.integers(1, n))
    seed = data.draw(st.integers(0, 10_000))
    scale = data.draw(st.sampled_from([0, 1, 690, 1e6]))
    log_weights = np.random.default_rng(seed).normal(size=n) * scale
    strata = np.random.default_rng(seed + 1).integers(0, 4, size=n)
    stratify = data.draw(st.sampled_from([None, "proportional", "equal"]))
    rows = draw(log_weights, budget, seed, strata, stratify)
    assert rows.dtype == np.int64
    assert rows.shape == (budget,)
    assert (np.diff(rows) > 0).all()
    assert rows[0] >= 0 and rows[-1] < n
    if stratify is not None:
        counts = np.bincount(strata, minlength=4)
        quotas = allocate(counts, budget, stratify)
        np.testing.assert_array_equal(np.bincount(strata[rows], minlength=4), quotas)
    np.testing.assert_array_equal(draw(log_weights, budget, seed, strata, stratify), rows)


@pytest.mark.parametrize("draw", DRAWS)
def test_draws_keep_to_the_quotas_given(draw):
    log_weights, strata = np.random.default_rng(0).normal(size=30), np.arange(30) % 3
    for quotas in ([5, 0, 2], allocate([10, 10, 10], 7)):
        rows = draw(log_weights, 7, 1, strata, "proportional", quotas)
        np.testing.assert_array_equal(np.bincount(strata[rows], minlength=3), quotas)
    np.testing.assert_array_equal(rows, draw(log_weights, 7, 1, strata, "proportional"))
    with pytest.raises(ValueError, match="quotas must be"):
        draw(log_weights, 7, 1, strata, "proportional", [5, 0, 1])


@pytest.mark.parametrize("draw", DRAWS[1:])
def test_seeds(draw):
    log_weights = np.zeros(1000)
    rng = np.random.default_rng(5)
    first, second = draw(log_weights, 100, rng), draw(log_weights, 100, rng)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(draw(log_weights, 100, 5), first)
    state = np.random.get_state()[1].copy()
    draw(log_weights, 100, 5)
    np.testing.assert_array_equal(np.random.get_state()[1], state)


def test_top_breaks_ties_by_index():
    np.testing.assert_array_equal(top(np.zeros(6), 3), [0, 1, 2])
    np.testing.assert_array_equal(top([0, 1, 0, 1, 0, 1], 4), [0, 1, 3, 5])
    strata = [1, 0, 1, 0, 0, 1]
    np.testing.assert_array_equal(top(np.zeros(6), 4, strata, "equal"), [0, 1, 2, 3])


@pytest.mark.parametrize("stratify", [None, "proportional", "equal"])
def test_top_is_bottom_b_loss(stratify):
    rng = np.random.default_rng(0)
    losses, strata = rng.exponential(size=200), rng.integers(0, 5, size=200)
    rows = top(-losses, 37, strata, stratify)
    if stratify is None:
        expected = np.argsort(losses)[:37]
    else:
        quotas = allocate(np.bincount(strata), 37, stratify)
        expected = np.concatenate(
            [
                np.flatnonzero(strata == c)[np.argsort(losses[strata == c])[:q]]
                for c, q in enumerate(quotas)
            ]
        )
    np.testing.assert_array_equal(rows, np.sort(expected))


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("lam", [0, 1e-320, 1e-6])
def test_lam_zero_takes_the_smallest_losses(draw, lam):
    losses = np.random.default_rng(0).permutation(np.linspace(0, 3, 100))
    rows = draw(solve_exact(losses, lam), 13, 1)
    np.testing.assert_array_equal(rows, np.sort(np.argsort(losses)[:13]))


def test_lam_zero_draws_equal_losses_alike():
    log_weights = solve_exact([1.0, 0.0, 1.0, 1.0], 0)
    np.testing.assert_array_equal(top(log_weights, 2), [0, 1])
    rows = np.stack([gumbel_top(log_weights, 2, seed) for seed in range(300)])
    assert (rows == 1).any(axis=1).all()
    assert (np.bincount(rows.ravel(), minlength=4)[[0, 2, 3]] > 70).all()


def test_large_lam_is_uniform():
    losses = np.random.default_rng(0).exponential(size=50)
    np.testing.assert_array_equal(solve_exact(losses, np.inf), np.zeros(50))
    np.testing.assert_array_equal(solve_gradient(losses, np.inf), np.zeros(50))
    assert np.ptp(solve_exact(losses, 1e9)) < 1e-8
    np.testing.assert_array_equal(solve_exact(np.full(5, 3.0), 0.1), np.zeros(5))


def test_solve_exact_is_minus_loss_over_lam_up_to_a_shift():
    losses = np.array([3.0, 1.0, 700.0])
    np.testing.assert_allclose(solve_exact(losses, 0.5), [-4, 0, -1398])


@pytest.mark.parametrize("budget", [1, 3, 5])
def test_gumbel_top_is_plackett_luce(budget):
    """Inclusion counts of 20,000 draws, beside the enumeration of all ordered draws."""
    n, n_draws = 5, 20_000
    log_weights = np.array([0.0, -0.5, -1.0, -2.0, -4.0])
    expected = np.zeros(n)
    for order in permutations(range(n), budget):
        expected[list(order)] += np.exp(plackett_luce_log_prob(log_weights, order))
    assert expected.sum() == pytest.approx(budget)
    rng = np.random.default_rng(0)
    rows = np.concatenate([gumbel_top(log_weights, budget, rng) for _ in range(n_draws)])
    error = np.sqrt(expected * (1 - expected).clip(0) / n_draws)
    measured = np.bincount(rows, minlength=n) / n_draws
    assert (np.abs(measured - expected) <= 4 * error + 1e-12).all()


def test_gumbel_top_over_300_orders_of_magnitude():
    log_weights = np.linspace(-690, 0, 40)  # neighbours 18 nats apart
    rows = gumbel_top(log_weights, 7, 0)
    np.testing.assert_array_equal(rows, np.arange(33, 40))


LOSSES = {
    "exponential": lambda rng, n: rng.exponential(size=n),
    "gamma": lambda rng, n: rng.gamma(0.3, 2, size=n),
    "two groups": lambda rng, n: rng.exponential(np.where(rng.random(n) < 0.5, 0.01, 5.0)),
    "wide": lambda rng, n: rng.uniform(0, 27.6, size=n),
    "one easy": lambda rng, n: np.append(np.full(n - 1, 27.6), 0.0),
}


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("n", [2, 50, 5000])
@pytest.mark.parametrize("lam", [0.05, 0.5, 1.0, 20.0])
def test_gradient_solver_agrees_with_the_closed_form(kind, n, lam):
    losses = LOSSES[kind](np.random.default_rng(n), n)
    pi = solve_gradient(losses, lam)
    assert pi.max() == 0
    assert total_variation(pi, solve_exact(losses, lam)) < 0.01
    best = objective(solve_exact(losses, lam), losses, lam)
    assert best <= objective(pi, losses, lam) + 1e-12
    assert objective(pi, losses, lam) - best < 0.01 * lam


@pytest.mark.parametrize("beta, budget", [(1e-3, 1), (1.0, 50), (1e4, 900)])
def test_the_budget_regulariser_only_shifts(beta, budget):
    losses = np.random.default_rng(0).exponential(size=1000)
    free = solve_gradient(losses, 0.5)
    pi = solve_gradient(losses, 0.5, beta, budget)
    assert np.exp(pi).sum() == pytest.approx(budget)
    np.testing.assert_allclose(softmax(pi), softmax(free), rtol=1e-12)
    np.testing.assert_allclose(pi - pi.max(), free, atol=1e-9)
    assert objective(pi, losses, 0.5, beta, budget) == pytest.approx(objective(free, losses, 0.5))


def test_lam_means_the_same_at_any_n_and_b():
    losses = np.random.default_rng(0).exponential(size=300)
    spread = entropy(solve_gradient(losses, 0.4)) - np.log(300)
    for copies, budget in [(1, 30), (10, 30), (10, 2000)]:
        pi = solve_gradient(np.tile(losses, copies), 0.4, 1.0, budget)
        assert entropy(pi) - np.log(300 * copies) == pytest.approx(spread, abs=1e-6)


def test_first_round_is_torchs_adam():
    torch = pytest.importorskip("torch")
    losses = torch.tensor(np.random.default_rng(0).exponential(size=40))
    pi = torch.zeros(40, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([pi], lr=0.1, eps=0)
    for step in range(1, 101):
        adam.param_groups[0]["lr"] = 0.1 * min(1, 2 * (1 - step / 101))
        adam.zero_grad()
        log_p = torch.log_softmax(pi, 0)
        ((log_p.exp() * (losses + 0.5 * log_p)).sum()).backward()
        adam.step()
    ours = solve_gradient(losses.numpy(), 0.5, max_rounds=1)
    np.testing.assert_allclose(ours, (pi - pi.max()).detach().numpy(), atol=1e-9)


def test_gradient_solver_is_deterministic():
    losses = np.random.default_rng(0).exponential(size=3000)
    np.testing.assert_array_equal(solve_gradient(losses, 0.3), solve_gradient(losses, 0.3))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_losses_that_are_not_finite(bad):
    losses = np.array([0.0, bad, 1.0])
    for solve in (solve_exact, solve_gradient):
        with pytest.raises(ValueError, match=rf"losses must be finite; got {bad} in row 1"):
            solve(losses, 1.0)
    for draw in DRAWS:
        with pytest.raises(ValueError, match="log_weights must be finite"):
            draw(losses, 1)


@pytest.mark.parametrize("lam", [-1, np.nan])
def test_lam_out_of_range(lam):
    for solve in (solve_exact, solve_gradient):
        with pytest.raises(ValueError, match=r"lam must be in .*got"):
            solve([0.0, 1.0], lam)


def test_gradient_solver_errors():
    with pytest.raises(ValueError, match=r"lam must be in \(0, inf\]"):
        solve_gradient([0.0, 1.0], 0)
    with pytest.raises(ValueError, match="lam must be large enough"):
        solve_gradient([0.0, 1.0], 1e-320)
    with pytest.raises(ValueError, match="beta must be in"):
        solve_gradient([0.0, 1.0], 1, -1)
    for budget in (None, 0, 3):
        with pytest.raises(ValueError, match=r"budget must be an int in \[1, N=2\]"):
            solve_gradient([0.0, 1.0], 1, 1, budget)


@pytest.mark.parametrize("draw", DRAWS)
def test_draw_errors(draw):
    for budget in (0, 4, 1.5, -1):
        with pytest.raises(ValueError, match=r"budget must be an int in \[1, N=3\]; got"):
            draw(np.zeros(3), budget)
    with pytest.raises(ValueError, match="strata must be given with stratify='equal'"):
        draw(np.zeros(3), 1, None, None, "equal")
    with pytest.raises(ValueError, match="strata must be non-negative integer codes"):
        draw(np.zeros(3), 1, None, [0, 1], "equal")
    with pytest.raises(ValueError, match="stratify must be"):
        draw(np.zeros(3), 1, None, [0, 1, 0], "even")
