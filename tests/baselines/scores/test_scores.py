from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, softmax
from scipy.stats import entropy as scipy_entropy

from sksubsel.baselines import scores
from sksubsel.baselines.recording import Run
from sksubsel.baselines.scores import _rows
from sksubsel.baselines.scores.rules import RULES

N, C, T = 7, 4, 6


@pytest.fixture
def run():
    rng = np.random.default_rng(0)
    logits = 2 * rng.normal(size=(T, N, C))
    return softmax(logits, -1), rng.integers(C, size=N), logits


def two(own):
    """Probabilities (T, N, 2) whose first column is given as (N, T)."""
    own = np.array(own, dtype=float).T
    return np.stack([own, 1 - own], -1)


def test_uncertainty(run):
    proba = run[0]
    np.testing.assert_allclose(scores.entropy(proba[0]), scipy_entropy(proba[0], axis=1))
    ordered = np.sort(proba[0], axis=1)
    np.testing.assert_allclose(scores.margin(proba[0]), 1 - ordered[:, -1] + ordered[:, -2])
    np.testing.assert_allclose(scores.least_confidence(proba[0]), 1 - ordered[:, -1])
    uniform = np.full((1, C), 1 / C)
    assert scores.entropy(uniform) == pytest.approx(np.log(C))
    assert scores.margin(uniform) == 1
    assert scores.least_confidence(uniform) == 1 - 1 / C
    for score in (scores.entropy, scores.margin, scores.least_confidence):
        certain = score([[0.0, 1.0, 0.0]])
        assert certain == 0 and not np.signbit(certain)


def test_el2n_and_its_mean_over_runs(run):
    proba, y, _ = run
    expected = [np.linalg.norm(proba[0, i] - np.eye(C)[y[i]]) for i in range(N)]
    np.testing.assert_allclose(scores.el2n(proba[0], y), expected)
    each = np.mean([scores.el2n(part, y) for part in proba], axis=0)
    np.testing.assert_allclose(scores.el2n(proba, y), each)
    np.testing.assert_allclose(scores.el2n(proba.reshape(2, 3, N, C), y), each)


def test_grand_is_the_norm_of_the_gradient_by_autograd():
    torch.manual_seed(0)
    layer = torch.nn.Linear(5, C).double()
    features = torch.randn(N, 5, dtype=torch.float64)
    y = torch.randint(C, (N,))
    logits = layer(features)
    expected = []
    for i in range(N):
        loss = torch.nn.functional.cross_entropy(logits[i : i + 1], y[i : i + 1])
        parts = torch.autograd.grad(loss, list(layer.parameters()), retain_graph=True)
        expected.append(sum(float(part.square().sum()) for part in parts) ** 0.5)
    norm = (features.square().sum(1) + 1).sqrt().numpy()
    proba = logits.softmax(1).detach().numpy()
    np.testing.assert_allclose(scores.grand(proba, y.numpy(), norm), expected)
    with pytest.raises(ValueError, match=r"feature_norm must have shape \(7,\).*got \(6,\)"):
        scores.grand(proba, y.numpy(), norm[1:])


def test_forgetting_by_hand():
    own = [
        [0.9, 0.9, 0.9, 0.9, 0.9],  # always right
        [0.9, 0.1, 0.9, 0.1, 0.9],  # forgotten twice
        [0.1, 0.1, 0.1, 0.1, 0.9],  # learned last, never forgotten
        [0.1, 0.1, 0.1, 0.1, 0.1],  # never learned: T
        [0.9, 0.1, 0.1, 0.1, 0.1],  # once
        [0.5, 0.1, 0.5, 0.5, 0.1],  # a tie is right for the first class
    ]
    y = np.zeros(6, dtype=int)
    np.testing.assert_array_equal(scores.forgetting(two(own), y), [0, 2, 0, 5, 1, 2])
    assert scores.forgetting(two([[0.5]]), [1]) == 1  # and wrong for the second
    np.testing.assert_array_equal(scores.forgetting(two([[0.9], [0.1]]), [0, 0]), [0, 1])  # T = 1


