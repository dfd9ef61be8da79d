"""The out-buffer: order, bounds of what may pass, and what counts as sent."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from quotebus.pricing.simulator.outbox import Outbox
from quotebus.pricing.simulator.records import Raw


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=30), st.data())
def test_bytes_keep_their_order_and_frames_are_reported_once_they_are_whole(
    frames: list[bytes], data: st.DataObject
) -> None:
    outbox, sent, reported = Outbox(), b"", []
    for number, frame in enumerate(frames):
        outbox.put_frame(frame, [Raw(number)])
    while view := outbox.ready(0):
        count = data.draw(st.integers(1, len(view)))
        sent += bytes(view[:count])
        reported += [
            record.size for frame in outbox.mark_written(count) for record in frame.records if type(record) is Raw
        ]
        assert reported == [n for n in range(len(frames)) if len(b"".join(frames[: n + 1])) <= len(sent)]
    assert sent == b"".join(frames)
    assert outbox.buffered() == 0


def test_a_hold_lets_nothing_past_its_position() -> None:
    outbox = Outbox()
    outbox.put(b"abcdef")
    outbox.hold(4)
    assert bytes(outbox.ready(0)) == b"abcd"
    assert outbox.mark_written(4) == []
    assert not outbox.ready(0)
    outbox.put(b"gh")
    outbox.hold(None)
    assert bytes(outbox.ready(0)) == b"ef"
    outbox.mark_written(2)
    assert bytes(outbox.ready(0)) == b"gh"


def test_delayed_bytes_wait_and_are_never_overtaken() -> None:
    outbox = Outbox()
    outbox.put(b"a", due_ns=100)
    outbox.put(b"b", due_ns=50)
    outbox.put(b"c")
    assert outbox.next_ns() == 100
    assert outbox.last_due_ns() == 100
    assert not outbox.ready(99)
    assert bytes(outbox.ready(100)) == b"abc"
    assert outbox.buffered() == 3


def test_discard() -> None:
    outbox = Outbox()
    outbox.put_frame(b"abc", [])
    outbox.ready(0)
    outbox.put(b"d", due_ns=9)
    outbox.discard()
    assert not outbox.ready(10)
    assert outbox.buffered() == 0
    outbox.put_frame(b"xy", [Raw(1)])
    assert bytes(outbox.ready(0)) == b"xy"
    assert len(outbox.mark_written(2)) == 1
