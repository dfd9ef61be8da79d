"""One lazy market-data connection, shared over a bus: the names that a consumer needs."""

from quotebus.bus.async_client import AsyncBusClient
from quotebus.bus.book import Unusable, Verdict
from quotebus.bus.client import BusClient
from quotebus.bus.errors import QuotebusError
from quotebus.bus.events import ConnectionHealth, Quote, SymbolStatus, Trade
from quotebus.bus.interest import SymbolResult
from quotebus.bus.settings import BusSettings
from quotebus.bus.version import __version__

__all__ = [
    "AsyncBusClient",
    "BusClient",
    "BusSettings",
    "ConnectionHealth",
    "Quote",
    "QuotebusError",
    "SymbolResult",
    "SymbolStatus",
    "Trade",
    "Unusable",
    "Verdict",
    "__version__",
]
