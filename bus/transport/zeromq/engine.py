"""ZeroMQ as an engine of the bus: a context, its sockets, and zmq_poll."""

from __future__ import annotations

import select
from collections.abc import Iterable
from typing import Self

import zmq

from quotebus.bus.transport.line import Waitable
from quotebus.bus.transport.zeromq.gathering import ZmqGatheringSubscriber
from quotebus.bus.transport.zeromq.publisher import ZmqPublisher
from quotebus.bus.transport.zeromq.sockets import Role
from quotebus.bus.transport.zeromq.subscriber import ZmqSubscriber


class _SharedContext(zmq.Context[zmq.Socket[bytes]]):
    """`instance()` is one of its own: a program may use the class above it for itself."""

    _instance = None


class ZmqEngine:
    """A context and what is made in it."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]] | None = None) -> None:
        self.context = zmq.Context() if context is None else context

    @classmethod
    def shared(cls) -> Self:
        """The engine of this process; another one after a fork, and after it was closed."""
        return cls(_SharedContext.instance())

    def subscriber(self, prefixes: Iterable[bytes] = (), *, watched: bool = False) -> ZmqSubscriber:
        return ZmqSubscriber(self.context, prefixes, watched=watched)

    def gathering_subscriber(self, prefixes: Iterable[bytes]) -> ZmqGatheringSubscriber:
        return ZmqGatheringSubscriber(self.context, prefixes)

    def publisher(self) -> ZmqPublisher:
        return ZmqPublisher(self.context, Role.PUBLISH)

    def requester(self) -> ZmqPublisher:
        return ZmqPublisher(self.context, Role.REQUEST)

    def poller(self) -> ZmqPoller:
        return ZmqPoller()

    def close(self, linger_ms: int | None = None) -> None:
        self.context.destroy(linger=linger_ms)


class ZmqPoller:
    """zmq_poll over the sockets of ends and over descriptors. It asks each socket what it holds before it sleeps."""

    def __init__(self) -> None:
        self._poller = zmq.Poller()

    def watch(self, what: Waitable, *, writable: bool = False) -> None:
        flags = zmq.POLLIN | zmq.POLLOUT if writable else zmq.POLLIN
        if isinstance(what, (ZmqSubscriber, ZmqPublisher)):
            for socket in what.sockets():
                self._poller.register(socket, flags)
        else:
            self._poller.register(what, flags)

    def unwatch(self, what: Waitable) -> None:
        if isinstance(what, (ZmqSubscriber, ZmqPublisher)):
            for socket in what.sockets():
                self._poller.unregister(socket)
        else:
            self._poller.unregister(what)

    def wait(self, most_ms: int) -> list[int]:
        if not self._poller.sockets:  # pyzmq would not wait for nothing
            select.select((), (), (), most_ms / 1_000)
        return [ready for ready, _ in self._poller.poll(most_ms) if type(ready) is int]
