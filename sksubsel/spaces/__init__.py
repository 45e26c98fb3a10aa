"""Search spaces: sets of architectures to sample, index, mutate and build networks from."""

from .base import SearchSpace
from .darts import DARTS, Genotype
from .mlp import MLP
from .nasbench101 import NASBench101
from .nasbench201 import NASBench201
from .transformer import Transformer

__all__ = [
    "DARTS",
    "MLP",
    "Genotype",
    "NASBench101",
    "NASBench201",
    "SearchSpace",
    "Transformer",
]
