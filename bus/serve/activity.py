"""Recent decisions, intents and orders with their reasons, newest last; bounded, and short texts only. Pure."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TypeVar

import msgspec

from quotebus.bus import topics
from quotebus.bus.events import ExecutionDecision, IntentReport, OrderUpdate
from quotebus.bus.topics import REPLAYED

KEPT = 100
"""Of each of the three lists; the oldest is forgotten first."""
_NAME = 80
_REASONS = 8
KeyT = TypeVar("KeyT", bound=Hashable)
ValueT = TypeVar("ValueT")


class DecisionNote(msgspec.Struct):
    """What one worker decided for one symbol and side, `times` times in a row with the same action and reasons."""

    at_ns: int
    client: str
    symbol: str
    side: str
    qty: float
    action: str
    limit_price: float | None
    reasons: list[str]
    decided_by: str
    times: int
    replayed: bool


class IntentNote(msgspec.Struct):
    """How far a worker is with one intent."""

    at_ns: int
    client: str
    intent_id: str
    worker: str
    symbol: str
    side: str
    qty: str
    filled: str
    average_price: str | None
    outcome: str
    state: str
    cause: str
    reasons: list[str]
    orders: int
    replayed: bool


class OrderNote(msgspec.Struct):
    """The newest update of one order of the account."""

    at_ns: int
    alias: str
    order_id: str
    symbol: str
    side: str
    qty: str | None
    filled_qty: str | None
    price: str | None
    event: str
    status: str
    replayed: bool


class Activity:
    """Takes the three kinds of events. `version` grows with each that changes something."""

    def __init__(self) -> None:
        self.version = 0
        self.decisions: dict[tuple[str, str, str], DecisionNote] = {}
        self.intents: dict[tuple[str, str], IntentNote] = {}
        self.orders: dict[tuple[str, str], OrderNote] = {}

    def take(self, event: ExecutionDecision | IntentReport | OrderUpdate, at_ns: int) -> None:
        self.version += 1
        replayed = event.source.startswith(REPLAYED)
        if isinstance(event, ExecutionDecision):
            self._decide(event, at_ns, replayed)
        elif isinstance(event, IntentReport):
            note = IntentNote(
                at_ns, event.client[:_NAME], event.intent_id[:_NAME], event.worker[:_NAME], _symbol(event.symbol),
                event.side[:8], event.qty[:24], event.filled[:24], _cut(event.average_price),
                str(event.outcome)[:_NAME], event.state[:_NAME], event.cause[:_NAME], _cut_all(event.reasons),
                len(event.orders), replayed,
            )  # fmt: skip
            _keep(self.intents, (event.client, event.intent_id), note)
        else:
            update = OrderNote(
                at_ns, event.alias[:_NAME], event.order_id[:_NAME], _symbol(event.symbol), event.side[:8],
                _cut(event.qty), _cut(event.filled_qty), _cut(event.price), event.event[:_NAME], event.status[:_NAME],
                replayed,
            )  # fmt: skip
            _keep(self.orders, (event.alias, event.order_id), update)

    def _decide(self, event: ExecutionDecision, at_ns: int, replayed: bool) -> None:
        note = DecisionNote(
            at_ns, event.client[:_NAME], _symbol(event.symbol), event.side[:8], event.qty, event.action[:_NAME],
            event.limit_price, _cut_all(event.reasons), event.decided_by[:_NAME], 1, replayed,
        )  # fmt: skip
        key = (note.client, note.symbol, note.side)
        former = self.decisions.get(key)
        if former is not None and (former.action, former.reasons) == (note.action, note.reasons):
            note.times = former.times + 1
        _keep(self.decisions, key, note)


def _keep(table: dict[KeyT, ValueT], key: KeyT, value: ValueT) -> None:
    """Newest last, at most KEPT."""
    if table.pop(key, None) is None and len(table) >= KEPT:
        del table[next(iter(table))]
    table[key] = value


def _symbol(text: str) -> str:
    return text if topics.is_symbol(text) else text[:32]


def _cut(text: str | None) -> str | None:
    return None if text is None else text[:24]


def _cut_all(reasons: tuple[str, ...]) -> list[str]:
    return [reason[:_NAME] for reason in reasons[:_REASONS]]
