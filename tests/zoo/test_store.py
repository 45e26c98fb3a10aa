import json
import pickle
import sys
import warnings

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.svm import SVC

from sksubsel import ArchitectureClassifier
from sksubsel.architectures import Architecture
from sksubsel.zoo import CorruptEntryWarning
from sksubsel.zoo.store import Store, architecture_key, kept_seed, recipe_settings

_OPS = ("input", "conv", "pool", "output")
_ARCH = Architecture(_OPS, ((0, 1), (1, 2), (2, 3)), space="mine")
_OTHERS = [
    Architecture(("input", "pool", "conv", "output"), _ARCH.edges, space="mine"),
    Architecture(_OPS, ((0, 1), (0, 2), (1, 2), (2, 3)), space="mine"),
    Architecture(_OPS, _ARCH.edges, space="yours"),
    Architecture(_OPS, _ARCH.edges),
]


def test_settings_of_no_account_are_in_no_key():
    names = {name for name, _ in recipe_settings(ArchitectureClassifier(), ("verbose",))}
    assert {"lr", "schedule", "momentum"} <= names
    assert not names & {"nesterov", "step_size", "gamma", "class_weight", "verbose"}
    assert "stratify_batches" not in names
    used = dict(recipe_settings(ArchitectureClassifier(schedule="step", nesterov=True)))
    assert (used["nesterov"], used["step_size"], used["gamma"]) == (True, 0.3, 0.1)
    weighted = dict(recipe_settings(ArchitectureClassifier(class_weight="balanced")))
    assert weighted["class_weight"] == "balanced"
    assert dict(recipe_settings(ArchitectureClassifier(stratify_batches=True)))["stratify_batches"]
    assert "gamma" in dict(recipe_settings(SVC())), "which has no schedule"

    class Own(BaseEstimator):
        def __init__(self, schedule="poly", gamma=2):
            self.schedule, self.gamma = schedule, gamma

    assert dict(recipe_settings(Own())) == {"schedule": "poly", "gamma": 2}


@pytest.fixture
def record():
    rng = np.random.default_rng(0)
    return {
        "predictions": rng.random((50, 3)).astype(np.float16),
        "accuracy": 0.75,
        "train_accuracy": 0.875,
        "train_time": 1.5,
        "n_parameters": 123,
    }


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "deep" / "zoo", "key")


def _entry(store):
    return store.folder / f"{architecture_key(_ARCH)}.npz"


def test_round_trip_in_another_object(store, record):
    assert store.read(_ARCH) is None
    store.write(_ARCH, record)
    again = Store(str(store.folder), "key").read(_ARCH)
    assert again.keys() == record.keys()
    assert again["predictions"].dtype == np.float16
    for name, value in record.items():
        np.testing.assert_array_equal(again[name], value)
    for other in _OTHERS:
        assert store.read(other) is None


def test_writing_again_replaces(store, record):
    store.write(_ARCH, record)
    store.write(_ARCH, record | {"accuracy": 0.5})
    assert store.read(_ARCH)["accuracy"] == 0.5


def _flipped(content, place, bits):
    """With flipped bits in the directory's first entry, where 6 is the version and 8 has flags."""
    content = bytearray(content)
    content[content.index(b"PK\x01\x02") + place] ^= bits
    return content


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1],
        lambda content: b"",
        lambda content: b"no zip file",
        lambda content: content[:200] + b"\xff\x00\xff\x00" + content[204:],
        lambda content: _flipped(content, 6, 0x80),
        lambda content: _flipped(content, 8, 0x01),
    ],
    ids=["half", "last byte", "empty", "text", "flipped", "later version", "encrypted"],
)
def test_a_damaged_entry_is_none_with_a_warning(store, record, damage):
    store.write(_ARCH, record)
    path = _entry(store)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.warns(CorruptEntryWarning, match=f"{path.name}.*trained again"):
        assert store.read(_ARCH) is None
    store.write(_ARCH, record)
    assert store.read(_ARCH)["accuracy"] == 0.75


@pytest.mark.parametrize("position", range(5, 100, 5))
def test_no_flipped_byte_is_taken_for_data(store, record, position):
    """Wherever the damage is, the entry is None or what was written."""
    store.write(_ARCH, record)
    path = _entry(store)
    content = bytearray(path.read_bytes())
    content[len(content) * position // 100] ^= 0xFF
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CorruptEntryWarning)
        again = store.read(_ARCH)
    if again is not None:
        for name, value in record.items():
            np.testing.assert_array_equal(again[name], value)


def test_an_entry_that_lacks_a_field_is_damaged(store, record):
    del record["accuracy"]
    store.write(_ARCH, record)
    with pytest.warns(CorruptEntryWarning):
        assert store.read(_ARCH) is None


def test_pickled_objects_are_not_loaded(store, record):
    store.write(_ARCH, record | {"predictions": np.array([{"any": "thing"}], dtype=object)})
    with pytest.warns(CorruptEntryWarning):
        assert store.read(_ARCH) is None


def test_another_key_is_refused(store):
    with pytest.raises(ValueError, match="made for other data, labels or training settings"):
        Store(store.folder, "another key")
    Store(store.folder, "key")


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", "3", '{"format": 1}', '{"key": "key"}', "\ufffd"]
)
def test_a_damaged_manifest(store, content):
    (store.folder / "manifest.json").write_text(content)
    with pytest.raises(ValueError, match="manifest of store .* is damaged"):
        Store(store.folder, "key")


def test_a_manifest_of_another_format(store):
    (store.folder / "manifest.json").write_text(json.dumps({"format": 99, "key": "key"}))
    with pytest.raises(ValueError, match="made for other"):
        Store(store.folder, "key")


