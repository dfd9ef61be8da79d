"""What a trader wants, as a value: symbol, side, quantity, time window; from text, a CSV row or the bus. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from quotebus.bus import topics
from quotebus.bus.clock import NS_PER_S
from quotebus.bus.events import TradeIntent

DEFAULT_WINDOW_NS = 60 * NS_PER_S
MAX_WINDOW_NS = 24 * 3600 * NS_PER_S
MAX_QTY = Decimal(10) ** 9
QTY_STEP = Decimal("0.000000001")
"""Alpaca's finest fraction of a share."""
_UNITS = {"s": 1, "m": 60, "h": 3600, "": 1}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|)\Z")
_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,32}\Z")
SIDES = ("buy", "sell")
ALL = "all"
"""In place of a quantity: sell what is held."""


class Urgency(StrEnum):
    """How much waiting costs the trader; see `Tactics.for_urgency`."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Intent:
    """Buy or sell `qty` shares of `symbol` within `window_ns`. `name` tells two equal intents apart.

    One that `exits` sells the whole position; its `qty` is 0 until the broker was asked how much that is.
    """

    symbol: str
    side: str
    qty: Decimal
    window_ns: int = DEFAULT_WINDOW_NS
    name: str = ""
    exits: bool = False
    urgency: Urgency = Urgency.NORMAL

    @property
    def amount(self) -> str:
        """The quantity as it was written."""
        return ALL if self.exits else f"{self.qty.normalize():f}"

    def __str__(self) -> str:
        urgency = "" if self.urgency is Urgency.NORMAL else f" urgency={self.urgency}"
        name = f" id={self.name}" if self.name else ""
        return f"{self.symbol} {self.side} {self.amount} in {self.window_ns / NS_PER_S:g}s{urgency}{name}"

    def intent_id(self, account: str) -> str:
        """What it is called for ever: it follows from the intent and the account alone. At most 40 characters.

        A command given twice is one intent, on any day, in any time zone and on any host. Client order ids are made
        from it, and the broker refuses to take one twice: that holds where no journal is shared.
        """
        text = "|".join((account, self.symbol, self.side, self.amount, str(self.window_ns), self.urgency, self.name))
        digest = hashlib.sha256(text.encode()).hexdigest()[:12]
        symbol = re.sub(r"[^A-Z0-9]", "_", self.symbol)[:12]
        return f"qb-{symbol}-{self.side}-{digest}"


def make(symbol: str, side: str, qty: str, window: str = "", name: str = "", urgency: str = "") -> Intent:
    """Make an intent from words; the last three may be empty. Raises ValueError with one clear sentence."""
    symbol = topics.symbol(symbol)
    if (side := side.strip().lower()) not in SIDES:
        raise ValueError(f"side must be buy or sell, not {side[:20]!r}")
    exits = qty.strip().lower() == ALL
    if exits and side != "sell":
        raise ValueError(f"'all' needs side sell: {symbol} sell all")
    amount = Decimal(0) if exits else _shares(qty)
    word = urgency.strip().lower() or Urgency.NORMAL
    if word not in tuple(Urgency):
        raise ValueError(f"urgency must be one of {', '.join(Urgency)}, not {urgency[:20]!r}")
    if name and not _NAME.match(name):
        raise ValueError(f"id must be 1 to 32 letters, digits, _ . : or -, not {name[:40]!r}")
    window_ns = parse_duration_ns(window) if window.strip() else DEFAULT_WINDOW_NS
    return Intent(symbol, side, amount, window_ns, name, exits, Urgency(word))


def _shares(text: str) -> Decimal:
    try:
        amount = Decimal(text.strip())
    except InvalidOperation:
        raise ValueError(f"quantity is not a number: {text[:20]!r}") from None
    if not amount.is_finite() or not 0 < amount <= MAX_QTY or amount % QTY_STEP:
        raise ValueError(f"quantity must be above 0, at most {MAX_QTY:f}, with at most 9 decimals: {text[:20]!r}")
    return amount


def parse_duration_ns(text: str) -> int:
    """Parse `90s`, `2m`, `1.5h` or plain seconds into nanoseconds. Raises ValueError."""
    match = _DURATION.match(text.strip().lower())
    if match is None:
        raise ValueError(f"not a duration: {text[:20]!r} (examples: 90s, 2m, 1h)")
    window_ns = int(Decimal(match[1]) * _UNITS[match[2]] * NS_PER_S)
    if not 0 < window_ns <= MAX_WINDOW_NS:
        raise ValueError(f"duration must be above 0 and at most 24h, not {text[:20]!r}")
    return window_ns


def parse(text: str) -> Intent:
    """Parse `SPY buy 10`, `SPY buy 10 in 60s` or `SPY sell all in 60s urgency=high id=morning`. Raises ValueError."""
    words = text.replace(",", " ").split()
    options: dict[str, str] = {}
    while words and "=" in words[-1]:
        option, _, value = words.pop().partition("=")
        if option not in ("id", "urgency") or option in options:
            raise ValueError(f"unknown or repeated option {option[:20]!r}; the options are id= and urgency=")
        if not value:
            raise ValueError(f"{option}= has no value")
        options[option] = value
    name, urgency = options.get("id", ""), options.get("urgency", "")
    match words:
        case [symbol, side, qty]:
            return make(symbol, side, qty, "", name, urgency)
        case [symbol, side, qty, "in", window]:
            return make(symbol, side, qty, window, name, urgency)
    raise ValueError(f"not an intent: {text[:60]!r} (example: SPY buy 10 in 60s)")


def from_rows(rows: Iterable[dict[str, str | None]]) -> list[Intent]:
    """Read intents from CSV rows with the columns symbol, side, qty and, optionally, in, urgency and id.

    Raises ValueError, which names the line.
    """
    intents: list[Intent] = []
    for number, row in enumerate(rows, start=2):
        cell = {str(key).strip().lower(): value or "" for key, value in row.items() if isinstance(value, str | None)}
        if missing := [column for column in ("symbol", "side", "qty") if not cell.get(column, "").strip()]:
            raise ValueError(f"line {number}: {missing[0]} is missing")
        try:
            name, urgency = cell.get("id", "").strip(), cell.get("urgency", "")
            intents.append(make(cell["symbol"], cell["side"], cell["qty"], cell.get("in", ""), name, urgency))
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
    return intents


def from_event(event: TradeIntent, now_ns: int, grace_ns: int) -> tuple[Intent, int]:
    """Read a TradeIntent received at `now_ns` UTC: the intent and its grace, which both end before its deadline.

    A fifth of the time, at most `grace_ns`, is kept for cancelling. Raises ValueError.
    """
    left_ns = max(0, event.deadline_ns - now_ns)
    grace_ns = min(grace_ns, left_ns // 5)
    return read_wish(event, f"{(left_ns - grace_ns) / NS_PER_S:.3f}s"), grace_ns


def read_wish(event: TradeIntent, window: str = "") -> Intent:
    """Read what a TradeIntent wants, whenever it was sent. Raises ValueError."""
    if event.complete_exit and event.qty:
        raise ValueError(f"complete_exit needs qty 0, not {event.qty!r}")
    amount = ALL if event.complete_exit else repr(event.qty)
    return make(event.symbol, event.side, amount, window, urgency=event.urgency)


def require_distinct(intents: Iterable[Intent]) -> list[Intent]:
    """Return the intents when no two are the same. Raises ValueError: a duplicate is more likely a slip than a plan."""
    seen: dict[str, Intent] = {}
    for intent in intents:
        key = intent.intent_id("")
        if key in seen:
            raise ValueError(f"duplicate intent: {intent}; add id= to one of them")
        seen[key] = intent
    return list(seen.values())
