"""
Searching on subsets
====================

Architectures and settings for the digits, searched for on subsets.
Perceptrons by evolution and by successive halving, a ranking of given ones, a short differentiable
search of convolutional cells, and scikit-learn's searches over a SubsetClassifier. Each trial
trains on a part of the images; the best one is then trained on all of them.
"""

import time

from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingRandomSearchCV, train_test_split
from sklearn.svm import SVC

from sksubsel import ArchitectureClassifier, SubsetClassifier
from sksubsel.baselines import Random
from sksubsel.datasets import load_digits_images
from sksubsel.search import DARTSSearch, EvolutionSearch, HalvingSearch, RandomSearch, rank
from sksubsel.spaces import MLP

SPACE = MLP(widths=(16, 32, 64), depths=(1, 2, 3))
RECIPE = ArchitectureClassifier(max_epochs=5, min_steps=60)
BALANCED = Random(stratify="equal")


def networks(X, X_test, y, y_test):
    """Searches of a space, and what their trials cost."""
    shared = {"estimator": RECIPE, "selector": BALANCED, "random_state": 0}
    searches = {
        "random, all images": RandomSearch(SPACE, n_trials=10, estimator=RECIPE, random_state=0),
        "random, a fifth": RandomSearch(SPACE, n_trials=10, budget=0.2, **shared),
        "evolution, a fifth": EvolutionSearch(
            SPACE, n_trials=10, population_size=6, tournament_size=3, budget=0.2, **shared
        ),
        "halving, up to a half": HalvingSearch(SPACE, n_candidates=10, budget=0.5, **shared),
    }
    for name, search in searches.items():
        search.fit(X, y)
        trained = search.results_.training_time.sum()
        print(
            f"{name:22} {len(search.results_):3} trials, {trained:5.1f} s of training, validation "
            f"{search.best_score_:.3f}, test {search.score(X_test, y_test):.3f}"
        )


def recommendation(X, X_test, y, y_test):
    """Does training on a tenth rank perceptrons as training on all does?"""
    X_train, X_val, y_train, y_val = train_test_split(
        X, y, test_size=300, stratify=y, random_state=0
    )
    data = {"validation": (X_val, y_val), "estimator": RECIPE}
    archs = SPACE.sample(8, random_state=1)
    full = rank(archs, None, X_train, y_train, **data).set_index("place").accuracy.sort_index()
    table = rank(
        archs, BALANCED, X_train, y_train, budget=0.1, true_accuracies=full.to_numpy(), **data
    )
    columns = ["hash", "accuracy", "true_accuracy", "n_selected", "training_time"]
    print(table[columns].round(3).to_string(index=False))
    print({name: round(value, 3) for name, value in table.attrs.items()})


def cells(X, X_test, y, y_test):
    """A differentiable search, on a tenth."""
    search = DARTSSearch(
        BALANCED, budget=0.1, stem_channels=4, max_epochs=5,
        estimator=ArchitectureClassifier(max_epochs=2), random_state=0,
    ).fit(X, y)  # fmt: skip
    last = search.history_[-1]
    print(search.genotype_)
    print(
        f"the mixture: validation accuracy {last['valid_accuracy']:.3f}; the cells found, trained "
        f"on all images: test {search.score(X_test, y_test):.3f}"
    )


def settings(X, X_test, y, y_test):
    """scikit-learn's searches of settings."""
    X, X_test = X.reshape(len(X), -1), X_test.reshape(len(X_test), -1)
    grid = {"estimator__C": [0.1, 1.0, 10.0, 100.0], "estimator__gamma": [0.01, 0.03, 0.1, 0.3]}
    model = SubsetClassifier(SVC(), Random(0.2, stratify="equal", random_state=0))
    searches = {
        "grid, a fifth": GridSearchCV(model, grid, cv=3),
        "halving, rows as the resource": HalvingRandomSearchCV(
            model, grid, resource="selector__budget", min_resources=60, max_resources=540,
            factor=3, cv=3, random_state=0,
        ),
    }  # fmt: skip
    for name, search in searches.items():
        search.fit(X, y)
        # halving's best also have the number of rows, which is the selector's
        best = {key.removeprefix("estimator__"): search.best_params_[key] for key in grid}
        print(f"{name:29} {best}, test {SVC(**best).fit(X, y).score(X_test, y_test):.3f}")


def main():
    X, y = load_digits_images(return_X_y=True)
    data = train_test_split(X, y, test_size=500, stratify=y, random_state=0)
    for part in (networks, recommendation, cells, settings):
        start = time.perf_counter()
        print(f"\n{part.__doc__}")
        part(*data)
        print(f"({time.perf_counter() - start:.0f} s)")


if __name__ == "__main__":
    main()
