"""One lazy market-data connection, shared over a bus: the names that a consumer needs.

A name is imported when it is first used: `import quotebus` takes no time, and a program of ours that needs none of them
starts sooner.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from quotebus.bus.async_client import AsyncBusClient
    from quotebus.bus.async_feed import AsyncFeed
    from quotebus.bus.book import Reasons, Standing, Unusable, Verdict
    from quotebus.bus.capture.replay.replay_client import AsyncReplayClient, ReplayClient
    from quotebus.bus.client import BusClient
    from quotebus.bus.clock import now_ns
    from quotebus.bus.errors import ClientClosed, ClientInherited, MissingExtra, QuotebusError
    from quotebus.bus.events import (
        AssetFacts,
        Cause,
        ConnectionHealth,
        ConnectionState,
        Counters,
        ExecutionDecision,
        ExecutionOutcome,
        Flag,
        HaltKnowledge,
        IntentReport,
        OrderUpdate,
        Quote,
        ReportedOrder,
        SymbolState,
        SymbolStatus,
        Trade,
        TradeIntent,
    )
    from quotebus.bus.execution_result import ExecutionResult
    from quotebus.bus.feed import Feed
    from quotebus.bus.frames import make_frame
    from quotebus.bus.interest import SymbolResult
    from quotebus.bus.settings import BusSettings
    from quotebus.bus.version import __version__

__all__ = [
    "AssetFacts",
    "AsyncBusClient",
    "AsyncFeed",
    "AsyncReplayClient",
    "BusClient",
    "BusSettings",
    "Cause",
    "ClientClosed",
    "ClientInherited",
    "ConnectionHealth",
    "ConnectionState",
    "Counters",
    "ExecutionDecision",
    "ExecutionOutcome",
    "ExecutionResult",
    "Feed",
    "Flag",
    "HaltKnowledge",
    "IntentReport",
    "MissingExtra",
    "OrderUpdate",
    "Quote",
    "QuotebusError",
    "Reasons",
    "ReplayClient",
    "ReportedOrder",
    "Standing",
    "SymbolResult",
    "SymbolState",
    "SymbolStatus",
    "Trade",
    "TradeIntent",
    "Unusable",
    "Verdict",
    "__version__",
    "make_frame",
    "now_ns",
]

_HOMES = {
    "bus.async_client": ("AsyncBusClient",),
    "bus.async_feed": ("AsyncFeed",),
    "bus.book": ("Reasons", "Standing", "Unusable", "Verdict"),
    "bus.capture.replay.replay_client": ("AsyncReplayClient", "ReplayClient"),
    "bus.client": ("BusClient",),
    "bus.clock": ("now_ns",),
    "bus.errors": ("ClientClosed", "ClientInherited", "MissingExtra", "QuotebusError"),
    "bus.events": (
        "AssetFacts",
        "Cause",
        "ConnectionHealth",
        "ConnectionState",
        "Counters",
        "ExecutionDecision",
        "ExecutionOutcome",
        "Flag",
        "HaltKnowledge",
        "IntentReport",
        "OrderUpdate",
        "Quote",
        "ReportedOrder",
        "SymbolState",
        "SymbolStatus",
        "Trade",
        "TradeIntent",
    ),
    "bus.execution_result": ("ExecutionResult",),
    "bus.feed": ("Feed",),
    "bus.frames": ("make_frame",),
    "bus.interest": ("SymbolResult",),
    "bus.settings": ("BusSettings",),
    "bus.version": ("__version__",),
}
"""The module that defines a name."""
_HOME = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(f"quotebus.{_HOME[name]}"), name)
    globals()[name] = value  # the next use finds it at once
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
