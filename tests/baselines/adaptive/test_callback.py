import pickle

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.base import clone
from skorch import NeuralNetClassifier, NeuralNetRegressor
from skorch.callbacks import Callback, EpochScoring, LRScheduler
from skorch.dataset import Dataset
from skorch.helper import predefined_split
from torch import nn

from sksubsel import ArchitectureClassifier, ArchitectureRegressor
from sksubsel.baselines import CRAIG, GLISTER, GradMatch, Random
from sksubsel.baselines.adaptive import (
    CRAIGStrategy,
    GLISTERStrategy,
    GradMatchStrategy,
    InfoBatchStrategy,
    MILOStrategy,
    RS2Strategy,
    Selection,
    Strategy,
    SubsetCallback,
    TurnsStrategy,
    WarmUpStrategy,
)

STRATEGIES = [
    CRAIGStrategy(), GLISTERStrategy(), GradMatchStrategy(), GradMatchStrategy(by="batch"),
    InfoBatchStrategy(), MILOStrategy(kappa=0.5), RS2Strategy(), WarmUpStrategy(),
]  # fmt: skip


class Fixed(Strategy):
    """Rows and weights as told."""

    def __init__(self, rows=(), weights=()):
        self.rows, self.weights = rows, weights

    def select(self, view, budget, rng):
        rows = np.array(self.rows, dtype=np.int64)
        return Selection(rows, np.array(self.weights, dtype=float), np.zeros(len(rows)))


class Watching(Fixed):
    """Notes what it is shown, on the class, since callbacks work with clones."""

    seen: list = []

    def start(self, n_samples, rng):
        self.seen.clear()

    def select(self, view, budget, rng):
        self.seen.append((view.epoch, view.max_epochs, view.y, view.gradients()))
        return super().select(view, budget, rng)


class Batches(Callback):
    """What each training batch held: a column of the inputs that numbers the rows."""

    def on_train_begin(self, net, **kwargs):
        self.epochs_, self.rates_ = [], []

    def on_epoch_begin(self, net, **kwargs):
        self.epochs_.append([])

    def on_batch_end(self, net, batch=None, training=False, **kwargs):
        if training:
            self.epochs_[-1] += (batch[0][:, -1] * 100).round().int().tolist()
            self.rates_.append(net.optimizer_.param_groups[0]["lr"])


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4)).astype(np.float32)
    y = (X[:, 0] > 0).astype(np.int64) + (X[:, 1] > 0)
    X[:, -1] = np.arange(60) / 100
    return X, y


def build(architecture, in_shape, n_outputs):
    return nn.Sequential(nn.Linear(in_shape[0], 8), nn.ReLU(), nn.Linear(8, n_outputs))


def linear(architecture, in_shape, n_outputs):
    return nn.Linear(in_shape[0], n_outputs)


def ours(callback, *others, **options):
    options = {"build": build, "max_epochs": 6, "batch_size": 8, "random_state": 0} | options
    return ArchitectureClassifier(callbacks=[callback, *others], **options)


def stock(callback, *others, head=None, **options):
    head = (nn.Softmax(1),) if head is None else head
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3), *head)
    options = {"max_epochs": 6, "batch_size": 8, "verbose": 0, "train_split": None} | options
    return NeuralNetClassifier(module, callbacks=[callback, *others], **options)


KINDS = pytest.mark.parametrize("make", [ours, stock])


def weights_of(module):
    return torch.cat([p.detach().flatten() for p in module.parameters()])


@KINDS
@pytest.mark.parametrize("strategy", STRATEGIES, ids=str)
def test_trains_on_the_rows_selected(make, strategy, data, capfd):
    X, y = data
    batches = Batches()
    callback = SubsetCallback(strategy, budget=0.2, every=2, warm_start=1, random_state=0)
    make(callback, batches).fit(X, y)
    assert len(batches.epochs_) == 6
    assert sorted(batches.epochs_[0]) == list(range(60))
    assert [entry["epoch"] for entry in callback.history_] == [2, 4, 6]
    for entry in callback.history_:
        for epoch in range(entry["epoch"] - 1, min(entry["epoch"] + 1, 6)):
            assert sorted(batches.epochs_[epoch]) == entry["rows"].tolist()
        assert entry["n_selected"] == len(entry["rows"]) == len(entry["weights"])
        assert entry["seconds"] > 0
        if not isinstance(strategy, InfoBatchStrategy):
            assert len(entry["rows"]) == 12
    np.testing.assert_array_equal(callback.sample_indices_, entry["rows"])
    np.testing.assert_array_equal(callback.sample_weight_, entry["weights"])
    assert (np.diff(callback.sample_indices_) > 0).all()
    assert capfd.readouterr() == ("", "")


