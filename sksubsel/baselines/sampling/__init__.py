"""Samplers, from scores of instances to B rows: ``(scores, budget, *, rng, strata, stratify)``."""

from sksubsel.baselines.sampling.beta import beta
from sksubsel.baselines.sampling.ccs import ccs
from sksubsel.baselines.sampling.d2 import d2, neighbor_graph
from sksubsel.baselines.sampling.ends import bottom, gumbel, moderate, top

__all__ = ["beta", "bottom", "ccs", "d2", "gumbel", "moderate", "neighbor_graph", "top"]
