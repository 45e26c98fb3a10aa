import json
import pickle
import runpy
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

from sksubsel import ModelApproximator, ModelZoo, SubSelNet, persistence
from sksubsel.datasets import ImageTransform
from sksubsel.persistence.document import dump_document

SCRIPT = Path(__file__).with_name("_outputs.py")
HELPER = runpy.run_path(str(SCRIPT))
# of what the few fitted are unlike nothing is to be said here
pytestmark = pytest.mark.filterwarnings("ignore:.* are unlike all that were fitted")


@pytest.fixture(scope="module")
def folder(nets, tmp_path_factory):
    """All nets saved, with what a fresh process says of them."""
    folder = tmp_path_factory.mktemp("nets")
    for name, net in nets.items():
        net.save(folder / name, include_zoo=True)
    subprocess.run([sys.executable, str(SCRIPT), str(folder)], check=True)
    return folder


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_equal_to_the_bit_in_a_fresh_process(nets, folder):
    for name, net in nets.items():
        expected = HELPER["outputs"](net, HELPER["unseen"](name), net.zoo_)
        with np.load(folder / f"{name}.npz") as found:
            assert set(found) == set(expected)
            for what, value in expected.items():
                message = f"{what} of {name}"
                assert found[what].dtype == value.dtype, message
                np.testing.assert_array_equal(found[what], value, message, strict=True)


def test_saved_again_it_is_the_same_files(nets, folder, tmp_path):
    for name, net in nets.items():
        again = SubSelNet.load(folder / name)
        again.save(tmp_path / name, include_zoo=True)
        assert files(tmp_path / name) == files(folder / name), name
        known = {"zoo": None, "random_state": 0}  # these print their addresses
        assert repr(clone(again).set_params(**known)) == repr(clone(net).set_params(**known)), name


def test_everything_learned_is_there(nets, folder):
    """All that a pickle keeps, part by part."""
    for name, net in nets.items():
        again = SubSelNet.load(folder / name)
        for part in ("encoder_", "approximator_", "selector_", "zoo_"):
            kept, found = (vars(getattr(each, part)) for each in (net, again))
            assert kept.keys() == found.keys(), (name, part)
            for key in kept.keys() - {"_base", "_cache", "store"}:
                assert type(kept[key]) is type(found[key]), (name, part, key)


def test_loading_draws_no_random_numbers(folder):
    np.random.seed(5)
    torch.manual_seed(5)
    before = np.random.get_state()[1].copy(), torch.get_rng_state()
    SubSelNet.load(folder / "inductive-entropy")
    assert (np.random.get_state()[1] == before[0]).all()
    assert (torch.get_rng_state() == before[1]).all()


def test_fits_again(tiny, nets, folder):
    again = SubSelNet.load(folder / "inductive-entropy")
    rows = again.fit(tiny.archs, again.zoo_).transform(tiny.unseen)
    np.testing.assert_array_equal(rows, nets["inductive-entropy"].transform(tiny.unseen))
    again = SubSelNet.load(folder / "own-features").fit(tiny.archs, tiny.zoo)
    proba = nets["own-features"].predict_proba(tiny.unseen)
    np.testing.assert_array_equal(again.predict_proba(tiny.unseen), proba)


def test_what_a_network_said_out_of_fold_is_kept(tiny, folder, nets, monkeypatch):
    monkeypatch.setattr("sksubsel._selector_design.out_of_fold", None)  # to call it would fail
    again = SubSelNet.load(folder / "transductive-design")
    wanted = nets["transductive-design"].select(tiny.unseen[0], 44)
    np.testing.assert_array_equal(again.select(tiny.unseen[0], 44), wanted)


@contextmanager
def selector_of(saved, copy):
    """What a copy of a saved net says of its selector, to be changed."""
    shutil.copytree(saved, copy)
    document = copy / "net.json"
    content = json.loads(document.read_text())["content"]
    parts = [one for one in content["objects"] if one["class"] == "SubsetSelector"]
    (part,) = (one for one in parts if "state" in one)
    yield part
    document.write_bytes(dump_document(content))


@pytest.mark.parametrize("name", ["inductive-design", "hybrid-entropy"])
def test_saved_before_there_was_a_second_opinion(tiny, nets, folder, tmp_path, monkeypatch, name):
    """What was selected then is selected now, whatever the default has become."""
    with selector_of(folder / name, tmp_path / "old") as part:
        del part["params"]["oof_weight"]
        for name_then_unknown in ("_oof", "oof_gain_", "label_noise_"):
            part["state"].pop(name_then_unknown, None)
    wanted = {budget: nets[name].select(tiny.unseen[0], budget) for budget in (30, 44)}
    monkeypatch.setattr("sksubsel._selector_design._MANY", 0)
    again = SubSelNet.load(tmp_path / "old")
    assert again.selector_.oof_weight == 0
    assert again.selector_.oof_gain_ is None
    for budget, rows in wanted.items():
        np.testing.assert_array_equal(again.select(tiny.unseen[0], budget), rows)


