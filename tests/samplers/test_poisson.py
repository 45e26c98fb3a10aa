from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sksubsel.samplers.poisson import (
    conditional_poisson,
    inclusion_probabilities,
    log_normalizer,
)
from sksubsel.samplers.quotas import allocate
from sksubsel.samplers.transductive import solve_exact


def enumerate_subsets(log_weights, budget):
    """All B-subsets, their probabilities and the log of the normaliser."""
    subsets = np.array(list(combinations(range(len(log_weights)), budget)))
    log_p = np.asarray(log_weights)[subsets].sum(axis=1)
    log_total = np.logaddexp.reduce(log_p)
    return subsets, np.exp(log_p - log_total), log_total


def objective_over_subsets(p, subset_losses, lam):
    """E[sum of losses] - lam H(P) for distributions P over subsets, (..., number of subsets)."""
    log_p = np.log(np.where(p > 0, p, 1))
    return p @ subset_losses + lam * (p * log_p).sum(axis=-1)


@pytest.mark.parametrize("n, budget", [(2, 1), (5, 2), (8, 7), (12, 6)])
@pytest.mark.parametrize("lam", [0.05, 0.5, 3.0])
def test_exact_solver_is_the_optimum_over_all_distributions_on_subsets(n, budget, lam):
    rng = np.random.default_rng(n)
    losses = rng.exponential(size=n)
    log_weights = solve_exact(losses, lam)
    subsets, p, _ = enumerate_subsets(log_weights, budget)
    subset_losses = losses[subsets].sum(axis=1)
    best = objective_over_subsets(p, subset_losses, lam)
    # its value is -lam times the log of the normaliser
    assert best == pytest.approx(-lam * log_normalizer(-losses / lam, budget), rel=1e-9)
    # no distribution does better: random ones, points, the uniform one, and neighbours of p
    others = np.concatenate(
        [
            rng.dirichlet(np.full(len(subsets), 0.1), size=300),
            rng.dirichlet(np.full(len(subsets), 10.0), size=300),
            np.eye(len(subsets)),
            np.full((1, len(subsets)), 1 / len(subsets)),
        ]
    )
    near = p * np.exp(0.01 * rng.normal(size=(100, len(subsets))))
    near /= near.sum(axis=1, keepdims=True)
    others = np.concatenate([others, near, 0.9 * p + 0.1 * others])
    assert (objective_over_subsets(others, subset_losses, lam) >= best - 1e-9).all()
    # and its gradient is constant, which for a convex objective is the proof
    support = p > 1e-300
    slope = subset_losses[support] + lam * np.log(p[support])
    np.testing.assert_allclose(slope, slope.mean(), rtol=1e-9)


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_inclusion_probabilities_and_normalizer_by_enumeration(data):
    n = data.draw(st.integers(1, 9))
    budget = data.draw(st.integers(1, n))
    scale = data.draw(st.sampled_from([0, 0.1, 1, 10, 100, 690, 1e5]))
    log_weights = np.random.default_rng(data.draw(st.integers(0, 10_000))).normal(size=n) * scale
    subsets, p, log_total = enumerate_subsets(log_weights, budget)
    expected = np.bincount(subsets.ravel(), np.repeat(p, budget), minlength=n)
    np.testing.assert_allclose(inclusion_probabilities(log_weights, budget), expected, atol=1e-11)
    assert log_normalizer(log_weights, budget) == pytest.approx(log_total, rel=1e-9, abs=1e-9)


def test_inclusion_probabilities_by_recursion():
    """Chen, Dempster and Liu: pi_i(b) is in proportion to w_i (1 - pi_i(b - 1))."""
    log_weights = np.random.default_rng(0).normal(size=500)
    w, pi = np.exp(log_weights), np.zeros(500)
    for budget in range(1, 61):
        pi = w * (1 - pi)
        pi *= budget / pi.sum()
    np.testing.assert_allclose(inclusion_probabilities(log_weights, 60), pi, rtol=1e-8)


