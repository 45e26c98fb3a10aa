"""
One zoo of many kinds of networks
=================================

Cells, perceptrons and transformers in one pool. Twelve of 90 known networks are trained;
another one of each kind is then trained on the tenth of the digits that SubSelNet selects for it,
beside class-balanced random rows in the same recipe. At the end a zoo of cells alone is asked
about the other kinds.
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
unseen = [kind[0] for kind in by_kind.values()]
seen = [arch for kind in by_kind.values() for arch in kind[1:]]
recipe = ArchitectureClassifier(build=space.build, max_epochs=5, min_steps=80, lr=5e-3)
zoo = ModelZoo(recipe, n_pretrained=12, random_state=0).fit(seen, X_train, y_train)

# %%
# What the encoder makes of it
# ----------------------------
# 150 epochs are enough for a map; left out, the encoder makes about 1,000 steps.
encoder = ArchitectureEncoder(max_epochs=150)
net = SubSelNet(encoder=encoder, random_state=0).fit(seen, zoo)
LatentMapDisplay.from_zoo(net, zoo).plot()

# %%
# Subsets for unseen ones of each kind
# ------------------------------------
# "The zoo's mean" selects by what the zoo's networks say on average: what is better than that was
# gained by knowing the architecture. On one network of each kind and one seed nothing can be told
# apart; see the results page for a run with enough of both.
kept = FrozenEstimator(net.encoder_)
mean = SubSelNet(encoder=kept, approximator=ModelApproximator(max_epochs=0), random_state=0)
mean.fit(seen, zoo)
selectors = {
    "class-balanced random": Random(stratify="equal"),
    "SubSelNet": net,
    "SubSelNet, zoo's mean": mean,
}
table = compare(selectors, unseen, zoo, X_test, y_test, budgets=(0.1,), seeds=(0,))
table["kind"] = table.arch.map({arch.hash: name for name, arch in zip(by_kind, unseen)})
print(table.pivot(index="method", columns="kind", values="accuracy").round(3).to_string())

# %%
# A zoo that knows no transformer
# -------------------------------
# ``novelty`` is above 1 for what the zoo says little about. ``on_novel="mean"`` then selects by
# the mean.
warnings.simplefilter("ignore", UnknownOperationWarning)  # of other kinds' operations, as meant
cells = by_kind["nasbench101"][1:]
few = zoo[[k for k, arch in enumerate(seen) if arch.space == "nasbench101"]]
of_cells = SubSelNet(budget=0.1, encoder=encoder, on_novel="mean", random_state=0)
of_cells.fit(cells, few)
for name, arch in zip(by_kind, unseen):
    print(f"novelty of a {name} network to a zoo of cells: {of_cells.novelty([arch])[0]:.1f}")
rows = of_cells.select(unseen[-1])
print(f"{len(rows)} rows for a transformer, by the zoo's mean prediction")
