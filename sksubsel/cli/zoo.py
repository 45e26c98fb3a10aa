"""``sksubsel zoo``: sample architectures and train them, resumably."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import click
import numpy as np

from sksubsel.cli._data import DATA, read_data
from sksubsel.cli._options import (
    ASSIGNMENT,
    DEVICE,
    JSON,
    N_JOBS,
    PATH,
    SEED,
    Command,
    Result,
    counted,
    options,
    verbosity,
)

_SPACES = {
    "nasbench101": "NASBench101",
    "nasbench201": "NASBench201",
    "darts": "DARTS",
    "mlp": "MLP",
    "transformer": "Transformer",
}
_RECIPE = options(
    click.option("--epochs", "max_epochs", type=click.IntRange(1), default=20, show_default=True),
    click.option(
        "--min-steps",
        type=click.IntRange(0),
        default=0,
        show_default=True,
        help="More epochs are made until there are so many optimiser steps.",
    ),
    click.option("--batch-size", type=click.IntRange(1), default=32, show_default=True),
    click.option(
        "--lr",
        type=click.FloatRange(0, min_open=True),
        default=1e-2,
        show_default=True,
        help="The largest learning rate.",
    ),
    click.option(
        "--stratify-batches",
        is_flag=True,
        help="Have each batch hold the classes in the same proportions.",
    ),
)


@click.command(cls=Command, short_help="Draw architectures and train some of them.")
@DATA
@click.option(
    "--store",
    type=PATH,
    required=True,
    metavar="FOLDER",
    help="Gets the architectures and what is trained; a stopped run goes on from it.",
)
@click.option(
    "--space",
    default="nasbench101",
    show_default=True,
    metavar="SPACE",
    help=f"{', '.join(_SPACES)}, or a file of architectures (.jsonl).",
)
@click.option(
    "--space-option",
    "space_options",
    type=ASSIGNMENT,
    multiple=True,
    help="Parameter of the space, such as stem_channels=8 or 'depths=[1, 2]'. Without "
    "any, its networks are made small enough for a CPU.",
)
@click.option(
    "--n-architectures",
    type=click.IntRange(1),
    help="How many are drawn (default: 200; of a file all).",
)
@click.option(
    "--n-pretrained",
    type=click.IntRange(1),
    default=12,
    show_default=True,
    help="How many of them are trained.",
)
@_RECIPE
@click.option(
    "--on-error",
    type=click.Choice(["raise", "warn"]),
    default="raise",
    show_default=True,
    help="Whether a network that cannot be trained ends the run, or is left out (exit code 3).",
)
@N_JOBS
@SEED
@DEVICE
@JSON
def zoo(data, labels, target, image_size, store, space, space_options, n_architectures,
        n_pretrained, on_error, n_jobs, seed, device, **recipe):  # fmt: skip
    """Draw architectures and train some of them on DATA: what `fit` learns from.

    DATA is a file .npz (X, y), .npy with --labels, .parquet with --target, a folder with X.npy and
    y.npy or with a subfolder of images for each class, or digits or fashion-mnist.
    """
    from sksubsel._validation import check_device
    from sksubsel.cli._zoo_folder import ZooFolder
    from sksubsel.zoo import TrainingFailedWarning

    check_device(device)
    X, y = read_data(data, labels, target, image_size)
    described, draw = _source(space, dict(space_options), n_architectures, seed)
    settings = {
        "space": described,
        "n_architectures": n_architectures,
        "n_pretrained": n_pretrained,
        "recipe": recipe,
        "on_error": on_error,
        "seed": seed,
    }
    folder = ZooFolder(store)
    made = folder.make(settings, y, n_jobs=n_jobs, device=device, verbose=verbosity())
    archs = folder.begin(settings, draw)
    start = time.perf_counter()
    with counted(TrainingFailedWarning) as failed:
        made = made.fit(archs, X, y)
    seconds = time.perf_counter() - start
    folder.finish(settings)
    accuracies = made.accuracies_
    measure = "accuracy" if made.task_ == "classification" else "R^2"
    print(
        f"{len(made.trained_)} of {len(archs)} architectures are trained on {len(y)} instances "
        f"({seconds:.1f} s this time); {measure} on these {accuracies.mean():.3f}, from "
        f"{accuracies.min():.3f} to {accuracies.max():.3f}\n{store}"
    )
    document = {
        "store": store,
        "n_samples": len(y),
        "n_architectures": len(archs),
        "n_trained": len(made.trained_),
        "accuracy": accuracies,
        "train_time": made.train_times_,
        "seconds": seconds,
        "errors": made.errors_,
    }
    return Result(document, 3 if failed else 0)


def _source(space, params, n_architectures, seed):
    """How the space is written in the settings, and a function that draws from it."""
    if space in _SPACES:
        from sksubsel.benchmark.config import make_space

        described = {"name": _SPACES[space], **params}
        made = make_space(described, "--space-option")
        n_drawn = 200 if n_architectures is None else n_architectures
        return described, lambda: made.sample(n_drawn, random_state=seed)
    if not space.endswith(".jsonl"):
        raise click.BadParameter(
            f"{space!r} is none of {', '.join(_SPACES)} and no .jsonl", param_hint="--space"
        )
    if params:
        raise click.BadParameter("a file of architectures has none", param_hint="--space-option")
    from sksubsel.cli._architectures import read_architectures

    archs = read_architectures(space)
    n_drawn = len(archs) if n_architectures is None else n_architectures
    if n_drawn > len(archs):
        raise click.BadParameter(
            f"{space} holds {len(archs)}; got {n_drawn}", param_hint="--n-architectures"
        )

    def draw():
        drawn = np.sort(np.random.RandomState(seed).permutation(len(archs))[:n_drawn])
        return [archs[place] for place in drawn]

    digest = hashlib.sha256(Path(space).read_bytes()).hexdigest()
    return {"file": Path(space).name, "sha256": digest}, draw
