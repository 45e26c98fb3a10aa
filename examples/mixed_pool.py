"""One zoo of cells, perceptrons and transformers, asked about unseen networks of each kind.

Eighteen networks of 198 known ones are trained; two others of each kind are then trained on the
5 % and 10 % of the digits images that SubSelNet selects for them, beside random subsets in the
same recipe. What a zoo of cells alone says of a transformer is told at the end.
"""

from sklearn.model_selection import train_test_split

from sksubsel import ArchitectureClassifier, ModelApproximator, ModelZoo, SubSelNet
from sksubsel.baselines import KMeansMedoids, Random
from sksubsel.benchmark import compare, format_table, summarize
from sksubsel.datasets import load_digits_images
from sksubsel.spaces import MLP, Mixed, NASBench101, Transformer


def main():
    X, y = load_digits_images(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=500, stratify=y, random_state=0
    )
    space = Mixed(
        [
            NASBench101(stem_channels=8, n_stacks=2, n_cells=1),
            MLP(depths=(1, 2, 3), widths=(8, 32, 128)),
            Transformer(depths=(1, 2), widths=(16, 32)),
        ]
    )
    archs = space.sample(204, random_state=0)
    by_kind = {own.name: [a for a in archs if a.space == own.name] for own in space.spaces}
    unseen = [arch for kind in by_kind.values() for arch in kind[:2]]
    seen = [arch for kind in by_kind.values() for arch in kind[2:]]
    recipe = ArchitectureClassifier(build=space.build, max_epochs=10, min_steps=120, lr=5e-3)
    # the trained ones are drawn from all kinds alike
    zoo = ModelZoo(recipe, n_pretrained=18, n_jobs=2, random_state=0, verbose=1)
    zoo.fit(seen, X_train, y_train)
    mean = ModelApproximator(max_epochs=0)
    selectors = {
        "random": Random(),
        "class-balanced random": Random(stratify="equal"),
        "KMeansMedoids": KMeansMedoids(stratify="equal"),
        "SubSelNet": SubSelNet(random_state=0).fit(seen, zoo),
        "SubSelNet, zoo's mean": SubSelNet(approximator=mean, random_state=0).fit(seen, zoo),
    }
    table = compare(
        selectors, unseen, zoo, X_test, y_test, budgets=(0.05, 0.1), seeds=(0, 1, 2), n_jobs=2,
        verbose=1,
    )  # fmt: skip
    for name, kind in by_kind.items():
        part = table[table.arch.isin([arch.hash for arch in kind])]
        print(f"\n{name}\n{format_table(summarize(part))}")

    cells = by_kind["nasbench101"][2:]
    recipe = recipe.set_params(max_epochs=5)
    few = ModelZoo(recipe, n_pretrained=6, n_jobs=2, random_state=0).fit(cells, X_train, y_train)
    net = SubSelNet(budget=0.1, on_novel="mean", random_state=0).fit(cells, few)
    for name, kind in by_kind.items():
        print(f"novelty of a {name} network to a zoo of cells: {net.novelty(kind[:1])[0]:.1f}")
    rows = net.select(by_kind["transformer"][0])  # by the zoo's mean: it knows none of the kind
    print(f"{len(rows)} rows for a transformer by the zoo's mean prediction")


if __name__ == "__main__":
    main()
