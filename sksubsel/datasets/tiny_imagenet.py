"""Tiny-ImageNet-200 from a local copy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import Bunch

from sksubsel.datasets._places import candidate_homes, find_folder
from sksubsel.datasets.image_folder import check_counts, gather, list_classes, transform

if TYPE_CHECKING:
    from pathlib import Path

_TITLE = "Tiny-ImageNet-200"
_FOLDER = "tiny-imagenet-200"
_FETCH = "Fetch http://cs231n.stanford.edu/tiny-imagenet-200.zip"
_N_CLASSES = 200
_N_TRAIN, _N_TEST = 100_000, 10_000
_DESCR = """Tiny-ImageNet-200: colour photographs of 64 x 64 pixels, 200 classes of ImageNet.

100,000 images to train on, balanced. The 10,000 to test on are those of val/, since the labels of
test/ were never published; Table 7 of the paper counts them so. Source: Le and Yang, "Tiny
ImageNet Visual Recognition Challenge", CS 231N, 2015.
"""


def load_tiny_imagenet(
    *, data_home: str | Path | None = None, size: int = 64, return_X_y: bool = False
) -> Any:
    """Load Tiny-ImageNet-200 from a local copy; images are decoded when they are asked for.

    The unpacked folder ``tiny-imagenet-200`` is looked for in `data_home` and in the folder that
    the environment variable ``SKSUBSEL_DATA`` names. It must be as it came:
    ``train/<wnid>/images``, ``val/images`` with ``val/val_annotations.txt``, and, for the names of
    the classes, ``words.txt``.

    Parameters
    ----------
    data_home : str or path, default=None
        Folder that holds it; or the unpacked folder itself.
    size : int, default=64
        Pixels a side, to which images are resized.
    return_X_y : bool, default=False
        Return the training images and labels, `(data, target)`, alone.

    Returns
    -------
    images : Bunch
        With

        - ``data`` : ImageFiles of shape (100000, 3, 64, 64): An array that decodes the rows it is
          indexed with, as float32 in [0, 1]
        - ``target`` : int64 ndarray of shape (100000,)
        - ``test_data`` : ImageFiles of shape (10000, 3, 64, 64)
        - ``test_target`` : int64 ndarray of shape (10000,)
        - ``target_names`` : ndarray of shape (200,)
        - ``wnids`` : ndarray of shape (200,): WordNet's names of the classes, sorted: the labels
          are places in it
        - ``transform`` : ImageTransform: The paper's (Table 7): flips both ways, normalisation
          (with ImageNet's statistics)
        - ``DESCR`` : str

    Raises
    ------
    ImportError
        If Pillow is not installed.
    ValueError
        If the copy is not complete, or val_annotations.txt is damaged.
    OSError
        If there is no local copy; the message says what to fetch and where to put it.

    Notes
    -----
    All training images take 4.9 GB when they are decoded.

    Examples
    --------
    >>> from sksubsel.datasets import load_tiny_imagenet
    >>> images = load_tiny_imagenet(data_home="data")  # doctest: +SKIP
    >>> X, y = images.data, images.target  # doctest: +SKIP
    """
    homes = candidate_homes(data_home, "tiny-imagenet")
    marks = ["train", "val/images", "val/val_annotations.txt"]
    root = find_folder(_TITLE, homes, _FOLDER, marks, _FETCH)
    wnids, files = list_classes(root / "train", "images")
    counts = np.unique([len(group) for group in files])
    found = {"classes": len(wnids), "training images": sum(len(group) for group in files)}
    expected = {"classes": _N_CLASSES, "training images": _N_TRAIN}
    check_counts(_TITLE, root / "train", found, expected, _FETCH)
    if len(counts) > 1:
        raise ValueError(
            f"{root / 'train'} must have as many images of each class; got from {counts[0]} to "
            f"{counts[-1]}. {_FETCH} anew"
        )
    data, target = gather(root / "train", files, size, None)
    if return_X_y:
        return data, target
    names, codes = _annotations(root / "val" / "val_annotations.txt", wnids)
    found = {"annotated test images": len(names)}
    check_counts(_TITLE, root / "val", found, {"annotated test images": _N_TEST}, _FETCH)
    missing = [name for name in names if not (root / "val" / "images" / name).is_file()]
    if missing:
        raise ValueError(
            f"{root / 'val' / 'images'} lacks {len(missing)} of the annotated images, "
            f"{missing[0]} first. {_FETCH} anew"
        )
    test_data, _ = gather(root / "val" / "images", [names], size, None)
    return Bunch(
        data=data,
        target=target,
        test_data=test_data,
        test_target=codes,
        target_names=_words(root / "words.txt", wnids),
        wnids=np.array(wnids),
        transform=transform(horizontal_flip=True, vertical_flip=True),
        DESCR=_DESCR,
    )


def _annotations(path, wnids):
    """Names of the test images, and their labels: lines of name, wnid and a box, by tabs."""
    place = {wnid: code for code, wnid in enumerate(wnids)}
    names, codes = [], []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        fields = line.split("\t")
        # a name with a folder in it would lead elsewhere
        if len(fields) < 2 or fields[1] not in place or fields[0] != fields[0].split("/")[-1]:
            raise ValueError(
                f"{path} is damaged: line {number} must be the name of an image and one of the "
                f"{len(wnids)} classes of train/, separated by tabs; got {line[:80]!r}"
            )
        names.append(fields[0])
        codes.append(place[fields[1]])
    if len(set(names)) < len(names):
        raise ValueError(f"{path} is damaged: it names an image more than once")
    return names, np.array(codes, np.int64)


def _words(path, wnids):
    """What the classes are called; their wnids where the file does not say."""
    words = {}
    if path.is_file():
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        words = dict(line.split("\t", 1) for line in lines if "\t" in line)
    return np.array([words.get(wnid, wnid) for wnid in wnids])
