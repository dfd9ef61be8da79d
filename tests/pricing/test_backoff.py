"""The waits: jittered and growing, slower where the upstream asks for it, and forgiven only after proof."""

from __future__ import annotations

import pytest

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.events import Cause, ConnectionState
from quotebus.pricing.backoff import PROOF_NS, Backoff
from quotebus.pricing.faults import OPERATOR_CAUSES

MINUTE_NS = 60 * NS_PER_S


def backoff(jitter: float = 0.999_999) -> Backoff:
    return Backoff(lambda: jitter)


def test_waits_double_from_a_quarter_of_a_second_until_the_circuit_opens() -> None:
    waits = backoff()
    seen = [waits.record_failure(Cause.RESET) for _ in range(6)]
    assert [round(wait / NS_PER_S, 3) for _, wait in seen] == [0.25, 0.5, 1.0, 2.0, 60, 60]
    assert [state for state, _ in seen] == [ConnectionState.BACKING_OFF] * 4 + [ConnectionState.CIRCUIT_OPEN] * 2
    assert waits.failures == 6


def test_jitter_is_full() -> None:
    for jitter in (0.0, 0.25, 0.5):
        waits = backoff(jitter)
        for failure in range(4):
            assert waits.record_failure(Cause.DNS)[1] == int(jitter * (NS_PER_S // 4 << failure))


@pytest.mark.parametrize("cause", sorted(OPERATOR_CAUSES))
def test_what_only_an_operator_can_mend_is_tried_once_a_minute_from_the_first_failure(cause: Cause) -> None:
    assert backoff().record_failure(cause) == (ConnectionState.REFUSED, MINUTE_NS)


def test_a_client_error_is_for_the_operator_whatever_its_cause() -> None:
    assert backoff().record_failure(Cause.HTTP_STATUS, for_operator=True) == (ConnectionState.REFUSED, MINUTE_NS)
    assert backoff().record_failure(Cause.HTTP_STATUS)[0] is ConnectionState.BACKING_OFF


def test_429_waits_half_a_minute_at_least() -> None:
    assert backoff(0.0).record_failure(Cause.HTTP_429) == (ConnectionState.BACKING_OFF, 30 * NS_PER_S)


def test_connection_limit_doubles_from_five_seconds_to_a_minute_and_never_opens_the_circuit() -> None:
    waits = backoff(0.0)
    seen = [waits.record_failure(Cause.CONNECTION_LIMIT) for _ in range(12)]
    assert [wait // NS_PER_S for _, wait in seen] == [5, 10, 20, 40, *[60] * 8]
    assert {state for state, _ in seen} == {ConnectionState.BACKING_OFF}


def test_another_failure_between_starts_the_connection_limit_anew() -> None:
    waits = backoff(0.0)
    waits.record_failure(Cause.CONNECTION_LIMIT)
    waits.record_failure(Cause.CONNECTION_LIMIT)
    waits.record_failure(Cause.RESET)
    assert waits.record_failure(Cause.CONNECTION_LIMIT)[1] == 5 * NS_PER_S


def test_only_ten_seconds_of_streaming_forgive() -> None:
    waits = backoff()
    for _ in range(5):
        waits.record_failure(Cause.CLOSED)
    waits.record_streaming(PROOF_NS - 1)
    assert waits.record_failure(Cause.CLOSED)[0] is ConnectionState.CIRCUIT_OPEN
    waits.record_streaming(PROOF_NS)
    assert waits.failures == 0
    assert waits.record_failure(Cause.CLOSED) == (ConnectionState.BACKING_OFF, int(0.999_999 * NS_PER_S / 4))


@pytest.mark.parametrize(("asked_s", "waited_s"), [(0, 30), (5, 30), (90, 90), (3_600, 3_600), (10**9, 3_600)])
def test_never_less_than_the_upstream_asked_for_within_an_hour(asked_s: int, waited_s: int) -> None:
    assert backoff(0.0).record_failure(Cause.HTTP_429, retry_after_ns=asked_s * NS_PER_S)[1] == waited_s * NS_PER_S
