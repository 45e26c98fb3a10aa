import numpy as np
import pytest
import torch
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, StackDataset, Subset

from sksubsel._validation import check_X
from sksubsel.datasets import ImageFiles, image_files, load_image_folder


@pytest.fixture
def pictures(tmp_path, save_image):
    """Six random images of 8 x 8 pixels, in [0, 1] and in the library's order of axes."""
    rng = np.random.default_rng(0)
    pixels = [
        save_image(tmp_path / f"{k}.png", rng.integers(0, 256, (8, 8, 3), np.uint8))
        for k in range(6)
    ]
    return np.array(pixels).transpose(0, 3, 1, 2) / np.float32(255)


@pytest.fixture
def images(pictures, tmp_path):
    return ImageFiles([f"{k}.png" for k in range(6)], 8, root=tmp_path)


def test_indexed_as_an_array(images, pictures):
    assert images.shape == (6, 3, 8, 8) and len(images) == 6 and images.ndim == 4
    assert images.nbytes == pictures.nbytes and images.size == pictures.size
    mask = np.array([True, False, False, True, True, False])
    for index in (
        0, -1, np.int64(2), slice(1, 4), slice(None, None, -2), [4, 0, 0], np.array([5, 1]), mask,
        list(mask), slice(0, 0), (2, Ellipsis), ([1, 3], Ellipsis), (slice(2), 0),
        ([1, 2], slice(None), slice(0, 3)),
    ):  # fmt: skip
        got = images[index]
        np.testing.assert_array_equal(got, pictures[index])
        assert got.dtype == np.float32
    np.testing.assert_array_equal(np.asarray(images), pictures)
    assert np.asarray(images, np.float64).dtype == np.float64
    np.testing.assert_array_equal(np.stack(list(images)), pictures)
    for wrong in (6, [0, 6], np.ones(5, bool), ([0, 1], [0, 1]), Ellipsis, np.zeros((2, 2), int)):
        with pytest.raises(IndexError):
            images[wrong]
    if np.lib.NumpyVersion(np.__version__) >= "2.0.0":  # before, False meant "if need be"
        with pytest.raises(ValueError, match="no array without a copy"):
            np.array(images, copy=False)


def test_only_the_rows_asked_for_are_opened(images, pictures, tmp_path):
    (tmp_path / "3.png").write_bytes(b"nothing")
    np.testing.assert_array_equal(images[[0, 5]], pictures[[0, 5]])
    np.testing.assert_array_equal(images.take([5, 2])[1], pictures[2])
    np.testing.assert_array_equal(images.take(slice(4, None))[:], pictures[4:])
    with pytest.raises(ValueError, match=r"3\.png cannot be decoded \(cannot identify"):
        images[2:5]


def test_damaged_and_missing_files_are_named(images, tmp_path):
    content = (tmp_path / "2.png").read_bytes()
    for damaged in (content[:-40], content[:20], b"", b"<html></html>", content[:60] + bytes(60)):
        (tmp_path / "2.png").write_bytes(damaged)
        with pytest.raises(ValueError, match=r"2\.png cannot be decoded"):
            images[2]
    (tmp_path / "2.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"2\.png"):
        images[2]


def test_resize_and_crop(tmp_path, save_image):
    ramp = np.zeros((40, 80, 3), np.uint8)
    ramp[..., 0] = np.arange(80) * 3  # red grows to the right
    ramp[..., 1] = np.arange(40)[:, None] * 6  # green grows downwards
    path = tmp_path / "ramp.png"
    save_image(path, ramp)
    whole = ImageFiles([path], (10, 20))[0] * 255
    assert whole.shape == (3, 10, 20)
    inside = slice(2, -2)  # at the edges the window is cut off
    np.testing.assert_allclose(
        whole[0, 5, inside], ramp[20, :, 0].reshape(20, 4).mean(1)[inside], atol=1
    )
    squashed = ImageFiles([path], 16)[0] * 255
    assert squashed[0, 8, -1] > 225 and squashed[0, 8, 0] < 15  # all of the width is in it
    cropped = ImageFiles([path], 16, resize=20)[0] * 255
    # scaled by a half to 20 x 40, of which columns 12 to 27 and rows 2 to 17 are left
    np.testing.assert_allclose(cropped[0, 8], (np.arange(12, 28) * 2 + 0.5) * 3, atol=1.5)
    np.testing.assert_allclose(cropped[1, :, 8], (np.arange(2, 18) * 2 + 0.5) * 6, atol=1.5)
    for bad in ({"size": 0}, {"size": 8, "resize": 7}, {"size": (4, 0)}, {"resize": -1}):
        with pytest.raises(ValueError, match="size"):
            ImageFiles([path], **bad)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "1", "LA"])
