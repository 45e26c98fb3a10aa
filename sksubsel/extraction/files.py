"""The file that features are written to, batch by batch."""

from __future__ import annotations

import contextlib
import os
import warnings

import numpy as np

from sksubsel.zoo.store import CorruptEntryWarning

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


class FeatureFile:
    """``features.npy`` of a cache's entry, until it is complete under another name.

    It is written by ordinary writes and not through a memory map, which a full disk would end the
    process by.
    """

    def __init__(self, folder, n_rows):
        self.path = folder / "features.npy"
        self.part = folder / "features.part"
        self.lock = folder / "features.lock"
        self.n_rows = n_rows

    @contextlib.contextmanager
    def alone(self):
        """Have other runs wait; the system frees the lock of one that is killed."""
        self.lock.parent.mkdir(parents=True, exist_ok=True)
        with open(self.lock, "wb") as file:
            self._flock(file, "LOCK_EX")
            try:
                yield
            finally:
                self._flock(file, "LOCK_UN")  # which a worker may have open, too

    def open(self):
        """The complete features, None if they are not there or damaged."""
        try:
            features = np.load(self.path, mmap_mode="c", allow_pickle=False)
            if features.ndim == 2 and len(features) == self.n_rows and features.dtype == np.float32:
                return features
        except (OSError, ValueError, EOFError):
            pass
        return None

    def resume(self):
        """How many rows a run before this one has written; warns of damaged features."""
        if self.path.exists():
            warnings.warn(
                f"{self.path} is damaged; its features are extracted again",
                CorruptEntryWarning,
                stacklevel=3,
            )
        try:
            with open(self.part, "r+b") as file:
                n_features = self._read_header(file)
                start, size = file.tell(), file.seek(0, os.SEEK_END)
                done = min(self.n_rows, (size - start) // (4 * n_features))
                file.truncate(start + 4 * n_features * done)
        except (OSError, ValueError, EOFError):
            return 0  # none, or cut in its header
        return done

    def append(self, done, features):
        """Write rows from row `done` on, and see that they are on the disk."""
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
                end = file.tell() + 4 * n_features * done
                if file.seek(0, os.SEEK_END) != end:  # where there are no locks
                    raise RuntimeError(
                        f"{self.part} must end with row {done - 1}, and another run writes to it, "
                        "too; run this again when that one has ended"
                    )
            file.write(np.ascontiguousarray(features, "<f4").data)
            file.flush()
            os.fsync(file.fileno())

    def finish(self):
        """Give the file its name, and open it."""
        os.replace(self.part, self.path)
        return np.load(self.path, mmap_mode="c", allow_pickle=False)

    def _flock(self, file, operation):
        if fcntl is not None:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(file, getattr(fcntl, operation))

    def _read_header(self, file):
        """Number of features; the file is left where the rows begin."""
        np.lib.format.read_magic(file)
        shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(file)
        if len(shape) != 2 or shape[0] != self.n_rows or fortran_order or dtype != np.float32:
            raise ValueError(f"{self.part} is of other features")
        return shape[1]