@KINDS
def test_net_history_and_own_rhythm(make, data):
    callback = SubsetCallback(RS2Strategy(), budget=20, keep_rows=False, random_state=0)
    model = make(callback).fit(*data)
    net = getattr(model, "net_", model)
    assert net.history[:, "n_train"] == [20] * 6
    assert all(seconds > 0 for seconds in net.history[:, "select_dur"])
    assert [entry["epoch"] for entry in callback.history_] == [1, 2, 3, 4, 5, 6]
    assert set(callback.history_[0]) == {"epoch", "n_selected", "seconds"}
    callback = SubsetCallback(WarmUpStrategy(), budget=20)
    model = make(callback).fit(*data)
    net = getattr(model, "net_", model)
    assert net.history[:, "n_train"] == [60] * 5 + [20]
    assert net.history[:, "select_dur"][:5] == [0.0] * 5
    once = SubsetCallback(RS2Strategy(), every=0)
    make(once).fit(*data)
    assert [entry["epoch"] for entry in once.history_] == [1]


CRITERIA = {
    "NLL of probabilities": ({}, (nn.Softmax(1),), lambda z, y: F.cross_entropy(z, y)),
    "cross-entropy": (
        {"criterion": nn.CrossEntropyLoss}, (), lambda z, y: F.cross_entropy(z, y)
    ),
    "sum": (
        {"criterion": nn.CrossEntropyLoss, "criterion__reduction": "sum"},
        (),
        lambda z, y: F.cross_entropy(z, y, reduction="sum"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CRITERIA)
def test_weights_enter_the_loss_of_a_stock_net(name, data):
    X, y = data
    options, head, _ = CRITERIA[name]
    rows, weights = np.array([3, 10, 40]), np.array([2.0, 0.5, 0.5])
    net = stock(SubsetCallback(Fixed(rows, weights)), head=head, max_epochs=1, lr=0.1, **options)
    module = net.module
    expected = pickle.loads(pickle.dumps(module))
    net.fit(X, y)
    logits = expected[:3](torch.from_numpy(X[rows]))
    losses = F.cross_entropy(logits, torch.from_numpy(y[rows]), reduction="none")
    total = (losses * torch.tensor(weights)).sum()
    (total if name == "sum" else total / 3).backward()
    with torch.no_grad():
        for parameter in expected.parameters():
            parameter -= 0.1 * parameter.grad
    torch.testing.assert_close(weights_of(net.module_), weights_of(expected), rtol=1e-4, atol=1e-6)
    assert net.criterion_.reduction == ("sum" if name == "sum" else "mean")


def test_class_weights_and_instance_weights_multiply(data):
    X, y = data
    class_weight = torch.tensor([1.0, 3.0, 5.0])
    rows, weights = np.array([3, 10, 40]), np.array([2.0, 0.5, 0.5])
    net = stock(
        SubsetCallback(Fixed(rows, weights)), head=(), max_epochs=1, lr=0.1,
        criterion=nn.CrossEntropyLoss, criterion__weight=class_weight,
    )  # fmt: skip
    expected = pickle.loads(pickle.dumps(net.module))
    net.fit(X, y)
    targets = torch.from_numpy(y[rows])
    losses = F.cross_entropy(expected(torch.from_numpy(X[rows])), targets, reduction="none")
    both = torch.tensor(weights) * class_weight[targets]
    ((losses * both).sum() / class_weight[targets].sum()).backward()
    with torch.no_grad():
        for parameter in expected.parameters():
            parameter -= 0.1 * parameter.grad
    torch.testing.assert_close(weights_of(net.module_), weights_of(expected), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("stratify_batches", [False, True])
def test_weights_enter_the_loss_of_our_net_beside_sample_weight(data, stratify_batches):
    X, y = data
    rows, weights = np.array([3, 10, 40]), np.array([2.0, 0.5, 0.5])
    options = {
        "build": linear, "max_epochs": 1, "optimizer": "sgd", "momentum": 0.0, "lr": 0.1,
        "schedule": None, "weight_decay": 0.0, "stratify_batches": stratify_batches,
    }  # fmt: skip
    sample_weight = np.linspace(0.5, 1.5, 60)
    start = weights_of(ours(Batches(), **(options | {"lr": 1e-30})).fit(X, y).module_)
    model = ours(SubsetCallback(Fixed(rows, weights)), **options)
    model.fit(X, y, sample_weight=sample_weight)
    expected = nn.Linear(4, 3)
    with torch.no_grad():
        expected.weight.copy_(start[:12].reshape(3, 4))
        expected.bias.copy_(start[12:])
    losses = F.cross_entropy(
        expected(torch.from_numpy(X[rows])), torch.from_numpy(y[rows]), reduction="none"
    )
    (losses * torch.tensor(weights * sample_weight[rows])).mean().backward()
    step = torch.cat([expected.weight.grad.flatten(), expected.bias.grad])
    torch.testing.assert_close(weights_of(model.module_), start - 0.1 * step, rtol=1e-4, atol=1e-6)


@KINDS
def test_strategies_see_the_gradients_of_the_net_in_training(make, data):
    X, y = data
    callback = SubsetCallback(Watching(np.arange(0, 60, 3), np.ones(20)), every=2)
    snapshots = []

    class Snapshot(Callback):
        def on_epoch_end(self, net, **kwargs):
            snapshots.append(pickle.loads(pickle.dumps(net.module_)).eval())

    make(callback, Snapshot(), max_epochs=5).fit(X, y)
    seen = Watching.seen
    assert [(epoch, n) for epoch, n, *_ in seen] == [(1, 5), (3, 5), (5, 5)]
    for epoch, _, labels, gradients in seen[1:]:
        np.testing.assert_array_equal(labels, y)
        module = snapshots[epoch - 2]
        hidden = module[:2](torch.from_numpy(X)).detach()
        proba = module[:3](torch.from_numpy(X)).softmax(1).detach().numpy()
        np.testing.assert_allclose(gradients.hidden, hidden, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(gradients.residual, proba - np.eye(3)[y], atol=1e-5)


@KINDS
@pytest.mark.parametrize("strategy", STRATEGIES, ids=str)
def test_seeds(make, strategy, data):
    def run(seed):
        callback = SubsetCallback(strategy, budget=10, every=2, random_state=seed)
        model = make(callback, iterator_train__shuffle=True) if make is stock else make(callback)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # of a stock net's batches
            model.fit(*data)
        return callback.history_, weights_of(model.module_)

    before = np.random.get_state()[1].copy()
    (first, weights), (second, again) = run(0), run(0)
    assert torch.equal(weights, again)
    for one, other in zip(first, second):
        np.testing.assert_array_equal(one["rows"], other["rows"])
        np.testing.assert_array_equal(one["weights"], other["weights"])
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    if isinstance(strategy, RS2Strategy):
        assert not np.array_equal(first[0]["rows"], run(1)[0][0]["rows"])


def test_all_rows_with_weights_of_one_change_nothing(data):
    plain = ours(Batches()).fit(*data)
    callback = SubsetCallback(RS2Strategy(), budget=1.0)
    whole = ours(callback).fit(*data)
    assert torch.equal(weights_of(plain.module_), weights_of(whole.module_))
    plain = stock(Batches()).fit(*data)
    whole = stock(callback).fit(*data)
    assert torch.equal(weights_of(plain.module_), weights_of(whole.module_))


@pytest.mark.parametrize("schedule", ["onecycle", "cosine"])
@pytest.mark.parametrize("budget, n_batches", [(5, 1), (20, 3), (60, 8)])
def test_schedules_end_where_they_should(schedule, budget, n_batches, data):
    full, part = Batches(), Batches()
    ours(full, schedule=schedule).fit(*data)
    callback = SubsetCallback(RS2Strategy(), budget=budget, warm_start=2)
    ours(callback, part, schedule=schedule).fit(*data)
    assert len(part.rates_) == 2 * 8 + 4 * n_batches
    # after each epoch the rate is that of full training: steps of the subset go further
    ends = [8, 16, *(16 + n_batches * np.arange(1, 5))]
    np.testing.assert_allclose(
        np.array(part.rates_)[np.array(ends) - 1], np.array(full.rates_)[7::8], rtol=1e-9
    )


def test_steps_are_counted_as_made(data):
    callback = SubsetCallback(RS2Strategy(), budget=20, warm_start=2)
    assert ours(callback).fit(*data).net_.n_steps_ == 2 * 8 + 4 * 3


def test_slow_batch_normalisation_is_seen_with_true_statistics(data):
    def normed(architecture, in_shape, n_outputs):
        norm = nn.BatchNorm1d(8, momentum=0.003)
        return nn.Sequential(nn.Linear(4, 8), norm, nn.ReLU(), nn.Linear(8, n_outputs))

    X, y = data
    statistics = []

    class Statistics(Callback):
        def on_epoch_begin(self, net, **kwargs):
            statistics.append(net.module_[1].running_mean.clone())

    callback = SubsetCallback(Watching(np.arange(60), np.ones(60)), every=0, warm_start=1)
    shifted = X + np.float32(10)
    ours(Statistics(), callback, Statistics(), build=normed, max_epochs=2).fit(shifted, y)
    hidden = Watching.seen[0][3].hidden
    assert (hidden > 0).mean() == pytest.approx(0.5, abs=0.2)  # centred, which is half of all
    assert torch.equal(statistics[2], statistics[3])  # before and after selecting in epoch 2


@KINDS
def test_everything_is_put_back(make, data):
    callback = SubsetCallback(GradMatchStrategy(), budget=10)
    model = make(callback).fit(*data)
    net = getattr(model, "net_", model)
    assert not {"fit_loop", "get_iterator", "get_loss"} & set(vars(net))
    assert getattr(net, "subset", None) is None
    content = pickle.dumps(model)
    assert len(content) < 30_000
    again = pickle.loads(content)
    np.testing.assert_array_equal(again.predict_proba(data[0]), model.predict_proba(data[0]))
    copy = clone(model)
    other = copy.callbacks[0]
    assert other is not callback and not hasattr(other, "history_")
    assert other.get_params()["strategy__lam"] == 0.5


class Boom(Callback):
    armed_ = True

    def on_batch_end(self, net, training=False, **kwargs):
        if self.armed_:
            raise RuntimeError("boom")


@KINDS
def test_put_back_after_an_exception(make, data):
    boom = Boom()
    callback = SubsetCallback(RS2Strategy(), budget=10, random_state=0)
    model = make(callback, boom)
    with pytest.raises(RuntimeError, match="boom"):
        model.fit(*data)
    if make is stock:
        assert not {"fit_loop", "get_iterator", "get_loss"} & set(vars(model))
        assert model.iterator_train is torch.utils.data.DataLoader
    boom.armed_ = False
    model.fit(*data)
    assert len(callback.history_) == 6


@KINDS
def test_fit_again_after_another_callback_ended_the_first_before_its_loop(make, data):
    class Once(Callback):
        armed_ = True

        def on_train_begin(self, net, **kwargs):
            if self.armed_:
                raise RuntimeError("not yet")

    once = Once()
    callback = SubsetCallback(RS2Strategy(), budget=10, random_state=0)
    model = make(callback, once)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="not yet"):
            model.fit(*data)
    once.armed_ = False
    model.fit(*data)
    assert len(callback.history_) == 6
    if make is stock:
        assert "fit_loop" not in vars(model)


def test_stock_nets_with_a_split_and_other_callbacks(data):
    X, y = data
    batches = Batches()
    callback = SubsetCallback(InfoBatchStrategy(delta=0.5), random_state=0)
    net = stock(
        callback, batches,
        ("rates", LRScheduler("StepLR", step_size=2)),
        ("accuracy", EpochScoring("accuracy", on_train=True, name="train_acc")),
        iterator_train__shuffle=True, iterator_train__drop_last=True,
    )  # fmt: skip
    net.set_params(train_split=NeuralNetClassifier(nn.Linear).train_split)
    net.fit(X, y)
    assert net.history[:, "n_train"][0] == net.history[:, "n_train"][-1] == 48
    assert min(net.history[:, "n_train"]) < 48
    assert "valid_loss" in net.history[-1] and "train_acc" in net.history[-1]
    net.partial_fit(X, y)  # starts anew
    assert [entry["epoch"] for entry in callback.history_] == [1, 2, 3, 4, 5, 6]


def test_rows_known_by_their_numbers_need_all_of_them(data):
    turns = TurnsStrategy([[0, 1, 2], [3, 4, 5]])
    with pytest.raises(ValueError, match="TurnsStrategy knows rows by their numbers"):
        ours(SubsetCallback(turns, budget=3), early_stopping=True).fit(*data)
    callback = SubsetCallback(turns, budget=3)
    net = stock(callback)
    net.set_params(train_split=NeuralNetClassifier(nn.Linear).train_split)
    with pytest.raises(ValueError, match="train_split=None or predefined_split"):
        net.fit(*data)
    X, y = data
    net.set_params(train_split=predefined_split(Dataset(X[:9], y[:9]))).fit(X, y)
    assert [entry["rows"].tolist() for entry in callback.history_[:2]] == [[0, 1, 2], [3, 4, 5]]
    part = torch.utils.data.Subset(Dataset(X, y), np.arange(9))
    assert net.set_params(train_split=None).fit(part, None).history[-1, "n_train"] == 3


def test_infobatch_is_shown_the_losses_met_in_training(data):
    X, y = data
    seen = []

    class Watch(InfoBatchStrategy):
        def select(self, view, budget, rng):
            seen.append(view.losses.copy())
            return super().select(view, budget, rng)

    for make in (ours, stock):
        seen.clear()
        # so slow that losses hardly change between seeing and checking
        model = make(SubsetCallback(Watch()), lr=1e-6, max_epochs=2).fit(X, y)
        assert np.isnan(seen[0]).all()
        proba = model.predict_proba(X)
        np.testing.assert_allclose(seen[1], -np.log(proba[np.arange(60), y]), rtol=0.02)


@pytest.mark.parametrize("strategy", [CRAIGStrategy(), GradMatchStrategy(), RS2Strategy()], ids=str)
def test_regression(strategy, data):
    X, _ = data
    y = X[:, 0] * 2 + 1
    callback = SubsetCallback(strategy, budget=20, every=2, random_state=0)
    model = ArchitectureRegressor(
        build=build, max_epochs=40, batch_size=8, callbacks=[callback], random_state=0
    )
    assert model.fit(X, y).score(X, y) > 0.9
    net = NeuralNetRegressor(
        nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1)),
        max_epochs=3, verbose=0, train_split=None, callbacks=[callback],
    )  # fmt: skip
    net.fit(X, y[:, None].astype(np.float32))
    assert net.history[:, "n_train"] == [20] * 3


def test_soft_targets(data):
    X, y = data
    soft = 0.8 * np.eye(3)[y] + 0.2 / 3
    callback = SubsetCallback(GLISTERStrategy(), budget=20, every=2, random_state=0)
    ours(callback, label_smoothing=0.1).fit(X, y, soft_targets=soft)
    assert len(callback.sample_indices_) == 20


def test_errors(data):
    X, y = data
    with pytest.raises(TypeError, match=r"strategy must be a Strategy.*got 'rs2'"):
        ours(SubsetCallback("rs2")).fit(X, y)
    with pytest.raises(ValueError, match=r"budget must be an int in \[1, n_samples=60\].*got 61"):
        stock(SubsetCallback(RS2Strategy(), budget=61)).fit(X, y)
    with pytest.raises(ValueError, match=r"every must be an int in \[0, inf\) or None; got -1"):
        stock(SubsetCallback(RS2Strategy(), every=-1)).fit(X, y)
    with pytest.raises(ValueError, match="warm_start must be an int .*got 0.5"):
        ours(SubsetCallback(RS2Strategy(), warm_start=0.5)).fit(X, y)
    with pytest.raises(ValueError, match="lam"):
        ours(SubsetCallback(GradMatchStrategy(lam=-1))).fit(X, y)
    with pytest.raises(ValueError, match="iterator_train__sampler draws from all rows"):
        stock(
            SubsetCallback(RS2Strategy()),
            iterator_train__sampler=torch.utils.data.SequentialSampler(X),
        ).fit(X, y)
    with pytest.raises(ValueError, match="nn.Linear; Conv1d has none"):
        ours(
            SubsetCallback(GradMatchStrategy()),
            build=lambda *_: nn.Conv1d(1, 1, 1),
        ).fit(X[:, None, :], y)


@KINDS
def test_a_warm_start_that_leaves_no_epoch_to_select_in(make, data):
    for callback, warm_start, n_epochs in [
        (SubsetCallback(RS2Strategy(), warm_start=7), 7, 7),
        (SubsetCallback(RS2Strategy(), warm_start=7), 7, 6),
        (SubsetCallback(WarmUpStrategy()), 5, 5),
    ]:
        batches = Batches()
        model = make(callback, batches, max_epochs=n_epochs)
        message = f"warm_start must be less than max_epochs={n_epochs},.*got {warm_start}"
        with pytest.raises(ValueError, match=message):
            model.fit(*data)
        assert batches.epochs_ == []
        if make is stock:
            assert not {"fit_loop", "get_iterator", "get_loss"} & set(vars(model))
    model = make(SubsetCallback(RS2Strategy(), warm_start=5), max_epochs=6).fit(*data)
    assert len(model.callbacks[0].history_) == 1


@pytest.mark.parametrize(
    ("callback", "error", "message"),
    [
        (SubsetCallback("RS2"), TypeError, "strategy must be a Strategy"),
        (SubsetCallback(RS2Strategy(), budget=-1), ValueError, "budget must be"),
        (SubsetCallback(RS2Strategy(), random_state="x"), ValueError, "cannot be used to seed"),
        (SubsetCallback(RS2Strategy(), every=-1), ValueError, "every must be an int"),
        (SubsetCallback(GradMatch(lam=-1)), ValueError, "'lam' parameter of GradMatchStrategy"),
        (SubsetCallback(WarmUpStrategy()), ValueError, "less than max_epochs=5,.*got 5"),
    ],
)
def test_check_finds_what_a_training_would(callback, error, message):
    with pytest.raises(error, match=message):
        callback.check(5)


def test_check_of_what_is_right():
    SubsetCallback(RS2Strategy(), budget=10**9).check()
    SubsetCallback(WarmUpStrategy(), budget=0.5, random_state=0).check(6)


def test_epochs_of_partial_fit_count_instead_of_max_epochs(data):
    callback = SubsetCallback(Watching(np.arange(60), np.ones(60)), warm_start=2, every=1)
    net = stock(callback, max_epochs=2)
    net.partial_fit(*data, epochs=4)
    assert [(epoch, n) for epoch, n, *_ in Watching.seen] == [(3, 4), (4, 4)]
    net.partial_fit(*data, epochs=0)
    net.set_params(max_epochs=6)
    with pytest.raises(ValueError, match="warm_start must be less than max_epochs=1.*got 2"):
        net.partial_fit(*data, epochs=1)


@KINDS
@pytest.mark.parametrize(
    "selector, strategy",
    [
        (CRAIG(12, stratify="equal"), CRAIGStrategy(stratify="equal")),
        (GLISTER(0.2, validation_fraction=0.3), GLISTERStrategy(validation_fraction=0.3)),
        (GradMatch(12, by="batch", batch_size=5), GradMatchStrategy(by="batch", batch_size=5)),
    ],
    ids=str,
)
def test_selectors_stand_for_their_strategies(make, selector, strategy, data):
    before = selector.get_params()
    one = SubsetCallback(selector, every=2, random_state=0)
    other = SubsetCallback(strategy, budget=12, every=2, random_state=0)
    assert torch.equal(
        *(weights_of(make(callback).fit(*data).module_) for callback in (one, other))
    )
    assert [entry["epoch"] for entry in one.history_] == [1, 3, 5]
    for entry, expected in zip(one.history_, other.history_):
        np.testing.assert_array_equal(entry["rows"], expected["rows"])
        np.testing.assert_array_equal(entry["weights"], expected["weights"])
    assert selector.get_params() == before and not hasattr(selector, "ranking_")


def test_budget_and_seed_are_the_selectors_unless_given(data):
    selector = GLISTER(7, random_state=3)
    rows = []
    for options in ({}, {"random_state": 3}, {"random_state": 4}, {"budget": 9}):
        callback = SubsetCallback(selector, **options)
        ours(callback).fit(*data)
        rows.append(callback.sample_indices_)
    assert [len(part) for part in rows] == [7, 7, 7, 9]
    np.testing.assert_array_equal(rows[0], rows[1])
    assert not np.array_equal(rows[0], rows[2])
    callback = SubsetCallback(RS2Strategy())
    ours(callback).fit(*data)
    assert len(callback.sample_indices_) == 6
    with pytest.raises(ValueError, match="lam"):
        ours(SubsetCallback(GradMatch(lam=-1))).fit(*data)
    with pytest.raises(ValueError, match="budget must be .*got 61"):
        ours(SubsetCallback(CRAIG(61))).fit(*data)
    for value in (Random(), CRAIG):
        with pytest.raises(TypeError, match=r"one of the selectors CRAIG\(\), GLISTER\(\)"):
            ours(SubsetCallback(value)).fit(*data)


def test_no_pass_over_the_data_that_the_strategy_does_not_ask_for(data):
    X, y = data
    reads = []

    class Counting(torch.utils.data.Dataset):
        def __len__(self):
            return 60

        def __getitem__(self, i):
            reads.append(i)
            return X[i], int(y[i])

    net = stock(SubsetCallback(RS2Strategy(), budget=10), max_epochs=6)
    net.fit(Counting(), None)
    assert sorted(reads) == list(range(60))  # one cycle, each row once
