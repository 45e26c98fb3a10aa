import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler
from torch import nn

from sksubsel import features
from sksubsel.features import FeatureExtractor, InstanceFeatures


def rms(Z):
    return np.sqrt(np.mean(np.square(Z, dtype=np.float64)))


def table(rng, n=200, f=20):
    return rng.normal(size=(n, f)) @ rng.normal(size=(f, f)) * 10 + 3


def test_few_columns_are_standardised():
    X = table(np.random.default_rng(0), f=5)
    Z = InstanceFeatures(n_components=5).fit_transform(X)
    assert Z.dtype == np.float32
    np.testing.assert_allclose(Z, StandardScaler().fit_transform(X), atol=1e-5)


def test_constant_columns_become_zero():
    X = table(np.random.default_rng(0), f=4)
    X[:, 1] = 1e6 / 3
    Z = InstanceFeatures().fit_transform(X)
    np.testing.assert_array_equal(Z[:, 1], 0)
    assert rms(Z) == pytest.approx(1, abs=1e-5)
    for value in (7, 1 / 3, 1e9 / 7, 0):
        assert not InstanceFeatures().fit_transform(np.full((50, 3), value)).any()
        assert not InstanceFeatures(4).fit_transform(np.full((50, 1, 4, 4), value)).any()


def test_many_columns_become_principal_components():
    X = table(np.random.default_rng(1))
    Z = InstanceFeatures(n_components=6).fit_transform(X)
    expected = PCA(6).fit_transform(StandardScaler().fit_transform(X))
    np.testing.assert_allclose(np.abs(Z), np.abs(expected / rms(expected)), atol=2e-3)
    assert rms(Z) == pytest.approx(1, abs=1e-5)


def test_images_are_centred_and_projected():
    X = np.random.default_rng(2).random((50, 3, 6, 5), np.float32)
    flat = X.reshape(50, -1)
    Z = InstanceFeatures(n_components=None).fit_transform(X)
    expected = flat - flat.mean(0)
    np.testing.assert_allclose(Z, expected / rms(expected), atol=1e-5)
    Z = InstanceFeatures(n_components=7).fit_transform(X)
    expected = PCA(7).fit_transform(flat)
    expected /= np.sqrt(expected.std(0))
    np.testing.assert_allclose(np.abs(Z), np.abs(expected / rms(expected)), atol=2e-3)
    np.testing.assert_allclose(InstanceFeatures(7).fit_transform(X * 255), Z, atol=1e-3)


def test_images_with_less_rank_than_components():
    X = np.zeros((30, 1, 10, 10), np.float32)
    X[:, 0, 0, :2] = np.random.default_rng(3).random((30, 2))
    Z = InstanceFeatures(5).fit_transform(X)
    assert Z.shape == (30, 5)
    assert rms(Z) == pytest.approx(1, abs=1e-5)
    assert np.abs(Z[:, 2:]).max() < 1e-3  # rounding errors are not scaled up
    assert not InstanceFeatures(5).fit_transform(X[:1]).any()


def test_large_images_are_averaged():
    X = np.random.default_rng(3).random((4, 2, 70, 33))
    pooled = features._flatten(X).reshape(4, 2, 24, 17)  # runs of 3 and 2, the last one shorter
    np.testing.assert_allclose(pooled[1, 0, 2, 3], X[1, 0, 6:9, 6:8].mean())
    np.testing.assert_allclose(pooled[3, 1, 23, 16], X[3, 1, 69:, 32:].mean())
    assert InstanceFeatures(3).fit_transform(X).shape == (4, 3)


def test_chunks_and_drawn_rows_change_little(monkeypatch):
    X = table(np.random.default_rng(4), n=600) @ np.diag(np.r_[np.ones(4) * 20, np.ones(16)])
    whole = InstanceFeatures(4).fit(X)
    Z = whole.transform(X)
    monkeypatch.setattr(features, "_CHUNK_VALUES", 7 * X.shape[1])
    np.testing.assert_allclose(whole.transform(X), Z, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(InstanceFeatures(4).fit_transform(X), Z, atol=1e-4)
    monkeypatch.setattr(features, "_MAX_FIT_ROWS", 300)
    part = InstanceFeatures(4).fit_transform(X)
    assert not np.array_equal(part, Z)  # rows were drawn
    assert rms(part) == pytest.approx(1, abs=0.05)
    np.testing.assert_array_equal(part, InstanceFeatures(4).fit_transform(X))
    np.testing.assert_array_equal(part, InstanceFeatures(4, random_state=0).fit_transform(X))
    assert not np.array_equal(part, InstanceFeatures(4, random_state=1).fit_transform(X))


def test_does_not_copy_X_whole(monkeypatch):
    import tracemalloc

    X = np.random.default_rng(5).random((20_000, 400), np.float32)  # 32 MB
    monkeypatch.setattr(features, "_CHUNK_VALUES", 2**18)
    tracemalloc.start()
    InstanceFeatures(8).fit(X).transform(X[:100])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * X.nbytes  # the drawn half as float32, and what the components need


def test_global_random_state_is_left_alone():
    X = table(np.random.default_rng(6))
    before = np.random.get_state()[1].copy()
    InstanceFeatures(3).fit(X)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_wrong_shapes_and_values():
    X = np.zeros((10, 1, 8, 8), np.float32)
    X[::2] = 1
    fitted = InstanceFeatures(2).fit(X)
    with pytest.raises(ValueError, match=r"shape \(1, 8, 8\), as in fit; got \(1, 8, 9\)"):
        fitted.transform(np.zeros((2, 1, 8, 9)))
    X[3, 0, 2, 2] = np.nan
    with pytest.raises(ValueError, match="X must be finite; got nan in row 3"):
        InstanceFeatures(2).fit(X)
    with pytest.raises(ValueError, match="n_components"):
        InstanceFeatures(0).fit(X[:2])


def test_names_and_containers():
    rng = np.random.default_rng(7)
    frame = pd.DataFrame(table(rng, f=3), columns=["a", "b", "c"])
    fitted = InstanceFeatures(2).set_output(transform="pandas").fit(frame)
    assert list(fitted.feature_names_in_) == ["a", "b", "c"]
    assert list(fitted.transform(frame).columns) == ["instancefeatures0", "instancefeatures1"]
    fitted.fit(rng.random((5, 1, 3, 3)))
    assert not hasattr(fitted, "feature_names_in_")


def network():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(108, 4)
        )


