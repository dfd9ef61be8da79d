"""The first instant of every program: Ctrl-C while it is still importing ends it without a word, as a shell expects.

It imports nothing that takes time. What Ctrl-C does later is up to the program: `shutdown.on_ending`, or
`shutdown.raise_at_interrupt`.
"""

import os

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells count: 128 and the number of SIGINT."""


def start(module: str) -> int:
    """Import a module and run its `main`; the exit status. Ctrl-C ends the process by the signal's default action."""
    try:
        import signal
        from importlib import import_module

        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not when a shell said to ignore it
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        status = int(import_module(module).main())
    except KeyboardInterrupt:
        _end_by_interrupt()
        return INTERRUPTED  # the first process of a container survives its own signal
    return status


def _end_by_interrupt() -> None:
    import signal

    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGINT)
