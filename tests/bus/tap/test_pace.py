"""The tap's pace on a clock of its own: how long it works at a time, and when it does not rest."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from quotebus.bus.tap.pace import MAX_RESTS, PIECE_NS, REST_S, WorkPacer, skip_pacing
from quotebus.bus.tap.source import LiveSource
from tests.support.bus import NOBODY, fake_node, running_broker
from tests.support.programs import eventually


@dataclass
class Clock:
    """Each rest takes its time; `works_ns` is what an item takes."""

    now_ns: int = 0
    rested_at_ns: list[int] = field(default_factory=list)

    def read_ns(self) -> int:
        return self.now_ns

    def sleep(self, rest_s: float) -> None:
        self.rested_at_ns.append(self.now_ns)
        self.now_ns += int(rest_s * 1e9)


def test_no_piece_is_longer_than_one_item_beyond_its_bound() -> None:
    clock, item_ns = Clock(), PIECE_NS // 7
    pace = WorkPacer(clock.read_ns, clock.sleep)
    taken, piece_ns, longest_ns, rests = [], 0, 0, 0
    for item in pace(range(100)):
        if len(clock.rested_at_ns) > rests:
            rests, piece_ns = len(clock.rested_at_ns), 0
        taken.append(item)
        clock.now_ns += item_ns
        piece_ns += item_ns
        longest_ns = max(longest_ns, piece_ns)
    assert taken == list(range(100))
    assert rests == 100 // 8
    assert longest_ns <= PIECE_NS + item_ns


def test_one_piece_goes_on_through_all_that_is_given() -> None:
    clock = Clock()
    pace = WorkPacer(clock.read_ns, clock.sleep)
    for _ in range(20):
        for _ in pace(range(1)):
            clock.now_ns += PIECE_NS // 4
    assert len(clock.rested_at_ns) == 3
    assert clock.now_ns == 20 * (PIECE_NS // 4) + 3 * int(REST_S * 1e9)


def test_who_is_behind_does_not_rest() -> None:
    clock = Clock()
    pace = WorkPacer(clock.read_ns, clock.sleep)
    pace.look(behind=True)
    for _ in pace(range(50)):
        clock.now_ns += 2 * PIECE_NS
    assert clock.rested_at_ns == []


def test_rests_are_counted_from_one_look_to_the_next() -> None:
    clock = Clock()
    pace = WorkPacer(clock.read_ns, clock.sleep)
    for looks in (1, 2):
        pace.look(behind=False)
        for _ in pace(range(MAX_RESTS + 50)):
            clock.now_ns += 2 * PIECE_NS
        assert len(clock.rested_at_ns) == looks * MAX_RESTS


def test_the_live_bus_is_taken_at_a_pace_until_the_tap_is_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("quotebus.bus.tap.source", "quotebus.bus.transport.tap_socket"):
        monkeypatch.setattr(f"{module}.BATCH", 3)
    with running_broker() as settings, fake_node(settings) as node:
        source = LiveSource(settings.bus_address, [b"quote."], gather_ms=1)
        pace = source.pace
        assert isinstance(pace, WorkPacer)
        eventually(lambda: source.read(0.02) or node.tick("SPY"))  # its subscription must have come through
        eventually(lambda: not source.read(0.02))
        assert pace.rests_left
        eventually(lambda: len(source.read(0.02)) == 3 or node.tick("SPY", 9))
        assert not pace.rests_left
        eventually(lambda: len(source.read(0.02)) < 3)
        assert pace.rests_left
        source.close()


def test_who_measures_time_has_no_pace() -> None:
    source = LiveSource(NOBODY.bus_address, [b""], gather_ms=0)
    assert source.pace is skip_pacing
    source.close()