@pytest.fixture
def images():
    return np.random.default_rng(8).random((11, 1, 8, 8), np.float32)


def test_extractor_gives_the_named_layer(images):
    module = network().train()
    extractor = FeatureExtractor(module, "2", batch_size=4).fit(images)
    expected = module.eval()[:3](torch.as_tensor(images)).flatten(1).detach()
    module.train()
    np.testing.assert_allclose(extractor.transform(images), expected, atol=1e-6)
    assert extractor.transform(images).dtype == np.float32
    assert module.training  # the caller's network is as it was
    assert all(p.requires_grad for p in module.parameters())
    assert not module[2]._forward_hooks
    assert list(extractor.get_feature_names_out())[:1] == ["featureextractor0"]
    whole = FeatureExtractor(module, batch_size=3).fit_transform(images)
    np.testing.assert_allclose(whole, module.eval()(torch.as_tensor(images)).detach(), atol=1e-6)


def test_extractor_preprocess_clone_and_pickle(images):
    extractor = FeatureExtractor(network(), "0", preprocess=torch.neg).fit(images)
    plain = FeatureExtractor(network(), "0").fit(-images)
    np.testing.assert_array_equal(extractor.transform(images), plain.transform(-images))
    again = clone(extractor).fit(images)
    np.testing.assert_array_equal(again.transform(images), extractor.transform(images))
    loaded = pickle.loads(pickle.dumps(extractor))
    np.testing.assert_array_equal(loaded.transform(images), extractor.transform(images))


def test_extractor_leaves_what_it_is_given(images):
    images -= 0.5
    before = images.copy()
    expected = images.clip(0).reshape(11, -1)
    for writeable in (True, False):
        images.flags.writeable = writeable
        module = nn.Sequential(nn.ReLU(inplace=True))
        np.testing.assert_array_equal(FeatureExtractor(module).fit_transform(images), expected)
        less = FeatureExtractor(nn.Flatten(), preprocess=lambda batch: batch.sub_(1))
        np.testing.assert_array_equal(less.fit_transform(images), before.reshape(11, -1) - 1)
        np.testing.assert_array_equal(images, before)


def test_extractor_does_not_run_later_layers(images):
    module = nn.Sequential(nn.Flatten(), nn.Linear(1, 1))  # the second layer cannot run
    np.testing.assert_array_equal(
        FeatureExtractor(module, "0").fit_transform(images), images.reshape(11, -1)
    )


def test_extractor_errors(images):
    with pytest.raises(ValueError, match=r"layer must be None or one of \['0', '1'.*got 'conv1'"):
        FeatureExtractor(network(), "conv1").fit(images)
    with pytest.raises(TypeError, match=r"module must be a torch.nn.Module; got function"):
        FeatureExtractor(network).fit(images)
    with pytest.raises(TypeError, match="must give one tensor; got tuple"):
        FeatureExtractor(nn.LSTM(3, 2)).fit(np.zeros((4, 5, 3)))
    unused = network()
    unused.spare = nn.Module()
    unused.forward = unused[0].forward
    with pytest.raises(ValueError, match="'spare' is not"):
        FeatureExtractor(unused, "spare").fit(images)
    with pytest.raises(ValueError, match="device must be a torch device"):
        FeatureExtractor(network(), device="gpu").fit(images)
    with pytest.raises(ValueError, match="batch_size"):
        FeatureExtractor(network(), batch_size=0).fit(images)
    fitted = FeatureExtractor(network()).fit(images)
    with pytest.raises(ValueError, match="as in fit"):
        fitted.transform(images[:, :, :7])
