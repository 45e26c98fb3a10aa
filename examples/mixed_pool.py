"""
One zoo of many kinds of networks
=================================

Cells, perceptrons and transformers in one pool. Twelve of 87 known networks are trained; two
others of each kind are then trained on the tenth of the digits that SubSelNet selects for them,
beside class-balanced random rows in the same recipe. At the end a zoo of cells alone is asked
about the other kinds.

Accuracies on 2026-11-26 (AMD EPYC, torch 2.13.0+cpu; 102 s of one core's time in all):

============  =====================  =========  ==================  ==========
10 % of rows  class-balanced random  SubSelNet  by the zoo's mean   all images
============  =====================  =========  ==================  ==========
cells         .306                   .303       .346                .557
perceptrons   .609                   .662       .693                .830
transformers  .396                   .448       .442                .766
============  =====================  =========  ==================  ==========

Eighty steps are few, for speed. With four hundred, nine networks and ten seeds, selecting gains
five points, and knowing the architecture nothing over the zoo's mean: see the results page. So by
default SubSelNet shares one subset among all architectures; here each has its own.
"""

import warnings

from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split

from sksubsel import (
    ArchitectureClassifier,
    ArchitectureEncoder,
    ModelApproximator,
    ModelZoo,
    SubSelNet,
)
from sksubsel.baselines import Random
from sksubsel.benchmark import compare
from sksubsel.datasets import load_digits_images
from sksubsel.encoder import UnknownOperationWarning
from sksubsel.plotting import LatentMapDisplay
from sksubsel.spaces import MLP, Mixed, NASBench101, Transformer

X, y = load_digits_images(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=500, stratify=y, random_state=0)

# %%
# A pool
# ------
# ``Mixed`` samples as many of each kind, and builds the network of any of them.
space = Mixed(
    [
        NASBench101(stem_channels=4, n_stacks=2, n_cells=1),
        MLP(depths=(1, 2, 3), widths=(8, 32, 128)),
        Transformer(depths=(1,), widths=(16, 32)),
    ]
)
archs = space.sample(93, random_state=0)
by_kind = {own.name: [a for a in archs if a.space == own.name] for own in space.spaces}
unseen = [arch for kind in by_kind.values() for arch in kind[:2]]
seen = [arch for kind in by_kind.values() for arch in kind[2:]]
recipe = ArchitectureClassifier(build=space.build, max_epochs=5, min_steps=80, lr=5e-3)
zoo = ModelZoo(recipe, n_pretrained=12, random_state=0).fit(seen, X_train, y_train)

# %%
# What the encoder makes of it
# ----------------------------
# 150 epochs are enough for a map; left out, the encoder makes about 1,000 steps.
encoder = ArchitectureEncoder(max_epochs=150)
net = SubSelNet(mode="transductive", encoder=encoder, random_state=0).fit(seen, zoo)
LatentMapDisplay.from_zoo(net, zoo).plot()

# %%
# Subsets for unseen ones of each kind
# ------------------------------------
# "The zoo's mean" selects by what the zoo's networks say on average: what is better than that was
# gained by knowing the architecture. Two networks of each kind and two seeds tell little apart; see
# the results page for a run with enough of both.
kept = FrozenEstimator(net.encoder_)
by_mean = ModelApproximator(max_epochs=0)
mean = SubSelNet(encoder=kept, approximator=by_mean, random_state=0).fit(seen, zoo)
selectors = {
    "class-balanced random": Random(stratify="equal"),
    "SubSelNet": net,
    "SubSelNet, zoo's mean": mean,
}
table = compare(selectors, unseen, zoo, X_test, y_test, budgets=(0.1,), seeds=(0, 1))
kinds = {arch.hash: name for name, kind in by_kind.items() for arch in kind[:2]}
means = table.assign(kind=table.arch.map(kinds)).groupby(["method", "kind"]).accuracy.mean()
print(means.unstack().round(3).to_string())

# %%
# A zoo that knows no transformer
# -------------------------------
# ``novelty`` is above 1 for what the zoo says little about. ``on_novel="mean"`` then selects by
# the mean.
warnings.simplefilter("ignore", UnknownOperationWarning)  # of other kinds' operations, as meant
cells = by_kind["nasbench101"][2:]
few = zoo[[k for k, arch in enumerate(seen) if arch.space == "nasbench101"]]
of_cells = SubSelNet("transductive", budget=0.1, encoder=encoder, on_novel="mean", random_state=0)
of_cells.fit(cells, few)
for name, kind in by_kind.items():
    print(f"novelty of a {name} network to a zoo of cells: {of_cells.novelty(kind[:1])[0]:.1f}")
rows = of_cells.select(unseen[-1])
print(f"{len(rows)} rows for a transformer, by the zoo's mean prediction")
