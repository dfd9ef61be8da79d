"""Signals that end a program."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from quotebus.bus.process.shutdown import on_ending

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def former() -> Iterator[None]:
    handlers = {number: signal.getsignal(number) for number in ENDING}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", ENDING)
def test_a_second_signal_does_not_interrupt_the_stop_of_the_first(number: signal.Signals) -> None:
    stops: list[int] = []

    def stop() -> None:
        stops.append(number)
        if len(stops) < 3:
            signal.raise_signal(signal.SIGHUP)

    on_ending(stop)
    signal.raise_signal(number)
    assert stops == [number]


def test_what_nohup_said_holds() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stops: list[int] = []
    on_ending(lambda: stops.append(1))
    signal.raise_signal(signal.SIGHUP)
    assert not stops
    signal.raise_signal(signal.SIGINT)  # of a shell's background job, which is told by kill(1) all the same
    assert stops == [1]


def test_a_program_may_take_a_hang_up_for_something_else_each_time() -> None:
    stops: list[int] = []
    hang_ups: list[int] = []
    on_ending(lambda: stops.append(1), hang_up=lambda: hang_ups.append(1))
    for _ in range(3):
        signal.raise_signal(signal.SIGHUP)
    assert (stops, hang_ups) == ([], [1, 1, 1])
    signal.raise_signal(signal.SIGTERM)
    assert stops == [1]


def test_what_nohup_said_holds_for_that_too() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    hang_ups: list[int] = []
    on_ending(lambda: None, hang_up=lambda: hang_ups.append(1))
    signal.raise_signal(signal.SIGHUP)
    assert not hang_ups
