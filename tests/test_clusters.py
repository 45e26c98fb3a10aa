"""Trainings on Dask and on Ray, each with two real worker processes, and on loky's."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import joblib
import numpy as np
import pandas as pd
import pytest

from sksubsel import ArchitectureClassifier, _clusters, _parallel
from sksubsel.baselines import EL2N, Random
from sksubsel.benchmark import compare
from sksubsel.benchmark.records import read
from sksubsel.search import rank
from sksubsel.zoo import TrainingFailedWarning, WorkerDiedError, WorkerDiedWarning

FOLDER = str(Path(__file__).parent)


@pytest.fixture(scope="module")
def tasks():
    """The module that workers import, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
        import cluster_tasks

        yield cluster_tasks
    del sys.modules["cluster_tasks"]


@contextmanager
def dask_cluster():
    distributed = pytest.importorskip("distributed")
    import dask

    # every two seconds it drops copies that no waiting task needs, which are then sent again
    in_peace = dask.config.set({"distributed.scheduler.active-memory-manager.start": False})
    with (
        in_peace,
        distributed.LocalCluster(
            processes=True, n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as local,
        distributed.Client(local) as client,
    ):
        yield SimpleNamespace(
            name="dask", client=client, few_retries={},
            few=lambda patch: patch.setattr(local.scheduler, "allowed_failures", 0),
            connect=f"from distributed import Client; Client({local.scheduler_address!r})",
        )  # fmt: skip


@contextmanager
def ray_cluster():
    ray = pytest.importorskip("ray")
    from ray.util.joblib import register_ray

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")
        context = ray.init(
            num_cpus=2, include_dashboard=False, log_to_driver=False,
            # workers of one driver stay while those of another are there: they have imported torch
            _system_config={"num_workers_soft_limit": 6},
        )  # fmt: skip
        register_ray()
        address = context.address_info["address"]
        try:
            yield SimpleNamespace(
                name="ray", few_retries={"ray_remote_args": {"max_retries": 0}},
                few=lambda patch: None,
                connect=f"import ray; ray.init({address!r}, log_to_driver=False); "
                "from ray.util.joblib import register_ray; register_ray()",
            )  # fmt: skip
        finally:
            ray.shutdown()


@pytest.fixture(scope="module", params=[dask_cluster, ray_cluster], ids=["dask", "ray"])
def cluster(request, tasks):
    with request.param() as made:
        yield made


@pytest.fixture
def on(cluster):
    """The cluster as joblib's backend."""
    with joblib.parallel_config(cluster.name, n_jobs=-1):
        yield cluster


@pytest.fixture(scope="module")
def serial(tasks, tmp_path_factory):
    return tasks.fit(tasks.SPACE.build)


def same(zoo, serial):
    np.testing.assert_array_equal(zoo.predictions_, serial.predictions_)
    np.testing.assert_array_equal(zoo.accuracies_, serial.accuracies_)
    assert zoo.trained_.tolist() == serial.trained_.tolist()


def test_same_bits_from_data_sent_once(on, tasks, serial, tmp_path, monkeypatch):
    sizes, dumps = [], _clusters._dumps
    monkeypatch.setattr(
        _clusters, "_dumps", lambda *args: sizes.append(len(task := dumps(*args))) or task
    )
    build = tasks.Build(tmp_path)
    same(tasks.fit(build), serial)
    assert len(sizes) == 6 and max(sizes) < 4000 < tasks.data()[0].nbytes / 6
    here = len(list(tmp_path.glob(f"pickled.{os.getpid()}-*")))
    assert here == 1, "what is shared must be pickled once"
    built = {path.name.split(".")[1].split("-")[0] for path in tmp_path.glob("[0-9a-f]*.*")}
    assert built and str(os.getpid()) not in built, "workers train, and they alone"
    if on.name == "dask":  # where a worker keeps it
        assert build.count("unpickled") <= 2


def test_a_training_that_fails_ends_the_fit(on, tasks, tmp_path):
    with pytest.raises(RuntimeError, match="could not be trained: TypeError"):
        tasks.fit(len)
    same_again = tasks.fit(tasks.Build(tmp_path), tasks.ARCHS[:2])
    assert len(same_again) == 2, "the cluster must be left as it was found"


def test_a_killed_driver_resumes_from_the_store(cluster, tasks, serial, tmp_path):
    log, store = tmp_path / "log", tmp_path / "store"
    log.mkdir()
    build = tasks.Build(log, waiting=tasks.KEYS[2:])
    run = f"""
import joblib, cluster_tasks
{cluster.connect}
with joblib.parallel_config({cluster.name!r}, n_jobs=-1):
    build = cluster_tasks.Build({str(log)!r}, waiting=cluster_tasks.KEYS[2:])
    cluster_tasks.fit(build, store={str(store)!r})
"""
    driver = subprocess.Popen([sys.executable, "-c", run])
    try:
        deadline = time.monotonic() + 300
        while len(list(store.glob("*.npz"))) < 2:
            assert driver.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        driver.send_signal(signal.SIGKILL)
        driver.wait()
        (log / "go").touch()
    assert driver.returncode == -signal.SIGKILL
    with joblib.parallel_config(cluster.name, n_jobs=-1):
        zoo = tasks.fit(build, store=store)
    same(zoo, serial)
    assert [build.count(key) for key in tasks.KEYS[:2]] == [1, 1]
    assert {path.stem for path in store.glob("*.npz")} == set(tasks.KEYS)


def test_compare_gives_the_same_table(on, tasks, serial, tmp_path):
    def run(**params):
        X, y = tasks.data()
        return compare(
            {"random": Random(), "EL2N": EL2N(max_epochs=1)}, tasks.ARCHS[:2], serial, X, y,
            budgets=(20, 0.5), seeds=(0,), **params,
        )  # fmt: skip

    records_file = tmp_path / "records.jsonl"
    table = run(n_jobs=-1, records_file=records_file)
    with joblib.parallel_config("loky"):
        expected = run(n_jobs=1)
    times = ["speedup", "setup_time", "selection_time", "training_time", "gb_minutes", "energy"]
    pd.testing.assert_frame_equal(table.drop(columns=times), expected.drop(columns=times))
    assert table.energy.isna().all(), "others use the same machine"
    assert len(read(records_file)) == len(table)
    pd.testing.assert_frame_equal(run(n_jobs=-1, records_file=records_file), table)


def test_a_ranking_is_the_same(on, tasks, tmp_path):
    X, y = tasks.data()
    recipe = ArchitectureClassifier(build=tasks.SPACE.build, max_epochs=1)

    def run(**params):
        return rank(
            tasks.ARCHS[:3], Random(), X[:80], y[:80], validation=(X[80:], y[80:]), budget=20,
            estimator=recipe, **params,
        )  # fmt: skip

    table = run(n_jobs=-1, records_file=tmp_path / "rank.jsonl")
    assert len(read(tmp_path / "rank.jsonl")) == 3
    times = [name for name in table if "time" in name]
    pd.testing.assert_frame_equal(table.drop(columns=times), run(n_jobs=1).drop(columns=times))


def test_a_worker_that_dies_loses_only_what_it_did(on, tasks, serial, tmp_path):
    build = tasks.Build(tmp_path, deadly={tasks.KEYS[1]: 1})
    same(tasks.fit(build), serial)
    assert build.count("*-died") == 1
    assert [build.count(key) for key in tasks.KEYS] == [1, 2, 1, 1, 1, 1]


def test_what_kills_each_worker_is_reported_and_the_rest_go_on(
    cluster, tasks, serial, tmp_path, monkeypatch
):
    cluster.few(monkeypatch)
    build = tasks.Build(tmp_path, deadly={tasks.KEYS[1]: 99})
    with (
        joblib.parallel_config(cluster.name, n_jobs=-1, **cluster.few_retries),
        pytest.warns(TrainingFailedWarning, match="1 of 6 .* WorkerDiedError: a worker died"),
    ):
        zoo = tasks.fit(build, on_error="warn")
    assert list(zoo.errors_) == [1]
    np.testing.assert_array_equal(zoo.predictions_, serial.predictions_[[0, 2, 3, 4, 5]])


def test_a_loky_worker_that_dies(tasks, serial, tmp_path):
    build = tasks.Build(tmp_path, deadly={tasks.KEYS[1]: 1})
    with pytest.warns(WorkerDiedWarning, match="done again"):
        same(tasks.fit(build, n_jobs=2), serial)
    assert build.count("*-died") == 1


def test_loky_workers_that_die_of_each_task(tasks, tmp_path, monkeypatch):
    monkeypatch.setattr(_parallel, "MAX_RETRIES", 0)
    build = tasks.Build(tmp_path, deadly=dict.fromkeys(tasks.KEYS, 99))
    with pytest.raises(WorkerDiedError, match="1 times .*out of memory"):
        tasks.fit(build, n_jobs=2)
