"""Comparison of selection methods: what each costs, and how well what it selects trains."""

from sksubsel.benchmark.compare import FULL_DATA, compare
from sksubsel.benchmark.meter import Meter
from sksubsel.benchmark.summary import format_table, speedup_at, summarize

__all__ = ["FULL_DATA", "Meter", "compare", "format_table", "speedup_at", "summarize"]
