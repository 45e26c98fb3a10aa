import itertools
import pickle

import numpy as np
import pytest

from sksubsel.samplers.design import MIN_LAM, DesignIndex, _principal
from sksubsel.samplers.exchange import grow
from sksubsel.samplers.kernels import FourierFeatures
from sksubsel.samplers.quotas import allocate
from sksubsel.samplers.ridge import GrowingRidge


def problem(n=60, d=12, n_classes=3, seed=0):
    """Principal components of random features, labels, and targets that mostly agree with them."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(n, 4)).astype(np.float32)
    phi = FourierFeatures(inputs, d, 0.3, 0)(inputs)
    phi = phi @ _principal(phi, d)
    labels = rng.integers(0, n_classes, n)
    target = rng.dirichlet(np.ones(n_classes), n) * 0.5 + 0.5 * np.eye(n_classes)[labels]
    return phi, labels, target


def error(phi, outputs, target, rows, lam):
    """Mean squared error of a ridge regression fitted from scratch on some rows."""
    part = phi[rows].astype(np.float64)
    coef = np.linalg.solve(lam * np.eye(phi.shape[1]) + part.T @ part, part.T @ outputs[rows])
    return np.square(target - phi @ coef).sum() / len(phi)


def ridge(phi, labels, target, lam, candidates=slice(None)):
    phi64 = phi.astype(np.float64)
    spectrum, cross = np.square(phi64).mean(0), phi64.T @ target / len(phi)
    return GrowingRidge(phi[candidates], labels[candidates], spectrum, cross, lam)


@pytest.mark.parametrize("shape", [(200, 30), (30, 200)])
def test_principal_components(shape):
    rng = np.random.default_rng(0)
    phi = rng.normal(size=shape).astype(np.float32) * np.linspace(1, 2, shape[1], dtype=np.float32)
    basis = _principal(phi, 10)
    assert basis.shape == (shape[1], 10)
    np.testing.assert_allclose(basis.T @ basis, np.eye(10), atol=1e-5)
    singular = np.linalg.svd(phi, compute_uv=False)[:10]
    np.testing.assert_allclose(np.linalg.norm(phi @ basis, axis=0), singular, rtol=1e-4)
    gram = (phi @ basis).T @ (phi @ basis)  # K is diagonal
    np.testing.assert_allclose(gram - np.diag(gram.diagonal()), 0, atol=1e-4 * gram.max())
    # no more than there are, and none of rank zero
    assert _principal(phi[:7], 100).shape[1] == 7
    assert _principal(np.repeat(phi[:1], 5, axis=0), 3).shape[1] == 1


@pytest.mark.parametrize("lam", [0.1, 1.0])
@pytest.mark.parametrize("values", [False, True])
def test_gains_and_losses_are_those_of_refitting(lam, values):
    phi, labels, target = problem()
    outputs = np.random.default_rng(1).normal(size=(60, 3)) if values else np.eye(3)[labels]
    given = outputs if values else labels
    state = ridge(phi, given, target, lam)
    chosen = []
    steps = [
        ("add", [5]),
        ("add", [7, 9, 30]),
        ("add", [1, 2, 3, 4, 50, 51, 52]),
        ("remove", [9, 3]),
        ("add", list(range(10, 25))),
        ("remove", [5, 7, 10, 11, 12, 13]),
    ]
    for step, rows in steps:
        getattr(state, step)(phi[rows], given[rows])
        chosen = [*chosen, *rows] if step == "add" else [i for i in chosen if i not in rows]
        before = error(phi, outputs, target, chosen, lam)
        rest = np.setdiff1d(np.arange(60), chosen)
        gains = [before - error(phi, outputs, target, [*chosen, i], lam) for i in rest]
        np.testing.assert_allclose(state.gains[rest], gains, rtol=1e-4, atol=2e-5)
        losses = [
            error(phi, outputs, target, [j for j in chosen if j != i], lam) - before for i in chosen
        ]
        np.testing.assert_allclose(state.losses[chosen], losses, rtol=1e-3, atol=2e-5)
    nothing = error(phi, outputs, target, [], lam)
    assert state.explained() == pytest.approx(nothing - before, abs=1e-6)


def test_rows_of_a_round_are_chosen_one_at_a_time():
    phi, labels, target = problem()
    outputs = np.eye(3)[labels]
    state = ridge(phi, labels, target, 0.5)
    state.add(phi[:2], labels[:2])
    rows, gains = state.greedy(np.arange(2, 60), np.zeros(58, int), np.array([9]), 6)
    chosen = [0, 1]
    for row, gain in zip(rows, gains):
        before = error(phi, outputs, target, chosen, 0.5)
        rest = np.setdiff1d(np.arange(60), chosen)
        all_gains = [before - error(phi, outputs, target, [*chosen, i], 0.5) for i in rest]
        assert row == rest[np.argmax(all_gains)]
        assert gain == pytest.approx(max(all_gains), abs=2e-6)
        chosen.append(row)


def test_room_of_each_group():
    phi, labels, target = problem()
    state = ridge(phi, labels, target, 1.0)
    rows, _ = state.greedy(np.arange(60), labels, np.array([2, 0, 3]), 50)
    np.testing.assert_array_equal(np.bincount(labels[rows], minlength=3), [2, 0, 3])


@pytest.mark.parametrize("n_chosen", [4000, 20_000])
def test_long_runs_stay_exact(n_chosen):
    rng = np.random.default_rng(0)
    n = n_chosen + 1000
    inputs = rng.normal(size=(n, 3)).astype(np.float32)
    phi = FourierFeatures(inputs, 128, 0.3, 0)(inputs)
    phi = phi @ _principal(phi, 64)
    labels = (inputs[:, 0] > 0).astype(np.int64)
    target = np.stack([1 - labels, labels], axis=1) * 0.8 + 0.1
    rows = rng.permutation(n)
    chosen, rest = rows[:n_chosen], rows[n_chosen:]
    state = ridge(phi, labels, target, 1.0, rest)
    for part in np.array_split(chosen, n_chosen // 50):
        state.add(phi[part], labels[part])
    for part in np.array_split(chosen[:1000], 5):  # a sweep of exchange
        state.remove(phi[part], labels[part])
        state.add(phi[part], labels[part])
    fresh = ridge(phi, labels, target, 1.0, rest)
    for part in np.array_split(chosen, n_chosen // 1000):
        fresh.add(phi[part], labels[part])
    part = phi[chosen].astype(np.float64)
    exact = np.linalg.inv(np.eye(64) + part.T @ part)
    np.testing.assert_allclose(state.inverse, exact, atol=1e-12)
    np.testing.assert_allclose(state.coef, exact @ part.T @ np.eye(2)[labels[chosen]], atol=1e-10)
    np.testing.assert_allclose(state.gains, fresh.gains, rtol=1e-3, atol=2e-7)


def test_nan_is_no_gain():
    rng = np.random.default_rng(0)
    phi = rng.normal(size=(30, 4)).astype(np.float32)
    labels = rng.integers(2, size=30)
    damaged = ridge(phi, labels, np.full((30, 2), 0.5), 1.0)
    damaged._s[[3, 4]] = damaged._h[5] = np.nan
    with pytest.raises(FloatingPointError, match="3 of 30 rows are NaN after 0 rows"):
        grow(damaged, labels, np.ones(30, dtype=bool), np.array([3, 3]))


def test_no_sum_over_an_empty_axis(monkeypatch):
    """NumPy's einsum then reads memory that nobody has written, and gives NaN where NaN is."""
    einsum = np.einsum

    def watched(subscripts, *operands, **options):
        assert all(operand.size for operand in operands), subscripts
        return einsum(subscripts, *operands, **options)

    monkeypatch.setattr(np, "einsum", watched)
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=60)
    features = rng.normal(size=(60, 4))
    target = np.eye(2)[labels]
    index = DesignIndex(features, labels, proba=target, n_components=16, random_state=0)
    first = index.select(target, 6).rows
    index.select(target, 6, selected=first)
    state = ridge(features.astype(np.float32), labels, target, 1.0)
    state.renew()
    assert not np.isnan(state.gains).any()


