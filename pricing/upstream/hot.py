"""The hot path: upstream socket in, bus out, one thread, no hand-over.

This thread owns the node's one publishing socket. It drains what has been received, judges and packs it, and sends it
in one burst; what the control thread has to say goes out first at each wake-up and between the pieces of a burst.
When this thread hangs, health stops with it, which is what health is for.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import msgspec
import zmq

from bus.clock import now_ns, to_utc_ns, utc_ns
from bus.events import VERSION, Cause, Flag
from pricing.board import Board, Slot
from pricing.messages import (
    DECODE_ERRORS,
    CancelError,
    Correction,
    Record,
    Unreadable,
    UnreadableFrame,
    UpstreamCodec,
    UpstreamQuote,
    UpstreamStatus,
    UpstreamTrade,
)
from pricing.quality import Sides, judge, sane_trade
from pricing.upstream.line import Line, LineLost

PIECE = 256
"""Records between two looks at the control thread's messages: about 2 ms of work."""
MAX_TICK_BYTES = 900
"""A quote or trade that packs to more is nonsense: 1,000 held quotes must fit into one acknowledgement."""
MAX_TRADES_WAITING = 50_000
BAD_FRAMES_ALLOWED = 3
BAD_FRAMES_WINDOW_NS = 10_000_000_000
COUNTERS = (
    *("quotes", "trades", "corrections", "conflated", "quotes_dropped", "trades_dropped", "unwanted"),
    *("bad_data", "bad_records", "bad_frames", "unknown_types"),
)
_BACKWARD = int(Flag.BACKWARD_TIME)
_NOBLOCK = int(zmq.NOBLOCK)
_encode = msgspec.msgpack.Encoder().encode


@dataclass(frozen=True, slots=True)
class Closed:
    """The line has been closed: `cause` is None when that was ordered."""

    cause: Cause | None


@dataclass(frozen=True, slots=True)
class Ticked:
    """A watched symbol had a good quote, a trade, or nonsense: `kind` is quote, trade or bad_data."""

    kind: str
    symbol: str


Report = Record | Closed | Ticked
Tick: TypeAlias = tuple[Slot, UpstreamQuote | UpstreamTrade, Sides | None, int, int, int]
"""Slot, record, judged sides (None for a trade), exchange and receive time in UTC nanoseconds, connection."""


