"""Tasks side by side by joblib, taken as they finish, and lines that tell how far they are."""

from __future__ import annotations

import sys
import time
import warnings

from joblib import Parallel, effective_n_jobs

__all__ = ["Progress", "run_tasks"]


def run_tasks(jobs, n_jobs):
    """Results of joblib tasks as they are finished, where the backend can tell."""
    if effective_n_jobs(n_jobs) == 1:
        for function, args, kwargs in jobs:
            yield function(*args, **kwargs)
        return
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
    """A line on stderr for each finished task, with the time that remains.

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

    def say(self, text):
        if self.verbose:
            print(f"{self.title}: {text}", file=sys.stderr, flush=True)  # noqa: T201

    def step(self, n_tasks=1):
        """So many more are done."""
        self.n_done += n_tasks
        elapsed = time.perf_counter() - self.start
        remaining = elapsed / self.n_done * (self.n_tasks - self.n_done)
        self.say(
            f"{self.n_done}/{self.n_tasks} {self.unit}, {elapsed:.0f} s elapsed, about "
            f"{remaining:.0f} s remain"
        )
