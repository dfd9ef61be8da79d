"""alpaca-py's own documented streaming examples, unchanged but for the line that imports the stream; and our page's.

From its repository (docs/market_data.rst, docs/trading.rst, docs/migration.rst, examples/stocks), Apache License 2.0.
"""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Any

import pytest

from quotebus.bus.settings import BusSettings
from tests.bus.sdk.test_stock_stream import with_node
from tests.bus.sdk.test_trading_stream import UPDATE
from tests.support.aio import soon
from tests.support.bus import FakeNode, set_environment
from tests.support.samples import QUOTE, TRADE

QUOTES = """
from alpaca.data.live import StockDataStream


wss_client = StockDataStream('api-key', 'secret-key')

# async handler
async def quote_data_handler(data):
    # quote data will arrive here
    print(data)

wss_client.subscribe_quotes(quote_data_handler, "SPY")

wss_client.run()
"""
UPDATES = """
from alpaca.trading.stream import TradingStream

trading_stream = TradingStream('api-key', 'secret-key', paper=True)

async def update_handler(data):
    # trade updates will arrive in our async handler
    print(data)

# subscribe to trade updates and supply the handler as a parameter
trading_stream.subscribe_trade_updates(update_handler)

# start our websocket streaming
trading_stream.run()
"""
MIGRATED = """
from alpaca.data.live import StockDataStream

stream = StockDataStream(API_KEY, SECRET_KEY)

async def handle_quote(quote):
    print(quote)

stream.subscribe_quotes(handle_quote, "SPY")
stream.run()
"""
NOTEBOOK_UPDATES = """
from alpaca.trading.stream import TradingStream

# subscribe trade updates
trade_stream_client = TradingStream(api_key, secret_key, paper=paper, url_override = trade_api_wss)

async def trade_updates_handler(data):
    print(data)

trade_stream_client.subscribe_trade_updates(trade_updates_handler)
trade_stream_client.run()
"""
NOTEBOOK_TICKS = """
from alpaca.data.live.stock import StockDataStream

stock_data_stream_client = StockDataStream(api_key, secret_key, url_override = stream_data_wss)

async def stock_data_stream_handler(data):
    print(data)

symbols = [symbol]

stock_data_stream_client.subscribe_quotes(stock_data_stream_handler, *symbols)
stock_data_stream_client.subscribe_trades(stock_data_stream_handler, *symbols)

stock_data_stream_client.run()
"""
IMPORTS = {
    "from alpaca.data.live import StockDataStream": "from quotebus.alpaca import StockDataStream",
    "from alpaca.data.live.stock import StockDataStream": "from quotebus.alpaca import StockDataStream",
    "from alpaca.trading.stream import TradingStream": "from quotebus.alpaca import TradingStream",
}
GIVEN = {
    "API_KEY": "key", "SECRET_KEY": "secret", "api_key": "key", "secret_key": "secret", "paper": True, "symbol": "SPY",
    "trade_api_wss": None, "stream_data_wss": None,
}  # fmt: skip
"""What the examples say is defined before."""


@pytest.mark.parametrize(
    ("text", "stream", "models"),
    [
        (QUOTES, "wss_client", {"Quote"}),
        (UPDATES, "trading_stream", {"TradeUpdate"}),
        (MIGRATED, "stream", {"Quote"}),
        (NOTEBOOK_UPDATES, "trade_stream_client", {"TradeUpdate"}),
        (NOTEBOOK_TICKS, "stock_data_stream_client", {"Quote", "Trade"}),
    ],
    ids=["quotes", "updates", "migrated", "notebook updates", "notebook ticks"],
)
def test_one_line_is_changed(text: str, stream: str, models: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    lines = text.splitlines()
    [changed] = [number for number, line in enumerate(lines) if line in IMPORTS]
    lines[changed] = IMPORTS[lines[changed]]
    assert run_example("\n".join(lines), [stream], models, monkeypatch) == models


PAGE = Path(__file__).parents[3] / "docs" / "from-alpaca-py.md"
SAMPLES = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.M | re.S)


@pytest.mark.parametrize(
    ("number", "streams", "kinds"),
    [(0, ["stream"], {"str"}), (1, ["stream"], {"str"}), (2, ["stream", "orders"], {"Trade", "TradeUpdate"})],
)
def test_samples_of_the_page(number: int, streams: list[str], kinds: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(SAMPLES) == 3
    run_example(SAMPLES[number], streams, kinds, monkeypatch)


def run_example(text: str, streams: list[str], kinds: set[str], monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Run it in a thread until it has printed things of these types first, then stop its streams; what it printed."""
    printed: list[Any] = []
    names: dict[str, Any] = {**GIVEN, "print": lambda *what: printed.append(what[0])}

    async def work(settings: BusSettings, node: FakeNode) -> None:
        set_environment(monkeypatch, settings)
        program = threading.Thread(target=exec, args=(text, names))
        program.start()
        await soon(lambda: all(stream in names and names[stream]._running for stream in streams))

        def has_printed() -> bool:
            node.publish(QUOTE, TRADE, UPDATE)
            return {type(each).__name__ for each in printed} >= kinds

        await soon(has_printed)
        for stream in streams:
            names[stream].stop()
        await soon(lambda: not program.is_alive())

    with_node(work)
    return {type(each).__name__ for each in printed}
