"""Displays in the manner of scikit-learn: `from_*`, `.plot(ax=None)`, `.ax_`, `.figure_`."""

from sksubsel.plotting.amortization import AmortizationDisplay
from sksubsel.plotting.architecture import ArchitectureDisplay
from sksubsel.plotting.calibration import ApproximatorCalibrationDisplay
from sksubsel.plotting.latent_map import LatentMapDisplay
from sksubsel.plotting.scores import ScoreDistributionDisplay
from sksubsel.plotting.search import SearchDisplay
from sksubsel.plotting.subset import SubsetDisplay
from sksubsel.plotting.tradeoff import TradeoffDisplay
from sksubsel.plotting.training import TrainingDisplay

__all__ = [
    "AmortizationDisplay",
    "ApproximatorCalibrationDisplay",
    "ArchitectureDisplay",
    "LatentMapDisplay",
    "ScoreDistributionDisplay",
    "SearchDisplay",
    "SubsetDisplay",
    "TradeoffDisplay",
    "TrainingDisplay",
]
