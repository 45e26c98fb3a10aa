"""Folders that are not as they were written: an error that names the file, and nothing is run."""

import builtins
import hashlib
import json
import os
import pickle
import shutil

import joblib
import numpy as np
import pytest
import torch
from safetensors.numpy import load, save

from sksubsel import SubSelNet
from sksubsel.persistence import SavedModelError
from sksubsel.persistence.document import MAX_BYTES, dump_document

FILES = ("net.json", "net.safetensors", "zoo.safetensors")


@pytest.fixture(scope="module")
def whole(net, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "net"
    net.save(folder, include_zoo=True)
    return folder


@pytest.fixture
def folder(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "net")


def seal(folder, edit):
    """Change the content of net.json, and give it a right digest, as an attacker would."""
    path = folder / "net.json"
    content = json.loads(path.read_text())["content"]
    edit(content)
    path.write_bytes(dump_document(content))


def seal_tensors(folder, edit, name="net.safetensors"):
    """The same for tensors."""
    path = folder / name
    tensors = load(path.read_bytes())
    edit(tensors)
    path.write_bytes(save({key: np.array(part, order="C") for key, part in tensors.items()}))
    about = {"bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    seal(folder, lambda content: content["files"].update({name: about}))


def state_of(content, name):
    """Parameters and state of the last object of a class."""
    return next(each for each in reversed(content["objects"]) if each["class"] == name)


def test_untouched_it_loads(folder):
    seal(folder, lambda content: None)
    seal_tensors(folder, lambda tensors: None)
    assert SubSelNet.load(folder).n_samples_ == 150


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("place", [0, 3, 9, 40, 1 / 3, 2 / 3, -1])
def test_a_changed_byte(folder, name, place):
    """In the header's length, the header, the payload, and all parts of the JSON."""
    path = folder / name
    data = bytearray(path.read_bytes())
    data[int(place * len(data)) if isinstance(place, float) else place] ^= 0x11
    path.write_bytes(data)
    with pytest.raises(SavedModelError, match=name):
        SubSelNet.load(folder)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("n_bytes", [0, 7, 0.5, -1, +1])
def test_another_length(folder, name, n_bytes):
    path = folder / name
    data = path.read_bytes()
    if n_bytes == 1:
        path.write_bytes(data + b"x")
    else:
        path.write_bytes(data[: int(n_bytes * len(data)) if n_bytes == 0.5 else n_bytes])
    with pytest.raises(SavedModelError, match=name):
        SubSelNet.load(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file(folder, name):
    (folder / name).unlink()
    with pytest.raises(SavedModelError, match=f"{name} is missing"):
        SubSelNet.load(folder)


def test_no_folder(folder):
    for path in (folder / "net.json", folder / "no_such", str(folder / "no_such")):
        with pytest.raises(SavedModelError, match=f"{os.path.basename(path)} is no folder"):
            SubSelNet.load(path)


class _Mark:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("sealed", [False, True])
def test_a_pickle_in_place_of_a_file(folder, tmp_path, name, sealed):
    mark = tmp_path / "mark"
    data = pickle.dumps(_Mark(mark))
    pickle.loads(data).close()
    assert mark.exists()  # what this test would see
    mark.unlink()
    (folder / name).write_bytes(data)
    if sealed and name != "net.json":
        about = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        seal(folder, lambda content: content["files"].update({name: about}))
    with pytest.raises(SavedModelError, match=name):
        SubSelNet.load(folder)
    assert not mark.exists()


def test_no_unpickling_and_no_import_by_name(folder, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("code of a file could be run")

    SubSelNet.load(folder)  # imports what it needs
    for module, name in (
        (pickle, "load"), (pickle, "loads"), (pickle, "Unpickler"), (joblib, "load"),
        (torch, "load"), (np, "load"), (builtins, "eval"), (builtins, "compile"),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, refuse)
    SubSelNet.load(folder)


@pytest.mark.parametrize("name", ["os.system", "posix.system", "system", "SVC", "SubprocessPopen"])
def test_classes_of_others(folder, tmp_path, name):
    mark = tmp_path / "mark"

    def edit(content):
        content["objects"][0] = {"class": name, "params": {"command": f"touch {mark}"}}

    seal(folder, edit)
    with pytest.raises(SavedModelError, match=rf"net.json.*unknown class '{name}'"):
        SubSelNet.load(folder)
    assert not mark.exists()


def newer(data):
    return data.replace(b'"version": 1', b'"version": 2', 1)


def twice(data):
    return data.replace(b'"content": {', b'"content": {}, "content": {', 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (newer, "version 2 of the format.*install a newer sksubsel"),
        (lambda data: data.replace(b'"version": 1', b'"version": true', 1), "its version is True"),
        (lambda data: data.replace(b'"version": 1', b'"version": 0', 1), "its version is 0"),
        (twice, "'content' is there more than once"),
        (lambda data: data + b" " * MAX_BYTES, "at most"),
        (lambda data: b"[" * 10**6, "nested too deeply|not the JSON"),
        (lambda data: b"[" * 900 + b"]" * 900, "lacks the format"),
        (lambda data: b'{"format": NaN}', "NaN is no JSON"),
        (lambda data: b'{"format": 1e999}', "no number that a float can hold"),
        (lambda data: b'{"format": ' + b"9" * 5000 + b"}", "5000 digits"),
        (lambda data: b"\xff\xfe" + data, "not the JSON"),
        (lambda data: b"[]", "lacks the format"),
        (lambda data: b'{"format": "sksubsel.SubSelNet", "version": 1}', "not the parts"),
        (lambda data: data.replace(b'"sha256": "', b'"sha256": "0', 1), "SHA-256"),
    ],
)
def test_the_document(folder, change, message):
    path = folder / "net.json"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(SavedModelError, match=rf"net.json[^$]*({message})"):
        SubSelNet.load(folder)


def lists(value):
    return lambda content: content.update(objects=value)


def of(name, part, **changes):
    """Change parameters or attributes of an object; None deletes one."""

    def edit(content):
        found = state_of(content, name)[part]
        for key, value in changes.items():
            if value is None:
                del found[key]
            else:
                found[key] = value

    return edit


def deep(content):
    value = []
    for _ in range(700):
        value = [value]
    state_of(content, "SubSelNet")["params"]["budget"] = value


def shuffled(content):
    content["objects"] = content["objects"][::-1]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lists([]), "no objects"),
        (lists({}), "no objects"),
        (lists([3]), "object 0 has the unknown class"),
        (lambda content: content["objects"].pop(), "holds no fitted SubSelNet"),
        (shuffled, "does not come before"),
        (lambda content: content.update(more=1), "it has the parts"),
        (lambda content: state_of(content, "SubSelNet").pop("state"), "holds no fitted SubSelNet"),
        (lambda content: state_of(content, "SubSelNet").update(code="x"), "unknown code"),
        (of("SubSelNet", "params", lam=-1.0), "'lam' parameter"),
        (of("SubSelNet", "params", memory="/tmp"), "SubSelNet has the unknown memory"),
        (of("ModelZoo", "params", store="/tmp"), "ModelZoo has the unknown store"),
        (of("SubSelNet", "params", __class__="x"), "unknown __class__"),
        (of("SubSelNet", "params", mode="no_such"), "'mode' parameter"),
        (of("SubsetSelector", "params", budget={"eval": "1"}), r"unknown keys \['eval'\]"),
        (of("SubsetSelector", "params", budget={}), "unknown keys"),
        (of("SubsetSelector", "params", lam={"float": "-inf"}), "'lam' parameter"),
        (of("SubsetSelector", "params", lam={"float": "1"}), "a number is '1'"),
        (of("SubsetSelector", "params", features={"build": None}), "no search space"),
        (of("SubsetSelector", "params", features={"object": 10**6}), "does not come before"),
        (of("SubsetSelector", "params", features={"tensor": "no_such"}), "in none of the files"),
        (of("SubsetSelector", "params", lr={"dict": [[1, 2], [1, 3]]}), "key 1 more than once"),
        (of("SubsetSelector", "params", lr={"dict": [[[], 2]]}), "a list of pairs"),
        (of("SubsetSelector", "params", lr={"strings": [1], "dtype": "str"}), "something else"),
        (of("SubsetSelector", "params", lr={"tuple": 3}), "a list is something else"),
        (of("SubsetSelector", "state", seed_=None), "SubsetSelector lacks seed_"),
        (of("SubsetSelector", "state", _shared=None), r"lacks \['_shared'\]"),
        (of("SubsetSelector", "state", seed_=-3), "seed_ of SubsetSelector must be an int"),
        (of("SubsetSelector", "state", seed_=True), "seed_ of SubsetSelector must be an int"),
        (of("SubsetSelector", "state", n_samples_=151), r"must have shape \(151"),
        (of("SubsetSelector", "state", task_="sorting"), "task_ of SubsetSelector must be one of"),
        (of("SubSelNet", "state", encoder_=1), "encoder_ of SubSelNet must be ArchitectureEncoder"),
        (of("SubSelNet", "state", n_samples_=151), "about different instances"),
        (of("ModelApproximator", "state", shape_={"tuple": [150, 11]}), "does not fit the inst"),
        (of("ModelApproximator", "state", latent_dim_=15), "does not fit the instances"),
        (of("GraphCodec", "state", vocabulary={"tuple": ["a"]}), "does not fit its vocabulary"),
        (of("ApproximatorNet", "state", extra=7.0), "dropout"),
        (of("NASBench101", "state", more=1), "NASBench101 has the unknown more"),
        (deep, "'budget' parameter|nested too deeply"),
    ],
)
def test_sealed_changes_of_the_document(folder, edit, message):
    seal(folder, edit)
    with pytest.raises(SavedModelError, match=rf"net[.](json|safetensors).*({message})"):
        SubSelNet.load(folder)


