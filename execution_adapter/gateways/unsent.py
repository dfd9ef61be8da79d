"""The answer to an order that could not be sent. Pure."""

from __future__ import annotations

from quotebus.execution_adapter.orders.order import Refused, Request, Until


def refuse_unsent(client_order_id: str, why: str) -> Refused:
    """There was no connection, so nothing of the order is anywhere: it may be placed later."""
    return Refused(client_order_id, Request.PLACE, f"no connection: {why}", until=Until.TIME)
