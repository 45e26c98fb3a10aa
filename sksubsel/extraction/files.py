"""The file that features are written to, batch by batch."""

from __future__ import annotations

import os
import warnings

import numpy as np

from sksubsel.zoo.store import CorruptEntryWarning


class FeatureFile:
    """``features.npy`` of a cache's entry, until it is complete under another name.

    It is written by ordinary writes and not through a memory map, which a full disk would end the
    process by.
    """

    def __init__(self, folder, n_rows):
        self.path = folder / "features.npy"
        self.part = folder / "features.part"
        self.n_rows = n_rows

    def open(self):
        """The complete features, None if they are not there or damaged (with a warning)."""
        if not self.path.exists():
            return None
        try:
            features = np.load(self.path, mmap_mode="c", allow_pickle=False)
            if features.ndim == 2 and len(features) == self.n_rows and features.dtype == np.float32:
                return features
        except (OSError, ValueError, EOFError):
            pass
        warnings.warn(
            f"{self.path} is damaged; its features are extracted again",
            CorruptEntryWarning,
            stacklevel=3,
        )
        return None

    def resume(self):
        """How many rows a run before this one has written."""
        try:
            with open(self.part, "rb") as file:
                n_features = self._read_header(file)
                start = file.tell()
        except (OSError, ValueError, EOFError):
            return 0  # none, or cut in its header
        return min(self.n_rows, (self.part.stat().st_size - start) // (4 * n_features))

    def append(self, done, features):
        """Write rows from row `done` on, and see that they are on the disk."""
        if done == 0:
            self.part.parent.mkdir(parents=True, exist_ok=True)
        with open(self.part, "wb" if done == 0 else "r+b") as file:
            if done == 0:
                header = {
                    "descr": "<f4",
                    "fortran_order": False,
                    "shape": (self.n_rows, features.shape[1]),
                }
                np.lib.format.write_array_header_1_0(file, header)
            else:
                n_features = self._read_header(file)
                if n_features != features.shape[1]:
                    raise ValueError(
                        f"all batches must have as many features; got {features.shape[1]} after "
                        f"batches with {n_features}"
                    )
                file.seek(4 * n_features * done, os.SEEK_CUR)
            file.write(np.ascontiguousarray(features, "<f4").data)
            file.flush()
            os.fsync(file.fileno())

    def finish(self):
        """Give the file its name, and open it."""
        os.replace(self.part, self.path)
        return np.load(self.path, mmap_mode="c", allow_pickle=False)

    def _read_header(self, file):
        """Number of features; the file is left where the rows begin."""
        np.lib.format.read_magic(file)
        shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(file)
        if len(shape) != 2 or shape[0] != self.n_rows or fortran_order or dtype != np.float32:
            raise ValueError(f"{self.part} is of other features")
        return shape[1]
