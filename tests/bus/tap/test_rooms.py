"""Imports within `bus/tap` lead one way: what is known of the bus, then screen and explanation, then the verbs."""

from __future__ import annotations

from tests.support.rooms import find_arrows, find_circle, find_room_arrows

MAY_IMPORT = {
    "root": set[str](),
    "top": {"root"},
    "why": {"root"},
    "verbs": {"root", "top", "why"},
}
ARROWS = find_arrows("bus/tap")


def test_no_arrow_leads_up_or_across() -> None:
    rooms = find_room_arrows(ARROWS)
    assert ("verbs", "why") in rooms
    assert not [(one, other) for one, other in rooms if other not in MAY_IMPORT[one]]


def test_no_file_imports_itself_through_others() -> None:
    assert ("view", "rates") in ARROWS
    assert not find_circle(ARROWS)
