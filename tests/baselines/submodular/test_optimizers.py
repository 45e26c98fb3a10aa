import numpy as np
import pytest
from sklearn.metrics.pairwise import rbf_kernel

from sksubsel.baselines.submodular import FacilityLocation, GraphCut, LogDeterminant, optimizers
from sksubsel.samplers import facility
from sksubsel.samplers.facility import FacilityLocationObjective, lazy


def kernel(seed=0, n=200):
    X = np.random.default_rng(seed).normal(size=(n, 3))
    return rbf_kernel(X, gamma=0.5).astype(np.float32)


class Counting(FacilityLocationObjective):
    """Remembers which candidates were evaluated."""

    def __init__(self, kernel, weights):
        super().__init__(kernel, weights)
        self.asked = []

    def gains(self, candidates):
        self.asked.append(np.array(candidates))
        return super().gains(candidates)


def test_gains_do_not_depend_on_the_rows_asked_for_together():
    objective = FacilityLocationObjective(kernel(), np.random.default_rng(0).random(200))
    objective.add(3)
    together = objective.gains(np.arange(200))
    for step in (1, 3, 70):
        parts = [objective.gains(np.arange(i, min(i + step, 200))) for i in range(0, 200, step)]
        np.testing.assert_array_equal(np.concatenate(parts), together)


@pytest.mark.parametrize("n_leaders", [1, 4, 50])
@pytest.mark.parametrize("levels", [None, 2])
def test_few_leaders_change_nothing(monkeypatch, n_leaders, levels):
    K = kernel()
    if levels:
        K = np.round(K * levels) / levels  # many equal gains, and zeros at the end
    allowed = np.random.default_rng(0).random(200) < 0.8
    n_wanted = int(allowed.sum())
    expected = optimizers.naive(FacilityLocationObjective(K, np.ones(200)), n_wanted, allowed)
    monkeypatch.setattr(facility, "_N_LEADERS", n_leaders)
    positions, gains = lazy(FacilityLocationObjective(K, np.ones(200)), n_wanted, allowed)
    np.testing.assert_array_equal(positions, expected[0])
    np.testing.assert_array_equal(gains, expected[1])
    assert allowed[positions].all()


def test_lazy_evaluates_few_rows():
    objective = Counting(kernel(n=1000), np.ones(1000))
    lazy(objective, 100, np.ones(1000, dtype=bool))
    assert sum(map(len, objective.asked)) < 0.2 * 100 * 1000


def test_lazy_stops_at_small_gains():
    K = kernel()
    positions, gains = lazy(FacilityLocationObjective(K, np.ones(200)), 50, np.ones(200, bool))
    at_least = gains[20]
    part, _ = lazy(FacilityLocationObjective(K, np.ones(200)), 50, np.ones(200, bool), at_least)
    np.testing.assert_array_equal(part, positions[: (gains >= at_least).sum()])


def test_stochastic_asks_for_random_samples_of_the_stated_size():
    objective = Counting(kernel(), np.ones(200))
    rng = np.random.RandomState(0)
    positions, _ = optimizers.stochastic(objective, 20, np.ones(200, bool), 0.1, rng)
    assert len(np.unique(positions)) == 20
    for asked, chosen in zip(objective.asked, positions):
        assert len(np.unique(asked)) == 24  # 10 log(10) = 23.03
        assert chosen in asked
    assert len(np.unique(np.concatenate(objective.asked))) > 150


def test_stochastic_draws_large_samples_without_rejection():
    """To draw nearly all rows one by one takes many times as many draws as there are rows."""

    class Draws(np.random.RandomState):
        n_drawn = 0

        def randint(self, *args, size, **params):
            self.n_drawn += size
            return super().randint(*args, size=size, **params)

    objective, rng = Counting(kernel(), np.ones(200)), Draws(0)
    positions, _ = optimizers.stochastic(objective, 5, np.ones(200, bool), 0.01, rng)
    assert len(np.unique(positions)) == 5 and rng.n_drawn == 0
    for asked in objective.asked:
        assert len(np.unique(asked)) == len(asked) == 185  # 40 log(100) = 184.2


