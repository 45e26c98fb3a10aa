"""``sksubsel select``: rows for architectures, from a saved net."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import click
import numpy as np

from sksubsel.cli._options import BUDGET, DEVICE_OF_FIT, JSON, PATH, Command, Result

_SUFFIXES = ".npy", ".json", ".csv"


@click.command(cls=Command, short_help="Rows of the data to train architectures on.")
@click.argument("net", type=PATH)
@click.option(
    "--architecture",
    "architectures",
    required=True,
    multiple=True,
    help="A file .json or .jsonl, a NAS-Bench-201 string or a DARTS genotype; one or several.",
)
@click.option("--budget", type=BUDGET, help="A count or a fraction (default: the net's own).")
@click.option(
    "--out",
    type=PATH,
    help="File for the rows: .npy, int64 (B,) or of several "
    "architectures (A, B); .csv, architecture and row; .json, as --json.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    help="Fresh sampling noise, where there is any, in place of that of the fit.",
)
@DEVICE_OF_FIT
@JSON
def select(net, architectures, budget, out, seed, device):
    """Rows of the data of the saved NET to train architectures on; nothing is trained.

    Without --out they are printed, a line for each architecture.
    """
    from sksubsel.cli._architectures import given_architectures
    from sksubsel.encoder import UnknownOperationWarning
    from sksubsel.subselnet import SubSelNet

    if out is not None and out.suffix not in _SUFFIXES:
        raise click.BadParameter(
            f"{str(out)!r} must end with {', '.join(_SUFFIXES)}", param_hint="--out"
        )
    archs = given_architectures(architectures)
    fitted = SubSelNet.load(net, device=device)
    rows = fitted.select(archs, budget, seed)
    with warnings.catch_warnings():  # `select` has said it
        warnings.simplefilter("ignore", UnknownOperationWarning)
        novelty = fitted.novelty(archs)
    document = {
        "net": str(net),
        "n_samples": fitted.n_samples_,
        "n_selected": len(rows[0]),
        "selections": [
            {"architecture": arch.hash, "novelty": float(new), "rows": own.tolist()}
            for arch, new, own in zip(archs, novelty, rows)
        ],
    }
    if out is None:
        for own in rows:
            print(*own)
    else:
        _write(out, archs, rows, document)
        of = "1 architecture" if len(archs) == 1 else f"{len(archs)} architectures"
        print(f"{len(rows[0])} of {fitted.n_samples_} rows for {of}: {out}")
    return Result(document)


def _write(path: Path, archs, rows, document):
    if path.suffix == ".npy":
        np.save(path, rows[0] if len(rows) == 1 else np.stack(rows))
    elif path.suffix == ".json":
        path.write_text(json.dumps(document) + "\n", encoding="utf-8")
    else:
        lines = [f"{arch.hash},{row}\n" for arch, own in zip(archs, rows) for row in own]
        path.write_text("architecture,row\n" + "".join(lines), encoding="utf-8")
