"""A user's own instances and labels: files of arrays, tables, folders of images."""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from pathlib import Path

import numpy as np

from sksubsel._validation import check_instances
from sksubsel.datasets.image_folder import load_image_folder

__all__ = ["read_files"]

_ARRAYS = "X.npy", "y.npy"
#: what NumPy raises of a damaged file
_DAMAGED = ValueError, EOFError, zipfile.BadZipFile, zlib.error, tokenize.TokenError
_CALLED = {"data": "data", "labels": "labels", "target": "target", "others": ""}


def read_files(data, labels=None, target=None, image_size=32, called=None):
    """Instances and labels of a file or folder, checked; nothing is unpickled.

    Parameters
    ----------
    data : path
        A file ``.npz`` with X and y, ``.npy`` or ``.parquet``; a folder with ``X.npy`` and
        ``y.npy``, or with a subfolder of images for each class.
    labels : path or None
        File of the labels, for ``.npy``.
    target : str or None
        Column of the labels, for ``.parquet``.
    image_size : int
        Pixels a side that an image folder's files are resized to.
    called : dict of str to str, or None
        What errors call "data", "labels" and "target", and "others" that data may be.

    Returns
    -------
    X : ndarray of shape (N, F) or (N, channels, height, width)
    y : ndarray of shape (N,)
        Of an image folder the names of its subfolders.

    Raises
    ------
    OSError
        If there is no such file.
    ValueError
        If it is none of these, or does not hold what it should.
    ImportError
        If pyarrow (``.parquet``) or Pillow (images) is not installed.
    """
    called = {**_CALLED, **(called or {})}
    path = Path(data).expanduser()
    kind = "folder" if path.is_dir() else path.suffix.lower()
    for name, value, wanted in (("labels", labels, ".npy"), ("target", target, ".parquet")):
        if value is not None and kind != wanted:
            where = called["data"]
            raise ValueError(f"{called[name]} belongs to {where} of {wanted}; got {where} {data!r}")
    if not path.exists():
        raise OSError(
            f"{called['data']} must be a file or a folder{called['others']}; there is no {data!r}"
        )
    if kind == "folder" and all((path / name).is_file() for name in _ARRAYS):
        X, y = (_load(path / name) for name in _ARRAYS)
    elif kind == "folder":
        images = load_image_folder(path, size=image_size)
        X, y = np.asarray(images.data), np.asarray(images.target_names)[images.target]
    elif kind == ".npz":
        X, y = _from_npz(path)
    elif kind == ".npy":
        if labels is None:
            raise ValueError(f"{called['labels']} must name the labels of {data} (.npy); got none")
        X, y = _load(path), _load(Path(labels).expanduser())
    elif kind == ".parquet":
        X, y = _from_parquet(path, target, called)
    else:
        raise ValueError(
            f"{called['data']} must be .npz, .npy, .parquet, or a folder{called['others']}; got "
            f"{data!r}"
        )
    check_instances(X, y)
    return X, y


def _load(path):
    try:
        return np.load(path, allow_pickle=False)
    except _DAMAGED as error:
        raise ValueError(f"{path} must be a .npy file of numbers: {_why(error)}") from error


def _from_npz(path):
    try:
        with np.load(path, allow_pickle=False) as arrays:
            missing = {"X", "y"} - set(arrays.files)
            if missing:
                raise ValueError(f"it lacks {sorted(missing)} and has {arrays.files}")
            return arrays["X"], arrays["y"]
    except _DAMAGED as error:
        raise ValueError(
            f"{path} must be a .npz file with arrays X and y: {_why(error)}"
        ) from error


def _why(error):
    """NumPy takes whatever it does not know for a pickle, and names a parameter of its own."""
    if "Object arrays" in str(error):
        return "it has Python objects, which are not read; save numbers or strings"
    return "it has other content" if "allow_pickle" in str(error) else error


def _from_parquet(path, target, called):
    import pandas as pd

    try:
        table = pd.read_parquet(path)
    except ImportError as error:
        raise ImportError(
            f"{called['data']} of .parquet needs pyarrow, which is not installed; install it with: "
            "pip install 'sksubsel[parquet]'"
        ) from error
    if target not in table.columns:
        columns = ", ".join(map(str, table.columns[:20]))
        raise ValueError(
            f"{called['target']} must name a column of {path} ({columns}); got {target!r}"
        )
    features = table.drop(columns=target)
    strange = [str(c) for c, kind in features.dtypes.items() if kind.kind not in "fiub"]
    if strange or features.empty:
        raise ValueError(
            f"{path} must have numeric columns beside {target!r}; got {strange or 'none'}"
        )
    return features.to_numpy(dtype=np.float32), table[target].to_numpy()
