"""Where a store keeps its files: a folder of this machine, or a URL through fsspec."""

from __future__ import annotations

import contextlib
import io
import os
import uuid
from pathlib import Path

__all__ = ["LocalFolder", "RemoteFolder", "is_url", "open_folder", "write_atomically"]


def is_url(path) -> bool:
    """Whether a path has a protocol, such as ``s3://``."""
    return "://" in str(path)


def open_folder(path) -> LocalFolder | RemoteFolder:
    """The folder of a path or URL; it need not be there.

    Raises
    ------
    ValueError
        If fsspec does not know the protocol.
    ImportError
        If fsspec, or what it needs for the protocol, is not installed.
    """
    return RemoteFolder(str(path)) if is_url(path) else LocalFolder(path)


class LocalFolder:
    """A folder of this machine, or one that it has mounted."""

    def __init__(self, path):
        self.path = Path(path).absolute()  # workers may have another working directory

    def create(self) -> None:
        """Make it if missing; ValueError if it is a file."""
        if self.path.exists() and not self.path.is_dir():
            raise ValueError(f"store must be a folder; {self.path} is a file")
        self.path.mkdir(parents=True, exist_ok=True)

    def names(self) -> list[str]:
        """Names of the files in it."""
        return [path.name for path in self.path.iterdir()]

    def open(self, name):
        """A file to read bytes from; FileNotFoundError if it is not there."""
        return open(self.path / name, "rb")

    def write(self, name, write) -> None:
        """Write a whole file by ``write(file)``, or none."""
        write_atomically(self.path / name, write)

    def place(self, name) -> str:
        """Where a file is, for messages."""
        return str(self.path / name)


class RemoteFolder:
    """A folder of an fsspec filesystem.

    A file is written under a temporary name and then moved. Where moving is copying (object
    stores), the copy is whole as soon as it is seen.
    """

    def __init__(self, url: str):
        self.url = url.rstrip("/")
        try:
            from fsspec.core import url_to_fs
        except ImportError as error:
            raise ImportError(
                f"store={url!r} is a URL, which needs fsspec: pip install 'sksubsel[distributed]'"
            ) from error
        try:
            self.fs, self.path = url_to_fs(url)
        except ValueError as error:
            raise ValueError(
                f"store must be a folder, or a URL whose protocol fsspec knows, such as s3://, "
                f"gs:// or file://; got {url!r}: {error}"
            ) from error
        except ImportError as error:  # fsspec's message names the package
            raise ImportError(f"store={url!r} needs another package: {error}") from error
        self.path = self.path.rstrip("/")

    def create(self) -> None:
        """Make it if missing; ValueError if it is a file."""
        if self.fs.isfile(self.path):
            raise ValueError(f"store must be a folder; {self.url} is a file")
        self.fs.makedirs(self.path, exist_ok=True)

    def names(self) -> list[str]:
        """Names of the files in it."""
        self.fs.invalidate_cache()  # others write to it, too
        try:
            paths = self.fs.ls(self.path, detail=False)
        except FileNotFoundError:  # an object store has no empty folders
            return []
        names = [path.rstrip("/").rpartition("/")[2] for path in paths if path != self.path + "/"]
        return [name for name in names if name]

    def open(self, name):
        """A file to read bytes from; FileNotFoundError if it is not there."""
        return io.BytesIO(self.fs.cat_file(f"{self.path}/{name}"))

    def write(self, name, write) -> None:
        """Write a whole file by ``write(file)``, or none."""
        content = io.BytesIO()
        write(content)
        temporary = f"{self.path}/.{uuid.uuid4().hex}.tmp"
        try:
            self.fs.pipe_file(temporary, content.getvalue())
            self.fs.mv(temporary, f"{self.path}/{name}")
        except BaseException:
            with contextlib.suppress(Exception):  # the first error is the one to tell
                self.fs.rm_file(temporary)
            raise

    def place(self, name) -> str:
        """Where a file is, for messages."""
        return f"{self.url}/{name}"


def write_atomically(path, write) -> None:
    """Write a file under a temporary name by ``write(file)``, then move it into place."""
    name = path.with_name(f".{uuid.uuid4().hex}.tmp")  # tempfile's could be read by us alone
    try:
        with open(name, "xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise
