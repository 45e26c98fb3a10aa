import itertools

import numpy as np

from sksubsel.search.derivation import derive_genotype
from sksubsel.spaces import DARTS
from sksubsel.spaces._darts_genotype import NODES, OPS


def strongest(weights):
    """By trying all choices of two edges and two operations for each node."""
    found, start = [], 0
    for node in NODES:
        choices = {
            ((a, first), (b, second)): weights[start + a, 1 + first]
            + weights[start + b, 1 + second]
            for a, b in itertools.combinations(range(node), 2)
            for first, second in itertools.product(range(len(OPS)), repeat=2)
        }
        best = max(choices, key=choices.get)
        found += [(OPS[op], source) for source, op in best]
        start += node
    return found


def test_as_by_brute_force():
    rng = np.random.default_rng(0)
    for _ in range(20):
        normal, reduce = rng.dirichlet(np.ones(8) / 2, size=(2, 14))
        genotype = derive_genotype(normal, reduce)
        assert genotype.normal == strongest(normal)
        assert genotype.reduce == strongest(reduce)
        assert DARTS().to_genotype(genotype) == genotype  # a member of the space, in its order


def test_none_does_not_count_but_by_its_share():
    weights = np.full((14, 8), 0.01)
    weights[:, 0] = 0.9  # "none" is the strongest everywhere
    weights[[0, 1, 2, 4, 7, 8, 12, 13], 3] = 0.05
    genotype = derive_genotype(weights, weights)
    assert genotype.normal == [("skip_connect", source) for source in (0, 1, 0, 2, 2, 3, 3, 4)]


def test_ties_go_to_what_comes_first():
    genotype = derive_genotype(np.ones((14, 8)), np.ones((14, 8)))
    assert genotype.normal == [(OPS[0], 0), (OPS[0], 1)] * 4
