"""What the selectors do besides maximising: weights, kernels, sparse input, memory."""

import tracemalloc

import numpy as np
import pytest
from scipy import sparse
from sklearn.decomposition import PCA
from sklearn.metrics.pairwise import cosine_similarity, rbf_kernel

from sksubsel.baselines.submodular import (
    FacilityLocation,
    FeatureBased,
    GraphCut,
    LogDeterminant,
    SaturatedCoverage,
)
from sksubsel.baselines.submodular import similarity as similarity_module

COVERS = [FacilityLocation, GraphCut, SaturatedCoverage]


def table(seed=0, n=50, d=3):
    return np.random.default_rng(seed).normal(size=(n, d))


def blocks(y):
    return (y[:, None] == y).astype(float)


@pytest.mark.parametrize("cls", COVERS)
def test_integer_weights_equal_repeated_rows(cls):
    X = table()
    weights = np.random.default_rng(1).integers(0, 4, size=50)
    params = {"gamma": 0.3, "memory_limit": None}
    if cls is SaturatedCoverage:
        params["alpha"] = 1.0  # the limit is a share of all candidates, so more with repeated rows
    weighted = cls(8, **params).fit(X, sample_weight=weights)
    # the repeated rows are only to be covered: the kernel's rows stay those of X
    K = rbf_kernel(X, gamma=0.3)
    wide = np.repeat(K, weights, axis=1)
    S = weighted.ranking_
    if cls is FacilityLocation:
        values = [wide[S[:t]].max(axis=0).sum() for t in range(1, 9)]
    elif cls is GraphCut:
        values = [wide[S[:t]].sum() - 0.5 * K[np.ix_(S[:t], S[:t])].sum() for t in range(1, 9)]
    else:
        values = [wide[S[:t]].sum() for t in range(1, 9)]
    np.testing.assert_allclose(np.cumsum(weighted.gains_), values, rtol=1e-4)
    repeated = np.repeat(X, weights + 1, axis=0)
    if cls is FacilityLocation:
        rows = np.repeat(np.arange(50), weights + 1)
        plain = cls(8, **params).fit(repeated)
        by_weight = cls(8, **params).fit(X, sample_weight=weights + 1)
        np.testing.assert_array_equal(rows[plain.ranking_], by_weight.ranking_)
        np.testing.assert_allclose(plain.gains_, by_weight.gains_, rtol=1e-4)


@pytest.mark.parametrize("cls", COVERS)
def test_weights_are_checked(cls):
    X = table()
    uniform = cls(5).fit(X, sample_weight=np.full(50, 2.0) if cls is not GraphCut else np.ones(50))
    np.testing.assert_array_equal(uniform.ranking_, cls(5).fit(X).ranking_)
    first_only = cls(5).fit(X, sample_weight=np.r_[1.0, np.zeros(49)])
    assert first_only.ranking_[0] == 0
    assert len(np.unique(first_only.ranking_)) == 5
    with pytest.raises(ValueError, match="non-zero"):
        cls(5).fit(X, sample_weight=np.zeros(50))
    with pytest.raises(ValueError, match="[Nn]egative"):
        cls(5).fit(X, sample_weight=np.r_[-1.0, np.ones(49)])
    with pytest.raises(ValueError, match="sample_weight"):
        cls(5).fit(X, sample_weight=np.ones(49))
    with pytest.raises(TypeError, match="sample_weight"):
        LogDeterminant(5).fit(X, sample_weight=np.ones(50))


