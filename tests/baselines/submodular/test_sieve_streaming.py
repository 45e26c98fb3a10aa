from itertools import combinations

import numpy as np
import pytest
from sklearn.metrics.pairwise import rbf_kernel

from sksubsel.baselines.submodular import FacilityLocation, SieveStreaming
from sksubsel.baselines.submodular import sieve_streaming as module
from sksubsel.baselines.submodular.sieve_streaming import Sieves


def table(seed=0, n=60, d=3):
    return np.random.default_rng(seed).normal(size=(n, d))


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("k", [1, 3])
def test_guarantee_against_brute_force(seed, k):
    X = table(seed, n=9)
    K = rbf_kernel(X, gamma=0.5)
    selector = SieveStreaming(k, gamma=0.5, reference=X, epsilon=0.1).fit(X)
    best = max(K[list(S)].max(axis=0).mean() for S in combinations(range(9), k))
    assert selector.gains_.sum() >= (0.5 - 0.1) * best
    taken = selector.ranking_[selector.gains_ > 0]
    assert selector.gains_.sum() == pytest.approx(K[taken].max(axis=0).mean(), rel=1e-5)


def reference_sieves(K, k, epsilon):
    """Algorithm 3 of the paper as it is printed, a sieve and a row at a time."""
    largest, solutions = 0.0, {}
    value = lambda S: K[S].max(axis=0).mean() if S else 0.0  # noqa: E731
    for row in range(len(K)):
        largest = max(largest, K[row].mean())
        guesses = [
            i
            for i in range(-300, 300)
            if largest * (1 - 1e-9) <= (1 + epsilon) ** i <= 2 * k * largest
        ]
        solutions = {i: solutions.get(i, []) for i in guesses}
        for i, S in solutions.items():
            gain = value([*S, row]) - value(S)
            if len(S) < k and gain >= ((1 + epsilon) ** i / 2 - value(S)) / (k - len(S)):
                solutions[i] = [*S, row]
    return max(value(S) for S in solutions.values()), solutions


@pytest.mark.parametrize("seed", range(5))
def test_equals_the_algorithm_as_printed(seed):
    K = rbf_kernel(table(seed), gamma=0.5).astype(np.float32)
    sieves = Sieves(5, 60, 0.2)
    for row in K:
        sieves.see(row)
    best, solutions = reference_sieves(K.astype(float), 5, 0.2)
    assert dict(zip(sieves.exponents.tolist(), sieves._rows)) == solutions
    rows, gains = sieves.best()
    assert gains.sum() == pytest.approx(best, rel=1e-5)
    assert len(rows) == len(gains) <= 5


def test_value_is_at_least_half_of_greedy_and_of_random():
    X = table(n=400)
    K = rbf_kernel(X, gamma=0.5)
    greedy = FacilityLocation(20, gamma=0.5).fit(X).gains_.sum() / 400
    selector = SieveStreaming(20, gamma=0.5, n_references=100, random_state=0).fit(X)
    assert K[selector.sample_indices_].max(axis=0).mean() > 0.75 * greedy


def test_stream_in_parts_equals_one_pass():
    X = table(n=500)
    whole = SieveStreaming(8, reference=X[:50], random_state=0).fit(X)
    parts = SieveStreaming(8, reference=X[:50], random_state=0)
    for start in (0, 1, 100, 130, 499):
        end = {0: 1, 1: 100, 100: 130, 130: 499, 499: 500}[start]
        assert parts.partial_fit(X[start:end]) is parts
        assert parts.n_samples_ == end
        assert len(parts.sample_indices_) == min(8, end)
    np.testing.assert_array_equal(parts.ranking_, whole.ranking_)
    np.testing.assert_allclose(parts.gains_, whole.gains_, rtol=1e-4)
    np.testing.assert_allclose(parts.scores_, whole.scores_, rtol=1e-4)
    assert parts.get_support().sum() == 8


def test_each_row_is_seen_once(monkeypatch):
    seen = []
    see = Sieves.see

    def recording(self, similarity):
        seen.append(self.n_seen)
        see(self, similarity)

    monkeypatch.setattr(Sieves, "see", recording)
    monkeypatch.setattr(module, "_BATCH", 16)
    SieveStreaming(5, random_state=0).fit(table(n=100))
    assert seen == list(range(100))


def test_fills_up_with_a_uniform_sample():
    X = np.zeros((60, 2))  # after the first row, nothing adds anything
    hits = np.zeros(60)
    for seed in range(300):
        selector = SieveStreaming(11, random_state=seed).fit(X)
        assert selector.ranking_[0] == 0
        assert len(np.unique(selector.ranking_)) == 11
        np.testing.assert_allclose(selector.gains_, [1] + [0] * 10)
        hits[selector.sample_indices_] += 1
    assert hits[0] == 300
    # 10 of the other 59: 51 expected, standard deviation 6.5
    assert np.abs(hits[1:] - 51).max() < 30


def test_budgets_seeds_and_errors():
    X = table()
    selector = SieveStreaming(0.2, random_state=0).fit(X)
    assert len(selector.sample_indices_) == 12
    np.testing.assert_array_equal(
        SieveStreaming(0.2, random_state=0).fit(X).ranking_, selector.ranking_
    )
    np.testing.assert_array_equal(SieveStreaming(60).fit(X).sample_indices_, np.arange(60))
    assert len(SieveStreaming(0.1).partial_fit(X).partial_fit(X).sample_indices_) == 6
    assert len(SieveStreaming(70).partial_fit(X).partial_fit(X).sample_indices_) == 70
    with pytest.raises(ValueError, match="budget must be an int in"):
        SieveStreaming(0).partial_fit(X)
    with pytest.raises(ValueError, match="reference must have 3 features, as X; got 2"):
        SieveStreaming(3, reference=X[:, :2]).fit(X)
    with pytest.raises(ValueError, match="reference must be finite"):
        SieveStreaming(3, reference=X * np.nan).fit(X)
    with pytest.raises(ValueError, match="features"):
        SieveStreaming(3).partial_fit(X).partial_fit(X[:, :2])


def test_fit_starts_anew():
    X = table()
    selector = SieveStreaming(4, random_state=0).partial_fit(X).fit(X[:30])
    assert selector.n_samples_ == 30
    np.testing.assert_array_equal(
        selector.ranking_, SieveStreaming(4, random_state=0).fit(X[:30]).ranking_
    )


def test_images_and_cosine():
    X = table(n=30, d=4)
    images = SieveStreaming(4, kernel="cosine", random_state=0).fit(X.reshape(30, 1, 2, 2))
    rows = SieveStreaming(4, kernel="cosine", random_state=0).fit(X)
    np.testing.assert_array_equal(images.ranking_, rows.ranking_)
