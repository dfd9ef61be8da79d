"""alpaca-py's streams over the bus: change the import line of a program, and it shares the one connection.

    from quotebus.alpaca import StockDataStream, TradingStream

Models and enums stay alpaca-py's, which must be installed: `pip install quotebus[alpaca]`. See docs/from-alpaca-py.md.
"""

try:
    import alpaca as _installed  # noqa: F401
except ImportError:
    raise ImportError("quotebus.alpaca needs alpaca-py, for its models: pip install 'quotebus[alpaca]'") from None

from quotebus.bus.sdk.stock_stream import FlaggedQuote, StockDataStream
from quotebus.bus.sdk.trading_stream import TradingStream

__all__ = ["FlaggedQuote", "StockDataStream", "TradingStream"]
_NOT_YET = {
    "CryptoDataStream": "crypto is no venue of the bus yet",
    "OptionDataStream": "options are no venue of the bus yet",
    "NewsDataStream": "the bus carries no news",
}


def __getattr__(name: str) -> object:
    if name in _NOT_YET:
        raise ImportError(f"quotebus.alpaca has no {name}: {_NOT_YET[name]}; use alpaca-py's own")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
