"""What every gateway offers, how a broker's HTTP answers are read, and the gateway that sends nothing. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol

from quotebus.execution_adapter.gateways.answer_table import AnswerMeaning, find_row
from quotebus.execution_adapter.orders.order import (
    CLOCK,
    ZERO,
    Answer,
    CancelOrder,
    ClockReport,
    Command,
    Exists,
    NotFound,
    Order,
    PositionReport,
    QueryClock,
    QueryPosition,
    Refused,
    Report,
    Request,
    SubmitOrder,
    Unknown,
    parse_decimal,
    read_json,
)

MAX_ID = 128
NO_POSITION_CODE = 40410000
"""Alpaca's code for what does not exist, with HTTP 404. A 404 without it may come from anything in between."""


Watch = Callable[[int, Mapping[str, str]], int | None]
"""Takes status and headers (names in small letters) of an answer; how long they ask to wait, None if they do not."""


def watch_nothing(status: int, headers: Mapping[str, str]) -> int | None:  # noqa: ARG001 - the interface's
    """A `Watch` for nobody."""
    return None


class Gateway(Protocol):
    """Blocking calls with their own deadlines. Each returns an answer; none raises because of the broker."""

    def submit_order(self, order: Order) -> Answer:
        """Send an order under its client order id, once."""

    def cancel_order(self, client_order_id: str, order_id: str) -> Answer:
        """Request a cancel: Taken, unless it is refused. `order_id` may be empty, and is looked up then."""

    def query_order(self, client_order_id: str, order_id: str = "") -> Answer:
        """Where the order stands at the broker. With `order_id` the order of that id, under this client order id."""

    def query_position(self, request_id: str, symbol: str) -> Answer:
        """The account's position in `symbol`: PositionReport, or Unknown under `request_id`."""

    def query_clock(self) -> Answer:
        """Whether the broker's market is open: ClockReport, or Unknown under `CLOCK`."""


def ask(gateway: Gateway, command: Command) -> Answer:
    """Make one request of a gateway, and wait for its answer."""
    if isinstance(command, SubmitOrder):
        return gateway.submit_order(command.order)
    if isinstance(command, CancelOrder):
        return gateway.cancel_order(command.client_order_id, command.order_id)
    if isinstance(command, QueryPosition):
        return gateway.query_position(command.request_id, command.symbol)
    if isinstance(command, QueryClock):
        return gateway.query_clock()
    return gateway.query_order(command.client_order_id, command.order_id)


class NullGateway:
    """No gateway: no order is ever sent."""

    def submit_order(self, order: Order) -> Answer:
        return Refused(order.client_order_id, Request.PLACE, "gateway none: no order is sent", final=True)

    def cancel_order(self, client_order_id: str, order_id: str) -> Answer:  # noqa: ARG002 - the interface's
        return NotFound(client_order_id)

    def query_order(self, client_order_id: str, order_id: str = "") -> Answer:  # noqa: ARG002 - the interface's
        return NotFound(client_order_id)

    def query_position(self, request_id: str, symbol: str) -> Answer:  # noqa: ARG002 - the interface's
        return PositionReport(request_id, ZERO, ZERO)

    def query_clock(self) -> Answer:
        return Unknown(CLOCK, "gateway none: there is no broker")


def read_clock(body: object) -> Answer:
    """Read a market clock; Unknown when the body does not say whether the market is open."""
    if isinstance(body, Mapping) and isinstance(body.get("is_open"), bool):
        return ClockReport(body["is_open"])
    return Unknown(CLOCK, "unreadable clock")


def read_position(request_id: str, body: object) -> Answer:
    """Read a position; Unknown when the body does not carry both numbers."""
    if isinstance(body, Mapping):
        if body.get("side") == "short":
            return PositionReport(request_id, ZERO, ZERO)
        qty, available = parse_decimal(body.get("qty")), parse_decimal(body.get("qty_available"))
        if qty is not None and available is not None:
            return PositionReport(request_id, qty, min(qty, available))
    return Unknown(request_id, "unreadable position")


def read_order(client_order_id: str, body: object, order_id: str = "") -> Answer:
    """Read the body of a successful answer; Unknown when it is not this order.

    `order_id`: the order was asked for by it, so it may have another client order id; it is reported under this one.
    """
    if isinstance(body, Mapping):
        try:
            report = read_json(dict(body))
        except ValueError:
            return Unknown(client_order_id, "unreadable answer")
        if report.client_order_id == client_order_id or (order_id and report.order_id == order_id):
            return replace(report, client_order_id=client_order_id)
    return Unknown(client_order_id, "unreadable answer")


def read_error(client_order_id: str, request: Request, status: int, body: object, wait_ns: int | None = None) -> Answer:
    """Read an HTTP error by the table of answers. `wait_ns`: how long its headers ask to wait."""
    said = body if isinstance(body, Mapping) else {}
    message = "".join(c if c.isprintable() else " " for c in str(said.get("message") or ""))
    text = f"http {status}: {message[:120]}" if message else f"http {status}"
    try:
        row = find_row(request, status, said)
    except ValueError:
        return Unknown(client_order_id, text)
    if row.meaning is AnswerMeaning.EXISTS:
        return Exists(client_order_id, text)
    if row.meaning is AnswerMeaning.UNKNOWN:
        return Unknown(client_order_id, text)
    final = row.meaning is AnswerMeaning.NEVER
    return Refused(client_order_id, request, text, final, row.until, wait_ns, "" if final else _read_blocker(said))


def _read_blocker(body: Mapping[object, object]) -> str:
    """The order that is in the way, if the answer names it."""
    related = body.get("related_orders")
    first = related[0] if isinstance(related, list) and related else ""
    return str(body.get("existing_order_id") or first)[:MAX_ID]


def settle_doubt(answer: Answer, find: Callable[[str], Answer]) -> Answer:
    """The same answer; for an order that exists, where it stands, if it can be found already."""
    if not isinstance(answer, Exists):
        return answer
    found = find(answer.client_order_id)
    return found if isinstance(found, Report) else answer
