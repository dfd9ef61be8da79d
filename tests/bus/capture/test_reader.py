"""Captures as one stream: order, filters, several files, and what is said of damage."""

from __future__ import annotations

import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from quotebus.bus import codec
from quotebus.bus.capture import Capture, CaptureDamaged, CaptureWriter, NotACapture
from quotebus.bus.capture.format import records
from quotebus.bus.capture.format.captured import GAP_TOPIC
from quotebus.bus.capture.format.index import read_index
from tests.support.captures import GAP, HEAD, write_events, write_golden
from tests.support.samples import QUOTE, SAMPLES, TRADE, UTC_NS, like

GOLDEN = Path(__file__).parents[2] / "data" / "golden.mcap"
QUOTES = [like(QUOTE, seq=number) for number in range(1, 11)]


def test_the_golden_capture_stays_readable() -> None:
    with Capture(GOLDEN, strict=True) as capture:
        messages = list(capture)
        events = [message.event() for message in messages]
        assert {type(event) for event in events} <= {type(event) for event in SAMPLES.values()}
        assert events[2:4] == [QUOTE, TRADE]
        assert messages[2].frame == codec.encode(QUOTE)
        assert [message.sequence for message in messages] == list(range(1, 12))
        assert messages[2].received_ns == UTC_NS + 2_000_000
        assert messages[2].published_ns == UTC_NS
        assert list(capture.read_gaps()) == [GAP]
        assert capture.metadata == HEAD
        assert capture.damage is None


def test_a_time_window_is_half_open_and_topics_are_prefixes(tmp_path: Path) -> None:
    events = [*QUOTES[:3], TRADE, *QUOTES[3:]]
    capture = Capture(write_events(tmp_path / "a.mcap", events))
    window = [m.sequence for m in capture.read(from_ns=UTC_NS + 2_000_000, to_ns=UTC_NS + 5_000_000)]
    assert window == [3, 4, 5]
    assert [m.sequence for m in capture.read(topics=["trade."])] == [4]
    assert [m.sequence for m in capture.read(topics=["quote.SP", "trade.SPY"])] == list(range(1, 12))
    assert list(capture.read(topics=["quote.SPYX"])) == []


def segments(folder: Path) -> list[Path]:
    """One run in three files, named so that the order of names is another."""
    parts = [(0, 1, QUOTES[:4], "c"), (1, 5, QUOTES[4:7], "a"), (2, 8, QUOTES[7:], "b")]
    return [
        write_events(
            folder / f"{name}.mcap",
            list(events),
            head=replace(HEAD, segment=number, first_sequence=first, utc_ns=UTC_NS + number),
        )
        for number, first, events, name in parts
    ]


def test_segments_are_read_in_the_order_they_were_recorded(tmp_path: Path) -> None:
    paths = segments(tmp_path)
    for given in (tmp_path, paths, list(reversed(paths)), [str(path) for path in paths]):
        capture = Capture(given, strict=True)
        assert [message.event() for message in capture] == QUOTES
        assert [message.sequence for message in capture] == list(range(1, 11))


def test_a_missing_segment_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    paths = segments(tmp_path)
    capture = Capture([paths[0], paths[2]])
    assert [message.event() for message in capture] == [*QUOTES[:4], *QUOTES[7:]]
    assert [damage.what for damage in capture.damages] == ["messages 5 to 7 are missing before it"]
    with pytest.raises(CaptureDamaged, match="5 to 7"):
        list(Capture([paths[0], paths[2]], strict=True))


