"""Every cell of the decision table, through the one function that decides."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from quotebus.bus.book import HaltKnowledge, Reasons, Standing, Unusable, Verdict
from quotebus.bus.clock import NS_PER_S
from quotebus.bus.events import Cause, MarketSession, SymbolState
from quotebus.execution_adapter.decision.action import Action
from quotebus.execution_adapter.decision.assessment import Grade, Limits, Past, find_row, grade_price
from quotebus.execution_adapter.decision.choose import Choice, Situation, choose
from quotebus.execution_adapter.decision.decision_table import (
    LOST_LINE_MEMORY_NS,
    ROWS_OF_HALT,
    TABLE,
    Column,
    Row,
    find_strictest,
    is_forbidden,
)
from quotebus.execution_adapter.decision.fallback import Policies, Policy
from quotebus.execution_adapter.decision.limit_price import Touch, find_sides
from quotebus.execution_adapter.decision.tactics import Tactics
from tests.support.samples import HEALTH, QUOTE, STATUS, UTC_NS, like

BID, ASK = Decimal("100.00"), Decimal("100.20")
CALM = like(
    QUOTE, bid_price=100.0, ask_price=100.2, bid_size=100.0, ask_size=100.0, exchange_ns=UTC_NS, received_ns=UTC_NS
)
TACTICS = Tactics().at_once()
OWN_TROUBLE = [Unusable.NOT_REQUESTED, Unusable.CLIENT_CONFLICT, Unusable.UNCONFIRMED, Unusable.READER_BEHIND]
MINUTE_NS = 60 * NS_PER_S


def decide(
    halt: HaltKnowledge,
    *reasons: Unusable,
    last_age_ns: int | None = None,
    past: Past | None = None,
    policy: Policy = Policy.TABLE,
    window_over: bool = False,
    side: str = "buy",
    session: MarketSession = MarketSession.REGULAR,
    extended_hours: bool = False,
    health_age_ns: int | None = 0,
) -> Choice:
    if halt is HaltKnowledge.HALTED:
        reasons = (*reasons, Unusable.HALTED)
    health = like(HEALTH, session=session) if health_age_ns is not None else None
    verdict = Verdict("SPY", Reasons(reasons), CALM, health, None, halt, 0, health_age_ns)
    sides, past = find_sides(CALM), past or Past()
    assessment = grade_price(verdict, sides, side, Decimal(1), Limits(extended_hours=extended_hours), past)
    situation = Situation(
        qty=Decimal(1),
        remaining=Decimal(1),
        window_ns=NS_PER_S,
        elapsed_ns=NS_PER_S if window_over else 0,
        unusable_ns=0 if assessment.grade is Grade.REFUSE else None,
        last=None if last_age_ns is None else Touch(BID, ASK, Decimal(1), Decimal(1)),
        last_age_ns=last_age_ns or 0,
        past=past,
    )
    made = choose(assessment, side, situation, TACTICS, Policies(policy))
    assert made is not None
    return made


def say(choice: Choice) -> tuple[str, Decimal | None]:
    return str(choice.action), choice.limit_price


LATE = Unusable.TOO_OLD
MIDDLE, BEYOND = ("limit", Decimal("100.10")), ("limit", Decimal("100.70"))
OWN_SIDE, MARKET, REFUSE = ("limit", BID), ("market", None), ("refuse", None)


@pytest.mark.parametrize(
    ("halt", "good", "last", "none"),
    [
        (HaltKnowledge.TRADING, MIDDLE, BEYOND, MARKET),
        (HaltKnowledge.PRESUMED, MIDDLE, BEYOND, MARKET),
        (HaltKnowledge.UNKNOWN, OWN_SIDE, BEYOND, REFUSE),
        (HaltKnowledge.HALTED, REFUSE, REFUSE, REFUSE),
    ],
)
def test_each_cell(halt: HaltKnowledge, good: object, last: object, none: object) -> None:
    found = (
        say(decide(halt)),
        say(decide(halt, LATE, last_age_ns=5 * MINUTE_NS)),
        say(decide(halt, LATE)),
    )
    assert found == (good, last, none)
    assert say(decide(halt, LATE, last_age_ns=5 * MINUTE_NS + 1)) == none


@pytest.mark.parametrize("halt", [HaltKnowledge.TRADING, HaltKnowledge.UNKNOWN])
def test_the_users_word_replaces_what_the_table_says_without_a_good_price(halt: HaltKnowledge) -> None:
    for policy, said in ((Policy.MARKET, MARKET), (Policy.REFUSE, REFUSE)):
        assert say(decide(halt, LATE, policy=policy)) == said
        assert say(decide(halt, LATE, policy=policy, last_age_ns=0)) == said
        assert say(decide(halt, policy=policy)) == say(decide(halt)), "a good price is not its matter"


@pytest.mark.parametrize("policy", Policy)
def test_nothing_goes_out_while_halted(policy: Policy) -> None:
    for reasons in ((), (LATE,)):
        for age_ns in (None, 0):
            choice = decide(HaltKnowledge.HALTED, *reasons, last_age_ns=age_ns, policy=policy)
            assert (choice.action, choice.reasons[-1]) == (Action.REFUSE, "not_tradable")


HALTS_OF_ROWS = {
    Row.TRADING: HaltKnowledge.PRESUMED,
    Row.UNKNOWN: HaltKnowledge.UNKNOWN,
    Row.HALTED: HaltKnowledge.HALTED,
}
WHAT_MAKES_A_ROW: dict[Row, dict[str, Any]] = {
    **{row: {} for row in HALTS_OF_ROWS},
    Row.EXTENDED: {"session": MarketSession.PRE, "extended_hours": True},
    Row.NO_SESSION: {"session": MarketSession.PRE},
    Row.OTHER_CLASS: {},
}


@pytest.mark.parametrize("column", Column)
@pytest.mark.parametrize("row", Row)
def test_a_decision_names_the_row_and_the_price_that_decided(row: Row, column: Column) -> None:
    halt = HALTS_OF_ROWS.get(row, HaltKnowledge.TRADING)
    reasons = [Unusable.CLASS_NOT_ACCEPTED] if row is Row.OTHER_CLASS else []
    if column is not Column.GOOD:
        reasons.append(LATE)
    choice = decide(halt, *reasons, last_age_ns=0 if column is Column.LAST else None, **WHAT_MAKES_A_ROW[row])
    never_good = is_forbidden(row) and column is Column.GOOD
    assert choice.decided_by == (f"{row}/none" if never_good else f"{row}/{column}")


def test_what_stands_in_the_tables_place_is_named() -> None:
    assert decide(HaltKnowledge.TRADING, LATE, policy=Policy.MARKET).decided_by == "policy market"
    assert decide(HaltKnowledge.TRADING, policy=Policy.MARKET).decided_by == "trading/good"
    assert decide(HaltKnowledge.HALTED, policy=Policy.MARKET).decided_by == "halted/none"
    assert decide(HaltKnowledge.TRADING, Unusable.READER_BEHIND).decided_by == "reader"
    assert decide(HaltKnowledge.TRADING, LATE, past=Past(first_second=True)).decided_by == "first second"
    assert decide(HaltKnowledge.UNKNOWN, LATE, past=Past(first_second=True)).decided_by == "unknown/none"
    assert decide(HaltKnowledge.TRADING, window_over=True).decided_by == "trading/good"
    refused = Standing(SymbolState.REFUSED, Cause.BAD_SYMBOL, "p", ("p", 1))
    verdict = Verdict("SPY", Reasons((Unusable.NOT_LIVE,)), None, like(HEALTH), refused, HaltKnowledge.TRADING, 0, 0)
    chosen = Policies(Policy.MARKET).choose(
        grade_price(verdict, None, "buy", Decimal(1), Limits(), Past()), "buy", None, 0
    )
    assert (chosen.action, chosen.decided_by) == (Action.REFUSE, "symbol refused")


def test_an_intent_orders_nothing_without_a_price_in_the_first_second_before_its_window_ends() -> None:
    past = Past(first_second=True)
    verdict = Verdict("SPY", Reasons((Unusable.NO_QUOTE,)), None, like(HEALTH), None, HaltKnowledge.TRADING, 0, 0)
    assessment = grade_price(verdict, None, "buy", Decimal(1), Limits(), past)
    situation = Situation(Decimal(1), Decimal(1), NS_PER_S, NS_PER_S - 1, unusable_ns=0, intent_id="i", past=past)
    assert choose(assessment, "buy", situation, TACTICS, Policies(Policy.MARKET)) is None
    over = choose(assessment, "buy", replace(situation, elapsed_ns=NS_PER_S), TACTICS, Policies(Policy.MARKET))
    assert over is not None
    assert over.action is Action.MARKET


def test_reasons_say_which_row_and_column_it_was() -> None:
    assert decide(HaltKnowledge.UNKNOWN).reasons == ("place", "aggression=0", "halt_unknown")
    assert decide(HaltKnowledge.UNKNOWN, LATE).reasons == ("too_old", "halt_unknown", "no_last_price")
    assert decide(HaltKnowledge.UNKNOWN, LATE, last_age_ns=0).reasons == ("too_old", "halt_unknown", "collar")
    assert decide(HaltKnowledge.PRESUMED, LATE).reasons == ("too_old",)


def test_at_the_windows_end_the_rest_goes_out_only_where_the_symbol_is_known_to_trade() -> None:
    assert say(decide(HaltKnowledge.TRADING, window_over=True)) == MARKET
    passive = decide(HaltKnowledge.UNKNOWN, window_over=True)
    assert (say(passive), passive.reasons) == (OWN_SIDE, ("window_over", "halt_unknown", "passive"))
    assert say(decide(HaltKnowledge.UNKNOWN, window_over=True, side="sell")) == ("limit", ASK)
    assert say(decide(HaltKnowledge.HALTED, window_over=True)) == REFUSE


LOST = (Unusable.NO_HEALTH, Unusable.HEALTH_SILENT, Unusable.NOT_STREAMING)


@pytest.mark.parametrize("why", LOST)
def test_a_line_lost_lately_keeps_what_was_known_of_a_halt(why: Unusable) -> None:
    known = Past(halt=HaltKnowledge.PRESUMED, halt_age_ns=LOST_LINE_MEMORY_NS)
    longer = replace(known, halt_age_ns=LOST_LINE_MEMORY_NS + 1)
    assert LOST_LINE_MEMORY_NS == 5 * MINUTE_NS
    assert say(decide(HaltKnowledge.UNKNOWN, why, past=known)) == MARKET
    assert say(decide(HaltKnowledge.UNKNOWN, why, past=longer)) == REFUSE
    assert say(decide(HaltKnowledge.UNKNOWN, why, past=replace(known, halt=HaltKnowledge.HALTED))) == REFUSE
    assert say(decide(HaltKnowledge.HALTED, why, past=known)) == REFUSE
    assert say(decide(HaltKnowledge.UNKNOWN, LATE, past=known)) == REFUSE, "the line is there: it is not known now"


# sessions

OUTSIDE = [MarketSession.PRE, MarketSession.POST, MarketSession.OVERNIGHT]
NEVER = [MarketSession.CLOSED, MarketSession.UNKNOWN, MarketSession("lunch")]


@pytest.mark.parametrize("policy", Policy)
@pytest.mark.parametrize("session", [*OUTSIDE, *NEVER])
def test_nothing_goes_out_while_the_session_is_not_regular_or_not_known(session: MarketSession, policy: Policy) -> None:
    for reasons in ((), (LATE,)):
        for window_over in (False, True):
            for age_ns in (None, 0):
                choice = decide(
                    HaltKnowledge.TRADING,
                    *reasons,
                    last_age_ns=age_ns,
                    policy=policy,
                    session=session,
                    window_over=window_over,
                )
                assert (choice.action, choice.reasons[-1]) == (Action.REFUSE, "not_tradable")
                known = session in (*OUTSIDE, MarketSession.CLOSED)
                assert ("out_of_session" if known else "session_unknown") in choice.reasons


@pytest.mark.parametrize("session", NEVER)
def test_extended_hours_open_no_session_that_is_closed_or_not_known(session: MarketSession) -> None:
    assert say(decide(HaltKnowledge.TRADING, session=session, extended_hours=True)) == REFUSE
    assert say(decide(HaltKnowledge.TRADING, LATE, last_age_ns=0, session=session, extended_hours=True)) == REFUSE


@pytest.mark.parametrize("session", OUTSIDE)
def test_in_extended_hours_by_setting_every_order_has_a_limit(session: MarketSession) -> None:
    def of(halt: HaltKnowledge, *reasons: Unusable, **changes: Any) -> tuple[str, Decimal | None]:
        return say(decide(halt, *reasons, session=session, extended_hours=True, **changes))

    assert of(HaltKnowledge.TRADING) == MIDDLE
    assert of(HaltKnowledge.TRADING, LATE, last_age_ns=0) == BEYOND
    assert of(HaltKnowledge.TRADING, LATE) == REFUSE
    assert of(HaltKnowledge.TRADING, window_over=True) == BEYOND
    assert of(HaltKnowledge.TRADING, LATE, policy=Policy.MARKET) == REFUSE
    assert of(HaltKnowledge.TRADING, LATE, policy=Policy.MARKET, last_age_ns=0) == BEYOND
    assert of(HaltKnowledge.TRADING, policy=Policy.MARKET, window_over=True) == BEYOND
    assert of(HaltKnowledge.TRADING, LATE, policy=Policy.REFUSE, last_age_ns=0) == REFUSE
    assert of(HaltKnowledge.UNKNOWN) == OWN_SIDE
    assert of(HaltKnowledge.HALTED) == REFUSE
    both = decide(HaltKnowledge.UNKNOWN, session=session)
    assert {"out_of_session", "halt_unknown"} <= set(both.reasons), "each is named"
    assert "extended_hours" in decide(HaltKnowledge.TRADING, session=session, extended_hours=True).reasons


def test_the_setting_changes_nothing_in_the_regular_session() -> None:
    assert decide(HaltKnowledge.TRADING, extended_hours=True) == decide(HaltKnowledge.TRADING)
    assert say(decide(HaltKnowledge.TRADING, LATE, extended_hours=True)) == MARKET


def test_a_session_heard_five_minutes_ago_counts_and_no_longer() -> None:
    known = Past(halt=HaltKnowledge.TRADING)
    why = Unusable.HEALTH_SILENT
    assert say(decide(HaltKnowledge.UNKNOWN, why, past=known, health_age_ns=LOST_LINE_MEMORY_NS)) == MARKET
    late = decide(HaltKnowledge.UNKNOWN, why, past=known, health_age_ns=LOST_LINE_MEMORY_NS + 1)
    assert (say(late), late.reasons) == (REFUSE, ("health_silent", "session_unknown", "not_tradable"))
    never = decide(HaltKnowledge.UNKNOWN, Unusable.NO_HEALTH, past=known, health_age_ns=None)
    assert (say(never), never.reasons) == (REFUSE, ("no_health", "session_unknown", "not_tradable"))


@pytest.mark.parametrize("policy", Policy)
def test_nothing_goes_out_on_a_class_that_is_not_accepted(policy: Policy) -> None:
    for age_ns in (None, 0):
        for window_over in (False, True):
            choice = decide(
                HaltKnowledge.TRADING,
                Unusable.CLASS_NOT_ACCEPTED,
                last_age_ns=age_ns,
                policy=policy,
                window_over=window_over,
                extended_hours=True,
            )
            assert (choice.action, choice.reasons[-1]) == (Action.REFUSE, "not_tradable")


def test_the_table_is_whole_and_its_rows_stand_in_order_of_severity() -> None:
    assert set(ROWS_OF_HALT) == set(HaltKnowledge)
    assert set(ROWS_OF_HALT.values()) <= set(Row) == set(TABLE)
    assert all(set(cells) == set(Column) for cells in TABLE.values())
    assert find_strictest(Row.HALTED, Row.TRADING) is Row.HALTED
    assert find_strictest(Row.TRADING, Row.UNKNOWN) is Row.UNKNOWN
    assert find_strictest(Row.EXTENDED, Row.UNKNOWN) is Row.UNKNOWN
    assert find_strictest(Row.NO_SESSION, Row.UNKNOWN) is Row.NO_SESSION
    assert [row for row in TABLE if is_forbidden(row)] == [Row.HALTED, Row.NO_SESSION, Row.OTHER_CLASS]
    verdict = Verdict("SPY", Reasons(), None, HEALTH, None, HaltKnowledge.UNKNOWN, None, 0)
    assert find_row(verdict, Past()) is Row.UNKNOWN
    assert STATUS.halt == HaltKnowledge.TRADING


@pytest.mark.parametrize("own", OWN_TROUBLE)
@pytest.mark.parametrize("policy", list(Policy))
def test_an_intent_waits_while_the_reader_has_trouble_of_its_own_until_the_window_ends(
    own: Unusable, policy: Policy
) -> None:
    verdict = Verdict("SPY", Reasons((own, Unusable.NO_QUOTE)), None, like(HEALTH), None, HaltKnowledge.TRADING, 0, 0)
    assessment = grade_price(verdict, None, "buy", Decimal(1), Limits(), Past())
    situation = Situation(
        Decimal(1), Decimal(1), NS_PER_S, NS_PER_S - 1, unusable_ns=NS_PER_S, intent_id="i", past=Past()
    )
    assert choose(assessment, "buy", situation, TACTICS, Policies(policy)) is None
    over = choose(assessment, "buy", replace(situation, elapsed_ns=NS_PER_S), TACTICS, Policies(policy))
    assert over is not None
    assert over.reasons[:3] == ("window_over", own, "no_quote")
