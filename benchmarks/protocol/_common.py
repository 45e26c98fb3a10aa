"""A comparison's file to its data, architectures and zoo, for the scripts beside it."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from sksubsel.benchmark import read_config
from sksubsel.benchmark.data import load_data
from sksubsel.benchmark.run import fit_zoo
from sksubsel.plotting._style import curve_style, finish_axes, log_scale_if_wide, new_axes

sys.path.insert(0, str(Path(__file__).parents[1]))
from _machine import describe

__all__ = ["Rows", "describe", "open_folder", "plot_errors"]


def open_folder(config, folder, n_jobs):
    """Data, the architectures compared on, those seen, the zoo, and the folder as a path."""
    folder = Path(folder or Path(config).stem)
    settings = read_config(config)
    data = load_data(**settings["data"])
    folder.mkdir(parents=True, exist_ok=True)
    unseen, seen, zoo = fit_zoo(settings, data, folder, n_jobs, 1)
    return data, unseen, seen, zoo, folder


class Rows:
    """What is finished of a long job, one row each, in a CSV file from which it goes on.

    Parameters
    ----------
    path : path
    keys : list of str
        Columns that name a row.
    """

    def __init__(self, path, keys):
        self.path, self.keys = Path(path), keys
        self.table = pd.DataFrame(columns=keys)
        if self.path.exists():
            self.table = pd.read_csv(self.path, float_precision="round_trip")

    def has(self, *key):
        """Whether there is a row of that name."""
        return (self.table[self.keys] == list(key)).all(axis=1).any()

    def add(self, **row):
        """Keep a row; the file is whole at any time."""
        kept = self.table.to_dict("records")
        self.table = pd.DataFrame([*kept, row])
        part = self.path.with_suffix(".part")
        self.table.to_csv(part, index=False)
        part.replace(self.path)
        print(", ".join(f"{name} {value}" for name, value in row.items()), flush=True)


def plot_errors(table, x, label, path, references=()):
    """Draw test error against `x`, a curve for each method, a line for each of the references.

    Parameters
    ----------
    table : DataFrame
        With ``method``, ``budget``, ``error`` and `x`; means over seeds are drawn, and the spread.
    x, label : str
        Column, and what its axis is called.
    path : path
    references : sequence of str
        Methods that have one value whatever the budget.
    """
    ax = new_axes(legend=True)
    for k, (method, rows) in enumerate(table.groupby("method", sort=False)):
        style, error = curve_style(k), rows.error * 100
        if method in references:
            ax.axhline(error.mean(), color=style["color"], linestyle="--", label=method)
            continue
        of_budget = error.groupby(rows.budget)
        ax.errorbar(
            rows.groupby("budget")[x].mean(), of_budget.mean(),
            yerr=of_budget.std(ddof=1).fillna(0), label=method, capsize=2, **style,
        )  # fmt: skip
    shown = table[~table.method.isin(references)][x]
    log_scale_if_wide(ax.xaxis, shown)
    ax.set(xlabel=label, ylabel="test error (%)")
    finish_axes(ax, legend=True)
    ax.figure.savefig(path, dpi=120)
