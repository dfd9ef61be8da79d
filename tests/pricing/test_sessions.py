"""Sessions: every edge at the nanosecond, half days, holidays, nights, clock changes, and the end of the data."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.events import FeedClass, MarketSession
from quotebus.pricing import market_days
from quotebus.pricing.new_york import HOUR_S, read_day
from quotebus.pricing.sessions import (
    ALPACA,
    CLOCK_KEPT_NS,
    US_STOCKS,
    US_STOCKS_EARLY,
    WARN_DAYS,
    WINDOWS,
    SessionRule,
    VenueDay,
    find_close_s,
    is_trading_day,
    session_at,
)

NEW_YORK = ZoneInfo("America/New_York")
REGULAR, PRE, POST, NIGHT, CLOSED, UNKNOWN = (
    MarketSession.REGULAR, MarketSession.PRE, MarketSession.POST, MarketSession.OVERNIGHT, MarketSession.CLOSED,
    MarketSession.UNKNOWN,
)  # fmt: skip


def utc(text: str) -> int:
    """UTC nanoseconds of a time in New York such as `2026-11-25 09:30`."""
    return int(datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).timestamp()) * NS_PER_S


EDGES = [
    # an ordinary day in winter, and one in summer
    ("sip", "2026-11-25 04:00", CLOSED, PRE),
    ("sip", "2026-11-25 09:30", PRE, REGULAR),
    ("sip", "2026-11-25 16:00", REGULAR, POST),
    ("sip", "2026-11-25 20:00", POST, CLOSED),
    ("sip", "2026-07-15 04:00", CLOSED, PRE),
    ("sip", "2026-07-15 09:30", PRE, REGULAR),
    ("sip", "2026-07-15 16:00", REGULAR, POST),
    ("sip", "2026-07-15 20:00", POST, CLOSED),
    ("delayed_sip", "2026-07-15 16:00", REGULAR, POST),
    # a feed's own hours
    ("iex", "2026-11-25 08:00", CLOSED, PRE),
    ("iex", "2026-11-25 09:30", PRE, REGULAR),
    ("iex", "2026-11-25 16:00", REGULAR, POST),
    ("iex", "2026-11-25 17:00", POST, CLOSED),
    ("overnight", "2026-11-24 20:00", CLOSED, NIGHT),
    ("overnight", "2026-11-25 04:00", NIGHT, CLOSED),
    ("boats", "2026-11-24 20:00", CLOSED, NIGHT),
    ("boats", "2026-11-25 04:00", NIGHT, CLOSED),
    # half days: the regular session is short, and what follows is not certain
    ("sip", "2026-11-27 09:30", PRE, REGULAR),
    ("sip", "2026-11-27 13:00", REGULAR, UNKNOWN),
    ("sip", "2026-11-27 20:00", UNKNOWN, CLOSED),
    ("iex", "2026-11-27 13:00", REGULAR, UNKNOWN),
    ("iex", "2026-11-27 17:00", UNKNOWN, CLOSED),
    ("sip", "2028-07-03 13:00", REGULAR, UNKNOWN),
    # no night before a holiday; it begins again on the holiday's evening; a whole night before a half day
    ("boats", "2026-11-25 20:00", CLOSED, CLOSED),
    ("boats", "2026-11-26 20:00", CLOSED, NIGHT),
    ("boats", "2026-11-27 04:00", NIGHT, CLOSED),
    ("boats", "2026-11-27 20:00", CLOSED, CLOSED),
    ("overnight", "2026-11-29 20:00", CLOSED, NIGHT),
    ("overnight", "2026-11-30 00:00", NIGHT, NIGHT),
    # holidays
    ("sip", "2026-11-26 09:30", CLOSED, CLOSED),
    ("sip", "2026-04-03 12:00", CLOSED, CLOSED),
    # the tape at night, once it runs
    ("sip", "2026-12-03 21:00", CLOSED, CLOSED),
    ("sip", "2026-12-06 21:00", CLOSED, NIGHT),
    ("sip", "2026-12-07 04:00", NIGHT, PRE),
    ("sip", "2026-12-07 20:00", POST, CLOSED),
    ("sip", "2026-12-07 21:00", CLOSED, NIGHT),
    # clock changes, on Sundays
    ("sip", "2026-10-30 16:00", REGULAR, POST),
    ("sip", "2026-11-02 09:30", PRE, REGULAR),
    ("boats", "2026-11-01 20:00", CLOSED, NIGHT),
    ("sip", "2026-03-06 09:30", PRE, REGULAR),
    ("sip", "2026-03-09 09:30", PRE, REGULAR),
    ("boats", "2026-03-08 20:00", CLOSED, NIGHT),
    # begin and end of the days
    ("sip", "2024-01-01 12:00", CLOSED, CLOSED),
    ("sip", "2023-12-29 12:00", UNKNOWN, UNKNOWN),
    ("sip", "2028-12-29 16:00", REGULAR, POST),
    ("sip", "2029-01-02 12:00", UNKNOWN, UNKNOWN),
    ("boats", "2028-12-31 20:00", CLOSED, UNKNOWN),
]  # fmt: skip


@pytest.mark.parametrize(("feed", "edge", "before", "after"), EDGES)
def test_a_nanosecond_before_and_after(feed: str, edge: str, before: MarketSession, after: MarketSession) -> None:
    at_ns = utc(edge)
    assert session_at(ALPACA, feed, at_ns - 1) is before
    assert session_at(ALPACA, feed, at_ns) is after
    assert session_at(ALPACA, feed, at_ns + 1) is after


@pytest.mark.parametrize(
    ("text", "utc_text"),
    [("2026-11-25 09:30", "2026-11-25T14:30:00+00:00"), ("2026-07-15 09:30", "2026-07-15T13:30:00+00:00")],
)
def test_the_opening_in_utc_follows_daylight_saving(text: str, utc_text: str) -> None:
    assert utc(text) == int(datetime.fromisoformat(utc_text).timestamp()) * NS_PER_S
    assert session_at(ALPACA, "sip", utc(text)) is REGULAR


@pytest.mark.parametrize(("venue", "feed"), [("kraken", "sip"), ("", "sip"), (ALPACA, "mine"), (ALPACA, "")])
def test_what_has_no_rows_is_unknown(venue: str, feed: str) -> None:
    assert session_at(venue, feed, utc("2026-11-25 12:00")) is UNKNOWN


def test_every_minute_of_a_week_has_one_session_and_each_begins_where_the_last_ends() -> None:
    at, seen = datetime(2026, 11, 22, tzinfo=NEW_YORK), list[MarketSession]()
    for minute in range(7 * 1_440):
        session = session_at(ALPACA, "sip", int((at + timedelta(minutes=minute)).timestamp()) * NS_PER_S)
        if not seen or seen[-1] is not session:
            seen.append(session)
    day = [PRE, REGULAR, POST, CLOSED]
    assert seen == [CLOSED, *day, *day, *day, PRE, REGULAR, UNKNOWN, CLOSED]


def test_rows_have_sources_and_sessions_do_not_overlap() -> None:
    for rows in (US_STOCKS, US_STOCKS_EARLY):
        assert [row.ends_s for row in rows[:-1]] == [row.begins_s for row in rows[1:]]
        assert (rows[0].begins_s, rows[-1].ends_s) == (-4 * HOUR_S, 20 * HOUR_S)
        assert all(row.source for row in rows)
    assert all(window.source and window.begins_s < window.ends_s for window in WINDOWS)


def test_trading_days_and_their_close() -> None:
    assert is_trading_day(read_day("2026-11-25"))
    assert not any(is_trading_day(read_day(day)) for day in ("2026-11-26", "2026-11-28", "2026-11-29"))
    assert (find_close_s(read_day("2026-11-25")), find_close_s(read_day("2026-11-27"))) == (16 * HOUR_S, 13 * HOUR_S)


@pytest.mark.filterwarnings("ignore")  # the library's own, of what it uses
def test_the_days_are_those_of_exchange_calendars() -> None:
    from tests.pricing import market_days_file

    closed, early, _ = market_days_file.read_calendar()
    assert tuple(closed) == market_days.CLOSED
    assert tuple(early) == market_days.EARLY
    assert (market_days_file.FIRST.isoformat(), market_days_file.LAST.isoformat()) == (
        market_days.FIRST,
        market_days.LAST,
    )


@pytest.mark.parametrize(
    ("feed_class", "said", "session"),
    [
        (FeedClass.SIMULATED, "", REGULAR),
        (FeedClass.TEST, "", REGULAR),
        (FeedClass.SIMULATED, "closed", CLOSED),
        (FeedClass.REAL_TIME, "", CLOSED),
        (FeedClass.DELAYED, "", CLOSED),
        (FeedClass.REAL_TIME, "pre", PRE),
        (FeedClass.REAL_TIME, "regular", REGULAR),
    ],
)
def test_a_simulated_or_test_feed_is_always_in_session_unless_it_is_said_otherwise(
    feed_class: FeedClass, said: str, session: MarketSession
) -> None:
    rule = SessionRule.of(ALPACA, "sip", feed_class, said)
    assert rule.find(utc("2026-11-26 12:00")) is session
    assert SessionRule.of("", "sip", FeedClass.UNKNOWN).find(utc("2026-11-25 12:00")) is UNKNOWN


def test_sixty_days_before_its_end_the_calendar_warns() -> None:
    rule, last = SessionRule(ALPACA, "sip"), datetime.fromisoformat(market_days.LAST)
    early, due, over = (
        utc((last - timedelta(days=days)).strftime("%Y-%m-%d 12:00")) for days in (WARN_DAYS, WARN_DAYS - 1, -1)
    )
    assert rule.find_warning(early) == ""
    assert market_days.LAST in rule.find_warning(due)
    assert market_days.LAST in rule.find_warning(over)
    assert SessionRule(ALPACA, "sip", REGULAR).find_warning(due) == ""
    assert SessionRule("", "sip").find_warning(due) == ""


def test_a_change_of_session_begins_anew_and_the_first_look_does_not() -> None:
    begun: list[int] = []
    day = VenueDay(SessionRule(ALPACA, "sip"), lambda: begun.append(1))
    opens_ns = utc("2026-11-25 09:30")
    assert day.session is UNKNOWN
    assert day.follow(opens_ns - 1)
    assert (day.session, len(begun)) == (PRE, 0)
    assert not day.follow(opens_ns - 1)
    assert day.follow(opens_ns)
    assert (day.session, len(begun)) == (REGULAR, 1)
    assert not day.follow(opens_ns + 1)
    unknown = VenueDay(SessionRule(), lambda: begun.append(2))
    assert not unknown.follow(opens_ns)
    assert begun == [1]


def test_a_session_that_becomes_known_has_not_begun_then() -> None:
    begun: list[int] = []
    day = VenueDay(SessionRule.of("simulator", "iex", "simulated", has_clock=True), lambda: begun.append(1))
    assert not day.follow(0)
    day.on_clock(REGULAR, 0)
    assert day.follow(1)
    assert (day.session, begun) == (REGULAR, []), "it was regular when the prices of before came, as far as is known"
    day.on_clock(POST, 1)
    assert day.follow(2)
    assert begun == [1]


def simulated_day() -> VenueDay:
    return VenueDay(SessionRule.of("simulator", "iex", "simulated", has_clock=True), lambda: None)


def test_what_the_clock_said_counts_for_half_a_minute_and_not_for_ever() -> None:
    day = simulated_day()
    day.on_clock(POST, 0)
    for at_s in range(0, 31, 5):
        day.follow(at_s * NS_PER_S)
        assert day.session is POST, at_s
        day.on_clock(None, at_s * NS_PER_S)
    day.follow(CLOCK_KEPT_NS)
    assert day.session is POST
    assert day.follow(CLOCK_KEPT_NS + 1)
    assert day.session is UNKNOWN
    day.on_clock(CLOSED, 40 * NS_PER_S)
    day.follow(40 * NS_PER_S)
    assert day.session is CLOSED


def test_a_clock_that_never_said_anything_has_not_closed_a_simulated_market() -> None:
    day = simulated_day()
    assert not day.follow(0)
    day.on_clock(None, 0)
    for at_s in (0, 5, 40, 4_000):
        day.follow(at_s * NS_PER_S)
        assert day.session is REGULAR, at_s


def test_unknown_hours_between_two_sessions_are_no_session() -> None:
    begun: list[int] = []
    day = VenueDay(SessionRule(ALPACA, "sip"), lambda: begun.append(1))
    for at, session in (("12:59", REGULAR), ("13:01", UNKNOWN), ("19:59", UNKNOWN), ("20:01", CLOSED)):
        day.follow(utc(f"2026-11-27 {at}"))
        assert day.session is session
        assert len(begun) == (session is CLOSED), at
