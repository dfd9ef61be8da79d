"""Which part of its day a venue is in, as far as a feed of it shows that. Pure.

Days are data (`market_days.py`), with an end: beyond it a session is `unknown`, and the node warns 60 days before.
Hours are rows below, in New York's time, counted from midnight of the trading day. A night belongs to the trading day
at whose beginning it ends, so that there is none before a holiday or a weekend.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.events import FeedClass, MarketSession
from quotebus.pricing import market_days
from quotebus.pricing.new_york import DAY_S, HOUR_S, SATURDAY, local_time, read_day, weekday

FIRST_DAY, LAST_DAY = read_day(market_days.FIRST), read_day(market_days.LAST)
WARN_DAYS = 60
ALPACA = "alpaca"
CLOCK_EVERY_NS = 5 * NS_PER_S
CLOCK_KEPT_NS = 30 * NS_PER_S
"""How long what the venue's clock said counts without another answer of it that can be read: six questions."""
_CLOSED = frozenset(map(read_day, market_days.CLOSED))
_EARLY = frozenset(map(read_day, market_days.EARLY))
_ALWAYS_REGULAR = frozenset({FeedClass.SIMULATED, FeedClass.TEST})


class Hours(NamedTuple):
    """One session of a trading day, in seconds from its midnight."""

    session: MarketSession
    begins_s: int
    ends_s: int
    source: str


