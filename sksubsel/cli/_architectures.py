"""Architectures as text: lines of JSON, and what is given to ``--architecture``."""

from __future__ import annotations

import json
from pathlib import Path

from sksubsel.architectures import Architecture, as_architecture

_FIELDS = {"ops", "edges", "attributes", "space"}


def to_line(arch) -> str:
    """An architecture as one line of JSON.

    Its keys are ``ops``, ``edges``, and where there are any ``attributes`` (one object a node) and
    ``space``.
    """
    content = {
        "ops": list(arch.ops),
        "edges": [list(edge) for edge in arch.edges],
        "attributes": None if arch.attributes is None else [dict(one) for one in arch.attributes],
        "space": arch.space,
    }
    return json.dumps({name: value for name, value in content.items() if value is not None})


def from_line(line: str) -> Architecture:
    """The architecture of a line of JSON.

    Raises
    ------
    ValueError
        If it is no JSON, or no valid architecture.
    """
    try:
        content = json.loads(line)
    except ValueError as error:
        raise ValueError(f"it is no JSON: {error}") from error
    if not isinstance(content, dict) or not {"ops", "edges"} <= content.keys() <= _FIELDS:
        names = sorted(_FIELDS - {"ops", "edges"})
        what = sorted(content) if isinstance(content, dict) else f"a {type(content).__name__}"
        raise ValueError(
            f'it must be an object with "ops", "edges" and, of others, {names} at most; got {what}'
        )
    try:
        return Architecture(**content)
    except TypeError as error:
        raise ValueError(str(error)) from error


def read_architectures(path) -> list[Architecture]:
    """The architectures of a file: JSON lines, or (``.json``) one architecture or a list of them.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is not there, holds none, or something else; the message says where.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ValueError(f"architectures: there is no file {path}") from error
    lines = [(f"{path}:{number}", line) for number, line in enumerate(text.splitlines(), 1)]
    if path.suffix == ".json":
        try:
            content = json.loads(text)
        except ValueError as error:
            raise ValueError(f"{path}: it is no JSON: {error}") from error
        parts = content if isinstance(content, list) else [content]
        lines = [(f"{path}[{place}]", json.dumps(part)) for place, part in enumerate(parts)]
    found = []
    for where, line in lines:
        if line.strip():
            try:
                found.append(from_line(line))
            except ValueError as error:
                raise ValueError(f"{where} must be an architecture: {error}") from error
    if not found:
        raise ValueError(f"{path} must hold at least one architecture; got none")
    return found


def given_architectures(texts) -> list[Architecture]:
    """Architectures that were named on the command line, by files or as their spaces write them."""
    found = []
    for text in texts:
        if text.endswith((".json", ".jsonl")):
            found += read_architectures(text)
            continue
        try:
            found.append(as_architecture(text))
        except TypeError as error:
            raise ValueError(
                "--architecture must be a file .json or .jsonl, a NAS-Bench-201 string or a DARTS "
                f"genotype; got {text!r}"
            ) from error
    return found
