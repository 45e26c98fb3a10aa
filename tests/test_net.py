import math
import multiprocessing
import pickle
import threading
import time
import warnings

import joblib
import numpy as np
import pytest
import torch
from skorch.callbacks import Callback
from torch import nn

from sksubsel._net import (
    TrainingSubset,
    epochs_of,
    fit_net,
    forked_rng,
    predict_net,
    seeded,
    torch_threads,
)
from sksubsel._net.tensors import Batches, Tensors


def _squared(output, inputs, targets, weight):
    loss = (output[:, 0] - targets).square()
    return loss.mean() if weight is None else (loss * weight).mean()


class _Recorder(Callback):
    """The learning rate after each step, and how many items each batch had."""

    def on_train_begin(self, net, **kwargs):
        self.rates, self.sizes, self.firsts, self.n_epochs = [], [], [], 0

    def on_batch_end(self, net, batch=None, training=False, **kwargs):
        if training:
            self.rates.append(net.optimizer_.param_groups[0]["lr"])
            self.sizes.append(len(batch[0]))
            self.firsts.append(float(batch[0][0, 0]))

    def on_epoch_end(self, net, **kwargs):
        self.n_epochs += 1


@pytest.fixture
def data():
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(10, 3, generator=generator)
    return X, X @ torch.tensor([1.0, -2.0, 0.5]) + 0.1


def _linear(dropout=0.0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Dropout(dropout), nn.Linear(3, 1))


def _fit(data, module=None, **options):
    module = _linear() if module is None else module
    options = {"loss": _squared, "max_epochs": 3, "batch_size": 4, "lr": 0.05} | options
    return fit_net(module, *data, **options)


def _weights(net):
    return torch.cat([p.detach().flatten() for p in net.module_.parameters()])


def test_seeded_as_by_torch_but_no_other_device(monkeypatch):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        expected = torch.rand(4)
    before = torch.get_rng_state()
    for name in ("manual_seed", "manual_seed_all"):
        monkeypatch.setattr(torch.cuda, name, lambda seed: pytest.fail("CUDA was seeded"))
    with seeded(3):
        assert torch.equal(torch.rand(4), expected)
    assert torch.equal(torch.get_rng_state(), before)


