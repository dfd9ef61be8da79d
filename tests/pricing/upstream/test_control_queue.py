"""The way between the node's two threads: in order, bounded, and no message sleeps beside a reader that waits."""

from __future__ import annotations

import select
import threading
from collections.abc import Iterator

import pytest

from quotebus.pricing.upstream import control_queue as module
from quotebus.pricing.upstream.control_queue import ControlQueue


@pytest.fixture
def queue() -> Iterator[ControlQueue]:
    queue = ControlQueue()
    yield queue
    queue.close()


def is_readable(queue: ControlQueue) -> bool:
    return bool(select.select([queue], [], [], 0)[0])


def test_wakes_for_a_message_into_an_empty_queue_and_keeps_their_order(queue: ControlQueue) -> None:
    assert not is_readable(queue)
    assert all(queue.put(message) for message in (b"a", b"b", b"c"))
    assert is_readable(queue)
    queue.clear()
    assert not is_readable(queue)
    assert [queue.take() for _ in range(len(queue))] == [b"a", b"b", b"c"]
    assert queue.put(b"d")
    assert is_readable(queue)


def test_beyond_its_bound_it_takes_no_more(queue: ControlQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_MESSAGES", 2)
    assert [queue.put(b"%d" % number) for number in range(3)] == [True, True, False]
    assert queue.take() == b"0"
    assert queue.put(b"3")


def test_a_message_after_the_reader_has_gone_harms_nobody(queue: ControlQueue) -> None:
    queue.close()
    assert queue.put(b"late")


def test_a_reader_that_sleeps_only_while_it_is_empty_misses_nothing(queue: ControlQueue) -> None:
    count = 20_000
    writer = threading.Thread(target=lambda: [queue.put(b"%d" % number) for number in range(count)], daemon=True)
    writer.start()
    taken: list[bytes] = []
    while len(taken) < count:
        if not queue:
            ready, _, _ = select.select([queue], [], [], 10)
            assert ready, f"slept beside message {len(taken)}"
            queue.clear()
        for _ in range(min(7, len(queue))):  # a reader whose time slot ends with some left
            taken.append(queue.take())  # noqa: PERF401 - so that the writer may come in between
    writer.join(10)
    assert taken == [b"%d" % number for number in range(count)]
