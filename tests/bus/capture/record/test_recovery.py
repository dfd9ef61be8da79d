"""What a killed recorder left becomes a complete capture."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest
from mcap.reader import make_reader

from quotebus.bus import codec
from quotebus.bus.capture import Capture, CaptureWriter
from quotebus.bus.capture.format.segment import Segment
from quotebus.bus.capture.inspect.verify import verify
from quotebus.bus.capture.record.recovery import recover_file, recover_folder
from tests.support.captures import HEAD, read_all, write_golden
from tests.support.samples import QUOTE, UTC_NS, like


def left(folder: Path, name: str = "a.mcap") -> Path:
    """A `.part` of three flushed chunks, whose recorder is gone."""
    writer = CaptureWriter(folder / name, HEAD)
    for seq in range(1, 10):
        writer.write_frame(codec.encode(like(QUOTE, seq=seq)), UTC_NS, UTC_NS)
        if seq % 3 == 0:
            writer.flush()
    writer.abandon()
    return writer.part


def test_a_part_gets_its_name_and_a_proper_end(tmp_path: Path) -> None:
    part = left(tmp_path)
    before = read_all(part)
    (recovered,) = recover_folder(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mcap"]
    assert recovered.messages == 9
    assert "recovered 9 messages of a.mcap.part as a.mcap" in str(recovered)
    assert read_all(tmp_path / "a.mcap") == before
    assert verify(Capture(tmp_path, strict=True)).whole
    with (tmp_path / "a.mcap").open("rb") as file:
        reader = make_reader(file, validate_crcs=True)
        summary = reader.get_summary()
        assert summary is not None
        assert summary.statistics is not None
        assert summary.statistics.message_count == len(list(reader.iter_messages())) == 9
        assert [record.metadata.get("cause") for record in reader.iter_metadata()] == [None, "recovered"]
    assert list(recover_folder(tmp_path)) == []


def test_every_cut_of_a_part_is_recovered_to_a_whole_capture(tmp_path: Path) -> None:
    data, target = write_golden(tmp_path / "whole.mcap").read_bytes(), tmp_path / "target.mcap"
    original, broken = read_all(tmp_path / "whole.mcap"), tmp_path / "broken"
    for length in range(600, len(data), 997):
        broken.write_bytes(data[:length])
        recovered = recover_file(broken, target)
        read = read_all(target)
        assert read == original[: len(read)]
        assert verify(Capture(target)).whole
        assert recovered.messages == len(read)
        with target.open("rb") as file:
            assert len(list(make_reader(file, validate_crcs=True).iter_messages())) == len(read)
        target.unlink()


def test_a_file_damaged_inside_is_kept(tmp_path: Path) -> None:
    part = left(tmp_path)
    data = bytearray(part.read_bytes())
    data[-200] ^= 1
    part.write_bytes(data)
    (recovered,) = recover_folder(tmp_path)
    assert recovered.messages == 6
    assert recovered.damage is not None
    assert "kept as a.mcap.part.damaged" in str(recovered)
    assert (tmp_path / "a.mcap.part.damaged").read_bytes() == data
    assert verify(Capture(tmp_path / "a.mcap")).whole


@pytest.mark.parametrize("flip", [(0, 0x01), (3, 0x10)], ids=["opcode", "length"])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_damaged_chunk_is_never_taken_for_the_end(tmp_path: Path, number: int, flip: tuple[int, int]) -> None:
    part = left(tmp_path)
    segment = Segment(part)
    places = [chunk.offset for chunk in segment.read_chunks()]
    data = bytearray(part.read_bytes())
    data[places[number] + flip[0]] ^= flip[1]
    part.write_bytes(data)
    (recovered,) = recover_folder(tmp_path)
    kept = {0: 0, 1: 6, 2: 6}  # the first chunk alone declares the topic; behind the second, the third is kept
    assert recovered.messages == kept[number]
    assert recovered.damage is not None
    assert recovered.damage.lost_bytes == len(data) - places[number]
    if number < 2 or flip[0] == 0:  # a wrong length of the last one looks like an end that was cut off
        assert (tmp_path / "a.mcap.part.damaged").read_bytes() == data


def test_a_file_is_not_recovered_while_its_recorder_writes_it(tmp_path: Path) -> None:
    with CaptureWriter(tmp_path / "a.mcap", HEAD) as writer:
        writer.write_frame(codec.encode(QUOTE), UTC_NS, UTC_NS)
        writer.flush()
        recovered = recover_file(writer.part, tmp_path / "b.mcap")
        assert str(recovered) == "a.mcap.part not recovered: its recorder is still writing it"
    assert verify(Capture(tmp_path / "a.mcap")).whole


def test_one_that_is_being_written_is_left_alone(tmp_path: Path) -> None:
    with CaptureWriter(tmp_path / "a.mcap", HEAD) as writer:
        writer.write_frame(codec.encode(QUOTE), UTC_NS, UTC_NS)
        writer.flush()
        assert list(recover_folder(tmp_path)) == []
        assert writer.part.exists()
    assert len(read_all(tmp_path / "a.mcap")) == 1


def test_a_file_that_has_just_been_begun_is_not_taken_for_one_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    def late(descriptor: int, operation: int) -> None:
        """The writer's lock, with a recovery in the moment before the first."""
        monkeypatch.undo()
        told.extend(str(recovered) for recovered in recover_folder(tmp_path))
        fcntl.flock(descriptor, operation)

    monkeypatch.setattr("quotebus.bus.capture.format.writer.fcntl.flock", late)
    with CaptureWriter(tmp_path / "a.mcap", HEAD) as writer:
        assert told == ["a.mcap.part not recovered: it was empty and has been removed"]
        writer.write_frame(codec.encode(QUOTE), UTC_NS, UTC_NS)
        writer.flush()
        assert list(recover_folder(tmp_path)) == []
    assert len(read_all(tmp_path / "a.mcap")) == 1


