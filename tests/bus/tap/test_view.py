"""What the tap knows of the bus, and what it forgets."""

from __future__ import annotations

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.events import SymbolStatus
from quotebus.bus.tap.message_reader import ReceivedMessage
from quotebus.bus.tap.view import GONE_NS, View
from tests.support.samples import QUOTE, UTC_NS, like


def status(symbol: str, state: str) -> SymbolStatus:
    return SymbolStatus(
        symbol=symbol, state=state, cause="demand", since_ns=UTC_NS, clients=(), last_quote_ns=None, last_quote_seq=0
    )


def told(view: View, symbol: str, state: str, at_ns: int) -> None:
    view.take(ReceivedMessage(f"symbol.{symbol}", like(status(symbol, state), source="pricing-1"), at_ns, 100, 0))


def test_a_released_symbol_has_its_row_for_a_minute_and_then_room_for_another() -> None:
    view = View(focus="MSFT")
    for symbol in ("SPY", "QQQ", "MSFT"):
        told(view, symbol, "live", UTC_NS)
        view.take_quotes(like(QUOTE, symbol=symbol), UTC_NS, 1, 100)
    told(view, "SPY", "released", UTC_NS)
    told(view, "MSFT", "released", UTC_NS)
    view.at(UTC_NS + GONE_NS)
    assert view.symbols == {"SPY", "QQQ", "MSFT"}
    view.at(UTC_NS + GONE_NS + 1)
    assert view.symbols == view.known.keys() == {"QQQ", "MSFT"}, "the one that is asked about stays"
    assert view.book.quotes.keys() == view.book.standings.keys() == {"QQQ", "MSFT"}
    told(view, "QQQ", "released", UTC_NS)
    told(view, "QQQ", "live", UTC_NS + NS_PER_S)
    view.at(UTC_NS + 2 * GONE_NS)
    assert "QQQ" in view.symbols, "it was asked for again"
