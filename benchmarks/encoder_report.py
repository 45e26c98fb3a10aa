"""How the encoder rebuilds NAS-Bench-101 cells that it has not seen, and what noise decodes to.

Cells drawn from all, nine tenths fitted, the others rebuilt. Two definitions of what is decoded
from noise: that of `ArchitectureEncoder.report` and that of arch2vec's authors, as their
pretraining script computes it (github.com/MSU-MLSys-Lab/arch2vec). Five minutes:
``python benchmarks/encoder_report.py``
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd
from _machine import describe
from sklearn.model_selection import train_test_split

from sksubsel import ArchitectureEncoder
from sksubsel.architectures import graph_hash
from sksubsel.nn.graph import PackedGraphs
from sksubsel.spaces import NASBench101

N_NODES = 7  # of every latent point in arch2vec


def decoded(encoder, cells, n_points, seed):
    """Matrices and operations of normal points, each node spread as its place's embeddings are."""
    cells = [cell for cell in cells if cell.n_nodes == N_NODES]
    z = encoder.module_.mean(encoder.codec_.graphs(cells, "cpu"))  # nodes in topological order
    z = z.reshape(len(cells), N_NODES, -1)
    noise = np.random.default_rng(seed).standard_normal((n_points, *z.shape[1:]))
    points = (z.mean(axis=0) + z.std(axis=0) * noise).astype(np.float32)
    graphs = PackedGraphs.without_edges(np.full(n_points, N_NODES), "cpu")
    points = points.reshape(n_points * N_NODES, -1)
    return encoder.codec_.named(graphs, *encoder.module_.most_probable(graphs, points))


def valid_cells(graphs):
    """Hashes of those that are cells, once what is on no path from input to output is out."""
    found = []
    for matrix, ops in graphs:
        try:
            NASBench101.prune(matrix, ops)
        except ValueError:
            continue
        found.append(graph_hash(matrix, ops))
    return found


def ambiguous(cells):
    """Share of cells that vectors cannot rebuild which are equal for nodes alike.

    Nodes are alike if messages along edges in both directions, however many rounds, tell no
    difference. A cell is lost if of two pairs alike, each in topological order, one is an edge
    and the other is not.
    """
    lost = 0
    for cell in cells:
        around = [set() for _ in cell.ops]
        for u, v in cell.edges:
            around[u].add(v)
            around[v].add(u)
        kind = list(cell.ops)
        for _ in cell.ops:
            seen = [(kind[u], *sorted(kind[v] for v in near)) for u, near in enumerate(around)]
            names = {what: str(k) for k, what in enumerate(sorted(set(seen)))}
            kind = [names[what] for what in seen]
        order = cell.topological_order().tolist()
        edges, answers = set(cell.edges), {}
        for place, v in enumerate(order):
            for u in order[:place]:
                answers.setdefault((kind[u], kind[v]), set()).add((u, v) in edges)
        lost += any(len(answer) > 1 for answer in answers.values())
    return lost / len(cells)


def measure(fitted, held_out, seed, args):
    start = time.perf_counter()
    encoder = ArchitectureEncoder(
        max_epochs=args.max_epochs, kl_weight=args.kl_weight, random_state=seed
    ).fit(fitted)
    seconds = time.perf_counter() - start
    report = encoder.report(held_out, n_samples=args.n_points, random_state=seed)
    cells = valid_cells(decoded(encoder, fitted, args.n_points, seed))
    return {
        "seed": seed,
        "fit s": seconds,
        "operations": 100 * report["op_accuracy"],
        "edges": 100 * report["edge_accuracy"],
        "whole": 100 * report["whole"],
        "valid": 100 * report["validity"],
        "unique": 100 * report["uniqueness"],
        "valid cells": 100 * len(cells) / args.n_points,
        "unique cells": 100 * len(set(cells)) / max(1, len(cells)),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n-cells", type=int, default=20_000)
    parser.add_argument("--n-points", type=int, default=10_000, help="decoded from noise")
    parser.add_argument("--max-epochs", type=int, default=None, help="the encoder's own by default")
    parser.add_argument("--kl-weight", type=float, default=0.005)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    args = parser.parse_args()

    print(describe())
    cells = NASBench101().sample(args.n_cells, random_state=0)
    fitted, held_out = train_test_split(cells, test_size=0.1, random_state=0)
    print(f"{len(fitted)} cells fitted, {len(held_out)} rebuilt; per cent")
    print(
        f"{100 * ambiguous(held_out):.2f} % of the latter cannot be rebuilt from vectors of nodes"
    )
    rows = [measure(fitted, held_out, seed, args) for seed in args.seeds]
    table = pd.DataFrame(rows).set_index("seed")
    print(table.round(2).to_string())
    print("mean", *(f"{name} {value:.2f}" for name, value in table.mean().items()), sep="  ")
    print(
        "operations, edges: of nodes and of pairs of nodes right; whole: cells rebuilt without\n"
        "error. valid: of graphs decoded from the prior N(0, I), as large as those fitted are,\n"
        "those with one source and one sink; unique: different ones among them. valid cells: of\n"
        "graphs of 7 nodes decoded from normal points, each node of which has the mean and the\n"
        "standard deviation that its place has in the fitted cells of 7 nodes, those that are\n"
        "NAS-Bench-101 cells after pruning (arch2vec's validity); unique cells: different ones\n"
        "among them before pruning (its uniqueness)."
    )


if __name__ == "__main__":
    main()
