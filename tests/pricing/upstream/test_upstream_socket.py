"""The line's framing: cut anywhere it reads the same, and what is no WebSocket ends it at once."""

from __future__ import annotations

import select
import socket
import struct
import time
import tracemalloc
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quotebus.bus.clock import NS_PER_S, now_ns
from quotebus.bus.events import Cause
from quotebus.pricing.upstream.upstream_socket import (
    MAX_MESSAGE_BYTES,
    MAX_UNSENT_BYTES,
    UpstreamLost,
    UpstreamSocket,
)
from tests.support.pricing import framed
from tests.support.samples import QUICK

BINARY, TEXT, CONT, CLOSE, PING, PONG = 2, 1, 0, 8, 9, 10


class Pair:
    """A line and the exchange's end of its socket."""

    def __init__(self, already_read: bytes = b"") -> None:
        ours, self.peer = socket.socketpair()
        self.peer.settimeout(5)
        self.line = UpstreamSocket(ours, already_read)

    def close(self) -> None:
        self.line.close()
        self.peer.close()

    def read(self) -> list[bytes]:
        found: list[bytes] = []
        while self.line.fill():
            found += self.line.messages()
        return found

    def send(self, data: bytes) -> list[bytes]:
        """Send in pieces that the kernel takes without a reader; the messages that came out of them."""
        found: list[bytes] = []
        for at in range(0, len(data), 50_000):
            self.peer.sendall(data[at : at + 50_000])
            found += self.read()
        return found


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair()
    yield pair
    pair.close()


def unmask(frame: bytes) -> tuple[int, bytes]:
    """Opcode and payload of one of our frames, which must be masked and small."""
    assert frame[1] & 0x80
    size, mask, body = frame[1] & 0x7F, frame[2:6], frame[6:]
    assert size == len(body) < 126
    return frame[0] & 0x0F, bytes(byte ^ mask[at % 4] for at, byte in enumerate(body))


def lost(pair: Pair, data: bytes, *, half_close: bool = False) -> Cause:
    pair.peer.sendall(data)
    if half_close:
        pair.peer.shutdown(socket.SHUT_WR)
    with pytest.raises(UpstreamLost) as caught:
        pair.read()
    return caught.value.cause


# whole messages

size = st.one_of(st.integers(0, 300), st.sampled_from([65_535, 65_536, 70_000]))
stream_of = st.lists(
    st.tuples(size, st.lists(st.integers(0, 400), max_size=4), st.booleans(), st.sampled_from([BINARY, TEXT])),
    min_size=1,
    max_size=6,
)


def encode(parts: list[tuple[int, list[int], bool, int]]) -> tuple[bytes, list[bytes], int]:
    """Frames of messages, some fragmented, with pings in between; the messages and the number of pings."""
    data, pings, messages = b"", 0, []
    for size, cuts, ping, opcode in parts:
        payload = bytes(at % 251 for at in range(size))
        messages.append(payload)
        edges = [0, *sorted(min(cut, len(payload)) for cut in cuts), len(payload)]
        pieces = [payload[a:b] for a, b in pairwise(edges)]
        for number, piece in enumerate(pieces):
            data += framed(piece, opcode if number == 0 else CONT, fin=number == len(pieces) - 1)
            if ping:
                data += framed(b"life?", PING) + framed(b"", PONG)
                pings += 1
    return data, messages, pings


@QUICK
@given(stream_of, st.lists(st.integers(0, 5_000), max_size=30))
def test_cut_anywhere_it_reads_the_same(parts: list[tuple[int, list[int], bool, int]], cuts: list[int]) -> None:
    data, expected, pings = encode(parts)
    pair = Pair()
    try:
        found: list[bytes] = []
        edges = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
        for start, end in pairwise(edges):
            found += pair.send(data[start:end])
        assert found == expected
        pongs = pair.peer.recv(1 << 16) if pings else b""
        assert len(pongs) == pings * len(framed(b"life?", PONG, mask=b"1234"))
    finally:
        pair.close()


def test_byte_by_byte(pair: Pair) -> None:
    data, expected, _ = encode([(130, [3, 3, 70], True, BINARY), (0, [], False, TEXT), (1, [0], False, BINARY)])
    assert [found for at in range(len(data)) for found in pair.send(data[at : at + 1])] == expected


