import pickle

import numpy as np
import pytest
from sklearn.base import clone

from sksubsel import SubSelNet
from sksubsel.baselines import FacilityLocation, RidgeDesign
from sksubsel.extraction import StoredFeatures, extract_features
from sksubsel.features import InstanceFeatures


@pytest.fixture
def stored(tiny, tmp_path):
    """Features of the shared instances, and the file that they are in."""
    features = InstanceFeatures(16, random_state=0).fit(tiny.X)
    return extract_features(tiny.X, features, tmp_path)


def test_in_the_place_of_a_transformer(tiny, stored):
    transformer = StoredFeatures(stored.filename)
    for selector in (FacilityLocation(20, stratify="equal"), RidgeDesign(20, random_state=0)):
        expected = clone(selector).set_params(features=InstanceFeatures(16, random_state=0))
        got = clone(selector).set_params(features=transformer)
        np.testing.assert_array_equal(
            got.fit(tiny.X, tiny.y).sample_indices_,
            expected.fit(tiny.X, tiny.y).sample_indices_,
        )


def test_in_a_net(tiny, stored):
    """The whole pipeline sees the file's features, as it would see the transformer's."""
    nets = [
        SubSelNet(
            budget=15, encoder=tiny.encoder, features=features, random_state=0,
            approximator=None,
        ).fit(tiny.archs, tiny.zoo)
        for features in (InstanceFeatures(16, random_state=0), StoredFeatures(stored.filename))
    ]  # fmt: skip
    np.testing.assert_array_equal(nets[1].approximator_.features_, stored)
    np.testing.assert_array_equal(nets[0].select(tiny.unseen[0]), nets[1].select(tiny.unseen[0]))


def test_in_a_net_that_gets_more_instances(tiny, stored, tmp_path):
    """The new instances' features are those that their own extraction has made."""
    extractor = InstanceFeatures(16, random_state=0).fit(tiny.X)
    more = extract_features(tiny.X_test, extractor, tmp_path)
    net = SubSelNet(
        budget=15, encoder=tiny.encoder, features=StoredFeatures(stored.filename), random_state=0
    ).fit(tiny.archs, tiny.zoo)
    proba = np.full((len(tiny.zoo.trained_), len(tiny.X_test), 10), 0.1)
    zoo = tiny.zoo.append(tiny.X_test, tiny.y_test, predictions=proba)
    with pytest.raises(ValueError, match="150 instances, X has"):
        net.partial_fit(tiny.archs, zoo)
    for wrong in (more[1:], more[:, 1:]):
        with pytest.raises(ValueError, match=r"features of the new instances must have shape \(M,"):
            net.partial_fit(tiny.archs, zoo, features=wrong)
    for wrong, message in (
        (np.full(more.shape, np.nan), "features must be finite"),
        (np.full(more.shape, 1e300), r"features must be finite as float32; got inf in row 0"),
        ([["a"] * 16] * len(more), "features must be numbers: could not convert"),
    ):
        with pytest.raises(ValueError, match=message):
            net.partial_fit(tiny.archs, zoo, features=wrong)
    with pytest.raises(ValueError, match=r"must have shape \(M, F\)=\(0, 16\)"):
        net.partial_fit(tiny.archs, tiny.zoo, features=more)
    with pytest.raises(ValueError, match="must be None in the first partial_fit"):
        clone(net).partial_fit(tiny.archs, tiny.zoo, features=more)
    np.testing.assert_array_equal(net.approximator_.features_, stored)
    net.partial_fit(tiny.archs, zoo, features=more)
    both = StoredFeatures([stored.filename, more.filename])
    np.testing.assert_array_equal(net.approximator_.features_, both.fit_transform(zoo.X_))
    assert len(net.select(tiny.unseen[0])) == 15


def test_features_as_instances(tiny, stored):
    """A memory map is an X like any other, and is not read into memory by validation."""
    selector = FacilityLocation(20, stratify="equal").fit(stored, tiny.y)
    np.testing.assert_array_equal(
        selector.sample_indices_,
        FacilityLocation(20, stratify="equal").fit(np.array(stored), tiny.y).sample_indices_,
    )
    checked = selector._check_instances(stored, reset=False)
    assert np.shares_memory(checked, stored)


def test_pickle_and_clone(tiny, stored):
    transformer = clone(StoredFeatures(stored.filename)).fit(tiny.X)
    assert transformer.shape_ == (150, 16)
    again = pickle.loads(pickle.dumps(transformer))
    np.testing.assert_array_equal(again.transform(tiny.X), stored)
    assert len(pickle.dumps(transformer)) < 1000  # a path, not the features


def test_errors(tiny, stored, tmp_path):
    transformer = StoredFeatures(stored.filename)
    with pytest.raises(ValueError, match="features of 150 instances, X has 100; stored features"):
        transformer.fit(tiny.X[:100])
    with pytest.raises(ValueError, match="150 instances, X has 100"):
        transformer.fit(tiny.X).transform(tiny.X_test)
    with pytest.raises(FileNotFoundError, match=r"no\.npy"):
        StoredFeatures(tmp_path / "no.npy").fit(tiny.X)
    path = tmp_path / "wrong.npy"
    for content, message in (
        (np.zeros(150), r"must hold floating numbers of shape \(N, F\); got float64 .*\(150,\)"),
        (np.zeros((150, 2), int), "must hold floating numbers"),
        (np.array([None] * 150), "no .npy file, or damaged"),
    ):
        np.save(path, content)
        with pytest.raises(ValueError, match=message):
            StoredFeatures(path).fit(tiny.X)
    np.save(path, np.zeros((5, 3), np.float32))
    with pytest.raises(ValueError, match=r"as many features; got 16 in .*features.npy and 3 in"):
        StoredFeatures([stored.filename, path]).fit(tiny.X)
    with pytest.raises(ValueError, match="at least one file; got \\[\\]"):
        StoredFeatures([]).fit(tiny.X)
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="no .npy file, or damaged"):
        StoredFeatures(path).fit(tiny.X)
