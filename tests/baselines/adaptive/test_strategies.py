import numpy as np
import pytest
import torch
from scipy.optimize import nnls
from scipy.special import softmax
from sklearn.base import clone

from sksubsel.baselines.adaptive import (
    CRAIGStrategy,
    GLISTERStrategy,
    GradMatchStrategy,
    InfoBatchStrategy,
    LastLayerGradients,
    MILOStrategy,
    RS2Strategy,
    TurnsStrategy,
    View,
    WarmUpStrategy,
)
from sksubsel.baselines.adaptive.matching import match
from sksubsel.baselines.adaptive.milo import disparity_order, graph_cut

STRATEGIES = [
    RS2Strategy(),
    CRAIGStrategy(),
    CRAIGStrategy(stratify=None, gradient="bias"),
    GLISTERStrategy(),
    GLISTERStrategy(stratify=None, validation_fraction=None),
    GradMatchStrategy(),
    GradMatchStrategy(gradient="bias"),
    GradMatchStrategy(by=None, lam=0.0),
    GradMatchStrategy(by="batch", batch_size=7),
    MILOStrategy(kappa=0),
    MILOStrategy(kappa=1),
    WarmUpStrategy(),
    WarmUpStrategy(score="el2n", stratify="equal"),
]


def explicit(gradients):
    one = np.ones((len(gradients), 1))
    hidden = one if gradients.hidden is None else np.hstack([gradients.hidden, one])
    return np.einsum("nc,nh->nch", gradients.residual, hidden).reshape(len(gradients), -1)


def make_gradients(n=40, n_classes=3, n_hidden=4, seed=0):
    rng = np.random.default_rng(seed)
    y = np.r_[np.arange(n_classes), rng.integers(n_classes, size=n - n_classes)]
    logits = rng.normal(size=(n, n_classes))
    residual = softmax(logits, axis=1) - np.eye(n_classes)[y]
    return LastLayerGradients(residual, rng.normal(size=(n, n_hidden)), logits), y


def make_view(gradients, y, **options):
    options = {"inputs": lambda: gradients.hidden} | options
    return View(len(gradients), y, gradients=lambda: gradients, **options)


def ask(strategy, view, budget, seed=0):
    rng = np.random.RandomState(seed)
    strategy = clone(strategy)
    strategy.start(view.n_samples, rng)
    return strategy.select(view, budget, rng)


@pytest.mark.parametrize("strategy", STRATEGIES, ids=str)
@pytest.mark.parametrize("budget", [1, 5, 13, 40])
@pytest.mark.parametrize("kind", ["random", "equal rows", "no gradient", "rare class"])
def test_every_strategy_selects_exactly_the_budget(strategy, budget, kind):
    gradients, y = make_gradients()
    if kind == "equal rows":
        gradients, y = gradients.take(np.repeat([0, 1], 20)), np.repeat([0, 1], 20)
    elif kind == "no gradient":
        # as sure as can be: residuals of zero
        logits = np.where(np.eye(3)[y] == 1, 0.0, -800.0)
        gradients = LastLayerGradients(np.zeros((40, 3)), gradients.hidden, logits)
    elif kind == "rare class":
        y = np.r_[2, np.zeros(20, int), np.ones(19, int)]
        residual = softmax(gradients.logits, axis=1) - np.eye(3)[y]
        gradients = LastLayerGradients(residual, gradients.hidden, gradients.logits)
    selection = ask(strategy, make_view(gradients, y), budget)
    assert selection.rows.dtype == np.int64
    assert len(np.unique(selection.rows)) == len(selection.rows) == budget
    assert selection.rows.min() >= 0 and selection.rows.max() < 40
    assert (selection.weights > 0).all()
    assert selection.weights.mean() == pytest.approx(1)
    assert np.isfinite(selection.gains).all() and len(selection.gains) == budget
    again = ask(strategy, make_view(gradients, y), budget)
    np.testing.assert_array_equal(again.rows, selection.rows)
    np.testing.assert_array_equal(again.weights, selection.weights)


