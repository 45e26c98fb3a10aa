"""What a zoo's networks put out, one array of all, filled as trainings finish."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["OutputStack"]

_MAX_IN_MEMORY = 2**30  # bytes beyond which it is memory-mapped


class OutputStack:
    """An array (n, N, C), or a temporary file of one when it is large.

    So that a zoo of many instances and classes never has more than one network's outputs in memory.

    Parameters
    ----------
    n_archs : int
        Networks there may be.
    folder : path or None
        Where to put the file, which is deleted with the array. None: the system's folder.
    """

    def __init__(self, n_archs: int, folder=None):
        self._n_archs, self._folder = n_archs, folder
        self._array: Any = None
        self._made: str | None = None

    def put(self, place: int, outputs: np.ndarray) -> None:
        """Keep one network's outputs (N, C)."""
        if self._array is None:
            self._array = self._allocate((self._n_archs, *outputs.shape), outputs.dtype)
        self._array[place] = outputs

    def of(self, places: list[int]) -> np.ndarray:
        """Outputs of the networks at these places, at least one, ascending. Ends the filling."""
        array = self._array
        for target, place in enumerate(places):  # a network that failed has left a gap
            if target != place:
                array[target] = array[place]
        array = array if len(places) == len(array) else array[: len(places)]
        if self._made is not None:  # the file is the array's from now on
            self._array.flush()
            self._remove.detach()
            weakref.finalize(array, shutil.rmtree, self._made, True)
        self._array = None
        return array

    def _allocate(self, shape, dtype):
        if np.prod(shape, dtype=float) * dtype.itemsize <= _MAX_IN_MEMORY:
            return np.empty(shape, dtype)
        self._made = tempfile.mkdtemp(prefix="sksubsel-zoo-", dir=self._folder)
        self._remove = weakref.finalize(self, shutil.rmtree, self._made, True)  # ignoring errors
        path = Path(self._made) / "predictions.npy"
        return np.lib.format.open_memmap(path, "w+", dtype, shape)
