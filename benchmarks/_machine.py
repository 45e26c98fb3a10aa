"""What a measurement was taken on: the line that every benchmark prints first."""

from __future__ import annotations

import datetime
import os
import pathlib
import platform


def cpu_name() -> str:
    """Model of the processor, as the operating system names it."""
    info = pathlib.Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def n_cores() -> int:
    """Number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_gib() -> float | None:
    """Physical memory, or None where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (AttributeError, ValueError, OSError):
        return None


def describe(*, torch: bool = True) -> str:
    """One line: date, processor, cores, memory, and versions; torch's GPU if it sees one."""
    parts = [datetime.date.today().isoformat(), f"{cpu_name()}, {n_cores()} cores"]
    memory = memory_gib()
    if memory is not None:
        parts.append(f"{memory:.0f} GiB")
    parts.append(
        f"load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else platform.system()
    )
    parts.append(f"Python {platform.python_version()}")
    if torch:
        import torch as torch_module

        parts.append(f"torch {torch_module.__version__} ({torch_module.get_num_threads()} threads)")
        if torch_module.cuda.is_available():
            parts.append(torch_module.cuda.get_device_name())
    return " | ".join(parts)


if __name__ == "__main__":
    print(describe())