@pytest.mark.parametrize("strategy", STRATEGIES, ids=str)
def test_targets_without_classes_are_one_group(strategy):
    gradients, _ = make_gradients()
    assert len(np.unique(ask(strategy, make_view(gradients, None), 9).rows)) == 9


def test_quotas_hold_in_every_head():
    gradients, _ = make_gradients()
    y = np.repeat([0, 1], [30, 10])
    for strategy in (CRAIGStrategy(), GradMatchStrategy(), WarmUpStrategy(stratify="proportional")):
        rows = ask(strategy, make_view(gradients, y), 12).rows
        assert np.bincount(y[rows]).tolist() == [9, 3]
    rows = ask(GradMatchStrategy(), make_view(gradients, y), 12).rows
    assert np.bincount(y[rows[:4]]).tolist() == [3, 1]


# CRAIG ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["last_layer", "bias"])
@pytest.mark.parametrize("seed", range(5))
def test_craig_equals_dense_greedy(kind, seed):
    gradients, y = make_gradients(seed=seed)
    strategy = CRAIGStrategy(gradient=kind, stratify=None)
    rows, weights, gains = ask(strategy, make_view(gradients, y), 8)
    G = explicit(gradients.bias_only() if kind == "bias" else gradients)
    D = np.linalg.norm(G[:, None] - G, axis=2)
    objective = lambda S: (D.max() - D[S].min(axis=0)).sum() if S else 0.0  # noqa: E731
    chosen = []
    for row, gain in zip(rows, gains):
        values = [-np.inf if i in chosen else objective([*chosen, i]) for i in range(40)]
        assert objective([*chosen, row]) == pytest.approx(max(values), rel=1e-5)
        assert gain == pytest.approx(max(values) - objective(chosen), rel=1e-3)
        chosen.append(row)
    nearest = np.array(chosen)[D[chosen].argmin(axis=0)]
    clusters = [(nearest == i).sum() for i in chosen]
    np.testing.assert_allclose(weights, np.array(clusters) * 8 / 40)
    # what the weights are for: the error of the gradient is bounded by the objective
    error = np.linalg.norm(weights * 5 @ G[chosen] - G.sum(0))
    assert error <= D[chosen].min(axis=0).sum()


def test_craig_keeps_to_classes():
    gradients, y = make_gradients()
    rows, weights, gains = ask(CRAIGStrategy(), make_view(gradients, y), 10)
    assert (np.diff(gains) <= 0).all()
    for c in range(3):
        total = weights[y[rows] == c].sum() * 40 / 10
        assert total == pytest.approx((y == c).sum())


def test_craig_with_references_is_near_the_whole():
    gradients, y = make_gradients(n=600, n_classes=2)
    G = explicit(gradients)

    def cost(strategy):
        rows, weights, _ = ask(strategy, make_view(gradients, y), 20)
        assert weights.sum() == pytest.approx(20)  # counted over all rows
        return sum(
            np.linalg.norm(G[y == c][:, None] - G[rows[y[rows] == c]], axis=2).min(1).sum()
            for c in range(2)
        )

    whole = cost(CRAIGStrategy())
    assert cost(CRAIGStrategy(max_reference=100)) < 1.1 * whole
    assert cost(CRAIGStrategy(memory_limit=4 * 320 * 100)) < 1.1 * whole
    with pytest.raises(ValueError, match=r"memory_limit must be at least \d+ bytes .*got 1000"):
        cost(CRAIGStrategy(memory_limit=1000))


# GLISTER ----------------------------------------------------------------------------------------


