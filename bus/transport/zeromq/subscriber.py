"""A SUB socket: what it subscribes to, what has come, and what its monitor tells of the broker.

Every read here is bounded, so that no peer can keep the thread that owns the socket.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import NamedTuple

import zmq

from quotebus.bus.clock import NS_PER_MS
from quotebus.bus.transport.zeromq.sockets import Role, make

BURST = 1_000
"""Messages of a monitor, or of an XPUB's subscribers, that are read in one go."""
CONNECTION = zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED
"""The monitor's events that say whether a broker is there."""
_CHANGE = struct.Struct("=HI")


class Change(NamedTuple):
    """One event of a socket's monitor. `value` is a descriptor for those that tell of a connection, see its manual."""

    event: int
    value: int


class Subscriber:
    """Owned by the thread that makes it. Without `events` it has no monitor, and `changes` is always empty."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        prefixes: Iterable[bytes] = (),
        *,
        role: Role = Role.SUBSCRIBE,
        events: int = 0,
    ) -> None:
        self._prefixes = tuple(prefixes)
        self.not_subscribed = 0
        """Messages that `keep_asked` dropped."""
        self.multipart = 0
        """Messages of several parts that `take_whole` dropped."""
        self.socket = make(context, role)
        self.monitor = self.socket.get_monitor_socket(events) if events else None
        for prefix in self._prefixes:
            self.socket.subscribe(prefix)

    def connect(self, url: str) -> None:
        """Connect in the background, and again after every loss."""
        self.socket.connect(url)

    def sockets(self) -> list[zmq.Socket[bytes]]:
        """What to poll: the socket and its monitor."""
        return [self.socket] if self.monitor is None else [self.socket, self.monitor]

    def await_frame(self, wait_ns: int) -> bool:
        """Wait for a frame, for at most `wait_ns` in whole milliseconds; whether one has come."""
        return bool(self.socket.poll(max(0, wait_ns // NS_PER_MS)))

    def take(self, limit: int) -> list[bytes]:
        """Up to `limit` frames that have come, in order."""
        return drain(self.socket, limit)

    def take_whole(self, limit: int) -> list[bytes]:
        """`take` without messages of several parts: a filter reads the first part only, so the others may be anything.

        It costs a microsecond more a message, so it is not for quotes: their readers check each topic.
        """
        frames: list[bytes] = []
        try:
            for _ in range(limit):
                if (frame := receive_whole(self.socket)) is not None:
                    frames.append(frame)
                else:
                    self.multipart += 1
        except zmq.Again:
            pass
        return frames

    def keep_asked(self, frames: list[bytes]) -> list[bytes]:
        """Those that begin with one of the prefixes: a part of a message whose first part did may not."""
        if b"" in self._prefixes:
            return frames
        kept = [frame for frame in frames if frame.startswith(self._prefixes)]
        self.not_subscribed += len(frames) - len(kept)
        return kept

    def changes(self) -> list[Change]:
        """What the monitor has told since the last call, oldest first."""
        return [] if self.monitor is None or not readable(self.monitor) else read_monitor(self.monitor)

    def close(self) -> None:
        if self.monitor is not None:
            self.socket.disable_monitor()
            self.monitor.close(linger=0)
        self.socket.close()


def receive_whole(socket: zmq.Socket[bytes]) -> bytes | None:
    """The next message, None for one of several parts. Raises zmq.Again when nothing has come."""
    frame = socket.recv(zmq.NOBLOCK, copy=False)
    if not frame.more:
        return frame.bytes
    drop_parts(socket)
    return None


def drop_parts(socket: zmq.Socket[bytes]) -> None:
    """Read the other parts of the message whose first part was read, and forget them."""
    while socket.getsockopt(zmq.RCVMORE):
        socket.recv()


def drain(socket: zmq.Socket[bytes], limit: int) -> list[bytes]:
    """Up to `limit` messages that have come, in order; never waits."""
    frames: list[bytes] = []
    receive = socket.recv
    try:
        for _ in range(limit):
            frames.append(receive(zmq.NOBLOCK))  # noqa: PERF401 - the exception ends the loop
    except zmq.Again:
        pass
    return frames


def drain_bytes(socket: zmq.Socket[bytes], limit: int, limit_bytes: int) -> list[bytes]:
    """`drain`, ending also with the message that reaches `limit_bytes`."""
    frames: list[bytes] = []
    size = 0
    try:
        while len(frames) < limit and size < limit_bytes:
            frames.append(socket.recv(zmq.NOBLOCK))
            size += len(frames[-1])
    except zmq.Again:
        pass
    return frames


def read_monitor(monitor: zmq.Socket[bytes]) -> list[Change]:
    """What a socket's monitor has told; events that nobody reads would stop ZeroMQ's I/O thread in the end."""
    changes: list[Change] = []
    try:
        for _ in range(BURST):
            changes.append(Change(*_CHANGE.unpack(monitor.recv_multipart(zmq.NOBLOCK)[0])))  # noqa: PERF401
    except zmq.Again:
        pass
    return changes


def readable(socket: zmq.Socket[bytes]) -> bool:
    """Whether something can be read; asking takes the sign off the socket's descriptor."""
    return bool(int(socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN)
