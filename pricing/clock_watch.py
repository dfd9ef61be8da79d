"""What the node's operator should know of time: that the calendar ends, that the system's clock was set."""

from __future__ import annotations

import logging

from quotebus.bus.clock import NS_PER_S, measure_wall_offset_ns, to_utc_ns
from quotebus.pricing.sessions import SessionRule
from quotebus.pricing.wall_clock import WallClock

log = logging.getLogger(__name__)
WARN_EVERY_NS = 86_400 * NS_PER_S
"""Between two warnings of the same kind."""


class ClockWatch:
    """Looks once a second, or as often as it is called."""

    def __init__(self, session_rule: SessionRule) -> None:
        self._session_rule = session_rule
        self._warned_ns = -WARN_EVERY_NS
        self._wall_clock = WallClock()

    def look(self, at_ns: int) -> bool:
        """True when the system's clock was set, so that the node's times are wrong for good."""
        if at_ns - self._warned_ns >= WARN_EVERY_NS:
            self._warned_ns = at_ns
            if warning := self._session_rule.find_warning(to_utc_ns(at_ns)):
                log.warning("%s", warning)
        if not self._wall_clock.is_due(at_ns):
            return False
        offset_ns = measure_wall_offset_ns()
        if not self._wall_clock.look(offset_ns, at_ns):
            return False
        log.warning("the system's clock was set by %+.3f s: the node starts anew with it", offset_ns / NS_PER_S)
        return True
