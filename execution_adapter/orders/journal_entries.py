"""A journal's entries, written and read: how an intent began, its orders and their ends. Pure.

Each entry has one key: `intent` (first), `arrival`, `size`, `place`, `final`, `doubt` or `done`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from quotebus.bus.errors import QuotebusError
from quotebus.execution_adapter.intents import Intent, parse
from quotebus.execution_adapter.orders.child_order import ChildOrder
from quotebus.execution_adapter.orders.order import ZERO, Order, Status, parse_decimal
from quotebus.execution_adapter.orders.states import Outcome

Entry = dict[str, Any]
_COUNTS = re.compile(r"([0-9.]+) of ([0-9.]+)")
"""How an end was written before it had its outcome beside it."""


class JournalDamaged(QuotebusError):
    """A journal cannot be relied on; a person must look at it before the intent is worked."""


@dataclass(frozen=True, slots=True)
class JournalHead:
    """How an intent began. `start_ns` is UTC; `intent_key` is client and id of its TradeIntent, if it came as one."""

    intent: Intent
    start_ns: int
    grace_ns: int
    account: str
    intent_key: tuple[str, str] = ("", "")

    @property
    def entry(self) -> Entry:
        return {
            "intent": {"intent": str(self.intent), "start_ns": self.start_ns, "window_ns": self.intent.window_ns,
                       "grace_ns": self.grace_ns, "account": self.account, "wish": list(self.intent_key)}
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class JournalEnd:
    """How an intent ended; `text` is for people. `order_ids` are those to look up, if that is not resolved."""

    outcome: Outcome
    text: str
    order_ids: tuple[str, ...] = ()
    filled: Decimal | None = None
    """How much was filled, if it says so."""


def read_head(entries: list[Entry]) -> JournalHead | None:
    """How the intent began; None for an empty journal. Raises JournalDamaged."""
    if not entries:
        return None
    match entries[0]:
        case {
            "intent": {
                "intent": str(text),
                "start_ns": int(start_ns),
                "window_ns": int(window_ns),
                "grace_ns": int(grace_ns),
                "account": str(account),
                "wish": [str(client), str(intent_id)],
            }
        }:
            try:
                return JournalHead(
                    replace(parse(text), window_ns=window_ns), start_ns, grace_ns, account, (client, intent_id)
                )
            except ValueError:
                pass
    raise JournalDamaged("its first entry cannot be read")


def end_entry(outcome: Outcome, filled: Decimal, qty: Decimal, cause: str) -> Entry:
    """How the intent ended, by the broker's final counts."""
    return {"done": {"outcome": outcome, "filled": f"{filled:f}", "qty": f"{qty:f}", "cause": cause}}


def read_end(entries: list[Entry]) -> JournalEnd | None:
    """How the intent ended; None while it has not. Raises JournalDamaged."""
    ends = [number for number, entry in enumerate(entries) if "done" in entry]
    if not ends:
        return None
    if why := read_doubt(entries[ends[-1] :]):  # the broker said something else after the end
        names = dict.fromkeys(child.order.client_order_id for child in read_children(entries))
        return JournalEnd(Outcome.UNRESOLVED, why, tuple(names))
    match entries[ends[-1]]["done"]:
        case {"outcome": str(outcome), "filled": str(filled), "qty": str(qty), "cause": str(cause)}:
            if outcome in tuple(Outcome):
                return JournalEnd(Outcome(outcome), f"{filled} of {qty} ({cause})", filled=parse_decimal(filled))
        case str(text):
            if counts := _COUNTS.match(text):
                had, wanted = (parse_decimal(count) or ZERO for count in counts.groups())
                partly = Outcome.PARTLY if had else Outcome.UNFILLED
                return JournalEnd(Outcome.FILLED if had == wanted else partly, text)
    raise JournalDamaged("its end cannot be read")


def doubt_entry(why: str) -> Entry:
    """Why nothing more may be ordered, whoever resumes the intent."""
    return {"doubt": why}


def read_doubt(entries: list[Entry]) -> str:
    """The newest doubt; empty when there is none."""
    return next((str(entry["doubt"]) for entry in reversed(entries) if "doubt" in entry), "")


def read_arrival(entries: list[Entry]) -> Decimal | None:
    """The mid when the intent arrived; None if no order was placed."""
    return next((parse_decimal(entry["arrival"]) for entry in entries if "arrival" in entry), None)


def size_entry(qty: Decimal) -> Entry:
    """How much an intent to sell `all` is to sell in total, as of the order that follows."""
    return {"size": f"{qty:f}"}


def read_size(entries: list[Entry]) -> Decimal | None:
    """The newest total of an intent to sell `all`; None before its first order. Raises JournalDamaged."""
    sizes = [parse_decimal(entry["size"]) for entry in entries if "size" in entry]
    if None in sizes:
        raise JournalDamaged("a size entry cannot be read")
    return sizes[-1] if sizes else None


def place_entry(order: Order) -> Entry:
    price = None if order.limit_price is None else f"{order.limit_price:f}"
    return {
        "place": {"id": order.client_order_id, "symbol": order.symbol, "side": order.side,
                  "qty": f"{order.qty:f}", "limit_price": price}
    }  # fmt: skip


def final_entry(child: ChildOrder) -> Entry:
    price = None if child.average_price is None else f"{child.average_price:f}"
    return {
        "final": {"id": child.order.client_order_id, "status": child.status,
                  "filled": f"{child.filled:f}", "average_price": price}
    }  # fmt: skip


def read_children(entries: list[Entry]) -> list[ChildOrder]:
    """The orders of a journal, oldest first, as far as they were known. Raises JournalDamaged."""
    found: dict[str, ChildOrder] = {}
    try:
        for entry in entries:
            if "place" in entry:
                row = entry["place"]
                order = Order(
                    row["id"], row["symbol"], row["side"], Decimal(row["qty"]), parse_decimal(row["limit_price"])
                )
                found[order.client_order_id] = ChildOrder(order, resent=order.client_order_id in found)
            elif "final" in entry:
                row = entry["final"]
                child = found[row["id"]]
                child.status, child.proven, child.seen = Status(row["status"]), True, True
                child.filled, child.average_price = Decimal(row["filled"]), parse_decimal(row["average_price"])
    except (KeyError, TypeError, ValueError, ArithmeticError):
        raise JournalDamaged("an order entry cannot be read") from None
    return list(found.values())
