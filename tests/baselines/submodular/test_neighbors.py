import importlib.util

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from sksubsel.baselines.submodular import FacilityLocation, neighbors
from sksubsel.baselines.submodular.similarity import FeatureSimilarity


def rows(n=3000, d=8, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(30, d))
    return (centres[rng.integers(30, size=n)] + rng.normal(size=(n, d)) / 2).astype(np.float32)


def recall(found, X, k):
    true = NearestNeighbors(n_neighbors=k).fit(X).kneighbors(X, return_distance=False)
    return np.mean([len(set(a) & set(b)) / k for a, b in zip(true, found)])


def test_exact(monkeypatch):
    X = rows(300)
    monkeypatch.setattr(neighbors, "_CHUNK_CELLS", 7 * 300)  # in many blocks
    distances, found = neighbors.nearest_rows(X, 10, "exact")
    assert (distances.dtype, found.dtype) == (np.float32, np.int64)
    assert recall(found, X, 10) > 0.999
    expected = ((X[:, None] - X[found]) ** 2).sum(axis=2)
    np.testing.assert_allclose(distances, expected, atol=1e-4)


def test_approximate():
    pytest.importorskip("faiss")
    X = rows()
    distances, found = neighbors.nearest_rows(X, 10, "approximate", seed=1)
    assert recall(found, X, 10) > 0.9
    known = found >= 0
    expected = ((X[:, None] - X[found]) ** 2).sum(axis=2)
    np.testing.assert_allclose(distances[known], expected[known], atol=1e-4)
    again = neighbors.nearest_rows(X, 10, "approximate", seed=1)
    np.testing.assert_array_equal(again[1], found)


def test_missing_neighbors_are_left_out(monkeypatch):
    """An approximate search that finds fewer than asked for pads with -1."""
    X = rows(50)

    def some(block, n_neighbors, method, seed):
        distances, found = neighbors.nearest_rows(block, n_neighbors, "exact")
        far = np.argsort(distances, axis=1)[:, 3:]
        np.put_along_axis(found, far, -1, axis=1)
        np.put_along_axis(distances, far, np.float32(3e38), axis=1)
        return distances, found

    from sksubsel.baselines.submodular import similarity

    three = FeatureSimilarity(X, "rbf", 0.3).nearest(2, "exact", 0)
    monkeypatch.setattr(similarity, "nearest_rows", some)
    padded = FeatureSimilarity(X, "rbf", 0.3).nearest(9, "approximate", 0)
    np.testing.assert_allclose(padded.toarray(), three.toarray(), rtol=1e-5)


def test_graph_is_symmetric_with_ones_on_the_diagonal():
    X = np.repeat(rows(20), 10, axis=0)  # more equal rows than neighbours
    graph = FeatureSimilarity(X, "rbf", 0.3).nearest(4, "exact", 0)
    np.testing.assert_array_equal(graph.toarray(), graph.T.toarray())
    np.testing.assert_array_equal(graph.diagonal(), np.ones(200))
    assert graph.has_canonical_format
    assert graph.dtype == np.float32


def test_auto_falls_back_to_exact_without_faiss(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(neighbors, "EXACT_ROWS", 100)
    X = rows(300)
    _, found = neighbors.nearest_rows(X, 5, "auto")
    assert recall(found, X, 5) > 0.999
    with pytest.raises(ImportError, match=r'pip install "sksubsel\[neighbors\]"'):
        FacilityLocation(5, mode="sparse", neighbors="approximate").fit(X)


def test_auto_takes_faiss_for_many_rows(monkeypatch):
    pytest.importorskip("faiss")
    X = rows(2000)
    monkeypatch.setattr(neighbors, "_exact", None)
    monkeypatch.setattr(neighbors, "EXACT_ROWS", 1000)
    _, found = neighbors.nearest_rows(X, 5, "auto")
    assert found.shape == (2000, 5)


def test_selection_by_approximate_neighbors_is_good():
    pytest.importorskip("faiss")
    X = rows()
    exact = FacilityLocation(30, mode="sparse", neighbors="exact", gamma=0.3).fit(X)
    near = FacilityLocation(30, mode="sparse", neighbors="approximate", gamma=0.3, random_state=0)
    assert near.fit(X).gains_.sum() > 0.95 * exact.gains_.sum()
    np.testing.assert_array_equal(near.ranking_, near.fit(X).ranking_)
