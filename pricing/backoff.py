"""When to dial again after a failure: a short trouble stays short, a long one is met with patience. Pure.

The wait is a random part of a bound. The bound doubles from 0.25 s, is at most 5 s, and is at most one and a half times
the length of the trouble, so that an outage of 2 s is never followed by a blind minute. After five minutes without
success it grows to 15 s. A connection that was streaming and fell is dialled again within a second.

Where the upstream says how it wants to be met, that holds instead: what only an operator can mend (credentials,
entitlement, TLS) is tried once a minute with the credentials read anew; a connection limit (406) is waited out from 5 s
doubling to 60 s, because half-dead sockets may hold the slot for a minute and a half; a 429 waits half a minute more.

`circuit_open` is the name of a trouble that remains: ten failures and a minute without streaming. It changes no wait.
"""

from __future__ import annotations

from collections.abc import Callable

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.events import Cause, ConnectionState
from quotebus.pricing.faults import OPERATOR_CAUSES

BASE_NS = NS_PER_S // 4
CAP_NS = 5 * NS_PER_S
FLOOR_NS = NS_PER_S // 2
"""The bound that the length of the trouble sets is never below this."""
LONG_TROUBLE_NS = 300 * NS_PER_S
LONG_CAP_NS = 15 * NS_PER_S
FLAP_NS = (NS_PER_S // 10, NS_PER_S)
MINUTE_NS = 60 * NS_PER_S
PACED_NS = 30 * NS_PER_S
MAX_RETRY_AFTER_NS = 3_600 * NS_PER_S
"""An upstream that asks for more is asked again all the same."""
LIMIT_NS = 5 * NS_PER_S
FAILURES_TO_OPEN = 10


class Backoff:
    """Counts failures in a row. `jitter` returns a float in [0, 1)."""

    def __init__(self, jitter: Callable[[], float]) -> None:
        self.failures = 0
        self._jitter = jitter
        self._limited = 0
        self._trouble_since_ns: int | None = None
        self._forgiven_to_ns = 0

    def record_failure(
        self,
        cause: Cause,
        now_ns: int,
        *,
        was_up: bool = False,
        lost_ns: int | None = None,
        for_operator: bool = False,
        retry_after_ns: int = 0,
    ) -> tuple[ConnectionState, int]:
        """Count one failure; the state to wait in and the wait in ns, never less than the upstream asked for.

        `was_up`: the connection was streaming. `lost_ns`: since when nothing came, when that is known.
        """
        self.failures += 1
        if self._trouble_since_ns is None:
            self._trouble_since_ns = now_ns if lost_ns is None else lost_ns
        state, wait_ns = self._wait_after(cause, now_ns - self._trouble_since_ns, was_up, for_operator)
        return state, max(wait_ns, min(retry_after_ns, MAX_RETRY_AFTER_NS))

    def _wait_after(
        self, cause: Cause, trouble_ns: int, was_up: bool, for_operator: bool
    ) -> tuple[ConnectionState, int]:
        if cause is Cause.CONNECTION_LIMIT:
            wait_ns = min(LIMIT_NS << min(self._limited, 8), MINUTE_NS)
            self._limited += 1
            # The upstream asks to come back later, each time: no reason to stop asking at this pace.
            return ConnectionState.BACKING_OFF, wait_ns + int(self._jitter() * NS_PER_S)
        self._limited = 0
        if for_operator or cause in OPERATOR_CAUSES:
            return ConnectionState.REFUSED, MINUTE_NS
        remains = self.failures >= FAILURES_TO_OPEN and trouble_ns >= MINUTE_NS
        state = ConnectionState.CIRCUIT_OPEN if remains else ConnectionState.BACKING_OFF
        least_ns, most_ns = FLAP_NS if was_up else (0, self._bound_ns(trouble_ns))
        wait_ns = least_ns + int(self._jitter() * (most_ns - least_ns))
        return state, wait_ns + PACED_NS if cause is Cause.HTTP_429 else wait_ns

    def _bound_ns(self, trouble_ns: int) -> int:
        cap_ns = LONG_CAP_NS if trouble_ns >= LONG_TROUBLE_NS else CAP_NS
        return min(BASE_NS << min(self.failures - 1, 16), cap_ns, max(FLOOR_NS, trouble_ns * 3 // 2))

    def begin_streaming(self, now_ns: int) -> None:
        """The connection streams from now on: the trouble is over, its failures are forgiven one a second."""
        self._trouble_since_ns = None
        self._forgiven_to_ns = now_ns

    def end_trouble(self) -> None:
        """Nobody wants the connection any more; the next failure begins a trouble of its own."""
        self._trouble_since_ns = None

    def record_streaming(self, now_ns: int) -> None:
        """It has been streaming until now."""
        streamed_s = max(0, now_ns - self._forgiven_to_ns) // NS_PER_S
        self._forgiven_to_ns += streamed_s * NS_PER_S
        self.failures = max(0, self.failures - streamed_s)
        if self.failures == 0:
            self._limited = 0
