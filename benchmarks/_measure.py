"""Sides that take turns: median seconds, and the memory that each needs at its peak."""

from __future__ import annotations

import ctypes
import gc
import statistics
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_INTERVAL = 0.002  # seconds between two readings where the system keeps no high-water mark
_OWN_INTERVAL = 0.02  # of the memory that is not mapped, of which none is kept anywhere


class Measured(NamedTuple):
    """What `in_turn` has found of one side."""

    seconds: float
    """Median over the repeats."""
    least: float
    most: float
    peak: float
    """MB (1e6 bytes) at the peak, above what the process held before; the largest repeat's."""
    total: float
    """MB that the whole process held at that peak."""
    own: float
    """MB of the process's own at its peak: without the resident pages of mapped files, which the
    system takes back when it needs them. Read every 20 ms; NaN but on Linux."""
    result: Any
    """What the last repeat returned."""


class Timed(NamedTuple):
    """What a side returns to give a figure of its own in place of the seconds that it took."""

    seconds: float
    result: Any = None


class Peak:
    """Largest resident memory of this process within a ``with`` block, in MB.

    Linux keeps a high-water mark, which is set back on entry; elsewhere psutil is asked again and
    again. Pages of memory-mapped files count while they are resident. NaN where neither is there.

    Attributes
    ----------
    above, total, own : float
        Above what was held on entry; in all; and without pages of mapped files.
    """

    def __enter__(self):
        gc.collect()
        _give_back()
        self._sampler = None
        if _reset_high_water():
            self._before = _status("VmRSS")
        else:
            self._sampler = _Sampler(_resident, _INTERVAL)
            self._before = self._sampler.read()
            self._sampler.start()
        self._own = _Sampler(_own, _OWN_INTERVAL)
        self._own.start()
        return self

    def __exit__(self, *_):
        peak = _status("VmHWM") if self._sampler is None else self._sampler.finish()
        self.total = peak / 1e6
        self.above = max(0.0, peak - self._before) / 1e6
        self.own = self._own.finish() / 1e6


def in_turn(sides, repeats: int, *, warm_up: bool = True) -> dict[str, Measured]:
    """Measure functions one after another, again and again, so that a busy moment hits all.

    Parameters
    ----------
    sides : dict of str to callable
        Without arguments. A `Timed` that one returns has the seconds that count.
    repeats : int
    warm_up : bool, default=True
        Run each once before, uncounted.
    """
    seconds: dict[str, list] = {name: [] for name in sides}
    peaks: dict[str, list] = {name: [] for name in sides}
    results: dict[str, Any] = {}
    for repeat in range(-warm_up, repeats):
        for name, function in sides.items():
            results.pop(name, None)  # what it returned last is not held beside the next
            with Peak() as peak:
                start = time.perf_counter()
                result = function()
                elapsed = time.perf_counter() - start
            if isinstance(result, Timed):
                elapsed, result = result
            results[name] = result
            if repeat >= 0:
                seconds[name].append(elapsed)
                peaks[name].append((peak.above, peak.total, peak.own))
    return {
        name: Measured(
            statistics.median(values),
            min(values),
            max(values),
            *(max(parts) for parts in zip(*peaks[name])),
            results[name],
        )
        for name, values in seconds.items()
    }


def once(function) -> Measured:
    """One run of one side, with no warm-up."""
    return in_turn({"": function}, 1, warm_up=False)[""]


@contextmanager
def seconds_of(times: list):
    """Append to a list the seconds that a block takes."""
    start = time.perf_counter()
    yield
    times.append(time.perf_counter() - start)


def available_bytes() -> float:
    """Memory that can still be taken without swapping; infinity where the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return float("inf")
    found = [line.split()[1] for line in lines if line.startswith("MemAvailable")]
    return 1024.0 * int(found[0]) if found else float("inf")


def _reset_high_water() -> bool:
    try:
        _CLEAR.write_text("5")
    except OSError:
        return False
    return True


def _status(name: str) -> float:
    """Bytes that a line of /proc/self/status tells."""
    for line in _STATUS.read_text().splitlines():
        if line.startswith(name + ":"):
            return 1024.0 * int(line.split()[1])
    return float("nan")


def _give_back() -> None:
    """Return freed memory to the system, so that a later run does not find it there (glibc)."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):
        return


def _own() -> float:
    return _status("RssAnon") if _STATUS.exists() else float("nan")


def _resident() -> float:
    try:
        import psutil
    except ImportError:
        return float("nan")
    return float(psutil.Process().memory_info().rss)


class _Sampler:
    """Largest of what a function reads, again and again, in a thread of its own."""

    def __init__(self, read, interval):
        self.read, self._interval = read, interval
        self._largest = read()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def start(self):
        if self._largest == self._largest:
            self._thread.start()

    def finish(self) -> float:
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()
        return max(self._largest, self.read())

    def _follow(self):
        while not self._stop.wait(self._interval):
            self._largest = max(self._largest, self.read())
