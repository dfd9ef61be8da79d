"""The publishing end of the hot path: ticks are numbered, packed and sent; what the broker does not accept waits.

While the broker is behind, the latest quote of each symbol waits, the longest-waiting symbol first out, and trades wait
in order up to a limit. Nothing disappears uncounted. All methods belong to the hot thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from quotebus.bus.clock import now_ns, utc_ns
from quotebus.bus.events import VERSION, Flag
from quotebus.bus.transport.line import Publisher
from quotebus.pricing.messages import UpstreamQuote, UpstreamTrade
from quotebus.pricing.quality import Sides
from quotebus.pricing.shared_state import Slot

MAX_TICK_BYTES = 900
"""A longer quote or trade is invalid: 1,000 quotes must fit into one acknowledgement."""
MAX_TRADES_WAITING = 50_000
COUNTERS = ("quotes", "trades", "conflated", "quotes_dropped", "trades_dropped", "bad_data")
_BACKWARD = int(Flag.BACKWARD_TIME)
_encode = msgspec.msgpack.Encoder().encode


@dataclass(frozen=True, slots=True)
class SymbolReport:
    """A watched symbol had a good quote, a trade, or an invalid quote: `kind` is quote, trade or bad_data."""

    kind: str
    symbol: str


Tick: TypeAlias = tuple[Slot, UpstreamQuote | UpstreamTrade, Sides | None, int, int, int]
"""Slot, record, checked sides (None for a trade), exchange and receive time in UTC nanoseconds, connection."""


class TickPublisher:
    """Sends ticks through the node's one publisher. `connection` is the one that is being read."""

    def __init__(
        self, publisher: Publisher, source: str, report: Callable[[SymbolReport], None], *, conflate: bool
    ) -> None:
        self.connection = 0
        self.counters = dict.fromkeys(COUNTERS, 0)
        self._publisher = publisher
        self._source = source
        self._report = report
        self._conflate = conflate
        self._backlog: dict[Slot, Tick] = {}
        self._trade_backlog: deque[Tick] = deque()

    def send(self, ticks: list[Tick], at_ns: int) -> None:
        """Send ticks that were read at `at_ns`, after those that wait."""
        blocked = self.has_backlog and not self.send_backlog()
        published_ns = utc_ns()
        for tick in ticks:
            if blocked or not self._send_one(tick, published_ns, at_ns):
                blocked = True
                self._keep(tick)
        self._publisher.flush()

    def send_backlog(self) -> bool:
        """Send what waits, the longest-waiting symbol first. False when the broker is full again."""
        while self._backlog:
            slot = next(iter(self._backlog))
            if not self._send_one(self._backlog[slot], utc_ns(), now_ns()):
                return False
            del self._backlog[slot]
        while self._trade_backlog:
            if not self._send_one(self._trade_backlog[0], utc_ns(), now_ns()):
                return False
            self._trade_backlog.popleft()
        return True

    @property
    def has_backlog(self) -> bool:
        """Whether ticks wait for the broker."""
        return bool(self._backlog or self._trade_backlog)

    def withdraw(self, slot: Slot) -> None:
        """Drop a symbol's waiting quote: a newer one was invalid. It counts as replaced."""
        if self._backlog.pop(slot, None) is not None:
            slot.conflated += 1
            self.counters["conflated"] += 1

    def count_waiting(self) -> dict[str, int]:
        """How many quotes and trades wait for the broker."""
        return {"quotes_waiting": len(self._backlog), "trades_waiting": len(self._trade_backlog)}

    def _send_one(self, tick: Tick, published_ns: int, at_ns: int) -> bool:
        """Number, pack and send. False when the broker accepts no more for now."""
        slot, record, sides, exchange_ns, received_ns, connection = tick
        if sides is None:
            return self._send_trade(tick, published_ns)
        bid, bid_size, ask, ask_size, flags, _ = sides
        seq = slot.quote_seq + 1
        frame = slot.quote_prefix + _encode(
            (
                VERSION,
                self._source,
                seq,
                published_ns,
                slot.symbol,
                bid,
                bid_size,
                ask,
                ask_size,
                record.bx,  # type: ignore[union-attr]
                record.ax,  # type: ignore[union-attr]
                record.c,
                record.z,
                exchange_ns,
                received_ns,
                slot.conflated,
                flags,
                connection,
            )
        )
        if len(frame) > MAX_TICK_BYTES:
            self.counters["bad_data"] += 1
            slot.watch_quote = True
            self._report(SymbolReport("bad_data", slot.symbol))
            return True
        if not self._publisher.send(frame):
            return False
        self.counters["quotes"] += 1
        slot.quote_seq = seq
        slot.conflated = 0
        if not flags & _BACKWARD:
            slot.connection = connection
            slot.received_ns = at_ns
            slot.frame = frame
            if slot.watch_quote and connection == self.connection:
                slot.watch_quote = False
                self._report(SymbolReport("quote", slot.symbol))
        return True

    def _send_trade(self, tick: Tick, published_ns: int) -> bool:
        slot, trade, _, exchange_ns, received_ns, connection = tick
        assert type(trade) is UpstreamTrade
        head = (VERSION, self._source, slot.trade_seq + 1, published_ns, slot.symbol)
        fields = (trade.p, trade.s, trade.x, trade.c, trade.z, trade.i, exchange_ns, received_ns, connection)
        frame = slot.trade_prefix + _encode(head + fields)
        if len(frame) > MAX_TICK_BYTES:
            self.counters["bad_data"] += 1
            return True
        if not self._publisher.send(frame):
            return False
        slot.trade_seq += 1
        self.counters["trades"] += 1
        return True

    def _keep(self, tick: Tick) -> None:
        """Keep the latest quote of each symbol, and trades in order, until the broker accepts them.

        A quote that is replaced is counted in the next one's `conflated`. The sequence number of a dropped tick is used
        up, so that readers see the gap.
        """
        slot = tick[0]
        if tick[2] is None:
            if len(self._trade_backlog) >= MAX_TRADES_WAITING:
                self._trade_backlog.popleft()[0].trade_seq += 1
                self.counters["trades_dropped"] += 1
            self._trade_backlog.append(tick)
        elif not self._conflate:
            slot.quote_seq += 1
            self.counters["quotes_dropped"] += 1
        else:
            waiting = self._backlog.get(slot)
            if waiting is not None:
                slot.conflated += 1
                self.counters["conflated"] += 1
                if _backward(tick) and not _backward(waiting):
                    return
            self._backlog[slot] = tick


def _backward(tick: Tick) -> bool:
    return tick[2] is not None and bool(tick[2][4] & _BACKWARD)
