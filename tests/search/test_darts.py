import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.frozen import FrozenEstimator

from sksubsel import ArchitectureClassifier, SubSelNet
from sksubsel.base import BaseSelector
from sksubsel.baselines import Random, SubsetCallback
from sksubsel.baselines.adaptive import RS2Strategy
from sksubsel.benchmark import InTurns
from sksubsel.search import DARTSSearch
from sksubsel.search.supernet_training import SupernetTraining
from sksubsel.spaces import DARTS

TIMES = ("selection_time", "seconds")
WHOLE = {"selector": Random(stratify="equal"), "budget": 40, "arch_lr": 0.1, "max_epochs": 4}


@pytest.fixture(scope="module")
def data(tiny):
    return tiny.X[:60], np.where(tiny.y[:60] < 5, "low", "high")


def make(selector=None, **params):
    small = {"stem_channels": 2, "max_epochs": 1, "refit": False}  # and one step an epoch
    return DARTSSearch(selector, **{**small, "random_state": 0, **params})


def untimed(search):
    return [{k: v for k, v in row.items() if k not in TIMES} for row in search.history_]


def assert_same(first, second):
    assert untimed(first) == untimed(second)
    assert first.genotype_ == second.genotype_
    for name, weights in first.operation_weights_.items():
        np.testing.assert_array_equal(weights, second.operation_weights_[name])


class Weighted(BaseSelector):
    """The first rows, the earlier ones weighing more."""

    def __init__(self, budget=0.5):
        self.budget = budget

    def _rank(self, X, y, budget):
        return np.arange(len(X)), -np.arange(len(X), dtype=float)

    def _weigh(self, rows):
        return np.linspace(3, 1, len(rows))


def test_on_all_data(data):
    estimator = ArchitectureClassifier(max_epochs=1)
    search = make(max_epochs=2, refit=True, estimator=estimator).fit(*data)
    assert search.best_architecture_ == DARTS().from_genotype(search.genotype_)
    assert [row["n_selected"] for row in search.history_] == [60, 60]
    assert not any(row["selected"] for row in search.history_)
    for weights in search.operation_weights_.values():
        assert weights.shape == (14, 8)
        np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)
    assert is_classifier(search)
    assert set(search.predict(data[0])) <= {"low", "high"}
    assert search.score(*data) == search.best_estimator_.score(*data)
    assert list(search.classes_) == ["high", "low"]
    built = search.best_estimator_.module_
    assert len(built.cells) == 3 and built.stem[0].out_channels == 6  # the search's own size


@pytest.fixture(scope="module")
def whole(data):
    return make(**WHOLE).fit(*data)


def test_same_seed_same_search(data, whole):
    assert_same(whole, make(**WHOLE).fit(*data))
    losses = [row["train_loss"] for row in whole.history_]
    assert losses[-1] < losses[0]


def test_orders(data):
    first, second, again = (
        make(order=order, arch_lr=0.1, budget=30, selector=Random()).fit(*data)
        for order in ("first", "second", "second")
    )
    assert_same(second, again)
    different = first.operation_weights_["normal"] != second.operation_weights_["normal"]
    assert different.any()


def test_an_interrupted_search_goes_on(data, whole, tmp_path, monkeypatch):
    kept = tmp_path / "new folder" / "search.pt"
    epochs, epoch = [], SupernetTraining.epoch

    def interrupt(self, number, *args):
        epochs.append(number)
        if epochs == [0, 1, 2]:
            raise KeyboardInterrupt
        return epoch(self, number, *args)

    monkeypatch.setattr(SupernetTraining, "epoch", interrupt)
    with pytest.raises(KeyboardInterrupt):
        make(**WHOLE, checkpoint=kept).fit(*data)
    assert_same(whole, make(**WHOLE, checkpoint=kept).fit(*data))
    assert epochs == [0, 1, 2, 2, 3]
    assert_same(whole, make(**WHOLE, checkpoint=kept).fit(*data))  # all is there
    assert len(epochs) == 5
    with pytest.raises(ValueError, match="checkpoint .* other data or settings"):
        make(**{**WHOLE, "budget": 30}, checkpoint=kept).fit(*data)
    assert not list(kept.parent.glob(".*"))  # nothing half written


def test_a_search_without_a_seed_goes_on_with_the_one_it_had(data, tmp_path):
    kept = tmp_path / "search.pt"
    first = make(random_state=None, checkpoint=kept).fit(*data)
    assert_same(first, make(random_state=None, checkpoint=kept).fit(*data))


