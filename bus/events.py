"""Everything that crosses the bus, as frozen values; `EVENTS.md` is the specification of the same.

Each event is one MessagePack array: the four envelope fields, then the event's own in the order they stand here.
Names ending in `_ns` are UTC nanoseconds. Prices and sizes are float, None where that side is absent.
Pure: nothing here reads a clock, a socket or a file.
"""

from __future__ import annotations

from math import floor, inf, log10
from typing import Annotated

from msgspec import Meta, Struct

from quotebus.bus.clock import datetime, to_datetime
from quotebus.bus.envelope import VERSION as VERSION
from quotebus.bus.envelope import Event as Event
from quotebus.bus.envelope import Name as Name
from quotebus.bus.envelope import Nanos as Nanos
from quotebus.bus.envelope import Payload as Payload
from quotebus.bus.envelope import Seq as Seq
from quotebus.bus.order_events import ExecutionDecision as ExecutionDecision
from quotebus.bus.order_events import IntentReport as IntentReport
from quotebus.bus.order_events import OrderUpdate as OrderUpdate
from quotebus.bus.order_events import Reference as Reference
from quotebus.bus.order_events import ReportedOrder as ReportedOrder
from quotebus.bus.order_events import TradeIntent as TradeIntent
from quotebus.bus.states import ACCEPTED_CLASSES as ACCEPTED_CLASSES
from quotebus.bus.states import NO_HALT_KIND as NO_HALT_KIND
from quotebus.bus.states import Cause as Cause
from quotebus.bus.states import ConnectionState as ConnectionState
from quotebus.bus.states import ExecutionOutcome as ExecutionOutcome
from quotebus.bus.states import FeedClass as FeedClass
from quotebus.bus.states import Flag as Flag
from quotebus.bus.states import HaltKind as HaltKind
from quotebus.bus.states import HaltKnowledge as HaltKnowledge
from quotebus.bus.states import MarketSession as MarketSession
from quotebus.bus.states import OpenEnum as OpenEnum
from quotebus.bus.states import RecorderState as RecorderState
from quotebus.bus.states import SymbolState as SymbolState


class HaltClaim(Struct, array_like=True, frozen=True, gc=False):
    """A halt that a client knows of, and the exchange's time of its evidence."""

    symbol: str
    halt_exchange_ns: Nanos


class SymbolsRequested(Event, frozen=True, kw_only=True, gc=False):
    """All that a client asks for at present; an empty list releases everything it held."""

    client: Name
    request_id: Name
    symbols: tuple[str, ...]
    channels: tuple[str, ...] = ("quotes",)
    priority: Annotated[int, Meta(ge=-128, le=127)] = 0
    ttl_ms: Nanos = 15_000
    snapshot: bool = False
    halts: tuple[HaltClaim, ...] = ()


class AssetFacts(Struct, array_like=True, frozen=True, gc=False):
    """What the venue's list of symbols, or its answer about the one symbol, says of it."""

    tradable: bool
    """Whether the venue takes orders for it; False where it does not have the symbol."""
    tick: str | None = None
    """The smallest step of a price in an order, a decimal; None where the venue says nothing."""
    lot: str | None = None
    """The smallest step of a quantity in an order, in shares or units, a decimal; None where the venue says nothing."""
    read_ns: Nanos | None = None
    """When the venue said so, UTC nanoseconds; None when that is not known."""
    near: tuple[str, ...] = ()
    """Of a symbol that the venue does not have: at most three that it has and that are spelt nearly like it."""


class AckRow(Struct, array_like=True, frozen=True, gc=False):
    """One symbol's answer. `last_quote` is the exact payload of the held Quote, or None."""

    symbol: str
    state: SymbolState
    cause: Cause
    last_quote: bytes | None
    last_quote_seq: Seq
    halt: HaltKnowledge = HaltKnowledge.UNKNOWN
    halt_kind: HaltKind = NO_HALT_KIND
    halt_exchange_ns: Nanos | None = None
    rank: int = 0
    asset: AssetFacts | None = None


