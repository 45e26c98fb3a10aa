import os

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator

from sksubsel import ArchitectureClassifier, ModelApproximator, ModelZoo, SubSelNet, SubsetSelector
from sksubsel.features import FeatureExtractor
from sksubsel.persistence import net as module
from sksubsel.zoo.folders import write_atomically


class Own(TransformerMixin, BaseEstimator):
    """A transformer of the user's."""

    def fit(self, X, y=None):
        self.n_ = len(X)
        return self

    def transform(self, X):
        return np.asarray(X).reshape(len(X), -1)[:, :3]


def names(folder):
    return {path.name for path in folder.iterdir()}


def refused(net, folder, message, **options):
    """An error, and nothing is written."""
    before = names(folder)
    with pytest.raises(TypeError, match=message):
        net.save(folder / "refused", **options)
    assert names(folder) == before


def frozen(net):
    return {
        "encoder": FrozenEstimator(net.encoder_),
        "approximator": FrozenEstimator(net.approximator_),
    }


def test_parts_of_the_users_own(tiny, net, tmp_path):
    own = SubSelNet(
        encoder=FrozenEstimator(net.encoder_), features=Own(), random_state=0, diversity="entropy"
    )
    part = ModelApproximator(max_epochs=0)
    own.set_params(approximator=part).fit(tiny.archs, tiny.zoo)
    refused(own, tmp_path, "^features is an object of class .*Own, .*joblib.dump instead")
    own = SubSelNet(**frozen(net), selector=SubsetSelector(features=Own(), diversity="entropy"))
    own.fit(tiny.archs, tiny.zoo)
    refused(own, tmp_path, "^selector__features is an object of class")
    network = torch.nn.Flatten()
    part = ModelApproximator(max_epochs=0, features=FeatureExtractor(network))
    own = SubSelNet(encoder=FrozenEstimator(net.encoder_), approximator=part)
    own.fit(tiny.archs, tiny.zoo)
    refused(own, tmp_path, "^approximator__features is an object of class .*FeatureExtractor")
    own.set_params(approximator=None)
    refused(own, tmp_path, r"^approximator_\.features is an object of class .*FeatureExtractor")


def build(arch, in_shape, n_outputs):
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, n_outputs))


def test_functions_and_callbacks(tiny, net, tmp_path):
    other = clone(net).set_params(zoo=ModelZoo(ArchitectureClassifier(build=build)))
    other.fit(tiny.archs, tiny.zoo)
    refused(other, tmp_path, "^zoo__estimator__build is the function .*build")
    other.set_params(zoo=None, encoder__callbacks=[("own", Own())])
    refused(other, tmp_path, r"^encoder__callbacks\[0\]\[1\] is an object of class .*Own")
    other.set_params(encoder__callbacks=None).save(tmp_path / "net")  # the rest can be saved
    zoo = ModelZoo(ArchitectureClassifier(build=build, max_epochs=1), random_state=0)
    zoo.fit(tiny.archs[:2], tiny.X, tiny.y)
    other = SubSelNet(**frozen(net), diversity="entropy").fit(tiny.archs[:2], zoo)
    other.save(tmp_path / "other")  # nobody asks for the zoo
    refused(other, tmp_path, r"^zoo_\.estimator__build is the function", include_zoo=True)


def test_classes_and_attributes_of_others(tiny, net, tmp_path):
    class Derived(SubSelNet):
        pass

    other = clone(net).fit(tiny.archs, tiny.zoo)
    other.note = "mine"
    refused(other, tmp_path, "^note is an attribute that SubSelNet does not have")
    del other.note
    other.selector_.note = "mine"
    refused(other, tmp_path, r"^selector_\.note is an attribute that SubsetSelector does not")
    del other.selector_.note
    other.selector_.seed_ = -1
    refused(other, tmp_path, "seed_ of SubsetSelector must be an int")  # `load` would refuse it
    other.random_state = np.random.RandomState(np.random.PCG64(0))
    refused(other, tmp_path, "random_state must be an int, None or a RandomState of an MT19937")
    refused(Derived(**frozen(net)).fit(tiny.archs, tiny.zoo), tmp_path, "no class derived from it")
    with pytest.raises(NotFittedError):
        SubSelNet().save(tmp_path / "net")


