"""What torch keeps for the whole process: its generators and its number of threads.

Blocks of several threads wait for one another. Within a block of a thread, others may be opened.
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager, nullcontext

import torch
from joblib import parallel_config
from joblib.parallel import get_active_backend

__all__ = ["forked_rng", "seeded", "torch_threads"]

_TURN = threading.RLock()


def _renew():
    global _TURN
    _TURN = threading.RLock()  # a forked process lacks the thread whose turn it may have been


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_renew)


@contextmanager
def _in_turn():
    """Let other threads wait; joblib's backend of threads starts none within, which would, too."""
    backend, _ = get_active_backend()
    has_threads = getattr(backend, "uses_threads", False)
    with _TURN, parallel_config("sequential") if has_threads else nullcontext():
        yield


@contextmanager
def forked_rng(device="cpu"):
    """Put the generators of the CPU and of a CUDA device back after the block."""
    device = torch.device(device)
    with _in_turn(), torch.random.fork_rng([device] if device.type == "cuda" else []):
        yield


@contextmanager
def seeded(seed, device="cpu"):
    """Let the generators of the CPU and of a device start from a seed; then put them back.

    Of a device that is neither CPU nor CUDA, torch's own seeding is not put back.

    `torch.manual_seed` would seed those of all other devices too, which nobody puts back, and where
    these are not in use note the call stack each time, which takes milliseconds.
    """
    device = torch.device(device)
    with forked_rng(device):
        if device.type not in ("cpu", "cuda"):
            torch.manual_seed(seed)
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield


@contextmanager
def torch_threads(n_threads, alone=True):
    """Let torch use so many threads for a while; None changes nothing.

    Not `alone` around what is of others, who may wait within it for threads of their own.
    """
    with _in_turn() if alone else nullcontext():
        before = torch.get_num_threads()
        if n_threads is not None:
            torch.set_num_threads(n_threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)
