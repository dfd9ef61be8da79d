"""Messages as lines: golden output, and nothing that could act on a terminal."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from quotebus.bus import codec
from quotebus.bus.capture import Capture, Captured
from quotebus.bus.capture.inspect.message_text import encode_message, format_message
from quotebus.bus.process.printable import escaped
from tests.support.samples import QUOTE, UTC_NS, like

DATA = Path(__file__).parents[3] / "data"


def captured(payload: bytes, topic: str = "quote.SPY") -> Captured:
    return Captured(topic, payload, 1, UTC_NS, UTC_NS)


def test_the_golden_lines() -> None:
    messages = list(Capture(DATA / "golden.mcap").read_everything())
    assert [format_message(message) for message in messages] == (DATA / "golden.txt").read_text().splitlines()
    assert [encode_message(message) for message in messages] == (DATA / "golden.jsonl").read_text().splitlines()


def test_control_characters_never_reach_a_terminal() -> None:
    evil = "\x1b]0;owned\x07\x9b2J\u202e\n\u2028\ud7ff\U000e0001"
    payload = codec.encode(like(QUOTE, tape=evil, source=evil)).partition(b"\0")[2]
    for shown in (format_message(captured(payload)), encode_message(captured(payload))):
        assert shown.isprintable()
        assert "\\x1b" in shown or "\\u001b" in shown
    assert json.loads(encode_message(captured(payload)))["fields"]["tape"] == evil
    assert json.loads(encode_message(captured(payload))).get("source") == evil
    assert escaped("plain ä") == "plain ä"


def test_json_stays_ascii_and_loses_nothing() -> None:
    payload = codec.encode(like(QUOTE, tape="ä€\U0001f600")).partition(b"\0")[2]
    shown = encode_message(captured(payload))
    assert shown.isascii()
    assert json.loads(shown)["fields"]["tape"] == "ä€\U0001f600"


def test_what_does_not_decode_is_shown_as_such() -> None:
    for payload in (b"\xc1", msgspec.msgpack.encode([9, "x"])):
        assert "cannot be decoded" in format_message(captured(payload))
        assert json.loads(encode_message(captured(payload)))["error"]
