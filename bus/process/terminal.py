"""Whether the terminal that a program was started in is still there.

SIGHUP has two meanings: the terminal is closed, and somebody asks a daemon for something. The kernel takes a closed
terminal away from the processes of its session; kill(1) changes nothing.
"""

from __future__ import annotations

import os


class Terminal:
    """The controlling terminal at the time this is made, if there was one."""

    def __init__(self) -> None:
        self._was_there = _is_there()

    def is_gone(self) -> bool:
        """There was one, and it has been closed. False for a program that never had one, such as a service."""
        return self._was_there and not _is_there()


def _is_there() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True
