"""Displays in the manner of scikit-learn: `from_*`, `.plot(ax=None)`, `.ax_`, `.figure_`."""

from sksubsel.plotting.amortization import AmortizationDisplay
from sksubsel.plotting.architecture import ArchitectureDisplay
from sksubsel.plotting.tradeoff import TradeoffDisplay

__all__ = ["AmortizationDisplay", "ArchitectureDisplay", "TradeoffDisplay"]
