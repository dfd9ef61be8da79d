"""No control character leaves the tap, whatever peers send."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from quotebus.bus.events import Claim, Event
from quotebus.bus.tap.escape import clean, encode_json_line
from quotebus.bus.tap.event_lines import format_event, make_record
from quotebus.bus.tap.message_reader import ReceivedMessage
from quotebus.bus.tap.snapshot import take_snapshot
from quotebus.bus.tap.top.controls import Controls
from quotebus.bus.tap.top.table import render_counters, render_screen, render_snapshot
from quotebus.bus.tap.why.explain import explain
from quotebus.bus.tap.why.text import render_explanation
from tests.support.samples import COUNTERS, HEALTH, QUICK, QUOTE, RECORDER, REQUESTED, SAMPLES, STATUS, UTC_NS, like
from tests.support.tap import EVIL, told

NASTY = st.text(max_size=30) | st.just(EVIL)


def safe(text: str) -> bool:
    return text.isprintable()


@QUICK
@given(NASTY, st.integers(min_value=3, max_value=300))
def test_clean_is_printable_and_bounded(text: str, limit: int) -> None:
    assert safe(clean(text, limit))
    assert len(clean(text, limit)) <= limit


def test_clean_leaves_ordinary_text_alone() -> None:
    assert clean("worker-1 (é, 日本)") == "worker-1 (é, 日本)"
    assert clean("\x1b[2J") == "\\x1b[2J"


@QUICK
@given(st.dictionaries(NASTY, NASTY | st.floats() | st.none()))
def test_json_is_one_line_of_ascii_that_a_machine_reads(value: dict[str, Any]) -> None:
    line = encode_json_line(value)
    assert safe(line)
    assert line.isascii()
    json.loads(line, parse_constant=pytest.fail)


def test_json_of_what_json_has_no_word_for() -> None:
    assert encode_json_line({"path": "a\udc80", "far": 2**70, "none": math.nan, "é😀\x7f": 1}) == (
        '{"path":"a\\udc80","far":1180591620717411303424,"none":null,"\\u00e9\\ud83d\\ude00\\u007f":1}'
    )
    assert encode_json_line(["日", math.inf]) == '["\\u65e5",null]'


def poisoned(event: Event, text: str) -> Event:
    """The event with every text of its content replaced, but what its topic repeats."""
    keep = {"version", "symbol", "node", "alias", "name"}
    changes = {f: text for f in event.__struct_fields__ if f not in keep and isinstance(getattr(event, f), str)}
    return msgspec.structs.replace(event, **changes)


@QUICK
@given(st.sampled_from(sorted(SAMPLES)), NASTY)
def test_no_event_brings_a_control_character_to_a_line(kind: str, text: str) -> None:
    heard = ReceivedMessage(f"{kind}.x", poisoned(SAMPLES[kind], text), UTC_NS, 100, 0)
    assert safe(format_event(heard))
    assert safe(encode_json_line(make_record(heard)))


@example("漢字かな" * 20, "why", 40)
@QUICK
@given(NASTY, st.sampled_from(["", "why", "counters", "help"]), st.integers(min_value=40, max_value=200))
def test_no_screen_holds_a_control_character(text: str, panel: str, width: int) -> None:
    view, intake, now_ns = told(
        like(HEALTH, feed=text, detail=text, cause=text, state=text or "x"),
        like(STATUS, state=text, cause=text, clients=(Claim(text, 3, 1000),)),
        like(QUOTE, seq=8, bid_exchange=text),
        like(COUNTERS, program=text, counters={text: 5}),
        like(RECORDER, state=text, cause=text, file=text),
        like(REQUESTED, client=text[:30], request_id=text[:30]),
    )
    shown = take_snapshot(view, intake, now_ns, "tcp://127.0.0.1:5571", True)
    explained = render_explanation(explain(view, "SPY", now_ns), width)
    lines = [
        *render_screen(shown, Controls(panel=panel), width, 24, explained),
        *render_snapshot(shown, Controls(), width),
    ]
    for line in [*lines, *explained, *render_counters(shown, width)]:
        assert safe(line.plain), line.plain
    for line in explained[1:]:
        assert line.cell_len <= width, line.plain
    assert safe(encode_json_line(shown))
    assert safe(encode_json_line(explain(view, "SPY", now_ns).to_dict()))
