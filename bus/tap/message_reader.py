"""Frames to events: unreadable ones are counted by kind, missing ones by their numbers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from quotebus.bus import codec, topics
from quotebus.bus.consumer import REPLAYED
from quotebus.bus.errors import UndecodableMessage
from quotebus.bus.events import VERSION, Event, Quote, SymbolsAcknowledged
from quotebus.bus.sequence import LATE, NEW_LINE, SequenceTracker
from quotebus.bus.tap.newest_quotes import NewestQuotes

MAX_QUOTE_BYTES = 4 * 1024
"""A longer quote or trade is refused: no real one is, and it would only fill memory."""
_MAX_QUOTE_TOPICS = 20_000
_ACKNOWLEDGED = topics.ACKNOWLEDGED.encode()


class ReceivedFrame(NamedTuple):
    """One frame and when it was received, by this process or by the recorder of a capture. UTC nanoseconds."""

    frame: bytes
    received_ns: int


class ReceivedMessage(NamedTuple):
    """One decoded message.

    `missing`: how many messages of its (source, topic) are missing before it. `late`: it came twice or after a newer
    one, or its number cannot be: it counts, and changes nothing that is known. `renumbered`: what was known of its
    topic came with a false number.
    """

    topic: str
    event: Event
    received_ns: int
    octets: int
    missing: int
    late: bool = False
    renumbered: bool = False


class MessageReader:
    """Decodes messages in the order they were received, and counts what is unreadable, replayed or missing."""

    def __init__(self, *, all_acknowledgements: bool = True) -> None:
        """`all_acknowledgements`: whether all of a source arrive; they share one counter, so some show no loss."""
        self.tracker = SequenceTracker()
        self.heard = 0
        self.replayed = 0
        self.unreadable: dict[str, int] = {}
        self._all_acknowledgements = all_acknowledgements
        self._quote_topics: dict[bytes, tuple[str, str]] = {}

    def read(self, messages: Iterable[ReceivedFrame], newest: NewestQuotes | None = None) -> Iterator[ReceivedMessage]:
        """The decoded messages; with `newest`, quotes of known topics go there instead."""
        decode_quote, quote_topics, observe = codec.decode_quote, self._quote_topics, self.tracker.observe
        for message in messages:
            frame, received_ns = message
            end = frame.find(b"\0") + 1
            prefix = frame[:end]
            known = quote_topics.get(prefix)
            if known is not None and len(frame) <= MAX_QUOTE_BYTES:
                try:
                    quote: Quote = decode_quote(frame[end:])
                except codec.DECODE_ERRORS:
                    quote = None  # type: ignore[assignment]
                if quote is not None and quote.version == VERSION and quote.symbol == known[1]:
                    self.heard += 1
                    if quote.source.startswith(REPLAYED):
                        self.replayed += 1
                    missing = observe(quote.source, prefix, quote.seq, quote.published_ns)
                    late = missing == LATE
                    if newest is not None and not late:
                        newest.add(prefix, quote, received_ns, len(frame), renumbered=missing == NEW_LINE)
                    else:
                        renumbered = missing == NEW_LINE
                        yield ReceivedMessage(
                            known[0], quote, received_ns, len(frame), max(0, missing), late, renumbered
                        )
                    continue
            heard = self._read(message, prefix)
            if heard is not None:
                yield heard

    def _read(self, message: ReceivedFrame, prefix: bytes) -> ReceivedMessage | None:
        frame = message.frame
        try:
            if frame.startswith((b"quote.", b"trade.")) and len(frame) > MAX_QUOTE_BYTES:
                raise UndecodableMessage("too_big", f"{len(frame)} bytes")
            event = codec.decode(frame)
        except UndecodableMessage as error:
            self.unreadable[error.kind] = self.unreadable.get(error.kind, 0) + 1
            return None
        topic = prefix[:-1].decode("ascii")
        if isinstance(event, Quote) and len(self._quote_topics) < _MAX_QUOTE_TOPICS:
            self._quote_topics[prefix] = (topic, event.symbol)
        self.heard += 1
        if event.source.startswith(REPLAYED):
            self.replayed += 1
        missing = 0
        if not isinstance(event, SymbolsAcknowledged):
            missing = self.tracker.observe(event.source, prefix, event.seq, event.published_ns)
        elif self._all_acknowledgements:
            missing = self.tracker.observe(event.source, _ACKNOWLEDGED, event.seq, event.published_ns)
        late, renumbered = missing == LATE, missing == NEW_LINE
        return ReceivedMessage(topic, event, message.received_ns, len(frame), max(0, missing), late, renumbered)
