"""Tasks side by side by joblib, taken as they finish, and lines that tell how far they are."""

from __future__ import annotations

import os
import sys
import time
import warnings
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing

from joblib import Parallel, delayed, effective_n_jobs
from tqdm import tqdm

from sksubsel._clusters import MAX_RETRIES, WorkerDiedError, WorkerDiedWarning, cluster_of

__all__ = [
    "Progress", "WorkerDiedError", "WorkerDiedWarning", "on_cluster", "run_tasks",
    "threads_of_each",
]  # fmt: skip


def on_cluster(n_jobs) -> bool:
    """Whether tasks leave this machine."""
    return cluster_of(n_jobs) is not None


def threads_of_each(n_jobs, n_tasks=None):
    """Threads for each of the tasks side by side: a share of this machine's cores.

    None, for as many as there are, where there is but one task at a time, and on a cluster, whose
    workers have their number from their environment (Dask and Ray set ``OMP_NUM_THREADS``).
    """
    if cluster_of(n_jobs) is not None:
        return None
    n_workers = effective_n_jobs(n_jobs)
    if n_tasks is not None:
        n_workers = min(n_workers, max(1, n_tasks))
    return None if n_workers == 1 else max(1, (os.cpu_count() or 1) // n_workers)


def run_tasks(jobs, n_jobs, shared=(), on_lost=None):
    """Results of tasks as they are finished, where the backend can tell.

    Parameters
    ----------
    jobs : iterable of joblib's delayed calls
    n_jobs : int or None
    shared : sequence of objects
        Sent to a cluster once, in place of with each task that has them somewhere in its
        arguments. To workers on this machine joblib shows the large arrays as one file.
    on_lost : callable or None
        ``on_lost(*args, error=)`` of a task of which a cluster's workers die again and again
        gives its result; None raises the error.

    Raises
    ------
    WorkerDiedError
        If workers die again and again. One that dies once loses what it was doing, which is done
        again; so do, on this machine, those beside it.

    Warns
    -----
    WorkerDiedWarning
        If a worker of this machine died; Dask and Ray tell of theirs.
    """
    cluster = cluster_of(n_jobs)
    if cluster is not None:
        yield from cluster.run(jobs, shared, on_lost)
    elif effective_n_jobs(n_jobs) == 1:
        for function, args, kwargs in jobs:
            yield function(*args, **kwargs)
    else:
        yield from _beside_one_another(jobs, n_jobs)


def _beside_one_another(jobs, n_jobs):
    """Results by joblib, whose pool of processes dies with the first of them."""
    left, n_losses = dict(enumerate(jobs)), 0
    while left:
        placed = [delayed(_placed)(place, *job) for place, job in left.items()]
        try:
            with closing(_results(placed, n_jobs)) as results:
                for place, result in results:
                    del left[place]
                    n_losses = 0
                    yield result
        except BrokenProcessPool as error:
            n_losses += 1
            if n_losses > MAX_RETRIES:
                raise WorkerDiedError(
                    f"a worker died {n_losses} times before a task was finished (out of memory, "
                    "if nothing killed it; fewer n_jobs need less)"
                ) from error
            warnings.warn(
                "a worker died (out of memory, if nothing killed it); what the workers were doing "
                "is done again",
                WorkerDiedWarning,
                stacklevel=2,
            )


def _placed(place, function, args, kwargs):
    return place, function(*args, **kwargs)


def _results(jobs, n_jobs):
    try:
        results = Parallel(n_jobs=n_jobs, return_as="generator_unordered")(jobs)
    except (ValueError, NotImplementedError):  # some backends only return the whole
        yield from Parallel(n_jobs=n_jobs)(jobs)
        return
    try:
        for result in results:  # noqa: UP028 (`yield from` would close it before the filter)
            yield result
    finally:
        with warnings.catch_warnings():  # that tasks under way are cancelled is what is wanted
            warnings.simplefilter("ignore")
            results.close()


class Progress:
    """How far tasks are: a bar on a terminal, elsewhere a line on stderr for each finished task.

    A context in which the bar ends with the work, finished or not.

    Parameters
    ----------
    title, unit : str
        ``title: 3/10 unit, ...``
    n_tasks : int
    verbose : int
        0 says nothing.
    """

    def __init__(self, title, unit, n_tasks, verbose):
        self.title, self.unit, self.n_tasks, self.verbose = title, unit, n_tasks, verbose
        self.n_done, self.start = 0, time.perf_counter()
        self._bar = None
        if verbose and n_tasks and sys.stderr.isatty():
            self._bar = tqdm(
                total=n_tasks, desc=title, file=sys.stderr, dynamic_ncols=True,
                bar_format="{desc}: {n_fmt}/{total_fmt} " + unit
                + " |{bar}| {elapsed} elapsed, about {remaining} remain",
            )  # fmt: skip

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """End the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def say(self, text):
        if self.verbose:
            write = print if self._bar is None else self._bar.write
            write(f"{self.title}: {text}", file=sys.stderr)
            sys.stderr.flush()

    def step(self, n_tasks=1):
        """So many more are done."""
        self.n_done += n_tasks
        if self._bar is not None:
            self._bar.total = self.n_tasks
            self._bar.update(n_tasks)
            return
        elapsed = time.perf_counter() - self.start
        remaining = elapsed / self.n_done * (self.n_tasks - self.n_done)
        self.say(
            f"{self.n_done}/{self.n_tasks} {self.unit}, {elapsed:.0f} s elapsed, about "
            f"{remaining:.0f} s remain"
        )
