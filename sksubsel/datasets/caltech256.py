"""Caltech-256 from a local copy."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import Bunch

from sksubsel.datasets._places import candidate_homes, find_folder
from sksubsel.datasets.image_folder import check_counts, gather, list_classes, transform
from sksubsel.datasets.splits import split_rows

if TYPE_CHECKING:
    from pathlib import Path

_TITLE = "Caltech-256"
_FOLDER = "256_ObjectCategories"
_FETCH = "Fetch 256_ObjectCategories.tar from https://data.caltech.edu/records/nyy15-4j048"
_N_CLASSES, _N_IMAGES = 257, 30_607
_CLUTTER = "257.clutter"
_DESCR = """Caltech-256: colour photographs of 256 kinds of things, and one class of clutter.

30,607 images; classes are imbalanced (from 80 to 827 images). There is no official split: as in
Table 7 of the paper, 24.5 thousand are to train on and 6.1 thousand to test on, here a fifth of
each class, drawn at random. Source: Griffin, Holub, Perona, "Caltech-256 Object Category
Dataset", 2007.
"""


def load_caltech256(
    *,
    data_home: str | Path | None = None,
    size: int = 96,
    resize: int | None = None,
    clutter: bool = True,
    test_size: float = 0.2,
    random_state: int | np.random.Generator | None = 0,
    return_X_y: bool = False,
) -> Any:
    """Load Caltech-256 from a local copy; images are decoded when they are asked for.

    The unpacked folder ``256_ObjectCategories``, with ``001.ak47`` to ``257.clutter``, is looked
    for in `data_home` and in the folder that the environment variable ``SKSUBSEL_DATA`` names.

    Parameters
    ----------
    data_home : str or path, default=None
        Folder that holds it; or the unpacked folder itself.
    size, resize : int, int or None, default=96, None
        See :class:`ImageFiles`. By default the whole image is resized to the paper's 96 x 96.
    clutter : bool, default=True
        Keep the class of clutter, the 257th, as the paper does.
    test_size : float, default=0.2
        Of the images of each class, to test on.
    random_state : int, numpy.random.Generator or None, default=0
        Draws them.
    return_X_y : bool, default=False
        Return the training images and labels, `(data, target)`, alone.

    Returns
    -------
    images : Bunch
        With

        - ``data`` : ImageFiles of shape (24.5 thousand, 3, 96, 96): An array that decodes the
          rows it is indexed with, as float32 in [0, 1]
        - ``target`` : int64 ndarray
        - ``test_data`` : ImageFiles of shape (6.1 thousand, 3, 96, 96)
        - ``test_target`` : int64 ndarray
        - ``target_names`` : ndarray of shape (257,), or (256,) without clutter
        - ``transform`` : ImageTransform: The paper's (Table 7): horizontal flips, normalisation
          (with ImageNet's statistics)
        - ``DESCR`` : str

    Raises
    ------
    ImportError
        If Pillow is not installed.
    ValueError
        If the copy is not complete, or `test_size` is not in (0, 1).
    OSError
        If there is no local copy; the message says what to fetch and where to put it.

    Notes
    -----
    All images take 3.4 GB when they are decoded.

    Examples
    --------
    >>> from sksubsel.datasets import load_caltech256
    >>> images = load_caltech256(data_home="data")  # doctest: +SKIP
    >>> X, y = images.data, images.target  # doctest: +SKIP
    """
    if not 0 < test_size < 1:
        raise ValueError(f"test_size must be in (0, 1); got {test_size}")
    homes = candidate_homes(data_home, "caltech256")
    root = find_folder(_TITLE, homes, _FOLDER, ["001.ak47"], _FETCH)
    folders, files = list_classes(root)
    for number, name in enumerate(folders, 1):
        if not re.fullmatch(rf"{number:03d}\..+", name):
            raise ValueError(
                f"{root} must hold the folders 001.ak47 to {_CLUTTER} and no others; the "
                f"{number}th is {name}. {_FETCH} anew"
            )
    found = {"classes": len(folders), "images": sum(len(group) for group in files)}
    check_counts(_TITLE, root, found, {"classes": _N_CLASSES, "images": _N_IMAGES}, _FETCH)
    if not clutter:
        folders, files = folders[:-1], files[:-1]
    images, target = gather(root, files, size, resize)
    train, test = (
        np.sort(rows)
        for rows in split_rows(
            target, (1 - test_size, test_size), stratify=True, random_state=random_state
        )
    )
    if return_X_y:
        return images.take(train), target[train]
    return Bunch(
        data=images.take(train),
        target=target[train],
        test_data=images.take(test),
        test_target=target[test],
        target_names=np.array([name.split(".", 1)[1] for name in folders]),
        transform=transform(horizontal_flip=True),
        DESCR=_DESCR,
    )
