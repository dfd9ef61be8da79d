"""The first instant of every program: Ctrl-C while it is still importing ends it without a word, as a shell expects.

And its last: the exit status is what `main` returned, whatever its threads are doing.

It imports nothing that takes time. What Ctrl-C does later is up to the program: `shutdown.on_ending`, or
`shutdown.raise_at_interrupt`.
"""

import os
from functools import partial

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells count: 128 and the number of SIGINT."""


def start(module: str) -> int:
    """Import a module and run its `main`; the exit status. Ctrl-C ends the process by the signal's default action."""
    ended: list[int] = []
    try:
        import atexit
        import signal
        from importlib import import_module

        atexit.register(partial(_leave, ended))  # the first that is registered is the last that is called
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not when a shell said to ignore it
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        status = int(import_module(module).main())
    except KeyboardInterrupt:
        _end_by_interrupt()
        return INTERRUPTED  # the first process of a container survives its own signal
    ended.append(status)
    return status


def _leave(ended: list[int]) -> None:
    """End here if a daemon thread still runs; `ended` is empty where `main` has not returned.

    The interpreter's own end unwinds such a thread in the middle of whatever it does, and where that is a library in
    Rust or C++ that called Python, as pydantic calls validators, the process aborts: status 134 after work well done.
    """
    import sys
    import threading

    if not ended or all(thread is threading.main_thread() or not thread.daemon for thread in threading.enumerate()):
        return
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (AttributeError, OSError, ValueError):
        return  # closed, or nobody reads: the interpreter knows what to say
    os._exit(ended[0])


def _end_by_interrupt() -> None:
    import signal

    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGINT)
