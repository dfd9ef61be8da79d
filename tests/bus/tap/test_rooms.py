"""Imports within `bus/tap` lead one way: what is known of the bus, then screen and explanation, then the verbs."""

from __future__ import annotations

import pytest

from tests.support.rooms import Arrow, find_arrows, find_circle, find_room_arrows

MAY_IMPORT = {
    "root": set[str](),
    "top": {"root"},
    "why": {"root"},
    "verbs": {"root", "top", "why"},
}


@pytest.fixture(scope="module")
def arrows() -> set[Arrow]:
    return find_arrows("bus/tap")


def test_no_arrow_leads_up_or_across(arrows: set[Arrow]) -> None:
    rooms = find_room_arrows(arrows)
    assert ("verbs", "why") in rooms
    assert not [(one, other) for one, other in rooms if other not in MAY_IMPORT[one]]


def test_no_file_imports_itself_through_others(arrows: set[Arrow]) -> None:
    assert ("view", "rates") in arrows
    assert not find_circle(arrows)
