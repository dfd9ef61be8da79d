"""What a player publishes: recorded messages marked as replayed, and answers in the recorded node's name. Pure.

Recorded requests and acknowledgements are not published again. An acknowledgement would answer a client that is not
there, and a client of the same name would take it for its own; but the states and held quotes in it are kept, and this
player answers with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

import msgspec

from quotebus.bus import codec, topics
from quotebus.bus.capture.format.captured import Captured
from quotebus.bus.capture.replay.mark_replayed import mark_replayed
from quotebus.bus.consumer import REPLAYED
from quotebus.bus.errors import MessageTooLarge, UndecodableMessage
from quotebus.bus.events import (
    AckRow,
    Cause,
    ConnectionHealth,
    Flag,
    Quote,
    SymbolsAcknowledged,
    SymbolsRequested,
    SymbolState,
    SymbolStatus,
)
from quotebus.bus.protocol import MAX_SYMBOLS
from quotebus.bus.sequence import MAX_TOPICS, Stamper

ROWS_PER_PART = 1_000
SHORTEST_TTL_MS, LONGEST_TTL_MS = 1_000, 120_000
LOOK_AHEAD = 50_000
"""How many messages to read ahead for the first health, which names the recorded node."""
_BACKWARD_TIME = int(Flag.BACKWARD_TIME)  # an enumeration's own & costs more than decoding the quote
_SILENT = ("symbols.requested", "symbols.acknowledged", "capture")


class Playback:
    """The state of a recording at one position: the next frame, and the answer to a request there."""

    def __init__(self) -> None:
        self.counters = dict.fromkeys(("published", "withheld", "unreadable", "requests"), 0)
        self.published_ns = 0
        """The newest publisher's timestamp so far."""
        self._source = f"{REPLAYED}unknown"
        self._quotes: dict[str, tuple[bytes, Quote]] = {}
        self._statuses: dict[str, bytes] = {}
        self._prefixes: dict[str, tuple[bytes, str] | None] = {}
        self._stampers: dict[str, Stamper] = {}
        self._answered: dict[str, tuple[str, frozenset[str]]] = {}

    def look_ahead(self, entries: Iterable[Captured]) -> Iterator[Captured]:
        """The same messages, after reading ahead for the recorded node's source.

        It must be known before the first message is published, because answers are given in its name.
        """
        iterator = iter(entries)
        ahead: list[Captured] = []
        for captured in iterator:
            ahead.append(captured)
            if _is_price_health(captured.topic):
                self._take_health(captured.payload)
                break
            if len(ahead) >= LOOK_AHEAD:
                break
        if ahead:
            self.published_ns = max(self.published_ns, ahead[0].published_ns)
        return chain(ahead, iterator)

    def make_frame(self, captured: Captured) -> bytes | None:
        """The frame to publish for a recorded message, None if it is not to be published. Advances the state."""
        topic = captured.topic
        known = self._prefixes.get(topic)
        if known is None:
            known = self._learn(topic)
            if known is None:
                self.counters["unreadable"] += 1
                return None
        prefix, kind = known
        if kind in _SILENT:
            self.counters["withheld"] += 1
            if kind == "symbols.acknowledged":
                self._take_acknowledged(captured)
            return None
        try:
            payload = mark_replayed(captured.payload)
        except UndecodableMessage:
            self.counters["unreadable"] += 1
            return None
        if len(payload) > codec.MAX_PAYLOAD_BYTES:
            self.counters["unreadable"] += 1
            return None
        if captured.published_ns > self.published_ns:
            self.published_ns = captured.published_ns
        if kind == "quote":
            self._hold(topic, payload)
        elif kind == "symbol":
            self._statuses[topic] = payload
        elif kind == "health" and _is_price_health(topic):
            self._take_health(payload)
        self.counters["published"] += 1
        return prefix + payload

    def answer(self, request: SymbolsRequested) -> list[bytes]:
        """The acknowledgement of a request at this position, in parts, in the recorded node's name."""
        self.counters["requests"] += 1
        rows: list[AckRow] = []
        cause = Cause.DEMAND
        if len(request.symbols) > MAX_SYMBOLS:
            cause = Cause.TOO_MANY
        else:
            source, symbols = self._answered.get(request.client, ("", frozenset()))
            if len(self._answered) >= MAX_TOPICS and request.client not in self._answered:
                del self._answered[next(iter(self._answered))]
            self._answered[request.client] = (request.source, frozenset(request.symbols))
            everything = request.snapshot or source != request.source
            rows = [
                self._row(symbol, with_quote=everything or symbol not in symbols)
                for symbol in dict.fromkeys(request.symbols)
            ]
        ttl_ms = min(max(request.ttl_ms, SHORTEST_TTL_MS), LONGEST_TTL_MS)
        parts = max(1, -(-len(rows) // ROWS_PER_PART))
        stamper = self._stampers.setdefault(self._source, Stamper(self._source))
        frames: list[bytes] = []
        for part in range(parts):
            ack = SymbolsAcknowledged(
                client=request.client,
                request_id=request.request_id,
                results=tuple(rows[part * ROWS_PER_PART : (part + 1) * ROWS_PER_PART]),
                cause=cause,
                lease_ms=ttl_ms if rows else 0,
                part=part + 1,
                parts=parts,
            )
            try:
                frames.append(stamper.frame(ack, self.published_ns))
            except MessageTooLarge:
                bare = tuple(msgspec.structs.replace(row, last_quote=None) for row in ack.results)
                frames.append(stamper.frame(_with_rows(ack, bare), self.published_ns))
            except ValueError:  # the client's name is no valid topic, so it cannot be answered
                return []
        return frames

    def _learn(self, topic: str) -> tuple[bytes, str] | None:
        kind = topics.kind(topic)
        if kind not in codec.KINDS and kind not in _SILENT:
            return None
        try:
            known = (topics.prefix(topic), kind)
        except ValueError:
            return None
        if len(self._prefixes) >= MAX_TOPICS:
            del self._prefixes[next(iter(self._prefixes))]
        self._prefixes[topic] = known
        return known

    def _take_health(self, payload: bytes) -> None:
        try:
            health = codec.decode_payload("health", mark_replayed(payload))
        except UndecodableMessage:
            return
        if isinstance(health, ConnectionHealth):
            self._source = health.source

    def _take_acknowledged(self, captured: Captured) -> None:
        try:
            ack = captured.event()
        except UndecodableMessage:
            self.counters["unreadable"] += 1
            return
        assert isinstance(ack, SymbolsAcknowledged)
        for row in ack.results:
            if row.last_quote is not None and topics.is_symbol(row.symbol):
                try:
                    self._hold(topics.quote(row.symbol), mark_replayed(row.last_quote), only_newer=True)
                except UndecodableMessage:
                    self.counters["unreadable"] += 1

    def _hold(self, topic: str, payload: bytes, *, only_newer: bool = False) -> None:
        """Keep a quote as the node did: one that is older by exchange time does not replace the held one."""
        try:
            quote: Quote = codec.decode_quote(payload)
        except codec.DECODE_ERRORS:
            return
        held = self._quotes.get(topic)
        if held is not None and (
            quote.flags & _BACKWARD_TIME or (only_newer and quote.published_ns <= held[1].published_ns)
        ):
            return
        self._quotes[topic] = (payload, quote)

    def _row(self, symbol: str, *, with_quote: bool) -> AckRow:
        if not topics.is_symbol(symbol):
            return AckRow(symbol, SymbolState.REFUSED, Cause.BAD_SYMBOL, None, 0)
        row = AckRow(symbol, SymbolState.PENDING, Cause.NO_QUOTE_YET, None, 0)
        try:
            status = codec.decode_payload("symbol", self._statuses.get(topics.status(symbol), b""))
            if isinstance(status, SymbolStatus):
                row = msgspec.structs.replace(
                    row,
                    state=status.state,
                    cause=status.cause,
                    halt=status.halt,
                    halt_kind=status.halt_kind,
                    halt_exchange_ns=status.halt_exchange_ns,
                    rank=status.rank,
                )
        except UndecodableMessage:
            pass
        held = self._quotes.get(topics.quote(symbol))
        if held is None:
            return row
        payload, quote = held
        return msgspec.structs.replace(row, last_quote=payload if with_quote else None, last_quote_seq=quote.seq)


def is_withheld(topic: str) -> bool:
    """Whether messages of this topic are withheld, that is, not published again."""
    return topics.kind(topic) in _SILENT


def _is_price_health(topic: str) -> bool:
    """Whether a topic is a market-data connection's health; the order stream's says nothing about prices."""
    return topic.startswith("health.") and not topic.endswith(topics.ORDERS)


def _with_rows(ack: SymbolsAcknowledged, rows: tuple[AckRow, ...]) -> SymbolsAcknowledged:
    return SymbolsAcknowledged(
        client=ack.client,
        request_id=ack.request_id,
        results=rows,
        cause=ack.cause,
        lease_ms=ack.lease_ms,
        part=ack.part,
        parts=ack.parts,
    )
