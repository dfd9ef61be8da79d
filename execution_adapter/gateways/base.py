"""Where orders go: what every gateway offers, what a broker's HTTP answers mean, and the gateway to nowhere. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from quotebus.execution_adapter.orders.order import (
    ZERO,
    Answer,
    NotFound,
    Order,
    PositionReport,
    Refused,
    Request,
    Unknown,
    decimal,
    read_json,
)

BAD_FIELD_CODE = 40010001
"""Alpaca's code for a client order id that was used before, and for any other wrong field as well."""
NO_POSITION_CODE = 40410000
"""Alpaca's code for what does not exist, beside HTTP 404; a 404 without it may be anybody's."""


class Gateway(Protocol):
    """Blocking calls with deadlines of their own, each answered with a value; none raises because of the broker."""

    def place(self, order: Order) -> Answer:
        """Send an order under its client order id, once."""

    def cancel(self, client_order_id: str, order_id: str) -> Answer:
        """Ask for a cancel, then say where the order stands. `order_id` may be empty."""

    def look_up(self, client_order_id: str) -> Answer:
        """Where the order stands at the broker."""

    def holding(self, request_id: str, symbol: str) -> Answer:
        """What the account holds of `symbol`: Held, or Unknown under `request_id`."""


class NullGateway:
    """No gateway: nothing is ever ordered."""

    def place(self, order: Order) -> Answer:
        return Refused(order.client_order_id, Request.PLACE, "gateway none: no order is sent", final=True)

    def cancel(self, client_order_id: str, order_id: str) -> Answer:  # noqa: ARG002 - the interface's
        return NotFound(client_order_id)

    def look_up(self, client_order_id: str) -> Answer:
        return NotFound(client_order_id)

    def holding(self, request_id: str, symbol: str) -> Answer:  # noqa: ARG002 - the interface's
        return PositionReport(request_id, ZERO, ZERO)


def read_position(request_id: str, body: object) -> Answer:
    """A position's body as what may be sold of it; Unknown when it does not say both numbers."""
    if isinstance(body, Mapping):
        if body.get("side") == "short":
            return PositionReport(request_id, ZERO, ZERO)
        qty, available = decimal(body.get("qty")), decimal(body.get("qty_available"))
        if qty is not None and available is not None:
            return PositionReport(request_id, qty, min(qty, available))
    return Unknown(request_id, "unreadable position")


def read_order(client_order_id: str, body: object) -> Answer:
    """A successful answer's body as a report; Unknown when it is not this order."""
    if isinstance(body, Mapping):
        try:
            report = read_json(dict(body))
        except ValueError:
            return Unknown(client_order_id, "unreadable answer")
        if report.client_order_id == client_order_id:
            return report
    return Unknown(client_order_id, "unreadable answer")


def read_error(client_order_id: str, request: Request, status: int, reason: str) -> Answer:
    """What an HTTP error means: a server's own trouble leaves the outcome unknown, a refusal had no effect."""
    text = f"http {status}: {''.join(c if c.isprintable() else ' ' for c in reason)[:120]}"
    if status in (408, 409) or not 400 <= status < 500:
        return Unknown(client_order_id, text)
    return Refused(client_order_id, request, text, final=status in (401, 404, 422))


def settle_doubt(refused: Answer, found: Answer) -> Answer:
    """An order refused for a field that may be its id: it is what the look-up says, and refused if there is none."""
    return refused if isinstance(found, NotFound) else found
