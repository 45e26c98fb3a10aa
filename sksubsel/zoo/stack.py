"""What a zoo's networks put out, one array of all, filled as trainings finish."""

from __future__ import annotations

import math
import shutil
import tempfile
import weakref
from pathlib import Path

import numpy as np

__all__ = ["OutputStack", "empty_outputs"]

_MAX_IN_MEMORY = 2**30  # bytes beyond which it is memory-mapped


def empty_outputs(shape, dtype, folder=None) -> np.ndarray:
    """An array to be filled; when it is large a temporary file, deleted with the array.

    Parameters
    ----------
    shape : tuple of int
    dtype : dtype
    folder : path or None
        Where to put the file; None is the system's folder.
    """
    if math.prod(shape) * dtype.itemsize <= _MAX_IN_MEMORY:
        return np.empty(shape, dtype)
    made = tempfile.mkdtemp(prefix="sksubsel-zoo-", dir=folder)
    out = np.lib.format.open_memmap(Path(made) / "predictions.npy", "w+", dtype, shape)
    weakref.finalize(out, shutil.rmtree, made, ignore_errors=True)  # slices share `out`
    return out


class OutputStack:
    """Outputs of n networks, (n, N, C), of which no more than one are in memory where N is large.

    Parameters
    ----------
    n_archs : int
        Networks there may be.
    folder : path or None
        See `empty_outputs`.
    """

    def __init__(self, n_archs: int, folder=None):
        self._n_archs, self._folder = n_archs, folder
        self._array: np.ndarray | None = None

    def put(self, place: int, outputs: np.ndarray) -> None:
        """Keep one network's outputs (N, C)."""
        if self._array is None:
            shape = (self._n_archs, *outputs.shape)
            self._array = empty_outputs(shape, outputs.dtype, self._folder)
        self._array[place] = outputs

    def of(self, places: list[int]) -> np.ndarray:
        """Outputs of the networks at these places, at least one, ascending. Ends the filling."""
        array, self._array = self._array, None
        assert array is not None
        for target, place in enumerate(places):  # a network that failed has left a gap
            if target != place:
                array[target] = array[place]
        return array if len(places) == len(array) else array[: len(places)]
