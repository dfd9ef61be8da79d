"""Whose health counts: one node's, until another has proven itself. Pure."""

from __future__ import annotations

from collections import deque

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.events import ConnectionHealth, ConnectionState

_WAITING = (ConnectionState.STANDBY, ConnectionState.STOPPED)
_MAX_NEWCOMERS = 8
_MAX_MISSING = 2
"""Healths in a row may miss so many between them: the bus may lose some."""
_IN_STEP_NS = NS_PER_S
"""Healths in a row were sent as long after each other as they came, within this."""
_OWN_STAMPS = 64


class HealthOwner:
    """The newest health of the node that is believed.

    Another source takes over with its second health in a row, once the owner does not stream or has not been heard on
    time: so one message changes nothing, and of two nodes that both publish the one that streams stays. A health that
    bears the stamp of one of the owner's is a copy of it, whatever else it says: nobody sends twice in one nanosecond.
    """

    def __init__(self) -> None:
        self.health: ConnectionHealth | None = None
        self._newcomers: dict[str, tuple[ConnectionHealth, int]] = {}
        self._stamps: deque[int] = deque(maxlen=_OWN_STAMPS)
        self._unsettled = False
        self._odd: int | None = None

    @property
    def source(self) -> str | None:
        """The owner's source; None before the first health."""
        return None if self.health is None else self.health.source

    def take(self, health: ConnectionHealth, received_ns: int, *, owner_is_well: bool = False) -> bool:
        """Take a health; True when it is the owner's, which may have changed by it.

        `owner_is_well`: it streams, and its health was heard when it was due.
        """
        former = self.health
        if health.published_ns in self._stamps:
            return False
        if former is None or former.source == health.source:
            self._stamps.append(health.published_ns)
        if former is not None and former.source == health.source and self._is_odd(former, health):
            return False
        if former is None or former.source == health.source:
            self.health = health
            self._unsettled = False
            return True
        if health.state in _WAITING:
            return False  # a node in waiting, or one that was, says nothing about the active one's connection
        known = self._newcomers.pop(health.source, None)
        in_row = known is not None and _follows(*known, health, received_ns)
        if self._unsettled or former.state in _WAITING or (in_row and not owner_is_well):
            self._hand_over(health)
            return True
        if len(self._newcomers) >= _MAX_NEWCOMERS:
            del self._newcomers[next(iter(self._newcomers))]
        self._newcomers[health.source] = (health, received_ns)
        return False

    def _is_odd(self, former: ConnectionHealth, health: ConnectionHealth) -> bool:
        """A new connection without the states that lead to one: believed when the next health says the same."""
        streams = former.state == health.state == ConnectionState.STREAMING
        if not streams or health.connection in (former.connection, self._odd):
            self._odd = None
            return False
        self._odd = health.connection
        return True

    def unsettle(self) -> None:
        """The bus was away: the owner may be gone, and the next health is believed whoever sends it."""
        self._unsettled = True

    def confirm(self, source: str, *, owner_is_well: bool = False) -> bool:
        """The source has answered a request of ours, which counts as its second health. True when it takes over.

        Since the bus was away nothing says that the owner still runs: what another one answers is no news of it, and
        until that one's health is heard nobody is believed.
        """
        newcomer = self._newcomers.get(source)
        if newcomer is not None and (self._unsettled or not owner_is_well):
            self._hand_over(newcomer[0])
            return True
        if self._unsettled and self.source != source:
            self.health = None
        return False

    def _hand_over(self, health: ConnectionHealth) -> None:
        self.health = health
        self._newcomers.clear()
        self._stamps.clear()
        self._stamps.append(health.published_ns)
        self._unsettled = False


def _follows(former: ConnectionHealth, former_ns: int, health: ConnectionHealth, received_ns: int) -> bool:
    """Whether it was sent as long after the former one as it came after it, with a number that follows."""
    sent_ns = health.published_ns - former.published_ns
    in_order = 0 < health.seq - former.seq <= 1 + _MAX_MISSING
    return in_order and sent_ns > 0 and abs(sent_ns - (received_ns - former_ns)) <= _IN_STEP_NS
