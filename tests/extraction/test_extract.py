import os
import threading

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import FunctionTransformer
from torch import nn
from torch.utils.data import StackDataset, TensorDataset

from sksubsel.datasets import ImageFiles
from sksubsel.extraction import extract_features
from sksubsel.extraction.files import FeatureFile
from sksubsel.features import FeatureExtractor, InstanceFeatures
from sksubsel.zoo.store import CorruptEntryWarning


def network(seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU(), nn.Flatten())


@pytest.fixture
def images():
    return np.random.default_rng(0).random((23, 3, 6, 6), np.float32)


@pytest.fixture
def expected(images):
    return FeatureExtractor(network()).fit_transform(images)


class Counting(FeatureExtractor):
    """Counts the instances that went through; fails from a given one on."""

    def transform(self, X):
        self.seen_ = getattr(self, "seen_", 0) + len(X)
        if self.seen_ > getattr(self, "fails_at", np.inf):
            raise KeyboardInterrupt
        getattr(self, "before", lambda seen: None)(self.seen_)
        return super().transform(X)


def counting(fails_at=np.inf):
    extractor = Counting(network()).fit(np.zeros((1, 3, 6, 6)))
    extractor.fails_at = fails_at
    return extractor


@pytest.mark.parametrize("batch_size", [1, 8, 23, 100])
def test_features_of_an_array(images, expected, tmp_path, batch_size):
    images.setflags(write=False)
    out = extract_features(
        images, FeatureExtractor(network()), tmp_path / "new" / "folder", batch_size=batch_size
    )
    assert isinstance(out, np.memmap) and out.dtype == np.float32
    np.testing.assert_allclose(out, expected, atol=1e-6)
    torch.from_numpy(out)  # warns of what cannot be written to, and warnings are errors here
    out[0] = 5
    again = extract_features(images, FeatureExtractor(network()), tmp_path / "new" / "folder")
    np.testing.assert_allclose(again, expected, atol=1e-6)  # the file is as it was


def test_extracted_once(images, expected, tmp_path):
    first = counting()
    extract_features(images, first, tmp_path, batch_size=10)
    assert first.seen_ == 23
    second = counting()
    out = extract_features(images, second, tmp_path, batch_size=7)
    assert not hasattr(second, "seen_")
    np.testing.assert_allclose(out, expected, atol=1e-6)
    assert len(list(tmp_path.iterdir())) == 1


