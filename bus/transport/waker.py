"""Wakes a thread that sleeps in a poll, from any other thread, without touching its ZeroMQ sockets."""

from __future__ import annotations

import os
import socket


class Waker:
    """A descriptor that becomes readable by `wake` and quiet again by `clear`."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    def fileno(self) -> int:
        return self._reader.fileno()

    def wake(self) -> None:
        """Make the descriptor readable; harmless when it is already, or when it is closed."""
        try:
            self._writer.send(b"\0")
        except OSError:
            return  # full: a wake-up is waiting already; closed: nobody is left to wake

    def clear(self) -> None:
        """Take all waiting wake-ups."""
        try:
            while len(os.read(self._reader.fileno(), 4096)) == 4096:
                pass
        except BlockingIOError:
            return

    def close(self) -> None:
        self._reader.close()
        self._writer.close()
