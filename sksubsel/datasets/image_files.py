"""An array of images that are decoded when their rows are asked for."""

from __future__ import annotations

import hashlib
import math
import os
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sksubsel._validation import check_positive

if TYPE_CHECKING:
    from collections.abc import Sequence


class ImageFiles:
    """Image files as an array (N, 3, height, width) that decodes only the rows asked for.

    ``images[rows]`` gives a float32 array in [0, 1] for an int, a slice, an int or a bool array;
    ``numpy.asarray(images)`` decodes all. A further index, as in ``images[rows, :, :8]``, may hold
    ints and slices. `take` gives another lazy array. Needs Pillow (``pip install
    "sksubsel[images]"``).

    Parameters
    ----------
    paths : list of str or path, of length N
        Files of any format that Pillow reads; in grey, or with a palette, they become RGB.
    size : int or (int, int), default=224
        Height and width, in pixels.
    resize : int or None, default=None
        None: the whole image is resized to `size`. An int: the shorter side is resized to so many
        pixels, at least `size`, the proportions kept, and `size` is cut out of the centre.
        Both are bilinear with antialiasing, as torchvision's on files. An image of the
        right size stays as it is.
    root : str or path, default=""
        Folder that `paths` are relative to.

    Attributes
    ----------
    shape : tuple
        (N, 3, height, width).
    dtype : dtype
        float32.
    ndim, size, nbytes : int
        As of the whole array.

    Raises
    ------
    ImportError
        If Pillow is not installed.

    Examples
    --------
    >>> from sksubsel.datasets import ImageFiles
    >>> images = ImageFiles(["a.png", "b.png"], size=32)  # nothing is opened yet
    >>> images.shape
    (2, 3, 32, 32)
    """

    dtype = np.dtype(np.float32)
    ndim = 4

    def __init__(
        self,
        paths: Sequence[str | Path],
        size: int | tuple[int, int] = 224,
        *,
        resize: int | None = None,
        root: str | Path = "",
    ):
        _pillow()
        height, width = (size, size) if isinstance(size, (int, Integral)) else size
        check_positive(size=height)
        check_positive(size=width)
        if resize is not None:
            check_positive(resize=resize)
            if resize < max(height, width):
                raise ValueError(
                    f"resize must be at least size, what is cut out; got {resize} and {size}"
                )
        self.paths = [os.fspath(path) for path in paths]
        self.root = str(root)
        self.resize = resize
        self.shape = (len(self.paths), 3, int(height), int(width))

    def __len__(self):
        return len(self.paths)

    @property
    def size(self) -> int:
        """Number of values in the whole array."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes that the whole array would take."""
        return self.size * self.dtype.itemsize

    def __repr__(self):
        return f"ImageFiles(shape={self.shape}, resize={self.resize}, root={self.root!r})"

    def path(self, row: int) -> Path:
        """File of one row."""
        return Path(self.root, self.paths[row])

    def take(self, rows: Any) -> ImageFiles:
        """The lazy array of some rows, or of a slice of them."""
        rows = np.arange(len(self))[rows]
        return ImageFiles(
            [self.paths[row] for row in rows], self.shape[2:], resize=self.resize, root=self.root
        )

    def fingerprint(self) -> str:
        """Digest of the files' names, sizes and times of change, and of how they are cut.

        It says whether features that were extracted once are still those of these images. No
        image is read.
        """
        digest = hashlib.sha256(repr((self.shape, self.resize)).encode())
        for row, name in enumerate(self.paths):
            stat = os.stat(self.path(row))
            digest.update(f"{name}\0{stat.st_size}\0{stat.st_mtime_ns}\0".encode())
        return digest.hexdigest()

    def __getitem__(self, index):
        rows, rest = (index[0], index[1:]) if isinstance(index, tuple) and index else (index, ())
        if not all(part is Ellipsis or isinstance(part, (Integral, slice)) for part in rest):
            raise IndexError(f"only the first axis takes arrays; got {index!r}")
        if rows is Ellipsis or isinstance(rows, tuple):
            raise IndexError(f"the first axis takes an int, a slice or an array; got {index!r}")
        if isinstance(rows, Integral):
            return self._decode(self.path(range(len(self))[rows]))[rest]
        places = np.arange(len(self))[rows]  # numpy checks ranges and masks
        if places.ndim > 1:
            raise IndexError(f"rows must be of one axis; got an index of shape {places.shape}")
        self._check_memory(len(places))
        images = np.empty((len(places), *self.shape[1:]), self.dtype)
        for place, row in enumerate(places):
            images[place] = self._decode(self.path(row))
        return images[(slice(None), *rest)]

    def __iter__(self):
        return (self[row] for row in range(len(self)))

    def __array__(self, dtype=None, copy=None):
        if copy is False:
            raise ValueError("images are decoded from files: there is no array without a copy")
        images = self[:]
        return images if dtype is None else images.astype(dtype, copy=False)

    def _check_memory(self, n_rows):
        """Refuse what the machine's memory could never hold, before hours of decoding."""
        n_bytes = n_rows * self.nbytes // max(1, len(self))
        memory = _physical_memory()
        if n_bytes > memory:
            raise MemoryError(
                f"{n_rows} images of shape {self.shape[1:]} take {n_bytes / 1e9:.0f} GB as an "
                f"array, and this machine has {memory / 1e9:.0f} GB. Take fewer rows or a smaller "
                "size, or extract features once (sksubsel.extraction.extract_features)"
            )

    def _decode(self, path):
        """One image, float32 (3, height, width)."""
        Image = _pillow()
        try:
            with Image.open(path) as image:
                pixels = np.asarray(self._cut(image.convert("RGB"), Image.Resampling.BILINEAR))
        except (FileNotFoundError, PermissionError, IsADirectoryError):
            raise  # these name the file, and what is wrong
        except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
            raise ValueError(
                f"image {path} cannot be decoded ({error}); replace it, or leave it out"
            ) from error
        return pixels.transpose(2, 0, 1) / np.float32(255)

    def _cut(self, image, method):
        height, width = self.shape[2:]
        if image.size == (width, height):
            return image
        if self.resize is None:
            return image.resize((width, height), method)
        short = min(image.size)
        if short != self.resize:
            scaled = [max(1, int(self.resize * side / short)) for side in image.size]
            image = image.resize(scaled, method)
        left = round((image.width - width) / 2)
        top = round((image.height - height) / 2)
        return image.crop((left, top, left + width, top + height))


def _pillow():
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(
            'image files need Pillow: pip install "sksubsel[images]" (or pip install pillow)'
        ) from error
    return Image


def _physical_memory():
    """Bytes of the machine's memory; infinity where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return math.inf