@pytest.mark.parametrize("lam", [1e-3, 1.0])
def test_rounding_errors_are_renewed(lam):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 1500)
    features = rng.normal(size=(1500, 5)) + labels[:, None]
    index = DesignIndex(features, labels, n_components=64, lam=lam, random_state=0)
    index.prepare(900)
    pool = index._pool_of_all
    target = target_of(labels).astype(np.float32)
    cross = pool.phi.T.astype(np.float64) @ target / len(labels)
    state, bare = (GrowingRidge(pool.phi, labels, pool.spectrum, cross, lam) for _ in range(2))
    rows, _ = grow(state, labels, np.ones(1500, dtype=bool), np.full(3, 300))
    for part in np.array_split(rows, 20):
        bare.add(pool.phi[part], labels[part])
    exact = GrowingRidge(pool.phi, labels, pool.spectrum, cross, lam)
    exact.add(pool.phi[rows], labels[rows])
    exact.renew()
    largest = np.abs(exact.gains).max()
    np.testing.assert_allclose(state.gains, exact.gains, atol=0.06 * largest)
    assert exact.drift() < 1e-3
    if lam < 1:  # without it they are lost
        assert bare.drift() > 0.1
        assert np.abs(bare.gains - exact.gains).max() > 0.1 * largest


@pytest.fixture(scope="module")
def index():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(3, 5)) * 2
    labels = np.repeat([0, 1, 2], [150, 100, 50])
    features = centres[labels] + rng.normal(size=(300, 5))
    return DesignIndex(features, labels, n_components=64, random_state=0)


