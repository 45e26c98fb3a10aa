import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone

from sksubsel import ModelZoo
from sksubsel.datasets import ImageTransform, split_rows


def test_split_is_a_partition():
    parts = split_rows(103, random_state=0)
    assert [len(rows) for rows in parts] == [72, 10, 21]
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(103))
    again = split_rows(np.zeros(103), random_state=0)
    other = split_rows(103, random_state=1)
    assert all((a == b).all() for a, b in zip(parts, again))
    assert (parts[0] != other[0]).any()


def test_stratified_split_keeps_the_shares():
    rng = np.random.default_rng(0)
    y = rng.permutation(np.repeat(["a", "b", "c"], [500, 100, 10]))
    parts = split_rows(y, stratify=True, random_state=0)
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(610))
    counts = [np.unique(y[rows], return_counts=True)[1].tolist() for rows in parts]
    assert counts == [[350, 70, 7], [50, 10, 1], [100, 20, 2]]
    assert (y[parts[0]][:50] != "a").any()  # in random order, not by class


def test_bad_splits():
    for fractions in ((0.7, 0.2), (1.2, -0.2), 1.0):
        with pytest.raises(ValueError, match="fractions must be at least 0 and add up to 1"):
            split_rows(10, fractions)
    with pytest.raises(ValueError, match="y must hold the labels"):
        split_rows(10, stratify=True)


@pytest.fixture
def images():
    return np.random.default_rng(0).random((200, 2, 5, 6), np.float32) + 0.1


def test_normalisation(images):
    transform = ImageTransform(mean=(0.5, 0.2), std=(0.1, 2.0), horizontal_flip=True)
    out = transform(images)  # without a generator nothing is random
    assert out.dtype == np.float32
    np.testing.assert_allclose(out[:, 0], (images[:, 0] - 0.5) / 0.1, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(out[:, 1], (images[:, 1] - 0.2) / 2, rtol=1e-4, atol=1e-5)
    assert ImageTransform()(images) is images


def test_flips_are_of_half_the_images(images):
    before = images.copy()
    for params, axis in (({"horizontal_flip": True}, 3), ({"vertical_flip": True}, 2)):
        out = ImageTransform(**params)(images, np.random.default_rng(1))
        same = (out == images).all(axis=(1, 2, 3))
        mirrored = (out == np.flip(images, axis)).all(axis=(1, 2, 3))
        assert (same ^ mirrored).all()
        assert 70 < mirrored.sum() < 130
    np.testing.assert_array_equal(images, before)


def test_crops_are_windows_of_the_padded_image(images):
    out = ImageTransform(crop_padding=2)(images, np.random.default_rng(2))
    padded = np.pad(images, ((0, 0), (0, 0), (2, 2), (2, 2)))
    seen = set()
    for image, wide in zip(out, padded):
        found = [
            (top, left)
            for top in range(5)
            for left in range(5)
            if (image == wide[:, top : top + 5, left : left + 6]).all()
        ]
        assert len(found) == 1
        seen.add(found[0])
    assert len(seen) > 20  # of 25


def test_tensors_give_the_same(images):
    transform = ImageTransform(
        mean=(0.5, 0.2), std=(0.1, 2), horizontal_flip=True, vertical_flip=True, crop_padding=1
    )
    expected = transform(images, np.random.default_rng(3))
    out = transform(torch.from_numpy(images), np.random.default_rng(3))
    assert isinstance(out, torch.Tensor) and out.dtype == torch.float32
    np.testing.assert_array_equal(out.numpy(), expected)
    assert "crop_padding=1" in repr(transform)


def test_bad_transforms(images):
    for params, message in (
        ({"mean": (0.1,)}, "mean and std must be of the same channels"),
        ({"mean": (0.1,), "std": (0.1, 0.2)}, "mean and std must be of the same channels"),
        ({"mean": (0.1,), "std": (0,)}, "std must be positive"),
        ({"crop_padding": -1}, "crop_padding must be at least 0; got -1"),
    ):
        with pytest.raises(ValueError, match=message):
            ImageTransform(**params)
    with pytest.raises(ValueError, match=r"images must have shape \(n, channels.*got \(2, 5, 6\)"):
        ImageTransform()(images[0])
    with pytest.raises(ValueError, match=r"must have 1 channels.*got \(200, 2, 5, 6\)"):
        ImageTransform(mean=(0,), std=(1,))(images)


def test_a_network_behind_a_transform(tiny):
    """Images are augmented while it trains, and only then; weights and draws are the recipe's."""
    transform = ImageTransform(mean=(0.3,), std=(0.2,), horizontal_flip=True, crop_padding=1)
    build = pickle.loads(pickle.dumps(transform.before(tiny.space.build)))
    assert repr(build) == f"{transform!r}.before({tiny.space.build!r})"
    network = build(tiny.archs[0], tiny.X.shape[1:], 10)
    plain, images = network.network.eval(), torch.from_numpy(tiny.X)
    with torch.no_grad():
        expected = plain(torch.from_numpy(transform(tiny.X)))
        assert torch.equal(network.eval()(images), expected)
        network.transform.train()
        assert not torch.equal(network(images), network(images))

    recipe = clone(tiny.recipe).set_params(architecture=tiny.archs[0], random_state=0)
    behind = clone(recipe).set_params(build=build)
    proba = [
        clone(model).fit(tiny.X, tiny.y).predict_proba(tiny.X_test)
        for model in (behind, behind, recipe)
    ]
    np.testing.assert_array_equal(proba[0], proba[1])
    assert np.abs(proba[0] - proba[2]).max() > 0.01
    with pytest.raises(TypeError, match="build must be callable; got None"):
        transform.before(None)


def test_a_store_knows_the_transform(tiny, tmp_path):
    flip, crop = ImageTransform(horizontal_flip=True), ImageTransform(crop_padding=1)
    for transform in (flip, ImageTransform(horizontal_flip=True)):
        recipe = clone(tiny.recipe).set_params(build=transform.before(tiny.space.build))
        ModelZoo(recipe, store=tmp_path, random_state=0).fit(tiny.archs[:1], tiny.X, tiny.y)
    recipe.set_params(build=crop.before(tiny.space.build))
    with pytest.raises(ValueError, match="made for other data, labels or training"):
        ModelZoo(recipe, store=tmp_path, random_state=0).fit(tiny.archs[:1], tiny.X, tiny.y)
