"""ImageNet-1K (ILSVRC 2012) from a local copy."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from sksubsel.datasets._places import candidate_homes, find_folder
from sksubsel.datasets.image_folder import (
    check_counts,
    gather,
    list_classes,
    list_images,
    transform,
)

_TITLE = "ImageNet-1K"
_FOLDER = "imagenet"
_SOLUTION = "LOC_val_solution.csv"
_FETCH = (
    "Fetch ILSVRC 2012 from https://image-net.org/download (train and val) or from Kaggle "
    "(imagenet-object-localization-challenge)"
)
_N_CLASSES, _N_TRAIN, _N_TEST = 1000, 1_281_167, 50_000
_DESCR = """ImageNet-1K: colour photographs of many sizes, 1,000 classes.

1,281,167 images to train on (from 732 to 1,300 of each class) and 50,000 to test on, those of
val/, since the labels of test/ were never published. Source: Russakovsky et al., "ImageNet Large
Scale Visual Recognition Challenge", IJCV 2015.
"""


def load_imagenet(
    *,
    data_home: str | Path | None = None,
    size: int = 224,
    resize: int | None = None,
    return_X_y: bool = False,
) -> Any:
    """Load ImageNet-1K from a local copy; images are decoded when they are asked for.

    A folder with ``train`` and ``val`` is looked for in `data_home` and in the folder that the
    environment variable ``SKSUBSEL_DATA`` names, and in their subfolders ``imagenet`` and
    ``ILSVRC/Data/CLS-LOC`` (Kaggle's). Supported are ``train/<wnid>/*.JPEG``, and of ``val``
    either ``val/<wnid>/*.JPEG``, or all images in ``val`` itself and Kaggle's
    ``LOC_val_solution.csv`` beside ``val`` or in one of the three folders above it. The
    development kit, whose labels are in a MATLAB file, is not read.

    Parameters
    ----------
    data_home : str or path, default=None
    size : int, default=224
        Pixels a side.
    resize : int or None, default=None
        Pixels of the shorter side, before `size` is cut out of the centre; None is 256 for a
        `size` of 224, and in proportion for others.
    return_X_y : bool, default=False
        Return the training images and labels, `(data, target)`, alone.

    Returns
    -------
    images : Bunch
        With

        - ``data`` : ImageFiles of shape (1281167, 3, 224, 224): An array that decodes the rows it
          is indexed with, as float32 in [0, 1]
        - ``target`` : int64 ndarray of shape (1281167,)
        - ``test_data`` : ImageFiles of shape (50000, 3, 224, 224)
        - ``test_target`` : int64 ndarray of shape (50000,)
        - ``target_names`` : ndarray of shape (1000,): From Kaggle's ``LOC_synset_mapping.txt``
          where it is found, else the wnids
        - ``wnids`` : ndarray of shape (1000,): WordNet's names of the classes, sorted: the labels
          are places in it
        - ``transform`` : ImageTransform: Horizontal flips, normalisation. (The paper does not say
          what it applies to ImageNet.)
        - ``DESCR`` : str

    Raises
    ------
    ImportError
        If Pillow is not installed.
    ValueError
        If the copy is not complete, or its labels of ``val`` are missing or damaged.
    OSError
        If there is no local copy; the message says what to fetch and where to put it.

    Examples
    --------
    >>> from sksubsel.datasets import load_imagenet
    >>> images = load_imagenet(data_home="data")  # doctest: +SKIP
    >>> X, y = images.data, images.target  # doctest: +SKIP
    """
    if resize is None:
        resize = round(size * 256 / 224)
    homes = candidate_homes(data_home, _FOLDER)
    homes += [home / "ILSVRC" / "Data" / "CLS-LOC" for home in homes]
    root = find_folder(_TITLE, homes, _FOLDER, ["train", "val"], _FETCH)
    wnids, files = list_classes(root / "train")
    found = {"classes": len(wnids), "training images": sum(len(group) for group in files)}
    expected = {"classes": _N_CLASSES, "training images": _N_TRAIN}
    check_counts(_TITLE, root / "train", found, expected, _FETCH)
    data, target = gather(root / "train", files, size, resize)
    if return_X_y:
        return data, target
    if any((root / "val" / wnid).is_dir() for wnid in wnids):
        test_wnids, test_files = list_classes(root / "val")
        if test_wnids != wnids:
            strange = sorted(set(wnids) ^ set(test_wnids))
            raise ValueError(
                f"{root / 'val'} must have the folders of {root / 'train'}; these are in one of "
                f"them alone: {strange[:5]}. {_FETCH} anew"
            )
        test_data, test_target = gather(root / "val", test_files, size, resize)
    else:
        names = list_images(root / "val", "")
        test_data, _ = gather(root / "val", [names], size, resize)
        test_target = _solution(root, names, wnids)
    found = {"test images": len(test_target)}
    check_counts(_TITLE, root / "val", found, {"test images": _N_TEST}, _FETCH)
    return Bunch(
        data=data,
        target=target,
        test_data=test_data,
        test_target=test_target,
        target_names=_words(_above(root, "LOC_synset_mapping.txt"), wnids),
        wnids=np.array(wnids),
        transform=transform(horizontal_flip=True),
        DESCR=_DESCR,
    )


def _above(root, name):
    """A file beside ``val``, or in one of the three folders above; None if there is none."""
    for folder in [root, *root.resolve().parents[:3]]:
        if (folder / name).is_file():
            return folder / name
    return None


def _solution(root, names, wnids):
    """Labels of a flat ``val`` from Kaggle's table: columns ImageId, PredictionString."""
    path = _above(root, _SOLUTION)
    if path is None:
        raise ValueError(
            f"the images of {root / 'val'} lie in no folders of their classes, so their labels "
            f"must come from {_SOLUTION}, and it is not beside val or up to three folders above. "
            "Put it there (it is in Kaggle's imagenet-object-localization-challenge), or move the "
            "images into val/<wnid>/"
        )
    place = {wnid: code for code, wnid in enumerate(wnids)}
    codes = {}
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            # "n01751748 111 108 230 366 ...": the class, and the corners of a box
            wnid = (row.get("PredictionString") or "").split(" ")[0]
            if not row.get("ImageId") or wnid not in place:
                raise ValueError(
                    f"{path} must have the columns ImageId and PredictionString, which begins with "
                    f"one of the {len(wnids)} classes of train; got {dict(row)}"[:400]
                )
            codes[row["ImageId"]] = place[wnid]
    missing = [name for name in names if Path(name).stem not in codes]
    if missing:
        raise ValueError(f"{path} has no label for {len(missing)} images of val: {missing[0]}, ...")
    return np.array([codes[Path(name).stem] for name in names], np.int64)


def _words(path, wnids):
    """What the classes are called; their wnids where no file says it."""
    words = {}
    if path is not None:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        words = dict(line.split(" ", 1) for line in lines if " " in line)
    return np.array([words.get(wnid, wnid) for wnid in wnids])
