"""Wakes a poll from another thread, never blocks, harmless after its end."""

from __future__ import annotations

import select
import threading
from collections.abc import Iterator

import pytest

from quotebus.bus.transport.waker import Waker


@pytest.fixture
def waker() -> Iterator[Waker]:
    waker = Waker()
    yield waker
    waker.close()


def readable(waker: Waker, timeout_s: float = 0) -> bool:
    return bool(select.select([waker.fileno()], [], [], timeout_s)[0])


def test_quiet_until_woken_and_quiet_again_when_cleared(waker: Waker) -> None:
    assert not readable(waker)
    waker.wake()
    assert readable(waker)
    waker.clear()
    assert not readable(waker)
    waker.clear()


def test_wakes_from_another_thread(waker: Waker) -> None:
    thread = threading.Thread(target=waker.wake)
    thread.start()
    assert readable(waker, 5)
    thread.join()


def test_a_hundred_thousand_wake_ups_do_not_block_and_are_cleared_at_once(waker: Waker) -> None:
    for _ in range(100_000):
        waker.wake()
    assert readable(waker)
    waker.clear()
    assert not readable(waker)


def test_waking_after_the_end_is_harmless() -> None:
    waker = Waker()
    waker.close()
    waker.wake()
    assert waker.fileno() == -1
