"""
What different selectors choose
===============================

Two classes in the plane, one of them with a small cluster far out, and a twentieth of the labels
wrong. Nine selectors choose 40 of 500 rows. Covers spread evenly, geometry from the middle of
each class keeps to it, and what looks for the hardest rows finds the border and the wrong labels.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

from sksubsel.baselines import (
    CCS,
    EL2N,
    FacilityLocation,
    Herding,
    KCenterGreedy,
    KMeansMedoids,
    Random,
    RidgeDesign,
    TrainingDynamics,
    Uncertainty,
)

rng = np.random.default_rng(0)
y = np.repeat([0, 1], [280, 220])
X = rng.normal(size=(500, 2)) * [1.0, 0.7] + np.where(y[:, None] == 0, [-1.2, 0], [1.2, 0.4])
X[-30:] = rng.normal(size=(30, 2)) * 0.25 + [2.5, -2.4]  # a rare kind
wrong = rng.random(500) < 0.05
labels = np.where(wrong, 1 - y, y)

# %%
# Selectors by a score of a training share one: it is recorded once and given to each.
run = TrainingDynamics(max_epochs=10, random_state=0).fit(X, labels)
fitted = [
    Random(40, stratify="equal", random_state=0).fit(X, labels),
    Herding(40).fit(X, labels),
    KCenterGreedy(40).fit(X, labels),
    KMeansMedoids(40, stratify="equal", random_state=0).fit(X, labels),
    FacilityLocation(40, stratify="equal").fit(X, labels),
    RidgeDesign(40, n_components=256, random_state=0).fit(X, labels),
    Uncertainty(40, random_state=0).fit(X, labels, dynamics=run),
    EL2N(40, random_state=0).fit(X, labels, dynamics=run),
    CCS(40, random_state=0).fit(X, labels, dynamics=run),
]

# %%
# Circles and squares are the two classes as labelled, crosses wrong labels, large marks what is
# selected.
figure, axes = plt.subplots(3, 3, figsize=(6.4, 6), layout="constrained", sharex=True, sharey=True)
for ax, selector in zip(axes.flat, fitted):
    for c, (marker, colour) in enumerate((("o", "#0072B2"), ("s", "#E69F00"))):
        rows = np.flatnonzero(labels == c)
        ax.scatter(*X[rows].T, s=6, c=colour, marker=marker, alpha=0.3, linewidths=0)
        rows = np.intersect1d(rows, selector.sample_indices_)
        ax.scatter(*X[rows].T, s=30, c=colour, marker=marker, edgecolors="black", linewidths=0.8)
    ax.scatter(*X[wrong].T, s=14, c="black", marker="x", linewidths=0.6)
    n_wrong = np.count_nonzero(wrong[selector.sample_indices_])
    ax.set(xticks=[], yticks=[])
    ax.set_title(f"{type(selector).__name__} ({n_wrong} wrong)", fontsize=9)
if len(sys.argv) > 1:  # python examples/plot_baselines.py docs/images/baselines.png
    figure.savefig(sys.argv[1], dpi=80, pil_kwargs={"optimize": True})