def regression(index, target):
    """Features of all rows and what is to be reproduced, as the index has them."""
    index.select(target, 1)
    pool = index._pool_of_all
    np.testing.assert_array_equal(pool.rows, np.arange(index.n_samples))
    sharp = target ** (1 / index.temperature)
    return pool.phi, sharp / sharp.sum(1, keepdims=True)


def target_of(labels, seed=1):
    rng = np.random.default_rng(seed)
    n_classes = labels.max() + 1
    return 0.2 * rng.dirichlet(np.ones(n_classes), len(labels)) + 0.8 * np.eye(n_classes)[labels]


@pytest.mark.parametrize("budget", [1, 3, 7, 30, 128, 299, 300])
@pytest.mark.parametrize("stratify", ["proportional", "equal", None])
def test_exact_budget_and_quotas(index, budget, stratify):
    design = index.select(target_of(index.labels), budget, stratify=stratify)
    assert design.rows.dtype == np.int64
    assert len(np.unique(design.rows)) == len(design.rows) == budget
    counts = np.bincount(index.labels[design.rows], minlength=3)
    if stratify == "proportional" and budget % 6 == 0:
        np.testing.assert_array_equal(counts, np.array([3, 2, 1]) * budget // 6)
    if stratify == "equal" and budget % 3 == 0 and budget <= 150:
        np.testing.assert_array_equal(counts, [budget // 3] * 3)
    # gains say how the error falls, to the last row
    assert np.allclose(-np.diff(design.errors), design.gains[1:])


def test_errors_are_those_of_a_fresh_regression(index):
    target = target_of(index.labels)
    design = index.select(target, 90)
    phi, sharp = regression(index, target)
    outputs = np.eye(3)[index.labels]
    for n in (1, 10, 90):
        fresh = error(phi, outputs, sharp, design.rows[:n], index.lam)
        assert design.errors[n - 1] == pytest.approx(fresh, rel=1e-3)
    random = np.random.default_rng(0).permutation(300)[:90]
    assert design.errors[-1] < 0.8 * error(phi, outputs, sharp, random, index.lam)


@pytest.mark.parametrize("budget", [12, 90])
def test_exchange_improves_on_greedy(budget):
    errors = []
    for n_sweeps in (0, 2, 8):
        rng = np.random.default_rng(1)
        labels = rng.integers(0, 3, 400)
        features = rng.normal(size=(400, 5)) + labels[:, None]
        index = DesignIndex(features, labels, n_components=64, n_sweeps=n_sweeps, random_state=0)
        design = index.select(target_of(labels), budget)
        quotas = np.bincount(labels[design.rows])
        np.testing.assert_array_equal(quotas, allocate(np.bincount(labels), budget))
        errors.append(design.errors[-1])
    assert errors[1] < 0.99 * errors[0]
    assert errors[2] <= errors[1] * (1 + 1e-6)


def test_target_of_zeros(index):
    design = index.select(np.zeros((300, 3)), 30)
    assert len(np.unique(design.rows)) == 30
    assert np.isfinite(design.errors).all()


def test_more_rows_than_components():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 200)
    index = DesignIndex(rng.normal(size=(200, 3)), labels, n_components=8, random_state=0)
    target = target_of(labels)
    design = index.select(target, 100)
    phi, sharp = regression(index, target)
    assert phi.shape == (200, 8)
    fresh = error(phi, np.eye(3)[labels], sharp, design.rows, index.lam)
    assert design.errors[-1] == pytest.approx(fresh, rel=1e-3)


def test_equal_rows_are_chosen_each_once():
    features = np.repeat(np.eye(4), 10, axis=0)  # each row ten times
    labels = np.repeat([0, 0, 1, 1], 10)
    index = DesignIndex(features, labels, n_components=8, random_state=0)
    rows = index.select(target_of(labels), 8).rows
    np.testing.assert_array_equal(np.bincount(rows // 10, minlength=4), [2, 2, 2, 2])


def test_temperature_one_leaves_the_target_as_it_is(index):
    target = target_of(index.labels)
    sharp = target**2 / (target**2).sum(1, keepdims=True)
    plain = DesignIndex(
        index.inputs, index.labels, n_components=64, temperature=1.0, random_state=3
    )
    half = DesignIndex(index.inputs, index.labels, n_components=64, random_state=3)
    np.testing.assert_array_equal(plain.select(sharp, 40).rows, half.select(target, 40).rows)


def test_near_the_best_subset_of_all():
    ratios = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        labels = np.repeat([0, 1], 6)
        features = rng.normal(size=(12, 3)) + labels[:, None]
        target = target_of(labels, seed)
        index = DesignIndex(features, labels, n_components=16, lam=0.5, random_state=seed)
        design = index.select(target, 4, stratify=None)
        (phi, sharp), outputs = regression(index, target), np.eye(2)[labels]
        errors = [
            error(phi, outputs, sharp, list(rows), 0.5)
            for rows in itertools.combinations(range(12), 4)
        ]
        nothing = error(phi, outputs, sharp, [], 0.5)
        ratios.append((nothing - design.errors[-1]) / (nothing - min(errors)))
    assert max(ratios) < 1 + 1e-6
    assert min(ratios) > 0.85
    assert np.mean(ratios) > 0.95


def test_wrong_labels_are_refused():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 200)
    features = rng.normal(size=(400, 3)) + 3 * labels[:, None]
    wrong = rng.permutation(400)[:80]
    given = labels.copy()
    given[wrong] = 1 - given[wrong]
    index = DesignIndex(features, given, n_components=128, random_state=0)
    rows = index.select(target_of(labels), 60).rows
    assert np.isin(rows, wrong).mean() < 0.05  # a fifth by chance


def test_quotas_given_in_place_of_those_of_the_classes(index):
    target = target_of(index.labels)
    for stratify in ("proportional", "equal"):
        rows = index.select(target, 12, stratify=stratify, quotas=[9, 0, 3]).rows
        np.testing.assert_array_equal(np.bincount(index.labels[rows]), [9, 0, 3])
    with pytest.raises(ValueError, match="with sum 13"):
        index.select(target, 13, quotas=[9, 0, 3])


def test_candidates_and_rows_selected_before(index):
    target = target_of(index.labels)
    allowed = np.arange(0, 300, 2)
    design = index.select(target, 40, candidates=allowed)
    assert np.isin(design.rows, allowed).all()
    first = index.select(target, 20).rows
    rest = index.select(target, 20, selected=first)
    assert not np.isin(rest.rows, first).any()
    # the regression knows the rows selected before
    (phi, sharp), outputs = regression(index, target), np.eye(3)[index.labels]
    both = np.concatenate([first, rest.rows])
    assert rest.errors[-1] == pytest.approx(error(phi, outputs, sharp, both, 1.0), rel=1e-3)


@pytest.mark.parametrize("n_sweeps", [0, 4])
def test_a_small_part_as_candidates_is_refitted_exactly(n_sweeps):
    """Of other rows no gains are computed, but the errors are still those on all."""
    rng = np.random.default_rng(1)
    features, labels = rng.normal(size=(120, 5)), rng.integers(0, 3, 120)
    target = rng.dirichlet(np.ones(3), 120)
    index = DesignIndex(features, labels, n_components=20, temperature=1, n_sweeps=n_sweeps,
                        random_state=0)  # fmt: skip
    part = np.arange(7, 120, 4)
    design = index.select(target, 9, candidates=part, selected=[0, 1])
    assert np.isin(design.rows, part).all()
    assert len(np.unique(design.rows)) == 9
    pool = index._pool_of_all
    for n in (1, 9):
        rows = np.r_[0, 1, design.rows[:n]]
        wanted = error(pool.phi, np.eye(3)[labels], target, rows, index.lam)
        assert design.errors[n - 1] == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_equal_classes_ask_for_a_balanced_network(temperature):
    """As from the probabilities of a network that knew classes of one frequency."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [90, 25, 5])
    features = rng.normal(size=(120, 4)) + labels[:, None]
    settings = {"n_components": 30, "temperature": temperature, "random_state": 0}
    index = DesignIndex(features, labels, **settings)
    target = rng.dirichlet(np.ones(3), 120)
    balanced = target / np.array([90, 25, 5])
    balanced /= balanced.sum(axis=1, keepdims=True)
    found = index.select(target, 12, stratify="equal")
    np.testing.assert_array_equal(np.bincount(labels[found.rows]), [4, 4, 4])
    before = {}  # the error with nothing chosen says what was asked for
    for name, given, stratify in (
        ("equal", target, "equal"), ("balanced", balanced, None), ("as given", target, None)
    ):  # fmt: skip
        design = index.select(given, 12, stratify=stratify)
        before[name] = design.errors[0] + design.gains[0]
    assert before["equal"] == pytest.approx(before["balanced"], rel=1e-5)
    assert before["equal"] != pytest.approx(before["as given"], rel=1e-2)


@pytest.mark.parametrize("counts", [(60, 0, 20, 0), (40, 0, 40, 0), (40, 40, 0, 0)])
def test_equal_classes_of_which_one_has_no_rows(counts):
    """Nothing is asked for it, whatever is said of it."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), counts)
    features = rng.normal(size=(80, 4)) + labels[:, None]
    index = DesignIndex(features, labels, n_components=30, temperature=1.0, random_state=0)
    target = rng.dirichlet(np.ones(4), 80)
    balanced = target * np.divide(1, counts, where=np.array(counts) > 0, out=np.zeros(4))
    balanced /= balanced.sum(axis=1, keepdims=True)
    asked = [index.select(target, 8, stratify="equal"), index.select(balanced, 8, stratify=None)]
    errors = [design.errors[0] + design.gains[0] for design in asked]
    assert errors[0] == pytest.approx(errors[1], rel=1e-5)


def test_many_equal_classes():
    """Shares of classes are taken out before these are cut into blocks."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(150), rng.integers(2, 9, 150))
    counts = np.bincount(labels)
    index = DesignIndex(rng.normal(size=(len(labels), 6)), labels, n_components=32, random_state=0)
    target = rng.dirichlet(np.full(150, 0.1), len(labels)).astype(np.float32)
    balanced = target / counts
    balanced /= balanced.sum(axis=1, keepdims=True)
    wanted = index.select(balanced.astype(np.float32), 300, stratify=None)
    found = index.select(target, 300, stratify="equal")
    assert np.bincount(labels[found.rows], minlength=150).max() <= 3
    for inside in (np.arange(150) < 75, np.arange(150) >= 75):  # what is asked of each block
        before = [
            (design.errors + design.gains)[inside[labels[design.rows]]][0]
            for design in (found, wanted)
        ]
        assert before[0] == pytest.approx(before[1], rel=1e-4)


@pytest.mark.parametrize("n_parts", [1, 3, 5, 40])
def test_parts_are_alike(n_parts):
    labels = np.repeat([0, 1, 2], [50, 31, 4])
    index = DesignIndex(np.random.default_rng(0).normal(size=(85, 3)), labels, random_state=0)
    parts = [index.part(place, n_parts) for place in range(n_parts)]
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(85))
    assert np.ptp([len(part) for part in parts]) <= 1
    counts = np.array([np.bincount(labels[part], minlength=3) for part in parts])
    assert (np.ptp(counts, axis=0) <= 1).all()


def test_a_large_class_is_drawn_from():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [400, 150, 50])
    features = rng.normal(size=(600, 4)) + labels[:, None]
    index = DesignIndex(features, labels, n_components=32, max_rows=120, random_state=0)
    rows = index.select(target_of(labels), 30).rows
    pool = index._pool_of_all.rows
    np.testing.assert_array_equal(np.bincount(labels[pool]), [80, 30, 10])
    assert np.isin(rows, pool).all()
    assert len(index.select(target_of(labels), 400).rows) == 400  # more than the pool has
    np.testing.assert_array_equal(index.select(target_of(labels), 30).rows, rows)
    assert len(index._pool_of_all.rows) == 120


def test_many_classes_in_blocks():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(300), 4)
    features = rng.normal(size=(300, 8))[labels] + 0.1 * rng.normal(size=(1200, 8))
    index = DesignIndex(features, labels, n_components=64, random_state=0)
    design = index.select(np.eye(300, dtype=np.float32)[labels], 300)
    np.testing.assert_array_equal(np.bincount(labels[design.rows]), np.ones(300))


@pytest.fixture(scope="module")
def many():
    """200 classes, which make two blocks."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(200), 6)
    features = rng.normal(size=(200, 8))[labels] + 0.3 * rng.normal(size=(1200, 8))
    target = np.eye(200, dtype=np.float32)[labels]
    return DesignIndex(features, labels, n_components=64, random_state=0), target


def test_heads_of_the_order_have_their_share_of_each_block(many):
    index, target = many
    for stratify in ("proportional", None):
        design = index.select(target, 400, stratify=stratify)
        assert len(np.unique(design.rows)) == 400
        for n in (20, 60, 200):
            assert abs(np.mean(index.labels[design.rows[:n]] < 100) - 0.5) <= 0.05


def test_no_quotas_of_classes_within_blocks(many):
    index, target = many
    free = index.select(target, 400, stratify=None)
    counts = np.bincount(index.labels[free.rows], minlength=200)
    assert len(np.unique(counts)) > 1  # by gain, not two of each
    quotas = index.select(target, 400)
    np.testing.assert_array_equal(np.bincount(index.labels[quotas.rows]), np.full(200, 2))


def test_strata_across_blocks_are_refused(many):
    index, _ = many
    with pytest.raises(ValueError, match="stratum 0 holds several"):
        DesignIndex(index.inputs, index.labels, np.arange(1200) % 4, n_components=8)


def test_a_tiny_class_leaves_the_pool_small():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [3000, 1998, 2])
    features = rng.normal(size=(5000, 3)) + labels[:, None]
    index = DesignIndex(features, labels, n_components=16, max_rows=500, random_state=0)
    target = target_of(labels)
    assert (np.bincount(labels[index.select(target, 20, stratify="equal").rows]) > 0).all()
    pool = index._pool_of_all
    assert len(pool.rows) <= 503
    index.select(target[::-1], 20, stratify="equal")
    assert index._pool_of_all is pool  # not made again
    few = np.arange(0, 3000, 100)
    quotas = np.array([20, 0, 0])
    allowed = np.zeros(5000, dtype=bool)
    allowed[few] = True
    assert len(index._pool(slice(None), quotas, allowed).rows) <= 503 + len(few)
    assert np.isin(index.select(target, 20, candidates=few).rows, few).all()


def test_rows_as_lists_masks_and_with_repetition(index):
    target = target_of(index.labels)
    plain = index.select(target, 20).rows
    np.testing.assert_array_equal(index.select(target, 20, selected=[]).rows, plain)
    first = plain[:10]
    rest = index.select(target, 10, selected=first).rows
    mask = np.isin(np.arange(300), first)
    for selected in (mask, np.repeat(first, 2), list(first)):
        np.testing.assert_array_equal(index.select(target, 10, selected=selected).rows, rest)
    np.testing.assert_array_equal(index.select(target, 10, candidates=~mask).rows.size, 10)
    with pytest.raises(ValueError, match="number of candidates"):
        index.select(target, 1, candidates=[])
    for rows in ([300], [-1], [0.5], [[1]], np.ones(5, dtype=bool)):
        with pytest.raises(ValueError, match="selected must be"):
            index.select(target, 1, selected=rows)


def test_the_least_lam_is_still_exact():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 400)
    features = rng.normal(size=(400, 5)) + labels[:, None]
    index = DesignIndex(features, labels, n_components=64, lam=MIN_LAM, random_state=0)
    target = target_of(labels)
    design = index.select(target, 200)
    phi, sharp = regression(index, target)
    fresh = error(phi, np.eye(3)[labels], sharp, design.rows, MIN_LAM)
    assert design.errors[-1] == pytest.approx(fresh, rel=5e-3)


def test_target_by_rows(index):
    target = target_of(index.labels)
    asked = []

    def by_rows(rows):
        asked.append(rows)
        return target[rows]

    rows = index.select(by_rows, 40).rows
    np.testing.assert_array_equal(rows, index.select(target, 40).rows)
    assert len(asked) == 1
    with pytest.raises(ValueError, match="target must have shape"):
        index.select(lambda rows: target[rows][:, :2], 5)


def test_values():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(200, 3))
    values = np.sin(features[:, 0])
    index = DesignIndex(features, values, n_components=128, lam=0.1, random_state=0)
    design = index.select(values, 25)
    phi = index._pool_of_all.phi
    random = [rng.permutation(200)[:25] for _ in range(20)]
    column = values[:, None].astype(np.float32)
    chance = np.mean([error(phi, column, column, rows, 0.1) for rows in random])
    assert design.errors[-1] < 0.5 * chance


