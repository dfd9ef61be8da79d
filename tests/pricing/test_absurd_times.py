"""One record with a time of the exchange that cannot be: it must not decide over halts for longer than itself."""

from __future__ import annotations

import pytest

from quotebus.bus.clock import NS_PER_S, to_utc_ns
from quotebus.pricing.halts import Halts, find_day
from quotebus.pricing.venue_answers import VenueTrade
from tests.support.core_rig import CoreRig, streaming

DAY_NS = 86_400 * NS_PER_S
NEVER_NS = 2**62
"""In the year 2116."""


@pytest.fixture
def rig() -> CoreRig:
    rig = streaming("SPY", "QQQ")
    rig.run(1)
    for symbol in ("SPY", "QQQ"):
        rig.quote(symbol)
    return rig


def halt(rig: CoreRig) -> str:
    return str(rig.core.halt_watch._halts.belief("SPY").halt)


def test_a_halt_from_the_far_future_ends_with_the_next_resume(rig: CoreRig) -> None:
    rig.status("SPY", "H", exchange_ns=NEVER_NS)
    assert halt(rig) == "halted", "what halts counts whatever its time is"
    rig.run(2)
    rig.status("SPY", "T")
    assert halt(rig) == "trading"


def test_a_resume_from_the_far_future_ends_no_halt_and_hides_none(rig: CoreRig) -> None:
    rig.status("SPY", "H")
    rig.run(1)
    rig.status("SPY", "T", exchange_ns=NEVER_NS)
    assert halt(rig) == "halted"
    rig.run(1)
    rig.status("SPY", "T")
    assert halt(rig) == "trading"
    rig.status("SPY", "T", exchange_ns=NEVER_NS)
    rig.run(1)
    rig.status("SPY", "H")
    assert halt(rig) == "halted"


@pytest.mark.parametrize("reopening", [True, False])
def test_a_print_from_the_far_future_ends_no_halt_and_hides_none(rig: CoreRig, reopening: bool) -> None:
    rig.status("SPY", "H")
    rig.trade("SPY", reopening=reopening, exchange_ns=NEVER_NS)
    assert halt(rig) == "halted"
    rig.run(20)
    rig.quote("QQQ")
    rig.trade("SPY", reopening=reopening)
    assert halt(rig) == "trading", "the next print is looked at all the same"
    rig.run(1)
    rig.status("SPY", "H")
    assert halt(rig) == "halted"


def test_a_latest_trade_of_the_venue_from_the_far_future_proves_nothing(rig: CoreRig) -> None:
    rig.status("SPY", "H")
    rig.run(20)
    rig.venue_trades = {"SPY": VenueTrade(NEVER_NS, 10.0, 100.0, "V", ("5",), "C")}
    before = len(rig.asked_of_trades)
    rig.run(100, until=lambda: len(rig.asked_of_trades) > before)
    assert halt(rig) == "halted"
    rig.venue_trades = {"SPY": VenueTrade(to_utc_ns(rig.now_ns), 10.0, 100.0, "V", ("5",), "C")}
    rig.run(100, until=lambda: halt(rig) != "halted")
    assert halt(rig) == "trading"


def test_a_time_of_some_days_ahead_of_a_quiet_line_is_a_time(rig: CoreRig) -> None:
    """After a long weekend the newest time that was seen is four days old."""
    rig.status("SPY", "H")
    rig.status("SPY", "T", exchange_ns=to_utc_ns(rig.now_ns) + 4 * DAY_NS)
    assert halt(rig) == "trading"


@pytest.mark.parametrize(("ahead_ns", "stays"), [(0, True), (DAY_NS, False), (NEVER_NS - 2 * 10**18, False)])
def test_hearsay_of_a_day_to_come_does_not_stay(ahead_ns: int, stays: bool) -> None:
    """On a feed without statuses nothing would ever be newer than it, and it would never be of yesterday."""
    noon_ns, halts = 1_767_632_400 * NS_PER_S, Halts()
    assert halts.on_hearsay("SPY", noon_ns + ahead_ns, noon_ns)
    assert halts.forget_old_hearsay(noon_ns) == ([] if stays else ["SPY"])
    assert (halts.find("SPY") is not None) is stays


def test_hearsay_of_the_next_day_stays_while_clocks_disagree_about_the_hour() -> None:
    eight_ns, halts = 1_767_661_200 * NS_PER_S, Halts()  # 20:00 in New York, when the next day begins
    assert find_day(eight_ns) == find_day(eight_ns - 1) + 1
    assert halts.on_hearsay("SPY", eight_ns + 30 * NS_PER_S, eight_ns - 20 * NS_PER_S)
    assert halts.forget_old_hearsay(eight_ns - 20 * NS_PER_S) == []