def log_likelihood(gradients, y, shift):
    """Mean log-likelihood with `shift` (C, H + 1) added to the last layer, in torch."""
    hidden = np.hstack([gradients.hidden, np.ones((len(y), 1))])
    logits = torch.from_numpy(gradients.logits) + torch.from_numpy(hidden) @ shift.T
    return -torch.nn.functional.cross_entropy(logits, torch.from_numpy(y))


@pytest.mark.parametrize("seed", range(3))
def test_glister_equals_autograd(seed):
    gradients, y = make_gradients(seed=seed)
    G, eta, budget = explicit(gradients), 5.0, 8
    strategy = GLISTERStrategy(eta=eta, n_rounds=budget, validation_fraction=None, stratify=None)
    rows, _, gains = ask(strategy, make_view(gradients, y), budget)
    chosen = []
    for row, gain in zip(rows, gains):
        step = -eta / budget * G[chosen].sum(0).reshape(gradients.shape)
        shift = torch.from_numpy(step).requires_grad_()
        (gradient,) = torch.autograd.grad(log_likelihood(gradients, y, shift), shift)
        expected = -eta / budget * G @ gradient.numpy().ravel()
        np.testing.assert_allclose(gain, expected[row])
        expected[chosen] = -np.inf
        assert row == expected.argmax()
        chosen.append(row)


def test_glister_gains_are_first_order_right():
    gradients, y = make_gradients()
    strategy = GLISTERStrategy(eta=1e-4, n_rounds=1, validation_fraction=None, stratify=None)
    rows, _, gains = ask(strategy, make_view(gradients, y), 1)
    before, after = (
        float(log_likelihood(gradients, y, torch.from_numpy(step)))
        for step in (
            np.zeros(gradients.shape),
            -1e-4 * explicit(gradients)[rows[0]].reshape(gradients.shape),
        )
    )
    assert after - before == pytest.approx(gains[0], rel=1e-2)


def test_glister_looks_at_the_validation_rows_alone_and_selects_them_last():
    gradients, y = make_gradients()
    rng = np.random.RandomState(0)
    held_out = rng.permutation(40)[:10]
    strategy = GLISTERStrategy(validation_fraction=0.25, n_rounds=1, stratify=None)
    rows, _, gains = ask(strategy, make_view(gradients, y), 40)
    assert set(rows[30:]) == set(held_out)
    G = explicit(gradients)
    expected = G @ G[held_out].mean(0) / 40
    np.testing.assert_allclose(gains, expected[rows])
    assert (np.diff(gains[:30]) <= 0).all() and (np.diff(gains[30:]) <= 0).all()


def test_glister_turns_to_what_is_missing():
    # two directions of errors; the first rows repair the larger one, re-evaluation sees that
    residual = np.repeat([[-0.6, 0.6], [0.5, -0.5]], 20, axis=0)
    logits = np.log(np.repeat([[0.4, 0.6], [0.5, 0.5]], 20, axis=0))
    hidden = np.repeat(np.eye(2), 20, axis=0)
    view = make_view(LastLayerGradients(residual, hidden, logits), np.repeat([0, 1], 20))
    options = {"eta": 40.0, "validation_fraction": None, "stratify": None}
    once = ask(GLISTERStrategy(n_rounds=1, **options), view, 10).rows
    often = ask(GLISTERStrategy(n_rounds=10, **options), view, 10).rows
    assert (once < 20).all()
    assert 3 <= (often < 20).sum() <= 7


def test_glister_needs_cross_entropy():
    gradients, y = make_gradients()
    doubled = LastLayerGradients(3 * gradients.residual, gradients.hidden, gradients.logits)
    with pytest.raises(ValueError, match="GLISTER needs gradients of cross-entropy"):
        ask(GLISTERStrategy(), make_view(doubled, y), 5)
    without = LastLayerGradients(gradients.residual, gradients.hidden)
    with pytest.raises(ValueError, match="with logits; got none"):
        ask(GLISTERStrategy(), make_view(without, y), 5)


# Grad-Match -------------------------------------------------------------------------------------


