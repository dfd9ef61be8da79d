"""An XPUB socket with one peer, the broker: what that has subscribed to, and how long a first message waits for it.

Why a message can be too early: see `coverage`.
"""

from __future__ import annotations

import zmq

from quotebus.bus.clock import NS_PER_MS, now_ns
from quotebus.bus.protocol import GRACE_NS
from quotebus.bus.transport.zeromq.coverage import Coverage
from quotebus.bus.transport.zeromq.sockets import Role, make
from quotebus.bus.transport.zeromq.subscriber import BURST, readable


class Publisher:
    """Owned by the thread that makes it."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], role: Role = Role.REQUEST) -> None:
        self.socket = make(context, role)
        self.coverage = Coverage()
        self.grace_ends_ns = 0

    def connect(self, url: str) -> None:
        """Connect in the background, and again after every loss; the grace begins now."""
        self.socket.connect(url)
        self.grace_ends_ns = now_ns() + GRACE_NS

    @property
    def connected(self) -> bool:
        """Whether a broker listens, as of the last `read_subscriptions`."""
        return len(self.coverage) > 0

    def read_subscriptions(self) -> None:
        """Take what the broker has subscribed to and withdrawn; when it went, the grace begins anew."""
        if readable(self.socket) and read_subscriptions(self.socket, self.coverage):
            self.grace_ends_ns = now_ns() + GRACE_NS

    def may_send(self) -> bool:
        """Whether a broker listens, or has been waited for."""
        return len(self.coverage) > 0 or now_ns() >= self.grace_ends_ns

    def skip_grace(self) -> None:
        """Wait for nobody: the program ends."""
        self.grace_ends_ns = 0

    def send(self, frame: bytes) -> bool:
        """Send; False when the broker takes no more at the moment, or is not there."""
        return send_now(self.socket, frame)

    def await_room(self, wait_ns: int) -> None:
        """Wait until the broker takes more, for at most `wait_ns` in whole milliseconds."""
        self.socket.poll(wait_ns // NS_PER_MS, zmq.POLLOUT)

    def await_coverage(self, frame: bytes) -> None:
        """Wait until somebody has subscribed to this frame's topic, for at most the grace."""
        deadline_ns = now_ns() + GRACE_NS
        while not self.coverage.covers(frame) and (left_ns := deadline_ns - now_ns()) > 0:
            self.socket.poll(left_ns // NS_PER_MS + 1)
            self.read_subscriptions()

    def close(self, linger_ms: int | None = None) -> None:
        """Close; what still waits gets `linger_ms`, by default the role's, to leave."""
        self.socket.close(linger=linger_ms)


def read_subscriptions(socket: zmq.Socket[bytes], coverage: Coverage) -> int:
    """Feed `coverage` with the subscription messages of an XPUB; how many times its peer went meanwhile."""
    losses = 0
    try:
        for _ in range(BURST):
            covered = len(coverage) > 0
            coverage.feed(socket.recv(zmq.NOBLOCK))
            losses += covered and not len(coverage)
    except zmq.Again:
        pass
    return losses


def send_now(socket: zmq.Socket[bytes], frame: bytes) -> bool:
    """Send without waiting; False when the socket takes no more."""
    try:
        socket.send(frame, zmq.NOBLOCK)
    except zmq.Again:
        return False
    return True
