"""Tasks on the Dask or Ray cluster that joblib's backend stands for.

They go there as the cluster's own tasks rather than through joblib: its backends pickle what is
nested in the arguments with every task, Ray's gives no result before the last one is there and
ends with the first worker that dies, and Dask's hangs or ends when data died with a worker.
"""

from __future__ import annotations

import io
import itertools
import pickle
import warnings
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from joblib.parallel import get_active_backend

try:
    import cloudpickle
except ImportError:  # joblib before 1.6 has its own copy
    from joblib.externals import cloudpickle

__all__ = ["MAX_RETRIES", "WorkerDiedError", "WorkerDiedWarning", "cluster_of"]

MAX_RETRIES = 3  # of what a worker died of, the default of Dask and of Ray


class WorkerDiedError(RuntimeError):
    """Workers died again and again, of the same task or before any was finished."""


class WorkerDiedWarning(UserWarning):
    """A worker died; what it was doing is done again."""


def cluster_of(n_jobs):
    """The cluster of the active joblib backend; None where tasks stay on this machine."""
    backend, configured = get_active_backend()
    n_jobs = configured if n_jobs is None else n_jobs
    kinds = {cls.__name__ for cls in type(backend).__mro__}
    if "DaskDistributedBackend" in kinds and n_jobs != 1:
        return _Dask(backend)
    if "RayBackend" in kinds and n_jobs not in (None, 1):  # None is 1 there
        return _Ray(backend, n_jobs)
    return None


class _Cluster(ABC):
    """What Dask and Ray have in common."""

    blames_neighbours = False  # whether a task is taken to have killed a worker it waited at
    backend: Any

    @abstractmethod
    def n_slots(self):
        """How many tasks to have there at a time."""

    @abstractmethod
    def put(self, shared):
        """Send objects to the workers."""

    @abstractmethod
    def start(self, task):
        """The future of a pickled task."""

    @abstractmethod
    def wait(self, futures):
        """One of them that has ended."""

    @abstractmethod
    def result(self, future):
        """What a task gave; raises `WorkerDiedError`."""

    @abstractmethod
    def cancel(self, futures):
        """Stop those that have not ended."""

    def run(self, jobs, shared, on_lost):
        """Results as they come; see :func:`sksubsel._parallel.run_tasks`."""
        jobs = list(jobs)
        if not jobs:
            return  # and nothing is sent
        jobs, alone = iter(jobs), False
        running: dict = {}
        suspects: list = []
        with self.backend.retrieval_context():
            try:
                self.put(shared)
                while True:
                    n_free = (1 if alone else self.n_slots()) - len(running)
                    for job in itertools.islice(jobs, max(0, n_free)):
                        running[self.start(_dumps(job, shared))] = job
                    if not running and not suspects:
                        return
                    if not running:
                        jobs, suspects, alone = iter(suspects), [], True
                        continue
                    future = self.wait(running)
                    job = running.pop(future)
                    try:
                        result = self.result(future)
                    except WorkerDiedError as error:
                        if self.blames_neighbours and not alone:
                            suspects.append(job)
                            continue
                        if on_lost is None:
                            raise
                        result = on_lost(*job[1], error=error)
                    yield result
            finally:
                self.cancel(running)


class _Dask(_Cluster):
    """Tasks of a Dask client."""

    blames_neighbours = True

    def __init__(self, backend):
        self.backend, self.client = backend, backend.client

    def n_slots(self):
        # one waits beside those that run, so that an adaptive cluster grows; not more, since
        # those that wait at a worker when it dies are blamed for it
        return 1 + sum(self.client.ncores().values())

    def put(self, shared):
        from distributed import as_completed

        self.backend.effective_n_jobs(-1)  # raises if there is no worker, nor one to come
        # A task's result, which Dask makes anew if it dies with its worker. What is scattered
        # would be lost, and with it all tasks that need it, on other workers, too: Dask removes
        # the copies of a broadcast when it likes.
        content = np.frombuffer(cloudpickle.dumps(shared), np.uint8)  # which is not copied
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sending large graph")
            self._shared = self.client.submit(_load, content, pure=False)
        self._ended = as_completed()

    def start(self, task):
        options = {**self.backend.submit_kwargs, "pure": False}
        future = self.client.submit(_run, self._shared, task, **options)
        self._ended.add(future)
        return future

    def wait(self, futures):
        return next(self._ended)

    def result(self, future):
        from distributed import KilledWorker

        try:
            return pickle.loads(future.result())
        except KilledWorker as error:
            raise WorkerDiedError(_DIED.format(error)) from error

    def cancel(self, futures):
        self.client.cancel(list(futures))


class _Ray(_Cluster):
    """Remote functions of Ray."""

    def __init__(self, backend, n_jobs):
        import ray

        if not ray.is_initialized():
            ray.init()
        self.ray, self.backend, self.n_jobs = ray, backend, n_jobs
        given = {"max_retries": MAX_RETRIES, **(getattr(backend, "ray_remote_args", None) or {})}
        self._run = ray.remote(**given)(_run)

    def n_slots(self):
        n_workers = self.backend.effective_n_jobs(self.n_jobs)
        # what is ready beside those that run makes an autoscaler start machines
        return 2 * n_workers if self.n_jobs == -1 else n_workers

    def put(self, shared):
        self._shared = self.ray.put(_Shared(shared))

    def start(self, task):
        return self._run.remote(self._shared, task)

    def wait(self, futures):
        return self.ray.wait(list(futures), num_returns=1)[0][0]

    def result(self, future):
        errors = self.ray.exceptions
        try:
            return pickle.loads(self.ray.get(future))
        except errors.RayTaskError:  # the task's own
            raise
        except errors.RayError as error:
            raise WorkerDiedError(_DIED.format(error)) from error

    def cancel(self, futures):
        for future in futures:
            self.ray.cancel(future)


_DIED = "a worker died each time that it ran this task (out of memory, if nothing killed it): {}"


class _Shared:
    """Objects in one, since Dask would take a list apart."""

    def __init__(self, objects):
        self.objects = tuple(objects)


class _Pickler(cloudpickle.CloudPickler):
    """Pickles shared objects by their place, wherever they are met."""

    def __init__(self, file, shared):
        super().__init__(file)
        self._places = {id(one): place for place, one in enumerate(shared)}

    def persistent_id(self, obj):
        return self._places.get(id(obj))


class _Unpickler(pickle.Unpickler):
    def __init__(self, file, shared):
        super().__init__(file)
        self._shared = shared

    def persistent_load(self, place):
        return self._shared[place]


def _load(content) -> _Shared:
    return _Shared(pickle.loads(content))


def _dumps(job, shared) -> bytes:
    file = io.BytesIO()
    _Pickler(file, shared).dump(job)
    return file.getvalue()


def _run(shared, task: bytes) -> bytes:
    """On a worker: the result, pickled, so that nothing of it stays in an object store."""
    function, args, kwargs = _Unpickler(io.BytesIO(task), shared.objects).load()
    return cloudpickle.dumps(function(*args, **kwargs))
