"""Framing: a server must survive whatever a client sends."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from quotebus.pricing.simulator.wire import MAX_MESSAGE_BYTES, ClientMessage, Pong, Upgrade, Wire, encode_data_frame

REQUEST = (
    b"GET /v2/iex?x=1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"content-type: application/json\r\nAPCA-API-KEY-ID: k\r\n\r\n"
)


def opened() -> Wire:
    wire = Wire()
    (upgrade,) = wire.feed(REQUEST)
    assert isinstance(upgrade, Upgrade)
    assert (upgrade.path, upgrade.content_type, upgrade.key, upgrade.secret) == (
        "/v2/iex", "application/json", "k", None,
    )  # fmt: skip
    assert wire.accept(upgrade)
    assert wire.take()[0].startswith(b"HTTP/1.1 101 ")
    assert wire.open
    return wire


def frame(opcode: Opcode, data: bytes, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=True)


def test_messages_whole_in_fragments_and_with_pings_between() -> None:
    wire = opened()
    data = frame(Opcode.TEXT, b"one") + frame(Opcode.BINARY, b"t", False) + frame(Opcode.PING, b"p")
    data += frame(Opcode.CONT, b"w", False) + frame(Opcode.CONT, b"o") + frame(Opcode.PONG, b"")
    found = [event for n in range(len(data)) for event in wire.feed(data[n : n + 1])]
    assert found == [ClientMessage(b"one"), ClientMessage(b"two"), Pong()]
    assert wire.take() == (Frame(Opcode.PONG, b"p").serialize(mask=False), False)


def test_a_close_is_answered_and_ends_the_servers_side() -> None:
    wire = opened()
    assert wire.feed(frame(Opcode.CLOSE, b"\x03\xe8")) == []
    data, ends = wire.take()
    assert (data, ends, wire.open, wire.why) == (b"\x88\x02\x03\xe8", True, False, "closed by client")


def test_too_long_a_message_and_unmasked_frames_end_it() -> None:
    for data in (b"\x82\xff" + (MAX_MESSAGE_BYTES + 1).to_bytes(8, "big"), b"\x81\x01x", b"\x8b\x80\0\0\0\0"):
        wire = opened()
        assert wire.feed(data) == []
        assert wire.take()[1]
        assert wire.why == "protocol error"


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=4), st.booleans())
def test_no_bytes_raise(parts: list[bytes], upgraded: bool) -> None:
    wire = opened() if upgraded else Wire()
    for part in parts:
        for event in wire.feed(part):
            assert isinstance(event, ClientMessage | Pong | Upgrade)
        wire.take()


def test_data_frames_are_the_librarys_frames() -> None:
    for length in (0, 1, 125, 126, 65_535, 65_536):
        payload = b"x" * length
        assert encode_data_frame(2, payload) == Frame(Opcode.BINARY, payload).serialize(mask=False)
        assert encode_data_frame(1, payload) == Frame(Opcode.TEXT, payload).serialize(mask=False)
