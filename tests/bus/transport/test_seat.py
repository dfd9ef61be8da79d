"""Who sits: whoever waits, one at a time; the stand-by when nobody does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from quotebus.bus.clock import now_ns, seconds
from quotebus.bus.transport import seat as module
from quotebus.bus.transport.seat import Seat
from tests.support.programs import eventually


class Sitter:
    """Sits in a function of its own, as a client does."""

    def __init__(self) -> None:
        self._seat: Seat
        self.leave = threading.Event()

    def sit(self, wake: Callable[[], None]) -> None:
        assert self._seat.claim(wake)
        self.leave.wait(30)
        self._seat.rise()

    def be_thrown_out(self, wake: Callable[[], None]) -> None:
        """What a signal's handler can do: it has the seat, and never rises."""
        assert self._seat.claim(wake)
        raise InterruptedError


class StandBy:
    """The stand-by's thread, without sockets: it notes each time it sits, and rises when somebody claims the seat."""

    def __init__(self) -> None:
        self.seat = Seat((Sitter.sit.__code__, Sitter.be_thrown_out.__code__))
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


def test_a_seat_whose_sitter_was_thrown_out_is_the_stand_bys(stand_by: StandBy) -> None:
    sitter = Sitter()
    sitter._seat = stand_by.seat
    sat = stand_by.sat
    with pytest.raises(InterruptedError):
        sitter.be_thrown_out(stand_by.wake)
    assert not stand_by.seat.claim(stand_by.wake), "it seems to be this thread's still"
    eventually(lambda: stand_by.sat == sat + 1, 20)
    assert stand_by.seat.claim(stand_by.wake), "and all is as it was"
    stand_by.seat.rise()


def test_nobody_takes_a_seat_from_who_sits_for_long(stand_by: StandBy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_MS", 20)
    sitter = Sitter()
    sitter._seat = stand_by.seat
    sat = stand_by.sat
    thread = in_thread(lambda: sitter.sit(stand_by.wake))
    looks: list[bool] = []
    is_empty = stand_by.seat._is_empty

    def look() -> bool:
        looks.append(is_empty())
        return looks[-1]

    monkeypatch.setattr(stand_by.seat, "_is_empty", look)
    eventually(lambda: len(looks) >= 10)
    assert not any(looks)
    assert stand_by.sat == sat
    sitter.leave.set()
    thread.join(10)
    eventually(lambda: stand_by.sat == sat + 1)


def test_a_claim_that_was_thrown_out_is_over_after_its_time(stand_by: StandBy) -> None:
    stand_by.seat._claims[0] = now_ns() + seconds(0.2)
    assert stand_by.seat.is_claimed
    eventually(lambda: not stand_by.seat.is_claimed)


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
