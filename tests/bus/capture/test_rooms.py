"""Imports within `bus/capture` lead one way: the format below, the reader above it, on top what works with captures."""

from __future__ import annotations

import pytest

from tests.support.rooms import Arrow, find_arrows, find_circle, find_room_arrows

MAY_IMPORT = {
    "format": set[str](),
    "root": {"format"},
    "inspect": {"format", "root"},
    "record": {"format", "root"},
    "replay": {"format", "root"},
    "report": {"format", "root"},
}


@pytest.fixture(scope="module")
def arrows() -> set[Arrow]:
    return find_arrows("bus/capture")


def test_no_arrow_leads_up_or_across(arrows: set[Arrow]) -> None:
    rooms = find_room_arrows(arrows)
    assert ("record", "format") in rooms
    assert not [(one, other) for one, other in rooms if other not in MAY_IMPORT[one]]


def test_no_file_imports_itself_through_others(arrows: set[Arrow]) -> None:
    assert ("reader", "format.segment") in arrows
    assert not find_circle(arrows)
