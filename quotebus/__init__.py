"""One lazy market-data connection, shared over a bus: the names that a consumer needs."""

from quotebus.bus.async_client import AsyncBusClient
from quotebus.bus.async_feed import AsyncFeed
from quotebus.bus.book import Reasons, Standing, Unusable, Verdict
from quotebus.bus.client import BusClient
from quotebus.bus.clock import now_ns
from quotebus.bus.errors import ClientClosed, ClientInherited, QuotebusError
from quotebus.bus.events import (
    Cause,
    ConnectionHealth,
    ConnectionState,
    Counters,
    ExecutionDecision,
    Flag,
    HaltKnowledge,
    OrderUpdate,
    Quote,
    SymbolState,
    SymbolStatus,
    Trade,
    TradeIntent,
)
from quotebus.bus.feed import Feed
from quotebus.bus.interest import SymbolResult
from quotebus.bus.settings import BusSettings
from quotebus.bus.version import __version__

__all__ = [
    "AsyncBusClient",
    "AsyncFeed",
    "BusClient",
    "BusSettings",
    "Cause",
    "ClientClosed",
    "ClientInherited",
    "ConnectionHealth",
    "ConnectionState",
    "Counters",
    "ExecutionDecision",
    "Feed",
    "Flag",
    "HaltKnowledge",
    "OrderUpdate",
    "Quote",
    "QuotebusError",
    "Reasons",
    "Standing",
    "SymbolResult",
    "SymbolState",
    "SymbolStatus",
    "Trade",
    "TradeIntent",
    "Unusable",
    "Verdict",
    "__version__",
    "now_ns",
]
