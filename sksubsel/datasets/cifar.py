"""CIFAR-10 and CIFAR-100 from their binary files."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from sklearn.utils import Bunch

from sksubsel.datasets._places import candidate_homes, not_found
from sksubsel.datasets.transforms import ImageTransform

if TYPE_CHECKING:
    from pathlib import Path

_N_PIXELS = 3 * 32 * 32
_N_RECORDS = 10_000  # in a file of CIFAR-10, and in CIFAR-100's test.bin; train.bin has five times
_MAX_TEXT = 65_536  # bytes of a file of names
_URL = "https://www.cs.toronto.edu/~kriz"


class _Format(NamedTuple):
    title: str
    archive: str  # unpacks to `folder`
    folder: str
    train: dict  # file: how many times _N_RECORDS
    test: dict
    names: dict  # kind of label: (file, number of classes), in the order of a record's label bytes
    python: str  # folder of the version for Python


_CIFAR10 = _Format(
    "CIFAR-10",
    "cifar-10-binary.tar.gz",
    "cifar-10-batches-bin",
    {f"data_batch_{k}.bin": 1 for k in range(1, 6)},
    {"test_batch.bin": 1},
    {"target": ("batches.meta.txt", 10)},
    "cifar-10-batches-py",
)
_CIFAR100 = _Format(
    "CIFAR-100",
    "cifar-100-binary.tar.gz",
    "cifar-100-binary",
    {"train.bin": 5},
    {"test.bin": 1},
    {"coarse_target": ("coarse_label_names.txt", 20), "target": ("fine_label_names.txt", 100)},
    "cifar-100-python",
)
_DESCR = """{title}: colour photographs of 32 x 32 pixels, {n_classes} classes.

