"""What only a CUDA machine can show: skipped elsewhere.

``SKSUBSEL_TEST_DEVICE=cpu`` runs the same lines on the CPU, to try the tests themselves.
"""

import os
import time

import joblib
import numpy as np
import psutil
import pytest
import torch
from sklearn.base import clone

from sksubsel import (
    ArchitectureClassifier,
    ArchitectureEncoder,
    ArchitectureRegressor,
    ModelApproximator,
    ModelZoo,
    SubSelNet,
    SubsetSelector,
)
from sksubsel.baselines import CCS, CRAIG, GLISTER, GradMatch, RidgeDesign, SubsetCallback
from sksubsel.baselines.adaptive import (
    CRAIGStrategy,
    GLISTERStrategy,
    GradMatchStrategy,
    InfoBatchStrategy,
    MILOStrategy,
    RS2Strategy,
    WarmUpStrategy,
)
from sksubsel.benchmark import Meter, compare
from sksubsel.networks.proxy import build_proxy
from sksubsel.search import DARTSSearch

DEVICE = os.environ.get("SKSUBSEL_TEST_DEVICE", "cuda")
CUDA = torch.device(DEVICE).type == "cuda"
pytestmark = [
    pytest.mark.skipif(
        CUDA and not torch.cuda.is_available(), reason="torch sees no CUDA device here"
    ),
    # A worker's first use of the device takes longer than joblib thinks right.
    pytest.mark.filterwarnings("ignore:A worker stopped while some jobs:UserWarning"),
]


def on_device(module):
    found = {tensor.device.type for tensor in module.state_dict().values()}
    return found == {torch.device(DEVICE).type}


@pytest.fixture
def computed_there():
    """A function that says whether the device has computed since the test began."""
    if not CUDA:
        return lambda: True
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    return lambda: torch.cuda.max_memory_allocated() > before


@pytest.fixture(scope="module")
def zoo(tiny):
    """The zoo of `tiny`, trained on the device, two at a time."""
    zoo = ModelZoo(clone(tiny.recipe), device=DEVICE, n_jobs=2, random_state=0)
    return zoo.fit(tiny.archs, tiny.X, tiny.y)


@pytest.fixture(scope="module")
def nets(tiny, zoo):
    parts = {
        "encoder": ArchitectureEncoder(max_epochs=2, device=DEVICE),
        "approximator": ModelApproximator(max_epochs=2, early_stopping=False, device=DEVICE),
    }
    return {
        (mode, diversity): SubSelNet(
            mode=mode, diversity=diversity, budget=0.2, device=DEVICE, random_state=0, **parts
        ).fit(tiny.archs, zoo)
        for mode, diversity in (
            ("transductive", "design"),
            ("inductive", "design"),
            ("inductive", "entropy"),
            ("hybrid", "coverage"),
        )
    }


def test_zoo(tiny, zoo):
    proba = zoo.predictions_
    assert np.isfinite(proba).all()
    np.testing.assert_allclose(proba.sum(-1), 1, atol=1e-2)
    assert zoo.estimator_.device == DEVICE

    def apart(others):
        return np.abs(proba.astype(np.float32) - others).mean()

    others = ModelZoo(clone(tiny.recipe), random_state=1).fit(tiny.archs, tiny.X, tiny.y)
    # the same networks, from the same weights and batches
    assert apart(tiny.zoo.predictions_) < 5e-3 < apart(others.predictions_)


def test_nets_select_for_an_unseen_architecture(tiny, nets):
    for key, net in nets.items():
        assert on_device(net.encoder_.module_), key
        assert on_device(net.approximator_.module_), key
        first, again = net.select(tiny.unseen[0]), net.select(tiny.unseen[0])
        np.testing.assert_array_equal(first, again, err_msg=str(key))
        assert len(np.unique(first)) == 30, key
        proba = net.predict_proba(tiny.unseen[0])
        assert isinstance(proba, np.ndarray), key
        assert np.isfinite(proba).all(), key


