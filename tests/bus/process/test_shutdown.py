"""Signals that end a program."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from quotebus.bus.process.shutdown import on_ending
from tests.support.programs import eventually

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def former() -> Iterator[None]:
    handlers = {number: signal.getsignal(number) for number in ENDING}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)
    signal.set_wakeup_fd(-1)


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_that_does_not_wake_the_main_thread(number: signal.Signals) -> None:
    """One that comes in the instant before the main thread waits is like this one, which another thread gets."""
    stopped, over = threading.Event(), threading.Event()
    other = threading.Thread(target=over.wait)
    other.start()
    on_ending(stopped.set)
    signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        os.kill(os.getpid(), number)
        assert stopped.wait(20)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
        over.set()
        other.join()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_does_not_stop_again(number: signal.Signals) -> None:
    stops: list[int] = []
    hang_ups: list[int] = []

    def stop() -> None:
        stops.append(number)
        if len(stops) < 3:
            signal.raise_signal(number)

    on_ending(stop, hang_up=lambda: hang_ups.append(1))
    signal.raise_signal(number)
    eventually(lambda: stops)
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGHUP)
    eventually(lambda: hang_ups)
    assert stops == [number]


def test_a_closed_terminal_stops_too() -> None:
    stops: list[int] = []
    on_ending(lambda: stops.append(1))
    signal.raise_signal(signal.SIGHUP)
    eventually(lambda: stops == [1])


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_in_the_middle_of_a_lock_that_the_stop_wants(number: signal.Signals) -> None:
    lock, stops = threading.Lock(), list[int]()

    def stop() -> None:
        with lock:
            stops.append(1)

    on_ending(stop)
    with lock:
        signal.raise_signal(number)
        assert not stops
    eventually(lambda: stops == [1])


def test_what_nohup_said_holds() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stops: list[int] = []
    on_ending(lambda: stops.append(1))
    signal.raise_signal(signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    signal.raise_signal(signal.SIGINT)  # of a shell's background job, which is told by kill(1) all the same
    eventually(lambda: stops == [1])


def test_a_program_may_take_a_hang_up_for_something_else_each_time() -> None:
    stops: list[int] = []
    hang_ups: list[int] = []
    on_ending(lambda: stops.append(1), hang_up=lambda: hang_ups.append(1))
    for _ in range(3):
        signal.raise_signal(signal.SIGHUP)
    eventually(lambda: hang_ups == [1, 1, 1])
    assert stops == []
    signal.raise_signal(signal.SIGTERM)
    eventually(lambda: stops == [1])


def test_what_nohup_said_holds_for_that_too() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    hang_ups: list[int] = []
    on_ending(lambda: None, hang_up=lambda: hang_ups.append(1))
    signal.raise_signal(signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    assert not hang_ups
