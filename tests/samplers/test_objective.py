from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sksubsel.samplers.objective import (
    cross_entropy,
    entropy,
    expected_loss,
    objective,
    objective_gradient,
    plackett_luce_log_prob,
    squared_error,
)


def test_cross_entropy():
    proba = np.array([[0.5, 0.25, 0.25], [1.0, 0.0, 0.0]])
    np.testing.assert_allclose(cross_entropy(proba, [1, 0]), [np.log(4), 0])
    stacked = np.stack([proba, proba[::-1]]).astype(np.float16)
    losses = cross_entropy(stacked, [0, 2])
    assert losses.dtype == np.float64
    np.testing.assert_allclose(losses, [[np.log(2), -np.log(1e-12)], [0, np.log(4)]])
    assert np.isnan(cross_entropy([[np.nan, 1.0]], [0])).all()


@pytest.mark.parametrize("y", [[0, 3], [-1, 0], [0.0, 1.0], [0]])
def test_cross_entropy_errors(y):
    with pytest.raises(ValueError, match="y"):
        cross_entropy(np.full((2, 3), 1 / 3), y)


def test_squared_error():
    pred = np.array([[[1.0], [2.0]], [[0.0], [0.5]]], dtype=np.float32)
    np.testing.assert_allclose(squared_error(pred, [1.0, 0.0]), [[0, 4], [1, 0.25]])
    with pytest.raises(ValueError, match=r"pred must have shape \(..., N, 1\); got \(2, 3\)"):
        squared_error(np.zeros((2, 3)), [0, 0])


def test_expected_loss_and_entropy_by_hand():
    log_weights = np.log([2.0, 1.0, 1.0]) + 40
    assert expected_loss(log_weights, [4, 8, 0]) == pytest.approx(4)
    assert entropy(log_weights) == pytest.approx(1.5 * np.log(2))
    assert entropy([0, -1e5]) == 0
    assert entropy(np.zeros(7)) == pytest.approx(np.log(7))


def test_objective_by_hand():
    losses = np.array([4.0, 8, 0])
    pi = np.log([2.0, 1, 1])
    free = 4 - 0.5 * (1.5 * np.log(2) - np.log(3))
    assert objective(pi, losses, 0.5) == pytest.approx(free)
    assert objective(pi, losses, 0.5, beta=3, budget=2) == pytest.approx(
        free + 3 * (4 / 2 - 1) ** 2
    )
    with pytest.raises(ValueError, match="budget"):
        objective(pi, losses, 0.5, beta=3)


def test_value_is_the_mean_loss_at_equal_scores_for_any_n_and_b():
    losses = np.random.default_rng(0).exponential(size=50)
    for copies, budget in [(1, 5), (4, 5), (4, 80)]:
        l_rep = np.tile(losses, copies)
        even = np.full(len(l_rep), np.log(budget / len(l_rep)))
        assert objective(even, l_rep, 0.7, 2.0, budget) == pytest.approx(losses.mean())
        # copying every instance changes nothing else either
        scores = np.tile(-losses, copies)
        assert objective(scores, l_rep, 0.7) == pytest.approx(objective(-losses, losses, 0.7))


@given(st.integers(0, 10_000), st.floats(0.01, 5), st.sampled_from([0.0, 0.3, 4.0]))
@settings(max_examples=40)
def test_gradient_agrees_with_finite_differences(seed, lam, beta):
    rng = np.random.default_rng(seed)
    losses, pi = rng.exponential(size=6), rng.normal(size=6)
    numeric = [
        (objective(pi + h, losses, lam, beta, 3) - objective(pi - h, losses, lam, beta, 3)) / 2e-5
        for h in 1e-5 * np.eye(6)
    ]
    gradient = objective_gradient(pi, losses, lam, beta, 3)
    np.testing.assert_allclose(gradient, numeric, rtol=1e-5, atol=1e-6)


def test_gradient_agrees_with_autograd():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    losses, scores = rng.exponential(size=30), rng.normal(size=30)
    pi = torch.tensor(scores, requires_grad=True)
    log_p = torch.log_softmax(pi, 0)
    p = log_p.exp()
    value = p @ torch.tensor(losses) + 0.3 * (p @ log_p) + 2 * (pi.exp().sum() / 4 - 1) ** 2
    value.backward()
    np.testing.assert_allclose(objective_gradient(scores, losses, 0.3, 2, 4), pi.grad, atol=1e-12)


def test_the_softmax_is_the_minimum():
    rng = np.random.default_rng(0)
    losses = rng.exponential(size=8)
    best = objective(-losses / 0.5, losses, 0.5)
    assert best == pytest.approx(-0.5 * np.log(np.exp(-losses / 0.5).mean()))  # -lam log mean w
    for _ in range(200):
        assert objective(-losses / 0.5 + rng.normal(size=8), losses, 0.5) > best
    # and the regulariser can be made to vanish there
    shift = np.log(3) - np.logaddexp.reduce(-losses / 0.5)
    assert objective(shift - losses / 0.5, losses, 0.5, 7.0, 3) == pytest.approx(best)


@pytest.mark.parametrize("budget", [1, 2, 4, 5])
def test_plackett_luce_sums_to_one(budget):
    pi = np.random.default_rng(0).normal(size=5) * 3
    total = sum(np.exp(plackett_luce_log_prob(pi, o)) for o in permutations(range(5), budget))
    assert total == pytest.approx(1)


def test_plackett_luce_by_hand():
    pi = np.log([1.0, 2, 3, 4])
    assert np.exp(plackett_luce_log_prob(pi, [3, 0])) == pytest.approx(4 / 10 * 1 / 6)
    far = plackett_luce_log_prob([0.0, -690.0, -691.0], [0, 2])
    assert far == pytest.approx(-1 - np.log1p(np.exp(-1)))
    with pytest.raises(ValueError, match="distinct"):
        plackett_luce_log_prob(pi, [1, 1])
    with pytest.raises(ValueError, match=r"\[0, N=4\)"):
        plackett_luce_log_prob(pi, [4])
