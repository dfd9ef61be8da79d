"""What a client does when another program uses its name: the holder renews and warns, the other one waits and warns."""

from __future__ import annotations

from quotebus.bus import codec
from quotebus.bus.client_warnings import CONFLICT_CERTAIN_NS, WARN_EVERY_NS
from quotebus.bus.clock import NS_PER_MS, NS_PER_S
from quotebus.bus.consumer import PROOF_EVERY_NS, Consumer
from quotebus.bus.events import Cause, Event, SymbolsAcknowledged, SymbolsRequested
from tests.support.samples import ACKNOWLEDGED, HEALTH, UTC_NS, like

T0 = 1_000 * NS_PER_S
S = NS_PER_S


def make(source: str) -> Consumer:
    consumer = Consumer("strategy", source, jitter=0, max_age_ns=60 * S)
    consumer.request(["SPY"], ("quotes",), 0, T0)
    return consumer


def take(consumer: Consumer, at_ns: int) -> SymbolsRequested | None:
    sent = consumer.take_due(at_ns, UTC_NS)
    if sent is None:
        return None
    event = codec.decode(sent)
    assert isinstance(event, SymbolsRequested)
    return event


def ask(consumer: Consumer, at_ns: int) -> SymbolsRequested:
    request = take(consumer, at_ns)
    assert request is not None
    return request


def answer(request: SymbolsRequested, cause: Cause = Cause.DEMAND) -> SymbolsAcknowledged:
    refused = {"results": (), "lease_ms": 0} if cause is Cause.CLIENT_CONFLICT else {"lease_ms": 15_000}
    return like(ACKNOWLEDGED, client="strategy", request_id=request.request_id, cause=cause, parts=1, part=1, **refused)


def hear(consumer: Consumer, event: Event, at_ns: int) -> None:
    consumer.receive([codec.encode(event)], at_ns)


def holder_and_newcomer() -> tuple[Consumer, Consumer]:
    holder, newcomer = make("strategy-aaaaaa"), make("strategy-bbbbbb")
    hear(holder, answer(ask(holder, T0)), T0)
    assert holder.confirmed
    return holder, newcomer


def test_the_holder_renews_when_another_is_refused_under_its_name_and_warns() -> None:
    holder, newcomer = holder_and_newcomer()
    assert take(holder, T0 + 100 * NS_PER_MS) is None, "a renewal is due in five seconds"
    hear(holder, answer(ask(newcomer, T0), Cause.CLIENT_CONFLICT), T0 + 100 * NS_PER_MS)
    assert take(holder, T0 + 100 * NS_PER_MS) is not None
    assert holder.counters["requests_client_conflict"] == 0, "it was not refused"
    warning = holder.take_conflict_warning(T0 + S) or ""
    assert "another program asks for prices under the client name strategy and is refused" in warning
    assert holder.interest.conflict_since_ns is None
    assert holder.confirmed


def test_it_proves_itself_once_a_second_and_warns_every_ten() -> None:
    holder, newcomer = holder_and_newcomer()
    refusal = answer(ask(newcomer, T0), Cause.CLIENT_CONFLICT)
    renewals, warnings = 0, 0
    for tenth in range(200):
        at_ns = T0 + tenth * S // 10
        hear(holder, refusal, at_ns)
        request = take(holder, at_ns)
        if request is not None:
            renewals += 1
            hear(holder, like(answer(request), published_ns=UTC_NS + at_ns - T0), at_ns)
        warnings += holder.take_conflict_warning(at_ns) is not None
    assert renewals == 20 * S // PROOF_EVERY_NS
    assert warnings == 20 * S // WARN_EVERY_NS


def test_the_refused_one_says_so_when_it_is_certain_and_no_longer_when_it_is_served() -> None:
    _, newcomer = holder_and_newcomer()
    request = ask(newcomer, T0)
    hear(newcomer, answer(request, Cause.CLIENT_CONFLICT), T0)
    assert newcomer.interest.conflict_since_ns == T0
    assert newcomer.take_conflict_warning(T0 + CONFLICT_CERTAIN_NS - 1) is None, "the holder may be a life that ended"
    assert "runs under the client name strategy" in (newcomer.take_conflict_warning(T0 + CONFLICT_CERTAIN_NS) or "")
    assert newcomer.counters["requests_client_conflict"] == 1
    request = ask(newcomer, T0 + 4 * S)
    hear(newcomer, answer(request), T0 + 4 * S)
    assert newcomer.interest.conflict_since_ns is None
    assert newcomer.confirmed
    assert newcomer.take_conflict_warning(T0 + 60 * S) is None


def test_answers_to_the_other_one_are_no_trouble_of_ours() -> None:
    holder, newcomer = holder_and_newcomer()
    request = ask(newcomer, T0)
    for cause in (Cause.DEMAND, Cause.RATE_LIMITED, Cause.BAD_REQUEST):
        hear(holder, like(answer(request), cause=cause), T0)
    hear(holder, HEALTH, T0)
    assert holder.take_conflict_warning(T0 + S) is None
    assert holder.counters["requests_rate_limited"] == holder.counters["requests_bad_request"] == 0
