"""Everything that crosses the bus, as frozen values; `EVENTS.md` is the specification of the same.

Each event is one MessagePack array: the four envelope fields, then the event's own in the order they stand here.
Names ending in `_ns` are UTC nanoseconds. Prices and sizes are float, None where that side is absent.
Pure: nothing here reads a clock, a socket or a file.
"""

from __future__ import annotations

from math import floor, inf, log10
from typing import Annotated

from msgspec import Meta, Struct

from quotebus.bus.states import ACCEPTED_CLASSES as ACCEPTED_CLASSES
from quotebus.bus.states import NO_HALT_KIND as NO_HALT_KIND
from quotebus.bus.states import Cause as Cause
from quotebus.bus.states import ConnectionState as ConnectionState
from quotebus.bus.states import FeedClass as FeedClass
from quotebus.bus.states import Flag as Flag
from quotebus.bus.states import HaltKind as HaltKind
from quotebus.bus.states import HaltKnowledge as HaltKnowledge
from quotebus.bus.states import MarketSession as MarketSession
from quotebus.bus.states import OpenEnum as OpenEnum
from quotebus.bus.states import RecorderState as RecorderState
from quotebus.bus.states import SymbolState as SymbolState

VERSION = 1
"""Version of the wire. New fields are appended; anything else is a new version."""

Seq = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Nanos = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Name = Annotated[str, Meta(max_length=128)]


class Event(Struct, array_like=True, frozen=True, gc=False):
    """The envelope. A publisher fills it when it sends; see `bus.sequence.Stamper`."""

    version: int = VERSION
    """Of the wire: 1."""
    source: Name = ""
    """One life of the program that published it: its name and six random hex digits."""
    seq: int = 0
    """Its number among the source's messages on this topic, without holes."""
    published_ns: int = 0
    """When the source sent it, UTC nanoseconds by the source's clock."""


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


class OrderUpdate(Event, frozen=True, kw_only=True, gc=False):
    """One event of the account's order stream; decimals as strings, an alias instead of the account number."""

    alias: Name
    """The account's name on the bus."""
    event: str
    """What happened, in the broker's word such as `fill` or `canceled`; `reconciled` for an order read by REST."""
    order_id: str
    """The broker's id of the order."""
    client_order_id: str
    """The id that was chosen when it was placed."""
    symbol: str
    """Upper case, as in `Quote`."""
    side: str
    """`buy` or `sell`."""
    qty: str | None
    """Shares ordered, a decimal; None for an order by amount of money."""
    filled_qty: str | None
    """Shares filled so far, a decimal."""
    price: str | None
    """US dollars, price of this event; None when it has none."""
    exchange_ns: Nanos
    """When it happened, UTC nanoseconds by the broker's clock."""
    received_ns: Nanos
    """When the node received it, UTC nanoseconds."""
    status: str = ""
    """The order's status after it, the broker's word."""
    execution_id: str = ""
    """The id of this execution; empty when it is none, or `reconciled`."""
    execution_qty: str | None = None
    """Shares of this execution, a decimal."""
    position_qty: str | None = None
    """Shares held after this execution, a decimal; negative when short."""
    filled_avg_price: str | None = None
    """US dollars, average of what is filled so far, a decimal."""
    replaced_by: str = ""
    """The `order_id` of the order that replaced it; empty when none did."""


Reference = tuple[str, int]
"""(source, seq) of the message a decision was based on; ("", 0) for none."""


class ExecutionDecision(Event, frozen=True, kw_only=True, gc=False):
    """What an execution worker decided, and the messages, ages and settings it was based on."""

    client: Name
    """The worker's client name."""
    decision_id: Name
    """Names the decision; no other of the client has it."""
    now_ns: Nanos
    """The worker's time of the decision, UTC nanoseconds; in a replay, the stream's."""
    symbol: str
    """Upper case, as in `Quote`."""
    side: str
    """`buy` or `sell`."""
    qty: float
    """Shares."""
    action: str
    """`limit`, `market` or `refuse`."""
    limit_price: float | None
    """US dollars, of a `limit`; None for every other action."""
    reasons: tuple[str, ...]
    """Why this action; of a `limit` also how it was priced."""
    quote: Reference
    """(source, seq) of the quote; ("", 0) for none."""
    health: Reference
    """(source, seq) of the connection's health; ("", 0) for none."""
    status: Reference
    """(source, seq) of the symbol's status, or (`ack:` and the source, seq) of an acknowledgement; ("", 0) for none."""
    config_hash: str
    """Names the settings it depends on: the first 12 hex digits of the SHA-256 of the `settings` part of `config`."""
    quote_age_ns: Nanos | None = None
    """The quote's age then, nanoseconds; None without a quote."""
    health_age_ns: Nanos | None = None
    """The health's age then, nanoseconds; None without a health."""
    config: str = ""
    """What it depends on besides the messages, as JSON: `kind`, `settings` and `state`."""
    decided_by: Name = ""
    """Row and column of the worker's decision table that decided, such as `trading/none`, or what did in its place."""


class TradeIntent(Event, frozen=True, kw_only=True, gc=False):
    """What a trader wants bought or sold, for an execution worker to work."""

    client: Name
    """The client that publishes it."""
    intent_id: Name
    """Names the intent: the same id again is the same intent."""
    symbol: str
    """Upper case, as in `Quote`."""
    side: str
    """`buy` or `sell`."""
    qty: float
    """Shares, above 0; 0 with `complete_exit`."""
    urgency: str
    """`low`, `normal` (also when empty) or `high`: how far and how soon the price may go."""
    deadline_ns: Nanos
    """It is not worked after this, UTC nanoseconds."""
    complete_exit: bool = False
    """Sell all that the account holds of the symbol, as the worker finds it."""


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


class Payload(Struct, array_like=True, frozen=True):
    """The envelope alone, for readers that only account for messages; the rest stays undecoded."""

    version: int
    source: Name
    seq: int
    published_ns: int
