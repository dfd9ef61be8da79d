"""The reader of the NATS protocol: whole streams, streams cut anywhere, and what is no protocol at all."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quotebus.bus.transport.nats import protocol
from quotebus.bus.transport.nats.protocol import MAX_HEAD, MAX_PAYLOAD_BYTES, Reader, parse_info
from tests.engines.nats_fuzz import Result, read_in_pieces, read_slowly, run, topic_of

STREAM = (
    b'INFO {"server_name":"a","max_payload":1048576}\r\nPING\r\n'
    b"MSG quotebus.node.quote.SPY 1 5\r\nab\r\nc\r\n"
    b"MSG quotebus.node.quote.BRK%2EB 1 inbox.1 0\r\n\r\nPONG\r\n-ERR 'Stale Connection'\r\n+OK\r\n"
    b"MSG quotebus.node.quote.A.B 1 2\r\nxx\r\nMSG quotebus.w.symbols.requested 7 1\r\nx\r\n"
)
FRAMES = [b"quote.SPY\0ab\r\nc", b"quote.BRK.B\0", b"symbols.requested\0x"]


def read(data: bytes) -> tuple[Reader, list[bytes]]:
    reader, frames = Reader(topic_of), list[bytes]()
    reader.feed(data, frames)
    return reader, frames


def test_reads_what_a_server_sends() -> None:
    reader, frames = read(STREAM)
    assert frames == FRAMES
    assert (reader.pings, reader.pongs, reader.unknown, reader.broken) == (1, 1, 1, "")
    assert reader.errors == ["Stale Connection"]
    assert reader.info is not None
    assert (reader.info.server_name, reader.info.max_payload) == ("a", 1_048_576)


def test_a_stream_cut_at_any_byte_or_into_single_bytes_is_the_same() -> None:
    whole = Result(FRAMES, 1, 1)
    assert read_slowly(STREAM) == whole
    assert read_in_pieces([STREAM[at : at + 1] for at in range(len(STREAM))]) == whole
    for at in range(len(STREAM)):
        assert read_in_pieces([STREAM[:at], STREAM[at:]]) == whole


@pytest.mark.parametrize(
    "data",
    [
        b"MSG quotebus.node.quote.SPY 1 2\r\nabc\r\n",
        b"MSG quotebus.node.quote.SPY 1 4\r\nabc\r\n\r\n"[:-1] + b"x",
        b"MSG quotebus.node.quote.SPY 1 -1\r\n",
        b"MSG quotebus.node.quote.SPY 1 1_0\r\n",
        b"MSG quotebus.node.quote.SPY 1 +1\r\n",
        b"MSG quotebus.node.quote.SPY 1 \xb2\r\n",
        b"MSG quotebus.node.quote.SPY 1 \r\n",
        b"MSG quotebus.node.quote.SPY 1 99999999999999999999\r\n",
        b"MSG quotebus.node.quote.SPY 1 %d\r\n" % (MAX_PAYLOAD_BYTES + 1),
        b"MSG quotebus.node.quote.SPY\r\n",
        b"HMSG quotebus.node.quote.SPY 1 12 14\r\n",
        b"HTTP/1.1 400 Bad Request\r\n",
        b"\r\n",
        b"x" * MAX_HEAD,
        b"INFO " + b"x" * MAX_HEAD + b"\r\n",
        b"\x16\x03\x01" + b"\0" * MAX_HEAD,
    ],
)
def test_what_is_not_the_protocol_ends_the_connection(data: bytes) -> None:
    reader, frames = read(data)
    assert reader.broken
    assert not frames
    reader.feed(STREAM, frames)
    assert not frames


def test_a_line_may_be_as_long_as_the_bound_and_no_longer() -> None:
    fits = b"-ERR " + b"x" * (MAX_HEAD - 7) + b"\r\n"
    assert len(fits) == MAX_HEAD
    assert not read(fits)[0].broken
    assert read(b"-ERR x" + fits[5:])[0].broken


def test_the_largest_message_is_read_in_small_pieces_without_being_copied_for_each() -> None:
    payload = bytes(MAX_PAYLOAD_BYTES)
    data = b"MSG quotebus.node.quote.SPY 1 %d\r\n%b\r\n" % (len(payload), payload)
    found = read_in_pieces([data[at : at + 1_000] for at in range(0, len(data), 1_000)])
    assert found == Result([b"quote.SPY\0" + payload])


def test_topics_beyond_the_cache_are_read_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "_MAX_KNOWN", 2)
    data = b"".join(b"MSG quotebus.n.quote.S%d 1 1\r\nx\r\n" % (number % 5) for number in range(50))
    reader, frames = read(data)
    assert frames == [b"quote.S%d\0x" % (number % 5) for number in range(50)]
    assert len(reader._known) <= 2


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[" * 4_000, b'{"max_payload":"x"}', b'{"server_name":"\xff"}', b"null", b"[]"]
)
def test_an_info_that_cannot_be_read_is_none(text: bytes) -> None:
    assert parse_info(text) is None


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=8))
def test_any_bytes_are_read_as_by_the_specification(pieces: list[bytes]) -> None:
    assert read_in_pieces(pieces) == read_slowly(b"".join(pieces))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.lists(st.integers(0, 400), max_size=6))
def test_any_payload_comes_whole_however_it_is_cut(payload: bytes, places: list[int]) -> None:
    data = b"MSG quotebus.node.quote.SPY 1 %d\r\n%b\r\nPING\r\n" % (len(payload), payload)
    cuts = sorted(min(place, len(data)) for place in places)
    pieces = [data[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    assert read_in_pieces(pieces) == Result([b"quote.SPY\0" + payload], 0, 1)


def test_good_damaged_and_cut_streams_are_read_as_by_the_specification() -> None:
    inputs, streams, broken = run(20_000, seed=1)
    assert inputs >= 20_000
    assert 0 < broken < streams


def test_the_file_stays_small() -> None:
    """The wire is ours only as long as it is less than a library would be."""
    with open(protocol.__file__, encoding="utf-8") as file:
        assert sum(1 for _ in file) <= 120
