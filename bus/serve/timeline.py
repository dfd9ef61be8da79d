"""What each connection did within the last hour, and since when this program has watched it. Pure.

Times are this machine's: a state's beginning is the node's own duration, counted back from when it was heard. Before
the first health of a node, and while nothing was heard of it, its state is not known, and is not drawn as if it were.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import msgspec

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.consumer import REPLAYED
from quotebus.bus.events import ConnectionHealth
from quotebus.bus.protocol import HEALTH_SILENCE_NS
from quotebus.bus.tap.freshness import Currency

KEPT_NS = 3_600 * NS_PER_S
MAX_SPANS = 500
"""Of one node. A line that flaps all the time has more in an hour; then the oldest are forgotten, and counted."""
MAX_NODES = 64
SILENT = "silent"
"""Drawn where a node was not heard; no state on the wire has this name."""
WATCHER = ""
"""The track of this program itself: where it heard the bus, and where it did not."""
_NAME = 80
_DETAIL = 200


class StateSpan(msgspec.Struct):
    """One state of a connection, from `start_ns` until the next span, or until now."""

    start_ns: int
    state: str
    cause: str
    detail: str = ""
    connection: int = 0


@dataclass(slots=True)
class _Track:
    spans: deque[StateSpan] = field(default_factory=lambda: deque(maxlen=MAX_SPANS))
    key: tuple[object, ...] = ()
    heard_ns: int = 0
    forgotten: int = 0


class ConnectionTimeline:
    """Spans by node. `version` grows with every change of what would be drawn."""

    def __init__(self) -> None:
        self.version = 0
        self._tracks: dict[str, _Track] = {}

    def take_health(self, health: ConnectionHealth, at_ns: int) -> None:
        """A health, heard at `at_ns`. Replayed ones are not the line's."""
        if health.source.startswith(REPLAYED):
            return
        track = self._find(health.node)
        key = (health.source, health.state, health.cause, health.since_ns, health.connection)
        if key != track.key or (track.spans and track.spans[-1].state == SILENT):
            for_ns = max(0, min(health.published_ns - health.since_ns, KEPT_NS))
            start_ns = max(at_ns - for_ns, track.spans[-1].start_ns) if track.spans else at_ns - for_ns
            if track.spans and track.spans[-1].state == SILENT and key == track.key:
                start_ns = at_ns  # the same state as before the silence: what was not heard stays so
            cause, detail = health.cause[:_NAME], health.detail[:_DETAIL]
            self._add(track, StateSpan(start_ns, health.state[:_NAME], cause, detail, health.connection))
            track.key = key
        track.heard_ns = at_ns

    def look(self, now_ns: int, currency: Currency) -> None:
        """Time passes: nodes that were not heard become silent, and what is older than an hour is forgotten."""
        self._look_at_watcher(now_ns, currency)
        for node, track in list(self._tracks.items()):
            if node != WATCHER and now_ns - track.heard_ns > HEALTH_SILENCE_NS and track.spans[-1].state != SILENT:
                self._add(track, StateSpan(track.heard_ns, SILENT, "health_silent"))
            while len(track.spans) > 1 and now_ns - track.spans[1].start_ns > KEPT_NS:
                track.spans.popleft()
                self.version += 1
            if node != WATCHER and track.spans[-1].state == SILENT and now_ns - track.heard_ns > KEPT_NS:
                del self._tracks[node]
                self.version += 1

    def list_tracks(self) -> list[tuple[str, list[StateSpan], int]]:
        """Every node's spans, oldest first, and how many of the last hour were forgotten; the watcher's first."""
        nodes = sorted(self._tracks)
        return [(node, list(self._tracks[node].spans), self._tracks[node].forgotten) for node in nodes]

    def _look_at_watcher(self, now_ns: int, currency: Currency) -> None:
        if currency.deaf:
            state, cause = "deaf", "not_connected" if currency.connected is False else "nothing_heard"
            start_ns = now_ns - currency.silent_ns
        elif currency.behind:
            state, cause, start_ns = "behind", "starved", now_ns - currency.behind_ns
        else:
            state, cause, start_ns = "hearing", "", now_ns
        track = self._find(WATCHER)
        track.heard_ns = now_ns
        if not track.spans or track.spans[-1].state != state:
            earliest_ns = track.spans[-1].start_ns if track.spans else start_ns
            self._add(track, StateSpan(max(start_ns, earliest_ns), state, cause))

    def _find(self, node: str) -> _Track:
        track = self._tracks.pop(node, None)
        if track is None:
            track = _Track()
            if len(self._tracks) >= MAX_NODES:
                del self._tracks[next(name for name in self._tracks if name != WATCHER)]
        self._tracks[node] = track  # the one heard last stays longest
        return track

    def _add(self, track: _Track, span: StateSpan) -> None:
        track.forgotten += len(track.spans) == MAX_SPANS
        track.spans.append(span)
        self.version += 1
