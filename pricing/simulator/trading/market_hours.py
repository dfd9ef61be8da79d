"""The market's hours as the broker tells and keeps them. Pure.

The simulated market is always in its regular session until the control endpoint sets another. What the clock and the
calendar say of days to come is simple: each weekday from 9:30 to 16:00, Eastern standard time, without holidays.
Source of the forms: Alpaca's trading API, `/v2/clock` and `/v2/calendar`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from quotebus.bus.clock import NS_PER_S
from quotebus.pricing.simulator.trading.tickets import MALFORMED, RestError

SESSIONS = ("regular", "pre", "post", "overnight", "closed")
HOUR_S = 3_600
DAY_S = 24 * HOUR_S
OFFSET_S = -5 * HOUR_S
OPEN_S, CLOSE_S = 9 * HOUR_S + HOUR_S // 2, 16 * HOUR_S
MOST_DAYS = 22_000
_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:T.*)?\Z")


class MarketHours:
    """The session in force. Orders that are not for it wait."""

    def __init__(self) -> None:
        self.session = SESSIONS[0]

    def may_fill(self, *, extended_hours: bool) -> bool:
        """Whether an order fills now; `extended_hours`: it is for the sessions around the regular one, too."""
        if self.session == "closed":
            return False
        return extended_hours or self.session == "regular"

    def clock(self, utc_ns: int) -> dict[str, object]:
        """The answer of `/v2/clock`. Opening and close are the next by the calendar, whatever session is set."""
        return {
            "timestamp": _stamp(utc_ns),
            "is_open": self.session == "regular",
            "next_open": _stamp(_next_ns(utc_ns, OPEN_S)),
            "next_close": _stamp(_next_ns(utc_ns, CLOSE_S)),
        }

    def phases(self, markets: Iterable[str]) -> dict[str, object]:
        """The answer of `/v3/clock`: the phase of each market. BOATS is open at night, all others by day."""
        rows: list[dict[str, object]] = []
        for name in markets:
            night = name == "BOATS"
            phase = "core" if self.session == ("overnight" if night else "regular") else "closed"
            if not night and self.session in ("pre", "post"):
                phase = self.session
            rows.append({"market": {"acronym": name}, "is_market_day": True, "phase": phase})
        return {"clocks": rows}

    def calendar(self, query: Mapping[str, str]) -> list[dict[str, object]]:
        """The answer of `/v2/calendar`: the trading days from `start` to `end`. RestError for what is no date."""
        first = _read(query.get("start", ""), count_days(1970, 1, 1))
        last = _read(query.get("end", ""), count_days(2029, 12, 31))
        return [_row(day) for day in range(first, min(last, first + MOST_DAYS) + 1) if _is_trading_day(day)]


def count_days(year: int, month: int, day: int) -> int:
    """Days since 1970 in the Gregorian calendar."""
    shifted = year - (month <= 2)
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    era, of_era = divmod(shifted, 400)
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + day_of_year - 719_468


def _row(day: int) -> dict[str, object]:
    settles = next(later for later in range(day + 1, day + 4) if _is_trading_day(later))
    return {
        "date": _date(day),
        "open": "09:30",
        "close": "16:00",
        "session_open": "0400",
        "session_close": "2000",
        "settlement_date": _date(settles),
    }


def _is_trading_day(day: int) -> bool:
    return (day + 3) % 7 < 5


def _next_ns(utc_ns: int, second: int) -> int:
    """When a clock in New York shows this second of a trading day again."""
    today = (utc_ns // NS_PER_S + OFFSET_S) // DAY_S
    times = ((day * DAY_S + second - OFFSET_S) * NS_PER_S for day in range(today, today + 5) if _is_trading_day(day))
    return next(time_ns for time_ns in times if time_ns > utc_ns)


def _stamp(utc_ns: int) -> str:
    """RFC 3339 in Eastern standard time."""
    local_s, ns = utc_ns // NS_PER_S + OFFSET_S, utc_ns % NS_PER_S
    day, second = divmod(local_s, DAY_S)
    return f"{_date(day)}T{second // HOUR_S:02}:{second // 60 % 60:02}:{second % 60:02}.{ns:09}-05:00"


def _date(day: int) -> str:
    era, of_era = divmod(day + 719_468, 146_097)
    year_of_era = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * of_year + 2) // 153
    month = shifted + (3 if shifted < 10 else -9)
    return f"{era * 400 + year_of_era + (month <= 2):04}-{month:02}-{of_year - (153 * shifted + 2) // 5 + 1:02}"


def _read(text: str, default: int) -> int:
    if not text:
        return default
    match = _DATE.match(text)
    if match is None:
        raise RestError(422, MALFORMED, "invalid date")
    year, month, day = (int(part) for part in match.groups())
    if not (1970 <= year <= 2100 and 1 <= month <= 12 and 1 <= day <= 31):
        raise RestError(422, MALFORMED, "invalid date")
    return count_days(year, month, day)
