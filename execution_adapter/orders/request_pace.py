"""Who may ask the broker next, and how often resting orders are asked about, so that a budget is enough for all. Pure.

Orders are placed in the order in which intents began to want one. While somebody waits, nobody re-pegs, and resting
orders are asked about less often.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

from quotebus.bus.clock import NS_PER_MS, NS_PER_S

UNLIMITED = 1 << 30
WAITS_NS = NS_PER_S
"""An intent that has not asked again for so long no longer wants to place an order."""
BLIND_NS, BLIND_EACH_NS = NS_PER_S, 600 * NS_PER_MS
"""Without the order stream: the least time between two questions about one order, and its part for each such order."""
PROVEN_NS, PROVEN_EACH_NS = 10 * NS_PER_S, 3 * NS_PER_S
SHORT_EACH_NS = 2 * NS_PER_S


class RequestPace:
    """One for all intents of a worker. Call `begin_turn` before they are advanced."""

    def __init__(self, room: Callable[[], int] = lambda: UNLIMITED) -> None:
        """`room`: how many requests may be made now."""
        self._find_room = room
        self._room: int | None = None
        self._resting = 1
        self._power: frozenset[str] = frozenset()
        self._waiting: dict[str, int] = {}

    def begin_turn(self, now_ns: int, resting: int, power: frozenset[str] = frozenset()) -> None:
        """`resting`: orders that are asked about. `power`: intents that hold buying power back, or will bring some.

        Times are of one clock.
        """
        self._room, self._resting, self._power = None, resting, power
        self._waiting = {name: at_ns for name, at_ns in self._waiting.items() if now_ns - at_ns < WAITS_NS}

    def brings_power(self, intent_id: str) -> bool:
        """Whether an intent that lacks buying power may expect some from others of this worker."""
        return bool(self._power - {intent_id})

    @property
    def is_short(self) -> bool:
        """Whether an intent waits for its turn."""
        return bool(self._waiting)

    def ask_every_ns(self, *, stream_proven: bool) -> int:
        """The time between two questions about one resting order."""
        least_ns, each_ns = (PROVEN_NS, PROVEN_EACH_NS) if stream_proven else (BLIND_NS, BLIND_EACH_NS)
        return max(least_ns, self._resting * max(each_ns, SHORT_EACH_NS if self._waiting else 0))

    def may_place(self, intent_id: str, now_ns: int) -> bool:
        """Whether it is this intent's turn to place an order; if not, it keeps its place in the queue."""
        self._waiting[intent_id] = now_ns  # a name that is there keeps its place
        if self._room is None:
            self._room = self._find_room()
        if intent_id not in islice(self._waiting, self._room):
            return False
        del self._waiting[intent_id]
        self._room -= 1
        return True
