"""What a comparison's table says, as text, as a document and in pictures."""

from __future__ import annotations

import sys
from typing import Any

import pandas as pd

from sksubsel.benchmark import (
    FULL_DATA,
    format_table,
    rank_agreement,
    speedup_at,
    summarize,
)
from sksubsel.benchmark.config import check_names
from sksubsel.benchmark.summary import REFERENCE, legend_of

SPEEDUP = (
    "Speed-up at a relative accuracy reduction of 10 % and 20 %: by time, selection counted; "
    "amortized, without selections that serve all architectures; by steps"
)
RANKS = "The architectures' order on subsets against that on all data, and their three best"
_CAPTIONS = {
    "rar_speedup": "Accuracy lost against speed-up, each method along its budgets",
    "rar_memory": "Accuracy lost against memory over time",
    "amortization": "What an architecture costs, once the zoo is shared by many; budget {}",
}
_SHOWN = {
    "n_seeds": "seeds", "accuracy": "accuracy", "accuracy_se": "± SE", "gain": "gain",
    "gain_se": "± SE of gain",
    "p_value": "p", "rar": "RAR", "selection_time": "select/s", "training_time": "train/s",
    "speedup": "speed-up", "gb_minutes": "GB min",
}  # fmt: skip
_SPEEDUP_KEYS = {
    "10%": "rar_0.1", "20%": "rar_0.2",
    "10%, amortized": "rar_0.1_amortized", "20%, amortized": "rar_0.2_amortized",
    "10%, steps": "rar_0.1_steps", "20%, steps": "rar_0.2_steps",
}  # fmt: skip
_COLUMNS = {"method", "budget", "arch", "seed", "accuracy", "rar", "speedup", "machine", "date"}


def check_reference(reference, methods):
    """ValueError for one that was asked for and is no method of them, or is all data."""
    if reference != REFERENCE:  # which a table may be without
        check_names([reference], set(methods) - {FULL_DATA}, "--reference")


class Comparison:
    """A table of `compare`, summed up.

    Parameters
    ----------
    path : Path
        CSV file.
    reference : str
        Method that gains are over.
    only : sequence of str, default=()
        Names of methods to speak of, beside the reference; none: all.

    Raises
    ------
    ValueError
        If it is no such table, or has none of a method.
    """

    def __init__(self, path, reference, only=()):
        self.path, self.reference = path, reference
        try:
            self.table = pd.read_csv(path)
        except (UnicodeDecodeError, pd.errors.EmptyDataError, pd.errors.ParserError) as error:
            raise ValueError(f"{path} must be a CSV file of a comparison: {error}") from error
        missing = _COLUMNS - set(self.table.columns)
        if missing:
            raise ValueError(f"{path} is no comparison's table: it lacks {sorted(missing)}")
        if only:
            check_names(only, set(self.table.method), f"--only of {path}")
            self.table = self.table[self.table.method.isin([*only, reference, FULL_DATA])]
        self.where = " | ".join(
            [*sorted(set(self.table.machine)), " to ".join(sorted({*self.table.date}))]
        )
        self.summary = summarize(self.table, reference=reference)
        self.prepared = _prepared(self.table)
        self.speedup = _speedups(self.table)
        self.ranks = rank_agreement(self.table).round(3)
        self.legend = legend_of(reference)
        self.no_gains = ""
        if reference not in set(self.table.method):
            self.no_gains = (
                f"no gains: there is no method {reference!r} (--reference names another)"
            )

    def print(self):
        """The tables as aligned text."""
        print(self.where)
        print(format_table(self.summary))
        print(self.legend)
        if self.prepared:
            print(self.prepared)
        if self.no_gains:
            print(self.no_gains)
        print(f"\n{SPEEDUP}")
        print(self.speedup.to_string(na_rep="-"))
        print(f"\n{RANKS}")
        print(self.ranks.to_string(index=False, na_rep="-"))

    def document(self) -> dict:
        """The tables as lists of rows."""
        speedup = self.speedup.rename(columns=_SPEEDUP_KEYS).reset_index()
        return {
            "table": self.path,
            "summary": self.summary.to_dict("records"),
            "speedup_at": speedup.to_dict("records"),
            "rank_agreement": self.ranks.to_dict("records"),
        }

    def displays(self) -> dict:
        """Drawn displays by name, none without subsets; ImportError without matplotlib."""
        from sksubsel.plotting import AmortizationDisplay, TradeoffDisplay

        subsets = self.table[self.table.method != FULL_DATA]
        if subsets.empty:
            return {}
        drawn: dict[str, Any] = {"rar_speedup": TradeoffDisplay.from_frame(subsets).plot()}
        if subsets.gb_minutes.notna().any():
            drawn["rar_memory"] = TradeoffDisplay.from_frame(subsets, x="gb_minutes").plot()
        for budget in sorted(set(subsets.budget)):
            display = AmortizationDisplay.from_frame(self.table, budget=budget)
            drawn[f"amortization_{budget:g}"] = display.plot()
        return drawn

    @property
    def title(self):
        return f"Comparison {self.path.stem}"

    def fill(self, page):
        """Put tables and figures on a page."""
        page.text(self.where)
        page.table(_readable(self.summary))
        page.text("\n".join([self.legend, self.prepared, self.no_gains]).strip(), fixed=True)
        page.heading(SPEEDUP)
        page.table(self.speedup.reset_index())
        page.heading(RANKS)
        page.table(self.ranks)
        page.heading("Figures")
        for name, display in self.displays().items():
            kind, _, budget = name.partition("_")
            caption = _CAPTIONS[kind if kind == "amortization" else name]
            page.figure(display, caption.format(budget))

    def save_figures(self) -> list:
        """Draw the displays beside the table; says so where there is no matplotlib."""
        try:
            displays = self.displays()
        except ImportError as error:
            print(f"no figures: {error}", file=sys.stderr)
            return []
        files = []
        for name, display in displays.items():
            file = self.path.with_name(f"{self.path.stem}_{name}.png")
            display.figure_.savefig(file, dpi=150, bbox_inches="tight")
            print(f"figure saved to {file}")
            files.append(file)
        return files


def _speedups(table):
    """Of `speedup_at` by all that the table knows of."""
    found = speedup_at(table).set_axis(["10%", "20%"], axis=1)
    known = {"amortized": "shared" in table and table.shared.eq(True).any(),
             "steps": "n_steps" in table and table.n_steps.notna().any()}  # fmt: skip
    for by in filter(known.get, known):
        more = speedup_at(table, by=by).set_axis([f"10%, {by}", f"20%, {by}"], axis=1)
        found = found.join(more)
    return found.round(1)


def _prepared(table):
    """What was spent before the first architecture, a line for each method that prepares."""
    if "setup_time" not in table:
        return ""
    seconds = table.groupby("method", sort=False).setup_time.mean()
    lines = [f"  {value:>6.0f}  {name}" for name, value in seconds.items() if value > 0]
    return "\n".join(
        ["prepared once, seconds (mean over budgets and seeds):", *lines] if lines else ""
    )


def _readable(summary):
    """The columns of a summary that a page shows, methods first."""
    shown = summary[["method", "budget", *_SHOWN]].rename(columns=_SHOWN)
    shown["RAR"] = shown["RAR"].round(6) + 0.0  # of all data 1e-17 in place of zero
    shown["budget"] = [f"{b:.0%}" if b <= 1 else f"{b:.0f}" for b in summary.budget]
    return shown
