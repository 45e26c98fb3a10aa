"""Neural architectures as labelled directed acyclic graphs."""

from .convert import as_architecture, as_architectures
from .graph import Architecture
from .hashing import graph_hash

__all__ = ["Architecture", "as_architecture", "as_architectures", "graph_hash"]
