"""The hot path: upstream socket in, bus out, one thread, no queue in between.

This thread owns the node's one publisher. It drains what has been received, checks and packs it, and sends it
in one burst. Messages of the control thread go out first at each wake-up and between the pieces of a burst. When this
thread hangs, health stops with it, which is what health is for.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from quotebus.bus.clock import NS_PER_MS, now_ns, to_utc_ns
from quotebus.bus.codec import DECODE_ERRORS
from quotebus.bus.events import Cause, Flag
from quotebus.bus.transport.line import Publisher
from quotebus.pricing.lag import LagMeter
from quotebus.pricing.messages import (
    CancelError,
    Correction,
    Record,
    UnreadableFrame,
    UnreadableRecord,
    UpstreamBands,
    UpstreamCodec,
    UpstreamQuote,
    UpstreamStatus,
    UpstreamTrade,
)
from quotebus.pricing.quality import apply_bands, is_sane_trade, judge, read_bands
from quotebus.pricing.sale_conditions import Proof, find_proof, sets_last
from quotebus.pricing.shared_state import SharedState, Slot
from quotebus.pricing.upstream.doubted import DoubtedQuotes
from quotebus.pricing.upstream.publisher import SymbolReport, Tick, TickPublisher
from quotebus.pricing.upstream.upstream_socket import UpstreamLost, UpstreamSocket

PIECE = 256
"""Records between two checks for messages of the control thread: about 2 ms of work."""
STUCK_NS = 1_000_000_000
"""A message incomplete for longer than this is a sign of a slow connection."""
BAD_FRAMES_ALLOWED = 3
BAD_FRAMES_WINDOW_NS = 10_000_000_000
COUNTERS = ("corrections", "unwanted", "bad_records", "bad_frames", "unknown_types")
_BACKWARD = int(Flag.BACKWARD_TIME)
_PING = struct.Struct(">Q")


@dataclass(frozen=True, slots=True)
class StatusReport:
    """A trading status. `exchange_ns`: when it was given, None where that cannot be read."""

    status: UpstreamStatus
    exchange_ns: int | None


@dataclass(frozen=True, slots=True)
class PrintReport:
    """A trade that is news of a symbol's halt."""

    symbol: str
    exchange_ns: int
    reopening: bool


@dataclass(frozen=True, slots=True)
class SocketClosed:
    """The upstream socket has been closed. `cause` is None when control told us to close it."""

    cause: Cause | None


Report = Record | StatusReport | PrintReport | SocketClosed | SymbolReport


