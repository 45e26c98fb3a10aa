"""A comparison's file to its data, architectures and zoo, for the scripts beside it."""

from __future__ import annotations

import sys
from pathlib import Path

from sksubsel.benchmark import read_config
from sksubsel.benchmark.data import load_data
from sksubsel.benchmark.run import fit_zoo

sys.path.insert(0, str(Path(__file__).parents[1]))
from _machine import describe

__all__ = ["describe", "open_folder"]


def open_folder(config, folder, n_jobs):
    """Data, the architectures compared on, those seen, the zoo, and the folder as a path."""
    folder = Path(folder or Path(config).stem)
    settings = read_config(config)
    data = load_data(**settings["data"])
    folder.mkdir(parents=True, exist_ok=True)
    unseen, seen, zoo = fit_zoo(settings, data, folder, n_jobs, 1)
    return data, unseen, seen, zoo, folder
