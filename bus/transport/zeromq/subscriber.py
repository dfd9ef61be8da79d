"""The bus's subscriber over ZeroMQ: a SUB socket, what has come, and what its monitor tells of the broker.

Every read here is bounded, so that no peer can keep the thread that owns the socket.
"""

from __future__ import annotations

from collections.abc import Iterable

import zmq

from quotebus.bus.clock import NS_PER_MS
from quotebus.bus.transport.line import News
from quotebus.bus.transport.zeromq.endpoints import Urls
from quotebus.bus.transport.zeromq.key_files import KeyPair
from quotebus.bus.transport.zeromq.monitor import Change, read_monitor
from quotebus.bus.transport.zeromq.redial import REFUSALS, Redial
from quotebus.bus.transport.zeromq.sockets import Role, connect, make

CONNECTION = zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED
"""The monitor's events that say whether a broker is there."""
_POLLIN = int(zmq.POLLIN)
"""As a number: to combine flags of an enum takes as long as to ask the socket."""


class ZmqSubscriber:
    """Owned by the thread that makes it. It has a monitor, and with it news, if it is `watched`."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        prefixes: Iterable[bytes] = (),
        urls: Urls = (),
        *,
        watched: bool = False,
        role: Role = Role.SUBSCRIBE,
        events: int = CONNECTION,
        keys: KeyPair | None = None,
    ) -> None:
        """`urls`: where `connect` looks for the broker. `events`: what a subclass wants to know of the connection."""
        self.not_subscribed = 0
        self.multipart = 0
        self.forged = 0
        """None here: the broker drops them."""
        self.socket = make(context, role)
        self._urls = urls
        self._redial: Redial | None = None
        if keys is not None:
            self._redial, events = Redial(self.socket, urls, keys), events | REFUSALS
        self.monitor = self.socket.get_monitor_socket(events) if watched or keys is not None else None
        self._watched = watched
        self._prefixes: set[bytes] = set()
        self.subscribe(prefixes)

    def connect(self) -> None:
        connect(self.socket, self._urls)

    def subscribe(self, prefixes: Iterable[bytes]) -> None:
        for prefix in prefixes:
            self._prefixes.add(prefix)
            self.socket.subscribe(prefix)

    def unsubscribe(self, prefixes: Iterable[bytes]) -> None:
        for prefix in prefixes:
            self._prefixes.discard(prefix)
            self.socket.unsubscribe(prefix)

    def sockets(self) -> list[zmq.Socket[bytes]]:
        """What to poll: the socket and its monitor."""
        return [self.socket] if self.monitor is None else [self.socket, self.monitor]

    def descriptors(self) -> list[int]:
        return [int(socket.getsockopt(zmq.FD)) for socket in self.sockets()]

    def has_unread(self) -> bool:
        return any(readable(socket) for socket in self.sockets())

    def await_frame(self, wait_ns: int) -> bool:
        return bool(self.socket.poll(max(0, wait_ns // NS_PER_MS)))

    def take(self, limit: int) -> list[bytes]:
        self._redial_if_refused()
        return drain(self.socket, limit)

    def take_bytes(self, limit: int, limit_bytes: int) -> list[bytes]:
        self._redial_if_refused()
        return drain_bytes(self.socket, limit, limit_bytes)

    def take_whole(self, limit: int) -> list[bytes]:
        """A filter reads the first part only, so the others may be anything.

        It costs a microsecond more a message, so it is not for quotes: their readers check each topic.
        """
        self._redial_if_refused()
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
        """A part of a message whose first part has a topic that was asked for may have another."""
        if b"" in self._prefixes:
            return frames
        prefixes = tuple(self._prefixes)
        kept = [frame for frame in frames if frame.startswith(prefixes)]
        self.not_subscribed += len(frames) - len(kept)
        return kept

    def news(self) -> list[News]:
        return make_news(self._read_monitor())

    def _read_monitor(self) -> list[Change]:
        changes = [] if self.monitor is None or not readable(self.monitor) else read_monitor(self.monitor)
        if self._redial is not None:
            self._redial.look(changes)
        return changes

    def _redial_if_refused(self) -> None:
        """Who is watched has its news read anyway."""
        if self._redial is not None and not self._watched:
            self._read_monitor()

    def close(self, linger_ms: int | None = None) -> None:
        if self.monitor is not None:
            self.socket.disable_monitor()
            self.monitor.close(linger=0)
        self.socket.close(linger=linger_ms)


def make_news(changes: list[Change]) -> list[News]:
    """What a monitor's events say of the connection."""
    return [
        News.UP if event == zmq.EVENT_HANDSHAKE_SUCCEEDED else News.DOWN for event, _ in changes if event & CONNECTION
    ]


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


def readable(socket: zmq.Socket[bytes]) -> bool:
    """Whether something can be read; asking takes the sign off the socket's descriptor."""
    return bool(int(socket.getsockopt(zmq.EVENTS)) & _POLLIN)
