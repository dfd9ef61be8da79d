"""One capture file being written, as the mcap package reads it."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from mcap.opcode import Opcode
from mcap.reader import SeekingReader, make_reader

from quotebus.bus import codec
from quotebus.bus.capture import Capture, CaptureWriter
from quotebus.bus.capture.format.chunks import CHUNK_MESSAGES
from quotebus.bus.capture.format.records import MESSAGE, RECORD_HEAD, read_chunk
from tests.support.captures import HEAD, read_all, write_golden
from tests.support.samples import QUOTE, SAMPLES, UTC_NS, like


@pytest.mark.parametrize("compression", ["lz4", "zstd", "none"])
def test_mcaps_own_reader_finds_the_same_in_it(tmp_path: Path, compression: str) -> None:
    path = tmp_path / "a.mcap"
    with CaptureWriter(path, HEAD, compression=compression) as writer:
        for seq in range(1, 1_501):
            writer.write_frame(codec.encode(like(QUOTE, seq=seq, symbol=f"S{seq % 7}")), UTC_NS + seq, UTC_NS)
    ours = read_all(path)
    with path.open("rb") as file:
        reader = make_reader(file, validate_crcs=True)
        theirs = [(c.topic, m.data, m.sequence, m.log_time, m.publish_time) for _, c, m in reader.iter_messages()]
        assert theirs == [(m.topic, m.payload, m.sequence, m.received_ns, m.published_ns) for m in ours]
        part = list(reader.iter_messages(topics=["quote.S3"], starting_at=UTC_NS + 700, ending_before=UTC_NS + 900))
        assert [m.sequence for _, _, m in part] == [seq for seq in range(700, 900) if seq % 7 == 3]
        summary = reader.get_summary()
        assert summary is not None
        assert summary.statistics is not None
        assert summary.statistics.message_count == 1_500
        assert summary.statistics.chunk_count == 1_500 // CHUNK_MESSAGES
        assert len(summary.channels) == 7
        assert reader.get_header().profile == "quotebus"


def test_each_kind_comes_with_its_schema(tmp_path: Path) -> None:
    with write_golden(tmp_path / "a.mcap").open("rb") as file:
        for schema, channel, message in make_reader(file).iter_messages(log_time_order=False):
            assert schema is not None
            described = msgspec.json.decode(schema.data)
            assert schema.encoding == "jsonschema"
            assert channel.message_encoding == "msgpack"
            payload = msgspec.msgpack.decode(message.data)
            names = [item["title"] for item in described["prefixItems"]]
            assert len(names) == len(payload)
            assert names[:4] == ["version", "source", "seq", "published_ns"]
            assert described["title"] == schema.name


def test_a_file_has_its_name_only_when_it_is_complete(tmp_path: Path) -> None:
    writer = CaptureWriter(tmp_path / "a.mcap", HEAD)
    writer.write_frame(codec.encode(QUOTE), UTC_NS, UTC_NS)
    writer.sync()
    assert [path.name for path in tmp_path.iterdir()] == ["a.mcap.part"]
    with pytest.raises(FileExistsError):
        CaptureWriter(tmp_path / "a.mcap", HEAD)
    assert writer.close() == tmp_path / "a.mcap"
    assert [path.name for path in tmp_path.iterdir()] == ["a.mcap"]
    with pytest.raises(FileExistsError):
        CaptureWriter(tmp_path / "a.mcap", HEAD)


def test_an_error_leaves_the_part(tmp_path: Path) -> None:
    def fail() -> None:
        with CaptureWriter(tmp_path / "a.mcap", HEAD) as writer:
            writer.write_frame(codec.encode(QUOTE), UTC_NS, UTC_NS)
            writer.flush()
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == ["a.mcap.part"]
    assert len(read_all(tmp_path / "a.mcap.part")) == 1


def test_sequences_go_on_beyond_32_bits(tmp_path: Path) -> None:
    first = 2**32 - 2
    with CaptureWriter(tmp_path / "a.mcap", replace(HEAD, first_sequence=first)) as writer:
        for event in list(SAMPLES.values())[:5]:
            writer.write_frame(codec.encode(event), UTC_NS, UTC_NS)
    assert [m.sequence for m in Capture(tmp_path / "a.mcap", strict=True)] == list(range(first, first + 5))


def test_only_topics_of_the_bus_are_written(tmp_path: Path) -> None:
    with CaptureWriter(tmp_path / "a.mcap", HEAD) as writer:
        for topic in ("other.SPY", "quote.A B", ""):
            with pytest.raises(ValueError, match="not a topic of the bus"):
                writer.write(topic, b"", UTC_NS, UTC_NS)
        assert writer.write("quote.SPY", b"x", UTC_NS, -5) == 1
    (message,) = read_all(tmp_path / "a.mcap")
    assert message.published_ns == 0


def test_each_chunk_is_followed_by_indexes_that_lead_to_its_messages(tmp_path: Path) -> None:
    """Seeking readers, such as viewers in a browser, refuse a file whose chunks have none."""
    path = write_golden(tmp_path / "a.mcap")
    with path.open("rb") as file:
        summary = SeekingReader(file).get_summary()
    assert summary is not None
    data = path.read_bytes()
    found = 0
    for chunk in summary.chunk_indexes:
        assert chunk.message_index_length > 0
        begin = chunk.chunk_start_offset + chunk.chunk_length
        assert min(chunk.message_index_offsets.values()) == begin
        content = read_chunk(data[chunk.chunk_start_offset + RECORD_HEAD.size : begin])[1]
        at = begin
        while at < begin + chunk.message_index_length:
            opcode, length, channel, size = struct.unpack_from("<BQHI", data, at)
            assert opcode == Opcode.MESSAGE_INDEX
            assert chunk.message_index_offsets[channel] == at
            for log_ns, offset in struct.iter_unpack("<QQ", data[at + 15 : at + 15 + size]):
                assert MESSAGE.unpack_from(content, offset)[2:5:2] == (channel, log_ns)
                found += 1
            at += RECORD_HEAD.size + length
    assert found == summary.statistics.message_count == len(read_all(path))  # type: ignore[union-attr]
