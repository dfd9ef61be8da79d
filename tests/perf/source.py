"""An upstream as fast as the line takes: prepared frames of Alpaca's protocol from a bare socket.

It does the handshake by hand, waits until 100 symbols are subscribed, and then sends the same prepared bytes over and
over, so that what is measured is the reader. Run as a program: `python -m tests.perf.source QUOTES PER_FRAME [RATE]`;
with a rate it sends that many quotes a second, evenly, each with its time of sending in `t`.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import socket
import struct
import sys
import time
from typing import Any

import msgpack

SYMBOLS = [f"S{number}" for number in range(100)]
PREPARED_FRAMES = 1_000


def frame(records: list[dict[str, Any]]) -> bytes:
    """One unmasked binary WebSocket frame."""
    payload = msgpack.packb(records)
    size = len(payload)
    head = bytes([0x82, size]) if size < 126 else b"\x82\x7e" + struct.pack("!H", size)
    return head + payload


def quote(number: int) -> dict[str, Any]:
    return {
        "T": "q",
        "S": SYMBOLS[number % len(SYMBOLS)],
        "bx": "V",
        "bp": round(100.0 + number % 7 * 0.01, 2),
        "bs": 3,
        "ax": "V",
        "ap": round(100.1 + number % 7 * 0.01, 2),
        "as": 4,
        "c": ["R"],
        "z": "B",
        "t": msgpack.Timestamp.from_unix_nano(time.time_ns()),
    }


def main() -> None:
    quotes, per_frame = int(sys.argv[1]), int(sys.argv[2])
    rate = float(sys.argv[3]) if len(sys.argv) > 3 else 0.0
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(f"ws://127.0.0.1:{server.getsockname()[1]}/v2/iex", flush=True)
        server.settimeout(30)
        connection, _ = server.accept()
    with connection:
        connection.settimeout(60)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        serve(connection, quotes, per_frame, rate)


def serve(connection: socket.socket, quotes: int, per_frame: int, rate: float) -> None:
    reader = connection.makefile("rb")
    upgrade(connection, reader)
    connection.sendall(frame([{"T": "success", "msg": "connected"}]))
    subscribed: dict[str, list[str]] = {"quotes": []}
    while len(subscribed["quotes"]) < len(SYMBOLS):
        answer(connection, read_message(reader), subscribed)
    # What comes along with the data, statuses and price bands, is answered too, if the client asks for it.
    connection.settimeout(0.5)
    with contextlib.suppress(TimeoutError):
        while True:
            answer(connection, read_message(reader), subscribed)
    connection.settimeout(60)
    if rate:
        paced(connection, quotes, rate)
    else:
        data = b"".join(
            frame([quote(first + offset) for offset in range(per_frame)])
            for first in range(0, PREPARED_FRAMES * per_frame, per_frame)
        )
        for _ in range(-(-quotes // (PREPARED_FRAMES * per_frame))):
            connection.sendall(data)
    sys.stdin.read()


def paced(connection: socket.socket, quotes: int, rate: float) -> None:
    """Evenly spaced quotes, one a frame."""
    began = time.perf_counter()
    for number in range(quotes):
        wait_s = began + number / rate - time.perf_counter()
        if wait_s > 0:
            time.sleep(wait_s)
        connection.sendall(frame([quote(number)]))


def upgrade(connection: socket.socket, reader: Any) -> None:
    key = b""
    while (line := reader.readline().strip()) != b"":
        name, _, value = line.partition(b":")
        if name.lower() == b"sec-websocket-key":
            key = value.strip()
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    connection.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


def read_message(reader: Any) -> dict[str, Any]:
    """One masked client message, fragments joined."""
    payload = b""
    while True:
        first, second = reader.read(2)
        size = second & 0x7F
        if size == 126:
            size = int.from_bytes(reader.read(2))
        elif size == 127:
            size = int.from_bytes(reader.read(8))
        mask = reader.read(4)
        data = reader.read(size)
        if first & 0x0F < 8:
            payload += bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))
            if first & 0x80:
                message: dict[str, Any] = msgpack.unpackb(payload)
                return message


def answer(connection: socket.socket, message: dict[str, Any], subscribed: dict[str, list[str]]) -> None:
    if message["action"] == "auth":
        connection.sendall(frame([{"T": "success", "msg": "authenticated"}]))
    elif message["action"] == "subscribe":
        for channel, symbols in message.items():
            if channel != "action":
                subscribed[channel] = sorted({*subscribed.get(channel, []), *symbols})
        connection.sendall(frame([{"T": "subscription", **subscribed}]))


if __name__ == "__main__":
    main()
