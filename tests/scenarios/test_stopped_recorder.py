"""A recorder that stood still for twenty seconds: what it missed is in the capture, by number, and nothing else is."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from quotebus.bus import codec
from quotebus.bus.capture import Capture
from quotebus.bus.events import ConnectionHealth, ExecutionDecision
from tests.support.programs import run
from tests.support.world import World

STOPPED_S = 20


@pytest.mark.long
def test_what_a_stopped_recorder_missed_is_noted_and_no_decision_is_called_false(world: World, tmp_path: Path) -> None:
    world.broker()
    world.exchange("--rate", "4000")
    world.node()
    file = tmp_path / "day.mcap"
    recorder = world.start("quotebus", "record", "-o", str(file))
    recorder.line("recording")
    log = world.log(b"health.", b"decision.")
    worker = world.worker(EXECUTION_SYMBOLS="SPY,QQQ", EXECUTION_INTERVAL_S="0.1")
    log.wait(ExecutionDecision, lambda decision: decision.decided_by == "trading/good")
    mark = log.position()
    health, _ = log.wait(ConnectionHealth, since=mark)
    recorder.freeze()
    until_ns = health.published_ns + STOPPED_S * 10**9
    log.wait(ConnectionHealth, lambda health: health.published_ns >= until_ns, since=mark)
    mark = log.position()
    recorder.thaw()
    later, _ = log.wait(ConnectionHealth, lambda health: health.published_ns >= until_ns + 3 * 10**9, since=mark)
    assert worker.stop() == 0
    assert recorder.stop() == 0
    accounted: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    missing = 0
    for message in Capture(file).read():
        envelope = codec.decode_envelope(message.payload)
        accounted[envelope.source, message.topic].add(envelope.seq)
    for gap in Capture(file).read_gaps():
        assert gap.first_seq > 0, gap
        accounted[gap.publisher, gap.topic].update(range(gap.first_seq, gap.first_seq + gap.count))
        missing += gap.count
    for numbers in accounted.values():
        assert numbers == set(range(min(numbers), max(numbers) + 1))
    for event in (*log.all(ConnectionHealth), *log.all(ExecutionDecision)):
        numbers = accounted[event.source, codec.topic_of(event)]
        if event.published_ns <= later.published_ns:
            assert event.seq in numbers or event.seq < min(numbers), event
    assert missing > 1_000, "it stood still for long enough to miss something"
    _, text = run("quotebus", "capture", "verify", str(file))
    assert f"lost      {missing:,} (bus)" in text
    status, text = run("execution-worker", "verify", str(file))
    assert status == 0, text