def test_other_modes_become_rgb(mode, tmp_path, save_image):
    path = tmp_path / "image.png"
    save_image(path, 255, mode=mode)
    np.testing.assert_array_equal(ImageFiles([path], 8)[0], np.ones((3, 8, 8), np.float32))


def test_too_large_for_memory(images, monkeypatch):
    monkeypatch.setattr(image_files, "_physical_memory", lambda: 3 * images.nbytes // 6)
    assert images[:3].shape == (3, 3, 8, 8)
    with pytest.raises(MemoryError, match=r"6 images of shape \(3, 8, 8\).*extract_features"):
        np.asarray(images)
    from sksubsel.baselines import Random

    with pytest.raises(MemoryError):  # what estimators do with an array-like
        Random(2).fit(images)


def test_fingerprint(images, tmp_path, save_image):
    first = images.fingerprint()
    assert first == ImageFiles(images.paths, 8, root=tmp_path).fingerprint()
    assert first != images.take([1, 0, 2, 3, 4, 5]).fingerprint()
    assert first != ImageFiles(images.paths, 7, root=tmp_path).fingerprint()
    save_image(tmp_path / "1.png", 3)
    assert first != images.fingerprint()


def test_without_pillow(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    with pytest.raises(ImportError, match=r"sksubsel\[images\]"):
        ImageFiles(["a.png"])


def test_folder(tmp_path, save_image):
    for name, values in (("b", [1, 2]), ("a", [3]), (".hidden", [9])):
        for k, value in enumerate(values):
            save_image(tmp_path / name / f"{k}.JPG", value)
    (tmp_path / "a" / "notes.txt").write_text("no image")
    (tmp_path / "b" / "._0.JPG").write_text("what macOS leaves")
    bunch = load_image_folder(tmp_path, size=8)
    assert list(bunch.target_names) == ["a", "b"]
    np.testing.assert_array_equal(bunch.target, [0, 1, 1])
    assert bunch.target.dtype == np.int64
    np.testing.assert_allclose(bunch.data[:][:, 0, 0, 0] * 255, [3, 1, 2], rtol=1e-6)
    X, y = load_image_folder(str(tmp_path), size=8, return_X_y=True)
    assert X.paths == bunch.data.paths and (y == bunch.target).all()
    (tmp_path / "c").mkdir()
    with pytest.raises(ValueError, match=r"c must hold images \(\.jpg.*it has none"):
        load_image_folder(tmp_path)
    with pytest.raises(ValueError, match="subfolder for each class; it has none"):
        load_image_folder(tmp_path / "c")
    with pytest.raises(OSError, match="nothing must be a folder"):
        load_image_folder(tmp_path / "nothing")


def test_in_scikit_learn_and_in_our_checks(images, pictures):
    parts = train_test_split(images, test_size=2, random_state=0)
    for part, expected in zip(parts, train_test_split(pictures, test_size=2, random_state=0)):
        np.testing.assert_array_equal(part, expected)
    np.testing.assert_array_equal(check_X(images), pictures)


def test_in_torch(images, pictures):
    """A map-style data set as it is: StackDataset adds labels, Subset takes rows."""
    data = Subset(StackDataset(images, np.arange(6)), [4, 1, 3])
    (batch,) = DataLoader(data, batch_size=3)
    np.testing.assert_array_equal(batch[0], pictures[[4, 1, 3]])
    assert batch[0].dtype == torch.float32 and batch[1].tolist() == [4, 1, 3]
