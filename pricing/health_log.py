"""The line in the log about the upstream connection, at each change."""

from __future__ import annotations

import logging

from quotebus.bus.clock import NS_PER_S, utc_ns
from quotebus.bus.events import ConnectionHealth

log = logging.getLogger("quotebus.pricing.node")


class HealthLog:
    """Takes each health that is published."""

    def __init__(self) -> None:
        self._logged: tuple[str, str, str] | None = None

    def note(self, health: ConnectionHealth) -> None:
        """Log it unless the last one said the same."""
        now = (health.state, health.cause, health.detail)
        if now == self._logged:
            return
        self._logged = now
        retry = ""
        if health.next_retry_ns is not None:
            retry = f", next try in {max(0, health.next_retry_ns - utc_ns()) / NS_PER_S:.1f} s"
        detail = f" [{health.detail}]" if health.detail else ""
        log.info("line %s (%s)%s%s, connection %d", health.state, health.cause, detail, retry, health.connection)
