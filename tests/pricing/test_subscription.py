"""The reconciler against a model upstream: it converges on what is wanted, whatever the upstream leaves out or adds."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from quotebus.bus.events import Cause
from quotebus.pricing.messages import Subscription, UpstreamCodec
from quotebus.pricing.subscription import ACK_TIMEOUT_NS, MAX_ENTRIES, Reconciler
from quotebus.pricing.subscription_set import ALL, LULDS, SIDE_CHANNELS, STATUSES
from tests.support.pricing import T0, s
from tests.support.upstream import QT, Upstream


def wanted(*symbols: str, channels: tuple[str, ...] = ("quotes",)) -> dict[str, tuple[str, ...]]:
    return dict.fromkeys(symbols, channels)


def converge(reconciler: Reconciler, upstream: Upstream, now_ns: int = T0) -> tuple[dict[str, Cause], list[dict], int]:  # type: ignore[type-arg]
    """Ask and answer until nothing is left to say; what was refused, all that was said, and when that was."""
    refused: dict[str, Cause] = {}
    said: list[dict] = []  # type: ignore[type-arg]
    for _ in range(2_000):
        question = reconciler.next_request(now_ns)
        if question is None:
            assert reconciler.open_request is None
            next_ns = reconciler.next_ns()
            if next_ns is None:
                return refused, said, now_ns
            assert next_ns > now_ns, "a time to look that has passed would make a busy loop"
            now_ns = next_ns
            reconciler.wake(now_ns)
            continue
        assert reconciler.next_request(now_ns) is None, "one question at a time"
        message = question.message()
        entries = [entry for channel, symbols in message.items() if channel != "action" for entry in symbols]
        assert 1 <= len(entries) <= MAX_ENTRIES
        said.append(message)
        answer = upstream.ask(message)
        outcome = (
            reconciler.on_answer(answer, now_ns) if isinstance(answer, Subscription) else reconciler.on_error(answer)
        )
        refused.update(outcome.refused)
        if outcome.learned_limit is not None:
            keep = list(reconciler.subscriptions.wanted)[: outcome.learned_limit]
            reconciler.want({symbol: (channel,) for channel, symbol in keep})
    raise AssertionError("does not converge")


@pytest.mark.parametrize("seed", range(60))
def test_converges_on_what_is_wanted_less_what_is_refused(seed: int) -> None:
    rng = random.Random(seed)
    poisoned = frozenset(rng.sample([f"S{n}" for n in range(40)], rng.randrange(4)))
    upstream = Upstream(rng, poisoned=poisoned, no_statuses=rng.random() < 0.2, moody=rng.choice([0, 0, 0.2, 0.5]))
    reconciler, now_ns = Reconciler(), T0
    for _ in range(6):
        symbols = rng.sample([f"S{n}" for n in range(40)], rng.randrange(40))
        wish = {symbol: rng.choice([("quotes",), ("trades",), QT]) for symbol in symbols}
        reconciler.want(wish)
        refused, _, now_ns = converge(reconciler, upstream, now_ns)
        have = {entry for entry in upstream.entries if entry[0] not in SIDE_CHANNELS}
        want = {(channel, symbol) for symbol, channels in wish.items() for channel in channels}
        missing = want - have
        assert {symbol for _, symbol in missing} <= poisoned | set(refused)
        assert set(refused.values()) <= {Cause.BAD_SYMBOL, Cause.NOT_IN_ACK}
        if not upstream.moody:
            assert have == {entry for entry in want if entry[1] not in poisoned}
            statuses = set() if upstream.no_statuses else {x for x in wish if x not in poisoned}
            asked = {ALL} if wish and reconciler.subscriptions.all_statuses else statuses
            assert {symbol for channel, symbol in upstream.entries if channel == STATUSES} == asked
        reconciler.reset()
        reconciler.on_answer(upstream.answer(), now_ns)


def test_data_first_then_statuses_in_messages_of_four_thousand() -> None:
    reconciler, upstream = Reconciler(), Upstream()
    symbols = [f"{n:x}" for n in range(6_000)]
    reconciler.want(wanted(*symbols))
    refused, said, _ = converge(reconciler, upstream)
    assert [Counter({c: len(x) for c, x in message.items() if c != "action"}) for message in said] == [
        {"quotes": 4_000}, {"quotes": 2_000}, {STATUSES: 1},
        {LULDS: 4_000}, {LULDS: 2_000},
    ]  # fmt: skip
    assert said[0]["quotes"] == symbols[:4_000], "the most important first"
    assert (refused, reconciler.subscriptions.count_symbols(), reconciler.subscriptions.has_all_statuses()) == (
        {},
        6_000,
        True,
    )
    assert reconciler.next_ns() is None


@pytest.mark.parametrize("encoding", ["json", "msgpack"])
def test_a_request_fits_into_one_frame_of_the_length_that_the_exchanges_own_sdk_sends(encoding: str) -> None:
    reconciler, upstream = Reconciler(), Upstream()
    symbols = [f"{n:032}" for n in range(2_000)]
    reconciler.want(wanted(*symbols))
    _, said, _ = converge(reconciler, upstream)
    assert reconciler.subscriptions.count_symbols() == len(symbols)
    assert max(len(UpstreamCodec(encoding).encode(message)) for message in said) <= 32_768


def test_a_poisoned_symbol_is_found_by_halving_and_the_rest_is_subscribed() -> None:
    reconciler, upstream = Reconciler(), Upstream(poisoned=frozenset({"S500"}))
    reconciler.want(wanted(*[f"S{n}" for n in range(1_000)]))
    refused, said, _ = converge(reconciler, upstream)
    assert refused == {"S500": Cause.BAD_SYMBOL}
    assert reconciler.subscriptions.count_symbols() == 999
    assert len(said) < 60


def test_the_limit_is_learned_by_one_entry_refused_alone() -> None:
    reconciler, upstream = Reconciler(), Upstream(limit=7)
    reconciler.want(wanted(*[f"S{n}" for n in range(20)]))
    learned = None
    for _ in range(100):
        question = reconciler.next_request(T0)
        assert question is not None
        answer = upstream.ask(question.message())
        if isinstance(answer, Subscription):
            reconciler.on_answer(answer, T0)
        else:
            learned = reconciler.on_error(answer).learned_limit
            if learned is not None:
                assert len(question.entries) == 1
                break
    assert learned == 7
    assert sorted(upstream.entries) == sorted(("quotes", f"S{n}") for n in range(7))


def test_every_learned_limit_sheds_something() -> None:
    """An upstream that counts what we do not must not be asked the same again and again."""
    reconciler = Reconciler()
    reconciler.want(wanted("A", "B"))
    reconciler.next_request(T0)
    reconciler.on_answer(Subscription(quotes=("A",), trades=("X", "Y", "Z")), T0)
    reconciler.next_request(T0)
    reconciler.on_error(Cause.BAD_SYMBOL)
    for _ in range(9):
        question = reconciler.next_request(s(2))
        assert question is not None
        if question.entries == [("quotes", "B")]:
            break
        reconciler.on_error(Cause.BAD_SYMBOL)
    assert reconciler.on_error(Cause.SYMBOL_LIMIT).learned_limit == 1


def test_without_statuses_the_data_stays_and_they_are_not_asked_again() -> None:
    reconciler, upstream = Reconciler(), Upstream(no_statuses=True)
    reconciler.want(wanted("A", "B"))
    _, said, _ = converge(reconciler, upstream)
    assert [STATUSES in message for message in said] == [False, True, True, False]
    assert [message[STATUSES] == [ALL] for message in said if STATUSES in message] == [True, False]
    assert not reconciler.subscriptions.has_all_statuses()
    assert reconciler.subscriptions.count_symbols() == 2


def test_without_bands_everything_else_stays_and_they_are_asked_for_once() -> None:
    reconciler, upstream = Reconciler(), Upstream(no_lulds=True)
    reconciler.want(wanted(*[f"S{n}" for n in range(20)]))
    _, said, _ = converge(reconciler, upstream)
    assert [LULDS in message for message in said] == [False, False, True]
    assert (reconciler.subscriptions.count_symbols(), reconciler.subscriptions.has_all_statuses()) == (20, True)


def test_a_symbol_refused_for_one_channel_is_asked_for_none_and_takes_no_room() -> None:
    reconciler, upstream = Reconciler(), Upstream(no_trades=True)
    reconciler.want({"A": ("quotes", "trades"), "B": ("quotes",)})
    refused, _, _ = converge(reconciler, upstream)
    assert refused == {"A": Cause.NOT_ENTITLED}
    assert upstream.entries == {("quotes", "B"), (STATUSES, ALL), (LULDS, "B")}
    reconciler.want({"A": ("quotes",), "B": ("quotes",)})
    converge(reconciler, upstream)
    assert reconciler.subscriptions.count_symbols() == 2


def test_what_is_asked_beside_a_wish_is_done_without_when_refused() -> None:
    reconciler, upstream = Reconciler(), Upstream(no_trades=True)
    reconciler.want({"A": ("quotes",)}, [("trades", "A")])
    refused, _, _ = converge(reconciler, upstream)
    assert (refused, reconciler.subscriptions.count_symbols()) == ({}, 1)


def test_a_refusal_of_what_is_no_longer_wanted_refuses_nobody() -> None:
    reconciler = Reconciler()
    reconciler.want(wanted("A"))
    reconciler.next_request(T0)
    reconciler.want(wanted("B"))
    assert reconciler.on_error(Cause.BAD_SYMBOL).refused == []
    reconciler.want(wanted("A"))
    question = reconciler.next_request(T0)
    assert question is not None
    assert question.entries == [("quotes", "A")], "and it may be wanted again"


def test_an_open_question_has_a_deadline_and_a_new_connection_forgets_it() -> None:
    reconciler = Reconciler()
    reconciler.want(wanted("A"))
    reconciler.next_request(T0)
    assert reconciler.next_ns() == T0 + ACK_TIMEOUT_NS
    reconciler.reset()
    assert reconciler.next_ns() is None
    assert reconciler.next_request(T0) is not None


def test_acknowledged_needs_every_channel() -> None:
    reconciler = Reconciler()
    reconciler.want({"A": QT, "B": ("trades",)})
    outcome = reconciler.on_answer(Subscription(quotes=("A",), trades=("B",)), T0)
    assert outcome.acknowledged == ["B"]
    assert reconciler.on_answer(Subscription(quotes=("A",), trades=("A", "B")), T0).acknowledged == ["A"]
    assert reconciler.subscriptions.count_data() == 3


@pytest.mark.parametrize("cause", [Cause.BAD_SYMBOL, Cause.SYMBOL_LIMIT, Cause.NOT_ENTITLED, Cause.UPSTREAM_ERROR])
def test_a_venue_that_refuses_all_statuses_at_once_is_asked_for_each_for_a_day(cause: Cause) -> None:
    reconciler = Reconciler()
    reconciler.want({"A": ("quotes",), "B": ("quotes",)})

    def asked(now_ns: int) -> list[dict[str, object]]:
        said = []
        quotes: tuple[str, ...] = ()
        statuses: tuple[str, ...] = ()
        while (request := reconciler.next_request(now_ns)) is not None:
            message = request.message()
            said.append({key: value for key, value in message.items() if key != "action"})
            quotes = (*quotes, *message.get("quotes", ()))
            if message.get(STATUSES) == [ALL]:
                reconciler.on_error(cause, now_ns)
                continue
            statuses = (*statuses, *message.get(STATUSES, ()))
            lulds = tuple(message.get(LULDS, ()))
            reconciler.on_answer(Subscription(quotes=quotes, statuses=statuses, lulds=lulds), now_ns)
        return said

    each = [{"quotes": ["A", "B"]}, {STATUSES: ["A", "B"]}, {LULDS: ["A", "B"]}]
    assert asked(T0) == [each[0], {STATUSES: [ALL]}, *each[1:]]
    reconciler.reset(T0 + 10**9)
    assert asked(T0 + 10**9) == each
    reconciler.reset(T0 + 86_400 * 10**9)
    assert asked(T0 + 86_400 * 10**9)[1] == {STATUSES: [ALL]}


def test_all_statuses_are_let_go_with_the_last_symbol() -> None:
    reconciler, upstream = Reconciler(), Upstream()
    reconciler.want({"A": ("quotes",)})
    converge(reconciler, upstream)
    assert (STATUSES, ALL) in upstream.entries
    reconciler.want_symbol("A", ())
    converge(reconciler, upstream)
    assert upstream.entries == set()
