"""`pricing/market_days.py`, rendered from exchange_calendars; `make marketdays` writes it.

The library is needed for this file and its test alone: the program has the days as data, with an explicit end.
"""

from __future__ import annotations

import sys
from datetime import date, timedelta

FIRST, LAST = date(2024, 1, 1), date(2028, 12, 31)
"""The exchanges have announced no days after these."""
USUAL_CLOSE, EARLY_CLOSE = (16, 0), (13, 0)


def read_calendar() -> tuple[list[str], list[str], str]:
    """Weekdays without a session, days that end early, and the library's version. Raises ImportError."""
    import exchange_calendars  # development only

    calendar = exchange_calendars.get_calendar("XNYS", start=FIRST.isoformat(), end=LAST.isoformat())
    sessions = {session.date() for session in calendar.sessions}
    early = {session.date() for session in calendar.early_closes}
    for session in calendar.sessions:
        closes = calendar.session_close(session).tz_convert(calendar.tz)
        expected = EARLY_CLOSE if session.date() in early else USUAL_CLOSE
        if (closes.hour, closes.minute) != expected:
            raise ValueError(f"{session.date()} closes at {closes:%H:%M}, which the program has no row for")
    days = [FIRST + timedelta(days=number) for number in range((LAST - FIRST).days + 1)]
    closed = [day.isoformat() for day in days if day.weekday() < 5 and day not in sessions]
    return closed, [day.isoformat() for day in sorted(early)], exchange_calendars.__version__


def render() -> str:
    """The file's text."""
    closed, early, version = read_calendar()
    return f'''"""Weekdays on which US stocks do not trade, and days whose regular session ends at 13:00 New York. Pure.

Written by `make marketdays` from XNYS in exchange_calendars {version}; not to be edited.
"""

from __future__ import annotations

FIRST, LAST = "{FIRST}", "{LAST}"
CLOSED: tuple[str, ...] = {_rows(closed)}
EARLY: tuple[str, ...] = {_rows(early)}
'''


def _rows(days: list[str]) -> str:
    years: dict[str, list[str]] = {}
    for day in days:
        years.setdefault(day[:4], []).append(day)
    halves = [half for year in years.values() for half in (year[:6], year[6:]) if half]
    rows = [", ".join(f'"{day}"' for day in half) for half in halves]
    return "(\n" + "".join(f"    {row},\n" for row in rows) + ")  # fmt: skip"


if __name__ == "__main__":
    sys.stdout.write(render())
