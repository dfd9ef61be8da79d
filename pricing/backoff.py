"""When to dial again: full jitter on 0.25 s · 2ⁿ, at most 30 s; longer where the upstream asks for it. Pure.

Five failures in a row open the circuit: one attempt a minute. Failures that only an operator can fix (credentials,
entitlement, TLS) are retried once a minute too, with the credentials read again. After a connection limit (406) the
wait is 5 s, doubling to 60 s, because half-dead sockets may hold the slot for a minute and a half.
"""

from __future__ import annotations

from collections.abc import Callable

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.events import Cause, ConnectionState
from quotebus.pricing.faults import OPERATOR_CAUSES

BASE_NS = NS_PER_S // 4
CAP_NS = 30 * NS_PER_S
MINUTE_NS = 60 * NS_PER_S
PACED_NS = 30 * NS_PER_S
MAX_RETRY_AFTER_NS = 3_600 * NS_PER_S
"""The longest `Retry-After` that is honoured."""
LIMIT_NS = 5 * NS_PER_S
FAILURES_TO_OPEN = 5
PROOF_NS = 10 * NS_PER_S
"""Only a connection that has streamed this long proves that the trouble is over."""


class Backoff:
    """Counts failures in a row. `jitter` returns a float in [0, 1)."""

    def __init__(self, jitter: Callable[[], float]) -> None:
        self.failures = 0
        self._jitter = jitter
        self._limited = 0

    def record_failure(
        self, cause: Cause, *, for_operator: bool = False, retry_after_ns: int = 0
    ) -> tuple[ConnectionState, int]:
        """Count one failure. Returns the state to wait in and the wait in ns, at least what the upstream asked for."""
        state, wait_ns = self._wait_after(cause, for_operator=for_operator)
        return state, max(wait_ns, min(retry_after_ns, MAX_RETRY_AFTER_NS))

    def _wait_after(self, cause: Cause, *, for_operator: bool) -> tuple[ConnectionState, int]:
        self.failures += 1
        if cause is Cause.CONNECTION_LIMIT:
            wait_ns = min(LIMIT_NS << min(self._limited, 8), MINUTE_NS)
            self._limited += 1
            # The upstream answers, and asks us to come back later: the circuit need not open.
            return ConnectionState.BACKING_OFF, wait_ns + int(self._jitter() * NS_PER_S)
        self._limited = 0
        if for_operator or cause in OPERATOR_CAUSES:
            return ConnectionState.REFUSED, MINUTE_NS
        if self.failures >= FAILURES_TO_OPEN:
            return ConnectionState.CIRCUIT_OPEN, MINUTE_NS
        wait_ns = int(self._jitter() * min(BASE_NS << (self.failures - 1), CAP_NS))
        if cause is Cause.HTTP_429:
            wait_ns += PACED_NS
        return ConnectionState.BACKING_OFF, wait_ns

    def record_streaming(self, duration_ns: int) -> None:
        """The connection has streamed for this long; after `PROOF_NS` the failure count starts over."""
        if duration_ns >= PROOF_NS:
            self.failures = self._limited = 0