def test_killed_run_is_resumed(images, expected, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        extract_features(images, counting(fails_at=20), tmp_path, batch_size=5)
    (part,) = tmp_path.rglob("*.part")
    resumed = counting()
    resumed.fails_at = 6  # 20 rows are there
    with open(part, "ab") as file:
        file.write(b"half a row")
    out = extract_features(images, resumed, tmp_path, batch_size=4)
    assert resumed.seen_ == 3
    np.testing.assert_allclose(out, expected, atol=1e-6)
    assert not list(tmp_path.rglob("*.part"))
    # killed when all rows were there, but the file had not got its name
    os.rename(out.filename, part)
    resumed = counting(fails_at=0)
    np.testing.assert_array_equal(extract_features(images, resumed, tmp_path), out)
    # cut within its header: from the beginning
    with pytest.raises(KeyboardInterrupt):
        extract_features(images, counting(fails_at=20), tmp_path / "other", batch_size=5)
    (part,) = tmp_path.rglob("*.part")
    part.write_bytes(part.read_bytes()[:30])
    np.testing.assert_allclose(extract_features(images, counting(), tmp_path / "other"), out)


def test_two_runs_at_once(images, expected, tmp_path):
    """The first begins the file when the second, if it does not wait, has written three batches."""
    first, second = counting(), counting()
    ahead, begun, outs = threading.Event(), threading.Event(), []

    def run(extractor):
        outs.append(extract_features(images, extractor, tmp_path, batch_size=5))

    other = threading.Thread(target=run, args=(second,))

    def before_first(seen):
        if seen == 5:
            other.start()
            ahead.wait(0.3)
        else:
            begun.set()

    def before_second(seen):
        if seen == 20:
            ahead.set()
            begun.wait(5)

    first.before, second.before = before_first, before_second
    run(first)
    other.join()
    for out in outs:
        np.testing.assert_allclose(out, expected, atol=1e-6)
    assert len(outs) == 2 and not hasattr(second, "seen_")


def test_where_there_are_no_locks_two_runs_leave_no_hole(tmp_path):
    first, second = FeatureFile(tmp_path, 6), FeatureFile(tmp_path, 6)
    rows = np.ones((2, 3), np.float32)
    first.append(0, rows)
    first.append(2, rows)
    second.append(0, rows)
    with pytest.raises(RuntimeError, match=r"must end with row 3, and another run writes to it"):
        first.append(4, rows)
    second.append(2, rows)
    second.append(4, rows)
    np.testing.assert_array_equal(second.finish(), np.ones((6, 3)))


@pytest.mark.parametrize(
    "damage", [lambda c: c[:-4], lambda c: c[:20], lambda c: b"", lambda c: b"x" + c]
)
def test_damaged_file_is_made_again(images, expected, tmp_path, damage):
    path = extract_features(images, FeatureExtractor(network()), tmp_path).filename
    with open(path, "rb") as file:
        content = file.read()
    with open(path, "wb") as file:
        file.write(damage(content))
    with pytest.warns(CorruptEntryWarning, match=r"features\.npy is damaged"):
        out = extract_features(images, FeatureExtractor(network()), tmp_path)
    np.testing.assert_allclose(out, expected, atol=1e-6)


def test_others_have_entries_of_their_own(images, tmp_path):
    def entries():
        return len(list(tmp_path.iterdir()))

    changed = images.copy()
    changed[7, 1, 2, 3] += 1
    extract_features(images, FeatureExtractor(network()), tmp_path)
    # neither how many go through at a time nor where the network runs is content
    extract_features(images, FeatureExtractor(network(), batch_size=3), tmp_path)
    assert entries() == 1
    for k, (data, extractor, params) in enumerate(
        (
            (changed, FeatureExtractor(network()), {}),
            (images[:22], FeatureExtractor(network()), {}),
            (images, FeatureExtractor(network(1)), {}),
            (images, FeatureExtractor(network(), "0"), {}),
            (images, FeatureExtractor(network(), preprocess=lambda x: 2 * x), {}),
            (images, FeatureExtractor(network(), preprocess=lambda x: 3 * x), {}),
            (images, FeatureExtractor(network()), {"key": "mine"}),
        )
    ):
        out = extract_features(data, extractor, tmp_path, **params)
        np.testing.assert_allclose(out, extractor.fit(data).transform(data), atol=1e-6)
        assert entries() == k + 2
    extract_features(changed, FeatureExtractor(network()), tmp_path, key="mine")  # as asked
    assert entries() == 8


def test_other_extractors(images, tmp_path):
    fitted = InstanceFeatures(4).fit(images)
    np.testing.assert_array_equal(
        extract_features(images, fitted, tmp_path, batch_size=4), fitted.transform(images)
    )
    table = images.reshape(23, -1)
    pca = PCA(3).fit(table)
    out = extract_features(table, pca, tmp_path, batch_size=5)
    np.testing.assert_allclose(out, pca.transform(table), atol=1e-5)
    with pytest.raises(NotFittedError, match=r"must be fitted.*extractor\.fit\(X\[:5000\]\)"):
        extract_features(images, InstanceFeatures(4), tmp_path)
    with pytest.raises(TypeError, match=r"must be a transformer; got Sequential \(wrap"):
        extract_features(images, network(), tmp_path)


class Rows:
    """A map-style data set of what a function makes of a row."""

    def __init__(self, n, make):
        self.n, self.make = n, make

    def __len__(self):
        return self.n

    def __getitem__(self, row):
        return self.make(row)


class Columns(Rows):
    """As a Hugging Face data set: `shape` is of the table, rows come as dicts, many at a time."""

    shape = (23, 2)
    _fingerprint = "0123"

    def __getitems__(self, rows):
        return [self.make(row) for row in rows]

    def __getitem__(self, row):
        raise AssertionError("rows can be had many at a time")


def test_torch_data_sets(images, expected, tmp_path):
    tensors, labels = torch.from_numpy(images), torch.arange(23)
    for data in (
        TensorDataset(tensors, labels),
        StackDataset(tensors, labels),
        torch.utils.data.Subset(TensorDataset(tensors), range(23)),
        Rows(23, lambda row: (images[row], row)),
        Rows(23, lambda row: images[row]),
        list(images),
    ):
        out = extract_features(data, FeatureExtractor(network()), tmp_path, batch_size=5)
        np.testing.assert_allclose(out, expected, atol=1e-6)
    assert len(list(tmp_path.iterdir())) == 6
    before = torch.get_rng_state()
    extract_features(data, FeatureExtractor(network(2)), tmp_path)
    assert (torch.get_rng_state() == before).all()


def test_data_sets_of_dicts(images, expected, tmp_path):
    data = Columns(23, lambda row: {"image": images[row], "label": row})
    extractor = FeatureExtractor(network())
    out = extract_features(data, extractor, tmp_path, column="image", batch_size=5)
    np.testing.assert_allclose(out, expected, atol=1e-6)
    same = Columns(23, None)  # of the same fingerprint: its rows are not read again, but for one
    same.make = lambda row: data.make(row) if row == 0 else 1 / 0
    extract_features(same, extractor, tmp_path, column="image", batch_size=5)
    for column, message in (
        (None, r"column must name one of \['image', 'label'\]"),
        ("pixels", r"column='pixels' must be a key.*\['image', 'label'\]"),
    ):
        with pytest.raises(TypeError, match=message):
            extract_features(data, extractor, tmp_path, column=column)
    with pytest.raises(TypeError, match="column='image' must be a key.*got ndarray"):
        extract_features(images.tolist() and list(images), extractor, tmp_path, column="image")


def test_pictures(tmp_path):
    Image = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(1).integers(0, 256, (5, 6, 6, 3), np.uint8)
    pictures = [Image.fromarray(image) for image in pixels]
    expected = FeatureExtractor(network()).fit_transform(
        pixels.transpose(0, 3, 1, 2) / np.float32(255)
    )
    data = Rows(5, lambda row: (pictures[row], row))
    out = extract_features(data, FeatureExtractor(network()), tmp_path / "cache", key="pictures")
    np.testing.assert_allclose(out, expected, atol=1e-5)
    grey = Rows(5, lambda row: pictures[row].convert("L"))
    flat = FeatureExtractor(nn.Flatten())
    out = extract_features(grey, flat, tmp_path / "cache", key="grey")
    assert out.shape == (5, 36) and out.max() <= 1

    for k, picture in enumerate(pictures):
        picture.save(tmp_path / f"{k}.png")
    files = ImageFiles([f"{k}.png" for k in range(5)], 6, root=tmp_path)
    for workers in (0, 1):
        cache = tmp_path / f"workers-{workers}"
        out = extract_features(
            files, FeatureExtractor(network()), cache, batch_size=2, num_workers=workers
        )
        np.testing.assert_allclose(out, expected, atol=1e-5)
    pictures[0].rotate(90).save(tmp_path / "4.png")
    out = extract_features(files, FeatureExtractor(network()), cache)
    assert np.abs(out[4] - expected[4]).max() > 1e-3  # the changed file was seen
    (tmp_path / "2.png").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"2\.png cannot be decoded"):
        extract_features(files, FeatureExtractor(network()), cache)