def dense_pursuit(G, n_wanted, lam):
    """Orthogonal matching pursuit on explicit gradients, all weights by scipy's nnls."""
    ridge = lam * (G**2).sum(1).mean()
    target, residual, chosen, weights = G.sum(0), G.sum(0), [], np.zeros(0)
    errors = []
    while len(chosen) < n_wanted:
        correlations = G @ residual
        correlations[chosen] = -np.inf
        assert correlations.max() > 1e-9, "the target is met: ask for fewer"
        chosen.append(int(correlations.argmax()))
        k = len(chosen)
        A = np.vstack([G[chosen].T, np.sqrt(ridge) * np.eye(k)])
        weights, norm = nnls(A, np.r_[target, np.zeros(k)])
        errors.append(norm**2)
        chosen = [i for i, w in zip(chosen, weights) if w > 0]
        weights = weights[weights > 0]
        residual = target - weights @ G[chosen]
    return chosen, weights, errors


@pytest.mark.parametrize("lam", [0.0, 0.01, 0.5])
@pytest.mark.parametrize("seed", range(6))
def test_pursuit_equals_a_dense_one(lam, seed):
    gradients, _ = make_gradients(n=60, n_classes=4, n_hidden=5, seed=seed)
    G = explicit(gradients)
    expected, expected_weights, expected_errors = dense_pursuit(G, 12, lam)
    positions, weights, errors = match(
        gradients, gradients.total(), 12, lam=lam, rng=np.random.RandomState(0)
    )
    assert positions.tolist() == expected
    np.testing.assert_allclose(weights, expected_weights, rtol=1e-6)
    np.testing.assert_allclose(errors[0], expected_errors, rtol=1e-6)
    assert (np.diff(errors[0]) < 0).all()


def test_pursuit_drops_rows_whose_weight_would_be_negative():
    drops = 0
    for seed in range(30):
        gradients, _ = make_gradients(n=60, n_classes=4, n_hidden=5, seed=seed)
        target = explicit(gradients)[:10].sum(0).reshape(gradients.shape)
        positions, weights, errors = match(
            gradients, target, 8, lam=0.0, rng=np.random.RandomState(0)
        )
        drops += len(errors[0]) > 8
        assert (np.diff(errors[0]) <= 1e-9).all()
        A = explicit(gradients)[positions].T
        best, norm = nnls(A, target.ravel())
        np.testing.assert_allclose(weights, best, rtol=1e-6)
        assert errors[0][-1] == pytest.approx(norm**2, abs=1e-9)
    assert drops > 0  # or this test shows nothing


def test_pursuit_begins_anew_when_the_target_is_met():
    gradients, _ = make_gradients(n=60, n_classes=4)
    bias = gradients.bias_only()
    target = bias.total()
    positions, weights, errors = match(bias, target, 30, lam=0.0, rng=np.random.RandomState(0))
    assert len(errors) > 3  # three directions: at most three rows a round
    assert len(np.unique(positions)) == 30
    met = weights @ explicit(bias)[positions]
    assert np.linalg.norm(met - target.ravel()) < 0.1 * np.linalg.norm(target)


def test_gradmatch_of_each_class_meets_its_gradient():
    gradients, y = make_gradients(n=300, n_hidden=3)
    view = make_view(gradients, y)
    rows, weights, _ = ask(GradMatchStrategy(lam=0.0), view, 15)
    G = explicit(gradients)
    for c in range(3):
        part = y[rows] == c
        expected, dense, _ = dense_pursuit(G[y == c], part.sum(), 0.0)
        np.testing.assert_array_equal(rows[part], np.flatnonzero(y == c)[expected])
        ratio = weights[part] / dense
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-5)


