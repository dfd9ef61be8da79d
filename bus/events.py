"""Everything that crosses the bus, as frozen values; `EVENTS.md` is the specification of the same.

Each event is one MessagePack array: the four envelope fields, then the event's own in the order they stand here.
Names ending in `_ns` are UTC nanoseconds. Prices and sizes are float, None where that side is absent.
Pure: nothing here reads a clock, a socket or a file.
"""

from __future__ import annotations

from enum import IntFlag, StrEnum
from typing import Annotated

from msgspec import Meta, Struct

VERSION = 1
"""Version of the wire. New fields are appended; anything else is a new version."""

Seq = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Nanos = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Name = Annotated[str, Meta(max_length=128)]


class Flag(IntFlag):
    """What is wrong with a quote; 0 is clean."""

    ONE_SIDED = 1
    CROSSED = 2
    LOCKED = 4
    BACKWARD_TIME = 8
    SUSPICIOUS = 16


class ConnectionState(StrEnum):
    """Where the node's one upstream connection stands."""

    IDLE = "idle"
    CONNECTING = "connecting"
    AUTHENTICATING = "authenticating"
    SUBSCRIBING = "subscribing"
    STREAMING = "streaming"
    SUSPECT = "suspect"
    BACKING_OFF = "backing_off"
    CIRCUIT_OPEN = "circuit_open"
    REFUSED = "refused"
    STANDBY = "standby"
    STOPPED = "stopped"


class SymbolState(StrEnum):
    """Where one symbol stands, line trouble aside: that is read from the connection's health."""

    PENDING = "pending"
    LIVE = "live"
    QUIET = "quiet"
    HALTED = "halted"
    STALE = "stale"
    REFUSED = "refused"
    EVICTED = "evicted"
    RELEASED = "released"


class RecorderState(StrEnum):
    """Whether a capture is being written."""

    STARTING = "starting"
    RECORDING = "recording"
    SLOW = "slow"
    FAILED = "failed"
    STOPPED = "stopped"


class HaltKnowledge(StrEnum):
    """What is known of a trading halt. Not to know is a value of its own."""

    TRADING = "trading"
    PRESUMED = "presumed"
    HALTED = "halted"
    UNKNOWN = "unknown"


class HaltKind(StrEnum):
    """What the knowledge of a halt rests on; empty where nothing is known."""

    STATUS = "status"
    PRINT = "print"
    REST = "rest"
    CAPABILITY = "capability"
    HEARSAY = "hearsay"


class FeedClass(StrEnum):
    """How far a feed's prices are from the market's."""

    REAL_TIME = "real_time"
    DELAYED = "delayed"
    INDICATIVE = "indicative"
    TEST = "test"
    SIMULATED = "simulated"
    UNKNOWN = "unknown"


class MarketSession(StrEnum):
    """Which part of the venue's day it is."""

    REGULAR = "regular"
    PRE = "pre"
    POST = "post"
    OVERNIGHT = "overnight"
    CLOSED = "closed"
    UNKNOWN = "unknown"


class Cause(StrEnum):
    """Why a state was entered; one list for connections, symbols, requests and recorders."""

    DEMAND = "demand"
    NO_DEMAND = "no_demand"
    LINGERING = "lingering"
    DNS = "dns"
    CONNECT_REFUSED = "connect_refused"
    CONNECT_TIMEOUT = "connect_timeout"
    HANDSHAKE_TIMEOUT = "handshake_timeout"
    HTTP_429 = "http_429"
    HTTP_STATUS = "http_status"
    REDIRECT = "redirect"
    TLS = "tls"
    AUTH_TIMEOUT = "auth_timeout"
    AUTH_FAILED = "auth_failed"
    NOT_ENTITLED = "not_entitled"
    SCOPE = "scope"
    CONNECTION_LIMIT = "connection_limit"
    SYMBOL_LIMIT = "symbol_limit"
    SLOW_CLIENT = "slow_client"
    SLOW_LINE = "slow_line"
    UPSTREAM_ERROR = "upstream_error"
    PROTOCOL = "protocol"
    TOO_BIG = "too_big"
    CLOSED = "closed"
    RESET = "reset"
    NO_LIFE = "no_life"
    ACK_TIMEOUT = "ack_timeout"
    NOT_IN_ACK = "not_in_ack"
    BAD_SYMBOL = "bad_symbol"
    NO_QUOTE_YET = "no_quote_yet"
    BAD_DATA = "bad_data"
    HALT = "halt"
    PAUSE = "pause"
    RESUME = "resume"
    EVICTED = "evicted"
    LEASE_EXPIRED = "lease_expired"
    SUPERSEDED = "superseded"
    OTHER_NODE = "other_node"
    SHUTDOWN = "shutdown"
    BAD_REQUEST = "bad_request"
    TOO_MANY = "too_many"
    CLIENT_CONFLICT = "client_conflict"
    RATE_LIMITED = "rate_limited"
    DISK_FULL = "disk_full"
    READ_ONLY = "read_only"
    SLOW_DISK = "slow_disk"
    DISK_ERROR = "disk_error"


