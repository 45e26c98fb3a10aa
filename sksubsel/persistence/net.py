"""A whole net to a folder, and back."""

from __future__ import annotations

import hashlib
import platform
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
import torch
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted
from torch import nn

from sksubsel._validation import check_device
from sksubsel._version import __version__
from sksubsel.approximator import ModelApproximator
from sksubsel.encoder import ArchitectureEncoder
from sksubsel.persistence.document import FORMAT, MAX_BYTES, dump_document, parse_document
from sksubsel.persistence.errors import SavedModelError
from sksubsel.persistence.files import check_target, hash_file, read_file, write_folder
from sksubsel.persistence.kinds import of_type, plain, whole
from sksubsel.persistence.layouts import EstimatorLayout, require
from sksubsel.persistence.registry import LAYOUTS
from sksubsel.persistence.values import Reader, Writer
from sksubsel.selector import SubsetSelector
from sksubsel.zoo import ModelZoo

DOCUMENT = "net.json"
TENSORS = "net.safetensors"
ZOO_TENSORS = "zoo.safetensors"
_FILES = {DOCUMENT, TENSORS, ZOO_TENSORS}


class _NetLayout(EstimatorLayout):
    """SubSelNet, with or without its zoo."""

    def __init__(self, cls, include_zoo):
        super().__init__(
            cls,
            {
                "encoder_": of_type(ArchitectureEncoder, FrozenEstimator),
                "approximator_": of_type(ModelApproximator, FrozenEstimator),
                "selector_": of_type(SubsetSelector, FrozenEstimator),
                "n_samples_": whole(1),
                "fit_times_": plain,
            },
            optional={"zoo_": of_type(ModelZoo)},
            derived=() if include_zoo else ("zoo_",),
            lost=("memory",),  # a folder that pickles are read from
        )

    def learned(self, value, state):
        parts = [state[name] for name in ("encoder_", "approximator_", "selector_")]
        encoder, approximator, selector = map(_thawed, parts)
        wanted = ArchitectureEncoder, ModelApproximator, SubsetSelector
        for part, cls in zip((encoder, approximator, selector), wanted):
            require(type(part) is cls, f"a part is no {cls.__name__}")
            check_is_fitted(part)
        n_samples = state["n_samples_"]
        require(
            approximator.shape_ == (n_samples, selector.n_outputs_)
            and selector.n_samples_ == n_samples,
            "its parts are about different instances",
        )
        require(
            encoder.module_.mu.out_features == approximator.latent_dim_,
            "its parts are about different embeddings",
        )
        return state


def save_net(
    net: Any, folder: str | Path, root: type, *, include_zoo: bool = False, overwrite: bool = False
) -> None:
    """Write a fitted net to a folder; see `SubSelNet.save`.

    Parameters
    ----------
    net : SubSelNet
    folder : path
    root : type
        SubSelNet itself, which lies above this package.
    include_zoo, overwrite : bool
    """
    check_is_fitted(net)
    if type(net) is not root:
        raise TypeError(
            f"save knows {root.__name__} itself and no class derived from it; got "
            f"{type(net).__name__}. Save the net with joblib.dump instead"
        )
    folder = check_folder(folder, overwrite=overwrite)
    if include_zoo and "zoo_" not in vars(net):
        raise ValueError("include_zoo must be False for a net that was loaded without its zoo")
    layouts = [*LAYOUTS, _NetLayout(root, include_zoo)]
    writer = Writer({layout.cls: layout for layout in layouts})
    writer.value(net, "")
    path = folder / DOCUMENT
    tensors = {name: (tensor, path) for name, tensor in writer.tensors.items()}
    try:  # what would be refused by `load` must not be written
        _make(Reader({layout.name: layout for layout in layouts}, tensors, path), writer.objects)
    except SavedModelError as error:
        raise TypeError(
            f"the net has something that a folder cannot hold ({error}); save it with joblib.dump"
        ) from error
    parts: dict = {TENSORS: {}}
    for name, tensor in writer.tensors.items():
        parts.setdefault(ZOO_TENSORS if name.startswith("zoo_.") else TENSORS, {})[name] = tensor
    write_folder(folder, lambda target: _write(target, parts, writer.objects))


def check_folder(folder, *, overwrite=False) -> Path:
    """The whole path of a folder that a net may be written to.

    Parameters
    ----------
    folder : path
    overwrite : bool, default=False
        Whether it may hold a saved net, which is replaced.

    Raises
    ------
    FileExistsError
        If it is a file, or is not empty and may not be replaced.
    """
    folder = Path(folder).resolve()
    check_target(folder, _FILES, overwrite, _is_saved_net)
    return folder