def test_gradmatch_by_batches():
    gradients, y = make_gradients(n=100)
    rows, weights, _ = ask(
        GradMatchStrategy(by="batch", batch_size=10), make_view(gradients, y), 35
    )
    batches = np.array_split(np.random.RandomState(0).permutation(100), 10)
    means = np.stack([explicit(gradients)[b].mean(0) for b in batches])
    # the target is the sum of all gradients, which the means add up to ten times over
    ridge = 0.5 * (means**2).sum(1).mean()
    chosen = [next(k for k, b in enumerate(batches) if row in b) for row in rows[::10]]
    assert [len(np.intersect1d(rows, batches[k])) for k in chosen] == [10, 10, 10, 5]
    A = np.vstack([means[chosen].T, np.sqrt(ridge) * np.eye(4)])
    best, _ = nnls(A, np.r_[10 * means.sum(0), np.zeros(4)])
    np.testing.assert_allclose(weights[::10] / weights[0], best / best[0], rtol=1e-5)
    assert chosen[0] == (means @ means.sum(0)).argmax()


# RS2, InfoBatch, MILO, warm-up ------------------------------------------------------------------


@pytest.mark.parametrize("n_samples, budget", [(12, 4), (10, 3), (10, 7), (10, 10), (11, 1)])
def test_rs2_selects_each_row_once_in_each_cycle(n_samples, budget):
    rng, strategy = np.random.RandomState(0), RS2Strategy()
    strategy.start(n_samples, rng)
    view = View(n_samples)
    stream = [strategy.select(view, budget, rng).rows for _ in range(6 * n_samples // budget)]
    assert all(len(np.unique(rows)) == budget for rows in stream)
    stream = np.concatenate(stream)
    cycles = [stream[k : k + n_samples] for k in range(0, len(stream) - n_samples, n_samples)]
    assert len(cycles) >= 5
    for cycle in cycles:
        np.testing.assert_array_equal(np.sort(cycle), np.arange(n_samples))
    assert not np.array_equal(cycles[0], cycles[1])


@pytest.mark.parametrize(
    ("subsets", "message"),
    [
        ([0, 1], r"ints of shape \(K, B\)"),
        ([[0.0, 1.0]], r"ints of shape \(K, B\)"),
        (np.empty((2, 0), dtype=int), r"ints of shape \(K, B\)"),
        ([[0, 6]], r"in \[0, 6\); got some in \[0, 6\]"),
        ([[-1, 2]], "got some in"),
        ([[0, 1], [2, 2]], "a row twice"),
    ],
)
def test_subsets_that_cannot_take_turns(subsets, message):
    with pytest.raises(ValueError, match=message):
        TurnsStrategy(subsets).start(6, np.random.RandomState(0))


def test_turns_go_round_and_begin_anew():
    rng, strategy = np.random.RandomState(0), TurnsStrategy(np.array([[5, 0], [1, 2], [3, 4]]))
    for _ in range(2):
        strategy.start(6, rng)
        found = [strategy.select(View(6), 2, rng) for _ in range(4)]
        assert [one.rows.tolist() for one in found] == [[5, 0], [1, 2], [3, 4], [5, 0]]
        assert all((one.weights == 1).all() for one in found)
    with pytest.raises(ValueError, match="budget must be 2.*got 3"):
        strategy.select(View(6), 3, rng)


def test_infobatch_is_unbiased():
    losses = np.r_[np.linspace(0.1, 0.5, 9), 1.0, 2.0, 3.0, np.nan]
    strategy, rng = InfoBatchStrategy(ratio=0.5), np.random.RandomState(0)
    strategy.start(13, rng)
    view = View(13, epoch=1, max_epochs=10, losses=losses)
    total, n_rounds = np.zeros(13), 4000
    for _ in range(n_rounds):
        rows, weights, _ = strategy.select(view, 1, rng)
        # of the nine below the mean (0.725), round(4.5) = 4 are left out
        assert len(rows) == 9
        np.testing.assert_allclose(weights[rows < 9], 9 / 5)
        np.testing.assert_array_equal(rows[rows >= 9], [9, 10, 11, 12])
        total[rows] += weights
    # the mean of 4,000 weights that are 9/5 with probability 5/9: standard deviation 0.014
    np.testing.assert_allclose(total / n_rounds, 1, atol=0.06)


def test_infobatch_trains_on_all_in_the_end_and_at_first():
    strategy, rng = InfoBatchStrategy(delta=0.8), np.random.RandomState(0)
    losses = np.arange(10.0)
    for epoch, expected in [(8, 8), (9, 10), (10, 10)]:
        view = View(10, epoch=epoch, max_epochs=10, losses=losses)
        rows, weights, _ = strategy.select(view, 1, rng)
        assert len(rows) == expected
        assert weights.sum() == pytest.approx(10)
    unseen = strategy.select(View(10, max_epochs=10, losses=np.full(10, np.nan)), 1, rng)
    np.testing.assert_array_equal(unseen.weights, np.ones(10))
    equal = strategy.select(View(10, max_epochs=10, losses=np.ones(10)), 1, rng)
    assert len(equal.rows) == 10  # none is below the mean


@pytest.mark.parametrize("ratio", [0, 0.5, 0.99])
@pytest.mark.parametrize("n_easy", [1, 2, 9])
def test_infobatch_keeps_an_easy_row_that_stands_for_all(ratio, n_easy):
    losses = np.r_[np.linspace(0.1, 0.2, n_easy), 5.0, 5.0]
    view = View(n_easy + 2, epoch=1, max_epochs=10, losses=losses)
    rows, weights, _ = ask(InfoBatchStrategy(ratio=ratio), view, 1)
    n_kept = max(1, n_easy - round(ratio * n_easy))
    assert (rows < n_easy).sum() == n_kept
    np.testing.assert_allclose(weights[rows < n_easy], n_easy / n_kept)
    assert weights.sum() == pytest.approx(n_easy + 2)


@pytest.mark.parametrize("value", [0.0, 0.1, -0.1, 1e6])
def test_infobatch_takes_no_equal_losses_for_easy(value):
    # 0.1 * 3 / 3 is above 0.1
    view = View(3, epoch=1, max_epochs=10, losses=np.full(3, value))
    rows, weights, _ = ask(InfoBatchStrategy(ratio=0.99), view, 1)
    np.testing.assert_array_equal(rows, [0, 1, 2])
    np.testing.assert_array_equal(weights, np.ones(3))


def cosine_similarity(X):
    X = X / np.linalg.norm(X, axis=1, keepdims=True)
    return X, (1 + X @ X.T) / 2


@pytest.mark.parametrize("seed", range(3))
def test_graph_cut_equals_dense_greedy_where_all_rows_are_looked_at(seed):
    X, S = cosine_similarity(np.random.default_rng(seed).normal(size=(20, 3)))
    objective = lambda rows: S[rows].sum() - 0.4 * S[np.ix_(rows, rows)].sum()  # noqa: E731
    positions, gains = graph_cut(X, 6, 0.4, 1e-9, np.random.RandomState(0))
    chosen = []
    for position, gain in zip(positions, gains):
        values = [-np.inf if i in chosen else objective([*chosen, i]) for i in range(20)]
        assert position == np.argmax(values)
        assert gain == pytest.approx(max(values) - (objective(chosen) if chosen else 0))
        chosen.append(position)


def test_graph_cut_of_few_random_rows_differs_by_seed_and_is_near():
    X, S = cosine_similarity(np.random.default_rng(0).normal(size=(300, 3)))
    objective = lambda rows: S[rows].sum() - 0.4 * S[np.ix_(rows, rows)].sum()  # noqa: E731
    sets = [graph_cut(X, 30, 0.4, 0.1, np.random.RandomState(s))[0] for s in range(3)]
    best = objective(graph_cut(X, 30, 0.4, 1e-9, np.random.RandomState(0))[0])
    assert len({tuple(np.sort(rows)) for rows in sets}) == 3
    for rows in sets:
        assert len(np.unique(rows)) == 30
        assert objective(rows) > 0.9 * best


def test_disparity_order_is_farthest_first():
    X, S = cosine_similarity(np.random.default_rng(0).normal(size=(15, 3)))
    order, gains = disparity_order(X)
    assert order[0] == S.sum(0).argmax()
    for k in range(1, 15):
        far = (1 - S[order[:k]]).min(0)
        far[order[:k]] = -1
        assert order[k] == far.argmax()
        assert gains[k] == pytest.approx(far.max(), abs=1e-12)
    assert gains[0] == gains[1]
    order, gains = disparity_order(np.ones((1, 2)))
    assert order.tolist() == [0] and gains.tolist() == [0]


def test_milo_goes_from_graph_cut_to_weighted_draws():
    rng = np.random.default_rng(0)
    # fifty rows near each other, ten far off in all directions
    features = np.vstack([[5, 0, 0] + 0.1 * rng.normal(size=(50, 3)), rng.normal(size=(10, 3))])
    strategy = MILOStrategy(features=features, kappa=0.5, stratify=None)
    state = np.random.RandomState(0)
    strategy.start(60, state)
    select = lambda epoch: strategy.select(View(60, epoch=epoch, max_epochs=10), 6, state)  # noqa: E731
    assert (select(1).rows < 50).all() and (select(5).rows < 50).all()
    hits = np.zeros(60)
    for _ in range(2000):
        hits[select(6).rows] += 1
    # importance e in [0, 1], chances 1 + e + e^2/2: the first draw alone, and so nearly all six
    e = np.zeros(60)
    order, gains = disparity_order(features / np.linalg.norm(features, axis=1, keepdims=True))
    e[order] = gains
    p = 1 + e + e**2 / 2
    assert hits.sum() == 12_000
    np.testing.assert_allclose(hits[:50].sum() / 12_000, p[:50].sum() / p.sum(), atol=0.02)
    assert hits[p.argmax()] > 1.3 * np.median(hits[:50])


def test_milo_errors_and_large_classes():
    gradients, y = make_gradients()
    with pytest.raises(ValueError, match=r"features must have shape \(N, F\) with N=40"):
        ask(MILOStrategy(features=np.zeros((3, 2))), make_view(gradients, y), 5)
    with pytest.raises(ValueError, match="features must be finite"):
        ask(MILOStrategy(features=np.full((40, 2), np.nan)), make_view(gradients, y), 5)
    view = make_view(gradients, y, epoch=5, max_epochs=5)
    assert len(np.unique(ask(MILOStrategy(max_class=4), view, 11).rows)) == 11


@pytest.mark.parametrize("score", ["grand", "el2n"])
def test_warm_up_takes_the_largest_norms(score):
    gradients, y = make_gradients()
    G = explicit(gradients) if score == "grand" else gradients.residual
    rows, _, gains = ask(WarmUpStrategy(score=score), make_view(gradients, y), 6)
    norms = np.linalg.norm(G, axis=1)
    np.testing.assert_array_equal(rows, np.argsort(-norms)[:6])
    np.testing.assert_allclose(gains, norms[rows])


@pytest.mark.parametrize(
    "strategy, message",
    [
        (CRAIGStrategy(gradient="all"), "gradient"),
        (GLISTERStrategy(eta=0.0), "eta"),
        (GradMatchStrategy(lam=-1.0), "lam"),
        (InfoBatchStrategy(ratio=1.0), "ratio"),
        (MILOStrategy(kappa=2), "kappa"),
        (WarmUpStrategy(score="loss"), "score"),
    ],
)
def test_parameters_are_checked_at_the_start(strategy, message):
    with pytest.raises(ValueError, match=message):
        strategy.start(10, np.random.RandomState(0))
