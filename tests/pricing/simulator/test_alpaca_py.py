"""Alpaca's own client, unchanged, against the simulator."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
Open = Callable[..., Any]
DEADLINE_S = 8


class Heard:
    """Collects what a handler is called with, and wakes who waits for it."""

    def __init__(self) -> None:
        self.items: list[Any] = []
        self._changed = threading.Condition()

    async def __call__(self, item: Any) -> None:
        with self._changed:
            self.items.append(item)
            self._changed.notify_all()

    def wait_for(self, wanted: Callable[[Any], bool]) -> Any:
        def found() -> Any:
            return next((item for item in self.items if wanted(item)), None)

        with self._changed:
            item = self._changed.wait_for(found, timeout=DEADLINE_S)
        assert item is not None, "it never came"
        return item


@pytest.fixture
def stream(start: Open) -> Iterator[tuple[Any, Any]]:
    """The simulator and a stream against it; the stream is stopped in the end."""
    from alpaca.data.live import StockDataStream

    program = start("--rate", "200")
    own = StockDataStream("key", "secret", url_override=program.url())
    yield program, own
    if vars(own)["_loop"] is not None:
        own.stop()
    program.stop()


def handler(heard: Heard) -> Any:
    async def handle(item: Any) -> None:
        await heard(item)

    return handle


def test_typed_quotes_a_second_subscribe_and_an_unsubscribe(stream: Any, eventually: Open) -> None:
    from alpaca.data.models import Quote, Trade, TradingStatus

    program, own = stream
    quotes, trades, statuses = Heard(), Heard(), Heard()
    own.subscribe_quotes(handler(quotes), "SPY")
    thread = threading.Thread(target=own.run, daemon=True)
    thread.start()

    quote = quotes.wait_for(lambda item: item.symbol == "SPY")
    assert isinstance(quote, Quote)
    assert 0 < quote.bid_price < quote.ask_price
    assert quote.conditions == ["R"]
    assert quote.timestamp.tzinfo is not None

    own.subscribe_quotes(handler(quotes), "AAPL", "MSFT")
    own.subscribe_trades(handler(trades), "SPY")
    own.subscribe_trading_statuses(handler(statuses), "SPY")
    quotes.wait_for(lambda item: item.symbol == "AAPL")
    assert isinstance(trades.wait_for(lambda item: item.symbol == "SPY"), Trade)
    program.control.status("SPY", "H", message="Halted", reason="News")
    status = statuses.wait_for(lambda item: item.status_code == "H")
    assert isinstance(status, TradingStatus)

    own.unsubscribe_quotes("AAPL")
    eventually(lambda: "AAPL" not in program.control.state()["connections"][0]["symbols"]["quotes"])
    assert set(program.control.state()["connections"][0]["symbols"]["quotes"]) == {"SPY", "MSFT"}
    assert program.control.state()["upgraded_total"] == 1

    own.stop()
    thread.join(DEADLINE_S)
    assert not thread.is_alive()


def test_it_reconnects_after_a_cut(stream: Any) -> None:
    program, own = stream
    own._reconnect_min_backoff = 0.05
    quotes = Heard()
    own.subscribe_quotes(handler(quotes), "SPY")
    thread = threading.Thread(target=own.run, daemon=True)
    thread.start()
    quotes.wait_for(lambda item: item.symbol == "SPY")
    program.control.faults(cut="rst")
    program.control.faults(mute=True)
    marks = iter(range(1, 1000))

    def marked() -> bool:
        mark = next(marks)
        return bool(program.control.quote("SPY", mark, mark + 1))

    pause = threading.Event()
    for _ in range(400):
        if program.control.state()["authenticated_total"] == 2 and marked():
            break
        pause.wait(0.01)
    quotes.wait_for(lambda item: item.bid_price < 1000 and item.bid_price == int(item.bid_price))
    assert program.control.state()["max_simultaneous"] == 1
    program.control.lift_faults()
    own.stop()
    thread.join(DEADLINE_S)
    assert not thread.is_alive()
