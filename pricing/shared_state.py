"""What the hot thread and the control thread both see: one slot a symbol, and the line's vital signs.

The control thread adds and removes slots; the hot thread alone writes their contents. Every field is replaced in one
step, so a reader sees the old value or the new one, never a mixture, and no lock stands in the hot path.
"""

from __future__ import annotations

from quotebus.bus import codec, topics
from quotebus.bus.clock import NS_PER_S
from quotebus.pricing.quality import Bands

STRAGGLERS = 3
"""So many quotes in a row may be older than the held one, and in order among themselves, before they are believed."""

STEP_NS = NS_PER_S
"""Less heals by itself."""


class Slot:
    """One wanted symbol. `frame` is the held quote exactly as it was published, empty before the first."""

    __slots__ = (
        "bands",
        "conflated",
        "connection",
        "doubled_mid",
        "exchange_ns",
        "exchange_ns_of",
        "frame",
        "halted_ns",
        "late_after_ns",
        "late_count",
        "late_ns",
        "quote_prefix",
        "quote_seq",
        "received_ns",
        "symbol",
        "told",
        "trade_prefix",
        "trade_seq",
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
        self.halted_ns = 0
        self.forget()

    def forget(self) -> None:
        """Drop the held quote, keep the numbering: that counts for the life of the process."""
        self.told: tuple[bytes, tuple[bytes | None, int, int | None]] = (b"", (None, 0, None))
        self.bands: Bands | None = None
        self.frame = b""
        self.connection = 0
        self.exchange_ns = 0
        self.exchange_ns_of = 0
        self.late_after_ns = 0
        self.late_ns = 0
        self.late_count = 0
        self.received_ns = 0
        self.doubled_mid = 0.0
        self.conflated = 0
        self.watch_quote = True

    def is_late(self, exchange_ns: int) -> bool:
        """Whether a quote older than the held one is a straggler.

        After several in order, more than a second older, the held time was wrong: one record from the future, or a
        clock set right, must not make every later price one of the past.
        """
        if self.exchange_ns - exchange_ns < STEP_NS:
            return True
        in_order = self.late_after_ns == self.exchange_ns and exchange_ns >= self.late_ns
        self.late_count = self.late_count + 1 if in_order else 1
        self.late_after_ns, self.late_ns = self.exchange_ns, exchange_ns
        return self.late_count <= STRAGGLERS

    def last_quote(self) -> tuple[bytes | None, int, int | None]:
        """The held quote's payload, its number, and when it was published; all of one and the same quote."""
        frame = self.frame
        if not frame:
            return None, 0, None
        if self.told[0] is not frame:
            payload = frame[len(self.quote_prefix) :]
            envelope = codec.decode_envelope(payload)
            self.told = (frame, (payload, envelope.seq, envelope.published_ns))
        return self.told[1]


class SharedState:
    """The slots of all wanted symbols and what the hot thread observes of the line."""

    MAX_RETIRED = 100_000
    """Symbols no longer wanted whose numbering is remembered; the longest forgotten starts anew beyond it."""

    def __init__(self) -> None:
        self.slots: dict[str, Slot] = {}
        self.last_byte_ns = 0
        self.lag_ns: int | None = None
        self._retired: dict[str, Slot] = {}

    def want(self, symbol: str) -> Slot:
        """The symbol's slot, made or brought back."""
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