def test_what_follows_a_damaged_file_is_read_and_each_damage_named(tmp_path: Path) -> None:
    paths = segments(tmp_path)
    write_events(tmp_path / "z.mcap", list(QUOTES), head=replace(HEAD, run="f" * 16, utc_ns=UTC_NS + 9))
    (tmp_path / "none.mcap").write_bytes(b"hello")
    for path in paths[:2]:
        data = bytearray(path.read_bytes())
        data[len(data) // 3] ^= 1
        path.write_bytes(data)
    capture = Capture(tmp_path)
    assert [message.sequence for message in capture][-13:] == [8, 9, 10, *range(1, 11)]
    assert [damage.file for damage in capture.damages] == ["c.mcap", "a.mcap", "none.mcap"]
    assert capture.damages[2].lost_bytes == 5


@pytest.mark.parametrize("copied", [0, 1, 2])
def test_a_segment_that_is_there_twice_is_read_once_and_named(tmp_path: Path, copied: int) -> None:
    paths = segments(tmp_path)
    (tmp_path / "copy.mcap").write_bytes(paths[copied].read_bytes())
    capture = Capture(tmp_path)
    assert [message.event() for message in capture] == QUOTES
    [damage] = capture.damages
    assert "already holds its messages" in damage.what
    assert "copy.mcap" in str(damage)


@pytest.mark.parametrize("chunks", [0, 1, 6])
def test_a_damaged_copy_hides_nothing_of_the_whole_file(tmp_path: Path, chunks: int) -> None:
    with CaptureWriter(tmp_path / "b.mcap", HEAD) as writer:
        for quote in QUOTES:
            writer.write_frame(codec.encode(quote), UTC_NS, UTC_NS)
            writer.flush()
    index = read_index(tmp_path / "b.mcap")
    assert index is not None
    (tmp_path / "a.mcap").write_bytes((tmp_path / "b.mcap").read_bytes()[: index.chunks[chunks].offset + 20])
    capture = Capture(tmp_path)
    assert [message.event() for message in capture] == QUOTES
    assert [damage.file for damage in capture.damages] == ["a.mcap"]


def test_a_missing_segment_is_named_after_a_damaged_one_too(tmp_path: Path) -> None:
    paths = segments(tmp_path)
    paths[0].write_bytes(paths[0].read_bytes()[:-1])
    paths[1].unlink()
    capture = Capture(tmp_path)
    assert [message.event() for message in capture] == [*QUOTES[:4], *QUOTES[7:]]
    assert [damage.file for damage in capture.damages] == ["c.mcap", "b.mcap"]
    assert "segment 1 of its run (the first is 0) is missing" in str(capture.damages[1])


def test_a_file_that_went_meanwhile_is_named(tmp_path: Path) -> None:
    paths = segments(tmp_path)
    capture = Capture(tmp_path)
    paths[1].unlink()
    assert len(list(capture)) == 7
    assert "the file is gone" in str(capture.damage)


def test_ends_of_a_run_that_are_not_here_are_said_and_no_damage(tmp_path: Path) -> None:
    for number in range(3):
        head = replace(HEAD, segment=number, first_sequence=number + 1, utc_ns=UTC_NS + number)
        writer = CaptureWriter(tmp_path / f"{number}.mcap", head)
        writer.write_frame(codec.encode(QUOTES[number]), UTC_NS, UTC_NS)
        writer.close("stopped" if number == 2 else "rotated")
    for left, said in (
        ("012", []),
        ("01", ["1.mcap: the next segment of its run is absent"]),
        ("12", ["1.mcap: begins with message 2 of its run"]),
        ("2", ["2.mcap: begins with message 3 of its run"]),
    ):
        capture = Capture([tmp_path / f"{number}.mcap" for number in left], strict=True)
        assert len(list(capture)) == len(left)
        assert capture.partial == said


def test_a_file_may_be_completed_between_opening_and_reading(tmp_path: Path) -> None:
    writer = CaptureWriter(tmp_path / "a.mcap", HEAD)
    writer.write_frame(codec.encode(QUOTE), UTC_NS, UTC_NS)
    writer.flush()
    capture = Capture(tmp_path, strict=True)
    writer.close()
    assert [message.event() for message in capture] == [QUOTE]


def test_two_runs_in_one_folder_follow_each_other(tmp_path: Path) -> None:
    write_events(tmp_path / "b.mcap", list(QUOTES[:3]))
    write_events(tmp_path / "a.mcap", list(QUOTES[3:]), head=replace(HEAD, run="f" * 16, utc_ns=UTC_NS + 1))
    capture = Capture(tmp_path, strict=True)
    assert [message.event() for message in capture] == QUOTES
    assert [message.sequence for message in capture] == [1, 2, 3, 1, 2, 3, 4, 5, 6, 7]


def test_a_file_still_being_written_reads_as_far_as_it_is_flushed(tmp_path: Path) -> None:
    writer = CaptureWriter(tmp_path / "a.mcap", HEAD)
    writer.write_frame(codec.encode(QUOTE), UTC_NS, UTC_NS)
    writer.flush()
    writer.write_frame(codec.encode(TRADE), UTC_NS, UTC_NS)
    capture = Capture(tmp_path)
    assert [message.event() for message in capture] == [QUOTE]
    assert capture.damage is not None
    assert capture.damage.cut_off
    assert capture.damage.lost_bytes == 0
    writer.close()
    capture = Capture(tmp_path)
    assert [message.event() for message in capture] == [QUOTE, TRADE]
    assert capture.damage is None


def test_strict_raises_what_is_said_otherwise(tmp_path: Path) -> None:
    path = write_golden(tmp_path / "a.mcap")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CaptureDamaged, match=r"a\.mcap: the file ends in the middle") as caught:
        list(Capture(path, strict=True))
    assert caught.value.damage.last_sequence == 13
    assert len([m for m in Capture(path).read_everything() if m.topic == GAP_TOPIC]) == 1


def test_what_is_no_capture_is_refused_in_one_line(tmp_path: Path) -> None:
    other = tmp_path / "other.mcap"
    for data in (b"", b"\x89MCAP0\r\n", b"hello, world, and so on" * 10):
        other.write_bytes(data)
        with pytest.raises(NotACapture, match=r"^other\.mcap: [^\n]+$"):
            Capture(other)
    with pytest.raises(FileNotFoundError):
        Capture(tmp_path / "nothing.mcap")
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotACapture, match="no capture there"):
        Capture(tmp_path / "empty")
    good = write_golden(tmp_path / "good.mcap")
    capture = Capture([good, other])
    assert len(list(capture)) == len(SAMPLES)
    assert "other.mcap" in str(capture.damage)


