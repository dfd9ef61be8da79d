"""The words of the wire: flags, states, causes, and what is known of halts, feeds and sessions.

`EVENTS.md` explains each; `bus.events` has them all under the same names. Pure.
"""

from __future__ import annotations

from enum import IntFlag, StrEnum
from typing import Self


class Flag(IntFlag):
    """What is wrong with a quote; 0 is clean."""

    ONE_SIDED = 1
    CROSSED = 2
    LOCKED = 4
    BACKWARD_TIME = 8
    SUSPICIOUS = 16


MAX_WORD = 64
"""An unlisted name is cut to this length: whatever a peer sends, what is kept of it is short."""


class OpenEnum(StrEnum):
    """Names of which a newer publisher may know more: an unlisted one is read as a value of the same type."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        value = value[:MAX_WORD]
        unlisted = str.__new__(cls, value)
        unlisted._name_, unlisted._value_ = value.upper(), value
        return unlisted


class ConnectionState(OpenEnum):
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


class SymbolState(OpenEnum):
    """Where one symbol stands, line trouble aside: that is read from the connection's health."""

    PENDING = "pending"
    LIVE = "live"
    QUIET = "quiet"
    HALTED = "halted"
    STALE = "stale"
    REFUSED = "refused"
    EVICTED = "evicted"
    RELEASED = "released"


class RecorderState(OpenEnum):
    """Whether a capture is being written."""

    STARTING = "starting"
    RECORDING = "recording"
    SLOW = "slow"
    FAILED = "failed"
    STOPPED = "stopped"


class HaltKnowledge(OpenEnum):
    """What is known of a trading halt. Not to know is a value of its own."""

    TRADING = "trading"
    PRESUMED = "presumed"
    HALTED = "halted"
    UNKNOWN = "unknown"


class HaltKind(OpenEnum):
    """What the knowledge of a halt rests on; empty where nothing is known."""

    STATUS = "status"
    PRINT = "print"
    REST = "rest"
    CAPABILITY = "capability"
    HEARSAY = "hearsay"


NO_HALT_KIND = HaltKind("")
"""Nothing is known of a halt, so it rests on nothing."""


class FeedClass(OpenEnum):
    """How far a feed's prices are from the market's."""

    REAL_TIME = "real_time"
    DELAYED = "delayed"
    INDICATIVE = "indicative"
    TEST = "test"
    SIMULATED = "simulated"
    UNKNOWN = "unknown"


ACCEPTED_CLASSES = (FeedClass.REAL_TIME, FeedClass.TEST, FeedClass.SIMULATED)
"""What a reader takes unless it says otherwise: not what is late, derived from other prices, or not known."""


class MarketSession(OpenEnum):
    """Which part of the venue's day it is."""

    REGULAR = "regular"
    PRE = "pre"
    POST = "post"
    OVERNIGHT = "overnight"
    CLOSED = "closed"
    UNKNOWN = "unknown"


class Cause(OpenEnum):
    """Why a state was entered; one list for connections, symbols, requests and recorders."""

    DEMAND = "demand"
    NO_DEMAND = "no_demand"
    LINGERING = "lingering"
    DNS = "dns"
    CONNECT_REFUSED = "connect_refused"
    CONNECT_TIMEOUT = "connect_timeout"
    HANDSHAKE_TIMEOUT = "handshake_timeout"
    HTTP_429 = "http_429"
    DIAL_LIMIT = "dial_limit"
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
    MUTE = "mute"
    ACK_TIMEOUT = "ack_timeout"
    NOT_IN_ACK = "not_in_ack"
    BAD_SYMBOL = "bad_symbol"
    NO_SUCH_SYMBOL = "no_such_symbol"
    INACTIVE = "inactive"
    NOT_TRADABLE = "not_tradable"
    NO_QUOTE_YET = "no_quote_yet"
    NEVER_TICKED = "never_ticked"
    BAD_DATA = "bad_data"
    HALT = "halt"
    PAUSE = "pause"
    RESUME = "resume"
    EVICTED = "evicted"
    LEASE_EXPIRED = "lease_expired"
    SUPERSEDED = "superseded"  # reserved: nothing publishes it
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


class ExecutionOutcome(OpenEnum):
    """What became of an intent."""

    WORKING = "working"
    FILLED = "filled"
    PARTLY_FILLED = "partly_filled"
    UNFILLED = "unfilled"
    UNRESOLVED = "unresolved"
    DECLINED = "declined"
    UNANSWERED = "unanswered"
