"""The tap's pace on a clock of its own: how long it works at a time, and when it does not rest."""

from __future__ import annotations

from dataclasses import dataclass, field

from bus.tap.pace import PIECE_NS, REST_S, Pace


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
    pace = Pace(clock.read_ns, clock.sleep)
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
    pace = Pace(clock.read_ns, clock.sleep)
    for _ in range(20):
        for _ in pace(range(1)):
            clock.now_ns += PIECE_NS // 4
    assert len(clock.rested_at_ns) == 3
    assert clock.now_ns == 20 * (PIECE_NS // 4) + 3 * int(REST_S * 1e9)


def test_who_is_behind_does_not_rest() -> None:
    clock = Clock()
    pace = Pace(clock.read_ns, clock.sleep)
    pace.behind = True
    for _ in pace(range(50)):
        clock.now_ns += PIECE_NS
    assert clock.rested_at_ns == []