@pytest.mark.parametrize("cls", COVERS)
@pytest.mark.parametrize("kernel", ["rbf", "cosine"])
def test_all_neighbors_equal_dense(cls, kernel):
    X = table(n=80)
    dense = cls(20, kernel=kernel, mode="dense").fit(X)
    graph = cls(20, kernel=kernel, mode="sparse", n_neighbors=80).fit(X)
    assert (dense.mode_, graph.mode_) == ("dense", "sparse")
    np.testing.assert_array_equal(dense.ranking_, graph.ranking_)
    np.testing.assert_allclose(dense.gains_, graph.gains_, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("cls", COVERS)
def test_few_neighbors_equal_the_thresholded_kernel(cls):
    X = table(n=60)
    K = rbf_kernel(X, gamma=0.3)
    kept = np.zeros_like(K, dtype=bool)
    np.put_along_axis(kept, np.argsort(-K, axis=1)[:, :6], True, axis=1)  # itself and five
    K[~(kept | kept.T)] = 0
    graph = cls(15, gamma=0.3, mode="sparse", n_neighbors=5).fit(X)
    given = cls(15, kernel="precomputed").fit(K)
    as_csr = cls(15, kernel="precomputed").fit(sparse.csr_matrix(K))
    assert (given.mode_, as_csr.mode_) == ("dense", "sparse")
    for other in (given, as_csr):
        np.testing.assert_array_equal(graph.ranking_, other.ranking_)
        np.testing.assert_allclose(graph.gains_, other.gains_, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("cls", [*COVERS, LogDeterminant])
def test_precomputed(cls):
    X = table()
    K = rbf_kernel(X, gamma=0.3)
    own = cls(10, gamma=0.3).fit(X)
    given = cls(10, kernel="precomputed").fit(K)
    np.testing.assert_array_equal(own.ranking_, given.ranking_)
    y = np.repeat([0, 1], 25)
    own = cls(10, gamma=0.3, stratify="equal").fit(X, y)
    given = cls(10, kernel="precomputed", stratify="equal").fit(K, y)
    np.testing.assert_array_equal(own.ranking_, given.ranking_)
    wide = sparse.csr_matrix(K)
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    wide = cls(10, kernel="precomputed").fit(wide)
    np.testing.assert_array_equal(wide.ranking_, cls(10, kernel="precomputed").fit(K).ranking_)
    with pytest.raises(ValueError, match=r"shape \(n_samples, n_samples\).*got \(50, 3\)"):
        cls(kernel="precomputed").fit(np.abs(X))
    what = "positive semi-definite" if cls is LogDeterminant else "at least 0"
    with pytest.raises(ValueError, match=rf"X must be {what}.*got -1"):
        cls(kernel="precomputed").fit(np.where(np.eye(50) > 0, -1.0, K))


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_log_determinant_of_likeness_below_zero(kind):
    """As of linear kernels; and factors of a large sparse kernel need none of its memory."""
    X = np.random.default_rng(0).normal(size=(30, 4))
    selector = LogDeterminant(5, kernel="precomputed", noise=0.5).fit(kind(X @ X.T))
    chosen = X[selector.ranking_]
    wanted = np.linalg.slogdet(np.eye(5) + chosen @ chosen.T / 0.5)[1]
    assert selector.gains_.sum() == pytest.approx(wanted)
    n = 30_000
    many = LogDeterminant(3, kernel="precomputed", memory_limit=8.1 * n * 3)
    assert many.fit(sparse.identity(n, format="csr")).gains_[0] == pytest.approx(np.log(11))


@pytest.mark.parametrize("cls", COVERS)
def test_float16_kernels_do_not_overflow(cls):
    K = 100 * np.random.default_rng(0).random((900, 900)).astype(np.float16)
    wanted = cls(4, kernel="precomputed").fit(K.astype(np.float32))
    found = cls(4, kernel="precomputed").fit(K)
    np.testing.assert_array_equal(found.ranking_, wanted.ranking_)
    np.testing.assert_array_equal(found.gains_, wanted.gains_)


@pytest.mark.parametrize("optimizer", ["lazy", "partition"])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_graph_cut_of_a_kernel_with_two_sides(kind, optimizer):
    """How well i stands for j need not be how well j stands for i."""
    A = np.random.default_rng(0).random((12, 12))
    A[A < 0.3] = 0
    params = {"optimizer": optimizer, "n_partitions": 1, "random_state": 0}
    selector = GraphCut(5, kernel="precomputed", lam=0.3, **params).fit(kind(A))

    def f(S):
        return A[S].sum() - 0.3 * A[np.ix_(S, S)].sum()

    S = selector.ranking_
    np.testing.assert_allclose(selector.gains_, [f(S[: t + 1]) - f(S[:t]) for t in range(5)])


@pytest.mark.parametrize("cls", COVERS)
def test_per_class_is_the_block_diagonal_kernel(cls):
    X = table()
    y = np.random.default_rng(0).integers(0, 3, size=50)
    K = rbf_kernel(X, gamma=0.3) * blocks(y)
    weights = 1 + np.random.default_rng(1).random(50)  # no ties, such as pairs of near rows make
    apart = cls(12, gamma=0.3, mode="per_class").fit(X, y, sample_weight=weights)
    given = cls(12, kernel="precomputed").fit(K, sample_weight=weights)
    np.testing.assert_array_equal(apart.ranking_, given.ranking_)
    np.testing.assert_allclose(apart.gains_, given.gains_, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match='mode="per_class" needs class labels'):
        cls(12, mode="per_class").fit(X, X[:, 0])
    with pytest.raises(ValueError, match="requires y"):
        cls(12, mode="per_class").fit(X)


def test_cosine():
    X = table()
    X[4] = 0  # no direction: like itself only
    expected = (1 + cosine_similarity(X)) / 2
    expected[4, 4] = 1
    own = FacilityLocation(10, kernel="cosine").fit(X)
    given = FacilityLocation(10, kernel="precomputed").fit(expected)
    np.testing.assert_array_equal(own.ranking_, given.ranking_)
    scaled = FacilityLocation(10, kernel="cosine").fit(X * np.exp(table(1, d=1)))
    np.testing.assert_array_equal(own.ranking_, scaled.ranking_)
    tiny = FacilityLocation(10, kernel="cosine").fit(X * 1e-200)
    np.testing.assert_array_equal(own.ranking_, tiny.ranking_)


def test_default_gamma_is_of_the_median_distance():
    X = np.array([[0.0], [1.0], [1.0], [3.0]])  # squared distances 1, 1, 9, 0, 4, 4: median 4
    own = similarity_module.FeatureSimilarity(X, "rbf")
    assert own.gamma == pytest.approx(1 / 8)
    constant = FacilityLocation(3).fit(np.ones((9, 2)))
    np.testing.assert_array_equal(constant.ranking_, [0, 1, 2])
    np.testing.assert_allclose(constant.gains_, [9, 0, 0])


@pytest.mark.parametrize("kernel", ["rbf", "cosine"])
def test_kernel_is_symmetric_to_the_last_bit(kernel, monkeypatch):
    monkeypatch.setattr(similarity_module, "_GRAM_ROWS", 100)
    own = similarity_module.FeatureSimilarity(table(n=333, d=17), kernel)
    rows = np.arange(333)
    K = own.dense(rows, rows)
    np.testing.assert_array_equal(K, K.T)
    np.testing.assert_array_equal(K.diagonal(), 1)
    np.testing.assert_allclose(np.array([own.row(i) for i in rows]), K, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(own.dense(rows[3:9], rows[5:]).shape, (6, 328))


def test_outliers_do_not_decide_the_scale():
    """One row far from all others, values of many sizes, and equal rows."""
    X = np.random.default_rng(0).normal(size=(300, 4))

    def documented(X):
        squared = ((X[:, None] - X) ** 2).sum(axis=2)[np.triu_indices(len(X), 1)]
        return 0.5 / np.median(squared[squared > 0])

    far = np.where(np.arange(300)[:, None] == 150, 1e4, X)
    for rows in (X, far, np.exp(3 * X), np.repeat(X[:50], 6, axis=0)):
        found = similarity_module.FeatureSimilarity(rows, "rbf").gamma
        assert found == pytest.approx(documented(rows), rel=1e-4)
    clean, spoiled = (FacilityLocation(10).fit(rows).ranking_ for rows in (X, far))
    assert len(np.intersect1d(clean, spoiled)) > 5


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_far_groups_keep_their_digits(dtype):
    """Where a float32 product would have none left, as with a sentinel in place of a value."""
    X = np.random.default_rng(0).normal(size=(200, 4))
    X[::20, 0] -= 1e5
    X = X.astype(dtype)
    squared = ((X[:, None].astype(np.float64) - X) ** 2).sum(axis=2)
    own = similarity_module.FeatureSimilarity(X, "rbf")
    wanted, rows = np.exp(-own.gamma * squared), np.arange(200)
    np.testing.assert_allclose(own.dense(rows, rows), wanted, atol=1e-5)
    np.testing.assert_allclose(own.dense(rows[3:9], rows[5:]), wanted[3:9, 5:], atol=1e-5)
    np.testing.assert_allclose(np.array([own.row(i) for i in rows]), wanted, atol=1e-5)
    graph = own.nearest(5, "exact", 0).tocoo()
    np.testing.assert_allclose(graph.data, wanted[graph.row, graph.col], atol=1e-5)
    assert own.row(0).dtype == own.dense(rows, rows).dtype == graph.dtype == np.float32
    assert similarity_module.FeatureSimilarity(X[1::2], "rbf")._rows.dtype == np.float32


@pytest.mark.parametrize("cls", [FacilityLocation, GraphCut])
def test_memory_is_as_estimated(cls):
    """A kernel, one copy of wide features, and a few megabytes for passes over them."""
    X = np.random.default_rng(0).normal(size=(300, 20_000)).astype(np.float32)
    tracemalloc.start()
    cls(3, memory_limit=4 * 300 * (300 + 20_000), mode="dense").fit(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < X.nbytes + 2e7


def test_shifts_and_scales_do_not_matter():
    X = table()
    rows = FacilityLocation(10).fit(X).ranking_
    np.testing.assert_array_equal(FacilityLocation(10).fit(X * 64 + 4096).ranking_, rows)


@pytest.mark.parametrize("mode", ["dense", "sparse"])
def test_assignment_and_cluster_sizes(mode):
    X = table(n=70)
    weights = np.random.default_rng(0).random(70)
    selector = FacilityLocation(
        9, gamma=0.3, mode=mode, n_neighbors=5, initial_subset=[6, 2], weighted=True
    ).fit(X, sample_weight=weights)
    rows = selector.sample_indices_
    present = np.union1d(rows, [2, 6])
    expected = present[rbf_kernel(X, X[present], gamma=0.3).argmax(axis=1)]
    np.testing.assert_array_equal(selector.assignment_, expected)
    np.testing.assert_array_equal(selector.assignment_[present], present)
    sizes = [weights[expected == row].sum() for row in rows]
    np.testing.assert_allclose(selector.sample_weight_, sizes)


def test_assignment_within_classes():
    X = table(n=70)
    y = np.random.default_rng(0).integers(0, 3, size=70)
    selector = FacilityLocation(9, stratify="equal", weighted=True).fit(X, y)
    np.testing.assert_array_equal(y[selector.assignment_], y)
    assert set(selector.assignment_) == set(selector.sample_indices_)
    assert selector.sample_weight_.sum() == 70
    y[:] = 0
    y[5] = 1  # its quota is zero: none stands for it
    left_out = FacilityLocation(3, stratify="proportional", weighted=True).fit(X, y)
    assert left_out.assignment_[5] == -1
    assert left_out.sample_weight_.sum() == 69


def test_assignment_of_a_precomputed_kernel():
    K = np.array([[1, 0.5, 0, 0], [0.5, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    for X in (K, sparse.csr_matrix(K)):
        selector = FacilityLocation(2, kernel="precomputed", weighted=True).fit(X)
        np.testing.assert_array_equal(selector.ranking_, [0, 2])
        np.testing.assert_array_equal(selector.assignment_, [0, 0, 2, -1])
        np.testing.assert_array_equal(selector.sample_weight_, [2, 1])


def test_duplicates_are_taken_last():
    X = np.repeat(table(n=10), 3, axis=0)
    rows = FacilityLocation(10).fit(X).sample_indices_
    np.testing.assert_array_equal(rows, np.arange(10) * 3)
    rows = LogDeterminant(10, noise=1e-6).fit(X).sample_indices_
    np.testing.assert_array_equal(rows, np.arange(10) * 3)


@pytest.mark.parametrize(
    "params, weights, message",
    [
        ({"initial_subset": [99]}, None, "initial_subset must"),
        ({}, -np.ones(50), "Negative"),
        ({"mode": "sparse", "optimizer": "partition"}, None, "mode must not be"),
    ],
)
def test_what_is_refused_costs_no_features(params, weights, message):
    class Costly(PCA):
        def fit_transform(self, X, y=None):
            raise AssertionError("computed in vain")

    with pytest.raises(ValueError, match=message):
        FacilityLocation(5, features=Costly(), **params).fit(table(), sample_weight=weights)


def test_graph_cut_beyond_monotone_fills_the_budget():
    X = table(n=20)
    K = rbf_kernel(X, gamma=0.3)
    selector = GraphCut(20, lam=2.0, gamma=0.3).fit(X)
    assert selector.gains_[-1] < 0
    assert (np.diff(selector.gains_) <= 1e-9).all()
    assert selector.gains_.sum() == pytest.approx(K.sum() * (1 - 2.0), rel=1e-5)


@pytest.mark.parametrize("concave", ["sqrt", "log"])
@pytest.mark.parametrize("index_type", [np.int32, np.int64])
def test_feature_based_sparse_input(concave, index_type):
    X = np.random.default_rng(0).poisson(0.4, size=(60, 9))
    X[7] = 0
    matrix = sparse.csr_matrix(X)
    matrix.indices = matrix.indices.astype(index_type)
    matrix.indptr = matrix.indptr.astype(index_type)
    dense = FeatureBased(20, concave=concave).fit(X)
    for kind in (matrix, matrix.tocsc(), sparse.coo_matrix(X), matrix.astype(np.float32)):
        other = FeatureBased(20, concave=concave).fit(kind)
        np.testing.assert_allclose(other.gains_, dense.gains_, rtol=1e-5)
    y = np.repeat([0, 1], 30)
    dense = FeatureBased(20, concave=concave, stratify="equal").fit(X, y)
    other = FeatureBased(20, concave=concave, stratify="equal").fit(matrix, y)
    np.testing.assert_allclose(other.gains_, dense.gains_, rtol=1e-5)
    with pytest.raises(ValueError, match="X must be at least 0.*got -1"):
        FeatureBased().fit(np.r_[X, -np.ones((1, 9))])


def test_feature_based_by_hand():
    X = np.array([[4.0, 0], [9, 0], [0, 4], [1, 1]])
    selector = FeatureBased(4).fit(X)
    np.testing.assert_array_equal(selector.ranking_, [1, 2, 0, 3])
    expected = [3, 2, np.sqrt(13) - 3, np.sqrt(14) - np.sqrt(13) + np.sqrt(5) - 2]
    np.testing.assert_allclose(selector.gains_, expected)


def never(*args, **kwargs):
    raise AssertionError("allocated before the check")


@pytest.mark.parametrize("optimizer", ["lazy", "partition"])
def test_memory_is_checked_before_anything_is_allocated(monkeypatch, optimizer):
    monkeypatch.setattr(similarity_module.FeatureSimilarity, "__init__", never)
    X, y = table(n=400), np.repeat([0, 1], 200)
    limit = {"memory_limit": 1000, "optimizer": optimizer}
    for cls in (FacilityLocation, SaturatedCoverage):
        with pytest.raises(
            MemoryError, match=rf"{cls.__name__}.* GB, above memory_limit.*1000.*mode"
        ):
            cls(20, mode="dense", **limit).fit(X)
        with pytest.raises(MemoryError, match="memory_limit"):
            cls(20, mode="per_class", **limit).fit(X, y)
    with pytest.raises(MemoryError, match=r"LogDeterminant: factors .* smaller budget"):
        LogDeterminant(20, **limit).fit(X)
    if optimizer == "lazy":
        with pytest.raises(MemoryError, match=r"32 neighbours of 400 rows.*lower n_neighbors"):
            FacilityLocation(20, **limit).fit(X)
        with pytest.raises(MemoryError, match="GraphCut"):
            GraphCut(20, **limit).fit(X)


def test_mode_follows_the_estimate():
    X, y = table(n=400), np.repeat([0, 1], 200)
    needs = 4 * 400**2 + 4 * 400 * 3
    assert FacilityLocation(9, memory_limit=needs).fit(X).mode_ == "dense"
    assert FacilityLocation(9, memory_limit=needs - 1).fit(X).mode_ == "sparse"
    by_class = FacilityLocation(9, memory_limit=needs - 1, stratify="equal").fit(X, y)
    assert by_class.mode_ == "dense"
    assert FacilityLocation(9, memory_limit=None).fit(X).mode_ == "dense"
    assert GraphCut(9, memory_limit=4 * 400 * 3).fit(X).mode_ == "dense"


def test_partition_does_not_go_with_a_graph():
    with pytest.raises(ValueError, match='mode must not be "sparse" with optimizer="partition"'):
        FacilityLocation(3, mode="sparse", optimizer="partition").fit(table())


def test_features_are_transformed():
    from sklearn.preprocessing import StandardScaler

    X = table() * [1, 100, 10_000]
    scaler = StandardScaler()
    own = FacilityLocation(8, features=scaler).fit(X)
    assert not hasattr(scaler, "mean_")
    other = FacilityLocation(8).fit(StandardScaler().fit_transform(X))
    np.testing.assert_array_equal(own.ranking_, other.ranking_)
