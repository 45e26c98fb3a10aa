"""
Tuning trainings on subsets
===========================

Optimiser, schedule and architecture for the digits, tuned on a fifth of the images. TPE proposes
one of three perceptrons and how to train it, ASHA ends the poor trials early, and the best one is
trained on all images. Needs Ray Tune and Optuna, ``pip install "sksubsel[search]"``.
"""

from sklearn.model_selection import train_test_split

from sksubsel import ArchitectureClassifier
from sksubsel.baselines import Random
from sksubsel.datasets import load_digits_images
from sksubsel.plotting import SearchDisplay
from sksubsel.search import tune
from sksubsel.spaces import MLP

X, y = load_digits_images(return_X_y=True)
X, X_test, y, y_test = train_test_split(X, y, test_size=500, stratify=y, random_state=0)

# %%
# Search
# ------
# Each trial has one epoch, and a third of those seen so far go on to three and then to nine. Where
# a net is to select, pass a fitted SubSelNet in place of ``Random``.
archs = MLP(widths=(16, 32, 64), depths=(1, 2, 3)).sample(3, random_state=0)
found = tune(
    archs, Random(stratify="equal"), X, y, budget=0.2, n_trials=12, n_startup_trials=6,
    estimator=ArchitectureClassifier(max_epochs=9), random_state=0,
)  # fmt: skip
table = found.results
columns = ["param_optimizer", "param_lr", "param_schedule", "score", "n_epochs", "stopped_early"]
print(table[columns].round(4).to_string())

# %%
# Points are trials, hollow where they were ended early; steps are the best score so far.
SearchDisplay.from_results(table).plot()

# %%
# The best one, on all images
# ---------------------------
print(f"{table.stopped_early.sum()} of {len(table)} trials ended early")
print(f"{table.training_time.sum():.1f} s of training on {found.n_train // 5} images each")
print(found.best_params)
print(f"test accuracy on all {len(X)} images: {found.best_estimator.score(X_test, y_test):.3f}")
