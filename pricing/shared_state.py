"""What the hot thread and the control thread share: one slot per symbol, and the connection's vital signs.

The control thread adds and removes slots; only the hot thread writes their contents. Every field is replaced in one
step, so a reader sees the old value or the new one, never a mixture, and the hot path needs no lock.
"""

from __future__ import annotations

from collections.abc import Mapping

from quotebus.bus import codec, topics
from quotebus.bus.clock import NS_PER_S
from quotebus.pricing.level import Level
from quotebus.pricing.quality import Bands

STRAGGLERS = 3
"""How many quotes in a row, in order among themselves, may be older than the last one before they are believed."""

STEP_NS = NS_PER_S
"""A smaller step back rights itself."""


class Slot:
    """One wanted symbol. `frame` is its last quote exactly as it was published, empty before the first."""

    __slots__ = (
        "bands",
        "conflated",
        "connection",
        "decoded",
        "exchange_ns",
        "exchange_ns_of",
        "frame",
        "late_after_ns",
        "late_count",
        "late_ns",
        "level",
        "print_after_ns",
        "quote_prefix",
        "quote_seq",
        "received_ns",
        "reopening_after_ns",
        "symbol",
        "trade_prefix",
        "trade_seq",
        "watch_print",
        "watch_quote",
        "watch_trade",
    )

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.quote_prefix = topics.prefix(topics.quote(symbol))
        self.trade_prefix = topics.prefix(topics.trade(symbol))
        self.quote_seq = 0
        self.trade_seq = 0
        self.watch_trade = False
        self.print_after_ns = self.reopening_after_ns = 0
        """A regular print, or a reopening one, later than this by the exchange's time is reported, `watch_print`."""
        self.forget()

    def forget(self) -> None:
        """Drop the last quote. Sequence numbers stay: they count for the life of the process."""
        self.decoded: tuple[bytes, tuple[bytes | None, int, int | None]] = (b"", (None, 0, None))
        self.bands: Bands | None = None
        self.frame = b""
        self.connection = 0
        self.exchange_ns = 0
        self.exchange_ns_of = 0
        self.late_after_ns = 0
        self.late_ns = 0
        self.late_count = 0
        self.received_ns = 0
        self.level = Level(self.symbol)
        self.conflated = 0
        self.watch_quote = True
        self.watch_print = False

    def is_late(self, exchange_ns: int) -> bool:
        """Whether a quote older than the last one is a straggler.

        After several in order, more than a second older, the last one's time was wrong: one record from the future, or
        a corrected clock, must not make every later price count as old.
        """
        if self.exchange_ns - exchange_ns < STEP_NS:
            return True
        in_order = self.late_after_ns == self.exchange_ns and exchange_ns >= self.late_ns
        self.late_count = self.late_count + 1 if in_order else 1
        self.late_after_ns, self.late_ns = self.exchange_ns, exchange_ns
        return self.late_count <= STRAGGLERS

    def last_quote(self) -> tuple[bytes | None, int, int | None]:
        """The last quote's payload, its sequence number and when it was published, all of the same quote."""
        frame = self.frame
        if not frame:
            return None, 0, None
        if self.decoded[0] is not frame:
            payload = frame[len(self.quote_prefix) :]
            envelope = codec.decode_envelope(payload)
            self.decoded = (frame, (payload, envelope.seq, envelope.published_ns))
        return self.decoded[1]


class SharedState:
    """The slots of all wanted symbols and what the hot thread observes about the connection."""

    MAX_RETIRED = 100_000
    """How many unwanted symbols keep their sequence numbers; beyond that the oldest starts over."""

    def __init__(self) -> None:
        self.slots: dict[str, Slot] = {}
        self.last_byte_ns = 0
        self.lag_ns: int | None = None
        self.ponged = False
        self.extended_hours = False
        self.counters: Mapping[str, int] = {}
        """The hot thread's own; it writes them anyway."""
        self._retired: dict[str, Slot] = {}

    def begin_session(self) -> None:
        """The venue's next session has begun: prices of the last one are no measure for its jumps."""
        for symbol, slot in list(self.slots.items()):
            slot.level = Level(symbol)

    def count_data(self) -> int:
        """Grows with every piece of data that is received; how much is no matter."""
        return sum(self.counters.values())

    def want(self, symbol: str) -> Slot:
        """The symbol's slot, created or brought back."""
        slot = self.slots.get(symbol)
        if slot is None:
            slot = self._retired.pop(symbol, None) or Slot(symbol)
            slot.forget()  # the hot thread may have been in the middle of a quote when the slot was retired
            self.slots[symbol] = slot
        return slot

    def retire(self, symbol: str) -> None:
        """The symbol is no longer wanted."""
        slot = self.slots.pop(symbol, None)
        if slot is None:
            return
        slot.forget()
        if len(self._retired) >= self.MAX_RETIRED:
            del self._retired[next(iter(self._retired))]
        self._retired[symbol] = slot
