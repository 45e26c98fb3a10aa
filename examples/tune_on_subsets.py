"""Optimiser, schedule and architecture for the digits, tuned on a fifth of the images.

Needs Ray Tune and Optuna, `pip install "sksubsel[search]"`. TPE proposes one of three perceptrons
and how to train it, ASHA ends the poor trials early, and the best one is trained on all images.
Beside it the same on all images.
"""

import time

from sklearn.model_selection import train_test_split

from sksubsel import ArchitectureClassifier
from sksubsel.baselines import Random
from sksubsel.datasets import load_digits_images
from sksubsel.search import tune
from sksubsel.spaces import MLP


def main():
    X, y = load_digits_images(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, test_size=500, stratify=y, random_state=0)
    archs = MLP(widths=(16, 32, 64), depths=(1, 2, 3)).sample(3, random_state=0)
    for name, selector in {"a fifth": Random(stratify="equal"), "all": None}.items():
        start = time.perf_counter()
        found = tune(
            archs, selector, X, y, budget=0.2, estimator=ArchitectureClassifier(max_epochs=9),
            n_trials=12, n_startup_trials=6, random_state=0,
        )  # fmt: skip
        table = found.results
        spent = table.training_time.sum() + table.scoring_time.sum()
        columns = ["param_optimizer", "param_lr", "param_schedule", "score", "n_epochs"]
        print(table[columns].round(4).to_string())
        print(
            f"{name}: {table.stopped_early.sum()} of {len(table)} trials ended early, "
            f"{spent:.1f} s of training and scores ({time.perf_counter() - start:.0f} s in all), "
            "test accuracy "
            f"{found.best_estimator.score(X_test, y_test):.3f} with {found.best_params}\n"
        )


if __name__ == "__main__":
    main()