_NIGHT = Hours(MarketSession.OVERNIGHT, -4 * HOUR_S, 4 * HOUR_S, "Alpaca, 24/5 Trading, 2026-07-07")
_PRE = Hours(MarketSession.PRE, 4 * HOUR_S, 9 * HOUR_S + HOUR_S // 2, "Alpaca, 24/5 Trading, 2026-07-07")
US_STOCKS: tuple[Hours, ...] = (
    _NIGHT,
    _PRE,
    Hours(MarketSession.REGULAR, 9 * HOUR_S + HOUR_S // 2, 16 * HOUR_S, "XNYS in exchange_calendars"),
    Hours(MarketSession.POST, 16 * HOUR_S, 20 * HOUR_S, "Alpaca, 24/5 Trading, 2026-07-07"),
)
US_STOCKS_EARLY: tuple[Hours, ...] = (
    _NIGHT,
    _PRE,
    Hours(MarketSession.REGULAR, 9 * HOUR_S + HOUR_S // 2, 13 * HOUR_S, "XNYS in exchange_calendars"),
    # Alpaca's 24/5 page says that there is no session after an early close; the exchanges have one.
    Hours(MarketSession.UNKNOWN, 13 * HOUR_S, 20 * HOUR_S, "Alpaca, 24/5 Trading for the Broker API, 2026-07-07"),
)


class Window(NamedTuple):
    """When a feed shows the venue's prices, on trading days from a day on; it is closed at all other times."""

    feed: str
    begins_s: int
    ends_s: int
    from_day: int
    source: str


_NIGHT_TAPE = read_day("2026-12-07")
WINDOWS: tuple[Window, ...] = (
    Window("iex", 8 * HOUR_S, 17 * HOUR_S, FIRST_DAY, "IEX's own hours, docs.rs exchange-hours"),
    Window("sip", 4 * HOUR_S, 20 * HOUR_S, FIRST_DAY, "Alpaca, Real-time Stock Data, 2026-01"),
    Window("delayed_sip", 4 * HOUR_S, 20 * HOUR_S, FIRST_DAY, "as sip: its prices are late, not its hours"),
    Window("sip", -3 * HOUR_S, 4 * HOUR_S, _NIGHT_TAPE, "SR-NASDAQ-2026-047: planned for that night"),
    Window("delayed_sip", -3 * HOUR_S, 4 * HOUR_S, _NIGHT_TAPE, "SR-NASDAQ-2026-047; as sip"),
    Window("boats", -4 * HOUR_S, 4 * HOUR_S, FIRST_DAY, "Alpaca, 24/5 Trading, 2026-07-07"),
    Window("overnight", -4 * HOUR_S, 4 * HOUR_S, FIRST_DAY, "Alpaca, 24/5 Trading, 2026-07-07"),
)  # fmt: skip
_FEEDS = frozenset(window.feed for window in WINDOWS)


def session_at(venue: str, feed: str, utc_ns: int) -> MarketSession:
    """The session of a venue's feed at a time; `unknown` for venues and feeds without rows, and beyond the days."""
    if venue != ALPACA or feed not in _FEEDS:
        return MarketSession.UNKNOWN
    day, ns = local_time(utc_ns)
    # A time of the evening belongs to the day's own sessions, or to the night before the next day.
    for trading_day, second in ((day, ns // NS_PER_S), (day + 1, ns // NS_PER_S - DAY_S)):
        hours = _find_hours(trading_day, second)
        if hours is None:
            continue
        if not FIRST_DAY <= trading_day <= LAST_DAY:
            return MarketSession.UNKNOWN
        if is_trading_day(trading_day):
            shown = any(
                window.feed == feed and trading_day >= window.from_day and window.begins_s <= second < window.ends_s
                for window in WINDOWS
            )
            return hours.session if shown else MarketSession.CLOSED
    return MarketSession.CLOSED


def is_trading_day(day: int) -> bool:
    """Whether US stocks have a regular session on this day of New York."""
    return weekday(day) < SATURDAY and day not in _CLOSED


def find_close_s(day: int) -> int:
    """When the regular session of a trading day ends, in seconds from its midnight."""
    return (13 if day in _EARLY else 16) * HOUR_S


CLOCK_PATH = "/v3/clock?markets=NYSE,BOATS"
"""Alpaca's trading API: the phase of each market named."""
_PHASES = {
    "core": MarketSession.REGULAR,
    "pre": MarketSession.PRE,
    "post": MarketSession.POST,
    "lunch": MarketSession.CLOSED,
    "closed": MarketSession.CLOSED,
}


def read_clock(answer: object) -> MarketSession | None:
    """The session by an answer of the venue's clock; None when it is none that is understood."""
    rows = answer.get("clocks") if isinstance(answer, dict) else None
    phases: dict[str, set[str]] = {}
    for row in rows if isinstance(rows, list) else []:
        market = row.get("market") if isinstance(row, dict) else None
        name = market.get("acronym") if isinstance(market, dict) else None
        phase = row.get("phase") if isinstance(row, dict) else None
        if isinstance(name, str):
            phases.setdefault(name, set()).add(phase if isinstance(phase, str) else "")
    session = _PHASES.get(_only(phases.get("NYSE")))
    night = session is MarketSession.CLOSED and _only(phases.get("BOATS")) == "core"
    return MarketSession.OVERNIGHT if night else session


def _only(said: set[str] | None) -> str:
    """The one phase that was said of a market; empty when there is none, or when it is said to be in two."""
    return next(iter(said)) if said is not None and len(said) == 1 else ""


@dataclass(frozen=True, slots=True)
class SessionRule:
    """How one upstream's session is found. `always`: whatever the time is; None to look at the venue's calendar.

    `asks`: the venue's own clock is asked, and what it says goes before.
    """

    venue: str = ""
    feed: str = ""
    always: MarketSession | None = None
    asks: bool = False

    @classmethod
    def of(cls, venue: str, feed: str, feed_class: str, said: str = "", *, has_clock: bool = False) -> SessionRule:
        """A simulated or test feed is always in its regular session, unless a setting says another (`said`, or ""), or
        the simulator's clock does (`has_clock`).
        """
        if said or feed_class in _ALWAYS_REGULAR:
            asks = has_clock and not said and feed_class == FeedClass.SIMULATED
            return cls(venue, feed, MarketSession(said or MarketSession.REGULAR), asks)
        return cls(venue, feed)

    def find(self, utc_ns: int) -> MarketSession:
        """The session at a time."""
        return session_at(self.venue, self.feed, utc_ns) if self.always is None else self.always

    def find_warning(self, utc_ns: int) -> str:
        """What an operator should know in time: that the calendar is about to end, or has ended; empty for nothing."""
        days = LAST_DAY - local_time(utc_ns)[0]
        if self.always is not None or self.venue != ALPACA or days >= WARN_DAYS:
            return ""
        return (
            f"the calendar of market days ends on {market_days.LAST}; from then on no session is known and no order is "
            "placed: update quotebus"
        )


class VenueDay:
    """The session that one node is in. `begin` is called when it is another one than the last that was known.

    What becomes known has not begun then: a quote from before may be from the same session. Where the venue's clock is
    asked, no session is known before its first answer, nor 30 s after the last one that could be read.
    """

    def __init__(self, rule: SessionRule, begin: Callable[[], None]) -> None:
        self.session = MarketSession.UNKNOWN
        self._rule = rule
        self._begin = begin
        self._last_known: MarketSession | None = None
        self._said: MarketSession | None = None
        self._said_ns = 0
        self._waits = rule.asks
        self._asked_ns: int | None = None

    def asks(self, now_ns: int) -> bool:
        """Whether the venue's clock is to be asked now; it is taken as asked then."""
        if not self._rule.asks or (self._asked_ns is not None and now_ns - self._asked_ns < CLOCK_EVERY_NS):
            return False
        self._asked_ns = now_ns
        return True

    def on_clock(self, session: MarketSession | None, utc_ns: int) -> None:
        """What the venue's clock says; None when it cannot be read, which leaves its last word until that is too old.

        A clock that never said anything has not said that the market is closed: then the rule alone counts.
        """
        self._waits = False
        if session is not None:
            self._said, self._said_ns = session, utc_ns

    def _find(self, utc_ns: int) -> MarketSession:
        if self._said is not None:
            return self._said if utc_ns - self._said_ns <= CLOCK_KEPT_NS else MarketSession.UNKNOWN
        return MarketSession.UNKNOWN if self._waits else self._rule.find(utc_ns)

    def follow(self, utc_ns: int) -> bool:
        """Look what session it is now. True when it is another one."""
        session = self._find(utc_ns)
        if session is self.session:
            return False
        self.session = session
        if session is not MarketSession.UNKNOWN:
            former, self._last_known = self._last_known, session
            if former not in (None, session):
                self._begin()
        return True


def _find_hours(trading_day: int, second: int) -> Hours | None:
    rows = US_STOCKS_EARLY if trading_day in _EARLY else US_STOCKS
    return next((hours for hours in rows if hours.begins_s <= second < hours.ends_s), None)
