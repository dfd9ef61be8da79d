"""What a recorder does with each frame: nothing is lost without a count and a note."""

from __future__ import annotations

from pathlib import Path

import msgspec

from quotebus.bus import codec
from quotebus.bus.capture import Capture, CaptureWriter, Gap
from quotebus.bus.capture.format.chunks import CHUNK_MESSAGES, PackedChunk
from quotebus.bus.capture.record.frame_packer import FLUSH_NS, FramePacker
from quotebus.bus.events import Event
from tests.support.captures import HEAD
from tests.support.samples import ACKNOWLEDGED, QUOTE, SAMPLES, TRADE, UTC_NS, like

LATER = UTC_NS + 1_000_000_000


def quotes(*numbers: int, source: str = QUOTE.source) -> list[bytes]:
    return [codec.encode(like(QUOTE, seq=number, source=source)) for number in numbers]


class Kept:
    """An packer whose chunks go to a file."""

    def __init__(self, folder: Path, prefixes: tuple[str, ...] = ()) -> None:
        self.packer = FramePacker(HEAD.source, prefixes)
        self.chunks: list[PackedChunk] = []
        self._path = folder / "kept.mcap"

    def hear(self, frames: list[bytes], *, room: bool = True) -> None:
        self.chunks += self.packer.receive(frames, UTC_NS, room=room)

    def read(self) -> tuple[list[Event], list[Gap]]:
        last = self.packer.flush(LATER)
        with CaptureWriter(self._path, HEAD) as writer:
            for chunk in [*self.chunks, *([last] if last else [])]:
                writer.write_chunk(chunk)
        capture = Capture(self._path, strict=True)
        return [message.event() for message in capture], list(capture.read_gaps())


def test_every_kind_of_event_is_kept_as_it_was(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.hear([codec.encode(event) for event in SAMPLES.values()])
    assert kept.read() == (list(SAMPLES.values()), [])
    assert (kept.packer.received, kept.packer.lost) == (len(SAMPLES), 0)


def test_a_gap_is_noted_where_it_is_and_for_whom(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.hear([*quotes(1, 2), *quotes(1, source="pricing-other1"), *quotes(5, 6)])
    events, gaps = kept.read()
    assert len(events) == 5
    assert gaps == [
        Gap(
            source=HEAD.source,
            seq=1,
            published_ns=UTC_NS,
            cause="bus",
            publisher=QUOTE.source,
            topic="quote.SPY",
            first_seq=3,
            count=2,
        )
    ]
    sequences = [(m.sequence, m.topic) for m in Capture(tmp_path / "kept.mcap").read_everything()]
    assert sequences[3] == (4, "capture.gap")
    assert kept.packer.lost == 2


def test_what_the_disk_has_no_room_for_is_noted_when_there_is_room_again(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.hear(quotes(1, 2))
    kept.hear([*quotes(3, 4, 7), codec.encode(TRADE)], room=False)
    kept.hear(quotes(8))
    events, gaps = kept.read()
    assert [event.seq for event in events] == [1, 2, 8]
    noted = {(gap.cause, gap.topic, gap.first_seq, gap.count) for gap in gaps}
    assert noted == {("queue", "quote.SPY", 3, 3), ("bus", "quote.SPY", 5, 2), ("queue", "trade.SPY", TRADE.seq, 1)}
    assert kept.packer.lost == 6
    assert kept.packer.queue_dropped == 4


def test_answers_share_one_counter_unless_only_some_are_heard(tmp_path: Path) -> None:
    answers = [
        codec.encode(like(ACKNOWLEDGED, seq=seq, client=client)) for seq, client in ((1, "a"), (2, "b"), (4, "a"))
    ]
    for prefixes, lost in (((), 1), (("symbols.",), 1), (("symbols.acknowledged.a",), 0)):
        packer = FramePacker(HEAD.source, prefixes)
        packer.receive(answers, UTC_NS, room=True)
        assert packer.lost == lost, prefixes


def test_what_cannot_be_read_is_counted_and_noted_by_topic(tmp_path: Path) -> None:
    newer = msgspec.msgpack.encode([2, "pricing-3f9c2a", 1, UTC_NS])
    kept = Kept(tmp_path)
    bad = [
        b"",
        b"\0",
        b"no zero byte",
        b"quote.SPY\0",
        b"quote.SPY\0\xc1",
        b"quote.QQQ\0" + newer,
        b"later.X\0" + newer,
    ]
    kept.hear([*bad, b"quote.\xff\0x", b"capture.gap\0" + newer, *quotes(1)])
    events, gaps = kept.read()
    assert len(events) == 1
    assert kept.packer.unreadable == kept.packer.lost == 9
    counted = {gap.topic: gap.count for gap in gaps}
    assert counted == {"": 4, "quote.SPY": 2, "quote.QQQ": 1, "later.X": 1, "capture.gap": 1}
    assert {gap.cause for gap in gaps} == {"unreadable"}


def test_forged_numbers_do_not_break_the_count(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.hear([*quotes(1, 2**63 - 1), *quotes(1, 2**63 - 1, source="other-000000")])
    kept.hear([*quotes(2, 3), *quotes(5, source="other-000000")])
    events, gaps = kept.read()
    assert len(events) == 7
    assert [(gap.publisher, gap.first_seq, gap.count) for gap in gaps] == [("other-000000", 2, 3)]
    assert kept.packer.lost == 3, "what was really lost, and nothing for the false numbers"


def test_a_chunk_is_due_by_number_and_by_age() -> None:
    packer = FramePacker(HEAD.source)
    assert not packer.is_due(LATER)
    packed = packer.receive(quotes(*range(1, CHUNK_MESSAGES + 2)), UTC_NS, room=True)
    assert [chunk.messages for chunk in packed] == [CHUNK_MESSAGES]
    assert not packer.is_due(UTC_NS + FLUSH_NS - 1)
    assert packer.is_due(UTC_NS + FLUSH_NS)
    last = packer.flush(UTC_NS + FLUSH_NS)
    assert last is not None
    assert last.messages == 1
    assert not packer.is_due(LATER)


def test_many_unreadable_topics_take_bounded_memory() -> None:
    packer = FramePacker(HEAD.source)
    packer.receive([b"odd.%d\0" % number for number in range(20_000)], UTC_NS, room=False)
    packed = packer.flush(UTC_NS)
    assert packer.lost == 20_000
    assert packed is not None
    assert packed.messages <= 10_001
