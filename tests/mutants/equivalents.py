"""Changes that alter nothing a caller can see, by module and by the name that `mutate.py` gives them, each with why."""

from __future__ import annotations

from collections.abc import Mapping

_FAST = "only saves time: without the question the same follows"
_NO_SOURCE = "an empty source is no source's, so the number beside it is never looked at"
_BOUND = "a bound on memory, or beyond every time there is: nobody sees where exactly it lies"
_TYPES = "said for the type checker: the other conditions already exclude it"

_BOOK = {
    "module: _FLAG_REASONS = [(flag, Unusable[flag.name or '']) for flag in Flag] -> "
    "_FLAG_REASONS = [(flag, Unusable[flag.name]) for flag in Flag]": "every flag has a name",
    "module: MAX_SOURCES = 64 -> MAX_SOURCES = 63": _BOUND,
    "module: MAX_SOURCES = 64 -> MAX_SOURCES = 65": _BOUND,
    "module: _FOREVER_NS = 2 ** 62 -> _FOREVER_NS = 2 ** 63": _BOUND,
    "module: _FOREVER_NS = 2 ** 62 -> _FOREVER_NS = 3 ** 62": _BOUND,
    "Book.latest_stamp_ns: return _FOREVER_NS * 4 -> return _FOREVER_NS * 3": _BOUND,
    "Book.latest_stamp_ns: return _FOREVER_NS * 4 -> return _FOREVER_NS * 5": _BOUND,
    "Book.latest_stamp_ns: clock = self._clocks.get(self.source or '') -> clock = self._clocks.get(self.source)": (
        "no clock is kept under either"
    ),
    "Book.__init__: self._received_ns = 0 -> self._received_ns = 1": "a message is noted before it is taken",
    "Book.on_status: source, answered_ns = self._answered_ns.get(status.symbol, ('', 0)) -> "
    "source, answered_ns = self._answered_ns.get(status.symbol, ('', 1))": _NO_SOURCE,
    "Book.assess: source, seq = self._announced.get(symbol, ('', 0)) -> "
    "source, seq = self._announced.get(symbol, ('', 1))": _NO_SOURCE,
    "Book._find_faults: source, seq = self._announced.get(quote.symbol, ('', 0)) -> "
    "source, seq = self._announced.get(quote.symbol, ('', 1))": _NO_SOURCE,
    "Book.disproves: return held.seq > status.last_quote_seq and (not passed) -> "
    "return held.seq >= status.last_quote_seq and (not passed)": "equal numbers were judged above",
    "Book._is_well: return health is not None and self.streaming(now_ns) and (self.age_ns(health, now_ns) <= _FRESH_NS)"
    " -> return self.streaming(now_ns) and self.age_ns(health, now_ns) <= _FRESH_NS": _TYPES,
    "Book._find_faults: if quote.flags: -> if True:": _FAST,
    "Book._find_faults: yield (Unusable.EXCHANGE_LATE if late_ns > 0 else Unusable.EXCHANGE_AHEAD) -> "
    "yield (Unusable.EXCHANGE_LATE if late_ns > 1 else Unusable.EXCHANGE_AHEAD)": "it is far from 0 by the bound",
    "Book._find_faults: yield (Unusable.EXCHANGE_LATE if late_ns > 0 else Unusable.EXCHANGE_AHEAD) -> "
    "yield (Unusable.EXCHANGE_LATE if late_ns >= 0 else Unusable.EXCHANGE_AHEAD)": "it is far from 0 by the bound",
    "Book.on_acknowledged: if held is not None and unchanged and _disproves(row, quote, held): -> "
    "if unchanged and _disproves(row, quote, held):": _TYPES,
}
_ASSESSMENT = {
    "grade_price: if not reasons and quote.mid is not None and past.jumped(quote.mid, limits): -> "
    "if not reasons and past.jumped(quote.mid, limits):": "a quote without a mid is one-sided or crossed: a reason",
    "Assessor.assess: if quote is not None and quote.mid is not None and (not verdict.reasons): -> "
    "if quote is not None and (not verdict.reasons):": "a quote without a mid is one-sided or crossed: a reason",
    "grade_price: late_ns = 0 if quote is None else quote.received_ns - quote.exchange_ns - find_delay_ns(verdict) -> "
    "late_ns = 1 if quote is None else quote.received_ns - quote.exchange_ns - find_delay_ns(verdict)": (
        "both are far below the bound"
    ),
    "_spread_cautions: if mid is None or quote.spread is None: -> if mid is None and quote.spread is None:": (
        "the one is None exactly when the other is"
    ),
    "_spread_cautions: if mid is None or quote.spread is None: -> if mid is None:": (
        "the one is None exactly when the other is"
    ),
    "_spread_cautions: if mid is None or quote.spread is None: -> if quote.spread is None:": (
        "the one is None exactly when the other is"
    ),
    "find_halt_row: remembers = past.halt is not None and past.halt_age_ns <= LOST_LINE_MEMORY_NS -> "
    "remembers = past.halt_age_ns <= LOST_LINE_MEMORY_NS": "asked once more below",
    "find_halt_row: if halt is HaltKnowledge.UNKNOWN and past.halt is not None and remembers and "
    "_LOST.intersection(verdict.reasons): -> if halt is HaltKnowledge.UNKNOWN and remembers and "
    "_LOST.intersection(verdict.reasons):": "`remembers` says so, too",
    "Assessor.__init__: self._received_ns = 0 -> self._received_ns = 1": "the first health sets it before it is read",
    "Assessor.assess: self._received_ns = now_ns - min(0, verdict.health_age_ns or 0) -> "
    "self._received_ns = now_ns - min(0, verdict.health_age_ns or 1)": "no age and an age of 0 are not below 0",
    "Assessor.assess: self._received_ns = now_ns - min(0, verdict.health_age_ns or 0) -> "
    "self._received_ns = now_ns - min(0, verdict.health_age_ns)": "a health that is there has an age",
    "Assessor._line: if not good or health is None: -> if not good:": "without a health the line is not good",
    "Assessor._remember: if level is None or not jumped: -> if not jumped:": "without a level nothing has jumped",
}