50,000 images to train on and 10,000 to test on, balanced. Source: Krizhevsky, "Learning multiple
layers of features from tiny images", 2009.
"""


def load_cifar10(*, data_home: str | Path | None = None, return_X_y: bool = False) -> Any:
    """Load CIFAR-10 from a local copy of its binary files.

    Looked for in `data_home` and in the folder that the environment variable ``SKSUBSEL_DATA``
    names, and in their subfolders ``cifar-10``: the folder ``cifar-10-batches-bin``, or the archive
    ``cifar-10-binary.tar.gz`` as it was fetched from https://www.cs.toronto.edu/~kriz/cifar.html.
    Nothing is unpickled, and nothing unpacked to disk.

    Parameters
    ----------
    data_home : str or path, default=None
        Folder that holds either; or the unpacked folder itself.
    return_X_y : bool, default=False
        Return the training images and labels, `(data, target)`, alone.

    Returns
    -------
    images : Bunch
        With

        - ``data`` : float32 ndarray of shape (50000, 3, 32, 32), in [0, 1]
        - ``target`` : int64 ndarray of shape (50000,)
        - ``test_data`` : float32 ndarray of shape (10000, 3, 32, 32)
        - ``test_target`` : int64 ndarray of shape (10000,)
        - ``target_names`` : ndarray of shape (10,)
        - ``transform`` : ImageTransform: The paper's (Table 7): horizontal flips, crops,
          normalisation
        - ``DESCR`` : str

    Raises
    ------
    ValueError
        If a file is damaged; the message names it.
    OSError
        If there is no local copy, or only a part of one; the message says what to fetch.

    Notes
    -----
    Takes 740 MB: 4 bytes for each of 60,000 x 3,072 values; 180 MB more while an archive is read.

    Examples
    --------
    >>> from sksubsel.datasets import load_cifar10
    >>> images = load_cifar10(data_home="data")  # doctest: +SKIP
    >>> X, y = images.data, images.target  # doctest: +SKIP
    """
    statistics = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
    return _load(_CIFAR10, data_home, return_X_y, *statistics)


def load_cifar100(*, data_home: str | Path | None = None, return_X_y: bool = False) -> Any:
    """Load CIFAR-100 from a local copy of its binary files.

    Looked for in `data_home` and in the folder that the environment variable ``SKSUBSEL_DATA``
    names, and in their subfolders ``cifar-100``: the folder ``cifar-100-binary``, or the archive
    ``cifar-100-binary.tar.gz`` as it was fetched from https://www.cs.toronto.edu/~kriz/cifar.html.
    Nothing is unpickled, and nothing unpacked to disk.

    Parameters
    ----------
    data_home : str or path, default=None
        Folder that holds either; or the unpacked folder itself.
    return_X_y : bool, default=False
        Return the training images and labels, `(data, target)`, alone.

    Returns
    -------
    images : Bunch
        With

        - ``data`` : float32 ndarray of shape (50000, 3, 32, 32), in [0, 1]
        - ``target`` : int64 ndarray of shape (50000,): One of 100 fine classes
        - ``coarse_target`` : int64 ndarray of shape (50000,): One of 20 groups of classes
        - ``test_data`` : float32 ndarray of shape (10000, 3, 32, 32)
        - ``test_target``, ``test_coarse_target`` : int64 ndarrays of shape (10000,)
        - ``target_names`` : ndarray of shape (100,)
        - ``coarse_target_names`` : ndarray of shape (20,)
        - ``transform`` : ImageTransform: The paper's (Table 7): horizontal flips, crops,
          normalisation
        - ``DESCR`` : str

    Raises
    ------
    ValueError
        If a file is damaged; the message names it.
    OSError
        If there is no local copy, or only a part of one; the message says what to fetch.

    Notes
    -----
    Takes 740 MB: 4 bytes for each of 60,000 x 3,072 values; 180 MB more while an archive is read.

    Examples
    --------
    >>> from sksubsel.datasets import load_cifar100
    >>> images = load_cifar100(data_home="data")  # doctest: +SKIP
    >>> X, y = images.data, images.target  # doctest: +SKIP
    """
    statistics = (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)
    return _load(_CIFAR100, data_home, return_X_y, *statistics)


def _load(form, data_home, return_X_y, mean, std):
    files, place = _find(form, candidate_homes(data_home, form.title.lower()))
    names = {
        f"{kind}_names": _names(files[name], f"{place}/{name}", n_classes)
        for kind, (name, n_classes) in form.names.items()
    }
    part = {} if return_X_y else {"test_": form.test}
    arrays = {}
    for prefix, sizes in ({"": form.train} | part).items():
        for key, values in _records(form, files, place, sizes).items():
            arrays[prefix + key] = values
    if return_X_y:
        return arrays["data"], arrays["target"]
    return Bunch(
        **arrays,
        **names,
        transform=ImageTransform(mean=mean, std=std, horizontal_flip=True, crop_padding=4),
        DESCR=_DESCR.format(title=form.title, n_classes=form.names["target"][1]),
    )


def _records(form, files, place, sizes):
    """Images and labels of some files: float32 (n, 3, 32, 32), and int64 (n,) for each kind."""
    n_labels = len(form.names)
    n_records = {name: times * _N_RECORDS for name, times in sizes.items()}
    data = np.empty((sum(n_records.values()), 3, 32, 32), np.float32)
    labels = np.empty((n_labels, len(data)), np.int64)
    start = 0
    for name, n in n_records.items():
        expected = n * (n_labels + _N_PIXELS)
        content = files[name]
        if len(content) != expected:
            raise ValueError(
                f"{place}/{name} is damaged or cut short: it must hold {n} records of "
                f"{n_labels + _N_PIXELS} bytes, {expected} together; got {len(content)} bytes. "
                f"{_fetch(form)}"
            )
        records = np.frombuffer(content, np.uint8).reshape(n, -1)
        rows = slice(start, start + n)
        labels[:, rows] = records[:, :n_labels].T
        for k, (kind, (_, n_classes)) in enumerate(form.names.items()):
            if labels[k, rows].max() >= n_classes:
                row = int(labels[k, rows].argmax())
                raise ValueError(
                    f"{place}/{name} is damaged: the {kind} labels must be in "
                    f"[0, {n_classes - 1}]; got {labels[k, start + row]} in record {row}. "
                    f"{_fetch(form)}"
                )
        np.divide(records[:, n_labels:].reshape(n, 3, 32, 32), np.float32(255), out=data[rows])
        start += n
    return {"data": data, **dict(zip(form.names, labels))}


def _names(content, path, n_classes):
    """Names of the classes: the lines of a text that are not empty."""
    names = [line.strip() for line in content.decode("utf-8", "replace").splitlines()]
    names = [name for name in names if name]
    if len(names) != n_classes:
        raise ValueError(f"{path} must name {n_classes} classes, one a line; got {len(names)}")
    return np.array(names)


def _fetch(form):
    return f"Fetch {form.archive} (the binary version) from {_URL}/{form.archive}"


def _find(form, homes):
    """What reads each file, and the folder or archive that holds them."""
    wanted = [*form.train, *form.test, *(name for name, _ in form.names.values())]
    for place in [place for home in homes for place in (home, home / form.folder)]:
        missing = [name for name in wanted if not (place / name).is_file()]
        if not missing:
            return _Folder(place), place
        # files of such names may be of anything, but not in a folder of this name
        if place.name == form.folder and place.is_dir():
            raise OSError(
                f"{place} holds only a part of {form.title}; missing: {missing}. {_fetch(form)}"
            )
    for home in homes:
        archive = home / form.archive
        if archive.is_file():
            return _read_archive(form, archive, wanted), archive
    advice = f"{_fetch(form)} and put it, as it is or unpacked,"
    for home in homes:
        if (home / form.python).is_dir():
            advice = (
                f"{home / form.python} is the version for Python, pickles, which run code when "
                f"they are read. {advice}"
            )
            break
    raise OSError(not_found(form.title, homes, advice))


class _Folder:
    """Content of the files of a folder, by name."""

    def __init__(self, place):
        self.place = place

    def __getitem__(self, name):
        return (self.place / name).read_bytes()


def _read_archive(form, path, wanted):
    """Content of the wanted files of a .tar.gz, by name; nothing is written."""
    files = {}
    limits = {f"{form.folder}/{name}": name for name in wanted}
    largest = 5 * _N_RECORDS * (2 + _N_PIXELS)
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                name = limits.get(member.name.removeprefix("./"))
                if name is None or not member.isfile():
                    continue
                most = _MAX_TEXT if name.endswith(".txt") else largest
                if member.size > most:
                    raise ValueError(
                        f"{path} is damaged: its {member.name} is of {member.size} bytes, more "
                        f"than {most}. {_fetch(form)}"
                    )
                with cast("IO[bytes]", archive.extractfile(member)) as file:
                    files[name] = file.read()
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(
            f"{path} is damaged or cut short ({error}). {_fetch(form)} anew"
        ) from error
    missing = [name for name in wanted if name not in files]
    if missing:
        raise ValueError(f"{path} lacks {missing} in {form.folder}. {_fetch(form)} anew")
    return files
