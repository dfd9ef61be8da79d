"""From a websocket to a PUB socket: `python -m tests.perf.bare.node UPSTREAM_URL PUBLISH_URL`."""

from __future__ import annotations

import struct
import sys
import time
from collections.abc import Iterator
from typing import Any

import msgpack
import msgspec
import websocket
import zmq

from tests.perf.bare.quote import BareQuote, UpstreamRecord
from tests.perf.source import SYMBOLS

_RECEIVE_BYTES = 256 * 1024
_TIMESTAMP_64 = struct.Struct(">2xQ").unpack


def main() -> None:
    upstream_url, publish_url = sys.argv[1:]
    publisher = zmq.Context().socket(zmq.XPUB)
    publisher.setsockopt(zmq.SNDHWM, 0)
    publisher.connect(publish_url)
    for _ in SYMBOLS:  # the reader's subscriptions; what is sent before them is lost
        publisher.recv()
    line = websocket.create_connection(upstream_url, timeout=30)
    line.recv()
    for message in ({"action": "auth", "key": "k", "secret": "s"}, {"action": "subscribe", "quotes": SYMBOLS}):
        line.send_binary(msgpack.packb(message))
        line.recv()
    decode = msgspec.msgpack.Decoder(list[UpstreamRecord]).decode
    encode = msgspec.msgpack.Encoder().encode
    topics = {symbol: b"quote." + symbol.encode() + b"\0" for symbol in SYMBOLS}
    for frame in _split(line.sock):
        received_ns = time.time_ns()
        for record in decode(frame):
            stamp = _TIMESTAMP_64(record.t)[0]
            exchange_ns = (stamp & 0x3_FFFF_FFFF) * 1_000_000_000 + (stamp >> 34)
            quote = BareQuote(record.S, record.bp, record.bs, record.ap, record.as_, exchange_ns, received_ns)
            publisher.send(topics[record.S] + encode(quote))


def _split(sock: Any) -> Iterator[bytes]:
    """The payloads of unmasked frames, split by hand; it ends when the line does."""
    buffer = b""
    sock.settimeout(None)
    while data := sock.recv(_RECEIVE_BYTES):
        buffer += data
        at, size = 0, len(buffer)
        while size - at >= 4:
            length, head = buffer[at + 1], 2
            if length == 126:
                length, head = int.from_bytes(buffer[at + 2 : at + 4]), 4
            if size - at < head + length:
                break
            yield buffer[at + head : at + head + length]
            at += head + length
        buffer = buffer[at:]


if __name__ == "__main__":
    main()