@pytest.mark.parametrize(
    "name", ["../zoo.safetensors", "/etc/hostname", "net.json", "a\0b", "sub/net.safetensors"]
)
def test_files_elsewhere(folder, name):
    seal(folder, lambda content: content["files"].update({name: content["files"].popitem()[1]}))
    with pytest.raises(SavedModelError, match="net.json.*its files must be net.safetensors"):
        SubSelNet.load(folder)


@pytest.mark.parametrize("about", [{}, 3, {"bytes": "1", "sha256": ""}, {"bytes": 1, "sha256": 2}])
def test_files_without_a_digest(folder, about):
    seal(folder, lambda content: content["files"].update({"zoo.safetensors": about}))
    with pytest.raises(SavedModelError, match="the bytes and the sha256 of each"):
        SubSelNet.load(folder)


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
@pytest.mark.parametrize("name", FILES)
def test_links_and_pipes(folder, tmp_path, name):
    (folder / name).rename(tmp_path / name)
    (folder / name).symlink_to(tmp_path / name)
    with pytest.raises(SavedModelError, match=f"{name} must be a file of its own"):
        SubSelNet.load(folder)
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with pytest.raises(SavedModelError, match=f"{name} must be a regular file"):
        SubSelNet.load(folder)
    (folder / name).unlink()
    (folder / name).mkdir()
    with pytest.raises(SavedModelError, match=f"{name} must be a regular file"):
        SubSelNet.load(folder)


