"""How much must have come on a connection before the thread that reads it is woken.

ZeroMQ's I/O thread is woken for every message, whatever the program that will read them does. For a program that looks
at its messages now and then only, that is most of its work. ZeroMQ has no option for it, but the kernel has, and
options belong to the connection and not to the descriptor: see `SO_RCVLOWAT` in `man 7 socket`, and
`zmq_socket_monitor(3)` for the descriptor.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import struct
import termios

import zmq

EVENTS = zmq.EVENT_CONNECTED | zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED
"""What the socket's monitor must tell."""
_MUCH = 1 << 20
"""The kernel takes half of its receive buffer when that is less, so nothing ever waits for room."""
_COUNT = struct.Struct("i")


class WakeThreshold:
    """For one connection of one ZeroMQ socket; where the kernel does not know it (`ipc://`) nothing changes."""

    def __init__(self) -> None:
        self._descriptor = -1
        self._line: socket.socket | None = None
        self._raised = False

    def on_event(self, event: int, value: int) -> None:
        """Hear the socket's monitor."""
        if event == zmq.EVENT_CONNECTED:
            self._descriptor = value
            return
        self.close()
        if event == zmq.EVENT_HANDSHAKE_SUCCEEDED and self._descriptor >= 0:
            with contextlib.suppress(OSError):  # gone already
                self._line = socket.socket(fileno=os.dup(self._descriptor))

    def high(self) -> None:
        """Wake nobody until much has come."""
        self._set(_MUCH)
        self._raised = True

    def low(self) -> None:
        """Wake for every byte again, and for those that have come."""
        if self._raised:
            self._set(1)
            self._raised = False

    def unread(self) -> int:
        """How many bytes wait in the kernel for ZeroMQ to read them; 0 where that is not known."""
        if self._line is None:
            return 0
        with contextlib.suppress(OSError):
            return int(_COUNT.unpack(fcntl.ioctl(self._line, termios.FIONREAD, bytes(_COUNT.size)))[0])
        return 0

    def close(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None

    def _set(self, octets: int) -> None:
        if self._line is not None:
            with contextlib.suppress(OSError):
                self._line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, octets)
