"""NumPy's products on one thread each, chunks of rows side by side.

What a threaded BLAS gives depends in the last bits on how many threads it has, and a greedy choice
makes other rows of other bits. So its products are made on one thread, of chunks of rows whose size
does not depend on the machine, and the chunks are what the cores share.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice

from threadpoolctl import ThreadpoolController

__all__ = ["for_chunks", "map_chunks", "one_blas_thread"]

_TURN = threading.RLock()  # a pool of threads that several limit belongs to none of them


class _State:
    """How deep the thread whose turn it is has nested its blocks, and what its first one knows."""

    depth = 0
    n_threads = 1


@contextmanager
def one_blas_thread():
    """Let BLAS have one thread within the block (or decorated function).

    That is the whole process's BLAS, so that blocks of several threads wait for one another;
    they would only share the cores. Within a block of a thread, others may be opened. Where another
    thread has limited BLAS by threadpoolctl meanwhile, its limit stays.
    """
    with _TURN:
        if _State.depth:
            yield
            return
        controller = ThreadpoolController().select(user_api="blas")
        _State.n_threads = max((library["num_threads"] for library in controller.info()), default=1)
        _State.depth = 1
        try:
            with controller.limit(limits=1):
                yield
        finally:
            _State.depth = 0


def for_chunks(function: Callable, chunks: Sequence) -> None:
    """Call a function, which returns nothing, for each of some chunks; see `map_chunks`."""
    for _ in map_chunks(function, chunks):
        pass


def map_chunks(function: Callable, chunks: Sequence) -> Iterator:
    """``map(function, chunks)``, on as many threads as BLAS had before the block.

    For functions that spend their time in NumPy. At most a few results are held that were not
    asked for yet.
    """
    n_threads = min(_State.n_threads if _State.depth else 1, len(chunks))
    if n_threads < 2:
        yield from map(function, chunks)
        return
    with ThreadPoolExecutor(n_threads) as executor:
        left = iter(chunks)
        running = [executor.submit(function, chunk) for chunk in islice(left, 2 * n_threads)]
        while running:
            yield running.pop(0).result()
            running += [executor.submit(function, chunk) for chunk in islice(left, 1)]