class HotPath:
    """Turns a line's bytes into published quotes. All methods belong to the hot thread."""

    def __init__(
        self,
        publisher: zmq.Socket[bytes],
        source: str,
        board: Board,
        codec: UpstreamCodec,
        report: Callable[[Report], None],
        *,
        conflate: bool,
    ) -> None:
        """`report` hands something to the control thread and wakes it."""
        self.line: Line | None = None
        self.connection = 0
        self.counters = dict.fromkeys(COUNTERS, 0)
        self._publisher = publisher
        self._source = source
        self._board = board
        self._codec = codec
        self._report = report
        self._conflate = conflate
        self._backlog: dict[Slot, Tick] = {}
        self._trade_backlog: deque[Tick] = deque()
        self._smallest_lag_ns: int | None = None
        self._bad_frames: deque[int] = deque(maxlen=BAD_FRAMES_ALLOWED)

    # the line

    def attach(self, line: Line, connection: int) -> None:
        """Read this line from now on."""
        self.line, self.connection = line, connection
        self._smallest_lag_ns = None
        self._board.lag_ns = None
        self._bad_frames.clear()

    def hang_up(self, cause: Cause | None) -> None:
        """Close the line and report it closed."""
        if self.line is not None:
            self.line.close()
            self.line = None
            self._report(Closed(cause))

    def read(self, between: Callable[[], None]) -> None:
        """Publish everything that has been received; `between` is called after every piece of it."""
        line = self.line
        try:
            while line is not None and line.fill():
                at_ns = now_ns()
                self._board.last_byte_ns = at_ns
                self._publish(line, at_ns, between)
                between()
                line = self.line  # the control thread may have hung up in between
        except LineLost as lost:
            self.hang_up(lost.cause)

    def say(self, message: bytes) -> None:
        """Send one of our messages upstream."""
        self._write(lambda line: line.send(message, 2 if self._codec.binary else 1))

    def ping(self) -> None:
        self._write(Line.ping)

    def flush_line(self) -> None:
        self._write(Line.flush)

    def _write(self, write: Callable[[Line], None]) -> None:
        if self.line is None:
            return
        try:
            write(self.line)
        except LineLost as lost:
            self.hang_up(lost.cause)

    # from records to the bus

    def _publish(self, line: Line, at_ns: int, between: Callable[[], None]) -> None:
        """Judge and send every record received, also those before the one that ends the line."""
        ticks: list[Tick] = []
        try:
            self._judge(line, at_ns, between, ticks)
        except LineLost:
            self._send(ticks, at_ns)
            raise
        self._send(ticks, at_ns)

    def _judge(self, line: Line, at_ns: int, between: Callable[[], None], ticks: list[Tick]) -> None:
        """The loop that all quotes go through; sends a piece at a time and leaves the last one in `ticks`."""
        received_ns, connection = to_utc_ns(at_ns), self.connection
        slot_of, decode, time_ns = self._board.slots.get, self._codec.decode, self._codec.time_ns
        for message in line.messages():
            try:
                records: Sequence[Record | Unreadable] = decode(message)
            except DECODE_ERRORS:
                records = self._salvage(message)
            for record in records:
                if type(record) is UpstreamQuote:
                    slot = slot_of(record.S)
                    if slot is None:
                        self.counters["unwanted"] += 1
                        continue
                    sides = judge(record.bp, record.bs, record.ap, record.as_, slot.doubled_mid)
                    try:
                        exchange_ns = time_ns(record.t)
                    except ValueError:
                        sides = None
                    if sides is None:
                        self._nonsense(slot, ticks, at_ns)
                        continue
                    if exchange_ns < slot.exchange_ns and slot.exchange_ns_of == connection:
                        sides = (*sides[:4], sides[4] | _BACKWARD, 0.0)
                    else:
                        slot.exchange_ns = exchange_ns
                        slot.exchange_ns_of = connection
                        slot.doubled_mid = sides[5]
                    ticks.append((slot, record, sides, exchange_ns, received_ns, connection))
                elif type(record) is UpstreamTrade:
                    self._take_trade(record, received_ns, ticks)
                elif type(record) is Correction or type(record) is CancelError:
                    self.counters["corrections"] += 1
                elif isinstance(record, Unreadable):
                    self._count_unreadable(record, ticks, at_ns)
                else:
                    if type(record) is UpstreamStatus:
                        self._note_status(record)
                    self._report(record)
            if len(ticks) >= PIECE:
                self._send(ticks, at_ns)
                ticks.clear()
                between()
                if self.line is not line:
                    return

    def _take_trade(self, trade: UpstreamTrade, received_ns: int, ticks: list[Tick]) -> None:
        slot = self._board.slots.get(trade.S)
        if slot is None:
            self.counters["unwanted"] += 1
            return
        try:
            exchange_ns = self._codec.time_ns(trade.t)
        except ValueError:
            exchange_ns = -1
        if exchange_ns < 0 or not sane_trade(trade.p, trade.s):
            self.counters["bad_data"] += 1
            return
        if slot.watch_trade and exchange_ns > slot.halted_ns:
            slot.watch_trade = False
            self._report(Ticked("trade", slot.symbol))
        ticks.append((slot, trade, None, exchange_ns, received_ns, self.connection))

    def _note_status(self, status: UpstreamStatus) -> None:
        """When the status was given: only a trade after a halt shows that the halt is over."""
        slot = self._board.slots.get(status.S)
        if slot is not None:
            with contextlib.suppress(ValueError):
                slot.halted_ns = self._codec.time_ns(status.t)

    def _send(self, ticks: list[Tick], at_ns: int) -> None:
        if not ticks:
            return
        self._note_lag(ticks[-1])
        blocked = self.has_backlog and not self.send_backlog()
        published_ns = utc_ns()
        for tick in ticks:
            if blocked or not self._send_one(tick, published_ns, at_ns):
                blocked = True
                self._keep(tick)

    def _send_one(self, tick: Tick, published_ns: int, at_ns: int) -> bool:
        """Number, pack and send; False when the broker does not take more at present."""
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
            self._report(Ticked("bad_data", slot.symbol))
            return True
        try:
            self._publisher.send(frame, _NOBLOCK)
        except zmq.Again:
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
                self._report(Ticked("quote", slot.symbol))
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
        try:
            self._publisher.send(frame, _NOBLOCK)
        except zmq.Again:
            return False
        slot.trade_seq += 1
        self.counters["trades"] += 1
        return True

    def _note_lag(self, tick: Tick) -> None:
        """How far the line is behind the exchange's clock, the smallest distance seen taken away."""
        lag_ns = tick[4] - tick[3]
        if self._smallest_lag_ns is None or lag_ns < self._smallest_lag_ns:
            self._smallest_lag_ns = lag_ns
        self._board.lag_ns = lag_ns - self._smallest_lag_ns

    # backlog: the broker does not take more at present

    def _keep(self, tick: Tick) -> None:
        """Keep the latest quote of each symbol, and trades in order, until the broker takes them.

        A quote that is replaced is counted in the next one's `conflated`. What is given up takes its number with it, so
        that readers count the loss.
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

    def send_backlog(self) -> bool:
        """Send what waits, the longest-waiting symbol first; False when the broker is full again."""
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
        return bool(self._backlog or self._trade_backlog)

    # what cannot be read

    def _salvage(self, message: bytes) -> list[Record | Unreadable]:
        try:
            return self._codec.salvage(message)
        except UnreadableFrame:
            self._count_bad_frame()
            return []

    def _count_unreadable(self, record: Unreadable, ticks: list[Tick], at_ns: int) -> None:
        if record.kind == "unknown_type":
            self.counters["unknown_types"] += 1
            return
        self.counters["bad_records"] += 1
        slot = self._board.slots.get(record.symbol)
        if slot is not None:
            self._nonsense(slot, ticks, at_ns)

    def _nonsense(self, slot: Slot, ticks: list[Tick], at_ns: int) -> None:
        """What came before goes out before; the next good quote is reported, though it may be in the same burst."""
        self._send(ticks, at_ns)
        ticks.clear()
        if self._backlog.pop(slot, None) is not None:
            slot.conflated += 1
            self.counters["conflated"] += 1
        self.counters["bad_data"] += 1
        slot.watch_quote = True
        self._report(Ticked("bad_data", slot.symbol))

    def _count_bad_frame(self) -> None:
        self.counters["bad_frames"] += 1
        at_ns = now_ns()
        self._bad_frames.append(at_ns)
        if len(self._bad_frames) == BAD_FRAMES_ALLOWED and at_ns - self._bad_frames[0] < BAD_FRAMES_WINDOW_NS:
            raise LineLost(Cause.PROTOCOL, "unreadable frames")


def _backward(tick: Tick) -> bool:
    return tick[2] is not None and bool(tick[2][4] & _BACKWARD)
