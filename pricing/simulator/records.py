"""What the exchange sends about a symbol: quote, trade, trading status. Pure values.

Prices in dollars, sizes as the exchange gives them, `t_ns` UTC nanoseconds. `fields()` is the message as Alpaca
documents it, with `t` still in nanoseconds; `audit()` is the same with longer names, for the audit file.
"""

from __future__ import annotations

from typing import NamedTuple


class Quote(NamedTuple):
    """Best bid and offer (`T` is `q`)."""

    symbol: str
    bid_exchange: str
    bid_price: float
    bid_size: float
    ask_exchange: str
    ask_price: float
    ask_size: float
    tape: str
    t_ns: int

    def fields(self) -> dict[str, object]:
        return {
            "T": "q", "S": self.symbol, "bx": self.bid_exchange, "bp": self.bid_price, "bs": self.bid_size,
            "ax": self.ask_exchange, "ap": self.ask_price, "as": self.ask_size, "c": ["R"], "t": self.t_ns,
            "z": self.tape,
        }  # fmt: skip

    def audit(self) -> dict[str, object]:
        return {
            "T": "q", "symbol": self.symbol, "bid": self.bid_price, "bid_size": self.bid_size,
            "ask": self.ask_price, "ask_size": self.ask_size, "t_ns": self.t_ns,
        }  # fmt: skip


class Trade(NamedTuple):
    """One trade (`T` is `t`)."""

    symbol: str
    trade_id: int
    exchange: str
    price: float
    size: float
    tape: str
    t_ns: int

    def fields(self) -> dict[str, object]:
        return {
            "T": "t", "S": self.symbol, "i": self.trade_id, "x": self.exchange, "p": self.price, "s": self.size,
            "c": ["@"], "t": self.t_ns, "z": self.tape,
        }  # fmt: skip

    def audit(self) -> dict[str, object]:
        return {
            "T": "t", "symbol": self.symbol, "price": self.price, "size": self.size, "id": self.trade_id,
            "t_ns": self.t_ns,
        }  # fmt: skip


class TradingStatus(NamedTuple):
    """A trading status (`T` is `s`): on tapes A and B code 2 halts and 3 resumes; on C and O, H, P, Q and T."""

    symbol: str
    code: str
    message: str
    reason_code: str
    reason: str
    tape: str
    t_ns: int

    def fields(self) -> dict[str, object]:
        return {
            "T": "s", "S": self.symbol, "sc": self.code, "sm": self.message, "rc": self.reason_code,
            "rm": self.reason, "t": self.t_ns, "z": self.tape,
        }  # fmt: skip

    def audit(self) -> dict[str, object]:
        return {
            "T": "s", "symbol": self.symbol, "code": self.code, "message": self.message, "reason": self.reason,
            "t_ns": self.t_ns,
        }  # fmt: skip


class Raw(NamedTuple):
    """A payload given verbatim through the control endpoint; `size` in bytes."""

    size: int

    def audit(self) -> dict[str, object]:
        return {"T": "raw", "size": self.size}


Record = Quote | Trade | TradingStatus


class Marked(NamedTuple):
    """A record that a fault made wrong: its values as they are sent, and the fault's name."""

    record: Record
    fault: str

    def audit(self) -> dict[str, object]:
        return {**self.record.audit(), "fault": self.fault}


class Misshapen(NamedTuple):
    """A message of a symbol whose shape a fault made wrong: its fields as they are sent, with `t` in nanoseconds."""

    symbol: str
    pairs: tuple[tuple[str, object], ...]
    fault: str

    def audit(self) -> dict[str, object]:
        return {"T": "misshapen", "symbol": self.symbol, "fault": self.fault, "written": self.pairs}


class BadFrame(NamedTuple):
    """A data frame that a fault replaced by one without any record; `size` of its payload in bytes."""

    size: int
    fault: str

    def audit(self) -> dict[str, object]:
        return {"T": "bad_frame", "size": self.size, "fault": self.fault}


class Update(NamedTuple):
    """An order update on its way to one order stream."""

    event: str
    order_id: str

    def audit(self) -> dict[str, object]:
        return {"T": "update", "event": self.event, "order_id": self.order_id}


Sent = Record | Marked | Misshapen
Written = Sent | Raw | BadFrame | Update


def is_quote(record: Written) -> bool:
    """Whether this is a quote, right or wrong in its values."""
    return record.__class__ is Quote or (isinstance(record, Marked) and isinstance(record.record, Quote))
