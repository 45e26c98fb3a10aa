import numpy as np
import pytest
import torch
from sklearn.base import clone

from sksubsel import Architecture, ArchitectureEncoder
from sksubsel.encoder import UnknownOperationWarning
from sksubsel.spaces import NASBench101


@pytest.fixture(scope="module")
def archs():
    return NASBench101().sample(200, random_state=0)


@pytest.fixture(scope="module")
def encoder(archs):
    return ArchitectureEncoder(max_epochs=200, lr=0.015, random_state=0).fit(archs)


def _small():
    return Architecture(ops=("input", "output"), edges=((0, 1),), space="nasbench101")


def test_shape_dtype_and_padding(encoder, archs):
    out = encoder.transform([*archs[:3], _small()])
    n_nodes = max(a.n_nodes for a in archs[:3])
    assert out.shape == (4, n_nodes, 16) and out.dtype == np.float32
    assert np.isnan(out[3, : n_nodes - 2]).all() and np.isfinite(out[3, n_nodes - 2 :]).all()
    assert np.isfinite(out[:, -1]).all()


def test_nodes_stand_in_breadth_first_order(encoder):
    chain = Architecture(
        ops=("output", "input", "conv1x1-bn-relu"), edges=((1, 2), (2, 0)), space=None
    )
    same = Architecture(ops=("input", "conv1x1-bn-relu", "output"), edges=((0, 1), (1, 2)))
    np.testing.assert_allclose(encoder.transform([chain]), encoder.transform([same]), atol=1e-6)


def test_an_embedding_does_not_depend_on_its_company(encoder, archs):
    together = encoder.transform(archs[:20])
    for i in (0, 7):
        alone = encoder.transform([archs[i]])[0]
        np.testing.assert_allclose(together[i, -len(alone) :], alone, atol=1e-5)


def test_architectures_are_rebuilt(encoder, archs):
    report = encoder.report(archs, n_samples=200)
    assert report["op_accuracy"] > 0.95
    assert report["edge_accuracy"] > 0.9
    assert 0 <= report["whole"] <= 1 and 0 <= report["validity"] <= 1
    rebuilt = encoder.reconstruct(archs)
    whole = [
        tuple(ops) == arch.ops and (matrix == arch.adjacency).all()
        for (matrix, ops), arch in zip(rebuilt, archs)
    ]
    assert np.mean(whole) == pytest.approx(report["whole"])


def test_nodes_alike_that_are_not_joined():
    """Two equal branches: their nodes have one embedding, and no edge to one another."""
    matrix = np.zeros((4, 4), dtype=np.uint8)
    matrix[0, 1] = matrix[0, 2] = matrix[1, 3] = matrix[2, 3] = 1
    diamond = Architecture.from_matrix(matrix, ["input", "conv", "conv", "output"])
    chain = Architecture(["input", "conv", "conv", "output"], [(0, 1), (1, 2), (2, 3)])
    # on two graphs some seeds end elsewhere, which ones depends on torch's rounding
    encoders = [
        ArchitectureEncoder(max_epochs=200, random_state=seed).fit([diamond, chain])
        for seed in range(3)
    ]
    encoder = min(encoders, key=lambda each: each.history_[-1]["train_loss"])
    np.testing.assert_array_equal(*encoder.transform([diamond])[0, 1:3])
    assert encoder.report([diamond, chain], n_samples=10)["whole"] == 1


def test_training_raises_the_elbo(encoder, archs):
    short = ArchitectureEncoder(max_epochs=1, random_state=0).fit(archs)
    assert encoder.score(archs) > short.score(archs) + 1
    assert encoder.history_[-1]["train_loss"] < encoder.history_[0]["train_loss"]


def test_samples_of_the_prior_are_graphs(encoder):
    samples = encoder.sample(20, random_state=0)
    assert len(samples) == 20
    for matrix, ops in samples:
        assert matrix.shape == (len(ops), len(ops)) and not np.tril(matrix).any()
        assert set(ops) <= set(encoder.vocabulary_)


def test_novelty_is_zero_for_those_fitted_and_large_for_strangers(encoder, archs):
    stranger = Architecture(
        ops=("input", *["attention"] * 10, "output"),
        edges=tuple((i, i + 1) for i in range(11)),
    )
    assert encoder.novelty(archs[:5]).max() < 1e-4
    with pytest.warns(UnknownOperationWarning):
        assert encoder.novelty([stranger])[0] > 1


def test_few_architectures_like_those_fitted_are_novel():
    pool = NASBench101().sample(1100, random_state=3)
    encoder = ArchitectureEncoder(max_epochs=100, random_state=0).fit(pool[:100])
    assert (encoder.novelty(pool[100:]) > 1).mean() < 0.05
    chains = [_network(n_layers, 16, 3) for n_layers in (20, 40)]
    with pytest.warns(UnknownOperationWarning):
        assert (encoder.novelty(chains) > 2).all()


