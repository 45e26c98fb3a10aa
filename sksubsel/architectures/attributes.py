"""Attributes of an architecture's nodes as numbers."""

from __future__ import annotations

from itertools import chain
from numbers import Real

import numpy as np

from .graph import NodeAttributes

_NONE = NodeAttributes()


class AttributeCoder:
    """Turns what is said of nodes (kernel=3, channels=64, act="relu") into vectors.

    A numeric attribute has two columns: whether the node has it, and ``log(1 + x)`` standardised
    over the nodes that do (0 where it is absent), since kernels, strides and channels act by their
    ratios. Any other value, a text or a tuple, has a column of its own for each value seen.

    Attributes
    ----------
    numeric_ : dict of str to (float, float)
        Mean and standard deviation of ``log(1 + x)`` of each.
    categories_ : tuple of (str, str)
        Name and value of each column that is 1 where the attribute has this value.
    """

    def fit(self, archs) -> AttributeCoder:
        """Find the names and values; a loop over the distinct descriptions, not over nodes."""
        distinct, place = _distinct(archs)
        counts = np.bincount(place, minlength=len(distinct))
        values: dict = {}
        categories = set()
        for attributes, count in zip(distinct, counts):
            for name, value in attributes.items():
                if value is None:
                    continue
                if _is_number(value):
                    values.setdefault(name, []).append((_scale(value), count))
                else:
                    categories.add((name, str(value)))
        self.numeric_ = {}
        for name in sorted(values):
            x, weight = np.array(values[name], dtype=float).T
            mean = np.average(x, weights=weight)
            spread = np.sqrt(np.average((x - mean) ** 2, weights=weight))
            # a constant attribute spreads by rounding alone
            constant = spread <= 1e-8 * max(1.0, abs(mean))
            self.numeric_[name] = float(mean), 1.0 if constant else float(spread)
        self.categories_ = tuple(sorted(categories))
        return self

    @property
    def n_columns(self) -> int:
        """F, the length of a vector."""
        return 2 * len(self.numeric_) + len(self.categories_)

    def transform(self, archs) -> tuple[np.ndarray, set]:
        """Vectors of all nodes, architecture after architecture, and what was not seen in `fit`.

        Returns
        -------
        ndarray of shape (M, F), float32
        set of str
            ``name`` or ``name=value``, which have no column.
        """
        table, unknown, place = self._encode(archs)
        return table[place], set().union(*unknown)

    def strange(self, archs) -> np.ndarray:
        """Which architectures have an attribute that was not seen in `fit`, bool (A,)."""
        _, unknown, place = self._encode(archs)
        nodes = np.array([bool(names) for names in unknown])[place]
        starts = np.cumsum([0, *(arch.n_nodes for arch in archs[:-1])])
        return np.logical_or.reduceat(nodes, starts)

    def _encode(self, archs):
        """Vectors and unknown names of the distinct descriptions, and each node's among them."""
        distinct, place = _distinct(archs)
        table = np.zeros((len(distinct), self.n_columns), dtype=np.float32)
        unknown: list[set] = [set() for _ in distinct]
        numeric = {name: 2 * k for k, name in enumerate(self.numeric_)}
        category = {key: 2 * len(numeric) + k for k, key in enumerate(self.categories_)}
        for row, names, attributes in zip(table, unknown, distinct):
            for name, value in attributes.items():
                if value is None:
                    continue
                if _is_number(value):
                    if name not in numeric:
                        names.add(name)
                        continue
                    mean, spread = self.numeric_[name]
                    row[numeric[name] : numeric[name] + 2] = 1, (_scale(value) - mean) / spread
                elif (name, str(value)) in category:
                    row[category[name, str(value)]] = 1
                else:
                    names.add(f"{name}={value}")
        return table, unknown, place


def _distinct(archs):
    """The distinct descriptions of nodes, and each node's place among them."""
    numbers: dict = {}
    nodes = chain.from_iterable(arch.attributes or (_NONE,) * arch.n_nodes for arch in archs)
    place = [numbers.setdefault(node, len(numbers)) for node in nodes]
    return list(numbers), np.array(place, dtype=np.int64)


def _is_number(value) -> bool:
    return isinstance(value, (Real, np.number, np.bool_))


def _scale(value) -> float:
    value = float(value)
    return float(np.copysign(np.log1p(abs(value)), value))