def test_what_came_with_the_handshake_is_read_first() -> None:
    pair = Pair(framed(b"first") + framed(b"second")[:3])
    assert pair.line.fill()
    assert list(pair.line.messages()) == [b"first"]
    assert pair.send(framed(b"second")[3:]) == [b"second"]
    pair.close()


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, MAX_MESSAGE_BYTES])
def test_every_length_form(pair: Pair, size: int) -> None:
    assert pair.send(framed(bytes(size))) == [bytes(size)]


def test_a_burst_is_read_in_one_go(pair: Pair) -> None:
    pair.peer.sendall(framed(b"x" * 50) * 1_000)
    assert pair.line.fill()
    assert len(list(pair.line.messages())) == 1_000


# fragments and the fast path


@pytest.mark.parametrize("start", [b"", b"x"])
@pytest.mark.parametrize("opcode", [BINARY, TEXT])
def test_a_data_frame_within_a_fragmented_message_is_a_violation(pair: Pair, start: bytes, opcode: int) -> None:
    assert lost(pair, framed(start, BINARY, fin=False) + framed(b"intruder", opcode)) is Cause.PROTOCOL


def test_empty_fragments_make_a_message(pair: Pair) -> None:
    data = framed(b"", TEXT, fin=False) + framed(b"", CONT, fin=False) + framed(b"end", CONT) + framed(b"next")
    assert pair.send(data) == [b"end", b"next"]


def test_a_continuation_of_nothing_is_a_violation(pair: Pair) -> None:
    assert lost(pair, framed(b"x", CONT)) is Cause.PROTOCOL


