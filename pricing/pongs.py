"""Whether an address answers pings, and how much silence it is allowed for that. Pure.

A peer must answer a ping (RFC 6455, 5.5.3), but some proxies swallow them. Silence after a ping proves nothing there:
quiet symbols would cost the connection every 4.5 s. So an address that has never answered one gets longer bounds, and
TCP keep-alive finds the peer that is gone. One that ever has keeps the strict ones: there silence is a proof.
"""

from __future__ import annotations

from quotebus.bus.clock import NS_PER_S

NO_PONGS = "no_pongs"
"""What health's detail says of such an address."""
PATIENCE_NS = 2 * NS_PER_S
"""A first ping not answered by then: less than the strict bound, so that this is known before that is reached."""
STRICT_NS = (5 * NS_PER_S // 2, 9 * NS_PER_S // 2)
LENIENT_NS = (28 * NS_PER_S, 30 * NS_PER_S)


class PongWatch:
    """What is known of one address. `missing`: it was asked in vain, and has never answered."""

    def __init__(self) -> None:
        self.missing = False
        self.answers = False
        self._asked_ns: int | None = None

    @property
    def bounds_ns(self) -> tuple[int, int]:
        """After how much silence a connection is suspect, and after how much it is given up."""
        return LENIENT_NS if self.missing else STRICT_NS

    @property
    def due_ns(self) -> int | None:
        """When `on_time` has something to do."""
        return None if self._asked_ns is None or self.answers or self.missing else self._asked_ns + PATIENCE_NS

    def on_ping(self, now_ns: int) -> None:
        """A ping was sent on a connection that streams."""
        if self._asked_ns is None:
            self._asked_ns = now_ns

    def on_lost(self) -> None:
        """The connection has ended before the answer could be missed."""
        self._asked_ns = None

    def on_pong(self) -> None:
        """A ping was answered."""
        self.answers, self.missing = True, False

    def on_time(self, now_ns: int) -> None:
        """Let time pass."""
        due_ns = self.due_ns
        if due_ns is not None and now_ns >= due_ns:
            self.missing = True
