"""
All displays
============

Every picture that ``sksubsel.plotting`` can draw, from a small zoo of NAS-Bench-101 cells on the
digits. A display is made by a ``from_*`` constructor, which computes what is drawn and keeps it,
and drawn by ``plot(ax=None)``.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
from sklearn.base import clone
from sklearn.model_selection import train_test_split

from sksubsel import (
    ArchitectureClassifier,
    ArchitectureEncoder,
    ModelApproximator,
    ModelZoo,
    SubSelNet,
)
from sksubsel.baselines import AUM, Random
from sksubsel.benchmark import compare
from sksubsel.datasets import load_digits_images
from sksubsel.plotting import (
    AmortizationDisplay,
    ApproximatorCalibrationDisplay,
    ArchitectureDisplay,
    LatentMapDisplay,
    ScoreDistributionDisplay,
    SubsetDisplay,
    TradeoffDisplay,
    TrainingDisplay,
)
from sksubsel.spaces import DARTS, NASBench101

X, y = load_digits_images(return_X_y=True)
X, X_test, y, y_test = train_test_split(
    X, y, train_size=800, test_size=500, stratify=y, random_state=0
)
space = NASBench101(stem_channels=4, n_stacks=2, n_cells=1, bn_momentum=0.1)
cells = space.sample(122, random_state=0)
unseen, seen = cells[:2], cells[2:]
recipe = ArchitectureClassifier(build=space.build, max_epochs=5, min_steps=100)
figures = {}

# %%
# Architectures
# -------------
# A cell; and a DARTS network with all its cells written out.
display = ArchitectureDisplay.from_architecture(space.sample(2, random_state=0)[1]).plot()
figures["cell"] = display.figure_

darts = DARTS(stem_channels=8, n_layers=4)
whole = darts.lower(darts.sample(1, random_state=0)[0], (1, 8, 8), 10)
figures["network"] = ArchitectureDisplay.from_architecture(whole).plot().figure_

# %%
# Training
# --------
# Loss and accuracy of two networks, judged on a tenth that is held out.
models = {
    f"cell {k}": clone(recipe)
    .set_params(architecture=arch, early_stopping=True, n_iter_no_change=10, random_state=0)
    .fit(X, y)
    for k, arch in enumerate(unseen, start=1)
}
figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.0), layout="constrained")
TrainingDisplay.from_estimators(models).plot(axes[0])
TrainingDisplay.from_estimators(models, measure="accuracy").plot(axes[1])
figures["training"] = figure

# %%
# Subsets and scores
# ------------------
aum = AUM(0.1, random_state=0).fit(X, y)
subset = SubsetDisplay.from_selection(
    X, y, aum.sample_indices_, aum.scores_, n_per_class=6, classes=range(5)
)
figures["subset"] = subset.plot().figure_
figures["scores"] = ScoreDistributionDisplay.from_selector(aum, y).plot().figure_

# %%
# What the encoder makes of architectures
# ---------------------------------------
zoo = ModelZoo(recipe, n_pretrained=12, random_state=0).fit(seen, X, y)
net = SubSelNet(
    mode="inductive",
    budget=0.1,
    encoder=ArchitectureEncoder(max_epochs=150),
    approximator=ModelApproximator(max_epochs=30),
    random_state=0,
).fit(seen, zoo)
figures["latent_map"] = LatentMapDisplay.from_zoo(net, zoo).plot().figure_

# %%
# How far the approximator can be believed
# ----------------------------------------
# To judge that, the unseen networks have to be trained.
judges = ModelZoo(recipe, random_state=0).fit(unseen, X, y)
display = ApproximatorCalibrationDisplay.from_estimator(net, unseen, judges).plot()
figures["calibration"] = display.figure_

# %%
# Comparisons
# -----------
# Accuracy against time, and what each method costs with the number of networks served.
table = compare(
    {"class-balanced random": Random(stratify="equal"), "SubSelNet": net},
    unseen, zoo, X_test, y_test, budgets=(0.05, 0.1), seeds=(0,),
)  # fmt: skip
figures["tradeoff"] = TradeoffDisplay.from_frame(table[table["budget"] < 1]).plot().figure_

# %%
figures["amortization"] = AmortizationDisplay.from_frame(table, budget=0.1).plot().figure_

if len(sys.argv) > 1:  # python examples/plot_displays.py docs/images
    for name, figure in figures.items():
        path = Path(sys.argv[1], f"display_{name}.png")
        figure.savefig(path, dpi=90, pil_kwargs={"optimize": True})