def test_a_saved_net_selects_the_same_on_the_cpu(tiny, nets, tmp_path):
    for k, (key, net) in enumerate(nets.items()):
        net.save(tmp_path / str(k))
        rows = net.select(tiny.unseen[0])
        here = SubSelNet.load(tmp_path / str(k), device="cpu")
        assert {t.device.type for t in here.encoder_.module_.state_dict().values()} == {"cpu"}
        common = np.intersect1d(here.select(tiny.unseen[0]), rows)
        assert len(common) >= 0.9 * len(rows), key
        there = SubSelNet.load(tmp_path / str(k))  # where it was fitted
        np.testing.assert_array_equal(there.select(tiny.unseen[0]), rows, err_msg=str(key))


def test_joblib(tiny, nets, tmp_path):
    net = nets["inductive", "entropy"]
    joblib.dump(net, tmp_path / "net.joblib")
    there = joblib.load(tmp_path / "net.joblib")
    np.testing.assert_array_equal(there.select(tiny.unseen[0]), net.select(tiny.unseen[0]))


def test_selections_of_two_processes(tiny, nets):
    net = nets["inductive", "design"]
    rows = joblib.Parallel(n_jobs=2)(joblib.delayed(net.select)(arch) for arch in tiny.unseen)
    for arch, found in zip(tiny.unseen, rows):
        np.testing.assert_array_equal(found, net.select(arch))


def test_same_seed_same_network(tiny):
    model = clone(tiny.recipe).set_params(
        architecture=tiny.archs[0], device=DEVICE, random_state=0, batch_size=50, max_epochs=1
    )
    first, again = (clone(model).fit(tiny.X, tiny.y) for _ in range(2))
    assert on_device(first.module_)
    np.testing.assert_allclose(first.predict_proba(tiny.X), again.predict_proba(tiny.X), atol=1e-3)


def test_generators_are_left_alone(tiny, zoo):
    def states():
        there = [torch.cuda.get_rng_state()] if CUDA else []
        _, key, place, *_ = np.random.get_state()
        return [torch.get_rng_state(), *there, torch.from_numpy(np.append(key, place))]

    before = states()
    SubSelNet(
        mode="inductive", diversity="entropy", budget=0.2, device=DEVICE, random_state=0,
        encoder=ArchitectureEncoder(max_epochs=1, device=DEVICE),
        approximator=ModelApproximator(max_epochs=1, early_stopping=False, device=DEVICE),
    ).fit(tiny.archs, zoo).select(tiny.unseen[0])  # fmt: skip
    assert all(torch.equal(now, then) for now, then in zip(states(), before))


def test_mixed_precision(tiny):
    dtypes = set()

    def build(architecture, in_shape, n_outputs):
        module = build_proxy(architecture, in_shape, n_outputs)
        inner = next(part for part in module.modules() if isinstance(part, torch.nn.Conv2d))
        inner.register_forward_hook(lambda *call: dtypes.add((module.training, call[-1].dtype)))
        return module

    model = ArchitectureClassifier(
        build=build, device=DEVICE, random_state=0, max_epochs=30, mixed_precision=True
    ).fit(tiny.X, tiny.y)
    assert ((True, torch.float16) in dtypes) == CUDA
    assert model.predict_proba(tiny.X).dtype == np.float32
    assert model.score(tiny.X, tiny.y) > 0.9


def test_early_stopping_class_weight_and_soft_targets(tiny, zoo):
    model = clone(tiny.recipe).set_params(
        architecture=tiny.archs[0], device=DEVICE, random_state=0, early_stopping=True,
        class_weight="balanced", stratify_batches=True,
    )  # fmt: skip
    model.fit(tiny.X, tiny.y, sample_weight=np.linspace(1, 2, len(tiny.y)))
    assert np.isfinite([row["valid_loss"] for row in model.history_]).all()
    assert on_device(model.module_)
    rows = np.arange(0, 100)
    targets = zoo.predictions_.mean(0)[rows].astype(np.float32)
    model = zoo.train(tiny.unseen[0], rows, targets / targets.sum(1, keepdims=True))
    assert on_device(model.module_)


def test_subsets_in_turns(tiny, zoo, nets):
    rows = nets["inductive", "design"].select_disjoint(tiny.unseen[0], 2)
    assert rows.shape == (2, 30)
    model = zoo.train(tiny.unseen[0], rows)
    assert on_device(model.module_)
    assert [row["n_train"] for row in model.history_] == [30, 30]


