"""Faults of frames, records and the line, on a real socket with the real program."""

from __future__ import annotations

import json
import math
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgpack
import pytest

from quotebus.bus.clock import now_ns
from tests.support.stopwatch import Stopwatch

SHAPES = ("wrong_types", "wrong_extras", "missing_fields", "duplicate_keys", "unknown_type")
OF_NO_USE = (None, 2**63, [None], {}, 1.5)
Open = Callable[..., Any]


class RawFrame(NamedTuple):
    first: int
    masked: bool
    length: int
    payload: bytes


def read(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = sock.recv(count - len(data))
        assert part, "closed"
        data += part
    return data


def raw_frame(sock: socket.socket, most: int = 1 << 20) -> RawFrame:
    first, second = read(sock, 2)
    length = second & 127
    if length >= 126:
        length = int.from_bytes(read(sock, 2 if length == 126 else 8), "big")
    key = read(sock, 4) if second & 128 else bytes(4)
    payload = bytes(b ^ key[n % 4] for n, b in enumerate(read(sock, min(length, most))))
    return RawFrame(first, bool(second & 128), length, payload)


@pytest.mark.parametrize("encoding", ["json", "msgpack"])
def test_bad_frames_one_after_the_other(simulator: Any, logged_in: Open, encoding: str) -> None:
    client = logged_in(simulator.url(), encoding)
    control = simulator.control
    control.faults(mute=True)
    client.subscribe(quotes=["SPY"])
    sock, opcode = client.socket.sock, 2 if encoding == "msgpack" else 1
    decode = msgpack.unpackb if encoding == "msgpack" else json.loads
    control.faults(garbage=2, bad_utf8=1, wrong_opcode=1, swapped_opcode=1, reserved_bits=1, masked=1)
    for _ in range(8):
        control.quote("SPY", 7, 8)
    frames = [raw_frame(sock) for _ in range(8)]
    assert [frame.first & 0x7F for frame in frames] == [opcode, opcode, 1, 3, 3 - opcode, 0x40 | opcode, opcode, opcode]
    assert [frame.masked for frame in frames] == [False] * 6 + [True, False]
    for frame in frames[:2]:
        with pytest.raises(ValueError):
            decode(frame.payload)
    assert frames[0].payload != frames[1].payload
    with pytest.raises(UnicodeDecodeError):
        frames[2].payload.decode()
    for frame in frames[3:]:
        assert decode(frame.payload, **({"timestamp": 2} if encoding == "msgpack" else {}))[0]["bp"] == 7
    assert control.state()["faults"] == {"mute": True}


@pytest.mark.parametrize("name", ["huge_frame", "huge_message"])
def test_frames_and_messages_without_an_end(simulator: Any, logged_in: Open, name: str) -> None:
    client = logged_in(simulator.url())
    client.subscribe(quotes=["SPY"])
    simulator.control.faults(**{name: 1})
    sock = client.socket.sock
    frame = raw_frame(sock)
    while frame.length != 1 << 40 and frame.first & 0x80:
        frame = raw_frame(sock)
    if name == "huge_frame":
        read(sock, 1 << 21)
    else:
        assert frame.first == 1
        assert [raw_frame(sock, 1 << 20)[:3] for _ in range(4)] == [(0, False, 1 << 18)] * 4
    simulator.control.lift_faults()
    with pytest.raises(ConnectionResetError):
        read(sock, 1 << 30)


@pytest.mark.parametrize("how", ["rst", "fin"])
def test_cut_mid_frame(simulator: Any, logged_in: Open, how: str) -> None:
    client = logged_in(simulator.url())
    simulator.control.faults(mute=True, cut_mid_frame=[how, 1])
    client.subscribe(quotes=["SPY"])
    simulator.control.quote("SPY", 7, 8)
    data = b""
    try:
        while part := client.socket.sock.recv(4096):
            data += part
    except ConnectionResetError:
        assert how == "rst"
    else:
        assert how == "fin"
    assert data[0] == 0x81
    assert 0 < len(data) < data[3]
    assert simulator.control.state()["faults"] == {"mute": True}


def test_slow_lines_and_back(simulator: Any, logged_in: Open) -> None:
    client = logged_in(simulator.url())
    control, sock = simulator.control, client.socket.sock
    control.faults(mute=True, slicer_ms=2)
    client.subscribe(quotes=["SPY"])
    begin = time.monotonic()
    control.quote("SPY", 7, 8)
    frame = raw_frame(sock)
    assert frame.length > 100
    assert time.monotonic() - begin > 0.2
    begin = time.monotonic()
    control.faults(slicer_ms=None, throttle_bytes_s=2000)
    for _ in range(4):
        control.quote("SPY", 7, 8)
    count = sum(raw_frame(sock).length for _ in range(4))
    assert time.monotonic() - begin > (count - 120) / 2000 > 0.1
    control.lift_faults()
    while b'"bp":9' not in sock.recv(65_536):
        control.quote("SPY", 9, 10)


def test_a_flood(simulator: Any, logged_in: Open, stopwatch: Stopwatch) -> None:
    client = logged_in(simulator.url())
    client.subscribe(quotes=["SPY"])
    simulator.control.faults(flood=25)
    assert simulator.control.state()["rate"] == 5000
    began_ns = now_ns()
    for _ in range(600):
        client.quote("SPY")
    assert stopwatch.seconds(began_ns) < 1.5
    simulator.control.lift_faults()
    assert simulator.control.state()["rate"] == 200


WRONG: dict[str, tuple[str, Callable[[dict[str, Any]], bool]]] = {
    "nan": ("AAPL", lambda q: math.isnan(q["bp"])),
    "infinite": ("MSFT", lambda q: math.isinf(q["ap"])),
    "negative": ("AMZN", lambda q: q["bp"] < 0),
    "zero_bid": ("AMD", lambda q: q["bp"] == q["bs"] == 0),
    "crossed": ("TSLA", lambda q: q["bp"] > q["ap"]),
    "locked": ("NVDA", lambda q: q["bp"] == q["ap"]),
    "huge_price": ("QQQ", lambda q: q["bp"] == 1e308),
    "size_zero": ("META", lambda q: q["bs"] == q["as"] == 0),
    "unknown_type": ("IWM", lambda q: q["T"] not in ("q", "t")),
    "missing_fields": ("PLTR", lambda q: len(q) == 10),
    "duplicate_keys": ("INTC", lambda q: q["bp"] > 1.5 * q["ap"]),
    "wrong_types": ("BAC", lambda q: len(q) == 11),
    "wrong_extras": (
        "GOOG",
        lambda q: sum(q[n] in (None, 2**63, [None], {}, 1.5) for n in ("c", "z", "bx", "ax")) == 1,
    ),
    "repeat_time": ("TLT", lambda q: True),
    "backward_time": ("XLF", lambda q: True),
    "skew_ms": ("SPY", lambda q: q["t"] < time.time_ns() - 250_000_000_000),
}


def test_wrong_records_and_an_audit_that_says_exactly_what_was_sent(
    start: Open, logged_in: Open, eventually: Open, tmp_path: Path
) -> None:
    path = tmp_path / "audit.jsonl"
    program = start("--rate", "2000", "--symbol-limit", "0", "--audit", str(path))
    plan = {name: symbol for name, (symbol, _) in WRONG.items()}
    program.control.faults(**{**plan, "skew_ms": {"SPY": -300_000}, "garbage": 2, "masked": 1})
    client = logged_in(program.url(), "msgpack")
    client.subscribe(quotes=[symbol for symbol, _ in WRONG.values()], statuses=["SPY"])
    sock, received = client.socket.sock, []
    bad = [raw_frame(sock) for _ in range(3)]
    assert [frame.payload[0] for frame in bad[:2]] == [0xC1, 0xC1]
    received += msgpack.unpackb(bad[2].payload, timestamp=2)
    while len(received) < 1200:
        received += client.receive()
    program.control.faults(mute=True)
    assert program.control.halt("SPY") == 1
    while received[-1]["T"] != "s":
        received += client.receive()
    assert received[-1]["t"] < time.time_ns() - 250_000_000_000
    by_symbol = {symbol: [m for m in received[:-1] if m.get("S") == symbol] for symbol, _ in WRONG.values()}
    for name, (symbol, is_wrong) in WRONG.items():
        assert by_symbol[symbol], name
        assert [message for message in by_symbol[symbol] if not is_wrong(message)] == [], name
    assert len({message["t"] for message in by_symbol["TLT"]}) == 1
    backward = [message["t"] for message in by_symbol["XLF"]]
    assert backward == sorted(set(backward), reverse=True)

    client.close()
    eventually(lambda: '"close"' in path.read_text())
    told = [json.loads(line) for line in path.read_text().splitlines()]
    lines = [line for line in told if "connection" in line][1:-1]
    assert [(line["exchange"], line["event"]) for line in told if "exchange" in line] == [("SPY", "halt")]
    assert [line["fault"] for line in lines[:2]] == ["garbage", "garbage"]
    assert [line["size"] for line in lines[:2]] == [frame.length for frame in bad[:2]]
    assert lines[2]["fault"].endswith("masked")
    assert len(lines) == len(received) + 2
    for line, message in zip(lines[2:], received, strict=True):
        if line["T"] == "misshapen":
            assert dict(line["written"]) == message
            assert line["fault"].split("+")[0] in SHAPES
        elif line["T"] == "q":
            told = [line[name] for name in ("symbol", "bid", "bid_size", "ask", "ask_size", "t_ns")]
            assert repr(told) == repr([message[name] for name in ("S", "bp", "bs", "ap", "as", "t")])
            assert plan[line["fault"].split("+")[0]] == line["symbol"]
    assert "fault" not in lines[-1]
    program.stop()