@pytest.mark.parametrize("piece", [b"", b"x", bytes(100_000)])
def test_fragments_without_end_are_too_big(pair: Pair, piece: bytes) -> None:
    began_ns = now_ns()
    assert pair.send(framed(piece, BINARY, fin=False)) == []
    some = framed(piece, CONT, fin=False) * (MAX_MESSAGE_BYTES // 16 // (1_000 + len(piece)))

    def send_endlessly() -> None:
        for _ in range(32):
            assert pair.send(some) == []

    with pytest.raises(UpstreamLost) as caught:
        send_endlessly()
    assert caught.value.cause is Cause.TOO_BIG
    assert now_ns() - began_ns < 5 * NS_PER_S


def test_one_bound_for_whole_and_fragmented_messages(pair: Pair) -> None:
    """The largest message takes the same bytes in one frame and in fragments, and memory a few times its size."""
    tracemalloc.start()
    try:
        whole = framed(bytes(MAX_MESSAGE_BYTES))
        assert [len(message) for message in pair.send(whole)] == [MAX_MESSAGE_BYTES]
        del whole
        pieces = MAX_MESSAGE_BYTES // 100_000 - 2
        data = framed(bytes(100_000), BINARY, fin=False) + framed(bytes(100_000), CONT, fin=False) * (pieces - 2)
        assert [len(message) for message in pair.send(data + framed(bytes(100_000), CONT))] == [pieces * 100_000]
        del data
        assert tracemalloc.get_traced_memory()[0] < MAX_MESSAGE_BYTES // 4, "nothing of either is kept"
        assert tracemalloc.get_traced_memory()[1] < 6 * MAX_MESSAGE_BYTES
    finally:
        tracemalloc.stop()


def test_a_large_frame_that_comes_in_drops_costs_what_its_bytes_cost(pair: Pair) -> None:
    """Copying what is there at each read would take minutes of a processor."""
    size, drop = MAX_MESSAGE_BYTES, 1_000
    data = framed(bytes(size))
    began_ns = time.process_time_ns()
    found: list[bytes] = []
    for at in range(0, len(data), drop):
        pair.peer.sendall(data[at : at + drop])
        found += pair.read()
        assert pair.line.is_mid_message == (at + drop < len(data))
    assert [len(message) for message in found] == [size]
    assert time.process_time_ns() - began_ns < 5 * NS_PER_S


# what is no WebSocket


@pytest.mark.parametrize("claim", [MAX_MESSAGE_BYTES + 1, 1 << 40, (1 << 63) - 1, (1 << 64) - 1])
@pytest.mark.parametrize("first", [0x82, 0x02, 0x80, 0x89])
def test_a_frame_that_claims_too_much_ends_the_line_before_it_comes(pair: Pair, claim: int, first: int) -> None:
    assert lost(pair, struct.pack(">BBQ", first, 127, claim)) is Cause.TOO_BIG


@pytest.mark.parametrize("payload", [b"", b"x" * 20])
def test_masked_frames_are_a_violation(pair: Pair, payload: bytes) -> None:
    assert lost(pair, framed(payload, mask=b"abcd")) is Cause.PROTOCOL


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
def test_reserved_opcodes_are_a_violation(pair: Pair, opcode: int) -> None:
    assert lost(pair, framed(b"x", opcode)) is Cause.PROTOCOL


@pytest.mark.parametrize("rsv", [1, 2, 4, 7])
def test_reserved_bits_are_a_violation(pair: Pair, rsv: int) -> None:
    assert lost(pair, framed(b"x", rsv=rsv)) is Cause.PROTOCOL


def test_messages_before_the_violation_are_still_handed_out(pair: Pair) -> None:
    pair.peer.sendall(framed(b"good") + framed(b"x", rsv=4))
    assert pair.line.fill()
    messages = pair.line.messages()
    assert next(messages) == b"good"
    with pytest.raises(UpstreamLost):
        next(messages)


@QUICK
@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_the_end_of_the_line(data: bytes) -> None:
    pair, cause = Pair(), Cause.CLOSED
    try:
        pair.send(data)
    except UpstreamLost as end:
        cause = end.cause
    finally:
        pair.close()
    assert cause in (Cause.PROTOCOL, Cause.TOO_BIG, Cause.CLOSED)


# pings, closing, ends


def test_a_ping_is_answered_with_its_payload(pair: Pair) -> None:
    assert pair.send(framed(b"are you there", PING)) == []
    assert unmask(pair.peer.recv(100)) == (PONG, b"are you there")


def test_our_messages_are_masked_frames_of_the_opcode_asked_for(pair: Pair) -> None:
    pair.line.send(b"hello", TEXT)
    assert unmask(pair.peer.recv(100)) == (TEXT, b"hello")
    pair.line.ping(b"now")
    assert unmask(pair.peer.recv(100)) == (PING, b"now")
    assert pair.line.take_pong() == b""
    pair.peer.sendall(framed(b"now", PONG))
    assert pair.read() == []
    assert (pair.line.take_pong(), pair.line.take_pong()) == (b"now", b"")


@pytest.mark.parametrize("payload", [b"", struct.pack(">H", 1000), struct.pack(">H", 1001) + b"going away"])
def test_a_close_frame_is_answered_and_ends_the_line(pair: Pair, payload: bytes) -> None:
    assert lost(pair, framed(payload, CLOSE)) is Cause.CLOSED
    assert unmask(pair.peer.recv(100)) == (CLOSE, payload[:2])


@pytest.mark.parametrize("unfinished", [b"", framed(b"half")[:3]])
def test_end_of_stream_even_within_a_frame_is_closed(pair: Pair, unfinished: bytes) -> None:
    assert lost(pair, unfinished, half_close=True) is Cause.CLOSED


def test_reset_is_told_apart() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        peer, _ = server.accept()
        line = UpstreamSocket(ours)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        select.select([line], [], [], 5)
        with pytest.raises(UpstreamLost) as caught:
            line.fill()
        assert caught.value.cause is Cause.RESET
        line.close()


def test_a_peer_that_does_not_read_never_blocks_us_and_is_given_up_at_a_bound(pair: Pair) -> None:
    while not pair.line.has_unsent:
        pair.line.send(bytes(100_000))
    with pytest.raises(UpstreamLost) as caught:
        pair.line.send(bytes(MAX_UNSENT_BYTES))
    assert caught.value.cause is Cause.NO_LIFE


def test_what_the_socket_did_not_take_goes_out_later_and_whole(pair: Pair) -> None:
    while not pair.line.has_unsent:
        pair.line.send(bytes(50_000))
    received = 0
    while pair.line.has_unsent:
        received += len(pair.peer.recv(1 << 20))
        pair.line.flush()
    pair.line.send(b"end")
    pair.line.close()
    tail = b""
    while data := pair.peer.recv(1 << 20):
        received += len(data)
        tail = (tail + data)[-9:]
    assert unmask(tail) == (BINARY, b"end")
    assert received % (50_000 + 8) == len(tail)
