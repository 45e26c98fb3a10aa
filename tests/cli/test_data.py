import numpy as np
import pandas as pd
import pytest

from sksubsel.cli._data import read_data

X = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
Y = np.arange(12) % 3


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("both.npz", X=X, y=Y)
    np.savez("one.npz", X=X)
    np.savez("objects.npz", X=X, y=np.array([{}] * 12, dtype=object))
    np.save("a.npy", X)
    np.save("b.npy", Y)
    (tmp_path / "arrays").mkdir()
    np.save("arrays/X.npy", X)
    np.save("arrays/y.npy", Y)
    (tmp_path / "text.npz").write_text("no zip")
    np.savez_compressed("cut.npz", X=X, y=Y)
    damaged = bytearray((tmp_path / "cut.npz").read_bytes())
    damaged[60:90] = bytes(30)  # amid the compressed values
    (tmp_path / "cut.npz").write_bytes(damaged)
    header = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "header.npy").write_bytes(header.replace(b"{'descr'", b"{('descr", 1))
    (tmp_path / "text.npy").write_text("no array")
    (tmp_path / "a.txt").write_text("?")
    (tmp_path / "empty").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    "given", [("both.npz",), ("a.npy", "b.npy"), ("arrays",)], ids=["npz", "npy", "folder"]
)
def test_arrays(folder, given):
    found_X, found_y = read_data(*given)
    np.testing.assert_array_equal(found_X, X)
    np.testing.assert_array_equal(found_y, Y)


def test_names():
    images, labels = read_data("digits")
    assert images.shape == (1797, 1, 8, 8)
    assert labels.shape == (1797,)


def test_parquet(folder):
    pytest.importorskip("pyarrow")
    table = pd.DataFrame(X, columns=["a", "b", "c"]).assign(kind=np.array(["u", "v", "w"])[Y])
    table.to_parquet("t.parquet")
    found_X, found_y = read_data("t.parquet", target="kind")
    np.testing.assert_array_equal(found_X, X)
    assert found_y.tolist() == table["kind"].tolist()
    with pytest.raises(ValueError, match=r"--target must name a column of t.parquet \(a, b, c"):
        read_data("t.parquet")
    with pytest.raises(ValueError, match=r"numeric columns beside 'a'; got \['kind'\]"):
        read_data("t.parquet", target="a")


def test_image_folder(folder):
    image = pytest.importorskip("PIL.Image")
    for k, name in enumerate(("cats", "dogs")):
        (folder / "pictures" / name).mkdir(parents=True)
        for i in range(2):
            image.new("RGB", (9, 7), (100 * k, 0, 0)).save(f"pictures/{name}/{i}.png")
    images, labels = read_data("pictures", image_size=8)
    assert images.shape == (4, 3, 8, 8)
    assert labels.tolist() == ["cats", "cats", "dogs", "dogs"]
    np.testing.assert_allclose(images[2:, 0], 100 / 255, atol=1e-6)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("one.npz",), r"one.npz must be .* lacks \['y'\] and has \['X'\]"),
        (("objects.npz",), "objects.npz must be a .npz file.*Python objects"),  # not unpickled
        (("text.npz",), "text.npz must be a .npz file with arrays X and y: it has other content"),
        (("cut.npz",), "cut.npz must be a .npz file"),
        (("text.npy", "b.npy"), "text.npy must be a .npy file"),
        (("header.npy", "b.npy"), "header.npy must be a .npy file"),
        (("a.npy",), "--labels must name the labels"),
        (("both.npz", "b.npy"), "--labels belongs to DATA of .npy; got DATA 'both.npz'"),
        (("both.npz", None, "a"), "--target belongs to DATA of .parquet"),
        (("a.txt",), "DATA must be .npz"),
        (("empty",), "subfolder"),
        (("a.npy", "a.npy"), r"y must have shape \(N,\)"),
    ],
)
def test_wrong_data(folder, given, message):
    with pytest.raises(ValueError, match=message):
        read_data(*given)


def test_missing(folder):
    with pytest.raises(OSError, match="there is no 'nothing.npz'"):
        read_data("nothing.npz")
