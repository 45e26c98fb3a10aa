"""What torch keeps for the whole process: its generators and its number of threads."""

from __future__ import annotations

from contextlib import contextmanager

import torch

__all__ = ["forked_rng", "seeded", "torch_threads"]


def forked_rng(device="cpu"):
    """A context after which the generators of the CPU and of a CUDA device are as before."""
    device = torch.device(device)
    return torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])


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
def torch_threads(n_threads):
    """Let torch use so many threads for a while; None changes nothing."""
    before = torch.get_num_threads()
    if n_threads is not None:
        torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
