"""Recorded decisions are made once more: the same come out, and every change to one is found."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from quotebus.bus import codec
from quotebus.bus.capture.format.captured import GAP_TOPIC, Captured, Gap, encode_gap
from quotebus.bus.capture.replay.inprocess import InProcessBus
from quotebus.bus.events import ConnectionHealth, ExecutionDecision, Quote
from quotebus.bus.replay_scheduler import ReplayScheduler
from quotebus.execution_adapter.program import main
from quotebus.execution_adapter.replay_decisions import StreamWorker
from quotebus.execution_adapter.settings import ExecutionSettings
from quotebus.execution_adapter.verify.verifier import Findings, Verifier
from tests.support.market import Market, day, write
from tests.support.programs import run
from tests.support.samples import HEALTH, QUOTE, like


def session(market: Market, **settings: object) -> list[Captured]:
    """A capture of the replay of `market` with a worker on it."""
    given = {"execution_clock": "stream", "execution_client": "w", "execution_symbols": "SPY,QQQ"}
    worker = StreamWorker(
        ExecutionSettings(**{**given, "execution_interval_s": 0.1, **settings}), lambda decision, verdict: None
    )
    bus = InProcessBus(market.entries)
    follower = ReplayScheduler(worker.consumer, worker.interval_ns, worker.act)
    frames: list[bytes] = []

    def take(heard: list[bytes], received_ns: int) -> list[bytes]:
        said = follower.take(heard, received_ns)
        frames.extend([*said, *heard])
        return said

    bus.seat(worker.consumer, take)
    for _ in bus.play():
        pass
    return [captured(frame, number) for number, frame in enumerate(frames, 1)]


def captured(frame: bytes, number: int) -> Captured:
    topic, _, payload = frame.partition(b"\0")
    published_ns = codec.decode_envelope(payload).published_ns
    return Captured(topic.decode(), payload, number, published_ns, published_ns)


def like_captured(entry: Captured, sequence: int) -> Captured:
    return replace(entry, sequence=sequence)


def changed(entries: list[Captured], index: int, **changes: object) -> list[Captured]:
    """The same with the decision at `index` of all decisions changed."""
    places = [place for place, entry in enumerate(entries) if entry.topic.startswith("decision.")]
    place = places[index]
    decision = entries[place].event()
    assert isinstance(decision, ExecutionDecision)
    frame = codec.encode(like(decision, **changes))
    return [*entries[:place], captured(frame, place + 1), *entries[place + 1 :]]


def verified(entries: list[Captured]) -> Findings:
    return Verifier().run(entries)


@pytest.mark.parametrize(
    "settings",
    [{}, {"execution_fallback": "refuse"}, {"execution_max_age_s": 0.05}, {"execution_patience_s": 0}],
)
def test_a_whole_session_agrees(settings: dict[str, object]) -> None:
    outcome = verified(session(day(), **settings))
    assert outcome.decisions == outcome.agree > 100
    assert outcome.first is None


LIMIT = 5
"""A decision that has a limit price."""


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("limit_price", {"limit_price": 1.0}),
        ("action", {"action": "market", "limit_price": None}),
        ("reasons", {"reasons": ("too_old",)}),
        ("quote", {"quote": ("replay:pricing-aaaaaa", 10**6)}),
        ("quote", {"quote": ("pricing-000000", 1)}),
        ("health", {"health": ("", 0)}),
        ("status", {"status": ("replay:pricing-aaaaaa", 99)}),
        ("config_hash", {"config_hash": "0" * 12}),
        ("config", {"config": "{}"}),
        ("config", {"config": '{"fallback":"refuse","max_age_ns":60000000000}'}),
        ("quote_age_ns", {"quote_age_ns": 0}),
        ("quote_age_ns", {"quote_age_ns": None}),
        ("health_age_ns", {"health_age_ns": None}),
        ("quote_age_ns", {"now_ns": 2**60 * 2}),
        ("limit_price", {"side": "sell", "limit_price": 10.0}),
    ],
)
def test_every_change_to_a_decision_is_found(field: str, changes: dict[str, object]) -> None:
    entries = session(day(seconds=3))
    outcome = verified(changed(entries, LIMIT, **changes))
    assert outcome.differences == 1, outcome
    assert outcome.first is not None
    named = {field, "health_age_ns"} if field == "health" else {field}
    assert outcome.first.field in named
    assert outcome.first.recorded != outcome.first.recomputed


@pytest.mark.parametrize(
    ("part", "name", "value", "field"),
    [
        ("settings", "fallback", "refuse", "config_hash"),
        ("settings", "band", "0.5", "config_hash"),
        ("settings", "max_age_ns", 1, "action"),
        ("state", "remaining", "7.5", "qty"),
        ("state", "remaining", "NaN", "config"),
        ("state", "elapsed_ns", 10**10, "action"),
        ("state", "intent_id", "qb-1", "config"),
        ("state.past", "level_mid", 1.0, "action"),
        ("state.past", "level_mid", None, "level_mid"),
        ("state.past", "flapped", "no", "config"),
    ],
)
def test_every_change_to_what_it_rests_on_is_found(part: str, name: str, value: object, field: str) -> None:
    entries = session(day(seconds=3))
    decision = [entry.event() for entry in entries if entry.topic.startswith("decision.")][LIMIT]
    assert isinstance(decision, ExecutionDecision)
    basis = json.loads(decision.config)
    part, _, inner = part.partition(".")
    (basis[part][inner] if inner else basis[part])[name] = value
    outcome = verified(changed(entries, LIMIT, config=json.dumps(basis)))
    assert outcome.differences == 1, outcome
    assert outcome.first is not None
    assert outcome.first.field == field


@pytest.mark.parametrize("place", [1, 2, LIMIT, 40, -3, -2])
@pytest.mark.parametrize("field", ["now_ns", "health_age_ns", "quote_age_ns"])
@pytest.mark.parametrize("by_ns", [-1_000_000, 1_000_000, 1_000_000_000])
def test_a_changed_time_is_found_where_it_is_and_nowhere_else(place: int, field: str, by_ns: int) -> None:
    entries = session(day(seconds=3))
    decisions = [entry for entry in entries if entry.topic.startswith("decision.")]
    decision = decisions[place].event()
    outcome = verified(changed(entries, place, **{field: getattr(decision, field) + by_ns}))
    assert outcome.differences == 1, outcome
    assert outcome.agree + outcome.differences + outcome.before == outcome.decisions
    assert outcome.first is not None
    assert outcome.first.sequence == decisions[place].sequence


def test_a_hole_in_a_capture_makes_no_difference() -> None:
    """As of a damaged segment, or between a recorder that was killed and the next one."""
    entries = session(day(seconds=3))
    for begin in range(0, len(entries), 41):
        for length in (1, 2, 7, 30):
            again = [like_captured(entry, number) for number, entry in enumerate(entries[begin + length :], 1)]
            for rest in (entries[begin + length :], again):
                outcome = verified([*entries[:begin], *rest])
                assert outcome.differences == 0, (begin, length, outcome.first)
                assert outcome.agree + outcome.before == outcome.decisions
    assert outcome.agree > 0


@pytest.mark.parametrize("places", [(20, 21), (20, 22), (20, 21, 22)])
@pytest.mark.parametrize("by_ns", [-50_000, 50_000])
def test_several_changed_times_side_by_side_are_found_where_they_are(places: tuple[int, ...], by_ns: int) -> None:
    entries = tampered = session(day(seconds=3))
    decisions = [entry.event() for entry in entries if entry.topic.startswith("decision.")]
    for place in places:
        decision = decisions[place]
        assert isinstance(decision, ExecutionDecision)
        tampered = changed(tampered, place, now_ns=decision.now_ns + by_ns)
    outcome = verified(tampered)
    assert outcome.differences == len(places)
    assert outcome.first is not None
    assert outcome.first.decision.decision_id == decisions[places[0]].decision_id  # type: ignore[union-attr]


def failover() -> Market:
    """Another node takes over, whose stamps are late at first; it has no quote of QQQ."""
    market = Market()
    market.health()
    for symbol in ("SPY", "QQQ"):
        market.quote(symbol)
        market.status(symbol, "live")
    market.seconds(2, 20)
    for step in range(60):
        late_ns = max(0, 20_000_000 - 7_000_000 * (step // 10))
        quote = like(QUOTE, symbol="SPY", exchange_ns=market.at_ns - 2_000_000, received_ns=market.at_ns - 300_000)
        for event in (like(HEALTH, since_ns=market.at_ns), quote):
            market.say(event, "pricing-bbbbbb")
            last = market.entries[-1]
            market.entries[-1] = replace(last, received_ns=last.received_ns + late_ns)
        market.wait_ms(100)
    return market


def test_a_failover_makes_no_difference_wherever_the_recorder_began() -> None:
    entries = session(failover())
    whole = verified(entries)
    assert (whole.agree, whole.differences) == (whole.decisions, 0)
    for begin in range(0, len(entries), 11):
        for late in (entries[begin:], [*entries[:30], *entries[begin + 30 :]]):
            outcome = verified(late)
            assert outcome.differences == 0, (begin, outcome.first)
            assert outcome.agree + outcome.before == outcome.decisions


def test_a_worker_that_begins_anew_under_its_name_is_another_one() -> None:
    entries = session(failover())
    again = [like_captured(entry, number) for number, entry in enumerate(entries, len(entries) + 1)]
    for twice in ([*entries, *again], [*entries, *entries]):
        outcome = verified(twice)
        assert (outcome.agree, outcome.differences) == (outcome.decisions, 0), outcome.first


def test_the_order_streams_health_has_the_same_numbers_and_is_another_line() -> None:
    entries: list[Captured] = []
    for entry in session(failover()):
        entries.append(like_captured(entry, len(entries) + 1))
        if entry.topic.startswith("health."):
            health = entry.event()
            assert isinstance(health, ConnectionHealth)
            other = like(health, node=f"{health.node}.orders", feed="orders", state="backing_off", cause="reset",
                         published_ns=health.published_ns - 400_000_000)  # fmt: skip
            entries.append(captured(codec.encode(other), len(entries) + 1))
    outcome = verified(entries)
    assert (outcome.agree, outcome.differences) == (outcome.decisions, 0), outcome.first


def test_messages_from_before_the_capture_are_no_difference() -> None:
    entries = session(day(seconds=3))
    first = next(index for index, entry in enumerate(entries) if entry.topic.startswith("decision."))
    late = entries[first - 1 :]
    outcome = verified(late)
    assert outcome.differences == 0
    assert outcome.before > 0
    assert outcome.agree > 30


def test_a_capture_may_begin_anywhere_and_with_a_decision_too() -> None:
    entries = session(day(seconds=3))
    decisions = [index for index, entry in enumerate(entries) if entry.topic.startswith("decision.")]
    for begin in [*range(0, len(entries), 17), *decisions[1::5]]:
        outcome = verified(entries[begin:])
        assert outcome.differences == 0, (begin, outcome.first)
        assert outcome.agree + outcome.before == outcome.decisions


@pytest.mark.parametrize("reference", [("replay:pricing-aaaaaa", 10**6), ("pricing-000000", 1)])
def test_what_never_was_is_found_in_the_first_message_too(reference: tuple[str, int]) -> None:
    entries = session(day(seconds=3))
    first = next(index for index, entry in enumerate(entries) if entry.topic.startswith("decision."))
    late = changed(entries, 1, quote=reference)[first:]
    outcome = verified(late)
    assert outcome.differences == 1
    assert outcome.first is not None
    assert (outcome.first.field, outcome.first.recomputed) == ("quote", "no such message")


def test_a_loss_that_the_recorder_noted_is_no_difference() -> None:
    entries = session(day(seconds=3))
    decision = next(
        event
        for entry in entries[len(entries) // 2 :]
        if isinstance(event := entry.event() if entry.topic.startswith("decision.") else None, ExecutionDecision)
        and event.quote[1]
    )
    source, seq = decision.quote
    topic = f"quote.{decision.symbol}"
    place = next(
        index
        for index, entry in enumerate(entries)
        if entry.topic == topic
        and isinstance(quote := entry.event(), Quote)
        and (quote.source, quote.seq) == (source, seq)
    )
    for first, differences in ((seq, False), (seq + 1, True)):
        gap = Gap(cause="bus", publisher=source, topic=topic, first_seq=first, count=1)
        noted = Captured(GAP_TOPIC, encode_gap(gap), place + 1, 1, 1)
        outcome = verified([*entries[:place], noted, *entries[place + 1 :]])
        assert bool(outcome.differences) is differences
        assert bool(outcome.before) is not differences


def test_a_loss_is_noted_later_than_decisions_that_rest_on_what_was_lost() -> None:
    """A recorder notes a loss at the next message of the same topic; after a stop of its own that takes seconds."""
    entries = session(day(seconds=8))
    lost, quiet = {"health.pricing": 3}, []
    for entry in entries:
        if entry.topic in lost and len(quiet) < lost[entry.topic] and entry.sequence > len(entries) // 2:
            quiet.append(entry)
    source, first = quiet[0].event().source, quiet[0].event().seq
    gap = Gap(
        cause="bus", publisher=source, topic="health.pricing", first_seq=first, count=len(quiet),
        source="recorder", seq=1, published_ns=quiet[-1].event().published_ns,
    )  # fmt: skip
    rest = [entry for entry in entries if entry not in quiet]
    after = next(
        index
        for index, entry in enumerate(rest)
        if entry.topic == "health.pricing" and entry.sequence > quiet[-1].sequence
    )
    noted = [*rest[:after], Captured(GAP_TOPIC, encode_gap(gap), 0, 1, 1), *rest[after:]]
    outcome = verified([like_captured(entry, number) for number, entry in enumerate(noted)])
    assert outcome.differences == 0
    assert outcome.before > 0
    unnoted = verified([like_captured(entry, number) for number, entry in enumerate(rest)])
    assert unnoted.differences == outcome.before, "what nobody noted as lost was never sent"


def test_a_halt_that_outlives_its_line_is_remembered() -> None:
    market = Market()
    market.health()
    for symbol in ("SPY", "QQQ"):
        market.quote(symbol)
        market.status(symbol, "live")
    market.seconds(1, 20)
    market.status("SPY", "halted", "halt")
    market.seconds(1, 20)
    market.health(state="stopped", cause="shutdown")
    other = "pricing-bbbbbb"
    for _ in range(20):
        market.health(source=other)
        market.quote("QQQ")
        market.status("SPY", "pending", "no_quote_yet", source=other)
        market.wait_ms(50)
    entries = session(market)
    assert verified(entries).agree == verified(entries).decisions
    places = [entry.event() for entry in entries if entry.topic.startswith("decision.")]
    last = max(index for index, one in enumerate(places) if isinstance(one, ExecutionDecision) and one.symbol == "SPY")
    one = places[last]
    assert isinstance(one, ExecutionDecision)
    assert one.action == "refuse"
    forgotten = tuple(reason for reason in one.reasons if reason != "halted")
    outcome = verified(changed(entries, last, action="market", reasons=(*forgotten, "halt_unknown")))
    assert outcome.differences == 1


def test_command_prints_counts_and_both_sides(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entries = session(day(seconds=3))
    status, printed = run("execution-worker", "verify", str(write(entries, tmp_path / "good.mcap")))
    assert status == 0, printed
    counts = dict(line.split(maxsplit=1) for line in printed.splitlines())
    assert counts["agree"] == counts["decisions"]
    assert counts["differ"] == "0"
    bad = changed(entries, LIMIT, limit_price=1.0)
    assert main(["verify", str(write(bad, tmp_path / "bad.mcap"))]) == 3
    printed = capsys.readouterr().out
    assert "recorded    1.0" in printed
    assert "recomputed  499.97" in printed


def test_no_capture_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(tmp_path / "none.mcap")]) == 66
    assert capsys.readouterr().err.count("\n") == 1


def test_a_file_of_which_nothing_can_be_judged_is_not_called_right(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = session(day(seconds=3))
    decisions = [entry for entry in entries if entry.topic.startswith("decision.")]
    alone = write(decisions[:10], tmp_path / "alone.mcap")
    assert main(["verify", str(alone)]) == 3
    assert capsys.readouterr().err == f"execution-worker verify: {alone}: none of its decisions can be judged\n"
    without = write([entry for entry in entries if entry not in decisions], tmp_path / "without.mcap")
    assert main(["verify", str(without)]) == 66
    assert capsys.readouterr().err == f"execution-worker verify: {without}: no decision in it\n"
