import threading

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_info, threadpool_limits

from sksubsel._blas import map_chunks, one_blas_thread
from sksubsel.features import InstanceFeatures
from sksubsel.samplers.design import DesignIndex
from sksubsel.samplers.out_of_fold import out_of_fold


def n_blas_threads():
    threads = {lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"}
    assert len(threads) == 1
    return threads.pop()


@pytest.fixture(params=[1, 2, 3])
def n_threads(request):
    with threadpool_limits(request.param, user_api="blas"):
        if n_blas_threads() != request.param:
            pytest.skip("this BLAS has no more threads")
        yield request.param


def test_one_thread_inside_and_as_many_as_before_after(n_threads):
    with one_blas_thread():
        assert n_blas_threads() == 1
        with one_blas_thread():
            assert n_blas_threads() == 1
        assert n_blas_threads() == 1
    assert n_blas_threads() == n_threads
    with pytest.raises(ZeroDivisionError), one_blas_thread():
        raise ZeroDivisionError
    assert n_blas_threads() == n_threads


def test_blocks_of_several_threads_wait_for_one_another(n_threads):
    waits, entered = threading.Event(), threading.Event()

    def other():
        waits.set()
        with one_blas_thread():
            entered.set()

    thread = threading.Thread(target=other)
    with one_blas_thread():
        thread.start()
        waits.wait(10)
        assert not entered.wait(0.05)
    thread.join(10)
    assert entered.is_set()
    assert n_blas_threads() == n_threads


def test_results_come_in_order(n_threads):
    threads = set()

    def double(chunk):
        threads.add(threading.get_ident())
        return 2 * chunk

    with one_blas_thread():
        assert list(map_chunks(double, range(20))) == list(range(0, 40, 2))
    assert (threads == {threading.get_ident()}) == (n_threads == 1)


def test_errors_of_a_chunk_are_raised(n_threads):
    with one_blas_thread(), pytest.raises(ZeroDivisionError):
        list(map_chunks(lambda chunk: 1 / chunk, [2, 1, 0, 3]))


_FIRST = {}


def test_designs_and_features_have_the_same_bits_with_any_number_of_threads(n_threads):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((6000, 90)).astype(np.float32)
    y = rng.permutation(np.arange(6000) % 4)
    proba = rng.dirichlet(np.ones(4), size=6000)
    features = InstanceFeatures(n_components=12).fit_transform(X)
    index = DesignIndex(features, y, proba=proba, n_components=192, n_sweeps=1, random_state=0)
    design = index.select(proba, 60)
    for name, array in {"features": features, **design._asdict()}.items():
        np.testing.assert_array_equal(array, _FIRST.setdefault(name, array))


def test_a_network_out_of_fold_has_one_thread(n_threads, monkeypatch):
    """And estimators of the user's own as many as there are."""
    seen = []

    class Watching(LogisticRegression):
        def fit(self, X, y):
            seen.append(n_blas_threads())
            return super().fit(X, y)

    def fit_network(X, y, *_):
        return Watching(max_iter=500).fit(X, y)

    monkeypatch.setattr("sksubsel.samplers.out_of_fold._fit_network", fit_network)
    X, y = np.random.RandomState(0).rand(60, 4).astype(np.float32), np.arange(60) % 3
    out_of_fold(X, y, 3, seed=0)
    assert seen == [1] * 3
    out_of_fold(X, y, 3, seed=0, estimator=Watching(max_iter=500))
    assert seen[3:] == [n_threads] * 3
