"""Standard output that is closed, full, or whose reader has gone: no reason for a traceback."""

from __future__ import annotations

import os
import sys


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