def test_regressor(tiny):
    recipe = ArchitectureRegressor(
        build=tiny.space.build, architecture=tiny.archs[0], max_epochs=2, device=DEVICE
    )
    recipe.fit(tiny.X, tiny.y.astype(np.float64))
    assert on_device(recipe.module_)
    assert np.isfinite(recipe.predict(tiny.X)).all()


@pytest.mark.parametrize(
    "strategy",
    [
        CRAIGStrategy(), GLISTERStrategy(), GradMatchStrategy(), InfoBatchStrategy(),
        MILOStrategy(), RS2Strategy(), WarmUpStrategy(),
    ],
    ids=lambda strategy: type(strategy).__name__,
)  # fmt: skip
def test_adaptive(strategy, tiny):
    warm_start = {"warm_start": 1} if isinstance(strategy, WarmUpStrategy) else {"every": 1}
    callback = SubsetCallback(strategy, budget=0.4, random_state=0, **warm_start)
    model = ArchitectureClassifier(
        build=tiny.space.build, architecture=tiny.archs[0], max_epochs=3, batch_size=16,
        device=DEVICE, callbacks=[callback], random_state=0,
    ).fit(tiny.X, tiny.y)  # fmt: skip
    assert on_device(model.module_)
    assert np.isfinite([row["train_loss"] for row in model.history_]).all()


@pytest.mark.parametrize("selector", [CCS, CRAIG, GLISTER, GradMatch, RidgeDesign])
def test_baselines_by_an_estimator_there(selector, tiny, computed_there):
    estimator = ArchitectureClassifier(build=build_proxy, max_epochs=2, device=DEVICE)
    params = {"estimator": estimator} if "estimator" in selector().get_params() else {}
    fitted = selector(budget=0.2, random_state=0, **params).fit(tiny.X, tiny.y)
    assert len(np.unique(fitted.sample_indices_)) == 30
    assert computed_there() or not params


def test_comparison(tiny, zoo, nets):
    table = compare(
        {"net": nets["inductive", "design"]}, tiny.unseen, zoo, tiny.X_test, tiny.y_test,
        budgets=(0.2,), seeds=(0,), soft_targets=("net",), n_jobs=2,
    )  # fmt: skip
    assert len(table) == 2 + 2 * 2
    name = torch.cuda.get_device_name(DEVICE) if CUDA else DEVICE
    assert table.machine.str.endswith(name).all()


def test_meter_waits_for_the_device_and_counts_its_memory():
    def work(block, n_times):
        for _ in range(n_times):
            block = block @ block / block.shape[-1]  # ones again
        return block

    block = torch.ones((64, 2048, 2048) if CUDA else (1, 256, 256), device=DEVICE)  # 1 GiB there
    work(block, 1)
    host = psutil.Process().memory_info().rss
    with Meter(DEVICE, interval=0.01) as nothing:
        pass
    with Meter(DEVICE, interval=0.01) as meter:
        block = work(block, 20)
    start = time.perf_counter()
    assert (block == 1).all()  # reading it waits for all that was asked for
    waited = time.perf_counter() - start
    assert meter.seconds > max(waited, nothing.seconds)
    if CUDA:
        assert meter.gb_minutes * 60 / meter.seconds > 0.95 * (host + block.nbytes) / 1e9


def test_supernet(tiny, computed_there):
    found = DARTSSearch(
        max_epochs=1, device=DEVICE, random_state=0, stem_channels=4, n_layers=3, batch_size=32
    ).fit(tiny.X, tiny.y)
    assert found.best_architecture_.space == "darts"
    assert computed_there()


def test_selector_apart(tiny, computed_there):
    selector = SubsetSelector(
        mode="hybrid", budget=0.2, diversity="entropy", device=DEVICE, random_state=0
    ).fit(tiny.seen_predictions, tiny.zoo)
    rows = selector.transform(tiny.predictions)
    assert [len(np.unique(some)) for some in rows] == [30] * len(tiny.unseen)
    assert computed_there()
