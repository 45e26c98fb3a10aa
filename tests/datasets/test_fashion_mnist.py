import gzip
import struct

import numpy as np
import pytest

from sksubsel.datasets import fashion_mnist, load_fashion_mnist

FILES = fashion_mnist._FASHION_FILES


def idx(array):
    header = struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(
        f">{array.ndim}I", *array.shape
    )
    return header + array.astype(np.uint8).tobytes()


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return {
        "data": rng.integers(0, 256, (6, 28, 28)),
        "target": np.array([0, 9, 3, 3, 1, 2]),
        "test_data": rng.integers(0, 256, (2, 28, 28)),
        "test_target": np.array([4, 5]),
    }


@pytest.fixture
def home(tmp_path, arrays, monkeypatch):
    monkeypatch.delenv("SKSUBSEL_DATA", raising=False)
    monkeypatch.setattr(fashion_mnist, "_DEBIAN_HOME", tmp_path / "nothing-here")
    folder = tmp_path / "files"
    folder.mkdir()
    for key, name in FILES.items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(idx(arrays[key])))
    return folder


def check_against(bunch, arrays):
    for key in ("data", "test_data"):
        assert bunch[key].dtype == np.float32
        assert bunch[key].shape == (len(arrays[key]), 1, 28, 28)
        np.testing.assert_allclose(bunch[key][:, 0], arrays[key] / 255, rtol=1e-6)
    for key in ("target", "test_target"):
        assert bunch[key].dtype == np.int64
        np.testing.assert_array_equal(bunch[key], arrays[key])


def test_fashion_from_data_home(home, arrays):
    bunch = load_fashion_mnist(data_home=home, download=False)
    check_against(bunch, arrays)
    assert bunch.target_names[9] == "Ankle boot" and len(bunch.target_names) == 10
    X, y = load_fashion_mnist(data_home=str(home), download=False, return_X_y=True)
    np.testing.assert_array_equal(X, bunch.data)
    np.testing.assert_array_equal(y, bunch.target)
    X[0] = 0  # read-only memory would surprise


def test_fashion_plain_files(home, arrays):
    for name in FILES.values():
        path = home / f"{name}.gz"
        (home / name).write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    check_against(load_fashion_mnist(data_home=home, download=False), arrays)


def test_fashion_order_of_places(home, arrays, tmp_path, monkeypatch):
    """data_home before SKSUBSEL_DATA before Debian's folder; the first two have a subfolder too."""
    monkeypatch.setattr(fashion_mnist, "_DEBIAN_HOME", home)
    check_against(load_fashion_mnist(download=False), arrays)

    other = tmp_path / "env" / "fashion-mnist"
    other.mkdir(parents=True)
    changed = {**arrays, "target": arrays["target"][::-1]}
    for key, name in FILES.items():
        (other / f"{name}.gz").write_bytes(gzip.compress(idx(changed[key])))
    monkeypatch.setenv("SKSUBSEL_DATA", str(other.parent))
    check_against(load_fashion_mnist(download=False), changed)
    check_against(load_fashion_mnist(data_home=home, download=False), arrays)


def damaged(content, how):
    return {
        "cut": gzip.compress(content[:-5]),
        "long": gzip.compress(content + b"12"),
        "cut gzip": gzip.compress(content)[:-20],
        "not gzip": b"<html>not found</html>",
        "broken gzip": gzip.compress(content)[:40] + bytes(60) + gzip.compress(content)[100:],
        "not idx": gzip.compress(b"<html>not found</html>"),
        "float type": gzip.compress(content[:2] + b"\x0d" + content[3:]),
        "no header": gzip.compress(content[:6]),
        "wild header": gzip.compress(content[:4] + b"\xff" * 12 + content[16:]),
        "empty": b"",
    }[how]


@pytest.mark.parametrize(
    "how",
    [
        "cut",
        "long",
        "cut gzip",
        "not gzip",
        "broken gzip",
        "not idx",
        "float type",
        "no header",
        "wild header",
        "empty",
    ],
)
def test_damaged_file_is_named(home, arrays, how):
    path = home / f"{FILES['data']}.gz"
    path.write_bytes(damaged(idx(arrays["data"]), how))
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte\.gz"):
        load_fashion_mnist(data_home=home)


def test_contents_that_disagree(home, arrays):
    labels = home / f"{FILES['target']}.gz"
    labels.write_bytes(gzip.compress(idx(arrays["target"][:-1])))
    with pytest.raises(ValueError, match="train-labels.*one label for each image"):
        load_fashion_mnist(data_home=home)
    labels.write_bytes(gzip.compress(idx(arrays["target"] + 1)))
    with pytest.raises(ValueError, match=r"labels in \[0, 9\]; got 10"):
        load_fashion_mnist(data_home=home)
    images = home / f"{FILES['data']}.gz"
    images.write_bytes(labels.read_bytes())
    with pytest.raises(ValueError, match="train-images.*must hold images"):
        load_fashion_mnist(data_home=home)


def test_part_of_the_files(home):
    (home / f"{FILES['test_target']}.gz").unlink()
    with pytest.raises(OSError, match="only a part.*t10k-labels-idx1-ubyte"):
        load_fashion_mnist(data_home=home)


def test_nothing_local(home, tmp_path, monkeypatch):
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(OSError, match=r"not found in .*empty.*SKSUBSEL_DATA.*download=True"):
        load_fashion_mnist(data_home=empty, download=False)

    def no_network(*args, **kwargs):
        raise ConnectionError("no route to host")

    monkeypatch.setattr("sklearn.datasets.fetch_openml", no_network)
    with pytest.raises(OSError, match=r"data_home or set SKSUBSEL_DATA.*no route to host"):
        load_fashion_mnist(data_home=empty)


def test_openml(home, tmp_path, monkeypatch):
    """The table of 70,000 rows is cut into training and test parts; values, not real images."""
    pixels = np.zeros((70_000, 784), np.uint8)
    pixels[59_999, 0] = 255
    pixels[60_000, 1] = 51
    target = np.arange(70_000) % 10
    asked = {}

    def fetch(name, **kwargs):
        asked.update(kwargs, name=name)
        from sklearn.utils import Bunch

        return Bunch(data=pixels, target=target.astype(str))

    monkeypatch.setattr("sklearn.datasets.fetch_openml", fetch)
    bunch = load_fashion_mnist(data_home=tmp_path / "cache")
    assert (asked["name"], asked["version"]) == ("Fashion-MNIST", 1)
    assert bunch.data.shape == (60_000, 1, 28, 28) and bunch.test_data.shape == (10_000, 1, 28, 28)
    assert bunch.data[-1, 0, 0, 0] == 1
    assert bunch.test_data[0, 0, 0, 1] == np.float32(0.2)
    np.testing.assert_array_equal(bunch.test_target, target[60_000:])
