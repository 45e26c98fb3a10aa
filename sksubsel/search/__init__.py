"""Architectures and settings searched for, each trained on what a selector chooses for it."""

from sksubsel.search.darts import DARTSSearch
from sksubsel.search.halving import HalvingSearch
from sksubsel.search.nas import EvolutionSearch, RandomSearch
from sksubsel.search.param_space import optimizer_space
from sksubsel.search.ranking import rank
from sksubsel.search.tuning import TuneResult, tune

__all__ = [
    "DARTSSearch",
    "EvolutionSearch",
    "HalvingSearch",
    "RandomSearch",
    "TuneResult",
    "optimizer_space",
    "rank",
    "tune",
]
