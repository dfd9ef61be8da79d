"""What error codes, HTTP answers and failed dials mean: the part of the fault table that code decides by.

A row is an `FaultResponse`: what happens, how much it may take down, and what the node publishes within which time.
The core and the dialler read their decisions here, the tests make a real upstream show each row, and `FAULTS.md` is
rendered from it together with `faults.py`, which holds the faults that need no looking up. Pure.

Source: Alpaca's "Real-time streaming" error table; 411 from its official Go client. Codes are decoded from the number,
never from the text.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from quotebus.bus.events import Cause, ConnectionState, Flag, SymbolState


class Scope(Enum):
    """What a fault ends or spoils."""

    NOTHING = "nothing"
    SYMBOL = "symbol"
    REQUEST = "request"
    CONNECTION = "connection"


@dataclass(frozen=True, slots=True)
class FaultResponse:
    """One row of the table.

    `state` is the connection's or the symbol's, published with `cause` at most `within_s` seconds after the fault, or
    after the time that the setting `after` names has passed. `then` and `then_within_s`: what the connection does next
    while the fault lasts. `flag`: what the symbol's quotes carry. `counter`: the node's counter that rises. `retry_s`:
    the next try comes no earlier.
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
        """Whether only an operator can mend it."""
        return self.state is ConnectionState.REFUSED

    @property
    def redials(self) -> bool:
        """Whether the line is given up for a new one."""
        return self.then is not None or self.state in (ConnectionState.BACKING_OFF, ConnectionState.REFUSED)


_BACKING_OFF, _REFUSED, _STREAMING = ConnectionState.BACKING_OFF, ConnectionState.REFUSED, ConnectionState.STREAMING
_MINUTE = "one try a minute, with keys read anew"


def _again(name: str, fault: str, cause: Cause, within_s: float, action: str = "dialled again") -> FaultResponse:
    return FaultResponse(name, fault, Scope.CONNECTION, _BACKING_OFF, cause, within_s, action)


def _operator(name: str, fault: str, cause: Cause, within_s: float = 1.0, action: str = _MINUTE) -> FaultResponse:
    return FaultResponse(name, fault, Scope.CONNECTION, _REFUSED, cause, within_s, action, retry_s=60)


def _refuse(name: str, fault: str, state: SymbolState, cause: Cause, action: str) -> FaultResponse:
    return FaultResponse(name, fault, Scope.REQUEST, state, cause, 1.0, action)


CODES: dict[int, FaultResponse] = {
    400: _refuse("code 400", "malformed, or a symbol it does not take", SymbolState.REFUSED, Cause.BAD_SYMBOL,
                 "the question is halved until the symbol at fault is alone; that one is refused"),
    401: _again("code 401", "not authenticated", Cause.PROTOCOL, 0.5, "dialled again: we spoke too early"),
    402: _operator("code 402", "key or secret wrong", Cause.AUTH_FAILED),
    403: FaultResponse("code 403", "already authenticated", Scope.NOTHING, _STREAMING, Cause.DEMAND, 0.5, "nothing"),
    404: _again("code 404", "authentication took too long", Cause.AUTH_TIMEOUT, 1.0),
    405: FaultResponse(
        "code 405",
        "symbol limit; its set is unchanged",
        Scope.REQUEST,
        SymbolState.EVICTED,
        Cause.SYMBOL_LIMIT,
        1.0,
        "the limit is learned, the lowest priority evicted, the line stays; tried anew after releases and each minute",
        retry_s=60,
    ),
    406: FaultResponse("code 406", "another connection of this account", Scope.CONNECTION, _BACKING_OFF,
                Cause.CONNECTION_LIMIT, 1.0, "tried again after 5 s, doubling to 60 s", retry_s=5),
    407: _again("code 407", "we read too slowly", Cause.SLOW_CLIENT, 0.5),
    408: _operator("code 408", "v2 not enabled (old)", Cause.NOT_ENTITLED),
    409: _operator("code 409", "the plan does not include this feed", Cause.NOT_ENTITLED),
    410: _refuse("code 410", "the feed does not have this channel", SymbolState.REFUSED, Cause.NOT_ENTITLED,
                 "for statuses: streams with detail `halts_unknown`; for data: the symbol is refused"),
    411: _operator("code 411", "the key's scope is too small", Cause.SCOPE),
    500: _again("code 500", "internal error", Cause.UPSTREAM_ERROR, 0.5),
}  # fmt: skip
UNKNOWN_CODE = _again("code unknown", "any other code", Cause.UPSTREAM_ERROR, 0.5, "dialled again, as after 500")

HTTP_429 = FaultResponse("http 429", "told to come less often", Scope.CONNECTION, _BACKING_OFF, Cause.HTTP_429, 1.0,
                  "half a minute more, or as long as `Retry-After` says if that is longer", retry_s=30)  # fmt: skip
HTTP_3XX = _operator("http 3xx", "redirected", Cause.REDIRECT, 1.0, "never followed: it would carry our key elsewhere")
HTTP_4XX = _operator("http 4xx", "another refusal", Cause.HTTP_STATUS)
HTTP_5XX = _again("http 5xx", "the upstream is out of order, or answers no WebSocket", Cause.HTTP_STATUS, 1.0)

DIALS: dict[Cause, FaultResponse] = {
    row.cause: row
    for row in (
        _again("no such name", "the name cannot be looked up", Cause.DNS, 5.6),
        _again("refused", "TCP is refused", Cause.CONNECT_REFUSED, 0.5),
        _again("black hole", "TCP is neither accepted nor refused", Cause.CONNECT_TIMEOUT, 5.6),
        _again("silent handshake", "TCP is accepted, TLS or HTTP never answered", Cause.HANDSHAKE_TIMEOUT, 5.6),
        _operator("tls", "certificate, host name or TLS version does not do", Cause.TLS, 1.0,
                  "never in clear; one try a minute"),
        _again("endless headers", "an HTTP answer beyond 256 KiB", Cause.TOO_BIG, 2.0, "cut, dialled again"),
        _again("closed in the upgrade", "closed before HTTP 101", Cause.CLOSED, 1.0),
        _again("reset in the upgrade", "reset before HTTP 101", Cause.RESET, 1.0),
        _again("no upgrade", "an HTTP answer that is no WebSocket handshake", Cause.PROTOCOL, 1.0),
    )
}  # fmt: skip

OPERATOR_CAUSES = frozenset(row.cause for row in (*CODES.values(), HTTP_3XX, *DIALS.values()) if row.for_operator)
"""What is tried once a minute whoever reports it; another HTTP refusal depends on its status."""


def find_by_code(code: int) -> FaultResponse:
    """The row of a code; an unknown one ends the connection, which is what a client that knows nothing can do."""
    return CODES.get(code, UNKNOWN_CODE)


def find_by_http_status(status: int) -> FaultResponse:
    """The row of a refused WebSocket upgrade."""
    if status == 429:
        return HTTP_429
    if 300 <= status < 400:
        return HTTP_3XX
    return HTTP_4XX if 400 <= status < 500 else HTTP_5XX


def find_by_dial_cause(cause: Cause) -> FaultResponse:
    """The row of an attempt that reached no HTTP answer. KeyError for what no attempt can end with."""
    return DIALS[cause]
