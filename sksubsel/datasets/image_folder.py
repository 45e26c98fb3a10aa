"""A folder of images with a subfolder for each class."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from sksubsel.datasets.image_files import ImageFiles
from sksubsel.datasets.transforms import ImageTransform

_EXTENSIONS = (
    ".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff",
)  # fmt: skip
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, of pre-trained networks


def load_image_folder(
    root: str | Path,
    *,
    size: int | tuple[int, int] = 224,
    resize: int | None = None,
    return_X_y: bool = False,
) -> Any:
    """Image files in one subfolder for each class, decoded when they are asked for.

    Parameters
    ----------
    root : str or path
        Its subfolders are the classes, in alphabetical order; those whose names begin with a dot
        are passed over, as are files that are no images by their extension.
    size, resize : int or pair, int or None, default=224, None
        See :class:`ImageFiles`.
    return_X_y : bool, default=False
        Return `(data, target)` alone.

    Returns
    -------
    images : Bunch
        With

        - ``data`` : ImageFiles of shape (N, 3, height, width): An array that decodes the rows it
          is indexed with, as float32 in [0, 1]
        - ``target`` : int64 ndarray of shape (N,)
        - ``target_names`` : ndarray of shape (C,): The subfolders' names
        - ``transform`` : ImageTransform: Normalisation with ImageNet's statistics, as pre-trained
          networks want it
        - ``DESCR`` : str

    Raises
    ------
    ImportError
        If Pillow is not installed.
    OSError
        If there is no such folder.
    ValueError
        If it has no subfolders, or one without images.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from PIL import Image
    >>> from sksubsel.datasets import load_image_folder
    >>> root = pathlib.Path(tempfile.mkdtemp())
    >>> for label, value in [("dark", 20), ("light", 230)]:
    ...     (root / label).mkdir()
    ...     Image.new("RGB", (32, 32), (value, value, value)).save(root / label / "1.png")
    >>> images = load_image_folder(root, size=16)
    >>> images.target_names.tolist(), images.target
    (['dark', 'light'], array([0, 1]))
    >>> images.data[[1]].shape
    (1, 3, 16, 16)
    """
    root = Path(root).expanduser()
    names, files = list_classes(root)
    images, target = gather(root, files, size, resize)
    if return_X_y:
        return images, target
    return Bunch(
        data=images,
        target=target,
        target_names=np.array(names),
        transform=transform(),
        DESCR=f"{len(target)} images of {len(names)} classes in {root}.\n",
    )


def transform(**augmentation):
    """Normalisation with ImageNet's statistics, after the augmentation asked for."""
    return ImageTransform(mean=_MEAN, std=_STD, **augmentation)


def list_classes(root, inside=""):
    """Names of the classes, and of each one's image files relative to `root`, both sorted.

    Parameters
    ----------
    root : Path
    inside : str, default=""
        Folder within each class's folder that holds its images.

    Raises
    ------
    ValueError
        If there is no class, or one without images.
    """
    if not root.is_dir():
        raise OSError(f"{root} must be a folder with a subfolder for each class; it is none")
    names = sorted(
        entry.name
        for entry in os.scandir(root)
        if entry.is_dir() and not entry.name.startswith(".")
    )
    if not names:
        raise ValueError(f"{root} must have a subfolder for each class; it has none")
    return names, [list_images(root, os.path.join(name, inside)) for name in names]


def list_images(root, folder):
    """Image files of a folder, relative to `root`, sorted."""
    place = root / folder
    found = os.scandir(place) if place.is_dir() else ()
    files = sorted(
        os.path.join(folder, entry.name)
        for entry in found
        if entry.name.lower().endswith(_EXTENSIONS)
        and not entry.name.startswith(".")
        and entry.is_file()
    )
    if not files:
        raise ValueError(f"{place} must hold images ({', '.join(_EXTENSIONS)}); it has none")
    return files


def gather(root, files, size, resize):
    """All files of all classes as one lazy array, and their labels, int64 (N,)."""
    images = ImageFiles([name for group in files for name in group], size, resize=resize, root=root)
    return images, np.repeat(np.arange(len(files)), [len(group) for group in files])


def check_counts(title, where, found, expected, fetch):
    """Raise ValueError unless there are as many as the data set has.

    Parameters
    ----------
    title, where, fetch : str
    found, expected : dict of str to int
        What is counted: "classes", "images".
    """
    wrong = [
        f"{expected[what]} {what}, got {found[what]}"
        for what in expected
        if found[what] != expected[what]
    ]
    if wrong:
        raise ValueError(
            f"{where} is no complete copy of {title}: it must have {'; '.join(wrong)}. {fetch} "
            "anew (load_image_folder reads any folder of images)"
        )