def becomes(name, change):
    def edit(tensors):
        found = next(key for key in tensors if key.endswith(name))
        tensors[found] = change(tensors[found])

    return edit


def lost(name):
    return lambda tensors: tensors.pop(next(key for key in tensors if key.endswith(name)))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (becomes(".features_", np.float64), "features_ of ModelApproximator must have dtype"),
        (becomes(".base_", lambda a: a[:-1]), "base_ of ModelApproximator must have shape"),
        (becomes(".hidden_", lambda a: a[..., None]), "hidden_ of ModelApproximator must have"),
        (becomes(".hidden_", lambda a: a[:, :-1]), "does not fit the instances"),
        (becomes(".y_", lambda a: a[:-1]), "must have shape"),
        (becomes("mu.weight", lambda a: a.T.copy()), "GraphVAE cannot be made of it"),
        (becomes("mu.weight", lambda a: a[:, :0]), "GraphVAE cannot be made of it"),
        (becomes("w_c.weight", np.float16), "ApproximatorNet cannot be made of it"),
        (becomes("basis", lambda a: a[1:]), "its pool does not fit"),
        (becomes("waves", lambda a: a[1:]), "do not fit"),
        (becomes("_turn", lambda a: a[1:]), "_turn of DesignIndex must have shape"),
        (becomes("points_", lambda a: a[:, 1:]), "center_ of Novelty must have shape"),
        (becomes("points_", lambda a: a * np.nan), "Novelty cannot be made of it"),
        (becomes("_shared.15", lambda a: a + 150), "rows that are not there"),
        (lambda tensors: tensors.update(more=np.zeros(3)), "nothing has a use for tensor more"),
        (lost("mu.weight"), "mu.weight' is in none of the files"),
    ],
)
def test_sealed_changes_of_tensors(folder, edit, message):
    seal_tensors(folder, edit)
    with pytest.raises(SavedModelError, match=rf"net[.](json|safetensors).*{message}"):
        SubSelNet.load(folder)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (becomes(".ops", lambda a: a + 100), "out of range"),
        (becomes(".edges", lambda a: 0 * a), "self-loop|out of range"),
        (becomes(".edges", lambda a: a + 10**6), "out of range"),
        (becomes(".sizes", lambda a: -a), "do not add up"),
        (becomes(".predictions", lambda a: a[1:]), "must have shape"),
        (becomes(".X_", lambda a: a[1:]), "X and y have different lengths"),
        (lambda tensors: tensors.update({"approximator_.base_": np.zeros(3)}), "in two files"),
    ],
)
def test_sealed_changes_of_the_zoo(folder, edit, message):
    seal_tensors(folder, edit, "zoo.safetensors")
    with pytest.raises(SavedModelError, match=rf"(net.json|safetensors).*{message}"):
        SubSelNet.load(folder)
