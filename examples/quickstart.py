"""Subsets of the digits images for networks that were never trained.

A zoo of twelve NAS-Bench-101 cells teaches SubSelNet; three other cells are then trained on the
5 % and 10 % of the images that it selects for them, beside random subsets in the same recipe.
Run ``sksubsel demo`` for the same with a figure.
"""

from sklearn.model_selection import train_test_split

from sksubsel import ArchitectureClassifier, ModelZoo, SubSelNet
from sksubsel.baselines import Random
from sksubsel.benchmark import compare, summarize
from sksubsel.datasets import load_digits_images
from sksubsel.spaces import NASBench101


def main():
    X, y = load_digits_images(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=500, stratify=y, random_state=0
    )

    # 500 cells teach the encoder what cells look like; twelve of them are trained
    space = NASBench101(stem_channels=8, n_stacks=2, n_cells=1)
    cells = space.sample(503, random_state=0)
    unseen, seen = cells[:3], cells[3:]
    recipe = ArchitectureClassifier(build=space.build, max_epochs=10, min_steps=120)
    zoo = ModelZoo(recipe, n_pretrained=12, n_jobs=2, random_state=0, verbose=1)
    zoo.fit(seen, X_train, y_train)

    net = SubSelNet(mode="inductive", budget=0.1, random_state=0).fit(seen, zoo)
    rows = net.select(unseen[0])  # nothing is trained here
    print(f"{len(rows)} of {len(X_train)} images for {unseen[0].hash}: {rows[:8]} ...")

    selectors = {
        "random": Random(),
        "class-balanced random": Random(stratify="equal"),
        "inductive": net,
        "transductive": SubSelNet(mode="transductive", random_state=0).fit(seen, zoo),
        "hybrid": SubSelNet(mode="hybrid", random_state=0).fit(seen, zoo),
        "entropy": SubSelNet(diversity="entropy", random_state=0).fit(seen, zoo),
    }
    table = compare(
        selectors, unseen, zoo, X_test, y_test, budgets=(0.05, 0.1), seeds=(0, 1, 2), n_jobs=2
    )
    print(summarize(table).round(4).to_string(index=False))


if __name__ == "__main__":
    main()