_LIMIT_PRICE = {
    "compute_order_qty: if qty <= 0 or (price is not None and qty * price < min_notional): -> "
    "if qty < 0 or (price is not None and qty * price < min_notional):": "a quantity of 0 is returned as 0 either way",
}

_SMALL = "a jump of over a fifth within five ticks is of a few cents, and there all ticks are one size"
_LEVEL = {
    **{
        "Level._is_near_level: return is_few_ticks(abs(doubled - self.doubled) / 2, self.symbol, "
        "min(doubled, self.doubled) / 2, utc_ns) -> return is_few_ticks(abs(doubled - self.doubled) / 2, self.symbol, "
        f"{price}, utc_ns)": _SMALL
        for price in (
            "max(doubled, self.doubled) / 2",
            "min(doubled, self.doubled) / 1",
            "min(doubled, self.doubled) / 3",
            "min(doubled, self.doubled) * 2",
        )
    },
    "Level._is_same: return is_few_ticks(abs(doubled - other) / 2, self.symbol, min(doubled, other) / 2, utc_ns) -> "
    "return is_few_ticks(abs(doubled - other) / 2, self.symbol, min(doubled, other) / 3, utc_ns)": (
        "from a dollar on five ticks are within five percent, which agrees already"
    ),
    "Level.__init__: self.trade_ns = 0 -> self.trade_ns = 1": "without a trade its price is 0, which proves nothing",
}

EQUIVALENTS: Mapping[str, Mapping[str, str]] = {
    "quotebus.bus.book": _BOOK,
    "quotebus.execution_adapter.decision.assessment": _ASSESSMENT,
    "quotebus.execution_adapter.decision.limit_price": _LIMIT_PRICE,
    "quotebus.pricing.level": _LEVEL,
}
