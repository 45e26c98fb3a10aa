"""Comparison of selection methods: what each costs, and how well what it selects trains."""

from sksubsel.benchmark.checks import FULL_DATA
from sksubsel.benchmark.compare import compare, read_table
from sksubsel.benchmark.config import read_config
from sksubsel.benchmark.meter import Meter
from sksubsel.benchmark.run import run_config
from sksubsel.benchmark.summary import LEGEND, format_table, rank_agreement, speedup_at, summarize
from sksubsel.benchmark.turns import InTurns

__all__ = [
    "FULL_DATA",
    "LEGEND",
    "InTurns",
    "Meter",
    "compare",
    "format_table",
    "rank_agreement",
    "read_config",
    "read_table",
    "run_config",
    "speedup_at",
    "summarize",
]
