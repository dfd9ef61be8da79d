"""What every gateway offers, how a broker's HTTP answers are read, and the gateway that sends nothing. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from quotebus.execution_adapter.orders.order import (
    CLOCK,
    ZERO,
    Answer,
    ClockReport,
    NotFound,
    Order,
    PositionReport,
    Refused,
    Request,
    Unknown,
    parse_decimal,
    read_json,
)

BAD_FIELD_CODE = 40010001
"""Alpaca's code for a client order id that was used before, and for any other wrong field as well."""
NO_POSITION_CODE = 40410000
"""Alpaca's code for what does not exist, with HTTP 404. A 404 without it may come from anything in between."""


class Gateway(Protocol):
    """Blocking calls with their own deadlines. Each returns an answer; none raises because of the broker."""

    def submit_order(self, order: Order) -> Answer:
        """Send an order under its client order id, once."""

    def cancel_order(self, client_order_id: str, order_id: str) -> Answer:
        """Request a cancel, then return where the order stands. `order_id` may be empty."""

    def query_order(self, client_order_id: str) -> Answer:
        """Where the order stands at the broker."""

    def query_position(self, request_id: str, symbol: str) -> Answer:
        """The account's position in `symbol`: PositionReport, or Unknown under `request_id`."""

    def query_clock(self) -> Answer:
        """Whether the broker's market is open: ClockReport, or Unknown under `CLOCK`."""


class NullGateway:
    """No gateway: no order is ever sent."""

    def submit_order(self, order: Order) -> Answer:
        return Refused(order.client_order_id, Request.PLACE, "gateway none: no order is sent", final=True)

    def cancel_order(self, client_order_id: str, order_id: str) -> Answer:  # noqa: ARG002 - the interface's
        return NotFound(client_order_id)

    def query_order(self, client_order_id: str) -> Answer:
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


def read_order(client_order_id: str, body: object) -> Answer:
    """Read the body of a successful answer; Unknown when it is not this order."""
    if isinstance(body, Mapping):
        try:
            report = read_json(dict(body))
        except ValueError:
            return Unknown(client_order_id, "unreadable answer")
        if report.client_order_id == client_order_id:
            return report
    return Unknown(client_order_id, "unreadable answer")


def read_error(client_order_id: str, request: Request, status: int, reason: str) -> Answer:
    """Read an HTTP error: a server's own failure leaves the outcome unknown, a refusal had no effect."""
    text = f"http {status}: {''.join(c if c.isprintable() else ' ' for c in reason)[:120]}"
    if status in (408, 409) or not 400 <= status < 500:
        return Unknown(client_order_id, text)
    return Refused(client_order_id, request, text, final=status in (401, 404, 422))


def settle_doubt(refused: Answer, found: Answer) -> Answer:
    """The answer for an order refused because of a field that may be its id: what the look-up found, else refused."""
    return refused if isinstance(found, NotFound) else found