def test_errors(images, tmp_path):
    extractor = FeatureExtractor(network())
    with pytest.raises(TypeError, match="data must be an array or a data set.*got generator"):
        extract_features((x for x in images), extractor, tmp_path)
    with pytest.raises(ValueError, match="data must not be empty"):
        extract_features(images[:0], extractor, tmp_path)
    for params in ({"batch_size": 0}, {"num_workers": -1}, {"num_workers": 0.5}):
        with pytest.raises(ValueError, match=next(iter(params))):
            extract_features(images, extractor, tmp_path, **params)
    uneven = Rows(4, lambda row: images[row, :, : 6 - row // 3])
    with pytest.raises(
        ValueError, match=r"one shape; got \(3, 6, 6\) in row 0 and \(3, 5, 6\) in row 3"
    ):
        extract_features(uneven, extractor, tmp_path)
    with pytest.raises(TypeError, match="numeric arrays, tensors or images"):
        extract_features(["a", "b"], extractor, tmp_path)
    with open(tmp_path / "file", "w") as file:
        unhashable = Rows(4, lambda row, file=file: images[row])
        with pytest.raises(TypeError, match="key must be given"):
            extract_features(unhashable, extractor, tmp_path)
        assert len(extract_features(unhashable, extractor, tmp_path, key="rows")) == 4
    twice = FunctionTransformer(lambda X: X.reshape(len(X) // 2, -1)).fit(images)
    with pytest.raises(ValueError, match=r"shape \(n=10, F\); got \(5, 216\)"):
        extract_features(images, twice, tmp_path, batch_size=10)
    images[17] = 0
    inverse = FeatureExtractor(nn.Flatten(), preprocess=lambda x: 1 / x)
    with pytest.raises(ValueError, match="instances 15 to 19 .* features must be finite.*in row 2"):
        extract_features(images, inverse, tmp_path, batch_size=5)
    images[17] = np.inf
    with pytest.raises(ValueError, match="instances 15 to 19 of the data: X must be finite"):
        extract_features(images, extractor, tmp_path, batch_size=5)


def test_memory_is_that_of_a_batch(tmp_path):
    import tracemalloc

    np.save(tmp_path / "X.npy", np.random.default_rng(0).random((4000, 3, 20, 20), np.float32))
    X = np.load(tmp_path / "X.npy", mmap_mode="r")  # 19 MB
    extractor = FeatureExtractor(nn.Flatten())  # features as large as the data
    extract_features(X[:10], extractor, tmp_path)  # what is imported and made but once
    tracemalloc.start()
    out = extract_features(X, extractor, tmp_path, batch_size=100)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(out, X.reshape(4000, -1))
    assert peak < X.nbytes / 5


def test_progress(images, tmp_path, capsys):
    extract_features(images, FeatureExtractor(network()), tmp_path, batch_size=12, verbose=1)
    assert "features: 2/2 batches" in capsys.readouterr().err
