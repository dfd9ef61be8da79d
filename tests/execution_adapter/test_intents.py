"""Intents from words, rows and the bus; one clear sentence for a bad one."""

from __future__ import annotations

from decimal import Decimal

import pytest

from quotebus.bus.clock import NS_PER_S
from quotebus.execution_adapter.intents import Intent, Urgency, from_event, from_rows, parse, require_distinct
from tests.support.samples import INTENT, like


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SPY buy 10", Intent("SPY", "buy", Decimal(10))),
        ("spy SELL 0.5 in 90s", Intent("SPY", "sell", Decimal("0.5"), 90 * NS_PER_S)),
        ("SPY sell ALL in 60s", Intent("SPY", "sell", Decimal(0), 60 * NS_PER_S, exits=True)),
        ("SPY buy 10 id=a urgency=HIGH", Intent("SPY", "buy", Decimal(10), name="a", urgency=Urgency.HIGH)),
        ("BRK.B buy 1 in 2m id=am", Intent("BRK.B", "buy", Decimal(1), 120 * NS_PER_S, "am")),
    ],
)
def test_words_become_an_intent(text: str, expected: Intent) -> None:
    assert parse(text) == expected
    assert parse(str(expected)) == expected


@pytest.mark.parametrize(
    "text",
    ["", "SPY", "SPY buy", "SPY hold 1", "SPY buy 0", "SPY buy -1", "SPY buy nan", "SPY buy 1e99", "* buy 1",
     "SPY buy 1 in", "SPY buy 1 in 0s", "SPY buy 1 in 2d", "SPY buy 1 at 5", "SPY buy 1 id=", "SPY buy 1 id=a/b",
     "SPY buy 0.1234567891", "SPY buy all", "SPY buy 1 urgency=soon", "SPY buy 1 urgency=", "SPY buy 1 id=a id=b",
     "SPY buy 1 speed=1"],
)  # fmt: skip
def test_bad_words_are_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        parse(text)


def test_rows_name_the_bad_line() -> None:
    rows: list[dict[str, str | None]] = [{"Symbol": "SPY", "side": "buy", "qty": "1", "in": "30s"}]
    assert from_rows(rows) == [parse("SPY buy 1 in 30s")]
    more: dict[str, str | None] = {"symbol": "SPY", "side": "sell", "qty": "all", "urgency": "low"}
    assert from_rows([more]) == [parse("SPY sell all urgency=low")]
    with pytest.raises(ValueError, match="line 3: side must be buy or sell"):
        from_rows([*rows, {"symbol": "SPY", "side": "x", "qty": "1"}])
    with pytest.raises(ValueError, match="line 2: qty is missing"):
        from_rows([{"symbol": "SPY", "side": "buy", "qty": None}])


def test_id_is_the_same_for_the_same_wish_and_fits_the_broker() -> None:
    one = parse("SPY buy 10").intent_id("simulator")
    assert one == parse("spy buy 10.0 in 60s").intent_id("simulator")
    others = {
        parse("SPY buy 10 id=b").intent_id("simulator"),
        parse("SPY buy 10").intent_id("paper"),
        parse("SPY buy 11").intent_id("simulator"),
        parse("SPY buy 10 in 61s").intent_id("simulator"),
        parse("SPY buy 10 urgency=high").intent_id("simulator"),
    }
    assert len(others | {one}) == 6
    assert len(f"{one}-999") <= 48, "what Alpaca takes as a client order id"


def test_id_is_written_down_here_so_that_it_never_changes() -> None:
    """A worker of a later version must find the journals and the orders of this one."""
    assert parse("SPY buy 10").intent_id("simulator/") == "qb-SPY-buy-4fb548bd5f75"


def test_same_wish_twice_in_one_list_is_a_slip() -> None:
    with pytest.raises(ValueError, match="duplicate intent: SPY buy 1"):
        require_distinct([parse("SPY buy 1"), parse("SPY buy 1")])
    assert len(require_distinct([parse("SPY buy 1"), parse("SPY buy 1 id=2")])) == 2


def test_event_is_an_intent_that_ends_with_its_grace_before_the_deadline() -> None:
    now_ns = INTENT.deadline_ns - 60 * NS_PER_S
    intent, grace_ns = from_event(INTENT, now_ns, 10 * NS_PER_S)
    assert (intent, grace_ns) == (Intent("SPY", "sell", Decimal(5), 50 * NS_PER_S), 10 * NS_PER_S)
    _, grace_ns = from_event(INTENT, INTENT.deadline_ns - 10 * NS_PER_S, 10 * NS_PER_S)
    assert grace_ns == 2 * NS_PER_S
    leaves, _ = from_event(like(INTENT, qty=0.0, complete_exit=True), now_ns, 0)
    assert leaves == parse("SPY sell all in 60s")
    hasty, _ = from_event(like(INTENT, urgency="high"), now_ns, 0)
    assert hasty.urgency is Urgency.HIGH
    assert from_event(like(INTENT, urgency=""), now_ns, 0)[0].urgency is Urgency.NORMAL
    for bad in ({"complete_exit": True}, {"urgency": "now"}, {"qty": 0.0}, {"deadline_ns": now_ns},
                {"qty": float("nan")}, {"side": "buy", "qty": 0.0, "complete_exit": True}):  # fmt: skip
        with pytest.raises(ValueError, match=r"\w+ \w+"):
            from_event(like(INTENT, **bad), now_ns, 0)
