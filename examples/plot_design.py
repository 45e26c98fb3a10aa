"""
What selection by design picks
==============================

Three classes of points in six groups; a tenth have a wrong label. ``RidgeDesign`` first takes a
row of each group, then spreads over the groups to their edges, and leaves the wrong labels alone:
a regression fitted on them would reproduce the model's predictions worse.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

from sksubsel.baselines import RidgeDesign

COLOURS = np.array(["#0072B2", "#E69F00", "#009E73"])  # told apart by the colour-blind
MARKERS = "o", "s", "^"


def make_points(n=600, share_wrong=0.1, seed=0):
    """Six groups of three classes: points (n, 2), labels given, and which of them are wrong."""
    rng = np.random.default_rng(seed)
    centres = np.array([[0, 0], [2.2, 1.8], [0.2, 2.4], [2.4, -0.4], [-2, 1.2], [-1.6, -1.6]])
    group = rng.integers(0, 6, n)
    X = centres[group] + rng.normal(scale=0.55, size=(n, 2))
    y = group % 3
    wrong = rng.random(n) < share_wrong
    return X, np.where(wrong, (y + rng.integers(1, 3, n)) % 3, y), wrong


X, y, wrong = make_points()
selectors = {
    name: RidgeDesign(60, n_components=256, n_sweeps=n_sweeps, random_state=0).fit(X, y)
    for name, n_sweeps in (("greedy alone", 0), ("with exchange", 4))
}
design = selectors["with exchange"]
n_wrong = np.count_nonzero(wrong[design.sample_indices_])
print(f"{n_wrong} of {len(design.sample_indices_)} rows selected have a wrong label "
      f"({wrong.mean():.0%} of all rows)")  # fmt: skip

# %%
# Round by round, and the error of the regression along the ranking, with and without the sweeps
# of exchange:
figure, axes = plt.subplots(2, 2, figsize=(7.2, 6.4), layout="constrained")
for ax, n_rows in zip(axes.flat, (6, 24, 60)):
    for c, marker in enumerate(MARKERS):
        rows = np.flatnonzero(y == c)
        ax.scatter(*X[rows].T, s=8, c=COLOURS[c], marker=marker, alpha=0.25, linewidths=0)
        rows = design.ranking_[:n_rows][y[design.ranking_[:n_rows]] == c]
        ax.scatter(*X[rows].T, s=46, c=COLOURS[c], marker=marker, edgecolors="black")
    ax.scatter(*X[wrong].T, s=22, c="black", marker="x", linewidths=0.8, alpha=0.6,
               label="wrong label")  # fmt: skip
    ax.set(title=f"the first {n_rows} rows", xticks=[], yticks=[])
axes[0, 0].legend(loc="lower right", fontsize=8)
for (name, selector), style in zip(selectors.items(), ("--", "-")):
    axes[1, 1].plot(np.arange(1, 61), selector.errors_, style, c="black", label=name)
axes[1, 1].set(title="the regression's error", xlabel="rows", yscale="log")
axes[1, 1].legend(fontsize=8)
if len(sys.argv) > 1:  # python examples/plot_design.py docs/images/design.png
    figure.savefig(sys.argv[1], dpi=100, pil_kwargs={"optimize": True})
