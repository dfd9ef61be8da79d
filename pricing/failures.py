"""What each of the upstream's error codes means: one table, decoded from the number, never from the text. Pure.

Source: Alpaca's "Real-time streaming" error table; 411 from its official Go client. What a code is about decides how
much it may take down: the request that is being answered, or the connection.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from bus.events import Cause


class Scope(Enum):
    """What an error ends."""

    NOTHING = "nothing"
    REQUEST = "request"
    CONNECTION = "connection"


@dataclass(frozen=True, slots=True)
class Failure:
    """One row of the table."""

    scope: Scope
    cause: Cause
    for_operator: bool = False


CODES: dict[int, Failure] = {
    400: Failure(Scope.REQUEST, Cause.BAD_SYMBOL),
    401: Failure(Scope.CONNECTION, Cause.PROTOCOL),
    402: Failure(Scope.CONNECTION, Cause.AUTH_FAILED, for_operator=True),
    403: Failure(Scope.NOTHING, Cause.PROTOCOL),
    404: Failure(Scope.CONNECTION, Cause.AUTH_TIMEOUT),
    405: Failure(Scope.REQUEST, Cause.SYMBOL_LIMIT),
    406: Failure(Scope.CONNECTION, Cause.CONNECTION_LIMIT),
    407: Failure(Scope.CONNECTION, Cause.SLOW_CLIENT),
    408: Failure(Scope.CONNECTION, Cause.NOT_ENTITLED, for_operator=True),
    409: Failure(Scope.CONNECTION, Cause.NOT_ENTITLED, for_operator=True),
    410: Failure(Scope.REQUEST, Cause.NOT_ENTITLED),
    411: Failure(Scope.CONNECTION, Cause.SCOPE, for_operator=True),
    500: Failure(Scope.CONNECTION, Cause.UPSTREAM_ERROR),
}


def of_code(code: int) -> Failure:
    """The row of a code; an unknown one ends the connection, which is what a client that knows nothing can do."""
    return CODES.get(code, Failure(Scope.CONNECTION, Cause.UPSTREAM_ERROR))


def of_http_status(status: int) -> Failure:
    """What a refused WebSocket upgrade means."""
    if status == 429:
        return Failure(Scope.CONNECTION, Cause.HTTP_429)
    if 300 <= status < 400:
        return Failure(Scope.CONNECTION, Cause.REDIRECT, for_operator=True)
    return Failure(Scope.CONNECTION, Cause.HTTP_STATUS, for_operator=400 <= status < 500)
