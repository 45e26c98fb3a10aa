"""Architectures ranked and searched for, each trained on a subset of its own."""

from sksubsel.search.darts import DARTSSearch
from sksubsel.search.halving import HalvingSearch
from sksubsel.search.nas import EvolutionSearch, RandomSearch
from sksubsel.search.ranking import rank

__all__ = ["DARTSSearch", "EvolutionSearch", "HalvingSearch", "RandomSearch", "rank"]
