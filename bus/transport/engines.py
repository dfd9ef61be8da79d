"""Which engine carries the bus: the one place that knows them all."""

from __future__ import annotations

from quotebus.bus.address import BusAddress, NatsAddress
from quotebus.bus.errors import ConfigError
from quotebus.bus.transport.line import Engine
from quotebus.bus.transport.zeromq.engine import ZmqEngine


def open_engine(address: BusAddress) -> Engine:
    """An engine of the caller's own, to be closed by it. Raises ConfigError for an address that cannot be used."""
    if isinstance(address, NatsAddress):
        return _open_nats(address)
    return ZmqEngine.at(address)


def shared_engine(address: BusAddress) -> Engine:
    """An engine with the one I/O thread of all clients on event loops, another after a fork. Raises ConfigError."""
    if isinstance(address, NatsAddress):
        return _open_nats(address)
    return ZmqEngine.shared(address)


def close_shared() -> None:
    """Close what all clients on event loops share; returns when the last messages have left, or after their linger."""
    ZmqEngine.close_shared()


def _open_nats(address: NatsAddress) -> Engine:
    raise ConfigError(f"BUS_URL: {address}: there is no engine for NATS here yet")
