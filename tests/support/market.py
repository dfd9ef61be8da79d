"""Captures made for tests: a few seconds of a market, message by message, without a program or a clock."""

from __future__ import annotations

import random
from pathlib import Path

from quotebus.bus import codec
from quotebus.bus.capture.format.captured import Captured
from quotebus.bus.capture.format.metadata import CaptureMetadata
from quotebus.bus.capture.format.writer import CaptureWriter
from quotebus.bus.events import AckRow, Event
from quotebus.bus.sequence import Stamper
from tests.support.samples import ACKNOWLEDGED, HEALTH, QUOTE, REQUESTED, STATUS, TRADE, UTC_NS, like

NODE = "pricing-aaaaaa"
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000


class Market:
    """Writes messages one after the other; `at_ns` is the recorder's time and moves on with `wait_ms`."""

    def __init__(self, seed: int = 7) -> None:
        self.entries: list[Captured] = []
        self.at_ns = UTC_NS
        self._random = random.Random(seed)
        self._stampers: dict[str, Stamper] = {}
        self._mid = {"SPY": 680.0, "QQQ": 500.0, "AAPL": 250.0}

    def wait_ms(self, milliseconds: float) -> None:
        self.at_ns += round(milliseconds * NS_PER_MS)

    def say(self, event: Event, source: str = NODE) -> Event:
        """Stamp an event and record it 0.2 ms later."""
        stamped = self._stampers.setdefault(source, Stamper(source)).stamp(event, self.at_ns - 200_000)
        frame = codec.encode(stamped)
        self.put(codec.topic_of(stamped), frame[frame.find(b"\0") + 1 :], stamped.published_ns)
        return stamped

    def put(self, topic: str, payload: bytes, published_ns: int) -> None:
        self.entries.append(Captured(topic, payload, len(self.entries) + 1, self.at_ns, published_ns))

    def quote(self, symbol: str, **changes: object) -> Event:
        self._mid[symbol] += self._random.choice((-0.01, 0.0, 0.01))
        bid = round(self._mid[symbol], 2)
        sample = like(
            QUOTE,
            symbol=symbol,
            bid_price=bid,
            ask_price=round(bid + 0.02, 2),
            exchange_ns=self.at_ns - 1_500_000,
            received_ns=self.at_ns - 300_000,
        )
        return self.say(like(sample, **changes))

    def health(self, *, source: str = NODE, **changes: object) -> Event:
        return self.say(like(like(HEALTH, since_ns=UTC_NS), **changes), source)

    def status(self, symbol: str, state: str, cause: str = "demand", *, source: str = NODE) -> Event:
        """A state with what a node then knows of a halt: nothing while it is pending."""
        halt = {"halted": "halted", "pending": "unknown"}.get(state, "trading")
        kind, exchange_ns = ("", None) if halt == "unknown" else ("status", self.at_ns)
        known = like(STATUS, halt=halt, halt_kind=kind, halt_exchange_ns=exchange_ns)
        return self.say(like(known, symbol=symbol, state=state, cause=cause, last_quote_seq=0), source)

    def request(self) -> None:
        """A live client asks and is answered, as every capture holds it."""
        self.say(like(REQUESTED, symbols=("SPY", "QQQ", "AAPL")), "worker-0b51d7")
        rows = tuple(AckRow(symbol, "pending", "demand", None, 0) for symbol in ("SPY", "QQQ", "AAPL"))
        self.say(like(ACKNOWLEDGED, results=rows))

    def seconds(self, count: int, quotes_a_second: int = 100) -> None:
        """So many seconds of an ordinary market."""
        for _ in range(count):
            self.health()
            for _ in range(quotes_a_second):
                self.quote(self._random.choice(tuple(self._mid)))
                self.wait_ms(1_000 / quotes_a_second)
            self.say(like(TRADE, symbol="SPY"))


def day(seconds: int = 6, quotes_a_second: int = 100) -> Market:
    """Start, trading, a halt of SPY, a lost line with a gap, another connection."""
    market = Market()
    market.health(state="idle", cause="no_demand", connection=0)
    market.request()
    market.wait_ms(50)
    market.health()
    for symbol in ("SPY", "QQQ", "AAPL"):
        market.quote(symbol)
        market.status(symbol, "live")
    market.seconds(max(1, seconds // 3), quotes_a_second)
    market.status("SPY", "halted", "halt")
    market.seconds(max(1, seconds // 3), quotes_a_second)
    market.status("SPY", "live", "resume")
    market.health(state="backing_off", cause="reset")
    begin_ns = market.at_ns
    market.wait_ms(1_500)
    gap = {"connection": 2, "gap_start_ns": begin_ns, "gap_end_ns": market.at_ns, "since_ns": market.at_ns}
    market.health(**gap)
    for symbol in ("SPY", "QQQ", "AAPL"):
        market.status(symbol, "pending", "no_quote_yet")
        market.quote(symbol, connection=2)
        market.status(symbol, "live")
    for _ in range(max(1, seconds // 3)):
        market.health(**gap)
        for _ in range(quotes_a_second):
            market.quote("QQQ", connection=2)
            market.wait_ms(1_000 / quotes_a_second)
    return market


def write(entries: list[Captured], path: Path) -> Path:
    """The messages as a capture file."""
    head = CaptureMetadata(
        run="test", recorder="test", source="recorder-000001", segment=0, first_sequence=1, boot_ns=0, utc_ns=UTC_NS
    )
    with CaptureWriter(path, head) as writer:
        for entry in entries:
            writer.write(entry.topic, entry.payload, entry.received_ns, entry.published_ns)
    return path
