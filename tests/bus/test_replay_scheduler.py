"""Instants of the stream are multiples of the interval; after a hole most are left out, and counted."""

from __future__ import annotations

from quotebus.bus import codec
from quotebus.bus.clock import NS_PER_S
from quotebus.bus.consumer import Consumer
from quotebus.bus.events import Event
from quotebus.bus.replay_scheduler import MAX_INSTANTS, SKIPPED, ReplayScheduler
from tests.support.samples import HEALTH, UTC_NS, like

INTERVAL_NS = NS_PER_S // 10


class Rig:
    """A scheduler whose consumer has been answered, and the instants at which it acted."""

    def __init__(self) -> None:
        self.seq = 0
        self.acted: list[int] = []
        self.consumer = Consumer("worker", "replay:worker", jitter=0, max_age_ns=NS_PER_S, replayed=True)
        self.consumer.joined = True
        self.scheduler = ReplayScheduler(self.consumer, INTERVAL_NS, self._act)

    def hear(self, after_ns: int) -> None:
        self.seq += 1
        event = like(HEALTH, source="replay:pricing-3f9c2a", seq=self.seq, published_ns=UTC_NS + after_ns)
        assert self.scheduler.take([codec.encode(event)], 0) == []

    def _act(self, now_ns: int) -> list[Event]:
        self.acted.append(now_ns)
        return []


def test_acts_at_every_multiple_of_the_interval_that_was_reached() -> None:
    rig = Rig()
    for after_ns in (0, INTERVAL_NS // 2, 3 * INTERVAL_NS, 3 * INTERVAL_NS + 1):
        rig.hear(after_ns)
    assert rig.acted == [UTC_NS + number * INTERVAL_NS for number in (1, 2, 3)]
    assert rig.consumer.counters[SKIPPED] == 0


def test_instants_left_out_after_a_hole_are_counted() -> None:
    rig = Rig()
    rig.hear(0)
    rig.hear(5_000 * INTERVAL_NS)
    assert rig.acted == [], "one stamp far ahead may be false"
    rig.hear(5_000 * INTERVAL_NS)
    rig.hear(5_000 * INTERVAL_NS)
    assert len(rig.acted) == MAX_INSTANTS
    assert rig.consumer.counters[SKIPPED] == 5_000 - MAX_INSTANTS
    rig.hear(5_001 * INTERVAL_NS)
    assert rig.acted[-1] == UTC_NS + 5_001 * INTERVAL_NS
