"""The bus: events, the client that reads them, and the judgement whether a price may be used."""

from bus.async_client import AsyncBusClient
from bus.book import Unusable, Verdict
from bus.client import BusClient
from bus.errors import QuotebusError
from bus.events import ConnectionHealth, Quote, SymbolStatus, Trade
from bus.interest import SymbolResult
from bus.settings import BusSettings

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
]
