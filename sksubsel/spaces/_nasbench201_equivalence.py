"""When two cells of NAS-Bench-201 are the same: as published, and as functions."""

from __future__ import annotations

import itertools
from collections import Counter
from functools import cache

OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
CONVOLUTIONS = OPS[2:4]
# The cell as the benchmark draws it: four states, an operation on each edge, in string order.
CELL_EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
# Its line graph: node 0 is the input, node 1 + k the operation on CELL_EDGES[k], 7 the output.
LINE_GRAPH = ((0, 1), (0, 2), (0, 4), (1, 3), (1, 5), (2, 6), (3, 6), (4, 7), (5, 7), (6, 7))


def unique_string(ops) -> str:
    """See `NASBench201.unique_string`."""
    states = ["0"]
    for state in (1, 2, 3):
        terms = []
        for (u, v), op in zip(CELL_EDGES, ops):
            if v != state:
                continue
            if op == "none" or states[u] == "#":
                terms.append("#")
            else:
                terms.append(states[u] if op == "skip_connect" else f"({states[u]})@{op}")
        states.append("+".join(sorted(terms)))
    return states[-1]


@cache
def count_functions() -> int:
    """Number of different functions in the space."""
    # Fewer than half of the cells differ before convolutions are numbered anew, the slower part.
    values = set(map(values_of, itertools.product(OPS, repeat=len(CELL_EDGES))))
    return len({canonical_string(*value) for value in values})


def values_of(ops) -> tuple[tuple, tuple]:
    """(operation, value that it reads) of convolutions 1, 2, ..., and the value of the output.

    A value is a sum, as pairs of (convolution, times pooled) and how often that occurs; the
    "convolution" 0 is the input.
    """
    states = [Counter({(0, 0): 1}), Counter(), Counter(), Counter()]
    convolutions = []
    for (u, v), op in zip(CELL_EDGES, ops):
        if op == "none" or not states[u]:
            continue
        if op in CONVOLUTIONS:
            convolutions.append((op, tuple(sorted(states[u].items()))))
            states[v][len(convolutions), 0] += 1
        else:
            pooled = int(op == "avg_pool_3x3")
            for (source, times), n in states[u].items():
                states[v][source, times + pooled] += n
    return tuple(convolutions), tuple(sorted(states[3].items()))


def canonical_string(convolutions, output) -> str:
    """The first, alphabetically, of a function's strings under the numberings of convolutions."""
    live: set = set()
    reading = [output]
    while reading:
        new = {source for (source, _), _ in reading.pop()} - {0} - live
        live |= new
        reading += [convolutions[c - 1][1] for c in new]
    # A convolution's (depth, formula), all it reads written out, says its place among the others
    # but for those with the same formula; their order is tried out.
    formulas = {0: (0, "x")}
    for c in sorted(live):
        op, value = convolutions[c - 1]
        depth = 1 + max(formulas[source][0] for (source, _), _ in value)
        names = {source: formulas[source][1] for (source, _), _ in value}
        formulas[c] = depth, f"{op}({_sum_string(value, names)})"
    ranked = sorted(live, key=formulas.__getitem__)
    ties = [list(tied) for _, tied in itertools.groupby(ranked, key=formulas.__getitem__)]
    strings = []
    for orders in itertools.product(*map(itertools.permutations, ties)):
        names = {0: "x"}
        parts = []
        for k, c in enumerate(itertools.chain(*orders), start=1):
            op, value = convolutions[c - 1]
            parts.append(f"c{k}={op}({_sum_string(value, names)})")
            names[c] = f"c{k}"
        strings.append("; ".join([*parts, _sum_string(output, names)]))
    return min(strings)


def _sum_string(value, names) -> str:
    terms = []
    for (source, times), n in value:
        term = names[source]
        if times:
            term = f"pool({term})" if times == 1 else f"pool^{times}({term})"
        terms.append(term if n == 1 else f"{n}*{term}")
    return "+".join(sorted(terms)) or "0"
