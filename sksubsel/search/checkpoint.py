"""One file that keeps an unfinished search."""

from __future__ import annotations

from pathlib import Path

import torch

from sksubsel.zoo.folders import write_atomically

__all__ = ["read_checkpoint", "write_checkpoint"]

_FORMAT = 1


def read_checkpoint(path) -> dict | None:
    """What `write_checkpoint` wrote; None if there is no file. Nothing in it is executed.

    Raises
    ------
    ValueError
        If it is no such file.
    """
    path = Path(path)
    if not path.exists():
        return None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        known = content["format"] == _FORMAT
    except Exception as error:  # of many kinds, by what the file is
        raise ValueError(
            f"checkpoint must be a file that an earlier search wrote, or none; {path} cannot be "
            f"read as one ({type(error).__name__}). Give another, or delete it to start anew"
        ) from error
    if not known:
        raise ValueError(f"checkpoint {path} is of another version; delete it to start anew")
    return content


def write_checkpoint(path, content: dict) -> None:
    """Keep tensors, numbers, text, lists and dicts; the last version stays until this is whole."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda file: torch.save({"format": _FORMAT, **content}, file))
