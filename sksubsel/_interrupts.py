"""Ctrl-C in trainings of libraries that catch it."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager

__all__ = ["interrupts_raised"]


@contextmanager
def interrupts_raised():
    """Raise KeyboardInterrupt at the end if there was one meanwhile, even if it has been caught.

    A skorch net and a network of scikit-learn take it for a wish to end the training early, and
    what is trained by half would be kept as if it were whole. skorch's callbacks, such as early
    stopping, raise the same exception for just that, so that only the signal tells them apart. It
    is of the main thread alone, as KeyboardInterrupt is. A handler that is set meanwhile stays, and
    is not watched.
    """
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield
        return
    came = False

    def note(signum, frame):
        nonlocal came
        try:
            handler(signum, frame)
        except KeyboardInterrupt:
            came = True
            raise

    try:
        signal.signal(signal.SIGINT, note)
        yield
    except Exception as error:
        if came:  # what was made of it, such as a warning that is an error
            raise KeyboardInterrupt from error
        raise
    finally:
        if signal.getsignal(signal.SIGINT) is note:
            signal.signal(signal.SIGINT, handler)
    if came:
        raise KeyboardInterrupt
