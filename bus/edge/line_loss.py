"""When an upstream connection that streamed has been lost: what its readers got has a hole from then on. Pure."""

from __future__ import annotations

from quotebus.bus.events import ConnectionHealth


class LineLoss:
    """Watches one line by its health."""

    def __init__(self) -> None:
        self._streamed: tuple[str, int] | None = None

    def observe(self, health: ConnectionHealth | None, *, streams: bool) -> bool:
        """Whether the connection that streamed when this was asked last does so no more; true once for each."""
        now = (health.source, health.connection) if streams and health is not None else None
        lost = self._streamed is not None and now != self._streamed
        self._streamed = now
        return lost
