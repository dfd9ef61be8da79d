"""Where orders go: what every gateway offers, what a broker's HTTP answers mean, and the gateway to nowhere. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from execution_adapter.orders import Answer, NotFound, Order, Refused, Request, Unknown, from_json

BAD_FIELD_CODE = 40010001
"""Alpaca's code for a client order id that was used before, and for any other wrong field as well."""


class Gateway(Protocol):
    """Blocking calls with deadlines of their own, each answered with a value; none raises because of the broker."""

    def place(self, order: Order) -> Answer:
        """Send an order under its client order id, once."""

    def cancel(self, client_order_id: str, order_id: str) -> Answer:
        """Ask for a cancel, then say where the order stands. `order_id` may be empty."""

    def look_up(self, client_order_id: str) -> Answer:
        """Where the order stands at the broker."""


class Nowhere:
    """No gateway: nothing is ever ordered."""

    def place(self, order: Order) -> Answer:
        return Refused(order.client_order_id, Request.PLACE, "no gateway: nothing is ordered", final=True)

    def cancel(self, client_order_id: str, order_id: str) -> Answer:  # noqa: ARG002 - the interface's
        return NotFound(client_order_id)

    def look_up(self, client_order_id: str) -> Answer:
        return NotFound(client_order_id)


def read_order(client_order_id: str, body: object) -> Answer:
    """A successful answer's body as a report; Unknown when it is not this order."""
    if isinstance(body, Mapping):
        try:
            report = from_json(dict(body))
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
