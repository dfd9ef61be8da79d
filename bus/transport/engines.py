"""Which engine carries the bus: the one place that knows them all."""

from __future__ import annotations

from quotebus.bus.address import BusAddress, NatsAddress
from quotebus.bus.transport.line import Engine
from quotebus.bus.transport.nats.engine import NatsEngine
from quotebus.bus.transport.zeromq.engine import ZmqEngine


def open_engine(address: BusAddress) -> Engine:
    """An engine of the caller's own, to be closed by it. Raises ConfigError for an address that cannot be used."""
    if isinstance(address, NatsAddress):
        return NatsEngine.at(address)
    return ZmqEngine.at(address)


def shared_engine(address: BusAddress) -> Engine:
    """An engine that shares what it can with all clients on event loops: ZeroMQ's I/O thread. Raises ConfigError."""
    if isinstance(address, NatsAddress):
        return NatsEngine.shared(address)
    return ZmqEngine.shared(address)


def close_shared() -> None:
    """Close what all clients on event loops share; returns when the last messages have left, or after their linger."""
    ZmqEngine.close_shared()
    NatsEngine.close_shared()