def _is_saved_net(folder):
    """Whether a folder's document begins as ours do, damaged further on or not."""
    try:
        with open(folder / DOCUMENT, "rb") as file:
            return f'"format": "{FORMAT}"'.encode() in file.read(200)
    except OSError:
        return False


def load_net(folder: str | Path, root: type, device: str | torch.device | None = None) -> Any:
    """The net that a folder holds; see `SubSelNet.load`.

    Parameters
    ----------
    folder : path
    root : type
        SubSelNet itself.
    device : str or None, default=None

    Raises
    ------
    SavedModelError
        If anything in the folder is not as `save_net` writes it.
    """
    if device is not None:
        device = check_device(device)
    folder = Path(folder)
    if not folder.is_dir():
        raise SavedModelError(
            f"{folder} is no folder that SubSelNet.save has written (joblib.load reads the files "
            "of joblib.dump)"
        )
    path = folder / DOCUMENT
    layouts = [*LAYOUTS, _NetLayout(root, True)]
    try:
        content = parse_document(read_file(path, max_bytes=MAX_BYTES), path)
        reader = Reader({layout.name: layout for layout in layouts}, {}, path)
        if content.keys() != {"libraries", "files", "objects"}:
            raise reader.damage(f"it has the parts {sorted(content)}")
        for name, about in _listed_files(content["files"], reader).items():
            reader.tensors.update(_read_tensors(folder / name, about, reader))
        net = _make(reader, content["objects"])
    except RecursionError:
        raise SavedModelError(f"{path} is nested too deeply to be a saved net") from None
    if type(net) is not root or "encoder_" not in vars(net):
        raise reader.damage(f"it holds no fitted {root.__name__}")
    if device is not None:
        for made in reader.objects:
            _move(made, device)
    return net


def _move(made, device):
    """Let an object compute on a device."""
    if isinstance(made, nn.Module):
        made.to(device)
        return
    for name in ("device", "device_"):
        if name in getattr(made, "__dict__", ()):
            setattr(made, name, device)


def _make(reader, objects):
    """The last of some objects, which has a use for all of the tensors."""
    found = reader.read(objects)[-1]
    unused = reader.tensors.keys() - reader.used
    if unused:
        name = min(unused)
        raise reader.damage(f"nothing has a use for tensor {name}", reader.tensors[name][1])
    return found


def _write(folder, parts, objects):
    from safetensors.numpy import save_file

    files = {}
    for name, tensors in parts.items():
        path = folder / name
        save_file(tensors, path)
        files[name] = {"bytes": path.stat().st_size, "sha256": hash_file(path)}
    libraries = {  # by which last bits may differ
        "python": platform.python_version(),
        "sksubsel": __version__,
        "numpy": np.__version__,
        "scikit-learn": sklearn.__version__,
        "torch": torch.__version__,
    }
    content = {"libraries": libraries, "files": files, "objects": objects}
    (folder / DOCUMENT).write_bytes(dump_document(content))
    for name in parts:  # safetensors lets nobody else read them, whatever the umask says
        (folder / name).chmod((folder / DOCUMENT).stat().st_mode & 0o777)


def _listed_files(files, reader):
    """The tensors' files, of which the names are known: no path is ever taken from JSON."""
    if type(files) is not dict or not {TENSORS} <= files.keys() <= {TENSORS, ZOO_TENSORS}:
        raise reader.damage(f"its files must be {TENSORS} and perhaps {ZOO_TENSORS}")
    for about in files.values():
        if (
            type(about) is not dict
            or about.keys() != {"bytes", "sha256"}
            or type(about["bytes"]) is not int
            or type(about["sha256"]) is not str
        ):
            raise reader.damage("it must say the bytes and the sha256 of each file")
    return files


def _read_tensors(path, about, reader):
    """Arrays of a file by name, each with the file's path."""
    from safetensors.numpy import load

    data = read_file(path, size=about["bytes"])
    # of these very bytes: the file may change before it is read a second time
    if hashlib.sha256(data).hexdigest() != about["sha256"]:
        raise reader.damage("its content has not the SHA-256 that it should have", path)
    try:
        arrays = load(data)
    except Exception as error:  # SafetensorError, which derives from nothing else
        raise reader.damage(f"it is no safetensors file ({error})", path) from error
    twice = arrays.keys() & reader.tensors.keys()
    if twice:
        raise reader.damage(f"tensor {min(twice)} is in two files", path)
    return {name: (array, path) for name, array in arrays.items()}


def _thawed(part):
    return part.estimator if type(part) is FrozenEstimator else part
