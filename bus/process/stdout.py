"""Standard output that is closed, full, or whose reader has gone: no reason for a traceback."""

from __future__ import annotations

import atexit
import errno
import os
import sys
from typing import TextIO

_forgiven = False


def open_stdout() -> None:
    """Where it was closed before the program began, what is printed goes nowhere."""
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115 - for the life of the program


def prepare_streams() -> None:
    """Prepare stdout and stderr: characters they cannot encode are escaped, and a closed one is replaced."""
    open_stdout()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def give_up_stdout() -> None:
    """After an error: what is still to be written goes nowhere, or the interpreter complains of it at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def settle_stdout() -> None:
    """At the end: what is still to be written is written, or goes nowhere."""
    try:
        sys.stdout.flush()
    except OSError:
        give_up_stdout()


def forgive_stdout() -> None:
    """After an error that is no reason to end. What was not written is tried again with the next line.

    What is left of it at the end goes nowhere: the interpreter would complain, and end with its own status.
    """
    global _forgiven
    if not _forgiven:
        _forgiven = True
        atexit.register(settle_stdout)


def flush_at_end(stream: TextIO | None) -> OSError | None:
    """Flush; the error that the program's status should tell: not of a reader or a terminal that is gone."""
    if stream is None or stream.closed:
        return None
    try:
        stream.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return None if _forgiven or error.errno in (errno.EPIPE, errno.EIO) else error
    return None
