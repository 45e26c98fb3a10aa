"""Maximisers of submodular functions: what a function measures, one class a file.

Each class says which rows make a good subset by one function of it; all share the optimisers
(`optimizers.py`, and `lazy` of `sksubsel.samplers.facility`) and the kernels (`similarity.py`).
"""

from sksubsel.baselines.submodular.facility_location import FacilityLocation
from sksubsel.baselines.submodular.feature_based import FeatureBased
from sksubsel.baselines.submodular.graph_cut import GraphCut
from sksubsel.baselines.submodular.log_determinant import LogDeterminant
from sksubsel.baselines.submodular.saturated_coverage import SaturatedCoverage
from sksubsel.baselines.submodular.sieve_streaming import SieveStreaming

__all__ = [
    "FacilityLocation",
    "FeatureBased",
    "GraphCut",
    "LogDeterminant",
    "SaturatedCoverage",
    "SieveStreaming",
]