def test_same_seed_same_weights_and_global_generators_untouched(data):
    torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()
    first, second, other = (
        _weights(_fit(data, _linear(dropout=0.5), seed=seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert torch.equal(torch_before, torch.get_rng_state())
    for before, after in zip(numpy_before, np.random.get_state()):
        np.testing.assert_array_equal(before, after)


def test_does_not_depend_on_the_global_seed(data):
    results = []
    for seed in (5, 6):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            results.append(_weights(_fit(data, _linear(dropout=0.5), seed=1)))
    assert torch.equal(*results)


@pytest.mark.parametrize(
    "optimizer, kind, params",
    [
        ("sgd", torch.optim.SGD, {}),
        ("sgd", torch.optim.SGD, {"momentum": 0.8, "nesterov": True}),
        ("adam", torch.optim.Adam, {}),
        ("adamw", torch.optim.AdamW, {}),
        ("rmsprop", torch.optim.RMSprop, {"momentum": 0.5}),
    ],
)
def test_equals_a_bare_loop(data, optimizer, kind, params):
    X, y = data
    given = {"momentum": 0.0, "weight_decay": 0.01, "shuffle": False, **params}
    net = _fit(data, optimizer=optimizer, **given)
    module = _linear()
    step = kind(module.parameters(), lr=0.05, weight_decay=0.01, **params)
    losses = []
    for _ in range(3):
        total = 0.0
        for rows in ([0, 1, 2, 3], [4, 5, 6], [7, 8, 9]):
            loss = ((module(X[rows])[:, 0] - y[rows]) ** 2).mean()
            step.zero_grad()
            loss.backward()
            step.step()
            total += loss.item() * len(rows)
        losses.append(total / 10)
    torch.testing.assert_close(
        _weights(net), torch.cat([p.detach().flatten() for p in module.parameters()])
    )
    np.testing.assert_allclose([row["train_loss"] for row in epochs_of(net)], losses, rtol=1e-5)


def test_sgd_has_momentum_as_given(data):
    with_momentum = _weights(_fit(data, optimizer="sgd", momentum=0.9))
    without = _weights(_fit(data, optimizer="sgd", momentum=0.0))
    assert not torch.allclose(with_momentum, without)


def test_cosine_moves_at_every_step(data):
    recorder = _Recorder()
    _fit(data, schedule="cosine", callbacks=[recorder])
    n_steps = 9  # three epochs of three batches
    expected = [0.05 * (1 + math.cos(math.pi * t / n_steps)) / 2 for t in range(1, n_steps + 1)]
    np.testing.assert_allclose(recorder.rates, expected, atol=1e-9)
    assert recorder.rates[-1] < 1e-9


def test_step_falls_after_each_share_of_the_training(data):
    recorder = _Recorder()
    _fit(data, schedule="step", step_size=0.4, gamma=0.5, callbacks=[recorder])
    # 0.4 of nine steps are four; the rates after each step
    np.testing.assert_allclose(recorder.rates, 0.05 * 0.5 ** (np.arange(1, 10) // 4))


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "rmsprop"])
def test_onecycle_rises_to_lr_and_ends_near_zero(data, optimizer):
    recorder = _Recorder()
    _fit(data, schedule="onecycle", optimizer=optimizer, max_epochs=10, callbacks=[recorder])
    rates = np.array(recorder.rates)
    assert len(rates) == 30
    assert rates.max() == pytest.approx(0.05, rel=0.01)
    peak = rates.argmax()
    assert 6 <= peak <= 11  # 30 % of the way
    assert (np.diff(rates[: peak + 1]) > 0).all() and (np.diff(rates[peak:]) < 0).all()
    assert rates[-1] == pytest.approx(0.05 / 25 / 1e4)


def test_onecycle_without_momentum(data):
    _fit(data, schedule="onecycle", optimizer="sgd", momentum=0.0)


def test_a_schedule_laid_out_for_more_epochs(data):
    recorder = _Recorder()
    _fit(data, schedule="cosine", schedule_epochs=6, callbacks=[recorder])
    assert recorder.rates[-1] == pytest.approx(0.025)  # half of the way


def test_no_schedule_keeps_the_rate(data):
    recorder = _Recorder()
    _fit(data, callbacks=[recorder])
    assert recorder.rates == [0.05] * 9


@pytest.mark.parametrize(
    "n_items, batch_size, sizes",
    [
        (9, 8, [5, 4]),
        (10, 4, [4, 3, 3]),
        (10, 5, [5, 5]),
        (10, 64, [10]),
        (3, 1, [1, 1, 1]),
    ],
)
def test_batches_differ_by_at_most_one_item(data, n_items, batch_size, sizes):
    recorder = _Recorder()
    part = data[0][:n_items], data[1][:n_items]
    _fit(part, max_epochs=1, batch_size=batch_size, callbacks=[recorder])
    assert recorder.sizes == sizes


def test_order_is_new_each_epoch_unless_not_shuffled(data):
    recorder = _Recorder()
    _fit(data, max_epochs=6, batch_size=10, callbacks=[recorder])
    assert len(set(recorder.firsts)) > 1
    _fit(data, max_epochs=6, batch_size=10, callbacks=[recorder], shuffle=False)
    assert len(set(recorder.firsts)) == 1


@pytest.mark.parametrize("subset", [None, 11])
def test_batches_have_strata_in_the_same_proportions(subset):
    """Each item once an epoch, in sizes as without strata; what is left to chance is drawn anew."""
    generator = torch.Generator().manual_seed(0)
    strata = torch.tensor([0] * 9 + [1] * 5 + [3] * 2)[torch.randperm(16, generator=generator)]
    rows = None if subset is None else torch.randperm(16, generator=generator)[:subset]
    dataset = Tensors(torch.arange(16), strata, None)
    chosen = TrainingSubset()
    chosen.rows = rows
    batches = Batches(dataset, 4, generator, chosen, strata)
    epochs = []
    for _ in range(20):
        epoch = [(items, targets) for items, (targets, _) in batches]
        items = torch.cat([items for items, _ in epoch])
        assert sorted(items.tolist()) == sorted(range(16) if rows is None else rows.tolist())
        fewest = len(items) // len(epoch)
        assert {len(part) for part, _ in epoch} <= {fewest, fewest + 1}
        counts = torch.stack([torch.bincount(part, minlength=4) for _, part in epoch])
        assert int((counts.amax(0) - counts.amin(0)).max()) <= 1
        epochs.append((items.tolist(), counts.tolist()))
    assert len({str(items) for items, _ in epochs}) == 20
    assert len({str(counts) for _, counts in epochs}) > 3, "who gets an odd item is drawn"


def test_strata_need_shuffling(data):
    with pytest.raises(ValueError, match="strata must be None without shuffle"):
        _fit(data, shuffle=False, strata=torch.arange(10) % 2)


def test_weights_of_zero_leave_items_out(data):
    X, y = data
    weight = torch.tensor([0.0, 2.0]).repeat(5)
    options = {"batch_size": 10, "optimizer": "sgd", "shuffle": False}
    weighted = _fit(data, sample_weight=weight, **options)
    part = _fit((X[1::2], y[1::2]), **options)
    torch.testing.assert_close(_weights(weighted), _weights(part))


def test_weights_follow_their_items_through_the_shuffle(data):
    X, y = data
    wrong = torch.tensor([0.0, 100.0]).repeat(5)
    weight = (wrong == 0).float()
    weighted = _fit((X, y + wrong), sample_weight=weight, seed=4)
    clean = _fit(data, sample_weight=weight, seed=4)
    torch.testing.assert_close(_weights(weighted), _weights(clean))


def test_early_stopping_takes_the_best_weights():
    x = torch.linspace(-1, 1, 20)[:, None]
    module = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(module.weight)
    # on the way from 0 to the training data's slope of 3, the validation data's of 1 is passed
    net = fit_net(
        module,
        x,
        3 * x[:, 0],
        loss=_squared,
        max_epochs=50,
        batch_size=20,
        lr=0.1,
        optimizer="sgd",
        momentum=0.0,
        valid=(x, x[:, 0]),
        early_stopping=2,
    )
    losses = [row["valid_loss"] for row in epochs_of(net)]
    best = int(np.argmin(losses))
    assert best > 0 and len(losses) == best + 1 + 2
    after = (module(x)[:, 0] - x[:, 0]).square().mean().item()
    assert after == pytest.approx(losses[best], rel=1e-5)
    assert after < losses[-1]


def test_validation_alone_does_not_stop(data):
    net = _fit(data, valid=data, max_epochs=4)
    assert [set(row) for row in epochs_of(net)] == [
        {"epoch", "train_loss", "valid_loss", "dur"}
    ] * 4
    assert epochs_of(net)[-1]["valid_loss"] == pytest.approx(
        (net.module_(data[0])[:, 0] - data[1]).square().mean().item(), rel=1e-5
    )


def test_scores_of_the_validation_data(data):
    """Means over all items, though batches differ in size; they change nothing else."""

    def above(output, targets):
        return (output[:, 0] > targets).float().mean()

    net = _fit(data, valid=data, valid_scores={"above": above}, max_epochs=4)
    share = above(net.module_(data[0]), data[1]).item()
    assert epochs_of(net)[-1]["valid_above"] == pytest.approx(share, rel=1e-6)
    assert "train_above" not in epochs_of(net)[-1]
    plain = _fit(data, valid=data, max_epochs=4)
    assert (_weights(net) == _weights(plain)).all()
    for name in ("train_loss", "valid_loss"):
        assert [row[name] for row in epochs_of(net)] == [row[name] for row in epochs_of(plain)]


def test_gradient_clip_bounds_the_step(data):
    def step(**options):
        start = _weights(_fit(data, lr=1e-30, **options))
        return (_weights(_fit(data, lr=1.0, **options)) - start).norm().item()

    options = {"max_epochs": 1, "batch_size": 10, "optimizer": "sgd", "momentum": 0.0}
    assert step(gradient_clip=0.25, **options) == pytest.approx(0.25, rel=1e-4)
    assert step(**options) > 0.5
    assert step(gradient_clip=1e6, **options) == pytest.approx(step(**options))


def test_nan_loss_names_the_learning_rate(data):
    with pytest.raises(FloatingPointError, match=r"NaN in epoch \d+; a smaller lr \(now 1e\+30\)"):
        _fit(data, lr=1e30, optimizer="sgd", max_epochs=20)


def test_nan_loss_restores_the_global_generator(data):
    before = torch.get_rng_state()
    with pytest.raises(FloatingPointError, match="epoch 1"):
        _fit((data[0], data[1] * float("nan")))
    assert torch.equal(before, torch.get_rng_state())


def test_callbacks_are_called(data):
    recorder = _Recorder()
    _fit(data, callbacks=[recorder])
    assert recorder.n_epochs == 3
    named = _Recorder()
    _fit(data, callbacks=[("recorder", named)])
    assert named.n_epochs == 3


def test_the_net_holds_no_data():
    X = torch.randn(5000, 3, generator=torch.Generator().manual_seed(0))
    net = _fit(
        (X, X[:, 0]),
        max_epochs=1,
        batch_size=2500,
        sample_weight=torch.ones(5000),
        valid=(X, X[:, 0]),
        early_stopping=1,
        schedule="onecycle",
    )
    content = pickle.dumps(net)
    assert len(content) < 20_000  # X alone is 60,000
    again = pickle.loads(content)
    assert torch.equal(_weights(again), _weights(net))
    assert not net.module_.training


def test_silent_unless_verbose(data, capsys):
    _fit(data, valid=data, early_stopping=1)
    assert capsys.readouterr() == ("", "")
    _fit(data, verbose=1)
    out = capsys.readouterr().out
    assert "train_loss" in out and len(out.splitlines()) == 2 + 3


class _Sum(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Linear(3, 1), nn.Linear(3, 1, bias=False)

    def forward(self, inputs):
        return self.left(inputs["a"]) + self.right(inputs["b"])


def test_dict_inputs_are_sliced_together(data):
    X, y = data
    seen = []

    def loss(output, inputs, targets, weight):
        seen.append(sorted(inputs))
        assert torch.equal(inputs["a"], inputs["b"]) and len(inputs["a"]) == len(targets)
        return _squared(output, inputs, targets, weight)

    net = fit_net(
        _Sum(), {"a": X, "b": X}, y, loss=loss, max_epochs=40, batch_size=4, lr=0.05
    )  # fmt: skip
    assert seen and all(names == ["a", "b"] for names in seen)
    history = epochs_of(net)
    assert history[-1]["train_loss"] < 0.1 * history[0]["train_loss"]


def test_without_targets(data):
    X, _y = data

    def loss(output, inputs, targets, weight):
        assert targets is None and weight is None
        return (output[:, 0] - inputs[:, 0]).square().mean()

    net = fit_net(_linear(), X, loss=loss, max_epochs=40, batch_size=4, lr=0.05)
    assert epochs_of(net)[-1]["train_loss"] < 0.1 * epochs_of(net)[0]["train_loss"]


def test_frozen_parameters_stay(data):
    module = _linear()
    module[1].bias.requires_grad_(False)
    bias, weight = module[1].bias.clone(), module[1].weight.detach().clone()
    _fit(data, module, weight_decay=0.1)
    assert torch.equal(module[1].bias, bias) and not torch.equal(module[1].weight, weight)


def test_mixed_precision_has_no_effect_on_the_cpu(data):
    assert torch.equal(_weights(_fit(data, mixed_precision=True)), _weights(_fit(data)))


def test_predict_net_is_in_evaluation_mode_and_batchwise_equal(data):
    module = _linear(dropout=0.5).train()
    expected = module[1](data[0]).detach()
    for batch_size in (1, 3, 10, 99):
        out = predict_net(module, data[0], batch_size=batch_size)
        torch.testing.assert_close(out, expected)
        assert not out.requires_grad


def test_predict_net_keeps_its_inputs(data):
    X = data[0]
    before = X.clone()
    out = predict_net(nn.ReLU(inplace=True), X, batch_size=4)
    assert torch.equal(X, before) and torch.equal(out, X.clamp(0))


def _drawn(seed):
    """Two numbers of a generator, between which others get a turn."""
    with seeded(seed):
        first = float(torch.rand(1))
        time.sleep(0.01)
        with forked_rng():
            torch.rand(1)
        return first, float(torch.rand(1)), torch.get_num_threads()


def test_blocks_of_threads_wait_for_one_another():
    expected = [_drawn(seed) for seed in range(4)]
    before = torch.get_rng_state(), torch.get_num_threads()

    def drawn(seed):
        with torch_threads(1):
            return _drawn(seed)

    def nested(seed):  # whose threads would wait for this one, and it for them
        with torch_threads(1):
            return joblib.Parallel(2)(joblib.delayed(_drawn)(seed) for _ in range(2))

    with joblib.parallel_config("threading", n_jobs=4):
        assert joblib.Parallel()(joblib.delayed(drawn)(seed) for seed in range(4)) == expected
        found = joblib.Parallel()(joblib.delayed(nested)(seed) for seed in range(4))
    assert found == [[numbers] * 2 for numbers in expected]
    assert torch.equal(torch.get_rng_state(), before[0])
    assert torch.get_num_threads() == before[1]


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="processes are not forked here"
)
def test_a_forked_process_does_not_wait_for_threads_that_it_lacks():
    held, done = threading.Event(), threading.Event()

    def hold():
        with seeded(0):
            held.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    process = multiprocessing.get_context("fork").Process(target=_drawn, args=(0,))
    try:
        with warnings.catch_warnings():  # of threads beside a fork
            warnings.simplefilter("ignore")
            process.start()
        process.join(60)
        assert process.exitcode == 0
    finally:
        process.kill()
        done.set()
        thread.join()