def test_what_is_known_put_together_anew_is_novel():
    """Of a size, of operations and of values seen: nothing but its place tells."""
    rng = np.random.default_rng(0)
    pool = [_network(8, 8, 1, pools=rng.integers(9)) for _ in range(40)]
    pool += [_network(8, 64, 5, pools=rng.integers(9)) for _ in range(40)]
    encoder = ArchitectureEncoder(max_epochs=150, random_state=0).fit(pool)
    usual = encoder.novelty([_network(8, 8, 1, pools=k) for k in range(9)])
    assert (usual <= 1).all()
    assert (encoder.novelty([_network(8, 64, 1), _network(8, 8, 5)]) > 1).all()


def test_unseen_attributes_are_novel():
    pool = [_network(k, w, s) for k in (2, 3) for w in (8, 16, 32) for s in (1, 3, 5)]
    encoder = ArchitectureEncoder(max_epochs=20, random_state=0).fit(pool)
    known = _network(2, 16, 3)
    attributes = [dict(node) for node in known.attributes]
    attributes[1]["groups"] = 16
    other = Architecture(known.ops, known.edges, tuple(attributes))
    with pytest.warns(UnknownOperationWarning, match="attributes .'groups'."):
        np.testing.assert_allclose(
            encoder.novelty([other, known]) - encoder.novelty([known, known]), [1, 0]
        )


def test_unknown_operation_is_encoded_with_a_warning(encoder):
    arch = Architecture(ops=("input", "attention", "output"), edges=((0, 1), (1, 2)))
    with pytest.warns(UnknownOperationWarning, match="attention"):
        assert np.isfinite(encoder.transform([arch])).all()


def test_same_seed_same_embedding_global_rng_untouched(archs):
    state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    one = ArchitectureEncoder(max_epochs=3, random_state=1).fit(archs)
    assert (torch.get_rng_state() == state).all()
    assert (np.random.get_state()[1] == numpy_state).all()
    torch.rand(3)
    other = clone(one).fit(archs)
    np.testing.assert_array_equal(one.transform(archs), other.transform(archs))


def test_one_architecture_is_enough():
    encoder = ArchitectureEncoder(max_epochs=2, random_state=0).fit([_small()])
    assert encoder.transform([_small()]).shape == (1, 2, 16)
    assert np.isfinite(encoder.novelty([_small()])).all()


def _network(n_layers, width, kernel, pools=0):
    """A chain of convolutions with what a lowered network says of them; the last ones pool."""
    attributes = [{}, *({"channels": width, "kernel": kernel, "act": "relu"},) * n_layers, {}]
    return Architecture(
        ops=("input", *["conv"] * (n_layers - pools), *["pool"] * pools, "output"),
        edges=tuple((k, k + 1) for k in range(n_layers + 1)),
        attributes=tuple(attributes),
    )


def test_attributes_are_part_of_a_node():
    pool = [_network(k, 8 * 2**j, s) for k in (1, 2, 3) for j in range(4) for s in (1, 3, 5)]
    encoder = ArchitectureEncoder(max_epochs=60, random_state=0).fit(pool)
    narrow, wide = encoder.transform([_network(2, 8, 3), _network(2, 64, 3)])
    assert np.abs(narrow[1:3] - wide[1:3]).max() > 0.1
    # what the embedding holds of the channels can be read from it
    points = np.concatenate([encoder.transform([one])[0, 1:-1] for one in pool])
    channels = np.concatenate([[np.log(8 * 2**j)] * k for k in (1, 2, 3) for j in range(4)
                               for _ in range(3)])  # fmt: skip
    solution, *_ = np.linalg.lstsq(np.c_[points, np.ones(len(points))], channels, rcond=None)
    residual = channels - np.c_[points, np.ones(len(points))] @ solution
    assert residual.var() < 0.1 * channels.var()
    with pytest.warns(UnknownOperationWarning, match=r"attributes \['act=relu6'\]"):
        encoder.transform([Architecture(("input", "output"), ((0, 1),), ({"act": "relu6"}, {}))])


def test_one_large_graph_among_small_ones(archs):
    large = _network(498, 16, 3)
    encoder = ArchitectureEncoder(max_epochs=2, random_state=0).fit([*archs[:40], large])
    assert encoder.transform([large, archs[0]]).shape == (2, 500, 16)
    (matrix, ops), *_ = encoder.reconstruct([large, archs[0]])
    assert matrix.shape == (500, 500) and len(ops) == 500
    report = encoder.report([large, *archs[:3]], n_samples=20)
    assert 0 < report["edge_accuracy"] <= 1
    assert np.isfinite(encoder.score([large, archs[0]]))


def test_the_score_is_a_mean_over_architectures(encoder, archs):
    alone = [encoder.score([arch]) for arch in archs[:4]]
    assert encoder.score(archs[:4]) == pytest.approx(np.mean(alone), rel=1e-4)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"latent_dim": 0}, "latent_dim"),
        ({"lr": -1.0}, "lr"),
        ({"device": "gpu"}, "device must be a torch device"),
    ],
)
def test_bad_parameters(archs, params, message):
    with pytest.raises(ValueError, match=message):
        ArchitectureEncoder(**params).fit(archs[:3])


def test_transform_before_fit(archs):
    from sklearn.exceptions import NotFittedError

    with pytest.raises(NotFittedError):
        ArchitectureEncoder().transform(archs)
