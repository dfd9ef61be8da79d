"""What a capture tells of an intent: a state that it contradicts is found, and what it does not tell is counted."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from quotebus.bus.clock import NS_PER_S
from quotebus.execution_adapter.decision.assessment import Past
from quotebus.execution_adapter.decision.choose import Situation
from quotebus.execution_adapter.verify.history import Contradiction, History
from tests.support.samples import DECISION, HEALTH, INTENT, ORDER, QUOTE, UTC_NS, like

WISH = like(INTENT, client="strategy", intent_id="a", symbol="SPY", side="buy", qty=10.0)
NOW_NS = WISH.deadline_ns - 50 * NS_PER_S
MADE = like(DECISION, symbol="SPY", side="buy", now_ns=NOW_NS)
PAST = Past(good_for_ns=NS_PER_S, level_mid=QUOTE.mid, level_age_ns=0)
AT = Situation(
    Decimal(10), Decimal(6), 48 * NS_PER_S, 10 * NS_PER_S, past=PAST, intent_id="qb-1", number=2, wish=("strategy", "a")
)
GRACE_NS = 12 * NS_PER_S


def history() -> History:
    heard = History()
    heard.on_intent(WISH)
    heard.on_quote(like(QUOTE, symbol="SPY", published_ns=NOW_NS - 60 * NS_PER_S))
    heard.on_health(like(HEALTH, state="subscribing", seq=6, published_ns=NOW_NS - 2 * NS_PER_S))
    heard.on_health(like(HEALTH, state="suspect", seq=8, published_ns=NOW_NS))  # after the one a decision names
    for name, filled in (("qb-1-1", "4"), ("qb-1-1", "2"), ("qb-10-1", "9"), ("qb-1-2", "3"), ("qb-1-x", "9")):
        heard.on_order(like(ORDER, client_order_id=name, filled_qty=filled))
    return heard


def contradict(heard: History, at: Situation, **changes: object) -> Contradiction | None:
    return heard.find_contradiction(like(MADE, **changes), at, GRACE_NS, HEALTH, 0)


def test_what_agrees_is_neither_strange_nor_believed() -> None:
    heard = history()
    assert contradict(heard, AT) is None
    assert contradict(heard, replace(AT, elapsed_ns=11 * NS_PER_S), now_ns=NOW_NS + NS_PER_S) is None
    assert not heard.as_recorded


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"elapsed_ns": 9 * NS_PER_S}, "elapsed_ns"),
        ({"window_ns": 47 * NS_PER_S}, "elapsed_ns"),
        ({"qty": Decimal(11)}, "qty"),
        ({"remaining": Decimal(7)}, "remaining"),
        ({"past": replace(PAST, level_mid=1.0)}, "level_mid"),
        ({"past": replace(PAST, good_for_ns=3 * NS_PER_S)}, "good_for_ns"),
    ],
)
def test_what_the_capture_contradicts_is_named(changes: dict[str, object], field: str) -> None:
    found = contradict(history(), replace(AT, **changes))  # type: ignore[arg-type]
    assert found is not None
    assert found[0] == field


def test_wish_for_something_else_is_named() -> None:
    for changes in ({"symbol": "QQQ"}, {"side": "sell"}):
        found = contradict(history(), AT, **changes)
        assert found is not None
        assert found[0] == "wish"


def test_later_decisions_are_held_against_the_first() -> None:
    for changes, field in (
        ({"elapsed_ns": 10 * NS_PER_S + 1}, "elapsed_ns"),
        ({"window_ns": 1}, "window_ns"),
        ({"qty": Decimal(11)}, "qty"),
        ({"past": replace(PAST, level_mid=None)}, "level_mid"),
    ):
        heard = history()
        assert contradict(heard, AT) is None
        found = contradict(heard, replace(AT, **changes))  # type: ignore[arg-type]
        assert found is not None
        assert found[0] == field


def test_lost_line_is_a_flap() -> None:
    heard = history()
    again = like(HEALTH, connection=2)
    assert heard.find_contradiction(MADE, AT, GRACE_NS, again, 0) == ("flapped", "false", "true")
    flapped = replace(AT, past=replace(PAST, flapped=True))
    assert heard.find_contradiction(MADE, flapped, GRACE_NS, again, 0) is None


def test_health_that_was_heard_after_the_clock_was_read_is_good_for_no_time() -> None:
    heard = history()
    heard.on_health(like(HEALTH, state="suspect", seq=6, published_ns=NOW_NS + 1))
    assert contradict(heard, replace(AT, past=replace(PAST, good_for_ns=0))) is None
    found = contradict(heard, replace(AT, past=replace(PAST, good_for_ns=1)))
    assert found == ("good_for_ns", "1", "at most 0")


def test_what_a_capture_does_not_tell_is_counted() -> None:
    heard = History()
    heard.on_quote(like(QUOTE, symbol="SPY", published_ns=UTC_NS))
    assert contradict(heard, AT, now_ns=UTC_NS) is None
    assert dict(heard.as_recorded) == {"start": 1, "fills": 1, "level": 1, "line": 1}
