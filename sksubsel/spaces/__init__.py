"""Search spaces: sets of architectures to sample, index, mutate and build networks from."""

from .base import SearchSpace
from .darts import DARTS, Genotype
from .mixed import Mixed
from .mlp import MLP
from .nasbench101 import NASBench101
from .nasbench201 import NASBench201
from .transformer import Transformer

__all__ = [
    "DARTS",
    "MLP",
    "Genotype",
    "Mixed",
    "NASBench101",
    "NASBench201",
    "SearchSpace",
    "Transformer",
]
