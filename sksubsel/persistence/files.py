"""Files of a saved net: read with care, and written all or none."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
import stat
from pathlib import Path

from sksubsel.persistence.errors import SavedModelError

_CHUNK = 2**20


def read_file(path: Path, *, max_bytes: int | None = None, size: int | None = None) -> bytes:
    """Content of a regular file that is no symbolic link.

    Parameters
    ----------
    path : Path
    max_bytes, size : int or None
        The most bytes that it may have, and how many it must have; looked at before it is read.

    Raises
    ------
    SavedModelError
        If it is missing, of another kind or of another size.
    """
    flags = os.O_RDONLY
    # a link could lead out of the folder, and opening a pipe would wait for ever
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"):
        flags |= getattr(os, name, 0)
    try:
        if path.is_symlink():  # Windows has no O_NOFOLLOW
            raise SavedModelError(f"{path} must be a file of its own; it is a symbolic link")
        handle = os.open(path, flags)
    except FileNotFoundError:
        raise SavedModelError(f"{path} is missing") from None
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise SavedModelError(f"{path} must be a file of its own; it is a symbolic link") from None
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise SavedModelError(f"{path} must be a regular file; it is of another kind")
        if max_bytes is not None and status.st_size > max_bytes:
            raise SavedModelError(
                f"{path} has {status.st_size} bytes, and at most {max_bytes} are read"
            )
        if size is not None and status.st_size != size:
            raise SavedModelError(
                f"{path} is damaged: it has {status.st_size} bytes, and should have {size}"
            )
        with open(handle, "rb", closefd=False) as file:
            data = file.read(status.st_size)
    finally:
        os.close(handle)
    if len(data) != status.st_size:
        raise SavedModelError(f"{path} changed while it was read")
    return data


def hash_file(path: Path) -> str:
    """SHA-256 of a file, read a mebibyte at a time."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while part := file.read(_CHUNK):
            digest.update(part)
    return digest.hexdigest()


def check_target(folder: Path, known: set[str], overwrite: bool, is_ours) -> None:
    """Raise FileExistsError unless a folder may be written: new, empty, or a net to replace.

    Parameters
    ----------
    folder : Path
    known : set of str
        Names of a net's files. A folder with any other is never replaced.
    overwrite : bool
    is_ours : callable
        ``is_ours(folder) -> bool``, whether files of these names are a net's.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise FileExistsError(f"folder must be a folder, or not there yet; {folder} is a file")
    names = {path.name for path in folder.iterdir()}
    if names and not overwrite:
        raise FileExistsError(
            f"folder must be empty or not there yet; {folder} holds {sorted(names)[:5]} "
            "(overwrite=True replaces a net saved there)"
        )
    if names - known:
        raise FileExistsError(
            f"overwrite=True replaces nothing but a saved net; {folder} also holds "
            f"{sorted(names - known)[:5]}"
        )
    if names and not is_ours(folder):
        raise FileExistsError(
            f"overwrite=True replaces nothing but a saved net; {folder} holds {sorted(names)}, and "
            "no description of one"
        )


def write_folder(folder: Path, write) -> None:
    """Let a function fill a new folder beside `folder`, and move that into its place when done.

    Whatever interrupts it, `folder` holds all files or what it held before. Only a process that
    is killed leaves its temporary folder behind (and, in the moment between two moves, what
    `folder` held under a name ``.<folder>-....old``).

    Parameters
    ----------
    folder : Path
        Approved by `check_target`.
    write : callable
        ``write(path of the temporary folder)``.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    stem = f".{folder.name}-{secrets.token_hex(6)}"
    temporary, old = folder.with_name(f"{stem}.tmp"), folder.with_name(f"{stem}.old")
    try:
        temporary.mkdir()
        write(temporary)
        for path in temporary.iterdir():
            _sync(path)
        _sync(temporary)
        try:
            if folder.exists():
                os.rename(folder, old)
            os.rename(temporary, folder)
        except BaseException:
            if old.exists() and not folder.exists():
                os.rename(old, folder)
            raise
        _sync(folder.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)


def _sync(path):
    """Make sure that what was written survives a loss of power."""
    if path.is_dir():
        with contextlib.suppress(OSError):  # not every system can do it for a folder
            _sync_as(path, os.O_RDONLY)
    else:
        _sync_as(path, os.O_RDWR)


def _sync_as(path, flags):
    handle = os.open(path, flags)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
