"""Messages for the tap, and captures to read them from."""

from __future__ import annotations

from pathlib import Path

from quotebus.bus import codec
from quotebus.bus.capture.format.metadata import CaptureMetadata
from quotebus.bus.capture.format.writer import CaptureWriter
from quotebus.bus.clock import NS_PER_S
from quotebus.bus.events import Event
from quotebus.bus.tap.message_reader import MessageReader, ReceivedFrame
from quotebus.bus.tap.view import View
from tests.support.samples import ACKNOWLEDGED, COUNTERS, HEALTH, QUOTE, REQUESTED, STATUS, TRADE, UTC_NS, like

EVIL = "\x1b[2J\x1b]0;owned\x07\u202e\x9bH\x7f"
"""Clears a screen, names a window, turns the writing direction."""
STORY: list[Event] = [
    HEALTH,
    REQUESTED,
    ACKNOWLEDGED,
    STATUS,
    like(QUOTE, seq=8),
    like(QUOTE, seq=10, bid_price=687.3, ask_price=687.31),
    TRADE,
    COUNTERS,
]
"""A line that streams, one client, one symbol; the quote with the number 9 is missing."""


def messages(*events: Event, step_ns: int = 1_000_000) -> list[ReceivedFrame]:
    """Each published a step after the one before, and heard half a millisecond later."""
    made = [like(event, published_ns=UTC_NS + number * step_ns) for number, event in enumerate(events)]
    return [ReceivedFrame(codec.encode(event), event.published_ns + 500_000) for event in made]


def told(*events: Event, focus: str = "SPY") -> tuple[View, MessageReader, int]:
    """A view that heard these, and now: 10 ms after the last."""
    view, intake = View(focus=focus), MessageReader()
    heard = messages(*events)
    for one in intake.read(heard):
        view.take(one)
    return view, intake, heard[-1].received_ns + 10_000_000


def capture(folder: Path, *events: Event, extra: bytes = b"") -> Path:
    """A capture of these events, one a second."""
    path = folder / "story.mcap"
    metadata = CaptureMetadata("run", "r", "recorder-000001", 0, 1, 0, UTC_NS)
    with CaptureWriter(path, metadata) as writer:
        for message in messages(*events, step_ns=NS_PER_S):
            writer.write_frame(message.frame, message.received_ns, message.received_ns - 500_000)
    return path