class Opened:
    """Which bytes of a file were asked for: counts chunks that were decompressed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.chunks = 0
        unpack = records.read_chunk

        def counted(content: bytes) -> tuple[records.ChunkHead, bytes]:
            self.chunks += 1
            return unpack(content)

        monkeypatch.setattr(records, "read_chunk", counted)


def disorderly(path: Path) -> Path:
    """Chunks of two messages whose times overlap, and a topic that is declared in the first chunk alone."""
    times = [(1, 50), (2, 3), (40, 4), (60, 61), (5, 70), (71, 72)]
    with CaptureWriter(path, HEAD) as writer:
        for number, received in enumerate(at for pair in times for at in pair):
            topic = "quote.SPY" if number % 2 else "quote.QQQ"
            writer.write(topic, b"%d" % number, received, 1)
            if number % 2:
                writer.flush()
    return path


@pytest.mark.parametrize("end", ["complete", "cut off"])
def test_a_window_is_the_same_by_the_index_and_by_reading_through(tmp_path: Path, end: str) -> None:
    path = disorderly(tmp_path / "a.mcap")
    if end == "cut off":
        path.write_bytes(path.read_bytes()[:-1])
    whole = list(Capture(path).read_everything())
    for from_ns in (None, *range(0, 74, 3)):
        for to_ns in (None, *range(0, 74, 7)):
            wanted = [m for m in whole if (from_ns or 0) <= m.received_ns and (to_ns is None or m.received_ns < to_ns)]
            assert list(Capture(path).read(from_ns=from_ns, to_ns=to_ns)) == wanted, (from_ns, to_ns)


def test_what_is_before_and_after_a_window_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [
        write_events(tmp_path / f"{n}.mcap", QUOTES, head=replace(HEAD, segment=n, first_sequence=10 * n + 1, utc_ns=n))
        for n in range(3)
    ]
    path = disorderly(tmp_path / "d.mcap")
    opened = Opened(monkeypatch)
    capture = Capture(path)
    assert [m.received_ns for m in capture.read(from_ns=71)] == [71, 72]
    assert (opened.chunks, capture.damage) == (1, None)
    capture = Capture(paths, strict=True)
    opened.chunks = 0
    assert list(capture.read(to_ns=UTC_NS)) == []
    assert opened.chunks == 0
    assert len(list(capture.read(from_ns=UTC_NS + 9_000_000))) == 3
    assert opened.chunks == 3


def test_an_index_that_does_not_fit_is_not_believed_and_found(tmp_path: Path) -> None:
    path = disorderly(tmp_path / "a.mcap")
    data = path.read_bytes()
    index = read_index(path)
    assert index is not None
    start = data.rindex(b"\x02" + (20).to_bytes(8, "little")) + 9
    summary_start = int.from_bytes(data[start : start + 8], "little")
    last = index.chunks[-1]
    place = data.index(last.start_ns.to_bytes(8, "little") + last.end_ns.to_bytes(8, "little"), summary_start)
    path.write_bytes(data[:place] + b"\x01" + data[place + 1 :])
    assert read_index(path) is None, "its checksum does not fit"
    assert [m.received_ns for m in Capture(path).read(from_ns=71)] == [71, 72]
    forged = bytearray(path.read_bytes())
    forged[start + 16 : start + 20] = zlib.crc32(forged[summary_start : start + 16]).to_bytes(4, "little")
    path.write_bytes(forged)
    assert read_index(path) is not None
    capture = Capture(path)
    assert len(list(capture.read_everything())) == 12
    assert capture.damage is not None
    assert "index does not match" in capture.damage.what
    assert list(capture.read(from_ns=71)) == []
    assert capture.damage is not None


def test_several_may_read_one_capture_at_the_same_time(tmp_path: Path) -> None:
    capture = Capture(write_golden(tmp_path / "a.mcap"))
    whole = list(capture)
    assert [first for first, _ in zip(capture, capture, strict=True)] == whole
    for number, message in enumerate(capture.read()):
        assert message == whole[number]
        assert len(list(capture.read_gaps())) == len(list(capture.read_gaps()))
    assert capture.damage is None


def test_a_missing_segment_is_noticed_between_those_of_another_run(tmp_path: Path) -> None:
    for run in "ab":
        for n in range(3):
            head = replace(HEAD, run=run * 16, segment=n, first_sequence=3 * n + 1, utc_ns=10 * n + (run == "b"))
            write_events(tmp_path / f"{run}{n}.mcap", QUOTES[:3], head=head)
    assert len(list(Capture(tmp_path, strict=True))) == 18
    (tmp_path / "a1.mcap").unlink()
    capture = Capture(tmp_path)
    list(capture)
    assert "messages 4 to 6 are missing before it" in str(capture.damage)