def test_aum_is_the_mean_margin_of_logits(run):
    proba, y, logits = run
    rows = np.arange(N)
    own = logits[:, rows, y]
    others = logits.copy()
    others[:, rows, y] = -np.inf
    np.testing.assert_allclose(scores.aum(proba, y), (own - others.max(2)).mean(0))
    never = scores.aum([[[0.0, 1.0, 0.0]]], [0])
    assert never == pytest.approx(np.log(1e-12))


def test_aum_of_probabilities(run):
    proba, y, _ = run
    expected = np.zeros(N)
    for row in range(N):
        for p in proba[:, row]:
            expected[row] += (p[y[row]] - np.delete(p, y[row]).max()) / T
    np.testing.assert_allclose(scores.aum(proba, y, of="probabilities"), expected)
    ends = scores.aum([[0.0, 1.0, 0.0], [0.0, 1.0, 0.0]], [0, 1], of="probabilities")
    np.testing.assert_array_equal(ends, [-1, 1])
    np.testing.assert_array_equal(scores.aum(proba, y, of="logits"), scores.aum(proba, y))
    with pytest.raises(ValueError, match='of must be "logits" or "probabilities"; got \'margin\''):
        scores.aum(proba, y, of="margin")


def test_tdds_by_hand():
    rng = np.random.default_rng(1)
    proba = softmax(rng.normal(size=(4, 3, C)), -1)
    moves = [np.abs(b * np.log((b + 1e-8) / (a + 1e-8))).sum(1) for a, b in pairwise(proba)]
    first = np.sqrt((moves[0] - moves[1]) ** 2 / 2)  # of two numbers: |a - b| / sqrt(2)
    last = np.sqrt((moves[1] - moves[2]) ** 2 / 2)
    got = scores.tdds(proba, window=3, decay=0.7)
    np.testing.assert_allclose(got, 0.7 * last + 0.7 * 0.3 * first)
    # one window of all epochs, also where fewer than asked for
    whole = np.linalg.norm(np.array(moves) - np.mean(moves, axis=0), axis=0)
    for window in (4, 10):
        np.testing.assert_allclose(scores.tdds(proba, window=window, decay=1), whole)


def test_dual_by_hand():
    own = [[0.2, 0.6, 0.4], [0.9, 0.9, 0.9], [0.0, 0.0, 0.0], [0.0, 1.0, 1.0]]
    sd = lambda a, b: abs(a - b) / np.sqrt(2)  # noqa: E731
    expected = [
        ((1 - 0.4) * sd(0.2, 0.6) + (1 - 0.5) * sd(0.6, 0.4)) / 2,
        0,
        0,
        (1 - 0.5) * sd(0, 1) / 2,
    ]
    y = np.zeros(4, dtype=int)
    np.testing.assert_allclose(scores.dual(two(own), y, window=2), expected, atol=1e-12)
    whole = [(1 - np.mean(row)) * np.std(row, ddof=1) for row in own]
    np.testing.assert_allclose(scores.dual(two(own), y, window=10), whole, atol=1e-12)
    np.testing.assert_allclose(scores.confidence(two(own), y), np.mean(own, axis=1))


def test_loss(run):
    proba, y, logits = run
    expected = -log_softmax(logits[0], -1)[np.arange(N), y]
    np.testing.assert_allclose(scores.loss(proba[0], y), expected)
    np.testing.assert_allclose(scores.loss(proba, y), [
        np.mean(-log_softmax(logits[:, i], -1)[:, y[i]]) for i in range(N)
    ])  # fmt: skip
    assert scores.loss([[0.0, 1.0]], [0]) == pytest.approx(-np.log(1e-12))