def test_a_file_that_is_no_checkpoint(data, tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("nothing of the kind")
    with pytest.raises(ValueError, match="notes.txt cannot be read"):
        make(checkpoint=path).fit(*data)
    assert path.read_text() == "nothing of the kind"


def test_selects_again_when_the_genotype_changes_and_only_then(data, monkeypatch):
    asked, trained_on = [], []
    epoch = SupernetTraining.epoch

    def select(arch, budget, seed):
        asked.append(arch)
        return np.random.default_rng(len(asked)).choice(60, budget, replace=False)

    def spy(self, number, train_rows, valid_rows, weight):
        trained_on.append((train_rows.tolist(), valid_rows.tolist()))
        return epoch(self, number, train_rows, valid_rows, weight)

    monkeypatch.setattr(SupernetTraining, "epoch", spy)
    search = make(select, budget=40, arch_lr=0.05, max_epochs=4).fit(*data)
    genotypes = [row["genotype"] for row in search.history_]
    changed = [k == 0 or genotypes[k] != genotypes[k - 1] for k in range(4)]
    assert [row["selected"] for row in search.history_] == changed
    assert 2 <= sum(changed) == len(asked)
    wanted = [DARTS().from_genotype(text) for text, new in zip(genotypes, changed) if new]
    assert asked == wanted
    for k, (train, valid) in enumerate(trained_on):
        assert len(train) + len(valid) == 40
        assert changed[k] == (trained_on[k - 1] != (train, valid) or k == 0)
    # no row is on both sides, at whatever time
    sides = [set().union(*(rows[side] for rows in trained_on)) for side in (0, 1)]
    assert not sides[0] & sides[1]

    asked.clear()
    make(select, budget=40, arch_lr=1e-9, max_epochs=2).fit(*data)
    assert len(asked) == 1


def test_a_selector_of_rows_is_asked_once(data, monkeypatch):
    weights = []
    epoch = SupernetTraining.epoch
    monkeypatch.setattr(
        SupernetTraining, "epoch", lambda *args: weights.append(args[-1]) or epoch(*args)
    )
    search = make(Weighted(), budget=30, arch_lr=0.1, max_epochs=3).fit(*data)
    assert len({row["genotype"] for row in search.history_}) > 1
    assert [row["selected"] for row in search.history_] == [True, False, False]
    np.testing.assert_allclose(weights[0][:30], np.linspace(3, 1, 30) / 2, rtol=1e-6)
    assert (weights[0][30:] == 0).all()
    plain = make(Random(30, random_state=0), budget=30).fit(*data)
    assert weights[-1] is None and plain.history_[0]["n_selected"] == 30


def test_a_subselnet_selects_for_the_genotype(tiny):
    from sksubsel import ArchitectureEncoder, ModelApproximator, ModelZoo

    archs = DARTS().sample(3, random_state=0)
    recipe = ArchitectureClassifier(
        network_params={"stem_channels": 2, "n_layers": 3}, max_epochs=1, batch_size=30
    )
    X, y = tiny.X[:60], tiny.y[:60]
    net = SubSelNet(
        mode="transductive",
        budget=20,
        diversity="entropy",
        on_novel="ignore",
        encoder=ArchitectureEncoder(max_epochs=1),
        approximator=ModelApproximator(max_epochs=1, early_stopping=False),
        random_state=0,
    ).fit(archs, ModelZoo(recipe, random_state=0).fit(archs, X, y))
    search = make(FrozenEstimator(net), budget=30)
    found = clone(search).fit(X, y)
    assert found.history_[0]["n_selected"] == 30
    with pytest.raises(ValueError, match="selector must be fitted on the 50 instances"):
        make(net).fit(X[:50], y[:50])
    with pytest.raises(ValueError, match="whose rows change; got InTurns"):
        make(InTurns(net)).fit(X, y)


@pytest.mark.parametrize(
    "params, problem",
    [
        ({"selector": SubsetCallback(RS2Strategy())}, "selector must not be a SubsetCallback"),
        ({"selector": SubSelNet()}, "selector must be a fitted SubSelNet"),
        ({"selector": InTurns(SubSelNet())}, "selector must be a fitted SubSelNet"),
        ({"selector": "random"}, "selector must be"),
        ({"selector": Random(), "budget": 3}, "budget must leave two rows in each half"),
        ({"selector": Random(), "budget": 1.5}, "budget must be"),
        ({"order": "third"}, "order"),
        ({"n_layers": 2}, "n_layers"),
        ({"device": "nowhere"}, "device"),
    ],
)
def test_what_is_wrong_is_named(data, params, problem):
    with pytest.raises(ValueError, match=problem):
        make(**params).fit(*data)


def test_targets_are_refused(data):
    with pytest.raises(ValueError, match="y must hold class labels"):
        make().fit(data[0], np.linspace(0, 1, 60))
    with pytest.raises(AttributeError, match="no attribute 'predict'"):
        make().predict(data[0])