class SymbolsAcknowledged(Event, frozen=True, kw_only=True, gc=False):
    """The one answer to one request, `parts` messages of at most 1,000 rows each."""

    client: Name
    request_id: Name
    results: tuple[AckRow, ...]
    cause: Cause
    lease_ms: int
    part: int
    parts: int


class Quote(Event, frozen=True, kw_only=True, gc=False):
    """Best bid and ask of one symbol, from the exchange to the bus."""

    symbol: str
    """Upper case, `[A-Z0-9][A-Z0-9./_-]{0,31}`."""
    bid_price: float | None
    """US dollars, or the currency of the pair; None when there is no bid."""
    bid_size: float | None
    """As the exchange sent it, shares or lots; None when there is no bid."""
    ask_price: float | None
    """US dollars, or the currency of the pair; None when there is no ask."""
    ask_size: float | None
    """As the exchange sent it, shares or lots; None when there is no ask."""
    bid_exchange: str
    """Code of the exchange that bids, as the feed sent it; may be empty."""
    ask_exchange: str
    """Code of the exchange that asks, as the feed sent it; may be empty."""
    conditions: tuple[str, ...]
    """Condition codes, as the feed sent them."""
    tape: str
    """Tape code, such as `A`, `B` or `C`; may be empty."""
    exchange_ns: int
    """When the exchange sent it, UTC nanoseconds by the exchange's clock."""
    received_ns: int
    """When the pricing node received it, UTC nanoseconds by the node's clock."""
    conflated: int
    """How many earlier, unsent quotes of this symbol this one replaces: the broker was behind."""
    flags: int
    """What is wrong with it, a sum of `Flag` members; 0 is clean."""
    connection: int
    """The upstream connection it came on, counted from 1 since the node's start."""

    @property
    def time(self) -> datetime:
        """When the exchange sent it: `exchange_ns` as an aware UTC datetime, whose smallest unit is a microsecond."""
        return to_datetime(self.exchange_ns)

    @property
    def mid(self) -> float | None:
        """Halfway between bid and ask, to 15 digits; None unless both are there and in order."""
        bid, ask = self.bid_price, self.ask_price
        if bid is None or ask is None or not bid <= ask:
            return None
        return min(max(_to_digits_of(ask, bid + (ask - bid) / 2), bid), ask)

    @property
    def spread(self) -> float | None:
        """Ask less bid, to the digits of the ask; None unless both are there and in order."""
        bid, ask = self.bid_price, self.ask_price
        return None if bid is None or ask is None or not bid <= ask else _to_digits_of(ask, ask - bid)


def _to_digits_of(price: float, value: float) -> float:
    """Round to the last decimal that a float of this price holds: 479.785, not 479.78499999999997."""
    return round(value, 14 - floor(log10(price))) if 0 < price < inf else value


class Trade(Event, frozen=True, kw_only=True, gc=False):
    """One execution printed by the exchange."""

    symbol: str
    """Upper case, as in `Quote`."""
    price: float
    """US dollars, or the currency of the pair."""
    size: float
    """As the exchange sent it, shares or units of the coin."""
    exchange: str
    """Code of the exchange, as the feed sent it; may be empty."""
    conditions: tuple[str, ...]
    """Sale conditions, as the feed sent them."""
    tape: str
    """Tape code; may be empty."""
    trade_id: int
    """The exchange's number of the trade."""
    exchange_ns: Nanos
    """When the exchange printed it, UTC nanoseconds by the exchange's clock."""
    received_ns: Nanos
    """When the pricing node received it, UTC nanoseconds by the node's clock."""
    connection: int
    """The upstream connection it came on, counted from 1 since the node's start."""

    @property
    def time(self) -> datetime:
        """When the exchange printed it: `exchange_ns` as an aware UTC datetime, to the microsecond."""
        return to_datetime(self.exchange_ns)


