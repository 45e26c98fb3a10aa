"""Where architectures matter: gains of a comparison on a mixed pool, by kind of network.

Reads the table of a comparison whose space is "Mixed" and prints, for each kind of its compared
networks and each budget, what selecting for the network itself gains over the same selection from
the zoo's mean prediction, over one made for a network of another kind, and over class-balanced
random rows: points of accuracy with the standard error over seeds of the paired differences, and
the p-value of a t-test of them. The table is kinds.csv in the folder.

Run: python benchmarks/protocol/kinds.py benchmarks/protocol/digits_mixed.toml
     [--folder digits_mixed]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
from _common import describe

from sksubsel.benchmark import read_config, summarize
from sksubsel.benchmark.run import compared_architectures

OWN = ", transductive"
REFERENCES = (", zoo's mean", ", another kind", "class-balanced random")


def gains(table, kind):
    """One row for each objective, budget and reference that the table has."""
    found = []
    methods = set(table.method)
    for own in sorted(name for name in methods if OWN in name):
        for reference in REFERENCES:
            other = own.replace(OWN, reference) if reference[0] == "," else reference
            if other not in methods:
                continue
            summary = summarize(table, reference=other)
            mine = summary[summary.method == own]
            found.append(
                mine[["budget", "accuracy", "gain", "gain_se", "p_value"]].assign(
                    kind=kind, method=own, over=other
                )
            )
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--folder", type=Path)
    args = parser.parse_args()
    folder = args.folder or Path(args.config.stem)
    print(describe(), flush=True)
    table = pd.read_csv(folder / f"{args.config.stem}.csv")
    kinds = {arch.hash: arch.space for arch in compared_architectures(read_config(args.config))}
    rows = gains(table, "all")
    for kind, part in table.groupby(table.arch.map(kinds)):
        rows += gains(part, kind)
    out = pd.concat(rows, ignore_index=True)
    out = out[["method", "over", "kind", "budget", "accuracy", "gain", "gain_se", "p_value"]]
    out.to_csv(folder / "kinds.csv", index=False)
    n_seeds = table[table.budget < 1].seed.nunique()
    print(f"{len(kinds)} networks, {n_seeds} seeds")
    print(out.to_string(index=False, float_format="{:.3f}".format))


if __name__ == "__main__":
    main()
