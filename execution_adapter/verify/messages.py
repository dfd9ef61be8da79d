"""The messages of a capture that a decision may name, by source, topic and number. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from quotebus.bus.events import Reference

KEPT = 5_000
"""Messages of one topic; a decision follows what it is based on closely."""
MAX_NAMED = 100_000


@dataclass(slots=True)
class _Kept:
    """The newest messages of one (source, topic).

    `holes`: how many holes the capture had when the newest came; `hole`: the numbers around the last of them.
    """

    first: int
    newest: int
    holes: int
    hole: tuple[int, int] = (0, 0)
    order: deque[int] = field(default_factory=deque)
    by_seq: dict[int, object] = field(default_factory=dict)

    def add(self, seq: int, message: object, holes: int) -> None:
        if holes != self.holes:
            self.hole, self.holes = (self.newest, seq), holes
        self.first, self.newest = min(self.first, seq), max(self.newest, seq)
        if seq not in self.by_seq:
            if len(self.order) >= KEPT:
                del self.by_seq[self.order.popleft()]
            self.order.append(seq)
        self.by_seq[seq] = message


class MessageIndex:
    """Takes each message in file order, and each hole in the capture."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], _Kept] = {}
        self._sources: set[str] = set()
        self._holes = 0

    def keep(self, source: str, topic: str, seq: int, message: object) -> None:
        kept = self._kept.get((source, topic))
        if kept is None:
            if len(self._sources) < MAX_NAMED:
                self._sources.add(source)
            if len(self._kept) >= MAX_NAMED:
                del self._kept[next(iter(self._kept))]
            kept = self._kept[source, topic] = _Kept(seq, seq, self._holes)
        kept.add(seq, message, self._holes)

    def on_hole(self) -> None:
        """Any number of messages are missing here."""
        self._holes += 1

    def find(self, reference: Reference, topic: str) -> object:
        """The message; KeyError when it is not among those kept."""
        return self._kept[reference[0], topic].by_seq[reference[1]]

    def knows(self, source: str) -> bool:
        """Whether any message of this source was seen."""
        return source in self._sources

    def may_be_elsewhere(self, reference: Reference, topic: str) -> bool:
        """Whether a message that is not kept may have been sent before the capture began, or in one of its holes."""
        source, seq = reference
        kept = self._kept.get((source, topic))
        if kept is None:
            return source in self._sources
        if 0 < seq <= kept.first:
            return True  # also the first: an acknowledgement brings again, later, what was sent before
        return seq > kept.newest if kept.holes != self._holes else kept.hole[0] < seq < kept.hole[1]
