"""The events of orders: the account's updates, what is wanted, what is decided, and how far it is.

`bus.events` has them all under the same names. Pure.
"""

from __future__ import annotations

from msgspec import Struct

from quotebus.bus.envelope import Event, Name, Nanos
from quotebus.bus.states import ExecutionOutcome


class OrderUpdate(Event, frozen=True, kw_only=True, gc=False):
    """One event of the account's order stream; decimals as strings, an alias instead of the account number."""

    alias: Name
    """The account's name on the bus."""
    event: str
    """What happened, in the broker's word such as `fill` or `canceled`; `reconciled` for an order read by REST."""
    order_id: str
    """The broker's id of the order."""
    client_order_id: str
    """The id that was chosen when it was placed."""
    symbol: str
    """Upper case, as in `Quote`."""
    side: str
    """`buy` or `sell`."""
    qty: str | None
    """Shares ordered, a decimal; None for an order by amount of money."""
    filled_qty: str | None
    """Shares filled so far, a decimal."""
    price: str | None
    """US dollars, price of this event; None when it has none."""
    exchange_ns: Nanos
    """When it happened, UTC nanoseconds by the broker's clock."""
    received_ns: Nanos
    """When the node received it, UTC nanoseconds."""
    status: str = ""
    """The order's status after it, the broker's word."""
    execution_id: str = ""
    """The id of this execution; empty when it is none, or `reconciled`."""
    execution_qty: str | None = None
    """Shares of this execution, a decimal."""
    position_qty: str | None = None
    """Shares held after this execution, a decimal; negative when short."""
    filled_avg_price: str | None = None
    """US dollars, average of what is filled so far, a decimal."""
    replaced_by: str = ""
    """The `order_id` of the order that replaced it; empty when none did."""
    original: str = ""
    """What the broker sent, as JSON: `event`, `order` and so on, without what names the account; of `reconciled` an
    object with `order` alone. Empty when it was longer than 32 KiB."""


Reference = tuple[str, int]
"""(source, seq) of the message a decision was based on; ("", 0) for none."""


class ExecutionDecision(Event, frozen=True, kw_only=True, gc=False):
    """What an execution worker decided, and the messages, ages and settings it was based on."""

    client: Name
    """The worker's client name."""
    decision_id: Name
    """Names the decision; no other of the client has it."""
    now_ns: Nanos
    """The worker's time of the decision, UTC nanoseconds; in a replay, the stream's."""
    symbol: str
    """Upper case, as in `Quote`."""
    side: str
    """`buy` or `sell`."""
    qty: float
    """Shares."""
    action: str
    """`limit`, `market` or `refuse`."""
    limit_price: float | None
    """US dollars, of a `limit`; None for every other action."""
    reasons: tuple[str, ...]
    """Why this action; of a `limit` also how it was priced."""
    quote: Reference
    """(source, seq) of the quote; ("", 0) for none."""
    health: Reference
    """(source, seq) of the connection's health; ("", 0) for none."""
    status: Reference
    """(source, seq) of the symbol's status, or (`ack:` and the source, seq) of an acknowledgement; ("", 0) for none."""
    config_hash: str
    """Names the settings it depends on: the first 12 hex digits of the SHA-256 of the `settings` part of `config`."""
    quote_age_ns: Nanos | None = None
    """The quote's age then, nanoseconds; None without a quote."""
    health_age_ns: Nanos | None = None
    """The health's age then, nanoseconds; None without a health."""
    config: str = ""
    """What it depends on besides the messages, as JSON: `kind`, `settings` and `state`."""
    decided_by: Name = ""
    """Row and column of the worker's decision table that decided, such as `trading/none`, or what did in its place."""


class TradeIntent(Event, frozen=True, kw_only=True, gc=False):
    """What a trader wants bought or sold, for an execution worker to work."""

    client: Name
    """The client that publishes it."""
    intent_id: Name
    """Names the intent: the same id again is the same intent."""
    symbol: str
    """Upper case, as in `Quote`."""
    side: str
    """`buy` or `sell`."""
    qty: float
    """Shares, above 0; 0 with `complete_exit`."""
    urgency: str
    """`low`, `normal` (also when empty) or `high`: how far and how soon the price may go."""
    deadline_ns: Nanos
    """It is not worked after this, UTC nanoseconds."""
    complete_exit: bool = False
    """Sell all that the account holds of the symbol, as the worker finds it."""


class ReportedOrder(Struct, array_like=True, frozen=True, gc=False):
    """One order of an intent, as its worker knows it."""

    client_order_id: str
    """The id that the worker chose; no other order of the account has it."""
    order_id: str
    """The broker's id; empty while it is not known."""
    status: str
    """`open`, `filled`, `canceled`, `expired`, `rejected` or `replaced`."""
    filled: str
    """Shares filled so far, a decimal."""


class IntentReport(Event, frozen=True, kw_only=True, gc=False):
    """How far an execution worker is with a TradeIntent, and how it ended."""

    client: Name
    """Who published the intent."""
    intent_id: Name
    """The intent's."""
    worker: Name
    """The client name of the worker that reports."""
    account: Name
    """Where its orders go: the gateway, a slash, and the name of the account, which may be empty."""
    symbol: str
    """Upper case, as in `Quote`."""
    side: str
    """`buy` or `sell`."""
    qty: str
    """Shares wanted, a decimal; 0 while it is not known how many `complete_exit` sells."""
    outcome: ExecutionOutcome
    """`working`, or how it ended."""
    state: str
    """Where the worker stands with it, in the worker's word."""
    cause: str
    """Why."""
    filled: str
    """Shares filled so far, a decimal."""
    average_price: str | None
    """US dollars, average of what is filled, a decimal; None while nothing is."""
    arrival_price: str | None
    """US dollars, the mid when the intent arrived, a decimal; None when there was no good price."""
    orders: tuple[ReportedOrder, ...]
    """The newest 100 orders that were sent for it, oldest first."""
    reasons: tuple[str, ...]
    """Of the newest fallback or refusal; empty when there was none."""