def test_entries_without_their_manifest_are_not_adopted(store, record):
    store.write(_ARCH, record)
    (store.folder / "manifest.json").unlink()
    with pytest.raises(ValueError, match="give an empty folder"):
        Store(store.folder, "another key")


def test_a_file_is_no_folder(tmp_path):
    path = tmp_path / "file"
    path.write_text("mine")
    with pytest.raises(ValueError, match="store must be a folder; .* is a file"):
        Store(path, "key")
    assert path.read_text() == "mine"


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="has no manifest but other files"):
        Store(tmp_path, "key")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_what_a_killed_write_leaves_behind_does_not_matter(tmp_path, record):
    (tmp_path / ".abc.tmp").write_bytes(b"half")  # killed before the manifest was there
    store = Store(tmp_path, "key")
    (tmp_path / ".def.tmp").write_bytes(b"half")
    store.write(_ARCH, record)
    assert Store(tmp_path, "key").read(_ARCH)["accuracy"] == 0.75


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_a_write_that_fails_leaves_nothing(store, record, monkeypatch, error):
    before = sorted(store.folder.iterdir())

    def savez(file, **arrays):
        file.write(b"half of it")
        raise error("no space left")

    monkeypatch.setattr(np, "savez", savez)
    with pytest.raises(error, match="no space left"):
        store.write(_ARCH, record)
    assert sorted(store.folder.iterdir()) == before
    assert store.read(_ARCH) is None


def test_a_write_that_fails_keeps_the_entry_before(store, record, monkeypatch):
    store.write(_ARCH, record)

    def savez(file, **arrays):
        raise OSError("no space left")

    monkeypatch.setattr(np, "savez", savez)
    with pytest.raises(OSError, match="no space left"):
        store.write(_ARCH, record | {"accuracy": 0.0})
    assert store.read(_ARCH)["accuracy"] == 0.75


def test_keys_differ_for_ops_edges_space_and_attributes():
    marked = Architecture(_OPS, _ARCH.edges, attributes=({}, {"width": 8}, {}, {}), space="mine")
    keys = {architecture_key(arch) for arch in [_ARCH, *_OTHERS, marked]}
    assert len(keys) == len(_OTHERS) + 2
    assert architecture_key(Architecture(_OPS, _ARCH.edges, space="mine")) in keys


@pytest.fixture(params=["memory", "file"])
def url(request, tmp_path):
    fsspec = pytest.importorskip("fsspec")
    if request.param == "file":
        yield f"file://{tmp_path}/deep/zoo"
    else:
        yield "memory://deep/zoo"
        fsspec.filesystem("memory").rm("/deep", recursive=True)


def _remote(url):
    from fsspec.core import url_to_fs

    return url_to_fs(url)


def test_a_url_keeps_what_a_folder_does(url, record):
    assert kept_seed(url) is None
    store = Store(url, "key", 5)
    assert store.read(_ARCH) is None
    store.write(_ARCH, record | {"accuracy": 0.5})
    store.write(_ARCH, record)
    for again in (Store(url + "/", "key"), pickle.loads(pickle.dumps(store))):
        for name, value in record.items():
            np.testing.assert_array_equal(again.read(_ARCH)[name], value)
    assert kept_seed(url) == 5
    with pytest.raises(ValueError, match="made for other data, labels or training settings"):
        Store(url, "another key")
    fs, path = _remote(url)
    names = sorted(name.rsplit("/", 1)[1] for name in fs.ls(path, detail=False))
    assert names == sorted([f"{architecture_key(_ARCH)}.npz", "manifest.json"])


def test_a_damaged_entry_at_a_url(url, record):
    store = Store(url, "key")
    store.write(_ARCH, record)
    fs, path = _remote(url)
    entry = f"{path}/{architecture_key(_ARCH)}.npz"
    fs.pipe_file(entry, fs.cat_file(entry)[:100])
    with pytest.warns(CorruptEntryWarning, match=f"{url}/{architecture_key(_ARCH)}.*again"):
        assert store.read(_ARCH) is None
    fs.rm_file(f"{path}/manifest.json")
    with pytest.raises(ValueError, match="no manifest but other files"):
        Store(url, "key")


def test_a_write_to_a_url_that_fails_leaves_nothing(url, record, monkeypatch):
    store = Store(url, "key")
    store.write(_ARCH, record)

    def fail(*args, **kwargs):
        raise OSError("moved not")

    monkeypatch.setattr(type(store._files.fs), "mv", fail)
    with pytest.raises(OSError, match="moved not"):
        store.write(_ARCH, record | {"accuracy": 0.5})
    fs, path = _remote(url)
    assert len(fs.ls(path)) == 2 and store.read(_ARCH)["accuracy"] == 0.75


def test_a_file_at_a_url(url):
    fs, path = _remote(url)
    fs.makedirs(path)
    fs.pipe_file(f"{path}/file", b"")
    with pytest.raises(ValueError, match="must be a folder"):
        Store(f"{url}/file", "key")


def test_urls_that_cannot_be_used(monkeypatch):
    with pytest.raises(ValueError, match="protocol fsspec knows.*'nowhere://zoo'"):
        Store("nowhere://zoo", "key")
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(ImportError, match=r"pip install 'sksubsel\[distributed\]'"):
        Store("memory://zoo", "key")


def test_a_url_whose_filesystem_is_not_installed(monkeypatch):
    pytest.importorskip("fsspec")
    for name in ("s3fs", "s3fs.core"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match="store='s3://bucket/zoo' needs another package: .*s3fs"):
        Store("s3://bucket/zoo", "key")