def test_what_cannot_be_recovered_is_named_and_costs_the_others_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty.mcap.part").touch()
    (tmp_path / "junk.mcap.part").write_bytes(b"junk" * 100)
    taken = left(tmp_path, "taken.mcap")
    (tmp_path / "taken.mcap").write_text("precious")
    left(tmp_path, "z.mcap")
    told = [str(recovered) for recovered in recover_folder(tmp_path)]
    assert told[:3] == [
        "empty.mcap.part not recovered: it was empty and has been removed",
        "junk.mcap.part not recovered: not an MCAP file",
        "taken.mcap.part not recovered: taken.mcap already exists",
    ]
    assert len(read_all(tmp_path / "z.mcap")) == 9
    assert (tmp_path / "taken.mcap").read_text() == "precious"
    assert taken.exists()


def test_a_recovery_that_was_killed_before_its_last_step_is_completed(tmp_path: Path) -> None:
    part = left(tmp_path)
    recover_file(part, tmp_path / "a.mcap")
    (tmp_path / ".a.mcap.recovering").write_text("half of it")
    assert "a.mcap already holds all of it" in str(*recover_folder(tmp_path))
    assert not part.exists()
    assert len(read_all(tmp_path / "a.mcap")) == 9


def test_a_whole_file_is_copied_as_it_is(tmp_path: Path) -> None:
    path = write_golden(tmp_path / "a.mcap")
    recovered = recover_file(path, tmp_path / "b.mcap")
    assert "was whole" in str(recovered)
    assert (tmp_path / "b.mcap").read_bytes() == path.read_bytes()


def many(path: Path, chunks: int = 40) -> Path:
    """A finished capture of `chunks` chunks, ten messages each; every topic is declared in the first chunk."""
    with CaptureWriter(path, HEAD) as writer:
        for seq in range(1, 10 * chunks + 1):
            frame = codec.encode(like(QUOTE, seq=seq, symbol=f"S{seq % 5}"))
            writer.write_frame(frame, UTC_NS + seq, UTC_NS)
            if seq % 10 == 0:
                writer.flush()
    return path


