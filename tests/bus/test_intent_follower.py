"""An intent followed to its end: when it is sent again, which report counts, and what one false one may do."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.events import ExecutionOutcome, IntentReport
from quotebus.bus.intent_follower import ASK_EVERY_NS, CONFIRM_EVERY_NS, SILENCE_NS, IntentFollower
from tests.support.samples import INTENT, QUICK, REPORT, like

T0 = 1_000 * NS_PER_S
BUSY = like(REPORT, seq=10)
DONE = like(REPORT, seq=11, outcome=ExecutionOutcome.FILLED, state="done", cause="all filled", filled="5")
DECLINED = like(REPORT, seq=12, outcome=ExecutionOutcome.DECLINED, qty="0", filled="0", worker="worker-2")


def follower(**changes: int) -> IntentFollower:
    return IntentFollower(INTENT, Decimal(5), T0, **{"answer_ns": 5 * NS_PER_S, "wait_ns": 60 * NS_PER_S, **changes})


def ask(of: IntentFollower, at_ns: int) -> bool:
    return of.take_due(at_ns) is not None


def outcome(of: IntentFollower, at_ns: int) -> str:
    return of.result(at_ns, connected=True).outcome


def test_sent_until_somebody_answers_and_again_when_he_falls_silent() -> None:
    of = follower()
    asked = [ns for ns in range(T0, T0 + 2 * NS_PER_S, NS_PER_S // 20) if ask(of, ns)]
    assert asked == [T0 + n * ASK_EVERY_NS for n in range(4)]
    heard_ns = T0 + 2 * NS_PER_S
    of.on_report(BUSY, heard_ns)
    assert not ask(of, heard_ns + SILENCE_NS - 1)
    assert of.next_ns() == heard_ns + SILENCE_NS
    assert ask(of, heard_ns + SILENCE_NS)
    assert not ask(of, heard_ns + SILENCE_NS + 1)
    assert ask(of, heard_ns + SILENCE_NS + NS_PER_S)
    result = of.result(heard_ns + SILENCE_NS, connected=False)
    assert result.reasons == ("no_broker", "worker_silent")
    assert (result.outcome, result.filled, result.remaining) == ("working", 2, 3)


def test_an_end_counts_when_it_was_said_twice_and_asked_for_in_between() -> None:
    of = follower()
    ask(of, T0)
    of.on_report(DONE, T0 + 1)
    of.on_report(like(DONE, seq=12), T0 + 2)  # not asked for in between: two false ones in a row end nothing either
    assert not of.is_over
    assert outcome(of, T0 + 2) == "working"
    assert ask(of, T0 + CONFIRM_EVERY_NS), "as soon as may be"
    of.on_report(like(DONE, seq=12), T0 + NS_PER_S)  # a copy
    assert not of.is_over
    of.on_report(like(DONE, seq=13), T0 + NS_PER_S)
    assert of.is_over
    assert outcome(of, T0 + NS_PER_S) == "filled"
    assert of.take_due(T0 + NS_PER_S) is None


def test_one_false_report_of_an_end_is_taken_back_by_the_next_true_one() -> None:
    of = follower()
    ask(of, T0)
    of.on_report(BUSY, T0 + 1)
    of.on_report(DONE, T0 + 2)
    assert ask(of, T0 + CONFIRM_EVERY_NS)
    of.on_report(like(BUSY, seq=12), T0 + CONFIRM_EVERY_NS + 4)
    assert (of.is_over, outcome(of, T0 + NS_PER_S)) == (False, "working")
    of.on_report(like(DONE, seq=13), T0 + NS_PER_S)
    assert not of.is_over, "it begins anew"


def test_an_end_that_was_said_once_when_the_wait_is_over_is_no_end() -> None:
    of = follower(wait_ns=NS_PER_S)
    ask(of, T0)
    of.on_report(DONE, T0 + 1)
    assert of.take_due(T0 + NS_PER_S) is None
    assert of.is_over
    result = of.result(T0 + NS_PER_S, connected=True)
    assert (result.outcome, result.reasons, result.filled) == ("working", ("still_working",), 5)


def test_who_has_taken_it_goes_before_who_declines_it() -> None:
    of = follower()
    ask(of, T0)
    of.on_report(DECLINED, T0 + 1)
    assert not ask(of, T0 + ASK_EVERY_NS), "half a second for another worker"
    of.on_report(BUSY, T0 + 2)
    of.on_report(like(DECLINED, seq=13), T0 + 3)
    assert outcome(of, T0 + 4) == "working"
    of = follower()
    ask(of, T0)
    of.on_report(DECLINED, T0 + 1)
    assert ask(of, T0 + 1 + ASK_EVERY_NS)
    of.on_report(like(DECLINED, seq=13), T0 + 2 + ASK_EVERY_NS)
    assert outcome(of, T0 + NS_PER_S) == "declined"


def test_another_account_is_followed_only_when_the_first_is_silent() -> None:
    of = follower()
    of.on_report(BUSY, T0)
    of.on_report(like(BUSY, account="live/", filled="4", source="worker-live01"), T0 + 1)
    assert of.result(T0 + 1, connected=True).filled == 2
    of.on_report(like(BUSY, account="live/", filled="4", source="worker-live01"), T0 + SILENCE_NS)
    assert of.result(T0 + SILENCE_NS, connected=True).account == "live/"


@pytest.mark.parametrize("change", [{"symbol": "QQQ"}, {"side": "buy"}, {"qty": "6"}])
def test_an_id_that_stands_for_another_intent_is_told(change: dict[str, str]) -> None:
    of = follower()
    ask(of, T0)
    of.on_report(like(BUSY, **change), T0 + 1)
    assert outcome(of, T0 + 1) == "working", "one false report is none"
    assert ask(of, T0 + CONFIRM_EVERY_NS)
    of.on_report(like(BUSY, seq=11, filled="3", **change), T0 + NS_PER_S)
    assert of.is_over
    result = of.result(T0 + NS_PER_S, connected=True)
    assert (result.outcome, result.qty, result.filled, result.orders) == ("declined", 5, 0, ())
    assert "stands for" in result.cause


def test_nobody_in_time() -> None:
    of = follower(answer_ns=NS_PER_S)
    assert ask(of, T0)
    assert of.take_due(T0 + NS_PER_S) is None
    assert of.is_over
    result = of.result(T0 + NS_PER_S, connected=True)
    assert (result.outcome, result.reasons, result.exit_status) == ("unanswered", ("nobody_answered",), 4)


WORDS = st.sampled_from(["", "5", "-1", "nan", "inf", "1e9999999", "9" * 50, "x", "1_0", "٣"])


@QUICK
@given(st.lists(st.tuples(WORDS, WORDS, st.sampled_from([*ExecutionOutcome, "new_word"])), max_size=12))
def test_nothing_a_worker_says_makes_it_fail(said: list[tuple[str, str, str]]) -> None:
    of = follower()
    for number, (qty, filled, word) in enumerate(said):
        report: IntentReport = like(BUSY, seq=20 + number, qty=qty, filled=filled, outcome=ExecutionOutcome(word))
        of.on_report(report, T0 + number)
        of.take_due(T0 + number)
        result = of.result(T0 + number, connected=True)
        assert result.filled >= 0
        assert str(result)
    assert of.next_ns() <= T0 + 60 * NS_PER_S
