"""The JSON file of a saved net: written in one form, and read with everything doubtful refused."""

from __future__ import annotations

import hashlib
import json
import math
import re

from sksubsel.persistence.errors import SavedModelError

FORMAT = "sksubsel.SubSelNet"
VERSION = 1
MAX_BYTES = 2**24  # a net takes 30 to 200 kB, mostly what its epochs recorded

_MAX_DIGITS = 20  # of an int: seeds and counts have 64 bits at most


def dump_document(content: dict) -> bytes:
    """A net's description as JSON, with its format, version and digest.

    Parameters
    ----------
    content : dict
        Of what JSON has, without NaN and infinities.

    Raises
    ------
    ValueError
        If it would be larger than what is read again.
    """
    head = {"format": FORMAT, "version": VERSION}
    whole = {**head, "sha256": _digest(head, content), "content": content}
    data = json.dumps(whole, indent=1, allow_nan=False).encode()
    if len(data) > MAX_BYTES:
        raise ValueError(
            f"the net's description must be at most {MAX_BYTES} bytes of JSON; got {len(data)}"
        )
    return data


def parse_document(data: bytes, path) -> dict:
    """The content of a description, after all checks of its form.

    Raises
    ------
    SavedModelError
        If it is no JSON, not ours, of a newer version, or changed after it was written.
    """
    try:
        whole = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_without_repetition,
            parse_int=_parse_int,
            parse_float=_parse_float,
            parse_constant=_refuse_constant,
        )
    except RecursionError:
        raise SavedModelError(f"{path} is nested too deeply to be a saved net") from None
    except ValueError as error:
        raise SavedModelError(
            f"{path} is damaged, or no saved net: it is not the JSON that save writes ({error})"
        ) from error
    if not isinstance(whole, dict) or whole.get("format") != FORMAT:
        raise SavedModelError(f"{path} is no saved net: it lacks the format {FORMAT!r}")
    version = whole.get("version")
    if type(version) is not int or version < 1:
        raise SavedModelError(f"{path} is damaged: its version is {version!r}")
    if version > VERSION:
        raise SavedModelError(
            f"{path} has version {version} of the format, and this sksubsel reads versions up to "
            f"{VERSION}; install a newer sksubsel to load it"
        )
    content = whole.get("content")
    head = {"format": FORMAT, "version": version}
    if set(whole) != {*head, "sha256", "content"} or not isinstance(content, dict):
        raise SavedModelError(f"{path} is damaged: it has not the parts of a saved net")
    if whole["sha256"] != _digest(head, content):
        raise SavedModelError(f"{path} is damaged: its content has not the SHA-256 that it names")
    return content


def _digest(head, content):
    text = json.dumps([head, content], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _without_repetition(pairs):
    found: dict = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"key {name!r} is there more than once")
        found[name] = value
    return found


def _parse_int(text):
    if not re.fullmatch(rf"-?[0-9]{{1,{_MAX_DIGITS}}}", text):
        raise ValueError(f"a number has {len(text)} digits")
    return int(text)


def _parse_float(text):
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:_MAX_DIGITS]} is no number that a float can hold")
    return value


def _refuse_constant(name):
    raise ValueError(f"{name} is no JSON")
