"""Which engine carries the bus."""

from __future__ import annotations

from quotebus.bus.transport.line import Engine
from quotebus.bus.transport.zeromq.engine import ZmqEngine


def open_engine() -> Engine:
    """An engine of the caller's own, to be closed by it."""
    return ZmqEngine()


def shared_engine() -> Engine:
    """One engine, with its one I/O thread, for all clients on event loops; a new one after a fork."""
    return ZmqEngine.shared()
