"""The lease from the client's side: repeat until answered, renew in time, believe only the newest answer."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from quotebus.bus.clock import NS_PER_MS, NS_PER_S
from quotebus.bus.events import AckRow, Cause, SymbolsAcknowledged, SymbolsRequested
from quotebus.bus.interest import HURRIED_NS, REPEAT_NS, Interest
from tests.support.samples import ACKNOWLEDGED, QUICK, STATUS, like

T0 = 1_000 * NS_PER_S


def asked(*symbols: str, at_ns: int = T0) -> tuple[Interest, SymbolsRequested]:
    interest = Interest("worker-1")
    interest.replace(list(symbols), ("quotes",), 0, at_ns)
    request = interest.take_due(at_ns)
    assert request is not None
    return interest, request


def answer(request: SymbolsRequested, *, state: str = "live", part: int = 1, parts: int = 1, **changes: object) -> (
    SymbolsAcknowledged
):  # fmt: skip
    rows = tuple(AckRow(symbol, state, "demand", None, 0) for symbol in request.symbols)
    rows = rows[(part - 1) * 1000 : part * 1000] if parts > 1 else rows
    return like(
        ACKNOWLEDGED, request_id=request.request_id, results=rows, part=part, parts=parts, **changes
    )  # fmt: skip


def test_repeats_every_half_second_until_acknowledged_and_is_the_same_request() -> None:
    interest, first = asked("SPY")
    now = T0
    for _ in range(20):
        assert interest.take_due(now + REPEAT_NS - 1) is None
        now += REPEAT_NS
        assert interest.take_due(now) == first
    assert interest.on_acknowledged(answer(first), now)
    assert interest.take_due(now + 4 * NS_PER_S) is None


def test_renews_at_a_third_of_the_granted_lease() -> None:
    interest, first = asked("SPY")
    interest.on_acknowledged(answer(first, lease_ms=6_000), T0)
    assert interest.next_ns() == T0 + 2 * NS_PER_S
    assert interest.take_due(T0 + 2 * NS_PER_S - 1) is None
    renewal = interest.take_due(T0 + 2 * NS_PER_S)
    assert renewal is not None
    assert renewal.request_id != first.request_id
    assert (renewal.symbols, renewal.snapshot) == (first.symbols, False)
    assert interest.acknowledged, "the former answer stands while the renewal is under way"
    assert interest.take_due(T0 + 2 * NS_PER_S + REPEAT_NS) == renewal


def test_other_channels_and_another_priority_are_asked_for_twice_at_once() -> None:
    """A node gives up a channel, and changes a priority, once two requests in a row say so."""
    for channels, priority in ((("quotes", "trades"), 0), (("quotes",), 5)):
        interest, first = asked("SPY")
        interest.on_acknowledged(answer(first), T0)
        interest.replace(["SPY", "QQQ"], channels, priority, T0)
        changed = interest.take_due(T0)
        assert changed is not None
        interest.on_acknowledged(answer(changed), T0)
        again = interest.take_due(T0)
        assert again is not None
        assert again.request_id != changed.request_id
        assert (again.channels, again.priority) == (changed.channels, changed.priority) == (channels, priority)
        assert interest.acknowledged
        interest.on_acknowledged(answer(again), T0)
        assert interest.take_due(T0 + 4 * NS_PER_S) is None


def test_other_symbols_are_asked_for_once() -> None:
    interest, first = asked("SPY")
    interest.on_acknowledged(answer(first), T0)
    interest.replace(["QQQ"], ("quotes",), 0, T0)
    changed = interest.take_due(T0)
    assert changed is not None
    interest.on_acknowledged(answer(changed), T0)
    assert interest.take_due(T0 + 4 * NS_PER_S) is None


def test_a_lost_part_means_asking_again() -> None:
    interest, request = asked(*(f"S{number}" for number in range(2_500)))
    assert not interest.on_acknowledged(answer(request, part=1, parts=3), T0)
    assert not interest.on_acknowledged(answer(request, part=3, parts=3), T0)
    assert not interest.on_acknowledged(answer(request, part=3, parts=3), T0), "a repeated part is not the lost one"
    assert not interest.acknowledged
    assert interest.take_due(T0 + REPEAT_NS) == request
    assert interest.on_acknowledged(answer(request, part=2, parts=3), T0)
    assert all(result.acknowledged for result in interest.all_results().values())


def test_parts_of_two_nodes_do_not_make_one_answer() -> None:
    interest, request = asked(*(f"S{number}" for number in range(1_500)))
    assert not interest.on_acknowledged(answer(request, part=1, parts=2), T0)
    assert not interest.on_acknowledged(answer(request, part=2, parts=2, source="pricing-2"), T0)
    assert interest.on_acknowledged(answer(request, part=1, parts=2, source="pricing-2"), T0)
    assert interest.answered_by == "pricing-2"


def test_stale_and_foreign_answers_are_ignored() -> None:
    interest, first = asked("SPY")
    interest.replace(["SPY", "QQQ"], ("quotes",), 0, T0)
    second = interest.take_due(T0)
    assert second is not None
    assert not interest.on_acknowledged(answer(first), T0)
    assert not interest.on_acknowledged(answer(second, client="somebody"), T0)
    assert interest.all_results()["SPY"].acknowledged is False
    assert interest.on_acknowledged(answer(second), T0)
    assert not interest.on_acknowledged(answer(second), T0), "complete only once"


def test_conflict_and_rate_limit_keep_repeating() -> None:
    for cause in (Cause.RATE_LIMITED, Cause.CLIENT_CONFLICT):
        interest, request = asked("SPY")
        assert not interest.on_acknowledged(answer(like(request, symbols=()), cause=cause, lease_ms=0), T0)
        assert not interest.acknowledged
        assert interest.take_due(T0 + REPEAT_NS - 1) is None
        assert interest.take_due(T0 + REPEAT_NS) == request


def test_a_refused_request_is_told_for_every_symbol_and_not_asked_again_in_a_hurry() -> None:
    for cause in (Cause.TOO_MANY, Cause.BAD_REQUEST):
        interest, request = asked("SPY", "QQQ")
        interest.on_acknowledged(answer(like(request, symbols=()), cause=cause, lease_ms=0), T0)
        assert {(result.state, result.cause) for result in interest.all_results().values()} == {("refused", cause)}
        assert interest.settled()
        assert interest.take_due(T0 + 4 * NS_PER_S) is None, "an answer without a lease must not make a loop"
        assert interest.take_due(T0 + 10 * NS_PER_S) is not None


def test_an_empty_wish_is_asked_until_answered_and_then_rests() -> None:
    interest, request = asked("SPY")
    interest.on_acknowledged(answer(request), T0)
    interest.replace([], ("quotes",), 0, T0 + 1)
    release = interest.take_due(T0 + 1)
    assert release is not None
    assert release.symbols == ()
    assert interest.take_due(T0 + 1 + REPEAT_NS) == release
    assert interest.on_acknowledged(answer(release, lease_ms=0), T0 + 2)
    assert interest.next_ns() is None
    assert interest.take_due(T0 + 3600 * NS_PER_S) is None
    interest.ask_again(T0 + 3600 * NS_PER_S, anew=True)
    assert interest.next_ns() is None, "who wants nothing has nothing to say to a new node"
    assert not interest.lapsed(T0 + 3600 * NS_PER_S)


def test_bad_symbols_are_refused_by_name_and_the_others_go_on() -> None:
    interest, request = asked("spy", "*", "SPY", "two words")
    assert request.symbols == ("SPY",)
    results = interest.all_results()
    assert set(results) == {"SPY", "*", "two words"}
    assert (results["*"].state, results["*"].cause) == ("refused", "bad_symbol")
    interest.replace(["SPY"], ("quotes",), 0, T0)
    assert set(interest.all_results()) == {"SPY"}


def test_asking_again_wants_the_held_quotes_and_waits_its_jitter() -> None:
    interest, request = asked("SPY")
    interest.on_acknowledged(answer(request), T0)
    interest.ask_again(T0 + 5, jitter_ns=100)
    assert not interest.acknowledged
    assert interest.take_due(T0 + 104) is None
    again = interest.take_due(T0 + 105)
    assert again is not None
    assert again.snapshot
    assert again.request_id != request.request_id
    interest.on_acknowledged(answer(again), T0 + 200)
    renewal = interest.take_due(T0 + 20 * NS_PER_S)
    assert renewal is not None
    assert not renewal.snapshot


def test_a_request_under_way_only_goes_out_earlier_unless_its_answer_would_prove_nothing() -> None:
    interest, request = asked("SPY")
    interest.ask_again(T0 + 10)
    sooner = interest.take_due(T0 + 10)
    assert sooner is not None
    assert (sooner.request_id, sooner.snapshot) == (request.request_id, True)
    interest.ask_again(T0 + 20, anew=True)
    assert not interest.on_acknowledged(answer(sooner), T0 + 21), "answered before the subscriptions were restored"


def test_after_the_bus_was_away_the_first_repeat_is_hurried_and_a_part_that_comes_ends_the_hurry() -> None:
    for heard in (False, True):
        interest, first = asked(*[f"S{n}" for n in range(2_000)])
        assert interest.on_acknowledged(answer(first), T0)
        interest.ask_again(T0, anew=True)
        again = interest.take_due(T0)
        assert again is not None
        assert again.request_id != first.request_id
        now = T0 + 100 * NS_PER_MS
        if heard:
            assert not interest.on_acknowledged(answer(again, part=1, parts=2), now)
            assert not interest.on_acknowledged(answer(again, part=1, parts=2), now + 1), "nor does the same part again"
        due = [now + REPEAT_NS] if heard else [T0 + HURRIED_NS, T0 + HURRIED_NS + REPEAT_NS]
        for at_ns in due:
            assert interest.take_due(at_ns - 1) is None
            assert interest.take_due(at_ns) == again


def test_the_lease_lapses_when_renewals_stay_unanswered() -> None:
    interest, request = asked("SPY")
    assert not interest.lapsed(T0 + 3600 * NS_PER_S), "nothing was granted yet"
    interest.on_acknowledged(answer(request, lease_ms=3_000), T0)
    assert not interest.lapsed(T0 + 3 * NS_PER_S)
    assert interest.lapsed(T0 + 3 * NS_PER_S + 1)


def test_statuses_update_only_what_is_wanted() -> None:
    interest, request = asked("SPY")
    interest.on_acknowledged(answer(request, state="pending"), T0)
    assert not interest.settled()
    interest.on_status(like(STATUS, state="live"))
    interest.on_status(like(STATUS, symbol="QQQ"))
    assert interest.settled()
    assert set(interest.all_results()) == {"SPY"}


STEPS = st.lists(
    st.tuples(
        st.integers(0, 6_000),  # ms that pass
        st.booleans(),  # the request arrives
        st.booleans(),  # the answer arrives
        st.one_of(st.none(), st.lists(st.sampled_from("ABC"), max_size=3)),  # a new wish
        st.booleans(),  # the node starts anew
    ),
    max_size=30,
)


@QUICK
@given(STEPS)
def test_whatever_is_lost_node_and_client_agree_half_a_second_after_the_loss_ends(
    steps: list[tuple[int, bool, bool, list[str] | None, bool]],
) -> None:
    interest, now, node, source = Interest("worker-1"), T0, None, 0
    for step in [*steps, (0, True, True, None, False), (500, True, True, None, False)]:
        passed_ms, request_arrives, answer_arrives, wish, restart = step
        now += passed_ms * NS_PER_MS
        if wish is not None:
            interest.replace(wish, ("quotes",), 0, now)
        if restart:
            node, source = None, source + 1
            interest.ask_again(now)
        request = interest.take_due(now)
        if request is None:
            continue
        assert interest.take_due(now) is None, "one request at a time"
        if request_arrives:
            node = request.symbols
            if answer_arrives:
                interest.on_acknowledged(answer(request, source=f"pricing-{source}"), now)
    assert (node or ()) == interest.wanted.symbols
    assert interest.acknowledged or not interest.wanted.symbols


def test_a_result_has_what_the_row_and_then_the_status_say_of_halts() -> None:
    interest, request = asked("SPY")
    row = AckRow("SPY", "halted", "halt", None, 0, halt="halted", halt_kind="status", halt_exchange_ns=5, rank=1)
    interest.on_acknowledged(like(answer(request), results=(row,)), T0)
    result = interest.results["SPY"]
    assert (result.halt, result.halt_kind, result.halt_exchange_ns, result.rank) == ("halted", "status", 5, 1)
    interest.on_status(like(STATUS, halt="trading", halt_kind="print", halt_exchange_ns=9, rank=0))
    result = interest.results["SPY"]
    assert (result.halt, result.halt_kind, result.halt_exchange_ns, result.rank) == ("trading", "print", 9, 0)
