"""Fashion-MNIST, wherever it is found."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from sksubsel.datasets._places import candidate_homes
from sksubsel.datasets.transforms import ImageTransform

_DEBIAN_HOME = Path("/usr/share/datasets/fashion-mnist")  # package dataset-fashion-mnist
_FASHION_FILES = {
    "data": "train-images-idx3-ubyte",
    "target": "train-labels-idx1-ubyte",
    "test_data": "t10k-images-idx3-ubyte",
    "test_target": "t10k-labels-idx1-ubyte",
}
_FASHION_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
_FASHION_DESCR = """Fashion-MNIST: grey images of clothes from Zalando, 28 x 28 pixels, ten classes.

60,000 images to train on and 10,000 to test on, balanced. Source: Xiao, Rasul, Vollgraf,
"Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms",
arXiv:1708.07747. Licence: MIT.
"""


def load_fashion_mnist(
    *, data_home: str | Path | None = None, download: bool = True, return_X_y: bool = False
) -> Any:
    """Load Fashion-MNIST from a local copy or, failing that, from OpenML.

    The four idx files (plain or ``.gz``, under their original names) are looked for in
    `data_home`, then in the folder that the environment variable ``SKSUBSEL_DATA`` names, then in
    ``/usr/share/datasets/fashion-mnist`` (Debian's package ``dataset-fashion-mnist``); in the
    first two also in a subfolder ``fashion-mnist``.

    Parameters
    ----------
    data_home : str or path, default=None
        Folder of the idx files; also where scikit-learn caches the download from OpenML.
    download : bool, default=True
        Fetch from OpenML (``Fashion-MNIST``, version 1) if there is no local copy.
    return_X_y : bool, default=False
        Return the training images and labels, `(data, target)`, alone.

    Returns
    -------
    images : Bunch
        With

        - ``data`` : float32 ndarray of shape (60000, 1, 28, 28), in [0, 1]
        - ``target`` : int64 ndarray of shape (60000,)
        - ``test_data`` : float32 ndarray of shape (10000, 1, 28, 28)
        - ``test_target`` : int64 ndarray of shape (10000,)
        - ``target_names`` : ndarray of shape (10,)
        - ``transform`` : ImageTransform: The paper's (Table 7): normalisation
        - ``DESCR`` : str

    Raises
    ------
    ValueError
        If a local file is damaged; the message names it.
    OSError
        If there is no local copy and none can be, or may be, fetched.

    Notes
    -----
    Takes 220 MB: 4 bytes for each of 70,000 x 784 pixels.

    Examples
    --------
    >>> from sksubsel.datasets import load_fashion_mnist
    >>> images = load_fashion_mnist()  # doctest: +SKIP
    >>> images.data.shape, images.test_data.shape  # doctest: +SKIP
    ((60000, 1, 28, 28), (10000, 1, 28, 28))
    """
    homes = [*candidate_homes(data_home, "fashion-mnist"), _DEBIAN_HOME]
    for home in homes:
        paths = {key: _find_idx(home, name) for key, name in _FASHION_FILES.items()}
        if all(paths.values()):
            arrays = _read_fashion(paths)
            break
        missing = [_FASHION_FILES[key] for key, path in paths.items() if path is None]
        if len(missing) < len(paths):
            raise OSError(f"{home} holds only a part of Fashion-MNIST; missing: {missing}")
    else:
        arrays = _fetch_fashion(data_home, homes, download)
    if return_X_y:
        return arrays["data"], arrays["target"]
    return Bunch(
        **arrays,
        target_names=np.array(_FASHION_NAMES),
        transform=ImageTransform(mean=(0.2860,), std=(0.3530,)),
        DESCR=_FASHION_DESCR,
    )


def _find_idx(home, name):
    for path in (home / name, home / f"{name}.gz"):
        if path.is_file():
            return path
    return None


def _read_fashion(paths):
    arrays = {key: _read_idx(path) for key, path in paths.items()}
    for images, labels in (("data", "target"), ("test_data", "test_target")):
        pixels, codes = arrays[images], arrays[labels]
        if pixels.ndim != 3:
            raise ValueError(f"{paths[images]} must hold images; got shape {pixels.shape}")
        if codes.ndim != 1 or len(codes) != len(pixels):
            raise ValueError(
                f"{paths[labels]} must hold one label for each image of {paths[images]}; "
                f"got shapes {codes.shape} and {pixels.shape}"
            )
        if codes.size and codes.max() >= len(_FASHION_NAMES):
            raise ValueError(f"{paths[labels]} must hold labels in [0, 9]; got {codes.max()}")
        arrays[images], arrays[labels] = _to_images(pixels), codes.astype(np.int64)
    return arrays


def _to_images(pixels):
    """Bytes (N, height, width) as float32 (N, 1, height, width) in [0, 1]."""
    data = pixels[:, None].astype(np.float32)
    data /= 255.0  # in place: no second copy
    return data


def _read_idx(path):
    """Read an idx file of unsigned bytes, plain or gzipped, into a uint8 array.

    The format: two zero bytes, a type code (8 = unsigned byte), the number of axes, one
    big-endian 32-bit length per axis, then the values.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as file:
            content = file.read()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is damaged or cut short ({error}); get it anew") from error
    if len(content) < 4 or content[:2] != b"\0\0":
        raise ValueError(f"{path} is no idx file: it starts with {content[:4]!r}")
    code, n_axes = content[2], content[3]
    if code != 8 or n_axes == 0:
        raise ValueError(
            f"{path} must hold unsigned bytes (type 8) in at least one axis; "
            f"got type {code} and {n_axes} axes"
        )
    start = 4 + 4 * n_axes
    if len(content) < start:
        raise ValueError(f"{path} is cut short: its header ends after {len(content)} bytes")
    shape = tuple(int(n) for n in np.frombuffer(content, ">u4", n_axes, offset=4))
    expected = int(np.prod(shape, dtype=object))  # Python ints: a wild header must not wrap round
    if len(content) - start != expected:
        raise ValueError(
            f"{path} is damaged or cut short: its header says {expected} values of shape {shape}, "
            f"it holds {len(content) - start}"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _fetch_fashion(data_home, homes, download):
    places = ", ".join(str(home) for home in homes)
    advice = (
        f"Fashion-MNIST was not found in {places}. Install Debian's package "
        "dataset-fashion-mnist, or put the files "
        + ", ".join(f"{name}.gz" for name in _FASHION_FILES.values())
        + " (https://github.com/zalandoresearch/fashion-mnist) into a folder and pass it as "
        "data_home or set SKSUBSEL_DATA to it."
    )
    if not download:
        raise OSError(f"{advice} Or pass download=True to fetch it from OpenML.")
    from sklearn.datasets import fetch_openml

    try:
        table = fetch_openml(
            "Fashion-MNIST", version=1, as_frame=False, data_home=data_home, parser="liac-arff"
        )
    except Exception as error:  # no network, a proxy's page, a changed service: one way out of all
        raise OSError(f"{advice} Fetching it from OpenML failed: {error}") from error
    pixels = np.asarray(table.data).reshape(-1, 28, 28)
    target = np.asarray(table.target).astype(np.int64)
    # OpenML holds the 60,000 training images first, then the 10,000 test images.
    return {
        "data": _to_images(pixels[:60_000]),
        "target": target[:60_000],
        "test_data": _to_images(pixels[60_000:]),
        "test_target": target[60_000:],
    }