def test_saved_before_the_gain_of_a_second_judge_was_measured(folder, tmp_path):
    """Then it counted from so many rows on."""
    with selector_of(folder / "hybrid-design", tmp_path / "old") as part:
        assert part["state"].pop("oof_gain_") > 0
        assert part["state"].pop("label_noise_") >= 0
    selector = SubSelNet.load(tmp_path / "old").selector_
    assert selector.label_noise_ is None
    assert [selector._oof_weight(n) for n in (4095, 4096)] == [0, 0.5]


def test_saved_before_wrong_labels_were_counted(folder, tmp_path):
    with selector_of(folder / "hybrid-design", tmp_path / "old") as part:
        part["state"]["oof_gain_"] = 0.01
        part["state"].pop("label_noise_")
    selector = SubSelNet.load(tmp_path / "old").selector_
    assert selector.label_noise_ is None
    assert [selector._oof_weight(n) for n in (4095, 4096)] == [0, 0.5]


def test_what_is_recomputed_in_a_pickle_is_so_here(tiny, folder, nets):
    again = SubSelNet.load(folder / "transductive-design")
    pool = again.selector_.design_._pool_of_all
    assert pool.phi is None
    assert again.prepare() is again
    own = nets["transductive-design"].selector_.design_._pool_of_all
    np.testing.assert_array_equal(again.selector_.design_._pool_of_all.phi, own.phi)
    twin = pickle.loads(pickle.dumps(SubSelNet.load(folder / "hybrid-coverage")))
    expected = nets["hybrid-coverage"].transform(tiny.unseen)
    np.testing.assert_array_equal(twin.transform(tiny.unseen), expected)


def devices(value, found=None):
    """Of all modules and objects of ours that are reached from one, where they compute."""
    found = {} if found is None else found
    if id(value) in found:
        return set().union(*found.values())
    found[id(value)] = set()
    if isinstance(value, torch.nn.Module):
        found[id(value)] = {str(part.device) for part in value.state_dict().values()}
    elif isinstance(value, (list, tuple, dict)):
        for part in value.values() if isinstance(value, dict) else value:
            devices(part, found)
    elif type(value).__module__.startswith(("sksubsel", "sklearn.frozen")):
        for name, part in getattr(value, "__dict__", {}).items():
            if name in ("device", "device_") and part is not None:
                found[id(value)].add(str(part))
            devices(part, found)
    return set().union(*found.values())


def test_on_another_device(nets, folder, tmp_path, monkeypatch):
    """Every part moves; "meta" is a device that every machine has, though not to compute on."""
    with monkeypatch.context() as patch:
        patch.setattr(persistence.net, "check_device", str)
        for name in nets:
            assert devices(SubSelNet.load(folder / name, device="meta")) == {"meta"}, name
            assert devices(SubSelNet.load(folder / name)) == {"cpu"}, name
    net = SubSelNet.load(folder / "inductive-entropy").set_params(device="cuda")
    net.save(tmp_path / "net")
    assert devices(SubSelNet.load(tmp_path / "net")) == {"cpu", "cuda"}  # its parameters are kept
    assert devices(SubSelNet.load(tmp_path / "net", device="cpu")) == {"cpu"}
    for device, message in (
        ("nowhere", "device must be a torch device"),
        ("meta", "device='meta' was asked for, but torch cannot compute there"),
    ):
        with pytest.raises(ValueError, match=message):
            SubSelNet.load(folder / "mean", device=device)


def test_frozen_parts_are_one_object(folder):
    again = SubSelNet.load(folder / "inductive-design")
    assert again.encoder_ is again.encoder
    assert again.selector_.features_ is again.approximator_.features_


def test_random_state(nets, folder):
    again = SubSelNet.load(folder / "mlp")
    expected = nets["mlp"].random_state.get_state()
    for found, value in zip(again.random_state.get_state(), expected):
        np.testing.assert_array_equal(found, value)


def test_the_zoo(tiny, nets, folder):
    zoo, again = nets["mlp"].zoo_, SubSelNet.load(folder / "mlp").zoo_
    assert again.architectures_ == zoo.architectures_
    assert [arch.hash for arch in again.architectures_] == [a.hash for a in zoo.architectures_]
    for name in ("X_", "y_", "X_val_", "y_val_", "classes_", "trained_", "accuracies_"):
        np.testing.assert_array_equal(getattr(again, name), getattr(zoo, name), strict=True)
    np.testing.assert_array_equal(again.predictions_, zoo.predictions_, strict=True)
    assert repr(again.estimator_) == repr(zoo.estimator_)
    rows = np.arange(40)
    models = [each.train(zoo.architectures_[0], rows) for each in (zoo, again)]
    first, second = (model.predict_proba(zoo.X_) for model in models)
    np.testing.assert_array_equal(first, second)
    assert set(models[1].predict(zoo.X_)) <= set(zoo.classes_)


