"""Every fault an upstream can show and how the node responds: one table. Pure.

A row is a `FaultResponse`: what happens, how much it may take down, and what the node publishes within which time. The
core and the dialler look up error codes, HTTP answers and failed dials here. The other rows follow from how the
session, the connection and the checks on quotes work. The fault suite makes a real upstream show every row, and
`FAULTS.md` is rendered from the table.

Source: Alpaca's "Real-time streaming" error table; 411 from its official Go client. Codes are read from the number,
never from the text.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from quotebus.bus.events import Cause, ConnectionState, Flag, SymbolState


class Scope(Enum):
    """What a fault takes down or spoils."""

    NOTHING = "nothing"
    SYMBOL = "symbol"
    REQUEST = "request"
    CONNECTION = "connection"


@dataclass(frozen=True, slots=True)
class FaultResponse:
    """One row of the table.

    `state` is the connection's or the symbol's, published with `cause` within `within_s` seconds of the fault; if
    `after` names a setting, the time set there comes on top. `then` and `then_within_s`: the state the connection goes
    to next while the fault lasts. `flag`: what the symbol's quotes carry. `counter`: the node's counter that rises.
    `retry_s`: the next attempt comes no earlier.
    """

    name: str
    fault: str
    scope: Scope
    state: ConnectionState | SymbolState
    cause: Cause
    within_s: float
    action: str
    flag: Flag | None = None
    counter: str = ""
    after: str = ""
    then: ConnectionState | None = None
    then_within_s: float = 0
    retry_s: float = 0

    @property
    def for_operator(self) -> bool:
        """Whether only an operator can fix it."""
        return self.state is ConnectionState.REFUSED

    @property
    def redials(self) -> bool:
        """Whether the connection is given up for a new one."""
        down = self.scope is Scope.CONNECTION and self.state in (ConnectionState.BACKING_OFF, ConnectionState.REFUSED)
        return self.then is not None or down


_BACKING_OFF, _REFUSED, _STREAMING = ConnectionState.BACKING_OFF, ConnectionState.REFUSED, ConnectionState.STREAMING
_REDIAL = "redial"
_MINUTE = "one attempt a minute, with the keys read again"
_FRAMING = "the stream can no longer be parsed: redial"


def _lose(name: str, fault: str, cause: Cause, within_s: float, action: str = _REDIAL) -> FaultResponse:
    return FaultResponse(name, fault, Scope.CONNECTION, _BACKING_OFF, cause, within_s, action)


def _await_operator(name: str, fault: str, cause: Cause, within_s: float = 1.0, action: str = _MINUTE) -> FaultResponse:
    return FaultResponse(name, fault, Scope.CONNECTION, _REFUSED, cause, within_s, action, retry_s=60)


def _refuse(name: str, fault: str, state: SymbolState, cause: Cause, action: str) -> FaultResponse:
    return FaultResponse(name, fault, Scope.REQUEST, state, cause, 1.0, action)


def _suspect_silence(name: str, fault: str) -> FaultResponse:
    return FaultResponse(
        name,
        fault,
        Scope.CONNECTION,
        ConnectionState.SUSPECT,
        Cause.NO_LIFE,
        3.0,
        "ping after 1 s of silence, then suspect, then cut and redial",
        then=_BACKING_OFF,
        then_within_s=5.0,
    )


def _suspect_mute() -> FaultResponse:
    return FaultResponse(
        "mute",
        "no data, but pings are answered, and the venue's REST data is newer than ours",
        Scope.CONNECTION,
        ConnectionState.SUSPECT,
        Cause.MUTE,
        15.0,
        "the venue is asked after 5 s of silence or more; redial, at most once in 5 minutes, doubling to an hour",
        then=_BACKING_OFF,
        then_within_s=15.0,
    )


def _suspect_lag(name: str, fault: str, within_s: float) -> FaultResponse:
    action = "the connection stays, but its prices are not used until the lag is gone"
    return FaultResponse(name, fault, Scope.CONNECTION, ConnectionState.SUSPECT, Cause.SLOW_LINE, within_s, action)


def _tolerate(name: str, fault: str, action: str, within_s: float = 1.0, counter: str = "") -> FaultResponse:
    return FaultResponse(name, fault, Scope.NOTHING, _STREAMING, Cause.DEMAND, within_s, action, counter=counter)


def _drop(name: str, fault: str) -> FaultResponse:
    action = "dropped and counted; the symbol is stale until the next good quote"
    return FaultResponse(name, fault, Scope.SYMBOL, SymbolState.STALE, Cause.BAD_DATA, 1.0, action, counter="bad_data")


def _flag(name: str, fault: str, flag: Flag, action: str = "published with the flag, not usable") -> FaultResponse:
    return FaultResponse(name, fault, Scope.SYMBOL, SymbolState.LIVE, Cause.DEMAND, 1.0, action, flag=flag)


def _quiet(name: str, fault: str) -> FaultResponse:
    action = "the connection is proven alive, so the last quote holds, up to the consumer's maximum age"
    return FaultResponse(
        name, fault, Scope.SYMBOL, SymbolState.QUIET, Cause.DEMAND, 2.0, action, after="PRICING_QUIET_S"
    )


def _halt(name: str, fault: str, cause: Cause) -> FaultResponse:
    action = "no price is used until trading resumes and a quote that is not older has arrived"
    return FaultResponse(name, fault, Scope.SYMBOL, SymbolState.HALTED, cause, 0.5, action)


CODES: dict[int, FaultResponse] = {
    400: _refuse("code 400", "malformed request, or a symbol the upstream does not accept", SymbolState.REFUSED,
                 Cause.BAD_SYMBOL, "the subscribe is halved until the bad symbol is alone; only that one is refused"),
    401: _lose("code 401", "not authenticated", Cause.PROTOCOL, 0.5, "request sent before authentication: redial"),
    402: _await_operator("code 402", "wrong key or secret", Cause.AUTH_FAILED),
    403: FaultResponse("code 403", "already authenticated", Scope.NOTHING, _STREAMING, Cause.DEMAND, 0.5, "nothing"),
    404: _lose("code 404", "authentication took too long", Cause.AUTH_TIMEOUT, 1.0),
    405: FaultResponse("code 405", "symbol limit exceeded; the subscribed set is unchanged", Scope.REQUEST,
                       SymbolState.EVICTED, Cause.SYMBOL_LIMIT, 1.0,
                       "the limit is learned, the lowest priority is evicted, the connection stays; tried again after "
                       "a release and once a minute", retry_s=60),
    406: FaultResponse("code 406", "another connection of this account", Scope.CONNECTION, _BACKING_OFF,
                       Cause.CONNECTION_LIMIT, 1.0, "next attempt after 5 s, doubling to 60 s", retry_s=5),
    407: _lose("code 407", "we read too slowly", Cause.SLOW_CLIENT, 0.5),
    408: _await_operator("code 408", "v2 not enabled (old)", Cause.NOT_ENTITLED),
    409: _await_operator("code 409", "the plan does not include this feed", Cause.NOT_ENTITLED),
    410: _refuse("code 410", "the feed does not have this channel", SymbolState.REFUSED, Cause.NOT_ENTITLED,
                 "for statuses: streams with detail `halts_unknown`; for data: the symbol is refused"),
    411: _await_operator("code 411", "the key's scope does not suffice", Cause.SCOPE),
    500: _lose("code 500", "internal error", Cause.UPSTREAM_ERROR, 0.5),
}  # fmt: skip
UNKNOWN_4XX = _refuse(
    "code 4xx unknown",
    "any other code from 400 to 499",
    SymbolState.REFUSED,
    Cause.UPSTREAM_ERROR,
    "only the request is refused: another connection would be told the same; at authentication the "
    "connection is `refused`, one attempt a minute",
)
UNKNOWN_CODE = _lose("code unknown", "any other code", Cause.UPSTREAM_ERROR, 0.5, "redial, as after 500")

HTTP_3XX = _await_operator(
    "http 3xx", "redirected", Cause.REDIRECT, 1.0, "never followed: a redirect would carry our key elsewhere"
)
HTTP_4XX = _await_operator("http 4xx", "any other refusal", Cause.HTTP_STATUS)
HTTP_429 = replace(
    _lose("http 429", "rate limited", Cause.HTTP_429, 1.0, "30 s more, or what `Retry-After` asks for if longer"),
    retry_s=30,
)
HTTP_5XX = _lose("http 5xx", "server error, or an answer that is no WebSocket upgrade", Cause.HTTP_STATUS, 1.0)

DIALS: dict[Cause, FaultResponse] = {
    row.cause: row
    for row in (
        _lose("no such name", "the host name cannot be resolved", Cause.DNS, 5.6),
        _lose("refused", "TCP connection refused", Cause.CONNECT_REFUSED, 0.5),
        _lose("black hole", "TCP is neither accepted nor refused", Cause.CONNECT_TIMEOUT, 5.6),
        _lose("silent handshake", "TCP is accepted, TLS or HTTP never answered", Cause.HANDSHAKE_TIMEOUT, 5.6),
        _await_operator("tls", "certificate, host name or TLS version not acceptable", Cause.TLS, 1.0,
                        "never in clear; one attempt a minute"),
        _lose("endless headers", "an HTTP answer beyond 256 KiB", Cause.TOO_BIG, 2.0, "cut, then redial"),
        _lose("closed in the upgrade", "closed before HTTP 101", Cause.CLOSED, 1.0),
        _lose("dial limit", "the nodes of this host have made as many attempts as the venue allows", Cause.DIAL_LIMIT,
              1.5, "waits until one more is allowed; new requests and SIGHUP do not shorten it"),
        _lose("reset in the upgrade", "reset before HTTP 101", Cause.RESET, 1.0),
        _lose("no upgrade", "an HTTP answer that is no WebSocket handshake", Cause.PROTOCOL, 1.0),
    )
}  # fmt: skip

SESSION = (
    _lose("no greeting", "silence after HTTP 101", Cause.AUTH_TIMEOUT, 10.5),
    _lose("no answer to auth", "the credentials are not answered", Cause.AUTH_TIMEOUT, 10.5),
    _lose("closed after auth", "closed right after `authenticated`", Cause.CLOSED, 1.0,
          "redial; each second of streaming forgives one failure"),
    FaultResponse("closed after auth, repeatedly", "ten failures and a minute without streaming", Scope.CONNECTION,
                  ConnectionState.CIRCUIT_OPEN, Cause.CLOSED, 66.0, "an attempt at least every 5 s"),
    _lose("no acknowledgement", "a subscribe is not answered", Cause.ACK_TIMEOUT, 6.0),
    _tolerate("late acknowledgement", "a subscribe is answered 2 s late", "waited for; data keeps streaming", 3.5),
    FaultResponse("acknowledgement lacks a symbol", "the answer leaves out a wanted symbol", Scope.SYMBOL,
                  SymbolState.REFUSED, Cause.NOT_IN_ACK, 10.0, "requested again after 1, 2 and 4 s, then refused"),
    _tolerate("acknowledgement has one more", "the answer lists a symbol nobody requested", "unsubscribed"),
    _lose("close frame", "a WebSocket close frame, whatever its code", Cause.CLOSED, 0.5),
    _lose("illegal close frame", "a close frame with a code that must not be sent", Cause.PROTOCOL, 0.5),
)  # fmt: skip
CONNECTION = (
    _lose("reset", "TCP RST", Cause.RESET, 0.3),
    _lose("closed", "FIN", Cause.CLOSED, 0.3),
    _lose("reset in a frame", "RST in the middle of a frame", Cause.RESET, 0.5,
          "the partial frame is discarded; redial"),
    _lose("closed in a frame", "FIN in the middle of a frame", Cause.CLOSED, 0.5,
          "the partial frame is discarded; redial"),
    _suspect_silence("half a frame", "half of a frame, then silence"),
    _suspect_silence("half-open", "no more bytes, no FIN, nothing is read"),
    _suspect_mute(),
    _quiet("quiet market", "no data, pings are answered, and the venue's REST data is no newer; detail `silent`"),
    _tolerate("no pongs", "pings are never answered, as behind some proxies",
              "detail `no_pongs`; 30 s of silence instead of 4.5 s, and TCP keep-alive, until one is answered", 3.0),
    _quiet("one symbol mute", "one symbol stops, the others continue"),
    _suspect_lag("latency", "everything arrives 2.4 s late", 5.0),
    _suspect_lag("narrow line", "fewer bytes a second than the data needs", 10.0),
    _suspect_lag("drop by drop", "one byte every 4 ms", 10.0),
    _tolerate("jitter", "everything arrives 100 to 900 ms late", "shown in `lag_ns`", 3.0),
    _tolerate("flood", "fifty times the normal rate",
              "quotes are conflated only if the broker is behind; the latest quote is prompt"),
)  # fmt: skip
FRAMES = (
    _tolerate("unreadable frame", "one data frame that cannot be decoded", "dropped and counted", 2.5, "bad_frames"),
    _lose("unreadable frames", "three within 10 s", Cause.PROTOCOL, 2.0, _FRAMING),
    _tolerate("swapped opcode", "text for binary, or binary for text", "read in the agreed encoding"),
    _lose("wrong opcode", "a reserved opcode", Cause.PROTOCOL, 1.0, _FRAMING),
    _lose("reserved bits", "a reserved bit is set", Cause.PROTOCOL, 1.0, _FRAMING),
    _lose("masked frame", "masked, as only a client's frames may be", Cause.PROTOCOL, 1.0, _FRAMING),
    _lose("huge frame", "a header claims 2⁴⁰ bytes", Cause.TOO_BIG, 1.0, "cut before it arrives; redial"),
    _lose("endless fragments", "a message without an end", Cause.TOO_BIG, 2.0, "cut at 16 MiB; redial"),
)  # fmt: skip
RECORDS = (
    _drop("wrong types", "a field of the wrong type"),
    _tolerate("wrong extras", "conditions, exchange, tape or trade id are null or of the wrong type",
              "read as empty: they do not decide over the price"),
    _drop("missing fields", "a field is missing"),
    _flag("duplicate keys", "a price twice, the second one doubled", Flag.CROSSED, "the last one counts"),
    _tolerate("unknown type", "a record of a type that does not exist", "dropped and counted", 2.5, "unknown_types"),
    _drop("not a number", "the bid is NaN"),
    _drop("infinite", "the ask is infinite"),
    _drop("huge price", "prices of 1e308"),
    _flag("negative", "the bid is below zero", Flag.ONE_SIDED, "an absent side, never a price"),
    _flag("zero bid", "price and size 0", Flag.ONE_SIDED, "an absent side, never a price"),
    _flag("size 0", "sizes are 0", Flag.ONE_SIDED),
    _flag("crossed", "bid above ask", Flag.CROSSED),
    _flag("locked", "bid equal to ask", Flag.LOCKED),
    _flag("jump", "the mid moves by a fifth in one quote", Flag.SUSPICIOUS,
          "flagged until three quotes, 5 s or a trade prove the new level"),
    _tolerate("repeated time", "every record repeats the time of the one before", "taken in order of arrival"),
    _flag("backward time", "every record is older than the one before", Flag.BACKWARD_TIME,
          "published with the flag; the last good quote is kept"),
    _tolerate("clock ahead", "the exchange's clock steps 5 minutes ahead", "only differences count"),
    _flag("clock steps back", "the exchange's clock steps 5 minutes back", Flag.BACKWARD_TIME,
          "three quotes are flagged as above, then the new time is accepted"),
    _tolerate("clock behind", "the exchange's clock is 5 minutes behind", "only differences count", 3.0),
)  # fmt: skip
TRADING = (
    _halt("halt", "a halt, in the code of the symbol's tape", Cause.HALT),
    _halt("pause", "a volatility pause, in the code of the symbol's tape", Cause.PAUSE),
    _flag("outside the band", "a quote beyond the limit-up limit-down band", Flag.SUSPICIOUS),
)  # fmt: skip
ENVIRONMENT = (_tolerate("proxy variables", "the environment names a dead proxy", "ignored", 3.0),)
GROUPS: dict[str, tuple[FaultResponse, ...]] = {
    "Error codes": (*CODES.values(), UNKNOWN_4XX, UNKNOWN_CODE),
    "Dialling": (HTTP_3XX, HTTP_4XX, HTTP_429, HTTP_5XX, *DIALS.values()),
    "Authentication, subscription, closing": SESSION,
    "The connection": CONNECTION,
    "Frames": FRAMES,
    "Records": RECORDS,
    "Trading statuses": TRADING,
    "Environment": ENVIRONMENT,
}
FAULTS: dict[str, FaultResponse] = {row.name: row for rows in GROUPS.values() for row in rows}

OPERATOR_CAUSES = frozenset(row.cause for row in (*CODES.values(), HTTP_3XX, *DIALS.values()) if row.for_operator)
"""Causes retried once a minute whoever reports them; for other HTTP refusals it depends on the status."""


def find_by_code(code: int) -> FaultResponse:
    """The row of an error code. An unknown one from 400 to 499 is about what we asked for, any other about the peer."""
    return CODES.get(code) or (UNKNOWN_4XX if 400 <= code <= 499 else UNKNOWN_CODE)


def find_by_http_status(status: int) -> FaultResponse:
    """The row of a refused WebSocket upgrade."""
    if status == 429:
        return HTTP_429
    if 300 <= status < 400:
        return HTTP_3XX
    return HTTP_4XX if 400 <= status < 500 else HTTP_5XX


def find_by_dial_cause(cause: Cause) -> FaultResponse:
    """The row of an attempt that got no HTTP answer. Raises KeyError for a cause that no attempt can end with."""
    return DIALS[cause]