def test_degenerate_data():
    labels = np.array([0] * 10 + [1])  # a class of one
    constant = DesignIndex(np.ones((11, 2)), labels, n_components=8, random_state=0)
    assert len(np.unique(constant.select(target_of(labels), 11).rows)) == 11
    assert 10 in constant.select(target_of(labels), 4, stratify="equal").rows
    one = DesignIndex(np.ones((1, 1)), [0], n_components=2).select([[1.0]], 1)
    np.testing.assert_array_equal(one.rows, [0])


def test_same_seed_same_rows_and_pickle(index):
    target = target_of(index.labels)
    rows = index.select(target, 50).rows
    again = DesignIndex(np.array(index.inputs), index.labels, n_components=64, random_state=3)
    same = DesignIndex(np.array(index.inputs), index.labels, n_components=64, random_state=3)
    np.testing.assert_array_equal(again.select(target, 50).rows, same.select(target, 50).rows)
    copy = pickle.loads(pickle.dumps(index))
    np.testing.assert_array_equal(copy.select(target, 50).rows, rows)
    np.testing.assert_array_equal(index.select(target, 50).rows, rows)  # no trace of the first


def test_errors_name_the_parameter(index):
    features, labels = index.inputs, index.labels
    for kwargs, match in [
        ({"lam": 0}, "lam must be"),
        ({"lam": 1e-6}, "lam must be"),
        ({"block_weight": -1.0}, "block_weight must be"),
        ({"block_weight": np.nan}, "block_weight must be"),
        ({"strata": np.full(300, -1)}, "strata must be int"),
        ({"strata": np.zeros(300)}, "strata must be int"),
        ({"bandwidth": -1}, "bandwidth must be"),
        ({"n_components": 0}, "n_components must be"),
        ({"max_rows": 0}, "max_rows must be"),
        ({"temperature": 0.0}, "temperature must be"),
        ({"n_sweeps": -1}, "n_sweeps must be"),
        ({"proba": np.ones((2, 3))}, "proba must have shape"),
        ({"strata": [0, 1]}, "strata must have shape"),
    ]:
        with pytest.raises(ValueError, match=match):
            DesignIndex(features, labels, **kwargs)
    with pytest.raises(ValueError, match="features must be finite"):
        DesignIndex(np.full((3, 2), np.nan), [0, 1, 1])
    with pytest.raises(ValueError, match="labels must"):
        DesignIndex(features, labels[:5])
    with pytest.raises(ValueError, match="labels must be classes"):
        DesignIndex(features, labels - 1)
    target = target_of(labels)
    with pytest.raises(ValueError, match="target must have shape"):
        index.select(target[:, :2], 5)
    with pytest.raises(ValueError, match="target must be finite"):
        index.select(np.full_like(target, np.inf), 5)
    for budget in (0, 301, 2.5):
        with pytest.raises(ValueError, match=r"budget must be an int in \[1, 300\]"):
            index.select(target, budget)


def test_fourier_features_are_near_the_kernel():
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(50, 3)).astype(np.float32)
    fourier = FourierFeatures(inputs, 20_000, 0.5, 0)
    phi = fourier(inputs)
    assert phi.dtype == np.float32
    assert phi.shape == (50, fourier.n_components) == (50, 20_000)
    squared = np.square(inputs[:, None] - inputs).sum(-1)
    width = 0.5 * np.median(squared[np.triu_indices(50, 1)])
    np.testing.assert_allclose(phi @ phi.T, np.exp(-squared / (2 * width)), atol=0.04)
    np.testing.assert_allclose((phi**2).sum(1), 1, rtol=1e-5)
    assert FourierFeatures(inputs, 5, 1.0, 0).n_components == 6
    equal = np.ones((4, 2), np.float32)
    assert np.isfinite(FourierFeatures(equal, 4, 1.0, 0)(equal)).all()
