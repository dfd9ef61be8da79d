"""ZeroMQ as an engine of the bus: a context, its sockets, and zmq_poll."""

from __future__ import annotations

import select
from collections.abc import Iterable
from pathlib import Path
from typing import Self, cast

import zmq

from quotebus.bus.address import IpcAddress, TcpAddress
from quotebus.bus.errors import ConfigError
from quotebus.bus.transport.line import HasFileno, Publisher, Subscriber, Waitable
from quotebus.bus.transport.zeromq.endpoints import Endpoints
from quotebus.bus.transport.zeromq.gathering import ZmqGatheringSubscriber
from quotebus.bus.transport.zeromq.key_files import KeyPair
from quotebus.bus.transport.zeromq.key_folder import read_pair
from quotebus.bus.transport.zeromq.publisher import ZmqPublisher
from quotebus.bus.transport.zeromq.sockets import Role
from quotebus.bus.transport.zeromq.subscriber import ZmqSubscriber


class _SharedContext(zmq.Context[zmq.Socket[bytes]]):
    """`instance()` is one of its own: a program may use the class above it for itself."""

    _instance = None


class ZmqEngine:
    """A context, what is made in it, and where that connects to."""

    def __init__(
        self,
        endpoints: Endpoints,
        context: zmq.Context[zmq.Socket[bytes]] | None = None,
        keys: KeyPair | None = None,
    ) -> None:
        self._keys = keys
        self.context = zmq.Context() if context is None else context
        self.place = endpoints.place
        self._endpoints = endpoints

    @classmethod
    def at(cls, address: IpcAddress | TcpAddress) -> Self:
        """An engine with a context of its own. Raises ConfigError when the address or its key cannot be used."""
        return cls(Endpoints.find(address), None, _read_keys(address))

    @classmethod
    def shared(cls, address: IpcAddress | TcpAddress) -> Self:
        """An engine on this process's context; on another one after a fork, and after that was closed."""
        return cls(Endpoints.find(address), _SharedContext.instance(), _read_keys(address))

    @staticmethod
    def find_own_name(address: IpcAddress | TcpAddress) -> str:
        """The name of the program's key; empty where it has none. Raises ConfigError."""
        keys = _read_keys(address)
        return "" if keys is None else keys.program.name

    @classmethod
    def close_shared(cls) -> None:
        """Close this process's context; returns when the last messages have left, or after their linger."""
        _SharedContext.instance().destroy()

    def subscriber(self, prefixes: Iterable[bytes] = (), *, watched: bool = False) -> ZmqSubscriber:
        return ZmqSubscriber(self.context, prefixes, self._endpoints.subscribe, watched=watched, keys=self._keys)

    def gathering_subscriber(self, prefixes: Iterable[bytes]) -> ZmqGatheringSubscriber:
        return ZmqGatheringSubscriber(self.context, prefixes, self._endpoints.subscribe, self._keys)

    def publisher(self) -> ZmqPublisher:
        return ZmqPublisher(self.context, self._endpoints.publish, Role.PUBLISH, self._keys)

    def requester(self) -> ZmqPublisher:
        return ZmqPublisher(self.context, self._endpoints.request, Role.REQUEST, self._keys)

    def poller(self) -> ZmqPoller:
        return ZmqPoller()

    def close(self, linger_ms: int | None = None) -> None:
        self.context.destroy(linger=linger_ms)


def _read_keys(address: IpcAddress | TcpAddress) -> KeyPair | None:
    if not isinstance(address, TcpAddress) or not address.key_file:
        return None
    keys = read_pair(Path(address.key_file))
    if not keys.broker:
        raise ConfigError(f"BUS_KEY_FILE: {address.key_file}: is the broker's own key, not a program's")
    return keys


class ZmqPoller:
    """zmq_poll over the sockets of ends and over descriptors. It asks each socket what it holds before it sleeps."""

    def __init__(self) -> None:
        self._poller = zmq.Poller()
        self._ready: list[tuple[zmq.Socket[bytes] | int, int]] = []
        self._numbers: dict[HasFileno, int] = {}

    def watch(self, what: Waitable, *, writable: bool = False) -> None:
        flags = zmq.POLLIN | zmq.POLLOUT if writable else zmq.POLLIN
        if isinstance(what, (ZmqSubscriber, ZmqPublisher)):
            for socket in what.sockets():
                self._poller.register(socket, flags)
        else:
            self._poller.register(self._find_number(cast("HasFileno | int", what)), flags)

    def unwatch(self, what: Waitable) -> None:
        if isinstance(what, (ZmqSubscriber, ZmqPublisher)):
            for socket in what.sockets():
                self._poller.unregister(socket)
        else:
            self._poller.unregister(what if isinstance(what, int) else self._numbers.pop(cast("HasFileno", what)))

    def wait(self, most_ms: int) -> list[int]:
        if not self._poller.sockets:  # pyzmq would not wait for nothing
            select.select((), (), (), most_ms / 1_000)
        self._ready = self._poller.poll(most_ms)
        return [ready for ready, _ in self._ready if type(ready) is int]

    def _find_number(self, what: HasFileno | int) -> int:
        """Asked once: pyzmq would ask at each wait, and turn what a signal's handler raises there into a TypeError."""
        if isinstance(what, int):
            return what
        if what not in self._numbers:
            self._numbers[what] = what.fileno()
        return self._numbers[what]

    def has_sign(self, end: Subscriber | Publisher) -> bool:
        assert isinstance(end, (ZmqSubscriber, ZmqPublisher))
        sockets = end.sockets()
        return any(ready in sockets for ready, _ in self._ready)
