"""Search spaces: sets of architectures to sample, index, mutate and build networks from."""

from .base import SearchSpace
from .nasbench101 import NASBench101

__all__ = ["NASBench101", "SearchSpace"]
