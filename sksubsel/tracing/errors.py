"""Where in the user's code a trace failed."""

from __future__ import annotations

import linecache
import sysconfig
from pathlib import Path

import torch
from torch import nn

_LIBRARIES = tuple(str(Path(path).resolve().parent) for path in (torch.__file__, __file__))
_STDLIB = str(Path(sysconfig.get_path("stdlib")).resolve())


def where(error: BaseException | None) -> str:
    """The innermost statement of an error that is neither torch's nor Python's own.

    Returns
    -------
    str
        As " at file:line, in Class.function: `statement`", Class being that of the module at
        work; empty if there is no such statement.
    """
    found, cause = None, error
    while cause is not None and found is None:
        step = cause.__traceback__
        while step is not None:
            if _is_users(step.tb_frame.f_code.co_filename):
                found = step
            step = step.tb_next
        cause = cause.__cause__ or cause.__context__
    if found is None:
        return ""
    code = found.tb_frame.f_code
    function = code.co_name
    owner = found.tb_frame.f_locals.get("self")
    if isinstance(owner, nn.Module):
        function = f"{type(owner).__name__}.{function}"
    statement = linecache.getline(code.co_filename, found.tb_lineno).strip()
    statement = statement if len(statement) <= 100 else f"{statement[:97]}..."
    return f" at {code.co_filename}:{found.tb_lineno}, in {function}: `{statement}`"


def _is_users(filename: str) -> bool:
    if filename.startswith("<"):
        return False
    path = str(Path(filename).resolve())
    in_stdlib = path.startswith(_STDLIB) and "site-packages" not in path
    return not in_stdlib and not path.startswith(_LIBRARIES)
