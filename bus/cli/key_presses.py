"""Single key presses from a terminal, read without Enter and without waiting."""

from __future__ import annotations

import contextlib
import select
import sys
import termios
import tty
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def open_keys() -> Iterator[Callable[[], str]]:
    """Yield a function that returns the keys pressed since its last call: always none when stdin is not a terminal."""
    if not sys.stdin or not sys.stdin.isatty():
        yield lambda: ""
        return
    descriptor = sys.stdin.fileno()
    former = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    try:
        yield _read_waiting
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, former)


def _read_waiting() -> str:
    pressed = ""
    while select.select([sys.stdin], [], [], 0)[0]:
        key = sys.stdin.read(1)
        if not key:
            break
        pressed += key
    return pressed