class Event(Struct, array_like=True, frozen=True, gc=False):
    """The envelope. A publisher fills it when it sends; see `bus.sequence.Stamper`."""

    version: int = VERSION
    source: Name = ""
    seq: int = 0
    published_ns: int = 0


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
    state: str
    cause: str
    last_quote: bytes | None
    last_quote_seq: Seq
    halt: str = HaltKnowledge.UNKNOWN.value
    halt_kind: str = ""
    halt_exchange_ns: Nanos | None = None
    rank: int = 0


class SymbolsAcknowledged(Event, frozen=True, kw_only=True, gc=False):
    """The one answer to one request, `parts` messages of at most 1,000 rows each."""

    client: Name
    request_id: Name
    results: tuple[AckRow, ...]
    cause: str
    lease_ms: int
    part: int
    parts: int


class Quote(Event, frozen=True, kw_only=True, gc=False):
    """Best bid and ask of one symbol. `connection` is the upstream socket's number since the node's start."""

    symbol: str
    bid_price: float | None
    bid_size: float | None
    ask_price: float | None
    ask_size: float | None
    bid_exchange: str
    ask_exchange: str
    conditions: tuple[str, ...]
    tape: str
    exchange_ns: int
    received_ns: int
    conflated: int
    flags: int
    connection: int

    @property
    def mid(self) -> float | None:
        """Halfway between bid and ask; None unless both are there and in order."""
        spread = self.spread
        return None if spread is None or self.bid_price is None else self.bid_price + spread / 2

    @property
    def spread(self) -> float | None:
        """Ask less bid; None unless both are there and in order."""
        if self.bid_price is None or self.ask_price is None or self.bid_price > self.ask_price:
            return None
        return self.ask_price - self.bid_price


class Trade(Event, frozen=True, kw_only=True, gc=False):
    """One execution printed by the exchange."""

    symbol: str
    price: float
    size: float
    exchange: str
    conditions: tuple[str, ...]
    tape: str
    trade_id: int
    exchange_ns: Nanos
    received_ns: Nanos
    connection: int


class Claim(Struct, array_like=True, frozen=True, gc=False):
    """One client's lease on a symbol."""

    client: str
    priority: int
    lease_left_ms: int


class SymbolStatus(Event, frozen=True, kw_only=True, gc=False):
    """Where one symbol stands and what the newest quote of it is, so that a lost last quote is noticed."""

    symbol: str
    state: str
    cause: str
    since_ns: Nanos
    clients: tuple[Claim, ...]
    last_quote_ns: Nanos | None
    last_quote_seq: Seq
    halt: str = HaltKnowledge.UNKNOWN.value
    halt_kind: str = ""
    halt_exchange_ns: Nanos | None = None
    rank: int = 0


class ConnectionHealth(Event, frozen=True, kw_only=True, gc=False):
    """The upstream connection's state, sent at each change and every second."""

    node: Name
    feed: str
    state: str
    cause: str
    detail: str
    since_ns: Nanos
    connection: int
    attempt: int
    next_retry_ns: Nanos | None
    last_frame_ns: Nanos | None
    desired: int
    acknowledged: int
    live: int
    gap_start_ns: Nanos | None
    gap_end_ns: Nanos | None
    lag_ns: Nanos | None
    feed_class: str = FeedClass.UNKNOWN.value
    session: str = MarketSession.UNKNOWN.value
    domain: str = ""
    rank: int = 0


class OrderUpdate(Event, frozen=True, kw_only=True, gc=False):
    """One event of the account's order stream; decimals as strings, an alias instead of the account number."""

    alias: Name
    event: str
    order_id: str
    client_order_id: str
    symbol: str
    side: str
    qty: str | None
    filled_qty: str | None
    price: str | None
    exchange_ns: Nanos
    received_ns: Nanos
    status: str = ""
    execution_id: str = ""
    execution_qty: str | None = None
    position_qty: str | None = None
    filled_avg_price: str | None = None
    replaced_by: str = ""


Reference = tuple[str, int]
"""(source, seq) of the message a decision was based on; ("", 0) for none."""


class ExecutionDecision(Event, frozen=True, kw_only=True, gc=False):
    """What an execution worker decided, and the messages, ages and settings it was based on."""

    client: Name
    decision_id: Name
    now_ns: Nanos
    symbol: str
    side: str
    qty: float
    action: str
    limit_price: float | None
    reasons: tuple[str, ...]
    quote: Reference
    health: Reference
    status: Reference
    config_hash: str
    quote_age_ns: Nanos | None = None
    health_age_ns: Nanos | None = None
    config: str = ""


class TradeIntent(Event, frozen=True, kw_only=True, gc=False):
    """What a trader wants bought or sold, for an execution worker to work."""

    client: Name
    intent_id: Name
    symbol: str
    side: str
    qty: float
    urgency: str
    deadline_ns: Nanos
    complete_exit: bool = False


class RecorderHealth(Event, frozen=True, kw_only=True, gc=False):
    """Whether a capture is being written and what was lost."""

    name: Name
    state: str
    cause: str
    file: str
    messages: int
    bytes: int
    lost: int


class Counters(Event, frozen=True, kw_only=True, gc=False):
    """Monotonic counters and current gauges of one program, once a second."""

    program: str
    counters: dict[str, int]


class Payload(Struct, array_like=True, frozen=True):
    """The envelope alone, for readers that only account for messages; the rest stays undecoded."""

    version: int
    source: Name
    seq: int
    published_ns: int