def test_light_rows_keep_their_relative_probabilities():
    log_weights = np.concatenate([np.zeros(3), [-600.0, -601.0]])
    pi = inclusion_probabilities(log_weights, 2)
    np.testing.assert_allclose(pi[:3], 2 / 3)
    # {i, j} with i light: w_i * 3 of 3 pairs
    np.testing.assert_allclose(pi[3:], np.exp([-600.0, -601.0]), rtol=1e-9)


@pytest.mark.parametrize("budget", [1, 2, 4, 5])
def test_draws_follow_the_distribution(budget):
    """Chi-squared over all subsets, and inclusion counts, of 20,000 draws."""
    n_draws = 20_000
    log_weights = np.array([0.0, -0.3, -0.6, -1.5, -2.0])
    subsets, p, _ = enumerate_subsets(log_weights, budget)
    rng = np.random.default_rng(1)
    code = {tuple(s): k for k, s in enumerate(subsets.tolist())}
    drawn = [conditional_poisson(log_weights, budget, rng) for _ in range(n_draws)]
    counts = np.bincount([code[tuple(rows.tolist())] for rows in drawn], minlength=len(subsets))
    statistic = ((counts - n_draws * p) ** 2 / (n_draws * p)).sum()
    freedom = len(subsets) - 1
    assert statistic <= freedom + 4 * np.sqrt(2 * freedom)
    pi = inclusion_probabilities(log_weights, budget)
    measured = np.bincount(np.concatenate(drawn), minlength=5) / n_draws
    assert (np.abs(measured - pi) <= 4 * np.sqrt(pi * (1 - pi).clip(0) / n_draws) + 1e-12).all()


def test_draws_at_size_follow_the_inclusion_probabilities():
    log_weights = -np.random.default_rng(0).gamma(0.3, 2, size=2000) / 0.5
    pi = inclusion_probabilities(log_weights, 200)
    assert pi.sum() == pytest.approx(200)
    rng = np.random.default_rng(1)
    counts = np.zeros(2000)
    for _ in range(1000):
        counts[conditional_poisson(log_weights, 200, rng)] += 1
    # sums over hundred neighbours in weight: near normal
    order = np.argsort(pi)
    measured = counts[order].reshape(20, 100).sum(axis=1)
    expected = 1000 * pi[order].reshape(20, 100).sum(axis=1)
    assert (np.abs(measured - expected) < 4 * np.sqrt(expected) + 1).all()


def test_strata_are_drawn_apart():
    log_weights = np.array([0.0, -1.0, 0.5, 3.0, -2.0, 1.0, 0.0])
    strata = np.array([0, 1, 0, 1, 0, 1, 2])
    quotas = allocate(np.bincount(strata), 4, "equal")
    expected = np.zeros(7)
    for c, quota in enumerate(quotas):
        members = strata == c
        expected[members] = inclusion_probabilities(log_weights[members], int(quota))
    rng = np.random.default_rng(0)
    counts = np.zeros(7)
    for _ in range(10_000):
        counts[conditional_poisson(log_weights, 4, rng, strata, "equal")] += 1
    assert (np.abs(counts / 10_000 - expected) < 0.02).all()


@pytest.mark.parametrize("budget", [1, 6_000, 30_000, 59_999])
def test_at_60000_rows_and_300_orders_of_magnitude(budget):
    log_weights = np.random.default_rng(0).permutation(np.linspace(-690, 0, 60_000))
    rows = conditional_poisson(log_weights, budget, 0)
    assert rows.shape == (budget,)
    assert (np.diff(rows) > 0).all()
    pi = inclusion_probabilities(log_weights, budget)
    assert np.isfinite(pi).all()
    assert pi.sum() == pytest.approx(budget)
    assert np.isfinite(log_normalizer(log_weights, budget))


def test_all_rows_and_equal_weights():
    np.testing.assert_array_equal(conditional_poisson(np.arange(4.0), 4, 0), np.arange(4))
    np.testing.assert_array_equal(inclusion_probabilities(np.arange(4.0), 4), np.ones(4))
    assert log_normalizer(np.arange(4.0), 4) == 6
    np.testing.assert_allclose(inclusion_probabilities(np.full(10, -50.0), 3), 0.3)
    assert log_normalizer(np.zeros(10), 3) == pytest.approx(np.log(120))
