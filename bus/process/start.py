"""The first instant of every program: Ctrl-C while it is still importing ends it without a word, as a shell expects.

And its last: the exit status is what `main` returned, whatever its threads are doing.

It imports nothing that takes time. What Ctrl-C does later is up to the program: `shutdown.on_ending`, or
`shutdown.raise_at_interrupt`.
"""

import os
from functools import partial

EX_IOERR = 74
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
    """The last thing of all. `ended` is empty where `main` has not returned.

    Two things would change the status. What cannot be written any more makes the interpreter end with 120: where the
    reader has gone, the status is the program's, and on a full disk one line tells it. And a daemon thread is unwound
    in the middle of whatever it does: where that is a library in Rust or C++ that called Python, as pydantic calls
    validators, the process aborts with 134 after work well done, so it ends here.
    """
    if not ended:
        return
    import sys
    import threading

    from quotebus.bus.process.stdout import flush_at_end

    status, error = ended[0], flush_at_end(sys.stdout)
    if error is not None:
        status = status or EX_IOERR
        print(f"{os.path.basename(sys.argv[0])}: {error.strerror}", file=sys.stderr)
    flush_at_end(sys.stderr)
    if status != ended[0] or any(thread.daemon for thread in threading.enumerate()):
        os._exit(status)


def _end_by_interrupt() -> None:
    import signal

    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGINT)
