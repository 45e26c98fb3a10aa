"""The argument DATA: files of arrays, tables and images, or a data set by its name."""

from __future__ import annotations

import zipfile
from pathlib import Path

import click
import numpy as np

from sksubsel._validation import check_instances
from sksubsel.cli._options import options
from sksubsel.datasets import load_digits_images, load_fashion_mnist, load_image_folder

_NAMES = {
    "digits": load_digits_images,
    "fashion-mnist": load_fashion_mnist,
    "fashion_mnist": load_fashion_mnist,
}
_ARRAYS = "X.npy", "y.npy"

DATA = options(
    click.argument("data"),
    click.option("--labels", metavar="FILE", help="Labels (.npy) beside DATA of .npy."),
    click.option("--target", metavar="COLUMN", help="Column of labels in DATA of .parquet."),
    click.option(
        "--image-size",
        type=click.IntRange(1),
        default=32,
        show_default=True,
        help="Pixels a side that an image folder's files are resized to.",
    ),
)


def read_data(data, labels=None, target=None, image_size=32):
    """Instances and labels, checked; nothing is unpickled.

    Parameters
    ----------
    data : str
        ``digits`` or ``fashion-mnist``; a file ``.npz`` with X and y, ``.npy`` or ``.parquet``; a
        folder with ``X.npy`` and ``y.npy``, or with a subfolder of images for each class.
    labels : str or None
        File of the labels, for ``.npy``.
    target : str or None
        Column of the labels, for ``.parquet``.
    image_size : int
        Pixels a side.

    Returns
    -------
    X : ndarray of shape (N, F) or (N, channels, height, width)
    y : ndarray of shape (N,)

    Raises
    ------
    OSError
        If there is no such file.
    ValueError
        If it is none of these, or does not hold what it should.
    ImportError
        If pyarrow (``.parquet``) or Pillow (images) is not installed.
    """
    path = Path(data).expanduser()
    kind = "name" if data in _NAMES else "folder" if path.is_dir() else path.suffix.lower()
    for option, value, wanted in (("labels", labels, ".npy"), ("target", target, ".parquet")):
        if value is not None and kind != wanted:
            raise ValueError(f"--{option} belongs to DATA of {wanted}; got DATA {data!r}")
    if kind == "name":
        X, y = _NAMES[data](return_X_y=True)
    elif not path.exists():
        raise OSError(
            f"DATA must be a file, a folder or one of digits, fashion-mnist; there is no {data!r}"
        )
    elif kind == "folder" and all((path / name).is_file() for name in _ARRAYS):
        X, y = (_load(path / name) for name in _ARRAYS)
    elif kind == "folder":
        images, y = load_image_folder(path, size=image_size, return_X_y=True)
        X = np.asarray(images)
    elif kind == ".npz":
        X, y = _from_npz(path)
    elif kind == ".npy":
        if labels is None:
            raise ValueError(f"--labels must name the labels of {data} (.npy); got none")
        X, y = _load(path), _load(Path(labels).expanduser())
    elif kind == ".parquet":
        X, y = _from_parquet(path, target)
    else:
        raise ValueError(
            "DATA must be .npz, .npy, .parquet, a folder, or one of digits, fashion-mnist; got "
            f"{data!r}"
        )
    check_instances(X, y)
    return X, y


def _load(path):
    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path} must be a .npy file of numbers: {error}") from error


def _from_npz(path):
    try:
        with np.load(path, allow_pickle=False) as arrays:
            missing = {"X", "y"} - set(arrays.files)
            if missing:
                raise ValueError(f"it lacks {sorted(missing)} and has {arrays.files}")
            return arrays["X"], arrays["y"]
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} must be a .npz file with arrays X and y: {error}") from error


def _from_parquet(path, target):
    import pandas as pd

    try:
        table = pd.read_parquet(path)
    except ImportError as error:
        raise ImportError(
            "DATA of .parquet needs pyarrow, which is not installed; install it with: pip install "
            "'sksubsel[parquet]'"
        ) from error
    if target not in table.columns:
        columns = ", ".join(map(str, table.columns[:20]))
        raise ValueError(f"--target must name a column of {path} ({columns}); got {target!r}")
    features = table.drop(columns=target)
    strange = [str(c) for c, kind in features.dtypes.items() if kind.kind not in "fiub"]
    if strange or features.empty:
        raise ValueError(
            f"{path} must have numeric columns beside {target!r}; got {strange or 'none'}"
        )
    return features.to_numpy(dtype=np.float32), table[target].to_numpy()