def test_without_the_zoo(tiny, nets, tmp_path):
    nets["mlp"].save(tmp_path / "net")
    assert set(files(tmp_path / "net")) == {"net.json", "net.safetensors"}
    again = SubSelNet.load(tmp_path / "net")
    assert not hasattr(again, "zoo_")
    with pytest.raises(AttributeError, match="include_zoo=True"):
        _ = again.zoo_
    with pytest.raises(AttributeError, match="no attribute 'no_such'"):
        _ = again.no_such
    with pytest.raises(ValueError, match="include_zoo must be False"):
        again.save(tmp_path / "again", include_zoo=True)
    assert not hasattr(again.zoo, "trained_")  # the prototype, and not what it learned
    archs = HELPER["unseen"]("mlp")
    np.testing.assert_array_equal(again.transform(archs), nets["mlp"].transform(archs))


def test_nothing_is_written_twice(tiny, folder):
    files = (folder / "lstm" / f"{name}.safetensors" for name in ("net", "zoo"))
    own, zoo = map(load_file, files)
    contents = [(a.dtype, a.shape, a.tobytes()) for a in (*own.values(), *zoo.values())]
    assert len(set(contents)) == len(contents)
    # labels are codes of the classes, which the selector has too
    assert set(zoo) >= {"zoo_.X_", "zoo_.predictions"}
    assert "zoo_.y_" not in zoo


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("transductive-entropy", lambda F, C: 0),
        ("inductive-design", lambda F, C: 4 * F + 8 * C + 32),
        ("hybrid-design", lambda F, C: 4 * F + 12 * C + 32),  # and a second opinion
        ("transductive-design", lambda F, C: 4 * F + 8 * C + 32),  # no mean, a second opinion
        ("hybrid-coverage", lambda F, C: 4 * F + 8 + 256),
    ],
)
def test_the_size_is_as_documented(nets, folder, name, more):
    """Of the arrays that grow with N; the others are networks and the features' transformer."""
    arrays = load_file(folder / name / "net.safetensors")
    N, C = nets[name].selector_.n_samples_, 10
    F = nets[name].selector_.features_.shape[1]
    fixed = ("spectrum", "basis")  # of at most 1,024 components, here as many as rows
    grown = [a for key, a in arrays.items() if a.shape[:1] == (N,) and not key.endswith(fixed)]
    n_bytes = sum(a.nbytes for a in grown)
    assert n_bytes == N * (4 * F + 4 * C + 1032 + more(F, C))


def test_a_sliced_zoo_is_written_as_such(tiny, tmp_path):
    zoo = tiny.zoo[[4, 0, 2]]
    net = SubSelNet(
        diversity="entropy",
        encoder=FrozenEstimator(tiny.encoder),
        approximator=FrozenEstimator(tiny.approximator),
    )
    net.fit(zoo.architectures_, zoo).save(tmp_path / "net", include_zoo=True)
    again = SubSelNet.load(tmp_path / "net").zoo_
    assert len(again._base) == 3
    np.testing.assert_array_equal(again[[2, 1]].predictions_, zoo[[2, 1]].predictions_)


def test_a_recipe_behind_a_transform(tiny, tmp_path):
    transform = ImageTransform(mean=np.array([0.3]), std=[0.2], horizontal_flip=True)
    recipe = clone(tiny.recipe).set_params(build=transform.before(tiny.space.build), max_epochs=1)
    zoo = ModelZoo(recipe, random_state=0).fit(tiny.archs[:2], tiny.X, tiny.y)
    mean = ModelApproximator(max_epochs=0)
    net = SubSelNet(budget=10, encoder=tiny.encoder, approximator=mean, random_state=0)
    net.fit(tiny.archs[:2], zoo).save(tmp_path / "net", include_zoo=True)
    build = SubSelNet.load(tmp_path / "net").zoo_.estimator_.build
    assert repr(build) == repr(recipe.build)


def test_places_on_a_disk_are_not_kept(tiny, net, tmp_path):
    other = clone(net).set_params(memory=str(tmp_path / "cache"), zoo=clone(tiny.zoo))
    other.zoo.set_params(store=tmp_path / "store")
    other.fit(tiny.archs, tiny.zoo).save(tmp_path / "net")
    again = SubSelNet.load(tmp_path / "net")
    assert again.memory is None
    assert again.zoo.store is None
    assert "cache" not in (tmp_path / "net" / "net.json").read_text()