def damage_chunks(path: Path, *numbers: int) -> None:
    """Flip a byte in the middle of these chunks."""
    with path.open("rb") as file:
        summary = make_reader(file).get_summary()
    assert summary is not None
    data = bytearray(path.read_bytes())
    for number in numbers:
        chunk = summary.chunk_indexes[number]
        data[chunk.chunk_start_offset + chunk.chunk_length - 5] ^= 0xFF
    path.write_bytes(data)


@pytest.mark.parametrize("damaged", [(0,), (17,), (0, 1, 20, 38), (39,)])
def test_everything_outside_the_damaged_chunks_is_kept(tmp_path: Path, damaged: tuple[int, ...]) -> None:
    source = many(tmp_path / "a.mcap")
    original = {message.sequence: message for message in read_all(source)}
    damage_chunks(source, *damaged)
    recovered = recover_file(source, tmp_path / "b.mcap")
    assert recovered.messages == 400 - 10 * len(damaged)
    assert ("are missing before messages that are good" in str(recovered)) == (damaged != (39,))
    assert recovered.damage is not None
    capture = Capture(tmp_path / "b.mcap")
    read = list(capture)
    lost = {number for chunk in damaged for number in range(10 * chunk + 1, 10 * chunk + 11)}
    assert [message.sequence for message in read] == sorted(original.keys() - lost)
    assert all(message == original[message.sequence] for message in read)
    assert verify(capture).whole
    within = [line for line in capture.partial if "were lost before it was recovered" in line]
    assert len(within) == len(damaged) - (1 if 0 in damaged and 1 in damaged else 0) - (1 if 39 in damaged else 0)
    part = list(capture.read(UTC_NS + 205, UTC_NS + 305))
    assert [message.sequence for message in part] == [number for number in range(205, 305) if number not in lost]
    with (tmp_path / "b.mcap").open("rb") as file:
        assert len(list(make_reader(file, validate_crcs=True).iter_messages())) == len(read)
    again = recover_file(tmp_path / "b.mcap", tmp_path / "c.mcap")
    assert again.damage is None
    assert (tmp_path / "c.mcap").read_bytes() == (tmp_path / "b.mcap").read_bytes()


@pytest.mark.parametrize("cut", [False, True])
def test_without_an_index_chunks_are_found_by_their_checksum(tmp_path: Path, *, cut: bool) -> None:
    """What was declared in the damaged chunk is unknown then, and what needs it is lost with it."""
    source = many(tmp_path / "a.mcap")
    damage_chunks(source, 20)
    data = source.read_bytes()
    source.write_bytes(data[: len(data) * 6 // 10] if cut else data[:-100])
    recovered = recover_file(source, tmp_path / "b.mcap")
    kept = len(list(Capture(tmp_path / "b.mcap")))
    assert kept == recovered.messages
    assert kept == 390 if not cut else 200 < kept < 390
    assert verify(Capture(tmp_path / "b.mcap")).whole


def test_a_hole_that_does_not_fit_is_damage(tmp_path: Path) -> None:
    source = many(tmp_path / "a.mcap", 3)
    damage_chunks(source, 1)
    recover_file(source, tmp_path / "b.mcap")
    data = (tmp_path / "b.mcap").read_bytes()
    for was, becomes in (
        (b"\x02\x00\x00\x0010", b"\x02\x00\x00\x0011"),
        (b"\x02\x00\x00\x0010", b"\x02\x00\x00\x00-1"),
    ):
        assert data.count(was) >= 1
        (tmp_path / "b.mcap").write_bytes(data.replace(was, becomes))
        assert not verify(Capture(tmp_path / "b.mcap")).whole
