"""
Fashion-MNIST
=============

SubSelNet on the 60,000 Fashion-MNIST images, beside random subsets in the same recipe.
The images are read from a local copy or Debian's package ``dataset-fashion-mnist``. The zoo is
kept in ``--store``: a run that was stopped resumes from it.
"""

import argparse
from pathlib import Path

from sksubsel import ArchitectureClassifier, ModelZoo
from sksubsel.datasets import load_fashion_mnist
from sksubsel.demo import run_comparison
from sksubsel.spaces import NASBench101


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("=\n\n")[1])
    parser.add_argument("--budgets", type=float, nargs="+", default=[0.01, 0.05, 0.1])
    parser.add_argument("--n-seen", type=int, default=1000, help="cells shown to the encoder")
    parser.add_argument("--n-zoo", type=int, default=12, help="cells trained for the zoo")
    parser.add_argument("--n-unseen", type=int, default=3)
    parser.add_argument("--n-seeds", type=int, default=2)
    parser.add_argument("--stem-channels", type=int, default=8)
    parser.add_argument("--n-stacks", type=int, default=3)
    parser.add_argument("--n-cells", type=int, default=1)
    parser.add_argument("--max-epochs", type=int, default=3)
    parser.add_argument("--min-steps", type=int, default=400)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--n-train", type=int, help="only so many of the training images")
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--store", type=Path, default=Path("fashion_mnist_zoo"))
    parser.add_argument("--table", type=Path, default=Path("fashion_mnist.csv"))
    parser.add_argument("--figure", type=Path)
    args = parser.parse_args()

    data = load_fashion_mnist()
    X, y = data.data[: args.n_train], data.target[: args.n_train]
    space = NASBench101(
        stem_channels=args.stem_channels, n_stacks=args.n_stacks, n_cells=args.n_cells
    )
    cells = space.sample(args.n_seen + args.n_unseen, random_state=args.seed)
    unseen, seen = cells[: args.n_unseen], cells[args.n_unseen :]
    recipe = ArchitectureClassifier(
        build=space.build,
        max_epochs=args.max_epochs,
        min_steps=args.min_steps,
        batch_size=args.batch_size,
    )
    zoo = ModelZoo(
        recipe,
        n_pretrained=args.n_zoo,
        n_jobs=args.n_jobs,
        store=args.store,
        random_state=args.seed,
        verbose=1,
    )
    run_comparison(
        zoo,
        seen,
        unseen,
        (X, y, data.test_data, data.test_target),
        budgets=args.budgets,
        seeds=range(args.n_seeds),
        n_jobs=args.n_jobs,
        seed=args.seed,
        figure=args.figure,
        table=args.table,
    )


if __name__ == "__main__":
    main()
