"""Which engine carries the bus: the one place that knows them all."""

from __future__ import annotations

from typing import TypeVar

from quotebus.bus.address import BusAddress, NatsAddress
from quotebus.bus.own_names import make_own
from quotebus.bus.settings import BusSettings
from quotebus.bus.transport.line import Engine
from quotebus.bus.transport.nats.engine import NatsEngine
from quotebus.bus.transport.zeromq.engine import ZmqEngine

SettingsT = TypeVar("SettingsT", bound=BusSettings)


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


def find_own_name(address: BusAddress) -> str:
    """The name that the program's key or user has, with which its names on the bus begin; empty where it has none.

    Raises ConfigError for a key that cannot be used.
    """
    return address.user if isinstance(address, NatsAddress) else ZmqEngine.find_own_name(address)


def settle_name(settings: SettingsT, field: str) -> SettingsT:
    """Settings whose `field`, a name on the bus, is one that the program may bear. Raises ConfigError."""
    name = make_own(find_own_name(settings.bus_address), getattr(settings, field))
    return settings.model_copy(update={field: name})


def close_shared() -> None:
    """Close what all clients on event loops share; returns when the last messages have left, or after their linger."""
    ZmqEngine.close_shared()
    NatsEngine.close_shared()