def test_stochastic_draws_every_row_alike():
    hits = np.zeros(30)
    rng = np.random.RandomState(0)
    for _ in range(300):
        objective = Counting(kernel(n=30), np.ones(30))
        optimizers.stochastic(objective, 3, np.ones(30, bool), 0.5, rng)
        hits[objective.asked[0]] += 1
    # 7 of 30 each time: 70 expected, standard deviation 7.3
    assert np.abs(hits - 70).max() < 32


@pytest.mark.parametrize("cls", [FacilityLocation, GraphCut, LogDeterminant])
@pytest.mark.parametrize("params", [{"optimizer": "stochastic"}, {"optimizer": "partition"}])
def test_value_is_near_that_of_greedy(cls, params):
    X = np.random.default_rng(0).normal(size=(300, 3))
    K = rbf_kernel(X, gamma=0.3)
    exact = cls(30, gamma=0.3).fit(X)
    other = cls(30, gamma=0.3, random_state=0, **params).fit(X)
    assert len(other.sample_indices_) == 30

    def value(S):
        if cls is FacilityLocation:
            return K[S].max(axis=0).sum()
        if cls is GraphCut:
            return K[S].sum() - 0.5 * K[np.ix_(S, S)].sum()
        return np.linalg.slogdet(np.eye(len(S)) + K[np.ix_(S, S)] / 0.1)[1]

    ratio = value(other.sample_indices_) / value(exact.sample_indices_)
    assert 0.95 < ratio <= 1 + 1e-6
    assert value(other.sample_indices_) > value(np.random.RandomState(0).permutation(300)[:30])


def test_one_partition_is_greedy():
    X = np.random.default_rng(0).normal(size=(60, 3))
    one = FacilityLocation(10, optimizer="partition", n_partitions=1, random_state=0).fit(X)
    greedy = FacilityLocation(10).fit(X)
    np.testing.assert_array_equal(one.ranking_, greedy.ranking_)


def test_partition_keeps_the_better_of_the_rounds():
    """A part that holds all that matters is not made worse by the second round."""
    K = kernel(n=40)
    made = []

    def make(candidates, references):
        made.append((candidates, references))
        weights = np.ones(len(references))
        return FacilityLocationObjective(K[np.ix_(candidates, references)], weights)

    allowed = np.ones(40, bool)
    taken = np.zeros(40, bool)
    taken[5], allowed[5] = True, False
    positions, gains = optimizers.partition(
        make, 6, allowed, taken, 4, 25, np.random.RandomState(0)
    )
    parts, (union, references) = made[:-1], made[-1]
    assert len(parts) == 4
    assert sorted(np.concatenate([c[c != 5] for c, _ in parts])) == sorted({*range(40)} - {5})
    assert all(5 in candidates for candidates, _ in parts)
    assert len(references) == 25
    assert set(positions) <= set(union) - {5}
    covered = K[np.ix_([5, *positions], references)].max(axis=0).sum() - K[5, references].sum()
    assert gains.sum() == pytest.approx(covered, rel=1e-5)
    assert (
        gains.sum()
        >= (1 - np.exp(-1)) * 0.9 * lazy(make(np.arange(40), references), 6, allowed)[1].sum()
        - K[5, references].sum()
    )


def test_more_partitions_than_rows_and_single_rows():
    X = np.random.default_rng(0).normal(size=(7, 2))
    selector = FacilityLocation(7, optimizer="partition", n_partitions=50, random_state=0).fit(X)
    np.testing.assert_array_equal(selector.sample_indices_, np.arange(7))


def test_partition_bounds_the_kernels(monkeypatch):
    from sksubsel.baselines.submodular.similarity import FeatureSimilarity

    cells = []
    dense = FeatureSimilarity.dense

    def recording(self, candidates, references):
        cells.append(len(candidates) * len(references))
        return dense(self, candidates, references)

    monkeypatch.setattr(FeatureSimilarity, "dense", recording)
    X = np.random.default_rng(0).normal(size=(1000, 3))
    limit = 400_000  # a tenth of the whole kernel
    FacilityLocation(40, optimizer="partition", memory_limit=limit, random_state=0).fit(X)
    assert 4 * max(cells) <= limit
    assert len(cells) >= 5
