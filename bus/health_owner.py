"""Whose health counts: one node's, until another has proven itself. Pure."""

from __future__ import annotations

from quotebus.bus.events import ConnectionHealth, ConnectionState

_WAITING = (ConnectionState.STANDBY, ConnectionState.STOPPED)
_MAX_NEWCOMERS = 8


class HealthOwner:
    """The newest health of the node that is believed.

    Another source takes over with its second health, once the owner does not stream or has not been heard on time: so
    one message changes nothing, and of two nodes that both publish the one that streams stays.
    """

    def __init__(self) -> None:
        self.health: ConnectionHealth | None = None
        self._newcomers: dict[str, ConnectionHealth] = {}
        self._unsettled = False
        self._odd: int | None = None

    @property
    def source(self) -> str | None:
        """The owner's source; None before the first health."""
        return None if self.health is None else self.health.source

    def take(self, health: ConnectionHealth, *, owner_is_well: bool = False) -> bool:
        """Take a health; True when it is the owner's, which may have changed by it.

        `owner_is_well`: it streams, and its health was heard when it was due.
        """
        former = self.health
        if former is not None and former.source == health.source and self._is_odd(former, health):
            return False
        if former is None or former.source == health.source:
            self.health = health
            self._unsettled = False
            return True
        if health.state in _WAITING:
            return False  # a node in waiting, or one that was, says nothing about the active one's connection
        if self._unsettled or former.state in _WAITING or (health.source in self._newcomers and not owner_is_well):
            self._hand_over(health)
            return True
        if len(self._newcomers) >= _MAX_NEWCOMERS:
            del self._newcomers[next(iter(self._newcomers))]
        self._newcomers[health.source] = health
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
            self._hand_over(newcomer)
            return True
        if self._unsettled and self.source != source:
            self.health = None
        return False

    def _hand_over(self, health: ConnectionHealth) -> None:
        self.health = health
        self._newcomers.clear()
        self._unsettled = False
