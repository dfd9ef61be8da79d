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