class Claim(Struct, array_like=True, frozen=True, gc=False):
    """One client's lease on a symbol."""

    client: str
    priority: int
    lease_left_ms: int


class SymbolStatus(Event, frozen=True, kw_only=True, gc=False):
    """Where one symbol stands and what the newest quote of it is, so that a lost last quote is noticed."""

    symbol: str
    """Upper case, as in `Quote`."""
    state: SymbolState
    """Where the symbol stands."""
    cause: Cause
    """Why that state was entered."""
    since_ns: Nanos
    """When that state was entered, UTC nanoseconds."""
    clients: tuple[Claim, ...]
    """The clients that hold a lease on it: name, priority, milliseconds left."""
    last_quote_ns: Nanos | None
    """When the newest quote was published, UTC nanoseconds; None when there is none."""
    last_quote_seq: Seq
    """The newest quote's number; 0 when there is none. A reader that holds an older one has lost it."""
    halt: HaltKnowledge = HaltKnowledge.UNKNOWN
    """What is known of a trading halt."""
    halt_kind: HaltKind = NO_HALT_KIND
    """What that rests on; empty when nothing is known."""
    halt_exchange_ns: Nanos | None = None
    """The exchange's time of that evidence, nanoseconds; compare it with other times of the exchange only."""
    rank: int = 0
    """Of the node: 0 for the first line of its domain, 1 for the second."""
    asset: AssetFacts | None = None
    """What the venue's list of symbols says of it; None where there is none, or it is silent."""


class ConnectionHealth(Event, frozen=True, kw_only=True, gc=False):
    """The upstream connection's state, sent at each change and every second."""

    node: Name
    """The pricing node's name; it ends in `.orders` for the account's order stream."""
    feed: str
    """The feed it is connected to, such as `iex`."""
    state: ConnectionState
    """Where the connection stands; prices may be used only while it is `streaming`."""
    cause: Cause
    """Why that state was entered."""
    detail: str
    """For people; `halts_unknown` in it says that trading statuses are not subscribed to."""
    since_ns: Nanos
    """When that state was entered, UTC nanoseconds."""
    connection: int
    """How many upstream connections the node has opened since its start: the number of the current or last one."""
    attempt: int
    """Failures in a row."""
    next_retry_ns: Nanos | None
    """When the next dial is planned, UTC nanoseconds; None when none is."""
    last_frame_ns: Nanos | None
    """When the upstream was last heard, UTC nanoseconds; None when it never was."""
    desired: int
    """How many symbols clients want."""
    acknowledged: int
    """How many of them the upstream has acknowledged."""
    live: int
    """How many of them have a quote on this connection and are not halted."""
    gap_start_ns: Nanos | None
    """When the last interval in which data was missed began, UTC nanoseconds; None when there was none."""
    gap_end_ns: Nanos | None
    """When that ended, UTC nanoseconds; both stay until the next gap."""
    lag_ns: Nanos | None
    """Received less exchange time, the smallest seen removed, nanoseconds; None when that is not known."""
    feed_class: FeedClass = FeedClass.UNKNOWN
    """How far the feed's prices are from the market's."""
    session: MarketSession = MarketSession.UNKNOWN
    """Which part of the venue's day it is, as far as the feed shows it."""
    domain: str = ""
    """The symbols that the node serves, as patterns; empty for all."""
    rank: int = 0
    """0 for the first line of its domain, 1 for the second."""


class RecorderHealth(Event, frozen=True, kw_only=True, gc=False):
    """Whether a capture is being written and what was lost."""

    name: Name
    state: RecorderState
    cause: Cause
    file: str
    messages: int
    bytes: int
    lost: int


class Counters(Event, frozen=True, kw_only=True, gc=False):
    """Monotonic counters and current gauges of one program, once a second."""

    program: str
    """The program's name, such as `broker` or `pricing-node`."""
    counters: dict[str, int]
    """By name; the README of the program says what each one counts."""