def test_new_and_empty_folders(net, tmp_path):
    net.save(tmp_path / "a.b" / "c.d")
    assert names(tmp_path / "a.b") == {"c.d"}
    assert names(tmp_path / "a.b" / "c.d") == {"net.json", "net.safetensors"}
    (tmp_path / "empty").mkdir()
    net.save(str(tmp_path / "empty"))
    assert names(tmp_path) == {"a.b", "empty"}
    assert SubSelNet.load(str(tmp_path / "empty")).n_samples_ == 150


@pytest.mark.skipif(os.name != "posix", reason="modes of files")
def test_who_may_read_it(net, tmp_path):
    """Whoever may read what else is written here."""
    net.save(tmp_path / "net", include_zoo=True)
    write_atomically(tmp_path / "other", lambda file: file.write(b"x"))
    (tmp_path / "plain").touch()
    files = [*(tmp_path / "net").iterdir(), tmp_path / "other", tmp_path / "plain"]
    assert len(files) == 5 and len({path.stat().st_mode for path in files}) == 1


def test_overwriting(tiny, net, tmp_path):
    target = tmp_path / "net"
    net.save(target, include_zoo=True)
    with pytest.raises(FileExistsError, match="overwrite=True replaces a net saved there"):
        net.save(target)
    assert "zoo.safetensors" in names(target)
    other = clone(net).set_params(selector__budget=20).fit(tiny.archs, tiny.zoo)
    other.save(target, overwrite=True)
    assert names(target) == {"net.json", "net.safetensors"}
    assert names(tmp_path) == {"net"}
    assert len(SubSelNet.load(target).select(tiny.unseen[0])) == 20
    (target / "thesis.tex").write_text("mine")
    with pytest.raises(FileExistsError, match="thesis.tex"):
        net.save(target, overwrite=True)
    assert (target / "thesis.tex").read_text() == "mine"
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "net.json").write_text("{}")
    with pytest.raises(FileExistsError, match="no description of one"):
        net.save(tmp_path / "others", overwrite=True)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FileExistsError, match="file is a file"):
        net.save(tmp_path / "file", overwrite=True)


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_to_a_folder_stays_one(net, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    net.save(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert names(tmp_path / "real") == {"net.json", "net.safetensors"}


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
@pytest.mark.parametrize("exists", [False, True])
def test_interrupted_while_writing(tiny, net, tmp_path, monkeypatch, exists, error):
    def interrupt(path):
        assert path.stat().st_size > 0  # something was written already
        raise error

    if exists:
        net.save(tmp_path / "net", include_zoo=True)
    monkeypatch.setattr(module, "hash_file", interrupt)
    with pytest.raises(error):
        net.save(tmp_path / "net", overwrite=True)
    assert names(tmp_path) == ({"net"} if exists else set())
    if exists:
        assert SubSelNet.load(tmp_path / "net").zoo_.shape == (6,)


@pytest.mark.parametrize("exists", [False, True])
def test_interrupted_while_moving(net, tmp_path, monkeypatch, exists):
    rename = os.rename

    def fail(source, target):
        if str(source).endswith(".tmp"):
            raise OSError("no space left")
        rename(source, target)

    if exists:
        net.save(tmp_path / "net", include_zoo=True)
    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(OSError, match="no space left"):
        net.save(tmp_path / "net", overwrite=True)
    assert names(tmp_path) == ({"net"} if exists else set())
    if exists:
        assert SubSelNet.load(tmp_path / "net").zoo_.shape == (6,)


def test_a_description_too_large_to_be_read(net, tmp_path, monkeypatch):
    monkeypatch.setattr("sksubsel.persistence.document.MAX_BYTES", 1000)
    with pytest.raises(ValueError, match="at most 1000 bytes"):
        net.save(tmp_path / "net")
    assert names(tmp_path) == set()
