import numpy as np
import pytest
from sklearn.metrics import pairwise_distances

from sksubsel.baselines.sampling import d2, neighbor_graph, top
from sksubsel.samplers.quotas import allocate


def test_graph_against_all_distances():
    X = np.random.default_rng(0).normal(size=(30, 4))
    neighbors, distances = neighbor_graph(X, 5)
    dense = pairwise_distances(X) ** 2
    np.fill_diagonal(dense, np.inf)
    expected = np.sort(dense, axis=1)[:, :5]
    np.testing.assert_allclose(distances, expected / expected.mean())
    np.testing.assert_array_equal(neighbors, dense.argsort(1)[:, :5])
    again = neighbor_graph(1000 * X, 5)
    np.testing.assert_allclose(again[1], distances)  # whatever the units


def test_graph_of_few_or_equal_rows():
    neighbors, distances = neighbor_graph(np.ones((4, 2)), 10)
    assert neighbors.shape == (4, 3)
    assert all(i not in row for i, row in enumerate(neighbors))
    np.testing.assert_array_equal(distances, 0)
    assert neighbor_graph(np.ones((1, 2)))[0].shape == (1, 0)
    with pytest.raises(ValueError, match=r"features must have shape \(N, F\).*got \(3,\)"):
        neighbor_graph(np.ones(3))
    with pytest.raises(ValueError, match=r"n_neighbors must be an int in \[1, inf\); got 0"):
        neighbor_graph(np.ones((3, 1)), 0)
    with pytest.raises(ValueError, match="features must be finite"):
        neighbor_graph(np.array([[np.nan], [1.0]]))


def test_by_hand():
    """A chain 0-1-2 at unit distances and a lone pair 3-4 further apart from it."""
    neighbors = np.array([[1], [0], [1], [4], [3]])
    distances = np.ones((5, 1))
    scores = np.array([4.0, 2.0, 3.0, 1.0, 1.5])
    # gamma_forward = log 2 halves: 4 + 1 = 5, 2 + 2 = 4, 3 + 1 = 4, 1 + .75, 1.5 + .5 = 2
    # 0 is chosen: 1 falls to 4 - 5/4 = 2.75 with gamma_reverse = log 4, and 2 stays at 4;
    # 2 is chosen: 1 falls to 2.75 - 1 = 1.75; then 4 (2), and 3 falls to 1.75 - .5 = 1.25
    params = {"graph": (neighbors, distances), "gamma_forward": np.log(2)}
    expected = [[0], [0, 2], [0, 2, 4], [0, 1, 2, 4], [0, 1, 2, 3, 4]]
    for budget, rows in enumerate(expected, start=1):
        got = d2(scores, budget, gamma_reverse=np.log(4), **params)
        assert got.tolist() == rows
    # nothing taken back: by the collected scores alone, 1 before 2 by index
    assert d2(scores, 2, gamma_reverse=700.0, **params).tolist() == [0, 1]


def brute_force(scores, budget, neighbors, distances, forward, reverse, strata=None, quotas=None):
    """Messages and arg max over all rows at each step."""
    values = scores + (np.exp(-forward * distances) * scores[neighbors]).sum(1)
    chosen = []
    quotas = None if quotas is None else quotas.copy()
    while len(chosen) < budget:
        allowed = [
            i for i in range(len(scores))
            if i not in chosen and (quotas is None or quotas[strata[i]] > 0)
        ]  # fmt: skip
        best = max(allowed, key=lambda i: (values[i], -i))
        chosen.append(best)
        if quotas is not None:
            quotas[strata[best]] -= 1
        for j, distance in zip(neighbors[best], distances[best]):
            if j not in chosen:
                values[j] -= np.exp(-reverse * distance) * max(values[best], 0)
    return sorted(chosen)


@pytest.mark.parametrize("seed", range(8))
def test_against_brute_force(seed):
    rng = np.random.default_rng(seed)
    n = 40
    features, strata = rng.normal(size=(n, 2)), rng.integers(3, size=n)
    scores = rng.random(n) if seed % 2 else rng.integers(3, size=n).astype(float)
    graph = neighbor_graph(features, 4)
    forward, reverse = rng.random(2)
    params = {"gamma_forward": forward, "gamma_reverse": reverse}
    for budget in (1, 11, 40):
        got = d2(scores, budget, features=features, n_neighbors=4, **params)
        assert got.tolist() == brute_force(scores, budget, *graph, forward, reverse)
    quotas = allocate(np.bincount(strata, minlength=3), 10, "equal")
    got = d2(scores, 10, graph=graph, strata=strata, stratify="equal", **params)
    assert got.tolist() == brute_force(scores, 10, *graph, forward, reverse, strata, quotas)


def test_spreads_where_the_top_crowds():
    rng = np.random.default_rng(0)
    features = np.r_[rng.normal(0, 0.01, (20, 2)), rng.normal(0, 0.01, (20, 2)) + 100]
    scores = np.r_[np.full(20, 1.0), np.full(20, 0.9)]
    assert (top(scores, 2) < 20).all()
    rows = d2(scores, 2, features=features, n_neighbors=19, gamma_reverse=0.0)
    assert rows[0] < 20 <= rows[1]


def test_negative_scores_are_shifted_and_copies_chosen_once():
    features = np.repeat(np.random.default_rng(0).normal(size=(5, 2)), 4, axis=0)
    scores = -np.arange(20.0)
    rows = d2(scores, 20, features=features)
    np.testing.assert_array_equal(rows, np.arange(20))
    np.testing.assert_array_equal(
        d2(scores, 6, features=features), d2(scores + 19, 6, features=features)
    )
    assert d2(np.zeros(20), 3, features=features).tolist() == [0, 1, 2]  # no gain: by index


def test_errors():
    scores, features = np.ones(4), np.arange(8.0).reshape(4, 2)
    graph = neighbor_graph(features, 2)
    for params in ({}, {"features": features, "graph": graph}):
        with pytest.raises(ValueError, match="exactly one of features and graph"):
            d2(scores, 2, **params)
    with pytest.raises(ValueError, match=r"graph must be two arrays of shape \(N=3, K\)"):
        d2(scores[1:], 2, graph=graph)
    for name in ("gamma_forward", "gamma_reverse"):
        with pytest.raises(ValueError, match=rf"{name} must be a float in \[0, inf\); got -1"):
            d2(scores, 2, graph=graph, **{name: -1})
