import itertools
import pickle

import numpy as np
import pytest

from sksubsel.samplers.design import DesignIndex
from sksubsel.samplers.kernels import FourierFeatures
from sksubsel.samplers.ridge import GrowingRidge


def problem(n=60, d=12, n_classes=3, seed=0):
    rng = np.random.default_rng(seed)
    phi = FourierFeatures(rng.normal(size=(n, 4)).astype(np.float32), d, 0.3, 0)(
        rng.normal(size=(n, 4)).astype(np.float32)
    )
    labels = rng.integers(0, n_classes, n)
    target = rng.dirichlet(np.ones(n_classes), n) * 0.5 + 0.5 * np.eye(n_classes)[labels]
    return phi, labels, target


def error(phi, outputs, target, rows, lam):
    """Mean squared error of a ridge regression fitted from scratch on some rows."""
    part = phi[rows].astype(np.float64)
    coef = np.linalg.solve(lam * np.eye(phi.shape[1]) + part.T @ part, part.T @ outputs[rows])
    return np.square(target - phi @ coef).sum() / len(phi)


def ridge(phi, labels, target, lam):
    phi64 = phi.astype(np.float64)
    gram, cross = phi64.T @ phi64 / len(phi), phi64.T @ target / len(phi)
    return GrowingRidge(phi, labels, gram, cross, lam)


@pytest.mark.parametrize("lam", [0.1, 1.0])
@pytest.mark.parametrize("values", [False, True])
def test_gains_are_those_of_refitting(lam, values):
    phi, labels, target = problem()
    outputs = np.random.default_rng(1).normal(size=(60, 3)) if values else np.eye(3)[labels]
    state = ridge(phi, outputs if values else labels, target, lam)
    chosen = []
    for more in ([5], [7, 9, 30], [1, 2, 3, 4, 50, 51, 52], list(range(10, 25))):
        before = error(phi, outputs, target, chosen, lam)
        expected = [before - error(phi, outputs, target, [*chosen, i], lam) for i in range(60)]
        rest = np.setdiff1d(np.arange(60), chosen)
        np.testing.assert_allclose(
            state.gains[rest], np.array(expected)[rest], rtol=1e-4, atol=2e-6
        )
        state.add(phi[more], (outputs if values else labels)[more])
        chosen += more
    nothing = error(phi, outputs, target, [], lam)
    last = error(phi, outputs, target, chosen, lam)
    assert state.explained() == pytest.approx(nothing - last, abs=1e-9)


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


def test_long_runs_stay_exact():
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(5000, 3)).astype(np.float32)
    phi = FourierFeatures(inputs, 64, 0.3, 0)(inputs)
    labels = (inputs[:, 0] > 0).astype(np.int64)
    target = np.stack([1 - labels, labels], axis=1) * 0.8 + 0.1
    state = ridge(phi, labels, target, 1.0)
    rows = rng.permutation(5000)
    chosen, rest = rows[:4000], rows[4000:]
    for part in np.array_split(chosen, 80):
        state.add(phi[part], labels[part])
    fresh = ridge(phi, labels, target, 1.0)
    fresh.add(phi[chosen], labels[chosen])  # all at once
    part = phi[chosen].astype(np.float64)
    exact = np.linalg.inv(np.eye(64) + part.T @ part)
    np.testing.assert_allclose(state.inverse, exact, atol=1e-12)
    np.testing.assert_allclose(state.coef, exact @ part.T @ np.eye(2)[labels[chosen]], atol=1e-10)
    np.testing.assert_allclose(state.gains[rest], fresh.gains[rest], rtol=1e-3, atol=1e-8)


@pytest.fixture(scope="module")
def index():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(3, 5)) * 2
    labels = np.repeat([0, 1, 2], [150, 100, 50])
    features = centres[labels] + rng.normal(size=(300, 5))
    return DesignIndex(features, labels, n_components=64, random_state=0)


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
    phi = index.fourier(index.inputs)
    outputs = np.eye(3)[index.labels]
    for n in (1, 10, 90):
        fresh = error(phi, outputs, target, design.rows[:n], index.lam)
        assert design.errors[n - 1] == pytest.approx(fresh, rel=1e-4)
    random = np.random.default_rng(0).permutation(300)[:90]
    assert design.errors[-1] < 0.8 * error(phi, outputs, target, random, index.lam)


def test_near_the_best_subset_of_all():
    ratios = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        labels = np.repeat([0, 1], 6)
        features = rng.normal(size=(12, 3)) + labels[:, None]
        target = target_of(labels, seed)
        index = DesignIndex(features, labels, n_components=16, lam=0.5, random_state=seed)
        phi, outputs = index.fourier(index.inputs), np.eye(2)[labels]
        design = index.select(target, 4, stratify=None)
        errors = [
            error(phi, outputs, target, list(rows), 0.5)
            for rows in itertools.combinations(range(12), 4)
        ]
        nothing = error(phi, outputs, target, [], 0.5)
        ratios.append((nothing - design.errors[-1]) / (nothing - min(errors)))
    assert max(ratios) < 1 + 1e-6
    assert min(ratios) > 0.75
    assert np.mean(ratios) > 0.9


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


def test_candidates_and_rows_selected_before(index):
    target = target_of(index.labels)
    allowed = np.arange(0, 300, 2)
    design = index.select(target, 40, candidates=allowed)
    assert np.isin(design.rows, allowed).all()
    first = index.select(target, 20).rows
    rest = index.select(target, 20, selected=first)
    assert not np.isin(rest.rows, first).any()
    # the regression knows the rows selected before
    phi, outputs = index.fourier(index.inputs), np.eye(3)[index.labels]
    both = np.concatenate([first, rest.rows])
    assert rest.errors[-1] == pytest.approx(error(phi, outputs, target, both, 1.0), rel=1e-4)


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
    assert len(index._pool_of_all.rows) == 120


def test_many_classes_in_blocks():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(300), 4)
    features = rng.normal(size=(300, 8))[labels] + 0.1 * rng.normal(size=(1200, 8))
    index = DesignIndex(features, labels, n_components=64, random_state=0)
    design = index.select(np.eye(300, dtype=np.float32)[labels], 300)
    np.testing.assert_array_equal(np.bincount(labels[design.rows]), np.ones(300))


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
    phi = index.fourier(index.inputs)
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
        ({"bandwidth": -1}, "bandwidth must be"),
        ({"n_components": 0}, "n_components must be"),
        ({"max_rows": 0}, "max_rows must be"),
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
