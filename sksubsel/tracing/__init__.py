"""Networks read back into lowered architectures; torch is imported only when one is traced."""

from .nodes import NODE_TYPES, Node, make_node

__all__ = ["NODE_TYPES", "Node", "make_node"]