class HotPath:
    """Turns the upstream's bytes into published quotes. All methods belong to the hot thread."""

    def __init__(
        self,
        publisher: Publisher,
        source: str,
        shared: SharedState,
        codec: UpstreamCodec,
        report: Callable[[Report], None],
        *,
        conflate: bool,
        trades_prove: bool = True,
    ) -> None:
        """`report` hands something to the control thread and wakes it.

        `trades_prove`: trades are the market's own and in time, so that one may prove a new level.
        """
        self.upstream: UpstreamSocket | None = None
        self.connection = 0
        self.tick_publisher = TickPublisher(publisher, source, report, conflate=conflate)
        self.counters = self.tick_publisher.counters
        self.counters.update(dict.fromkeys(COUNTERS, 0))
        self._shared = shared
        self._codec = codec
        self._report = report
        self._trades_prove = trades_prove
        self._doubted = DoubtedQuotes()
        self._lag = LagMeter()
        self._message_ns = 0
        self._bad_frames: deque[int] = deque(maxlen=BAD_FRAMES_ALLOWED)

    # the upstream socket

    def attach(self, upstream: UpstreamSocket, connection: int) -> None:
        """Read this socket from now on."""
        self.upstream, self.connection = upstream, connection
        self._doubted.clear()
        self.tick_publisher.connection = connection
        self._lag = LagMeter()
        self._shared.lag_ns = None
        self._message_ns = now_ns()
        self._bad_frames.clear()

    def hang_up(self, cause: Cause | None) -> None:
        """Close the socket and report it closed."""
        if self.upstream is not None:
            self.upstream.close()
            self.upstream = None
            self._doubted.clear()
            self._report(SocketClosed(cause))

    def read(self, between: Callable[[], None]) -> None:
        """Publish everything that has been received; `between` is called after each piece."""
        upstream = self.upstream
        try:
            while upstream is not None and upstream.fill():
                at_ns = now_ns()
                self._shared.last_byte_ns = at_ns
                self._publish(upstream, at_ns, between)
                self._note_progress(upstream, at_ns)
                between()
                upstream = self.upstream  # the control thread may have hung up in between
        except UpstreamLost as lost:
            self.hang_up(lost.cause)

    def wait_ms(self, most_ms: int) -> int:
        """How long the thread may wait for something to happen: no longer than until a doubted quote is believed."""
        due_ns = self._doubted.next_ns() if self._doubted.waiting else None
        return most_ms if due_ns is None else min(most_ms, max(0, -(-(due_ns - now_ns()) // NS_PER_MS)))

    def publish_believed(self) -> None:
        """Publish again, without the flag, the quotes whose level has been believed by standing."""
        if self._doubted.waiting:
            at_ns = now_ns()
            if believed := self._doubted.take_due(at_ns):
                self.tick_publisher.send(believed, at_ns)

    def send_upstream(self, message: bytes) -> None:
        """Send one of our messages upstream."""
        self._write(lambda upstream: upstream.send(message, 2 if self._codec.binary else 1))

    def ping(self) -> None:
        """Ask for a sign of life; the pong brings back when the ping was sent."""
        self._write(lambda upstream: upstream.ping(_PING.pack(now_ns())))

    def flush_upstream(self) -> None:
        """Send what the upstream socket did not accept before."""
        self._write(UpstreamSocket.flush)

    def _write(self, write: Callable[[UpstreamSocket], None]) -> None:
        if self.upstream is None:
            return
        try:
            write(self.upstream)
        except UpstreamLost as lost:
            self.hang_up(lost.cause)

    # from records to the bus

    def _publish(self, upstream: UpstreamSocket, at_ns: int, between: Callable[[], None]) -> None:
        """Check and send every record received, including those before the one that ends the connection."""
        ticks: list[Tick] = []
        try:
            self._judge(upstream, at_ns, between, ticks)
        except UpstreamLost:
            self._send(ticks, at_ns)
            raise
        self._send(ticks, at_ns)

    def _judge(self, upstream: UpstreamSocket, at_ns: int, between: Callable[[], None], ticks: list[Tick]) -> None:
        """The loop that every quote goes through. Sends a piece at a time and leaves the last one in `ticks`."""
        received_ns, connection = to_utc_ns(at_ns), self.connection
        slot_of, decode, time_ns = self._shared.slots.get, self._codec.decode, self._codec.time_ns
        doubted = self._doubted
        for message in upstream.messages():
            self._message_ns = at_ns
            try:
                records: Sequence[Record | UnreadableRecord] = decode(message)
            except DECODE_ERRORS:
                records = self._salvage(message)
            for record in records:
                if type(record) is UpstreamQuote:
                    slot = slot_of(record.S)
                    if slot is None:
                        self.counters["unwanted"] += 1
                        continue
                    sides = judge(record.bp, record.bs, record.ap, record.as_, slot.symbol, received_ns)
                    try:
                        exchange_ns = time_ns(record.t)
                    except ValueError:
                        sides = None
                    if sides is None:
                        self._nonsense(slot, ticks, at_ns)
                        continue
                    if slot.bands is not None and slot.level.is_inside(slot.bands.low, slot.bands.high):
                        sides = apply_bands(sides, slot.bands, exchange_ns)
                    older = exchange_ns < slot.exchange_ns and slot.exchange_ns_of == connection
                    if older and slot.is_late(exchange_ns):
                        sides = (*sides[:4], sides[4] | _BACKWARD, 0.0)
                        ticks.append((slot, record, sides, exchange_ns, received_ns, connection))
                        continue
                    slot.exchange_ns = exchange_ns
                    slot.exchange_ns_of = connection
                    sides = slot.level.judge(sides, at_ns, received_ns)
                    tick = (slot, record, sides, exchange_ns, received_ns, connection)
                    if doubted.waiting:
                        doubted.drop(slot)
                    if sides[4] and slot.level.due_ns() is not None:
                        doubted.keep(tick)
                    ticks.append(tick)
                elif type(record) is UpstreamTrade:
                    self._take_trade(record, at_ns, received_ns, ticks)
                elif type(record) is Correction or type(record) is CancelError:
                    self.counters["corrections"] += 1
                elif isinstance(record, UnreadableRecord):
                    self._count_unreadable(record, ticks, at_ns)
                elif type(record) is UpstreamBands:
                    self._note_bands(record)
                elif type(record) is UpstreamStatus:
                    self._note_status(record)
                else:
                    self._report(record)
            if len(ticks) >= PIECE:
                self._send(ticks, at_ns)
                ticks.clear()
                between()
                if self.upstream is not upstream:
                    return

    def _take_trade(self, trade: UpstreamTrade, at_ns: int, received_ns: int, ticks: list[Tick]) -> None:
        slot = self._shared.slots.get(trade.S)
        if slot is None:
            self.counters["unwanted"] += 1
            return
        try:
            exchange_ns = self._codec.time_ns(trade.t)
        except ValueError:
            exchange_ns = -1
        if exchange_ns < 0 or not is_sane_trade(trade.p, trade.s):
            self.counters["bad_data"] += 1
            return
        if slot.watch_print and self._trades_prove:
            self._note_print(slot, trade, exchange_ns)
        if slot.watch_trade:
            slot.watch_trade = False
            self._report(SymbolReport("trade", slot.symbol))
        if self._trades_prove and sets_last(trade.c, trade.z) and slot.level.on_trade(trade.p, at_ns):
            ticks += self._doubted.take(slot)
        ticks.append((slot, trade, None, exchange_ns, received_ns, self.connection))

    def _note_print(self, slot: Slot, trade: UpstreamTrade, exchange_ns: int) -> None:
        """Report a trade that proves more of the symbol's trading than is known."""
        proof = find_proof(trade.c, trade.z, trade.x, extended_hours=self._shared.extended_hours)
        if proof is Proof.NONE:
            return
        if exchange_ns > (slot.reopening_after_ns if proof is Proof.REOPENING else slot.print_after_ns):
            slot.watch_print = False
            self._report(PrintReport(slot.symbol, exchange_ns, proof is Proof.REOPENING))

    def _note_status(self, status: UpstreamStatus) -> None:
        """Report a status. A quote from before it is not published again: it would look like one after a resume."""
        slot = self._shared.slots.get(status.S)
        if slot is not None:
            slot.level.interrupt()
            self._doubted.drop(slot)
        self._report(StatusReport(status, self._find_time(status)))

    def _find_time(self, status: UpstreamStatus) -> int | None:
        try:
            return self._codec.time_ns(status.t)
        except ValueError:
            return None

    def _note_bands(self, bands: UpstreamBands) -> None:
        """Note limit up and limit down: a quote outside them cannot be executed."""
        slot = self._shared.slots.get(bands.S)
        if slot is None:
            self.counters["unwanted"] += 1
            return
        try:
            slot.bands = read_bands(bands.d, bands.u, self._codec.time_ns(bands.t))
        except ValueError:
            self.counters["bad_records"] += 1

    def _send(self, ticks: list[Tick], at_ns: int) -> None:
        if ticks:
            self._lag.observe(max([tick[3] for tick in ticks]), ticks[-1][4])
            self._shared.lag_ns = self._lag.lag_ns
            self.tick_publisher.send(ticks, at_ns)

    def _note_progress(self, upstream: UpstreamSocket, at_ns: int) -> None:
        """Update the lag from a pong, or from a message that stays incomplete."""
        pong = upstream.take_pong()
        if len(pong) == _PING.size and 0 < (pinged_ns := _PING.unpack(pong)[0]) <= at_ns:
            self._shared.ponged = True
            self._lag.on_pong(to_utc_ns(pinged_ns), to_utc_ns(at_ns))
            self._shared.lag_ns = self._lag.lag_ns
        if not upstream.is_mid_message:
            self._message_ns = at_ns
        elif at_ns - self._message_ns > STUCK_NS:
            self._lag.on_stuck(at_ns - self._message_ns)
            self._shared.lag_ns = self._lag.lag_ns

    # what cannot be read

    def _salvage(self, message: bytes) -> list[Record | UnreadableRecord]:
        try:
            return self._codec.salvage(message)
        except UnreadableFrame:
            self._count_bad_frame()
            return []

    def _count_unreadable(self, record: UnreadableRecord, ticks: list[Tick], at_ns: int) -> None:
        if record.kind == "unknown_type":
            self.counters["unknown_types"] += 1
            return
        self.counters["bad_records"] += 1
        slot = self._shared.slots.get(record.symbol)
        if slot is not None:
            self._nonsense(slot, ticks, at_ns)

    def _nonsense(self, slot: Slot, ticks: list[Tick], at_ns: int) -> None:
        """An invalid quote: send what came before it, and report the next good quote, even one of the same burst."""
        self._send(ticks, at_ns)
        ticks.clear()
        self.tick_publisher.withdraw(slot)
        slot.level.interrupt()
        self._doubted.drop(slot)
        self.counters["bad_data"] += 1
        slot.watch_quote = True
        self._report(SymbolReport("bad_data", slot.symbol))

    def _count_bad_frame(self) -> None:
        self.counters["bad_frames"] += 1
        at_ns = now_ns()
        self._bad_frames.append(at_ns)
        if len(self._bad_frames) == BAD_FRAMES_ALLOWED and at_ns - self._bad_frames[0] < BAD_FRAMES_WINDOW_NS:
            raise UpstreamLost(Cause.PROTOCOL, "unreadable frames")
