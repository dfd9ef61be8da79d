"""Orders, requests and answers: the values between a parent order and the broker. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from quotebus.bus.events import OrderUpdate

ZERO = Decimal(0)


class Status(StrEnum):
    """What is known of one order at the broker. All but OPEN and REPLACED are final, and cannot be taken back."""

    OPEN = "open"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    REPLACED = "replaced"


FINAL = frozenset({Status.FILLED, Status.CANCELED, Status.EXPIRED, Status.REJECTED})
_WORDS = {"canceled": Status.CANCELED, "cancelled": Status.CANCELED, "expired": Status.EXPIRED,
          "rejected": Status.REJECTED, "filled": Status.FILLED, "fill": Status.FILLED,
          "replaced": Status.REPLACED}  # fmt: skip
"""Alpaca's words, as an order's status or an update's event. Every other (new, partial_fill, pending_cancel, stopped,
suspended, done_for_day, calculated …) is an order that may still fill: done_for_day lives on tomorrow."""


TIME_IN_FORCE = "day"
"""Of every order: what is not filled by the end of the session ends with it."""

REVISIONS = frozenset({"trade_bust", "trade_correct"})
"""Events of the order stream that change what an execution was, also after the order's end."""


@dataclass(frozen=True, slots=True)
class Order:
    """One order to place. `limit_price` None is a market order."""

    client_order_id: str
    symbol: str
    side: str
    qty: Decimal
    limit_price: Decimal | None

    def __str__(self) -> str:
        price = "market" if self.limit_price is None else f"limit {self.limit_price:f}"
        return f"{self.symbol} {self.side} {self.qty:f} {price}"


@dataclass(frozen=True, slots=True)
class Report:
    """What the broker reported of one order. `filled` is cumulative; None when it was not reported.

    `authoritative`: an answer to our own question, read from the order itself. An event of the order stream may be
    late, early or wrong; it is believed about fills and prompts the question.
    """

    client_order_id: str
    status: Status
    filled: Decimal | None = None
    average_price: Decimal | None = None
    order_id: str = ""
    limit_price: Decimal | None = None
    authoritative: bool = False
    word: str = ""
    qty: Decimal | None = None
    replaced_by: str = ""
    """The broker's id of the order that took its place."""


def read_status(word: str) -> Status:
    """Alpaca's status or event word as a Status."""
    return _WORDS.get(word.lower(), Status.OPEN)


def parse_decimal(text: object) -> Decimal | None:
    """Parse a quantity or price from the broker; None for anything but a number from 0 up."""
    if text is None or isinstance(text, bool):
        return None
    try:
        value = Decimal(str(text))
    except InvalidOperation:
        return None
    return value if value.is_finite() and value >= 0 else None


def read_update(update: OrderUpdate) -> Report:
    """Read an event of the order stream."""
    return Report(
        update.client_order_id,
        read_status(update.status or update.event),
        parse_decimal(update.filled_qty),
        parse_decimal(update.filled_avg_price),
        update.order_id,
        word=update.event,
    )


def read_json(order: dict[str, object]) -> Report:
    """Read an order of Alpaca's REST API. Raises ValueError when it is not one."""
    client_order_id, status = order.get("client_order_id"), order.get("status")
    if not isinstance(client_order_id, str) or not isinstance(status, str):
        raise ValueError("not an order")
    return Report(
        client_order_id,
        read_status(status),
        parse_decimal(order.get("filled_qty")),
        parse_decimal(order.get("filled_avg_price")),
        str(order.get("id") or ""),
        parse_decimal(order.get("limit_price")),
        authoritative=True,
        word=status,
        qty=parse_decimal(order.get("qty")),
        replaced_by=str(order.get("replaced_by") or ""),
    )


class Request(StrEnum):
    """What a broker is asked to do."""

    PLACE = "place"
    CANCEL = "cancel"


class Until(StrEnum):
    """What must come before a refused request may be made again."""

    TRIES = "tries"
    """A moment; a few times."""
    TIME = "time"
    """Time that the broker named, or a pause that grows."""
    ORDER = "order"
    """The end of another order, which the broker named."""
    SHARES = "shares"
    """The end of orders that hold back what is to be sold."""
    POWER = "power"
    """The end of orders of ours that hold buying power back, or a sale that brings some; without one a moment."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The broker refused: this request had no effect. `final`: repeating it would be refused again.

    Otherwise it may be repeated after `until`. `wait_ns` is the time the broker named, `order_id` the other order.
    """

    client_order_id: str
    request: Request
    reason: str
    final: bool = False
    until: Until = Until.TRIES
    wait_ns: int | None = None
    order_id: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """The broker has taken the cancel of this order. Whether it comes before a fill is not known yet."""

    client_order_id: str


@dataclass(frozen=True, slots=True)
class Exists:
    """The broker has an order of this id, whatever look-ups say: it refused the id because it was used before."""

    client_order_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """The request may or may not have had an effect: only looking the order up will tell.

    For a query of a position `client_order_id` is its `request_id`.
    """

    client_order_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class NotFound:
    """The broker has no such order now. A request still on its way may yet reach it."""

    client_order_id: str


@dataclass(frozen=True, slots=True)
class PositionReport:
    """The account's position in a symbol, and how much of it no open order holds back. A short position is 0."""

    request_id: str
    qty: Decimal
    available: Decimal


@dataclass(frozen=True, slots=True)
class ClockReport:
    """Whether the broker's market is open now."""

    is_open: bool


Answer = Report | Refused | Taken | Exists | Unknown | NotFound | PositionReport | ClockReport


@dataclass(frozen=True, slots=True)
class SubmitOrder:
    """Send this order. It is written to the journal first."""

    order: Order


@dataclass(frozen=True, slots=True)
class CancelOrder:
    """Cancel this order; may be repeated. The answer says where it stands then."""

    client_order_id: str
    order_id: str


@dataclass(frozen=True, slots=True)
class QueryOrder:
    """Ask what became of this order.

    With `order_id` the order of that id is meant, such as one that took the place of ours; the answer comes under
    `client_order_id` all the same.
    """

    client_order_id: str
    order_id: str = ""


@dataclass(frozen=True, slots=True)
class QueryPosition:
    """Ask what the account holds of a symbol."""

    request_id: str
    symbol: str


@dataclass(frozen=True, slots=True)
class QueryClock:
    """Ask the broker for its market clock: ClockReport, or Unknown under `CLOCK`."""


CLOCK = "clock"
Command = SubmitOrder | CancelOrder | QueryOrder | QueryPosition | QueryClock
