"""Decisions in a replay depend on the capture alone, and everything they say of themselves is the stream's."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise

from quotebus.bus import codec
from quotebus.bus.capture.format.captured import Captured
from quotebus.bus.capture.replay.inprocess import InProcessBus
from quotebus.bus.capture.replay.playback import Playback
from quotebus.bus.events import ExecutionDecision, SymbolsRequested
from quotebus.bus.replay_scheduler import MAX_INSTANTS, ReplayScheduler
from quotebus.execution_adapter.replay_decisions import StreamWorker
from quotebus.execution_adapter.settings import ExecutionSettings
from tests.support.market import Market, day

SETTINGS = ExecutionSettings(
    execution_clock="stream", execution_interval_s=0.1, execution_client="w", execution_symbols="SPY,QQQ"
)


def worker(settings: ExecutionSettings = SETTINGS) -> tuple[StreamWorker, ReplayScheduler]:
    worker = StreamWorker(settings, lambda decision, verdict: None)
    return worker, ReplayScheduler(worker.consumer, worker.interval_ns, worker.act)


def decided(entries: list[Captured]) -> list[bytes]:
    bus, (one, follower) = InProcessBus(entries), worker()
    bus.seat(one.consumer, follower.take)
    for _ in bus.play():
        pass
    return bus.published


def decisions(frames: list[bytes]) -> list[ExecutionDecision]:
    events = [codec.decode(frame) for frame in frames]
    assert all(isinstance(event, ExecutionDecision) for event in events)
    return events  # type: ignore[return-value]


def test_any_batches_any_renewals_any_wall_time_the_same_bytes() -> None:
    """Chance decides how frames are batched, when requests go out and when they are answered."""
    expected = decided(day().entries)
    assert len(expected) > 100
    for seed in range(5):
        rng = random.Random(seed)
        one, follower = worker()
        playback, said, waiting, wall_ns = Playback(), [], [], rng.getrandbits(40)
        entries = playback.look_ahead(day().entries)
        asked = [one.consumer.take_due(wall_ns, wall_ns)]
        for captured in entries:
            while asked:
                request = codec.decode(asked.pop() or b"")
                assert isinstance(request, SymbolsRequested)
                waiting += playback.answer(request)
            frame = playback.make_frame(captured)
            if frame and captured.topic.startswith(("quote.SPY", "quote.QQQ", "symbol.SPY", "symbol.QQQ", "health.")):
                waiting.append(frame)
            if rng.random() < 0.1:
                wall_ns += rng.randrange(10**9)
                said += follower.take(waiting, wall_ns)
                waiting = []
                if rng.random() < 0.1:
                    one.consumer.interest.ask_again(wall_ns)
                request_frame = one.consumer.take_due(wall_ns, wall_ns)
                asked = [request_frame] if request_frame else []
        said += follower.take(waiting, wall_ns)
        assert said == expected, f"seed {seed}"


def test_instants_are_multiples_of_the_interval_and_know_what_came_before() -> None:
    found = decisions(decided(day().entries))
    assert all(one.now_ns % 100_000_000 == 0 and one.published_ns == one.now_ns for one in found)
    assert all(later.now_ns - one.now_ns in (0, 100_000_000) for one, later in pairwise(found))
    assert [one.seq for one in found] == list(range(1, len(found) + 1))
    assert {one.source for one in found} == {"replay:w"}
    quotes = {(c.event().source, c.event().seq): c for c in day().entries if c.topic == "quote.QQQ"}
    for one in found:
        if one.symbol == "QQQ" and one.action == "limit":
            based = quotes[one.quote[0].removeprefix("replay:"), one.quote[1]]
            later = quotes.get((one.quote[0].removeprefix("replay:"), one.quote[1] + 1))
            assert based.published_ns < one.now_ns
            assert later is None or later.published_ns >= one.now_ns


def test_halts_and_lost_lines_of_the_recording_count() -> None:
    made = decisions(decided(day().entries))
    actions = Counter((one.symbol, one.action) for one in made)
    assert actions["SPY", "refuse"] >= 20
    assert actions["QQQ", "refuse"] == 0
    settling = sum(one.symbol == "QQQ" and "settling" in one.reasons for one in made)
    assert 9 <= settling <= 11, "once the line is back it must be good for 1 s"
    collars = sum(one.symbol == "QQQ" and "collar" in one.reasons for one in made)
    assert collars >= 10 + settling, "the line was down for 1.5 s"
    assert actions["QQQ", "market"] == 0
    assert actions["QQQ", "limit"] - collars + settling >= 50


def test_nothing_live_is_followed_and_a_hole_is_not_made_up_for_without_end() -> None:
    one, follower = worker()
    market = Market()
    market.health()
    market.status("SPY", "live")
    assert follower.take([entry.frame for entry in market.entries], 0) == []
    assert one.consumer.book.health is None
    assert one.consumer.counters["replayed"] == 2
    market.wait_ms(10**12)
    market.health()
    said = decided(market.entries)
    assert len(said) <= 2 * (MAX_INSTANTS + 1)


def test_gateway_is_none_and_name_has_no_chance_in_it() -> None:
    settings = ExecutionSettings(execution_clock="stream")
    assert settings.gateway == "none"
    assert settings.execution_client == "execution-worker"
    assert worker(settings)[0].consumer.stamper.source == "replay:execution-worker"
