"""Who sits: whoever waits, one at a time; the stand-by when nobody does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from quotebus.bus.transport.seat import Seat
from tests.support.programs import eventually


class StandBy:
    """The stand-by's thread, without sockets: it notes each time it sits, and rises when somebody claims the seat."""

    def __init__(self) -> None:
        self.seat = Seat()
        self.sat = 0
        self.over = False
        self._claimed = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def wake(self) -> None:
        self._claimed.set()

    def end(self) -> None:
        self.over = True
        self._claimed.set()
        self.seat.call()
        self._thread.join(10)
        assert not self._thread.is_alive()
        self.seat.close()

    def _run(self) -> None:
        while not self.over:
            self.sat += 1
            while not (self.seat.is_claimed or self.over):
                self._claimed.wait(10)
                self._claimed.clear()
            if not self.over:
                self.seat.rise()
                self.seat.stand_by(lambda: self.over)


@pytest.fixture
def stand_by() -> Iterator[StandBy]:
    stand_by = StandBy()
    yield stand_by
    stand_by.end()


def in_thread(run: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_who_waits_takes_the_seat_from_the_stand_by_and_nobody_takes_it_from_who_waits(stand_by: StandBy) -> None:
    seat = stand_by.seat
    assert not seat.sit(), "the stand-by sits at first"
    assert seat.claim(stand_by.wake)
    assert seat.is_mine
    others: list[bool] = []
    in_thread(lambda: others.extend([seat.claim(stand_by.wake), seat.sit(), seat.is_mine])).join(10)
    assert others == [False, False, False]
    assert not seat.claim(stand_by.wake), "a signal handler that interrupts who sits"
    seat.rise()
    assert not seat.is_mine


def test_a_seat_that_is_left_for_long_is_the_stand_bys(stand_by: StandBy) -> None:
    seat, sat = stand_by.seat, stand_by.sat
    for _ in range(3):
        assert seat.claim(stand_by.wake)
        seat.rise()
        assert seat.sit(), "it is free at once"
        seat.rise()
        sat += 1
        eventually(lambda: stand_by.sat == sat)  # noqa: B023


def test_who_sat_for_long_rings_when_it_rises(stand_by: StandBy) -> None:
    seat = stand_by.seat
    assert seat.claim(stand_by.wake)
    eventually(lambda: seat._sleeps, why="the stand-by sleeps while one thread sits")
    sat = stand_by.sat
    seat.rise()
    eventually(lambda: stand_by.sat == sat + 1)


def test_where_two_wait_the_stand_by_reads_for_both(stand_by: StandBy) -> None:
    seat = stand_by.seat
    assert seat.claim(stand_by.wake)
    leave = threading.Event()

    def wait() -> None:
        with seat.waiting():
            leave.wait(20)

    other = in_thread(wait)
    eventually(lambda: seat._waits)
    sat = stand_by.sat
    seat.rise()
    eventually(lambda: stand_by.sat == sat + 1)
    assert not seat.claim(stand_by.wake), "it would have to wake the other one for each message"
    leave.set()
    other.join(10)
    assert seat.claim(stand_by.wake)
    seat.rise()


def test_a_call_is_for_the_stand_by_at_once(stand_by: StandBy) -> None:
    seat = stand_by.seat
    assert seat.claim(stand_by.wake)
    sat = stand_by.sat
    seat.call()
    assert seat.is_mine, "who sits goes on sitting"
    seat.rise()
    eventually(lambda: stand_by.sat == sat + 1)


def test_many_threads_that_come_and_go_never_sit_together(stand_by: StandBy) -> None:
    seat = stand_by.seat
    sitting: list[int] = []
    wrong: list[int] = []

    def work(number: int) -> None:
        for _ in range(200):
            if seat.claim(stand_by.wake):
                sitting.append(number)
                if len(sitting) != 1:
                    wrong.append(number)
                sitting.remove(number)
                seat.rise()
            else:
                with seat.waiting():
                    pass

    threads = [in_thread(lambda number=number: work(number)) for number in range(4)]  # type: ignore[misc]
    for thread in threads:
        thread.join(60)
    assert not wrong
    sat = stand_by.sat
    eventually(lambda: stand_by.sat > sat or seat._stand_by_sits, why="in the end it is the stand-by's")
