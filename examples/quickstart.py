"""
Quick start: subsets for networks that were never trained
==========================================================

Twelve small NAS-Bench-101 cells are trained on scikit-learn's digits. From these SubSelNet learns
what to select for any other cell of the space. Two cells that it has not seen are then trained on
the 5 % and 10 % of the images that it selects for them, beside random subsets in the same recipe.

``sksubsel demo`` does the same at a larger scale.
"""

from sklearn.model_selection import train_test_split

from sksubsel import ArchitectureClassifier, ArchitectureEncoder, ModelZoo, SubSelNet
from sksubsel.baselines import Random
from sksubsel.benchmark import compare, format_table, summarize
from sksubsel.datasets import load_digits_images
from sksubsel.plotting import AmortizationDisplay, SubsetDisplay
from sksubsel.spaces import NASBench101

X, y = load_digits_images(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=500, stratify=y, random_state=0)

# %%
# A zoo of trained networks
# -------------------------
# The encoder may look at 200 cells, which costs nothing; twelve of them are trained. With
# ``n_jobs=2`` they would be trained two at a time, and ``store="zoo"`` would keep each of them
# for the next run.
space = NASBench101(stem_channels=4, n_stacks=2, n_cells=1)
cells = space.sample(202, random_state=0)
unseen, seen = cells[:2], cells[2:]
recipe = ArchitectureClassifier(build=space.build, max_epochs=5, min_steps=100)
zoo = ModelZoo(recipe, n_pretrained=12, random_state=0).fit(seen, X_train, y_train)
print(f"{len(zoo.trained_)} of {len(zoo)} cells trained in {zoo.train_times_.sum():.0f} s")

# %%
# Select
# ------
# To scikit-learn the list of architectures is X, and the zoo is y. Nothing is trained in
# ``select``.
net = SubSelNet(
    mode="inductive",
    budget=0.1,
    encoder=ArchitectureEncoder(max_epochs=300),  # left out, about 1,000 steps
    random_state=0,
).fit(seen, zoo)
rows = net.select(unseen[0])
print(f"{len(rows)} of {len(X_train)} images for {unseen[0].hash}: {rows[:8]} ...")
SubsetDisplay.from_selection(X_train, y_train, rows, n_per_class=8, classes=range(5)).plot()

# %%
# Is it worth it?
# ---------------
# Each method's rows train the same networks with the same seeds, and are judged on 500 test
# images. At two seeds and two networks a difference of a point or two means nothing; the demo and
# the results page have more of both.
table = compare(
    {"class-balanced random": Random(stratify="equal"), "SubSelNet": net},
    unseen, zoo, X_test, y_test, budgets=(0.05, 0.1), seeds=(0, 1),
)  # fmt: skip
print(format_table(summarize(table)))

# %%
# The zoo is paid for once. From how many networks on that is less than training each of them on
# all images says the amortised cost:
AmortizationDisplay.from_frame(table, budget=0.1).plot()
