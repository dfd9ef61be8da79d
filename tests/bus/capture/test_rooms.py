"""Imports within `bus/capture` lead one way: the format below, the reader above it, on top what works with captures."""

from __future__ import annotations

from tests.support.rooms import find_arrows, find_circle, find_room_arrows

MAY_IMPORT = {
    "format": set[str](),
    "root": {"format"},
    "inspect": {"format", "root"},
    "record": {"format", "root"},
    "replay": {"format", "root"},
    "report": {"format", "root"},
}
ARROWS = find_arrows("bus/capture")


def test_no_arrow_leads_up_or_across() -> None:
    rooms = find_room_arrows(ARROWS)
    assert ("record", "format") in rooms
    assert not [(one, other) for one, other in rooms if other not in MAY_IMPORT[one]]


def test_no_file_imports_itself_through_others() -> None:
    assert ("reader", "format.segment") in ARROWS
    assert not find_circle(ARROWS)
