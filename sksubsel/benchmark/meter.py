"""What a piece of work costs: seconds, memory over time, energy where the machine tells."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import torch

from sksubsel.metrics import gb_minutes

__all__ = ["Meter"]

_POWERCAP = Path("/sys/class/powercap")
_NAN = float("nan")


class Meter:
    """Measures what is done inside a ``with`` block.

    Parameters
    ----------
    device : str, default="cpu"
        For "cuda", the memory that torch holds there is added to that of the process, and the
        time is until the device has finished.
    interval : float, default=0.05
        Seconds between two readings of the memory.

    Attributes
    ----------
    seconds : float
    gb_minutes : float
        Memory integrated over the time, in 10^9 bytes x 60 s; NaN without psutil (an extra).
    energy : float
        Joules that the processor packages used meanwhile, whoever used them; NaN where the system
        has no counters or does not let them be read (Linux: ``/sys/class/powercap``).

    Examples
    --------
    >>> from sksubsel.benchmark import Meter
    >>> with Meter() as meter:
    ...     total = sum(range(1000))
    >>> meter.seconds > 0
    True
    """

    def __init__(self, device: str | torch.device = "cpu", *, interval: float = 0.05):
        self.device, self.interval = device, interval
        self.seconds = self.gb_minutes = self.energy = _NAN

    def __add__(self, other):
        """What both took."""
        total = Meter(self.device)
        for name in ("seconds", "gb_minutes", "energy"):
            setattr(total, name, getattr(self, name) + getattr(other, name))
        return total

    def __enter__(self):
        self._finish()
        self._read = _memory_reader(self.device)
        self._readings, self._stop = [], threading.Event()
        self._watch = threading.Thread(target=self._follow, daemon=True)
        self._counters = _energy_counters()
        self._before = [_read_number(counter) for counter, _ in self._counters]
        self._start = time.perf_counter()
        self._note()
        if self._read is not None:
            self._watch.start()
        return self

    def __exit__(self, *_):
        self._finish()
        self._stop.set()
        if self._read is not None:
            self._watch.join()
        self._note()
        self.seconds = time.perf_counter() - self._start
        if self._read is not None:
            times, memory = zip(*self._readings)
            self.gb_minutes = float(gb_minutes(memory, times))
        self.energy = self._joules()

    def _finish(self):
        if str(self.device).startswith("cuda"):
            torch.cuda.synchronize(self.device)

    def _note(self):
        if self._read is not None:
            self._readings.append((time.perf_counter(), self._read()))

    def _follow(self):
        while not self._stop.wait(self.interval):
            self._note()

    def _joules(self):
        total = 0.0
        for before, (counter, largest) in zip(self._before, self._counters):
            after = _read_number(counter)
            if before is None or after is None:
                return _NAN
            total += (after - before) % (largest + 1)  # counters start again at 0
        return total / 1e6 if self._counters else _NAN


def _memory_reader(device):
    """A function that gives bytes held now, or None."""
    try:
        import psutil
    except ImportError:
        return None
    process = psutil.Process()
    if str(device).startswith("cuda"):
        return lambda: process.memory_info().rss + torch.cuda.memory_allocated(device)
    return lambda: process.memory_info().rss


def _energy_counters(folder=_POWERCAP):
    """Files with microjoules, one a processor package, and where each starts again."""
    found = []
    for package in sorted(folder.glob("*-rapl:?")):  # their parts are named *-rapl:0:1
        largest = _read_number(package / "max_energy_range_uj")
        if largest and _read_number(package / "energy_uj") is not None:
            found.append((package / "energy_uj", largest))
    return found


def _read_number(path):
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
