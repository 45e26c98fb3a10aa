"""
Sampling by predicted loss
==========================

The paper's selection draws B instances of low predicted loss, but as diversely as it can: it
minimises the expected loss less ``lam`` times the entropy of the draw. The optimum has a closed
form: conditional Poisson sampling with weights ``exp(-loss / lam)``. Here it is solved, drawn
from, and set beside the paper's own sequential draw.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

from sksubsel.samplers.poisson import conditional_poisson, inclusion_probabilities
from sksubsel.samplers.transductive import gumbel_top, solve_exact, solve_gradient

COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7"]
losses = np.sort(np.random.default_rng(0).gamma(0.5, 1.5, size=400))  # many easy rows, some hard
budget = 200

# %%
# The closed form and the paper's solver
# --------------------------------------
# Adam on the scores arrives where the closed form is at once:
exact, gradient = solve_exact(losses, lam=0.5), solve_gradient(losses, lam=0.5)
p, q = (np.exp(w - np.logaddexp.reduce(w)) for w in (exact, gradient))
print(f"total variation between the two distributions: {np.abs(p - q).sum() / 2:.4f}")

# %%
# What lam does
# -------------
# 0 takes the smallest losses and nothing else; the larger it is, the nearer the draw comes to a
# uniform one. Right: of 4,000 draws, how often a row was among them, by the exact draw (lines are
# its known probabilities, dots what was counted) and by the paper's, which includes easy rows
# more surely.
figure, axes = plt.subplots(1, 2, figsize=(7, 3.2), layout="constrained", sharey=True)
for lam, colour in zip((0.05, 0.5, 2.0, 10.0), COLOURS):
    included = inclusion_probabilities(solve_exact(losses, lam), budget)
    axes[0].plot(losses, included, c=colour, label=f"$\\lambda$ = {lam:g}")
axes[0].axhline(budget / len(losses), c="black", lw=0.8, ls=":", label="uniform")
axes[0].set(xlabel="predicted loss", ylabel="probability of being selected", xlim=(0, 5))
axes[0].legend(fontsize=8)

rng = np.random.default_rng(0)
axes[1].plot(losses, inclusion_probabilities(exact, budget), c=COLOURS[1], label="exact, known")
for draw, name, marker, colour in (
    (conditional_poisson, "exact, drawn", "o", COLOURS[1]),
    (gumbel_top, "one after another", "^", COLOURS[0]),
):
    counts = np.zeros(len(losses))
    for _ in range(4000):
        counts[draw(exact, budget, rng)] += 1
    axes[1].scatter(losses[::8], counts[::8] / 4000, s=16, c=colour, marker=marker, label=name)
axes[1].set(xlabel="predicted loss", title="$\\lambda$ = 0.5, half of the rows", xlim=(0, 5))
axes[1].legend(fontsize=8)
if len(sys.argv) > 1:  # python examples/plot_sampling.py docs/images/sampling.png
    figure.savefig(sys.argv[1], dpi=90, pil_kwargs={"optimize": True})
