"""Search spaces: sets of architectures to sample, index, mutate and build networks from."""

from sksubsel.architectures.convert import register_description

from ._darts_genotype import is_genotype
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

register_description(
    lambda obj: isinstance(obj, str) and obj.startswith("|"), NASBench201().from_string
)
register_description(is_genotype, DARTS().from_genotype)
