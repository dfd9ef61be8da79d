"""What one open page is sent next, given what it has: server-sent events. Pure.

An open page has numbers, not a queue: of each part, the version that it was sent last. A page that reads slowly skips
versions, and gets what is there when it reads.
"""

from __future__ import annotations

from typing import NamedTuple

from quotebus.bus.serve.page_messages import make_activity, make_head, make_programs, make_timeline
from quotebus.bus.serve.state import PageState, Picture
from quotebus.bus.tap.escape import encode_json_line

PROGRAMS_EVERY = 4
"""Counters change all the time: they are sent with every fourth picture."""


class PageVersions(NamedTuple):
    """What a page has of each part; -1 for nothing yet."""

    rows: int = 0
    timeline: int = -1
    activity: int = -1
    programs: int = -1


class PageComposer:
    """Composes events. Pages that have the same versions get the same bytes, made once for each picture."""

    def __init__(self, run: str) -> None:
        """`run` names this start of the program."""
        self._run = run
        self._number = 0
        self._made: dict[PageVersions, tuple[bytes, PageVersions]] = {}
        self._picture: Picture | None = None

    def take(self, picture: Picture) -> None:
        """The newest picture."""
        self._picture = picture
        self._number += 1
        self._made.clear()

    def compose(self, state: PageState, versions: PageVersions) -> tuple[bytes, PageVersions]:
        """The events for a page that has these versions, and what it has then. Nothing before the first picture."""
        picture = self._picture
        if picture is None:
            return b"", versions
        made = self._made.get(versions)
        if made is None:
            made = self._made[versions] = self._compose(state, picture, versions)
        return made

    def _compose(self, state: PageState, picture: Picture, had: PageVersions) -> tuple[bytes, PageVersions]:
        has = PageVersions(
            state.rows.version, state.timeline.version, state.activity.version, self._number // PROGRAMS_EVERY
        )
        parts = [_event("head", make_head(state, picture, self._run))]
        if has.rows != had.rows or had.rows == 0:
            parts.append(_event("rows", state.rows.since(had.rows)))
        if has.timeline != had.timeline:
            parts.append(_event("timeline", make_timeline(state.timeline)))
        if has.activity != had.activity:
            parts.append(_event("activity", make_activity(state.activity)))
        if has.programs != had.programs:
            parts.append(_event("programs", make_programs(state.view, picture.shown)))
        return b"".join(parts), has


def _event(name: str, value: object) -> bytes:
    return f"event: {name}\ndata: {encode_json_line(value)}\n\n".encode()
