"""Records made wrong on purpose: takes a quote or trade, returns what is sent instead. Pure.

Values and times go wrong first, then the shape of the message, in the order of the fault table; a record can have
several faults at once.
"""

from __future__ import annotations

import math
import random

from quotebus.pricing.simulator.fault_table import RECORD_FAULTS
from quotebus.pricing.simulator.fault_values import PerSymbol
from quotebus.pricing.simulator.faults import Faults
from quotebus.pricing.simulator.records import Marked, Misshapen, Quote, Trade

TIMES = ("repeat_time", "backward_time")
SHAPES = ("wrong_types", "wrong_extras", "missing_fields", "duplicate_keys", "unknown_type")
BACKWARD_NS = 1_000_000
HUGE_PRICE = 1e308
MOST_TIMES = 20_000
NEEDED = {"q": ("S", "bp", "bs", "ap", "as", "t"), "t": ("S", "p", "s", "t")}
EXTRAS = {"q": ("c", "z", "bx", "ax"), "t": ("i", "c", "z", "x")}
OF_NO_USE: tuple[object, ...] = (None, 2**63, [None], {}, 1.5)
OF_ANOTHER_TYPE: dict[str, tuple[object, ...]] = {
    "S": (17, None, ["SPY"]),
    "t": ("yesterday", None, True, []),
    "": ("1.5", None, True, [], {}),
}
NO_TYPES = ("Q", "qq", "9", "", "unknown")


class Spoiler:
    """The record faults in force. Call `change` after each change of the plan."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(f"spoiler/{seed}")
        self._names: tuple[str, ...] = ()
        self._hit: dict[str, frozenset[str] | None] = {}
        self._skew_ns: dict[str, int] = {}
        self._skew_all_ns = 0
        self._last_ns: dict[str, int] = {}

    def change(self, faults: Faults) -> bool:
        """Take over the plan. Returns whether any record fault is in force."""
        self._names = tuple(name for name in RECORD_FAULTS if faults.on(name))
        self._hit = {
            name: None if faults.value(name) is True else faults.symbols(name)
            for name in self._names
            if name != "skew_ms"
        }
        skew = faults.value("skew_ms")
        self._skew_ns = {s: _ns(ms) for s, ms in skew.numbers.items()} if isinstance(skew, PerSymbol) else {}
        self._skew_all_ns = _ns(faults.number("skew_ms") or 0)
        if not any(name in self._names for name in TIMES):
            self._last_ns.clear()
        return bool(self._names)

    def skew_ns(self, symbol: str) -> int:
        """How far the exchange's clock is off for this symbol."""
        return self._skew_ns.get(symbol, self._skew_all_ns)

    def spoil(self, record: Quote | Trade) -> Quote | Trade | Marked | Misshapen:
        """What is sent instead of this record."""
        names = []
        for name in self._names:
            if name not in SHAPES and self._hits(name, record.symbol):
                spoilt = self._time(name, record) or _value(name, record)
                if spoilt is not None:
                    names.append(name)
                    record = spoilt
        shapes = [name for name in SHAPES if self._hits(name, record.symbol)]
        if shapes:
            return self._misshape(record, shapes, names)
        return Marked(record, "+".join(names)) if names else record

    def _hits(self, name: str, symbol: str) -> bool:
        if name == "skew_ms":
            return self.skew_ns(symbol) != 0
        symbols = self._hit.get(name, frozenset())
        return symbols is None or symbol in symbols

    def _time(self, name: str, record: Quote | Trade) -> Quote | Trade | None:
        if name == "skew_ms":
            return record._replace(t_ns=max(0, record.t_ns + self.skew_ns(record.symbol)))
        if name not in TIMES:
            return None
        last_ns = self._last_ns.get(record.symbol, record.t_ns)
        t_ns = last_ns if name == "repeat_time" else last_ns - BACKWARD_NS
        if len(self._last_ns) > MOST_TIMES:
            self._last_ns.clear()
        self._last_ns[record.symbol] = t_ns
        return record._replace(t_ns=t_ns)

    def _misshape(self, record: Quote | Trade, shapes: list[str], names: list[str]) -> Misshapen:
        fields = record.fields()
        kind = str(fields["T"])
        needed = NEEDED[kind]
        if "wrong_types" in shapes:
            field = self._rng.choice(needed)
            fields[field] = self._rng.choice(OF_ANOTHER_TYPE.get(field, OF_ANOTHER_TYPE[""]))
        if "wrong_extras" in shapes:
            fields[self._rng.choice(EXTRAS[kind])] = self._rng.choice(OF_NO_USE)
        if "unknown_type" in shapes:
            fields["T"] = self._rng.choice(NO_TYPES)
        if "missing_fields" in shapes:
            del fields[self._rng.choice(needed)]
        pairs = list(fields.items())
        if "duplicate_keys" in shapes:
            price = "bp" if isinstance(record, Quote) else "p"
            pairs.append((price, 2 * (record.bid_price if isinstance(record, Quote) else record.price)))
        return Misshapen(record.symbol, tuple(pairs), "+".join([*names, *shapes]))


def _ns(milliseconds: float) -> int:
    return round(milliseconds * 1_000_000)


def _value(name: str, record: Quote | Trade) -> Quote | Trade | None:
    return _quote(name, record) if isinstance(record, Quote) else _trade(name, record)


def _quote(name: str, quote: Quote) -> Quote | None:
    if name == "nan":
        return quote._replace(bid_price=math.nan)
    if name == "infinite":
        return quote._replace(ask_price=math.inf)
    if name == "negative":
        return quote._replace(bid_price=-abs(quote.bid_price))
    if name == "zero_bid":
        return quote._replace(bid_price=0.0, bid_size=0)
    if name == "crossed":
        return quote._replace(bid_price=quote.ask_price, ask_price=quote.bid_price)
    if name == "locked":
        return quote._replace(ask_price=quote.bid_price)
    if name == "huge_price":
        return quote._replace(bid_price=HUGE_PRICE, ask_price=HUGE_PRICE * 1.1)
    if name == "size_zero":
        return quote._replace(bid_size=0, ask_size=0)
    return None


def _trade(name: str, trade: Trade) -> Trade | None:
    if name == "nan":
        return trade._replace(price=math.nan)
    if name == "infinite":
        return trade._replace(price=math.inf)
    if name == "negative":
        return trade._replace(price=-abs(trade.price))
    if name == "huge_price":
        return trade._replace(price=HUGE_PRICE)
    if name == "size_zero":
        return trade._replace(size=0)
    return None