def test_one_epoch_and_one_class():
    proba, y = two([[0.7], [0.2]]), np.array([0, 0])
    for score in (scores.tdds, scores.dual):
        np.testing.assert_array_equal(score(proba, y), [0, 0])
    np.testing.assert_array_equal(scores.tdds(two([[0.7, 0.1]]), y[:1]), [0])  # one move alone
    only = Run(np.ones((3, 5, 1)), np.ones((3, 5)))
    for name, rule in RULES.items():
        np.testing.assert_array_equal(rule(only, np.zeros(5, dtype=int)), np.zeros(5), err_msg=name)


@pytest.mark.parametrize("name", RULES)
def test_all_scores(name, run, monkeypatch):
    """float64 (N,); the input untouched, rows independent, chunks without effect."""
    proba, y, _ = run
    norm = np.random.default_rng(2).random((T, N)) + 1
    kept = proba.copy()
    rule = RULES[name]
    whole = rule(Run(proba, norm), y)
    assert whole.shape == (N,) and whole.dtype == np.float64
    np.testing.assert_array_equal(proba, kept)
    swap = np.random.default_rng(3).permutation(N)
    np.testing.assert_array_equal(rule(Run(proba[:, swap], norm[:, swap]), y[swap]), whole[swap])
    monkeypatch.setattr(
        _rows, "chunks", lambda n, _: [slice(start, start + 2) for start in range(0, n, 2)]
    )
    np.testing.assert_array_equal(rule(Run(proba, norm), y), whole)
    half = rule(Run(proba.astype(np.float16), norm), y)
    np.testing.assert_allclose(half, whole, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("name", ["el2n", "entropy", "grand", "least_confidence", "loss", "margin"])
def test_scores_of_one_epoch_take_the_last(name, run):
    proba, y, _ = run
    norm = np.random.default_rng(2).random((T, N)) + 1
    np.testing.assert_array_equal(
        RULES[name](Run(proba, norm), y), RULES[name](Run(proba[-1:], norm[-1:]), y)
    )


@pytest.mark.parametrize("name", RULES)
def test_a_confident_mistake_is_harder_than_a_confident_hit(name):
    """All rules turn scores so that large is hard; the row in doubt is hardest by uncertainty."""
    hit, doubt, mistake = [0.8, 0.9, 0.99], [0.6, 0.4, 0.55], [0.4, 0.1, 0.05]
    proba = two([hit, doubt, mistake])
    got = RULES[name](Run(proba, np.ones((3, 3))), np.zeros(3, dtype=int))
    assert got[0] == got.min()
    if name in {"aum", "el2n", "forgetting", "grand", "loss"}:
        assert got[2] == got.max() > got[0]
    elif name in {"entropy", "margin", "least_confidence"}:
        assert got[1] == got.max() > got[2]


def test_errors(run):
    proba, y, logits = run
    with pytest.raises(ValueError, match="proba must hold probabilities.*softmax"):
        scores.el2n(logits, y)
    with pytest.raises(ValueError, match="proba must hold probabilities"):
        scores.entropy([[np.nan, 1.0]])
    with pytest.raises(ValueError, match=r"proba must have shape \(\.\.\., N, C\).*got \(2,\)"):
        scores.entropy([0.5, 0.5])
    with pytest.raises(ValueError, match=r"shape \(7,\); got shape \(6,\)"):
        scores.el2n(proba, y[1:])
    with pytest.raises(ValueError, match="dtype float64"):
        scores.el2n(proba, y.astype(float))
    with pytest.raises(ValueError, match=r"y must be in \[0, C=4\); got values from 4 to 4"):
        scores.loss(proba, np.full(N, 4))
    with pytest.raises(ValueError, match=r"window must be an int in \[3, inf\); got 2"):
        scores.tdds(proba, window=2)
    with pytest.raises(ValueError, match=r"decay must be in \(0, 1\]; got 0"):
        scores.tdds(proba, decay=0)
    with pytest.raises(ValueError, match=r"window must be an int in \[2, inf\); got 1"):
        scores.dual(proba, y, window=1)
    with pytest.raises(ValueError, match="needs feature_norm"):
        RULES["grand"](Run(proba), y)
